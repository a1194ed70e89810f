"""Tasks: one file each, found by its name, also a user's own (see gradlab.found).

A task file says INPUTS, OUTPUTS (sizes), LOSS, AT ("every" step or the "last"), LENGTH_FREE (a
shorter sequence is a prefix of a longer one of the same rng) and

    sample(rng, length, batch=1, **options) -> inputs (T, B, D), targets

with targets as `Network.gradients` takes them: (T, B, O) at every step, (B, O) at the last; class
numbers (T, B) or (B,) for cross_entropy. All lanes of a batch have T steps, and T is `length` but
where a task draws T itself (addition, multiplication): len(inputs) says it.

A task that can be solved also says

    baseline(length)          expected loss of the best prediction that knows the step but not the
                              input: summed over outputs and steps, averaged over lanes
    wrong(outputs, targets)   bools (B,): which sequences do not count as solved, from the network's
                              outputs where the loss is, (T, B, O) or (B, O); its mean is the error
"""

import importlib
from pathlib import Path

from gradlab import found

PARTS = ("INPUTS", "OUTPUTS", "LOSS", "AT", "LENGTH_FREE", "sample")


def names():
    """The names of all tasks, sorted."""
    return found.names("task", _own())


def find(name):
    """The task's module, by name, or from a user's own file if the name ends in .py.

    Raises UserError for an unknown name, a missing file and a file without all PARTS.
    """
    file = found.find("task", name, _own())
    if file in _own().values():
        return importlib.import_module(f"{__name__}.{file.stem}")
    return found.load("task", file, PARTS)


def _own():
    return found.stems(Path(__file__).parent)
