"""What every cell needs around its backward loop: staying in range, and sums over steps.

A lane's adjoint may leave float64's range by hundreds of decades. It is then multiplied by an
exact power of two whose exponent is counted, and so is each sum of weight gradients.
"""

import math

import numpy as np

from gradlab.cells.blas import multiply, multiply_transposed
from gradlab.cells.elementwise import (
    add_scaled,
    copy,
    flush,
    largest,
    row_norms,
    scale,
    sum_squares,
)
from gradlab.cells.jit import kernel

FLUSH_EVERY = 64  # steps


@kernel
def power_of_two(row, exponent):
    """2^exponent in the row's type, for exponents up to its largest; 0 far below its range."""
    return row.dtype.type(math.ldexp(1.0, int(max(exponent, -1100))))


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
    """Bring the largest entry of a row into [1/2, 1); return its sum of squares, its exponent.

    A row that is all zero, or holds inf or nan, stays as it is.
    """
    top = largest(row)
    if not 0 < top < math.inf:
        return sum_squares(row), exponent
    shift = math.frexp(top)[1]
    half = -shift // 2  # in two steps: 2^-shift itself may be out of range
    scale(row, power_of_two(row, half))
    scale(row, power_of_two(row, -shift - half))
    return sum_squares(row), exponent + shift


@kernel
def add_direct(carry, exponent, direct, first):
    """carry 2^exponent += direct's rows from `first` on, for carry (L, S), exponent (L,)."""
    lanes = carry.shape[0]
    slope = direct.slope[first : first + lanes]
    factors = np.ones(2, carry.dtype)
    if not exponent.any():
        multiply(slope, direct.readout, carry, factors)
        return
    own = np.zeros_like(carry)
    multiply(slope, direct.readout, own, factors)
    for lane in range(lanes):
        exponent[lane] = _add_own(carry[lane], exponent[lane], own[lane])


@kernel
def _add_own(row, exponent, own):
    if largest(own) == 0:
        return exponent
    if exponent < 0:  # the row had been scaled up: what it carries is tiny beside any direct part
        scale(row, power_of_two(row, exponent))
        exponent = 0
    add_scaled(row, power_of_two(row, -exponent), own)
    return exponent


@kernel
def receive(adjoint, direct, first, t, lanes):
    """Make the carried rows the adjoint of step t: add the direct part, hold the range, record.

    The direct part is that of the rows from `first` on.
    """
    carry = adjoint.carry[:lanes]
    norm2, exponent = adjoint.norm2[t, :lanes], adjoint.exponent[t, :lanes]
    if direct.slope.size > 0:
        add_direct(carry, exponent, direct, first)
    if t % FLUSH_EVERY == 0:
        for lane in range(lanes):
            flush(carry[lane])
    row_norms(carry, norm2)
    for lane in range(lanes):
        if not in_range(norm2[lane], carry):
            norm2[lane], exponent[lane] = rescale(carry[lane], exponent[lane])
        if t > 0:
            adjoint.exponent[t - 1, lane] = exponent[lane]
    if adjoint.states.size > 0:
        for lane in range(lanes):
            copy(carry[lane], adjoint.states[t, lane])


@kernel
def align(adjoint, span, together, top):
    """Give the rows of a slice's delta one exponent a lane, or one for all lanes if `together`.

    top (L,) is written: the largest exponent among the lane's steps (all lanes' if together).
    """
    start, stop, lanes = span
    exponent = adjoint.exponent
    for lane in range(lanes):
        top[lane] = exponent[stop, lane]
        for t in range(start + 1, stop):
            top[lane] = max(top[lane], exponent[t, lane])
        if together:
            top[0] = max(top[0], top[lane])
    if together:
        for lane in range(lanes):
            top[lane] = top[0]
    for t in range(start + 1, stop + 1):
        for lane in range(lanes):
            shift = exponent[t, lane] - top[lane]
            if shift < 0:
                row = adjoint.delta[(t - start - 1) * lanes + lane]
                scale(row, power_of_two(row, shift))


@kernel
def join(top, slot, total, exponent, factors):
    """Bring slices (2^top) and the sums they are added to (2^exponent) to the larger exponent.

    Lane l adds to total[slot[l]] (A, G, M). factors (lanes, 2) are written: what multiplies the
    slice and the sum. An exactly zero sum takes the slice's exponent.
    """
    for lane in range(slot.size):
        entry = slot[lane]
        if top[lane] != exponent[entry] and _is_zero(total[entry]):
            exponent[entry] = top[lane]
        level = max(exponent[entry], top[lane])
        factors[lane, 0] = power_of_two(factors[lane], top[lane] - level)
        factors[lane, 1] = power_of_two(factors[lane], exponent[entry] - level)
        exponent[entry] = level


@kernel
def _is_zero(matrix):
    top = 0.0
    for i in range(matrix.shape[0]):
        top = max(top, largest(matrix[i]))
    return top == 0


@kernel
def _add_product(delta, rows, total, factors):
    """total (G, M) = factors[1] * total + factors[0] * delta^T rows.

    One column (a bias, a single input) is an axpy a row: BLAS's product for M = 1 takes 10 x.
    """
    if rows.shape[1] > 1:
        multiply_transposed(delta, rows, total, factors)
        return
    column = np.zeros(delta.shape[1], delta.dtype)
    for k in range(delta.shape[0]):
        add_scaled(column, rows[k, 0], delta[k])
    for g in range(column.size):
        total[g, 0] = factors[1] * total[g, 0] + factors[0] * column[g]


@kernel
def outer_sums(delta, source, span, slot, factors, total):
    """Each lane's sum over a slice's steps of delta_t source_t^T, added to total[slot[l]].

    delta (steps * L, G); source (T or more, R or 1, M): row t of the slice is source[start + t],
    lane l reads column l % R; total (A, G, M); factors (L, 2) as `join` writes them.
    """
    start, stop, lanes = span
    columns = source.shape[1]
    by_lane = delta[: (stop - start) * lanes].reshape((stop - start, lanes, delta.shape[1]))
    for lane in range(lanes):
        rows = source[start:stop, lane % columns]
        _add_product(by_lane[:, lane], rows, total[slot[lane]], factors[lane])


@kernel
def sums(delta, source, span, factors, total):
    """The sum over a slice's steps and lanes of delta_t source_t^T, added to total (G, M).

    factors (2,) as above. Lanes and columns as in outer_sums.
    """
    start, stop, lanes = span
    columns, steps = source.shape[1], stop - start
    if columns == lanes:
        rows = source[start:stop].reshape((steps * lanes, source.shape[2]))
        _add_product(delta[: steps * lanes], rows, total, factors)
        return
    adding = np.ones_like(factors)
    adding[0] = factors[0]
    for t in range(steps):
        for first in range(0, lanes, columns):
            size = min(columns, lanes - first)
            block = delta[t * lanes + first : t * lanes + first + size]
            once = factors if t + first == 0 else adding
            _add_product(block, source[start + t, :size], total, once)
