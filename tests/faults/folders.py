"""A results folder under attack: what was committed, what is left over, what is there twice."""

import os
import time

import pandas as pd

from gradlab.files import TEMPORARY
from gradlab.suite import store

HOUR = 3600


def shards(folder, name="toy"):
    """{file name: (content, when it was written)} of the stored blocks."""
    files = (folder / f"{name}.shards").glob("[!.]*.parquet")
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def names(folder, name="toy"):
    """The names of the stored blocks."""
    return [file.name for file in (folder / f"{name}.shards").glob("[!.]*.parquet")]


def broken(folder, name="toy"):
    """The stored blocks that are not whole."""
    return [file for file in (folder / f"{name}.shards").glob("[!.]*.parquet") if not whole(file)]


def whole(file):
    """Whether a stored table reads."""
    try:
        store.read(file)
    except store.Damaged:
        return False
    return True


def aged(folder):
    """Let all that a dead process left be an hour old: a resume comes later, and sweeps it."""
    then = time.time() - HOUR
    for path in folder.rglob(".*"):
        if TEMPORARY.match(path.name):
            os.utime(path, (then, then))


def left(folder):
    """What should not be there when nothing runs: temporary files, marks of runs, kept work."""
    found = [path.name for path in folder.rglob(".*") if TEMPORARY.match(path.name)]
    ends = ("running", "claim", "underway")
    return found + [path.name for end in ends for path in folder.rglob(f"*.{end}")]


def after(folder, committed, count, table, name="toy"):
    """The breaches of a folder whose sweep was resumed to its end.

    committed   `shards` before that; count: of the grid's blocks; table: the bytes of an
                undisturbed run's.
    """
    there = shards(folder, name)
    for file, found in committed.items():
        if there.get(file) != found:
            yield "lost", f"{file} was committed and ran again"
    if len(there) != count:
        yield "twice" if len(there) > count else "lost", f"{len(there)} of {count} blocks"
    path = folder / f"{name}.parquet"
    if not path.exists() or path.read_bytes() != table:
        yield "wrong", "the table is not that of an undisturbed run"
    if remains := left(folder):
        yield "wrong", f"left over: {remains[:3]}"


def twice(frame: pd.DataFrame, keys=("weight", "seed")):
    """Rows that are there two times."""
    return int(frame.duplicated(list(keys)).sum())
