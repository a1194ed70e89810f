"""Packs of shards: a long sweep's thousands of small files become a few large ones.

NAME.shards/NUMBER-RANDOM.pack holds whole shards, one behind the other, each after a line with its
name, its length and a digest of both: a damaged byte costs the block that it stands in and no
other. A pack is on the disk before the files that it holds are removed, so a kill in between leaves
both; `tidy` removes the second of two. A shard of its own counts before one in a pack, and a later
pack before an earlier one.
"""

import hashlib
import os
import re
import secrets
import shutil
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from gradlab import files

FULL = 256  # files of one kind that a run leaves as they are
HEAD = re.compile(rb"gradlab shard ([\w-]{1,190}\.parquet) (\d{1,18}) ([0-9a-f]{64})\n")
LONGEST = 300  # bytes of a head
AT_ONCE = 2**22  # bytes that are read to find the next head
SHARDS, PACKS = "[!.]*.parquet", "[0-9]*.pack"
NAME = re.compile(r"[0-9]{6}-[0-9a-f]{12}\.pack")  # what has another name is somebody else's


class Place(NamedTuple):
    """Where a shard's bytes stand: in a file, from a byte on, so many (None: all of it)."""

    path: Path
    start: int = 0
    length: int | None = None

    def read(self):
        """The bytes; fewer where the file is cut."""
        with open(self.path, "rb") as file:
            file.seek(self.start)
            return file.read(-1 if self.length is None else self.length)


def read(path):
    """(bytes of a shard, the file that they stand in); None if it is stored nowhere."""
    for _ in range(3):  # another run may pack it, and packs together, while one looks
        place = Place(path) if path.exists() else _packed(path)
        if place is None:
            return None
        try:
            return place.read(), place.path
        except FileNotFoundError:
            continue
    return None


def is_stored(path):
    """Whether a shard is there, in a file of its own or in a pack."""
    return path.exists() or _packed(path) is not None


def names(folder):
    """The names of all shards of a folder."""
    packed = (name for pack in found_in(folder) for name in places(pack))
    return {*packed, *(path.name for path in Path(folder).glob(SHARDS))}


def tidy(folder):
    """Remove what is there twice: a kill came after its pack was written."""
    for pack in found_in(folder):
        paths = [Path(folder) / name for name in places(pack)]
        for path in paths:
            if path.exists() and path.read_bytes() == _packed(path).read():
                path.unlink(missing_ok=True)
        if paths and all(_is_later(path, pack) for path in paths):
            pack.unlink(missing_ok=True)


def _is_later(path, pack):
    """Whether a later pack holds the same bytes of a shard."""
    place = _packed(path)
    own = Place(pack, *places(pack)[path.name])
    return place.path != pack and place.read() == own.read()


class Packing:
    """What a run has stored; FULL shards become a pack, and FULL packs one.

    Only this run's own files: what another run is at, it packs itself.
    """

    def __init__(self, paths=()):
        self._shards, self._packs = list(paths), []

    def add(self, path):
        """A shard that was just stored."""
        self._shards.append(path)
        with suppress(OSError):  # of a full disk: they stay as they are
            if len(self._shards) >= FULL:
                shards, self._shards = self._shards, []
                self._packs.append(together(shards))
            if len(self._packs) >= FULL:
                packs, self._packs = self._packs, []
                self._packs.append(together(packs))


def together(paths):
    """Put shards, or packs, into one new pack and remove them; its path.

    Raises OSError; all are kept then.
    """
    number = max(
        (int(pack.name.partition("-")[0]) for pack in found_in(paths[0].parent)), default=0
    )
    pack = paths[0].with_name(f"{number + 1:06d}-{secrets.token_hex(6)}.pack")
    read = {}
    with files.replacing(pack) as temporary, open(temporary, "wb") as into:
        for path in paths:
            with suppress(FileNotFoundError), open(path, "rb") as file:
                read[path] = os.fstat(file.fileno())
                if path.suffix != pack.suffix:
                    into.write(_head(path.name, read[path].st_size))
                shutil.copyfileobj(file, into)
    for path, stat in read.items():
        if path.exists() and os.path.samestat(stat, path.stat()):  # else --fresh made it anew
            path.unlink(missing_ok=True)
    return pack


def _head(name, length):
    said = f"{name} {length}".encode()
    return b"gradlab shard %s %s\n" % (said, hashlib.sha256(said).hexdigest().encode())


def _packed(path):
    """The Place of a shard in the last pack that holds it; None if none does."""
    for pack in reversed(found_in(path.parent)):
        if place := places(pack).get(path.name):
            return Place(pack, *place)
    return None


def found_in(folder):
    """The packs of a folder, the earliest first."""
    return sorted(path for path in Path(folder).glob(PACKS) if NAME.fullmatch(path.name))


def places(pack):
    """{name: (start, length)} of the shards in a pack; {} if it is gone, or no file."""
    try:
        if not pack.is_file():  # of a pipe one would wait for a byte
            return {}
        stat = pack.stat()
        return _looked(pack, stat.st_size, stat.st_ino, stat.st_mtime_ns)
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=1024)
def _looked(pack, size, *_):
    """From head to head; behind a damaged one the next that is whole is looked for."""
    found, place = {}, 0
    with open(pack, "rb") as file:
        while place < size and (head := _next_head(file, place)):
            start, name, length = head
            found[name] = start, length
            place = start + length
    return found


def _next_head(file, place):
    """(start, name, length) of the shard behind the first whole head from a place on, or None."""
    at_once = LONGEST
    while True:
        file.seek(place)
        near = file.read(at_once)
        if head := next(filter(_agrees, HEAD.finditer(near)), None):
            return place + head.end(), head[1].decode(), int(head[2])
        if len(near) < at_once:
            return None
        place, at_once = place + len(near) - LONGEST, AT_ONCE


def _agrees(head):
    return _head(head[1].decode(), int(head[2])) == head[0]
