"""Long work of one block: kept as it goes, and counted.

A sweep gives each block a place on disk. A measure asks for a file in it, keeps its state there as
it goes and finds it again after a stop; and says how many updates it did, for the bar. A call by
hand, and a worker that does not see the sweep's disk, have no place, and keep nothing.
"""

import hashlib
import json
import shutil
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

KEEP_EVERY = 30.0  # seconds, unless `at` says otherwise

_place: ContextVar[tuple[Path | None, float | None]] = ContextVar("place", default=(None, None))
_lock = threading.Lock()
_updates = 0


@contextmanager
def at(place, every=None):
    """For a `with` statement: work of this thread is kept in that folder; None: nowhere.

    every   seconds between two times that it is kept; None: KEEP_EVERY.
    """
    token = _place.set((place, every))
    try:
        yield
    finally:
        _place.reset(token)


def file(point):
    """Where a point's state is kept, a path that ends in .safetensors; None: nowhere.

    point   a dict of plain values.
    """
    place = _place.get()[0]
    if place is None:
        return None
    said = json.dumps(point, sort_keys=True)
    return place / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.safetensors"


def keep_every():
    """Seconds between two times that work of this thread is kept."""
    every = _place.get()[1]
    return KEEP_EVERY if every is None else every


def forget(place):
    """Remove what a block kept: it is done."""
    shutil.rmtree(place, ignore_errors=True)


def did(updates):
    """Count updates that were made, of whatever training."""
    global _updates
    with _lock:
        _updates += updates


def updates():
    """How many were counted since the process began."""
    return _updates
