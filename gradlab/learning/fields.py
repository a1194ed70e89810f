"""What the fields of a record may hold: each check returns the value in Python's own types.

NumPy's scalars become Python's, so that a record can be written as JSON; float32's digits stay as
they are (np.float32(0.1) is 0.10000000149011612). Each raises UserError, one line, that names the
field, what was given and what would be right.
"""

import math
import numbers
import os

import numpy as np

from gradlab.errors import UserError


def whole(name, value, least):
    """A whole number from `least`; True and 5.0 are none."""
    value = _python(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise UserError(f"{name}={value!r}: must be a whole number from {least}")
    return int(value)


def number(name, value, right, holds):
    """A number for which `holds` is true; `right` says which those are. True is none."""
    value = _python(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not holds(_float(value)):
        raise UserError(f"{name}={value!r}: must be {right}")
    return float(value)


def finite(name, value):
    """A finite number >= 0."""
    return number(name, value, "a finite number >= 0", lambda v: 0 <= v < math.inf)


def unless_infinite(value):
    """The number, or None for inf: what a grid's axis has for "no limit", and a plan."""
    return None if value == math.inf else value


def truth(name, value):
    """True or False."""
    value = _python(value)
    if not isinstance(value, bool):
        raise UserError(f"{name}={value!r}: must be True or False")
    return value


def text(name, value):
    """Text that is not empty, or a path."""
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(value, str) or not value:
        raise UserError(f"{name}={value!r}: must be a name")
    return str(value)


def options(name, value):
    """A dict, name -> what JSON gives back as it was: numbers, text, True, False, None, lists."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UserError(f"{name}={value!r}: must be a dict with names as keys")
    return {key: _entry(f"{name}: {key}", entry) for key, entry in value.items()}


def _entry(name, value):
    value = os.fspath(value) if isinstance(value, os.PathLike) else _python(value)
    if isinstance(value, list | tuple):
        return [_entry(name, entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(
        f"{name}={value!r}: must be a number, text, True, False, None or a list of these"
    )


def _float(value):
    try:
        return float(value)
    except OverflowError:  # a whole number above 1.8e308
        return math.nan


def _python(value):
    scalar = isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0)
    return value.item() if scalar else value
