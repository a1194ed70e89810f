"""Numbers that a user hands in, as arrays that every kernel can read: no digit is lost.

A kernel reads memory as its type says, and NumPy has more types than a kernel is compiled for:
what gets there is float64 or float32, in this machine's byte order, aligned and writeable.
"""

import math
import numbers
from collections.abc import Mapping

import numpy as np

from gradlab.errors import UserError

DOUBLE, SINGLE = np.dtype(np.float64), np.dtype(np.float32)
WHOLE = 2**53  # float64 holds every whole number up to it


def real(name, value):
    """An array of real numbers, of whatever dtype, also from lists and tensors.

    Raises UserError, one line, for what holds anything else.
    """
    array = value if type(value) is np.ndarray else _array(name, value)
    if array.dtype.kind not in "biuf":
        raise UserError(f"{name} must hold real numbers, not {array.dtype}")
    return array


def floats(name, value):
    """An array of float64, or of float32 if it is given so, with the same values.

    Raises UserError, one line, where float64 does not hold them: large whole numbers, longdouble.
    """
    array = real(name, value)
    kind = array.dtype
    if kind in (DOUBLE, SINGLE):
        return array
    with np.errstate(over="ignore"):
        found = array.astype(SINGLE if kind == SINGLE.newbyteorder() else DOUBLE)
    if not _same(array, found):
        raise UserError(f"{name} holds {kind} that float64 would round: give float64")
    return found


def ready(array, dtype):
    """The array if a kernel can read it as it stands, else a copy; rounded to `dtype`."""
    if array.dtype == dtype and array.flags.behaved:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(array, dtype)


def number(name, value):
    """A finite number as a float, also from NumPy's. Raises UserError, one line, for others."""
    value = value.item() if isinstance(value, np.generic | np.ndarray) and not value.ndim else value
    try:
        found = float(value) if isinstance(value, numbers.Real) else math.nan
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise UserError(f"{name}={value!r}: must be a finite number")
    return found


def whole(name, value, right, low, high=math.inf):
    """A whole number from low to high as an int; True and 5.0 are none. `right` says which."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not (is_whole and low <= value <= high):
        raise UserError(f"{name} must {right}, not {value!r}")
    return int(value)


def weights(named):
    """{name: array} of one dtype, float32 if all are, else float64; `named` if they are so."""
    if not isinstance(named, Mapping):
        raise UserError(f"weights must be a dict of arrays, not {type(named).__name__}")
    kinds = {own.dtype if type(own) is np.ndarray else None for own in named.values()}
    one = len(kinds) == 1 and kinds <= {DOUBLE, SINGLE}
    if one and all(own.flags.behaved for own in named.values()):
        return named
    found = {name: floats(f"weights[{name!r}]", own) for name, own in named.items()}
    single = all(own.dtype == SINGLE for own in found.values())
    return {name: ready(own, SINGLE if single else DOUBLE) for name, own in found.items()}


def _array(name, value):
    if np.ma.is_masked(value):
        raise UserError(f"{name} has masked entries: fill them, or leave them out by lengths")
    try:
        for step in ("detach", "cpu"):  # a torch tensor shows its numbers after these
            value = getattr(value, step)() if hasattr(value, step) else value
        if str(getattr(value, "dtype", "")) == "torch.bfloat16":  # NumPy has none
            value = value.float()
        return np.asarray(value)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{name} is no array of numbers: {reason}") from None


def _same(array, found):
    if array.dtype.kind == "f":
        return array.dtype.itemsize <= 8 or np.array_equal(
            found.astype(array.dtype), array, equal_nan=True
        )
    if array.dtype.itemsize < 8:
        return True
    large = array[(array > WHOLE) | (array < -WHOLE)].tolist()
    return all(int(float(number)) == number for number in large)
