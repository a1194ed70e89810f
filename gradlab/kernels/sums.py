"""Sums over steps and lanes that give the weights' gradients, each with an exponent of its own."""

import numpy as np

from gradlab.kernels.blas import multiply_transposed
from gradlab.kernels.elementwise import copy, largest, scale
from gradlab.kernels.jit import kernel
from gradlab.kernels.range import power_of_two, rescale

NONE = -(2**40)  # the exponent of an exact zero; sums of three of them are whole numbers still


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
