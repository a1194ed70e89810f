"""A worker's memory, which the blocks of its threads share: Dask kills a worker that takes more.

As in a run of threads (suite.plan), fewer work at once where all do not fit.
"""

import math
import sys
import threading
from contextlib import contextmanager, suppress

FULL = 0.8  # of a worker's memory: beyond that Dask gives it no more work, and kills it at 0.95

_changed = threading.Condition()
_taken = 0


@contextmanager
def room(size, limit=None):
    """For a `with` statement: so many bytes, once they are there beside those of other blocks.

    limit   bytes that all blocks of this process may take; None: any. A block that is alone there
            takes what it needs.
    """
    global _taken
    size, most = int(size), math.inf if limit is None else limit  # int: they sum up to 0 again
    with _changed:
        _changed.wait_for(lambda: not _taken or _taken + size <= most)
        _taken += size
    try:
        yield
    finally:
        with _changed:
            _taken -= size
            _changed.notify_all()


def of_worker():
    """Bytes that blocks may take in a worker of Dask's; None where nobody sets a limit."""
    dask = sys.modules.get("distributed")
    with suppress(ValueError):  # no worker
        memory = dask and dask.get_worker().memory_manager.memory_limit
        return FULL * memory if memory else None
    return None
