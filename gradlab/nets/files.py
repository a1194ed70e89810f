"""Named arrays in a .safetensors file: a length, a JSON header, the bytes. Nothing is executed.

The format knows no checksum. What is written here has a digest of all bytes in its metadata, which
is checked; a file of another program has none and is read without.

Written here rather than through the safetensors package: its NumPy side reads no bfloat16, and the
format is these few lines (https://github.com/huggingface/safetensors, "Format").
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from gradlab.errors import UserError
from gradlab.files import remove_stale, replacing

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}
DIGEST, SEALED = "gradlab.sha256", "gradlab.sealed"  # in the metadata: the digest, and that it is
NONE = "0" * 64  # stands for the digest while it is computed
LARGEST_HEADER = 100_000_000  # bytes, the format's own limit


def write(path, arrays, metadata=None):
    """Write {name: array} and {name: text}; the file appears whole or not at all."""
    said = {DIGEST: NONE, SEALED: "1", **(metadata or {})}
    header, parts, place = {"__metadata__": said}, [], 0
    for name, array in arrays.items():
        array = np.asarray(array)
        kind = NAMES[array.dtype.newbyteorder("<")]
        content = np.ascontiguousarray(array, TYPES[kind]).tobytes()
        offsets = [place, place := place + len(content)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        parts.append(content)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    content = b"".join([len(text).to_bytes(8, "little"), text, *parts])
    path = Path(path)
    remove_stale(path.parent, path.name)
    with replacing(path) as temporary:
        temporary.write_bytes(content.replace(NONE.encode(), _digest(content).encode(), 1))


def read(path):
    """({name: array}, {name: text}) of a file; bfloat16 is widened to float32.

    Raises UserError, one line, for what is not a whole .safetensors file, and for one that was
    written here and changed since.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    try:
        size = int.from_bytes(content[:8], "little")
        if not 2 <= size <= min(LARGEST_HEADER, len(content) - 8):
            raise ValueError("its header is cut off")
        header = json.loads(content[8 : 8 + size])
        metadata = header.pop("__metadata__", {})
        _check(content, metadata)
        data = memoryview(content)[8 + size :]
        return {name: _array(entry, data) for name, entry in header.items()}, metadata
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no .safetensors file: {error}") from None


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _check(content, metadata):
    """Take the digest out of the metadata and hold it against the bytes."""
    digest, sealed = metadata.pop(DIGEST, None), metadata.pop(SEALED, None)
    if digest is None and sealed is None and not any(k.startswith("gradlab.") for k in metadata):
        return
    if not digest or _digest(content.replace(digest.encode(), NONE.encode(), 1)) != digest:
        raise ValueError("it is damaged, its digest disagrees")


def _array(entry, data):
    start, stop = entry["data_offsets"]
    if not 0 <= start <= stop <= len(data):
        raise ValueError(f"bytes {start} to {stop} of {len(data)}")
    if entry["dtype"] == "BF16":
        wide = np.frombuffer(data[start:stop], "<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(entry["shape"])
    if entry["dtype"] not in TYPES:
        raise ValueError(f"dtype {entry['dtype']}")
    kind = np.dtype(TYPES[entry["dtype"]])
    return (
        np.frombuffer(data[start:stop], kind).reshape(entry["shape"]).astype(kind.newbyteorder("="))
    )
