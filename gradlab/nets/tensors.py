"""Named arrays in a .safetensors file: a length, a JSON header, the bytes. Nothing is executed.

Written here rather than through the safetensors package: its NumPy side reads no bfloat16, and the
format is these few lines (https://github.com/huggingface/safetensors, "Format").
"""

import json
import os
from pathlib import Path

import numpy as np

from gradlab.errors import UserError

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}
LARGEST_HEADER = 100_000_000  # bytes, the format's own limit


def write(path, arrays, metadata=None):
    """Write {name: array} and {name: text}; the file appears whole or not at all."""
    header, parts, place = {"__metadata__": metadata or {}}, [], 0
    for name, array in arrays.items():
        array = np.asarray(array)
        kind = NAMES[array.dtype.newbyteorder("<")]
        content = np.ascontiguousarray(array, TYPES[kind]).tobytes()
        offsets = [place, place := place + len(content)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        parts.append(content)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    _write_whole(path, [len(text).to_bytes(8, "little") + text, *parts])


def _write_whole(path, parts):
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path):
    """({name: array}, {name: text}) of a file; bfloat16 is widened to float32.

    Raises UserError, one line, for what is not a whole .safetensors file.
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
        data = memoryview(content)[8 + size :]
        return {name: _array(entry, data) for name, entry in header.items()}, metadata
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no .safetensors file: {error}") from None


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
