"""What a worker does with one block. Runs in the driver's threads or in other processes."""

import importlib
import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab import found, underway
from gradlab.errors import UserError, placed
from gradlab.threads import one_blas_thread

SMALLEST = np.float64(5e-324)


class Beside(NamedTuple):
    """A measure "module:function" whose module or package stands in an experiment's folder.

    The folder goes along to workers, whose Python need not know it.
    """

    name: str
    folder: str

    def __str__(self):
        return self.name


def placed_beside(measure, file):
    """The measure as Beside if its module stands beside the experiment's file, else as it is."""
    if not isinstance(measure, str) or not os.path.isfile(file):
        return measure
    folder, top = Path(file).absolute().parent, measure.partition(":")[0].partition(".")[0]
    is_there = (folder / f"{top}.py").is_file() or any((folder / top).glob("*.py"))
    return Beside(measure, str(folder)) if is_there and top != "gradlab" else measure


def resolve(measure):
    """The function behind "package.module:function" and, if it stands beside it, `estimate`."""
    function = measure
    if isinstance(measure, str | Beside):
        module, _, name = str(measure).partition(":")
        function = getattr(_imported(module, measure), name, None)
    if function is None:
        raise UserError(f"measure {measure}: its module has no such function")
    beside = getattr(function, "__globals__", {}).get("estimate")
    return function, getattr(function, "estimate", beside)


def _imported(module, measure):
    """The module; one beside an experiment is that one, not another that Python knows by its name.

    Raises UserError if the name is taken: what was hashed would not be what runs.
    """
    if not isinstance(measure, Beside):
        return importlib.import_module(module)
    found.importable(measure.folder)
    loaded = importlib.import_module(module)
    if not Path(loaded.__file__ or "").resolve().is_relative_to(Path(measure.folder).resolve()):
        top = module.partition(".")[0]
        raise UserError(f"measure {measure}: Python knows another {top}; rename the experiment's")
    return loaded


def columns(measure):
    """{"name": "meaning (unit)"} of the table's columns, as COLUMNS beside the measure says."""
    function = resolve(measure)[0]
    beside = getattr(function, "__globals__", {}).get("COLUMNS", {})
    return getattr(function, "COLUMNS", beside)


def run_block(measure, block, alone=False, place=None, every=None):
    """(columns, message, seconds): what was measured, or None and why not.

    place, every: a folder where long work is kept as it goes, and how often (gradlab.underway).
    A block that runs alone has the whole machine, and sets its own limits. A UserError is raised:
    it would meet every block alike.
    """
    started = time.perf_counter()
    columns, message = None, ""
    try:
        if not SMALLEST * np.float64(1.0) > 0:
            raise ArithmeticError("a library built with -ffast-math flushes small numbers to zero")
        # here too: a worker may be a process of its own
        hold = nullcontext() if alone else one_blas_thread()
        with (
            hold,
            underway.at(place, every),
            np.errstate(all="ignore"),
        ):  # what explodes says so by its status
            columns = _checked(resolve(measure)[0](block), block)
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit too: it would end the whole run without a word
        message = placed(error)
    return columns, message, time.perf_counter() - started


def _checked(columns, block):
    if not isinstance(columns, Mapping):
        raise TypeError(f"the measure returned {type(columns).__name__}, not a dict of columns")
    columns = {name: np.asarray(values) for name, values in columns.items()}
    for name, values in columns.items():
        if values.shape != (len(block),):
            raise ValueError(f"column {name} has shape {values.shape}, not ({len(block)},)")
        if name in block.points or name in block.constants:
            raise ValueError(f"column {name} is measured, but it is a parameter")
        if not isinstance(name, str) or not _storable(values):
            raise TypeError(f"column {name} of {values.dtype}: not a name of numbers or text")
    return columns


def _storable(values):
    """Whether a table can hold them: numbers, switches or text."""
    if values.dtype.kind == "O":
        return all(value is None or isinstance(value, str) for value in values.flat)
    return values.dtype.kind in "biufU"
