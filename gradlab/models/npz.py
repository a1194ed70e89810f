"""Named arrays in a .npz file, without pickle and without trust in what its headers say.

An entry's header is held against its size in the archive before its numbers are taken, and those
against `tensors.MOST`: some megabytes of zip may hold many gigabytes of zeros. Nothing is written
to disk, so that an entry's name is a name, whatever slashes it has.
"""

import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from gradlab.errors import UserError
from gradlab.models.tensors import Tensor, shown

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
MOST_ENTRIES = 100_000
WRONG = (
    zipfile.BadZipFile, zlib.error, ValueError, TypeError, KeyError, EOFError, RuntimeError,
    NotImplementedError, OverflowError, SyntaxError, AttributeError, MemoryError, RecursionError,
)  # fmt: skip


def look(path: str | Path) -> dict[str, Tensor]:
    """{name: Tensor} of a file. Raises UserError, one line, for one that is not whole."""
    return _told(path, lambda archive: _looked(path, archive))


def _told(path: str | Path, work: Callable[[zipfile.ZipFile], Any]) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            return work(archive)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except WRONG as error:
        reason = shown(error) or type(error).__name__
        raise UserError(f"{path} is no whole .npz file: {reason}") from None


def _looked(path: str | Path, archive: zipfile.ZipFile) -> dict[str, Tensor]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"{len(entries)} entries, at most {MOST_ENTRIES} are read")
    found: dict[str, Tensor] = {}
    for entry in entries:
        if "\0" in entry.orig_filename:  # cut there by zipfile: it may have swallowed the next ones
            raise ValueError(f"the name {entry.orig_filename}")
        if not entry.filename.endswith(".npy"):
            continue
        name = entry.filename.removesuffix(".npy")
        if name in found:
            raise ValueError(f"{name} comes twice")
        with archive.open(entry) as file:
            found[name] = _tensor(path, entry, *_header(entry, file))
    return found


def _header(entry: zipfile.ZipInfo, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """shape, whether Fortran's order, dtype, bytes of the header; they must make the entry's."""
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"{entry.filename}: an array of format {version}")
    shape, fortran, dtype = HEADERS[version](file, max_header_size=10_000)
    size, start = math.prod(shape) * dtype.itemsize, file.tell()
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"{entry.filename}: shape {shape}")
    if not dtype.hasobject and entry.file_size != start + size:
        raise ValueError(f"{entry.filename}: {entry.file_size} bytes for {dtype} of shape {shape}")
    return shape, fortran, dtype, start


def _tensor(
    path: str | Path, entry: zipfile.ZipInfo, shape: tuple[int, ...], fortran: bool,
    dtype: np.dtype, start: int,
) -> Tensor:  # fmt: skip
    def array(archive: zipfile.ZipFile) -> np.ndarray:
        with archive.open(entry) as file:
            content = file.read(start + math.prod(shape) * dtype.itemsize)
            if file.read(1):  # and at the end its checksum is compared
                raise ValueError(f"{entry.filename} is longer than it says")
        flat = np.frombuffer(content, dtype, math.prod(shape), start)
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)

    kind = "object (a pickle)" if dtype.hasobject else dtype.name
    return Tensor(shape, kind, lambda: _told(path, array))
