"""A block's training, kept on disk as it goes: a run that was stopped takes it up where it was."""

import time

from gradlab import underway
from gradlab.errors import UserError
from gradlab.learning.training import RUNNING, Training

STRIDE = 200  # updates between two looks at the clock


def run(point, training):
    """The training at its end: kept as it goes, and taken up where an earlier run left it.

    point   a dict of plain values, which no other training has: it names the place on disk
    """
    file = underway.file(point)
    if file is not None and file.exists():
        training = _taken_up(file, training)
    kept = time.monotonic()
    while training.status == RUNNING and training.update < training.plan.updates:
        before = training.update
        training.run(until=before + STRIDE)
        underway.did(training.update - before)
        if file is not None and time.monotonic() - kept > underway.keep_every():
            training.save(file)
            kept = time.monotonic()
    return training


def _taken_up(file, training):
    """The kept training, if it is of this plan and can be read; else the new one."""
    try:
        kept = Training.load(file, training.task)
    except (UserError, OSError, ValueError, KeyError):
        return training
    return kept if kept.plan == training.plan else training
