"""A block on a worker that is no thread of the sweep's own process: on a cluster, in a pool.

The worker must compute with the sources that the driver stores the block under, and says who it is:
the table's provenance names the machine that measured, not the one that wrote. It keeps a training
as it goes where it sees the driver's folder and may write there: on one machine, or on a disk that
both share.
"""

import functools
import hashlib
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from gradlab.errors import UserError, told
from gradlab.suite import plan, provenance, sources
from gradlab.suite.library import INSTALLED_IN, PACKAGE
from gradlab.suite.room import of_worker, room
from gradlab.suite.work import Beside, run_block


class Keeping(NamedTuple):
    """Where a block keeps its work, how often, and a file of the driver's that stands near it.

    Both paths are absolute: a worker has a working folder of its own.
    """

    place: Path
    every: float | None
    mark: Path


class Elsewhere(NamedTuple):
    """What `run_block` returned there, and what computed it."""

    outcome: tuple
    origin: dict


class Others(NamedTuple):
    """{file: digest}: the sources of a worker that has others than the driver.

    lacking   what it could not read, in words.
    """

    files: dict
    lacking: str = ""


def run_elsewhere(measure, block, alone, files, keeping):
    """Measure a block as `Elsewhere`, or say as `Others` that this process has other sources.

    files   `stamp` of the driver.
    """
    try:
        there = stamp(measure, block)
    except (UserError, OSError) as error:
        return Others({}, told(error))
    if there != files:
        return Others(there)
    mark = keeping.mark
    may_keep = mark.exists() and os.access(mark.parent, os.W_OK)  # a disk that is only read from
    place = keeping.place if may_keep else None
    try:
        ((_, size),) = plan.estimates(measure, [block])
        with room(size, of_worker()):
            outcome = run_block(measure, block, alone, place, keeping.every)
    except UserError as error:  # of a file or a library there, for the driver has asked before
        raise UserError(f"on a worker: {error}") from None
    return Elsewhere(outcome, _origin())


def stamp(measure, block):
    """{file: digest} of what a process computes a block with: gradlab, and the user's files.

    gradlab and the measure's files are read once a process, which goes on with what it has loaded.
    What the block names is loaded anew where it was edited, and so read each time: 12 ms a cell,
    1.3 ms a MB of numbers.
    """
    return {"gradlab": _package(), **_own(measure), **sources.of_block(block)}


def refuse(files, others):
    """Raise UserError for a worker whose sources are not the driver's."""
    if others.lacking:
        raise UserError(
            f"a worker lacks what this process has: {others.lacking}; its working folder is its "
            "own: give full paths, of files that it sees"
        )
    names = ", ".join(sources.differing(files, others.files)[:3])
    raise UserError(
        f"a worker has other sources than this process: {names}; install the same gradlab and put "
        "the same files there, then start the workers again"
    )


@functools.cache
def _package():
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE)
        if place.parts[0] != INSTALLED_IN:  # a wheel has the experiments inside, a checkout beside
            digest.update(place.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _own(measure: Any):
    """The files of the user's behind a measure; one without a module travels with its blocks."""
    if not isinstance(measure, str | Beside) and _travels(measure):
        return {}
    files = _read_once(measure if isinstance(measure, str | Beside) else _Found(measure))
    return {file: digest for file, digest in files.items() if not file.startswith("gradlab/")}


def _travels(function):
    return getattr(function, "__module__", None) in (None, "__main__") or (
        function.__module__ not in sys.modules
    )


class _Found:
    """A function of a module, equal to itself as another message brings it."""

    def __init__(self, function):
        self.function = function
        self._name = function.__module__, function.__qualname__

    def __eq__(self, other):
        return isinstance(other, _Found) and self._name == other._name

    def __hash__(self):
        return hash(self._name)


@functools.cache
def _read_once(measure):
    return sources.of(measure.function if isinstance(measure, _Found) else measure)


@functools.cache
def _origin():
    return provenance.origin()
