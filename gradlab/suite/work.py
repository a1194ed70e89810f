"""What a worker does with one block. Runs in the driver's threads or in other processes."""

import importlib
import os
import time
import traceback
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from gradlab.errors import UserError

SMALLEST = np.float64(5e-324)
_held = False  # whether BLAS is held to one thread in this process


@contextmanager
def one_blas_thread():
    """Hold BLAS to one thread: blocks are the parallel work, and more threads change the bits."""
    global _held
    with _limit():
        _held, before = True, _held
        try:
            yield
        finally:
            _held = before


def _limit():
    # loaded first: Numba's np.dot calls this BLAS, and a limit does not touch what is not loaded
    import scipy.linalg.cython_blas  # noqa: F401

    return threadpool_limits(1, user_api="blas")


def resolve(measure):
    """The function behind "package.module:function" and, if it stands beside it, `estimate`."""
    function = measure
    if isinstance(measure, str):
        module, _, name = measure.partition(":")
        function = getattr(importlib.import_module(module), name, None)
    if function is None:
        raise UserError(f"measure {measure}: its module has no such function")
    beside = getattr(function, "__globals__", {}).get("estimate")
    return function, getattr(function, "estimate", beside)


def run_block(measure, block):
    """(columns, message, seconds): what was measured, or None and why not.

    A UserError is raised: it would meet every block alike.
    """
    global _held
    if not _held:  # a worker process of a pool: for good
        _limit()
        _held = True
    started = time.perf_counter()
    columns, message = None, ""
    try:
        if not SMALLEST * np.float64(1.0) > 0:
            raise ArithmeticError("a library built with -ffast-math flushes small numbers to zero")
        columns = _checked(resolve(measure)[0](block), block)
    except UserError:
        raise
    except Exception as error:
        message = _one_line(error)
    return columns, message, time.perf_counter() - started


def _checked(columns, block):
    columns = {name: np.asarray(values) for name, values in columns.items()}
    for name, values in columns.items():
        if values.shape != (len(block),):
            raise ValueError(f"column {name} has shape {values.shape}, not ({len(block)},)")
        if name in block.points or name in block.constants:
            raise ValueError(f"column {name} is measured, but it is a parameter")
    return columns


def _one_line(error):
    """ "ValueError: what it says (file.py:12)": where it was raised, without folders."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text} ({os.path.basename(place.filename)}:{place.lineno})"
