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

A task whose options decide more than what `sample` draws can say

    OPTIONS                   the names of its options, else those in the signature of `sample`
    sizes(**options)          (D, O), else INPUTS and OUTPUTS
    unseen(rng, length, batch=1, **options)   sequences that no training sees, to be evaluated on;
                              else `sample` draws them
"""

import functools
import importlib
import inspect
import math
from pathlib import Path

from gradlab import found
from gradlab.errors import UserError

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


def options(name, given):
    """Of what is given, {name: value}, the options of a task; what is None is left out.

    Raises UserError for a file and its columns where the task reads none.
    """
    task = find(name)
    named = getattr(task, "OPTIONS", None) or [*inspect.signature(task.sample).parameters][3:]
    for option in ("file", "column", "target", "fill"):
        if given.get(option) is not None and option not in named:
            told = f"{option}={given[option]}"
            raise UserError(f"{told}: needs task=series, task={name} has none")
    chosen = {option: given[option] for option in named if given.get(option) is not None}
    for option, value in chosen.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{option}={value}: must be a finite number")
    return chosen


def sizes(name, chosen):
    """(D, O) of a task with these options."""
    task = find(name)
    return task.sizes(**chosen) if hasattr(task, "sizes") else (task.INPUTS, task.OUTPUTS)


@functools.cache
def _own():
    return found.stems(Path(__file__).parent)
