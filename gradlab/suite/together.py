"""Runs that share a folder of shards, and what a dead one tells the next by its claims.

A run holds a locked file NAME.claim beside the shard of each block that it is at. While a block is
measured the file is as many bytes long as processes have died in it, and one more; whoever finds
one that a dead process left measures that block in a process apart.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, contextmanager, suppress
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from gradlab.errors import named
from gradlab.files import wait_for_lock
from gradlab.suite import store
from gradlab.suite.apart import sendable
from gradlab.suite.work import run_block

DEATHS = 2  # after which a block runs no more that cannot run in a process of its own
_open = BoundedSemaphore(32)  # claims until their blocks are stored, each an open file
_at_risk: set[Any] = set()  # claims of the blocks that are measured now
_turn = threading.Lock()


class Taken(NamedTuple):
    """A block that another run stored meanwhile."""

    rows: Any
    origin: dict


class Claimed(NamedTuple):
    """What `run_block` returned, and what ends the claim on the block once it is stored."""

    outcome: tuple
    let_go: Callable[[], None]


def run_or_take(path, what, keep, apart, take=True):
    """Measure a block as `Claimed`, or get it as `Taken` if another run has stored it by now.

    A block that another run is at is waited for: two runs of one sweep share its blocks, and
    neither touches what the other keeps of long work. take=False measures it in any case.

    what: the measure, the block, and whether it runs alone; keep: `run_block`'s place and every.
    """
    with ExitStack() as stack:
        claim = _claim(path, stack)
        with suppress(store.Damaged):
            if take and (found := store.read_shard(path, what[1])):
                _note(claim, 0)
                return Taken(*found)
        outcome = _measured(claim, apart, what, keep)
        if not _open.acquire(blocking=False):
            return outcome
        stack.callback(_open.release)
        return Claimed(outcome, stack.pop_all().close)


def died_in(path):
    """How many processes died while they measured the block of that shard, as its claim tells."""
    try:
        return path.with_suffix(".claim").stat().st_size
    except OSError:
        return 0


@contextmanager
def given_up():
    """Blocks that are measured yet when it ends are not: by no fault of theirs."""
    try:
        yield
    finally:
        with _turn:
            for claim in _at_risk:
                _note(claim, 0)


def _measured(claim, apart, what, keep):
    """What `run_block` returns; the claim stays if the block killed a process of its own."""
    deaths = os.fstat(claim.fileno()).st_size if claim else 0
    with _turn:
        _at_risk.add(claim)
        _note(claim, deaths + 1)
    try:
        if deaths and sendable(what[0]):
            outcome = apart.run(*what, *keep)
        elif deaths >= DEATHS:
            return None, _given_up(claim, deaths), 0.0
        else:
            outcome = run_block(*what, *keep)
    except BrokenExecutor as error:
        return None, named(error), 0.0
    except BaseException:
        _note(claim, 0)
        raise
    finally:
        with _turn:
            _at_risk.discard(claim)
    _note(claim, 0)
    return outcome


def _given_up(claim, deaths):
    name = os.path.basename(claim.name)
    return f"{deaths} processes died in this block; it runs again once its {name} is removed"


def _note(claim, deaths):
    """Make a claim so many bytes long."""
    with suppress(OSError):
        if claim:
            os.ftruncate(claim.fileno(), deaths)


def _claim(path, stack):
    """Keep other runs on this machine from the block of that shard until the stack ends.

    The claim's file, which goes with the stack unless it tells of a death; None of a full or
    read-only disk: the block runs without.
    """
    claim = path.with_suffix(".claim")
    with suppress(OSError):
        while True:
            file = stack.enter_context(claim.open("ab"))
            wait_for_lock(file)
            # the one that had it may have removed it
            if claim.exists() and os.path.samestat(os.fstat(file.fileno()), claim.stat()):
                break
        stack.callback(lambda: died_in(path) or claim.unlink(missing_ok=True))
        return file
    return None
