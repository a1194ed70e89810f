"""Which runs are at work in a folder of shards: each keeps a locked file PID-RANDOM.running there.

The lock goes with its process, however that ends; a file that nobody holds is of a dead one.
"""

import json
import os
import secrets
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from gradlab import underway
from gradlab.files import locked, telling
from gradlab.suite import packs
from gradlab.suite.together import died_in


@contextmanager
def mark(folder):
    """Say in the folder, which is made, that a run is at work; what dead ones left is removed.

    It is the path of the mark, which is there for as long as the run is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_dead(folder)
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.running"
    try:
        with open(path, "x", encoding="ascii") as file:
            locked(file)
            with telling(path):
                started = time.strftime("%Y-%m-%dT%H:%M:%S%z")
                json.dump({"pid": os.getpid(), "started": started}, file)
                file.flush()
            yield path
    finally:
        with suppress(OSError):  # a disk that takes no more: its first error is the one to tell
            path.unlink(missing_ok=True)


def remove_dead(folder):
    """Remove the marks and claims of runs that are dead, and what they kept of stored blocks."""
    for path in [*_marks(folder), *Path(folder).glob("*.claim")]:
        if not _is_held(path) and not _tells(path):
            path.unlink(missing_ok=True)
    if not at_work(folder):
        for kept in Path(folder).glob("*.underway"):
            if packs.is_stored(kept.with_suffix(".parquet")):
                underway.forget(kept)


def at_work(folder):
    """[{"pid", "started"}] of the runs that are at work there."""
    found = []
    for path in _marks(folder):
        if _is_held(path):
            try:
                found.append(json.loads(path.read_text("ascii")))
            except (OSError, ValueError):  # it has ended, or has not written yet
                continue
    return found


def _marks(folder):
    return sorted(Path(folder).glob("*.running"))


def _tells(path):
    """Whether it is a claim that tells of a death in a block that is not stored."""
    shard = path.with_suffix(".parquet")
    return path.suffix == ".claim" and died_in(shard) > 0 and not packs.is_stored(shard)


def _is_held(path):
    """Whether a process holds the file; where there are no locks, that it is there must do."""
    try:
        with open(path, "rb") as file:
            return not locked(file)
    except OSError:
        return False
