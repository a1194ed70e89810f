"""Named arrays in a .safetensors file: a length, a JSON header, the bytes. Nothing is executed.

The format knows no checksum. What is written here has a digest of all bytes in its metadata, which
is checked; a file of another program has none and is read without. The header is held against the
file before any array is read: its length, its names, and that the arrays fill the rest of the file
without a gap or an overlap, as the format asks.

Written here rather than through the safetensors package: its NumPy side reads no bfloat16 without
ml_dtypes, takes the last of two equal names, and the format is these few lines
(https://github.com/huggingface/safetensors, "Format"). The tests hold both against each other.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gradlab import files
from gradlab.errors import UserError
from gradlab.files import remove_stale
from gradlab.models.tensors import Tensor, of_bfloat16, shown

TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}
DIGEST, SEALED = "gradlab.sha256", "gradlab.sealed"  # in the metadata: the digest, and that it is
NONE = "0" * 64  # stands for the digest while it is computed
# Bytes. The format allows ten times that, of which Python makes objects of over 1 GB; 70,000
# arrays have such a header.
LARGEST_HEADER = 10_000_000
PIECE = 2**20  # bytes hashed at once
WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


def write(
    path: str | Path, arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> None:
    """Write {name: array} and {name: text}; the file appears whole or not at all."""
    header: dict[str, Any] = {"__metadata__": {DIGEST: NONE, SEALED: "1", **(metadata or {})}}
    parts, place = [], 0
    for name, given in arrays.items():
        array = np.asarray(given)
        kind = NAMES[array.dtype.newbyteorder("<")]
        content = np.ascontiguousarray(array, TYPES[kind]).tobytes()
        offsets = [place, place := place + len(content)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        parts.append(content)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    whole = b"".join([len(text).to_bytes(8, "little"), text, *parts])
    digest = hashlib.sha256(whole).hexdigest()
    path = Path(path)
    remove_stale(path.parent, path.name)
    files.write(path, whole.replace(NONE.encode(), digest.encode(), 1))


def read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """({name: array}, {name: text}) of a file; bfloat16 is widened to float32.

    Raises UserError, one line, for what is not a whole .safetensors file, and for one that was
    written here and changed since.
    """
    tensors, metadata = look(path)
    return {name: tensor.read() for name, tensor in tensors.items()}, metadata


def look(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The same, with arrays that are read one by one. Raises as `read`."""
    return _told(path, lambda file: _looked(path, file))


def _told(path: str | Path, work: Callable[[BinaryIO], Any]) -> Any:
    try:
        with open(path, "rb") as file:
            return work(file)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UserError:
        raise
    except WRONG as error:
        raise UserError(f"{path} is no .safetensors file: {shown(error)}") from None


def _looked(path: str | Path, file: BinaryIO) -> tuple[dict[str, Tensor], dict[str, str]]:
    whole = os.fstat(file.fileno()).st_size
    start = file.read(8)
    size = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= size <= whole - 8:
        raise ValueError("its header is cut off")
    if size > LARGEST_HEADER:
        raise ValueError(f"a header of {size} bytes, at most {LARGEST_HEADER} are read")
    text = file.read(size)
    header = json.loads(text, object_pairs_hook=_once)
    metadata = header.pop("__metadata__", {})
    if not all(isinstance(told, str) for told in metadata.values()):
        raise ValueError("its metadata are no texts")
    _check_digest(file, start + text, metadata)
    spans = {name: _span(name, entry) for name, entry in header.items()}
    _check_filled(spans, whole - 8 - size)
    tensors = {
        name: _tensor(path, entry, 8 + size + spans[name][0]) for name, entry in header.items()
    }
    return tensors, metadata


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, none of whose names comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice} comes twice")
    return found


def _span(name: str, entry: dict[str, Any]) -> tuple[int, int]:
    """Where an array's bytes lie, as many as its shape and dtype need."""
    start, stop = entry["data_offsets"]
    numbers = [start, stop, *entry["shape"]]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError(f"{name}: offsets and shape must be whole numbers from 0")
    item = {"BF16": 2}.get(kind := entry["dtype"]) or np.dtype(TYPES.get(kind, "V0")).itemsize
    if item and stop - start != math.prod(entry["shape"]) * item:
        raise ValueError(f"{name}: bytes {start} to {stop} for {kind} of shape {entry['shape']}")
    return start, stop


def _check_filled(spans: dict[str, tuple[int, int]], size: int) -> None:
    place = 0
    for name, (start, stop) in sorted(spans.items(), key=lambda item: item[1]):
        if start != place or stop < start:
            raise ValueError(f"{name}: bytes {start} to {stop}, where {place} would be next")
        place = stop
    if place != size:
        raise ValueError(f"{size} bytes of arrays, of which its header knows {place}")


def _tensor(path: str | Path, entry: dict[str, Any], start: int) -> Tensor:
    kind, shape = entry["dtype"], tuple(entry["shape"])
    size = entry["data_offsets"][1] - entry["data_offsets"][0]

    def array(file: BinaryIO) -> np.ndarray:
        file.seek(start)
        if len(content := file.read(size)) < size:
            raise ValueError("it was cut meanwhile")
        if kind == "BF16":
            return of_bfloat16(content).reshape(shape)
        if kind not in TYPES:
            raise ValueError(f"dtype {kind}")
        found = np.frombuffer(content, TYPES[kind]).reshape(shape)
        return found.astype(found.dtype.newbyteorder("="))

    name = "bfloat16" if kind == "BF16" else np.dtype(TYPES[kind]).name if kind in TYPES else kind
    return Tensor(shape, name, lambda: _told(path, array))


def _check_digest(file: BinaryIO, start: bytes, metadata: dict[str, str]) -> None:
    """Take the digest out of the metadata and hold it against the bytes."""
    digest, sealed = metadata.pop(DIGEST, None), metadata.pop(SEALED, None)
    if digest is None and sealed is None and not any(k.startswith("gradlab.") for k in metadata):
        return
    found = hashlib.sha256(start.replace((digest or " ").encode(), NONE.encode(), 1))
    while piece := file.read(PIECE):
        found.update(piece)
    if found.hexdigest() != digest:
        raise ValueError("it is damaged, its digest disagrees")
