"""A results folder under attack: what was committed, what is left over, what is there twice."""

import os
import time

import pandas as pd

from gradlab.files import TEMPORARY
from gradlab.suite import packs, store

HOUR = 3600


def shards(folder, name="toy"):
    """{name: content} of the stored blocks, in packs or not; it says what each took."""
    place = folder / f"{name}.shards"
    return {name: packs.read(place / name)[0] for name in packs.names(place)}


def copies(folder, name="toy"):
    """How many blocks stand there, in packs or not; one that is there twice counts twice."""
    place = folder / f"{name}.shards"
    loose = len(list(place.glob(packs.SHARDS)))
    return loose + sum(len(packs.places(pack)) for pack in packs.found_in(place))


def broken(folder, name="toy"):
    """The stored blocks that are not whole."""
    place = folder / f"{name}.shards"
    return [name for name, content in shards(folder, name).items() if not _whole(place, content)]


def _whole(path, content):
    try:
        store._read(path, content)
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
    if copies(folder, name) != len(there):
        yield "twice", f"{copies(folder, name)} copies of {len(there)} blocks"
    path = folder / f"{name}.parquet"
    if not path.exists() or path.read_bytes() != table:
        yield "wrong", "the table is not that of an undisturbed run"
    if remains := left(folder):
        yield "wrong", f"left over: {remains[:3]}"


def twice(frame: pd.DataFrame, keys=("weight", "seed")):
    """Rows that are there two times."""
    return int(frame.duplicated(list(keys)).sum())
