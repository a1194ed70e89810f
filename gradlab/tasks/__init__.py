"""Tasks: one file each, found by its name, also a user's own.

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
import importlib.util
import pkgutil
from pathlib import Path

from gradlab.errors import UserError

PARTS = ("INPUTS", "OUTPUTS", "LOSS", "AT", "LENGTH_FREE", "sample")


def names():
    """The names of the tasks that come with gradlab, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith("_"))


def find(name):
    """The task's module, by name, or from a user's own file if the name ends in .py.

    Raises UserError for an unknown name, a missing file and a file without all PARTS.
    """
    if str(name).endswith(".py"):
        return _from_file(Path(name))
    if name not in names():
        raise UserError(f"no task {name}; there are {', '.join(names())}, or give a FILE.py")
    return importlib.import_module(f"{__name__}.{name}")


def _from_file(file):
    if not file.is_file():
        raise UserError(f"no file {file}")
    spec = importlib.util.spec_from_file_location(f"task_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing = [part for part in PARTS if not hasattr(module, part)]
    if missing:
        raise UserError(f"{file} is no task: it lacks {', '.join(missing)}")
    return module
