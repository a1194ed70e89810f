"""Rows beyond the range of their dtype: a power of two taken out, whose exponent is counted.

A lane's adjoint may leave float64's range by hundreds of decades. It is then multiplied by an
exact power of two, so that no digit is lost.
"""

import math

import numpy as np

from gradlab.kernels.elementwise import (
    add_scaled,
    add_to_rows,
    copy,
    flush,
    largest,
    row_norms,
    scale,
)
from gradlab.kernels.jit import apart, kernel, ldexp
from gradlab.kernels.room import empty
from gradlab.kernels.tiles import add_times, times

FLUSH_EVERY = 64  # steps


@kernel
def power_of_two(row, exponent):
    """2^exponent in the row's type, for exponents up to its largest; 0 far below its range."""
    return row.dtype.type(ldexp(1.0, int(max(exponent, -1100))))


@kernel
def in_range(norm2, row):
    """Whether a sum of squares is far from under- and overflow: norms from 2^-300 to 2^300.

    The width leaves 2^200 for one step's growth; in float32 the norms are 2^-40 to 2^40.
    """
    if row.itemsize == 4:
        return 2.0**-80 < norm2 < 2.0**80
    return 2.0**-600 < norm2 < 2.0**600


@kernel
def rescale(row, exponent):
    """Bring the largest entry of a row into [1/2, 1); return its exponent.

    A row that is all zero, or holds inf or nan, stays as it is.
    """
    top = largest(row)
    if not 0 < top < math.inf:
        return exponent
    shift = math.frexp(top)[1]
    half = -shift // 2  # in two steps: 2^-shift itself may be out of range
    scale(row, power_of_two(row, half))
    scale(row, power_of_two(row, -shift - half))
    return exponent + shift


@kernel
def add_direct(carry, exponent, direct, first):
    """carry 2^exponent += direct's rows from `first` on, for carry (L, S), exponent (L,)."""
    lanes = carry.shape[0]
    own = direct.slope[first : first + lanes]
    if direct.readout.shape[0] > 0:
        if direct.exponent.size == 0 and are_zero(exponent):
            add_times(own, direct.readout, carry)
            return
        projected = empty(carry.shape, carry)
        times(own, direct.readout, projected)
        own = projected
    for lane in range(lanes):
        level = 0 if direct.exponent.size == 0 else direct.exponent[first + lane]
        exponent[lane] = _add_own(carry[lane], exponent[lane], own[lane], level)


@kernel
def are_zero(exponent):
    """Whether all entries are 0."""
    held = np.int64(0)
    for i in range(exponent.size):
        held |= exponent[i]
    return held == 0


@kernel
def _add_own(row, exponent, own, level):
    """row 2^exponent += own 2^level, at the larger exponent of what is not zero; return it."""
    if largest(own) == 0:
        return exponent
    if exponent < level or largest(row) == 0:
        scale(row, power_of_two(row, min(exponent - level, 0)))
        exponent = level
    add_scaled(row, power_of_two(row, level - exponent), own)
    return exponent


@apart
def receive(adjoint, direct, first, t, lanes):
    """Make the carried rows the adjoint of step t: add the direct part, hold the range, record.

    The direct part is that of the rows from `first` on.
    """
    carry = adjoint.carry[:lanes]
    norm2, exponent = adjoint.norm2[t], adjoint.exponent[t, :lanes]
    if direct.slope.size == 0:
        row_norms(carry, norm2)
    elif direct.readout.shape[0] + direct.exponent.size == 0 and are_zero(exponent):
        add_to_rows(carry, direct.slope[first : first + lanes])
        row_norms(carry, norm2)
    else:
        add_direct(carry, exponent, direct, first)
        row_norms(carry, norm2)
    if hold_range(carry, norm2, exponent):
        row_norms(carry, norm2)
    if t % FLUSH_EVERY == 0:  # in range: no row is lost as a whole
        for lane in range(lanes):
            flush(carry[lane])
    for lane in range(lanes):
        if t > 0:
            adjoint.exponent[t - 1, lane] = exponent[lane]
    if adjoint.states.size > 0:
        for lane in range(lanes):
            copy(carry[lane], adjoint.states[t, lane])


@kernel
def hold_range(rows, norm2, exponent):
    """Rescale the rows whose norm2 (P, L), all parts together, is out of range; whether any was."""
    any_changed = False
    for lane in range(rows.shape[0]):
        total = norm2[0, lane]
        for part in range(1, norm2.shape[0]):
            total += norm2[part, lane]
        if not in_range(total, rows):
            before = exponent[lane]
            exponent[lane] = rescale(rows[lane], before)
            any_changed |= exponent[lane] != before
    return any_changed
