"""Blocks in a process of their own: those that may kill it, alone with their death.

Of the blocks that were at work when an executor broke, or when a run of threads died, one has
killed its process: here it is alone, and the others are measured.
"""

import inspect
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import NamedTuple

from gradlab import found
from gradlab.suite.work import Beside, run_block

KILLED = "the block killed its process, in which it was alone"


class InFile(NamedTuple):
    """A measure that is a function of a user's file, which another process must run to have it."""

    file: str
    name: str


def sendable(measure):
    """What another process finds the measure by; None if it stands in no file, or in a function."""
    if isinstance(measure, str | Beside):
        return measure
    name = getattr(measure, "__qualname__", "")
    with suppress(TypeError, OSError):
        file = os.path.abspath(inspect.getfile(measure))
        if name.isidentifier() and os.path.isfile(file):
            return InFile(file, name)
    return None


class Apart:
    """Runs blocks one after the other in a process, and in a new one after a death."""

    def __init__(self):
        self._pool, self._turn = None, threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def run(self, measure, block, alone, *keep):
        """What `run_block` returns. Raises BrokenExecutor if the process dies."""
        what = sendable(measure) or measure, block, alone, *keep
        with self._turn:
            if self._pool is None:
                context = get_context("spawn")
                self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_prepare)
            try:
                return self._pool.submit(_run, *what).result()
            except BrokenExecutor as error:
                self.__exit__()
                raise type(error)(KILLED) from error


def _run(measure, *what):
    if isinstance(measure, InFile):
        measure = getattr(found.load("experiment", Path(measure.file)), measure.name)
    return run_block(measure, *what)


def _prepare():
    """Ctrl-C is the driver's, and without a driver nobody wants the block."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver():
    parent_process().join()
    os._exit(1)
