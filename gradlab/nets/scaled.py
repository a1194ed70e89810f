"""Arrays whose value is array * 2^exponent, for gradients beyond float64's range."""

import numpy as np


def plain(array, exponent):
    """array * 2^exponent in the array's dtype: 0 or inf where that ends."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(array, np.asarray(exponent, np.int64))


def log2_norm(arrays, exponent=0):
    """log2 of the norm of all entries of all arrays together, times 2^exponent; -inf for zero.

    Scaled by the largest entry before squaring: nothing under- or overflows on the way.
    """
    top = max((float(np.abs(array).max()) for array in arrays), default=0.0)
    if top == 0 or not np.isfinite(top):
        return float(np.log2(top)) if top else -np.inf
    squares = sum(float(np.square(array / top, dtype=np.float64).sum()) for array in arrays)
    return float(np.log2(top) + 0.5 * np.log2(squares) + exponent)


def added(terms):
    """(array, exponent) of the sum of [(array, exponent)], at the largest exponent of them."""
    first, level = terms[0]
    if all(exponent == level for _, exponent in terms):
        return sum((array for array, _ in terms[1:]), start=first), level
    level = max((exponent for array, exponent in terms if array.any()), default=0)
    return sum(plain(array, exponent - level) for array, exponent in terms), level


def common_exponent(parts):
    """Arrays with one exponent from {name: (array, exponent)}; it is 0 if all then fit."""
    if not any(exponent for _, exponent in parts.values()):
        return {name: array for name, (array, _) in parts.items()}, 0
    level = max((int(e) for array, e in parts.values() if np.any(array)), default=0)
    level = 0 if all(_fits(array, int(e)) for array, e in parts.values()) else level
    return {name: plain(array, int(e) - level) for name, (array, e) in parts.items()}, level


def _fits(array, exponent):
    # Normal numbers on both ends: the largest entry must neither overflow nor become subnormal.
    top = float(np.abs(array).max(initial=0.0))
    if top == 0 or not np.isfinite(top):
        return True
    info = np.finfo(array.dtype)
    return info.minexp < np.frexp(top)[1] + exponent <= info.maxexp
