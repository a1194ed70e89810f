"""Long work of one block: kept as it goes, and counted.

A sweep gives its own threads a `Place` on disk. A measure asks for a file in it, keeps its state
there as it goes and finds it again after a stop; and says how many updates it did, for the bar.
Elsewhere (another process, a call by hand) there is no place, and nothing is kept.
"""

import hashlib
import json
import shutil
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

KEEP_EVERY = 30.0  # seconds

_place: ContextVar[Path | None] = ContextVar("place", default=None)
_lock = threading.Lock()
_updates = 0


@contextmanager
def at(place):
    """For a `with` statement: work of this thread is kept in that folder; None: nowhere."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


def file(point):
    """Where a point's state is kept, a path that ends in .safetensors; None: nowhere.

    point   a dict of plain values.
    """
    place = _place.get()
    if place is None:
        return None
    said = json.dumps(point, sort_keys=True)
    return place / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.safetensors"


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
