"""Runs that share a folder of shards, and blocks that outlive their executor."""

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from gradlab.files import wait_for_lock
from gradlab.suite import store
from gradlab.suite.work import run_block

_open = BoundedSemaphore(32)  # claims until their blocks are stored, each an open file


class Taken(NamedTuple):
    """A block that another run stored meanwhile."""

    rows: Any
    origin: dict


class Claimed(NamedTuple):
    """What `run_block` returned, and what ends the claim on the block once it is stored."""

    outcome: tuple
    let_go: Callable[[], None]


def run_or_take(path, measure, block, alone, place, every=None):
    """Measure a block as `Claimed`, or get it as `Taken` if another run has stored it by now.

    A block that another run is at is waited for: two runs of one sweep share its blocks, and
    neither touches what the other keeps of long work.
    """
    with ExitStack() as stack:
        _claim(path, stack)
        with suppress(store.Damaged):
            if found := store.read_shard(path, block):
                return Taken(*found)
        outcome = run_block(measure, block, alone, place, every)
        if not _open.acquire(blocking=False):
            return outcome
        stack.callback(_open.release)
        return Claimed(outcome, stack.pop_all().close)


def _claim(path, stack):
    """Keep other runs on this machine from the block of that shard until the stack ends."""
    claim = path.with_suffix(".claim")
    with suppress(OSError):  # of a full or read-only disk: the block runs without
        while True:
            file = stack.enter_context(claim.open("ab"))
            wait_for_lock(file)
            # the one that had it may have removed it
            if claim.exists() and os.path.samestat(os.fstat(file.fileno()), claim.stat()):
                break
        stack.callback(claim.unlink, missing_ok=True)


class Apart:
    """Runs blocks one after the other in a process of their own, and in a new one after a death.

    Of the blocks that were at work or waiting when an executor broke, one has killed its process:
    here it is alone with its death, and the others are measured.
    """

    def __init__(self):
        self._pool = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def run(self, measure, block, alone):
        """What `run_block` returns. Raises BrokenExecutor if the process dies."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        try:
            return self._pool.submit(run_block, measure, block, alone).result()
        except BrokenExecutor:
            self.__exit__()
            raise
