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
)
from gradlab.cells.jit import kernel

FLUSH_EVERY = 64  # steps
NONE = -(2**40)  # the exponent of an exact zero; sums of three of them are whole numbers still


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
    slope = direct.slope[first : first + lanes]
    factors = np.ones(2, carry.dtype)
    if direct.exponent.size == 0 and not exponent.any():
        multiply(slope, direct.readout, carry, factors)
        return
    own = np.zeros_like(carry)
    multiply(slope, direct.readout, own, factors)
    for lane in range(lanes):
        level = 0 if direct.exponent.size == 0 else direct.exponent[first + lane]
        exponent[lane] = _add_own(carry[lane], exponent[lane], own[lane], level)


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


@kernel
def receive(adjoint, direct, first, t, lanes):
    """Make the carried rows the adjoint of step t: add the direct part, hold the range, record.

    The direct part is that of the rows from `first` on.
    """
    carry = adjoint.carry[:lanes]
    norm2, exponent = adjoint.norm2[t], adjoint.exponent[t, :lanes]
    if direct.slope.size > 0:
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
def join(top, total, exponent, factors):
    """Bring a slice 2^top and the sum 2^exponent[0] that it is added to to the larger exponent.

    factors (2,) are written: what multiplies the slice and the sum total (G, M). An exactly zero
    sum takes the slice's exponent.
    """
    factors[0] = factors[1] = 1
    if top == exponent[0]:
        return
    if _is_zero(total):
        exponent[0] = top
    level = max(exponent[0], top)
    factors[0] = power_of_two(factors, top - level)
    factors[1] = power_of_two(factors, exponent[0] - level)
    exponent[0] = level


@kernel
def _is_zero(matrix):
    top = 0.0
    for i in range(matrix.shape[0]):
        top = max(top, largest(matrix[i]))
    return top == 0


@kernel
def _column_sums(delta, source, span, chosen, total, factors):
    """total (G, 1) = factors[1] * total + factors[0] * sum of delta_t source_t, one input or bias.

    chosen = (first, last) lanes. Added up row by row: BLAS's product with one column takes ten
    times as long.
    """
    start, stop, lanes = span
    low, high = source.units
    values, of = source.values, source.columns[0]
    column = np.zeros(high - low, delta.dtype)
    for t in range(start, stop):
        for lane in range(chosen[0], chosen[1]):
            row = (t - start) * lanes + lane
            value = values[t, lane % values.shape[1], of]
            for i in range(high - low):
                column[i] += value * delta[row, low + i]
    for i in range(high - low):
        total[i, 0] = factors[1] * total[i, 0] + factors[0] * column[i]


@kernel
def outer_sums(delta, source, span, top, slot, into):
    """Each lane's sum over a slice's steps of delta_t source_t^T, added to total[slot[l]].

    delta (steps * L, G) 2^top[l]; row t of the slice is source.values[start + t], lane l reads
    column l % R; into = (total (A, units, columns), exponent (A,)); slot -1: left out.
    """
    total, exponent = into
    start, stop, lanes = span
    first, last = source.columns
    low, high = source.units
    values, rows = source.values, (stop - start) * lanes
    factors = np.empty(2, delta.dtype)
    for lane in range(lanes):
        entry = slot[lane]
        if entry < 0:
            continue
        join(top[lane], total[entry], exponent[entry : entry + 1], factors)
        if last - first == 1:
            _column_sums(delta, source, span, (lane, lane + 1), total[entry], factors)
        else:
            own = delta[lane:rows:lanes, low:high]
            read = values[start:stop, lane % values.shape[1], first:last]
            multiply_transposed(own, read, total[entry], factors)


@kernel
def sums(delta, source, span, top, into):
    """The sum over a slice's steps and lanes of delta_t source_t^T, added to total.

    All rows have the exponent `top`; into = (total (units, columns), exponent (1,)); lanes as in
    outer_sums.
    """
    total, exponent = into
    start, stop, lanes = span
    first, last = source.columns
    low, high = source.units
    values, rows = source.values, (stop - start) * lanes
    factors = np.empty(2, delta.dtype)
    join(top, total, exponent, factors)
    if last - first == 1:
        _column_sums(delta, source, span, (0, lanes), total, factors)
    elif values.shape[1] == lanes:
        read = values[start:stop].reshape((rows, values.shape[2]))
        multiply_transposed(delta[:rows, low:high], read[:, first:last], total, factors)
    else:
        _sums_by_step(delta, source, span, total, factors)


@kernel
def _sums_by_step(delta, source, span, total, factors):
    start, stop, lanes = span
    first, last = source.columns
    low, high = source.units
    columns = source.values.shape[1]
    for t in range(stop - start):
        for begin in range(0, lanes, columns):
            size = min(columns, lanes - begin)
            row = t * lanes + begin
            read = source.values[start + t, :size, first:last]
            multiply_transposed(delta[row : row + size, low:high], read, total, factors)
            factors[1] = 1  # from now on, what is there has the common exponent


@kernel
def size_of(matrix, row, columns):
    """e with 2^(e-1) <= top < 2^e for the largest |entry| of a row; NONE if it is 0.

    From 1025 on for inf and nan. By bits, as whole numbers: LLVM vectorises no maximum of floats
    that keeps nan.
    """
    top = np.int64(0)
    for i in range(columns[0], columns[1]):
        top = max(top, np.float64(matrix[row, i]).view(np.int64) & np.int64(0x7FFFFFFFFFFFFFFF))
    return NONE if top == 0 else (top >> np.int64(52)) - np.int64(1022)


@kernel
def delta_sizes(delta, units, sizes):
    """sizes (rows,) = `size_of` of each of delta's rows, on some of its units."""
    for row in range(sizes.size):
        sizes[row] = size_of(delta, row, units)


@kernel
def is_usual(adjoint, source, span, chosen, sizes):
    """Whether a slice's product needs no care: its largest term is far from under- and overflow.

    chosen = (first, last) lanes; sizes as delta_sizes gives them. A term is 2^(exponent of its step
    + delta's size + source's size), and a sum is kept relative to the largest exponent. The widths
    on both sides are such that a sum that is lost in another one's exponent, is 2^-80 of it.
    """
    start, stop, lanes = span
    columns = source.values.shape[1]
    top = term = NONE
    for t in range(start, stop):
        for lane in range(chosen[0], chosen[1]):
            exponent = adjoint.exponent[t + 1, lane]
            top = max(top, exponent)
            own = size_of(source.values[t], lane % columns, source.columns)
            term = max(term, exponent + sizes[(t - start) * lanes + lane] + own)
    if adjoint.delta.itemsize == 4:
        return -64 < term - top < 50
    return -500 < term - top < 480


@kernel
def careful_sums(adjoint, source, span, chosen, into):
    """`sums` of the chosen lanes with a power of two for each row of delta and of the source.

    Before `align`. What is zero adds nothing, and leaves the sum's exponent as it is.
    """
    start, stop, lanes = span
    total, exponent = into
    low, high = source.units
    first, last = source.columns
    rows = (stop - start) * (chosen[1] - chosen[0])
    left = np.zeros((rows, high - low), adjoint.delta.dtype)
    right = np.zeros((rows, last - first), adjoint.delta.dtype)
    level = np.full(rows, NONE)
    row = 0
    for t in range(start, stop):
        for lane in range(chosen[0], chosen[1]):
            copy(adjoint.delta[(t - start) * lanes + lane, low:high], left[row])
            copy(source.values[t, lane % source.values.shape[1], first:last], right[row])
            if largest(left[row]) != 0 and largest(right[row]) != 0:
                level[row] = rescale(left[row], rescale(right[row], adjoint.exponent[t + 1, lane]))
            row += 1
    top = level.max()
    if top == NONE:
        return
    for row in range(rows):
        scale(left[row], power_of_two(left[row], level[row] - top))
    factors = np.empty(2, adjoint.delta.dtype)
    join(top, total, exponent, factors)
    multiply_transposed(left, right, total, factors)


@kernel
def collect(adjoint, span, sources, totals, exponents):
    """`sums` of a slice for all weights at once: sources, totals (1, units, columns), exponents.

    One call a slice: a call from Python takes as long as the sums of 10 lanes of 50 units.
    """
    start, stop, lanes = span
    top, usual = np.empty(lanes, np.int64), np.empty(len(sources), np.bool_)
    sizes, every, units = np.empty((stop - start) * lanes, np.int64), (0, lanes), (-1, -1)
    for k in range(len(sources)):
        if units != sources[k].units:
            units = sources[k].units
            delta_sizes(adjoint.delta, units, sizes)
        usual[k] = is_usual(adjoint, sources[k], span, every, sizes)
        if not usual[k]:
            careful_sums(adjoint, sources[k], span, every, (totals[k][0], exponents[k]))
    align(adjoint, span, True, top)
    for k in range(len(sources)):
        if usual[k]:
            sums(adjoint.delta, sources[k], span, top[0], (totals[k][0], exponents[k]))


@kernel
def collect_lanes(adjoint, span, slot, sources, totals, exponents):
    """`outer_sums` of a slice for all weights at once: totals (A, units, columns)."""
    start, stop, lanes = span
    top, own_slot = np.empty(lanes, np.int64), np.empty((len(sources), lanes), np.int64)
    sizes, units = np.empty((stop - start) * lanes, np.int64), (-1, -1)
    for k in range(len(sources)):
        if units != sources[k].units:
            units = sources[k].units
            delta_sizes(adjoint.delta, units, sizes)
        for lane in range(lanes):
            own_slot[k, lane], one = slot[lane], (lane, lane + 1)
            if not is_usual(adjoint, sources[k], span, one, sizes):
                entry, own_slot[k, lane] = slot[lane], -1
                into = totals[k][entry], exponents[k][entry : entry + 1]
                careful_sums(adjoint, sources[k], span, one, into)
    align(adjoint, span, False, top)
    for k in range(len(sources)):
        outer_sums(adjoint.delta, sources[k], span, top, own_slot[k], (totals[k], exponents[k]))
