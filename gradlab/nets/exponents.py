"""Arrays whose value is array * 2^exponent, for gradients beyond float64's range."""

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels.losses import SAFE

LOWEST = np.iinfo(np.int64).min // 2  # the exponent of an exact zero


def plain(array, exponent):
    """array * 2^exponent in the array's dtype: 0 or inf where that ends."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(array, np.asarray(exponent, np.int64))


def is_safe(array):
    """Whether the largest entry may be squared, and multiplied with another one."""
    low, high = SAFE[array.dtype.itemsize]
    return bool(low <= _top(array) <= high)


def are_safe(rows):
    """Whether each of rows (..., n) is, or is exactly zero."""
    low, high = SAFE[rows.dtype.itemsize]
    size = np.abs(rows)
    if size.max(initial=0) <= high and size.min(initial=high) >= low:
        return True  # so it is nearly always: no maximum of short rows
    top = size.max(-1, initial=0)
    return bool(((top == 0) | ((top >= low) & (top <= high))).all())


def normal_rows(rows):
    """(rows / 2^e, e): the largest entry of each of rows (..., n) in [1/2, 1).

    A row that is all zero, or holds inf or nan, stays as it is.
    """
    top = np.abs(rows).max(-1, initial=0)
    exponent = np.where(np.isfinite(top), np.frexp(top)[1], 0).astype(np.int64)
    return plain(rows, -exponent[..., None]), exponent


def normal(array, exponent=0):
    """(array, exponent) with the largest entry in [1/2, 1)."""
    rows, shift = normal_rows(array.reshape(1, -1))
    return rows.reshape(array.shape), int(shift[0] + exponent)


def before_product(rows, exponent, matrix):
    """(rows (..., O), exponent (...), matrix (O, n)) of the same product, brought into range.

    Each row of the matrix has a power of two of its own, which goes to the entries of `rows`.
    """
    matrix, shift = normal_rows(matrix)
    digits, own = np.frexp(rows)
    own = np.where((digits == 0) | ~np.isfinite(digits), LOWEST, own + shift)
    level = own.max(-1)
    level[level == LOWEST] = 0
    own = np.where(own == LOWEST, 0, own - level[..., None])
    return plain(digits, own), exponent + level, matrix


def outer(rows, exponent, columns):
    """(array, exponent) of the sum over r of rows[r] columns[r]^T 2^exponent[r]: (R, A), (R, B)."""
    rows, of_rows = normal_rows(rows)
    columns, of_columns = normal_rows(columns)
    own = exponent + of_rows + of_columns
    held = rows.any(1) & columns.any(1)
    level = int(own[held].max()) if held.any() else 0
    with np.errstate(invalid="ignore"):
        return plain(rows, np.where(held, own - level, LOWEST)[:, None]).T @ columns, level


def log2_norm(arrays, exponent=0):
    """log2 of the norm of all entries of all arrays together, times 2^exponent; -inf for zero.

    Scaled by the largest entry before squaring: nothing under- or overflows on the way. exponent:
    one for all arrays, or one each.
    """
    arrays = list(arrays)
    levels = np.broadcast_to(exponent, len(arrays))
    logs = [_log2_norm(array, int(level)) for array, level in zip(arrays, levels, strict=True)]
    top = max(logs, default=-np.inf)
    if any(np.isnan(logs)):
        return np.nan
    if len(logs) < 2 or not np.isfinite(top):
        return top
    return float(top + 0.5 * np.log2(np.square(np.exp2(np.subtract(logs, top))).sum()))


def log2_sum(log2, axis=0):
    """log2 of the sum of 2^log2 along an axis; nan, without a warning, where one is."""
    with np.errstate(invalid="ignore"):
        return np.logaddexp2.reduce(log2, axis=axis)


def log2_mean(log2, axis=0):
    """log2 of the mean of 2^log2 along an axis; nan, without a warning, where one is."""
    return log2_sum(log2, axis) - np.log2(np.shape(log2)[axis])


def _log2_norm(array, exponent):
    top = _top(array)
    if top == 0 or not np.isfinite(top):
        return float(np.log2(top)) if top else -np.inf
    digits, shift = normal(array, exponent)
    squares = np.square(digits, dtype=np.float64).sum()
    return float(0.5 * np.log2(squares) + shift)


def added(terms):
    """(array, exponent) of the sum of [(array, exponent)], at the largest of their sizes."""
    first, level = terms[0]
    if len(terms) == 1:
        return first, level
    if all(exponent == level for _, exponent in terms):
        return sum((array for array, _ in terms[1:]), start=first), level
    terms = [normal(np.asarray(array), exponent) for array, exponent in terms]
    level = max((exponent for array, exponent in terms if array.any()), default=0)
    pieces = [plain(a, e - level) if a.any() else a for a, e in terms]
    return sum(pieces[1:], start=pieces[0]), level


def in_reach(parts):
    """({name: array}, {name: exponent}) that a dtype can hold, from {name: (array, exponent)}.

    All exponents are 0 if all then fit; else they are one if all fit at it; else those that do not
    fit at 0 have one of their own.
    """
    if not any(exponent for _, exponent in parts.values()):
        return {name: array for name, (array, _) in parts.items()}, dict.fromkeys(parts, 0)
    level = max((int(e) for array, e in parts.values() if np.any(array)), default=0)
    for common in (0, level):
        if all(_fits(array, int(e) - common) for array, e in parts.values()):
            exponents = dict.fromkeys(parts, common)
            break
    else:
        exponents = {k: 0 if _fits(array, int(e)) else int(e) for k, (array, e) in parts.items()}
    weights = {k: plain(array, int(e) - exponents[k]) for k, (array, e) in parts.items()}
    return weights, exponents


def the_exponent(exponents):
    """The one exponent of all. Raises UserError where each has its own."""
    found = set(exponents.values())
    if len(found) > 1:
        listed = ", ".join(f"{name}: {e}" for name, e in exponents.items())
        raise UserError(f"no single exponent holds these gradients: take exponents ({listed})")
    return found.pop()


def at_one_level(weights, exponents):
    """{name: array} of all at the largest exponent of what is not zero: small ones may vanish."""
    level = max((exponents[name] for name, array in weights.items() if array.any()), default=0)
    return {
        name: plain(array, exponents[name] - level) if array.any() else array
        for name, array in weights.items()
    }


def _top(array):
    return float(np.abs(array).max(initial=0))


def _fits(array, exponent):
    # Normal numbers on both ends: the largest entry must neither overflow nor become subnormal.
    top = _top(array)
    if top == 0 or not np.isfinite(top):
        return True
    info = np.finfo(array.dtype)
    return info.minexp < np.frexp(top)[1] + exponent <= info.maxexp
