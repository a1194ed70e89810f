"""A user's text file, opened with care: an error is a line, and a pipe or device is none."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gradlab.errors import UserError
from gradlab.files import expanded

MARK = b"\xef\xbb\xbf"  # the byte order mark of UTF-8


class Wrong(Exception):
    """What is wrong with a line."""


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """The regular file of that path, as bytes. Raises UserError, one line, for what is none."""
    place, _ = _regular(path)
    try:
        with open(place, "rb") as file:
            yield file
    except OSError as error:
        raise UserError(f"{place}: {error.strerror}") from None


def stamp(path: str | os.PathLike[str] | None) -> tuple[int, int] | None:
    """What changes with a file, so that one that was edited is read again; None of none.

    Raises UserError as `opened` does.
    """
    if path is None:
        return None
    status = _regular(path)[1]
    return status.st_mtime_ns, status.st_size


def _regular(path: str | os.PathLike[str]) -> tuple[Path, os.stat_result]:
    """Where that file is, and what the system says of it."""
    place = expanded(path)
    try:
        status = os.stat(place)
    except OSError as error:
        raise UserError(f"{place}: {error.strerror}") from None
    except ValueError as error:  # a zero byte in it
        raise UserError(f"{str(place)!r}: {error}") from None
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device may never end
        is_folder = stat.S_ISDIR(status.st_mode)
        what = "a folder: give the file in it" if is_folder else "no regular file"
        raise UserError(f"{place} is {what}")
    return place, status


def begun(start: bytes) -> bytes:
    """How a file begins, without a byte order mark. Raises Wrong for a file of another kind."""
    if start.startswith(b"\x1f\x8b"):
        raise Wrong("compressed by gzip: unpack it first")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Wrong("in UTF-16: must be in UTF-8")
    return start.removeprefix(MARK)
