"""Sums over steps and lanes that give the weights' gradients, each with an exponent of its own."""

import numpy as np

from gradlab.kernels.blas import multiply_transposed
from gradlab.kernels.elementwise import copy, largest, scale, square_sum
from gradlab.kernels.jit import apart, kernel
from gradlab.kernels.range import power_of_two, rescale
from gradlab.kernels.room import empty
from gradlab.kernels.tiles import add_transposed

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
def gather(source, span, chosen, read, at):
    """Copy what a weight sees in a slice, row by row of delta, to read's columns from `at` on.

    chosen = (first, last) lanes; values has a column each or one for all.
    """
    start, stop, _ = span
    values, (first, last) = source.values, source.columns
    columns, row = values.shape[1], 0
    for t in range(start, stop):
        column = chosen[0] % columns
        for _lane in range(chosen[0], chosen[1]):
            for i in range(last - first):
                read[row, at + i] = values[t, column, first + i]
            row += 1
            column = 0 if column + 1 == columns else column + 1


@kernel
def room_of(sums, rows, like):
    """Room for what the weights see in so many rows of delta, flat; none where sums is None."""
    width = 0
    if sums is not None:
        for g in range(len(sums.joined)):
            width = max(width, sums.joined[g].shape[2])
    return empty(rows * width, like)


@apart
def quick_sums(adjoint, span, sums, slots, k, room):
    """Add a slice's products without care for their range: see `may_be_quick` and `are_well`.

    The weights that see delta through the same units are the columns of one product. sums: an
    `arrays.Sums`, None for none; lane l adds to entry slots[k, l] (-1: left out), slots None adds
    up all lanes together; room: see `room_of`.
    """
    if sums is not None:
        start, stop, lanes = span
        top = empty(lanes, adjoint.exponent)
        align(adjoint, span, slots is None, top)
        for lane in range(lanes):
            entry = np.int64(0) if slots is None else slots[k, lane]
            if entry >= 0 and not sums.touched[entry]:
                sums.touched[entry] = _is_felt(adjoint, span, lane)
        if slots is None:
            own = adjoint.delta[: (stop - start) * lanes : 1]
            _quick_entry(own, span, (0, lanes), sums, (np.int64(0), top[0], room))
        else:
            for lane in range(lanes):
                if slots[k, lane] >= 0:
                    own = adjoint.delta[lane : (stop - start) * lanes : lanes]
                    into = slots[k, lane], top[lane], room
                    _quick_entry(own, span, (lane, lane + 1), sums, into)


@kernel
def _is_felt(adjoint, span, lane):
    """Whether a lane's adjoint is not zero at some step of a slice."""
    for t in range(span[0] + 1, span[1] + 1):
        for part in range(adjoint.norm2.shape[1]):
            if adjoint.norm2[t, part, lane] != 0:
                return True
    return False


@kernel
def _quick_entry(delta, span, chosen, sums, into):
    sources, place, joined, exponents = sums.sources, sums.place, sums.joined, sums.exponents
    entry, top, room = into
    factors = empty(2, delta)
    for g in range(len(joined)):
        width, lead = joined[g].shape[2], 0
        read = room[: len(delta) * width].reshape((len(delta), width))
        for k in range(len(sources)):
            if place[k, 0] == g:
                gather(sources[k], span, chosen, read, place[k, 1])
                lead = k if place[k, 1] == 0 else lead
        join(top, joined[g][entry], exponents[lead][entry : entry + 1], factors)
        low, high = sources[lead].units
        if factors[0] == 1 and factors[1] == 1:
            add_transposed(delta[:, low:high], read, joined[g][entry])
        else:
            multiply_transposed(delta[:, low:high], read, joined[g][entry], factors)


@kernel
def careful_sums(adjoint, source, span, chosen, into):
    """The sum over a slice's steps and chosen lanes of delta_t source_t^T, added to total.

    With a power of two for each row of delta and of the source, before `align`; into = (total
    (units, columns), exponent (1,)). What is zero adds nothing, and leaves the exponent as it is.
    """
    start, stop, lanes = span
    total, exponent = into
    low, high = source.units
    first, last = source.columns
    rows = (stop - start) * (chosen[1] - chosen[0])
    left = empty((rows, high - low), adjoint.delta)
    right = empty((rows, last - first), adjoint.delta)
    level = empty(rows, adjoint.exponent)
    row = 0
    for t in range(start, stop):
        for lane in range(chosen[0], chosen[1]):
            copy(adjoint.delta[(t - start) * lanes + lane, low:high], left[row])
            copy(source.values[t, lane % source.values.shape[1], first:last], right[row])
            level[row] = NONE
            if largest(left[row]) != 0 and largest(right[row]) != 0:
                level[row] = rescale(left[row], rescale(right[row], adjoint.exponent[t + 1, lane]))
            row += 1
    top = largest_of(level)
    if top == NONE:
        return
    top = _plain_level(adjoint, span, chosen, top)
    for row in range(rows):
        scale(left[row], power_of_two(left[row], level[row] - top))
    factors = empty(2, adjoint.delta)
    join(top, total, exponent, factors)
    multiply_transposed(left, right, total, factors)


@kernel
def largest_of(levels):
    """The largest entry."""
    top = np.int64(NONE)
    for i in range(levels.size):
        top = max(top, levels[i])
    return top


@kernel
def _plain_level(adjoint, span, chosen, top):
    """The largest exponent of a slice's steps if it holds a sum of size 2^top well, else top."""
    own = np.int64(NONE)
    for t in range(span[0] + 1, span[1] + 1):
        for lane in range(chosen[0], chosen[1]):
            own = max(own, adjoint.exponent[t, lane])
    if adjoint.delta.itemsize == 4:
        return own if -64 < top - own < 50 else top
    return own if -500 < top - own < 480 else top


@kernel
def total_of(sums, k, entry):
    """The sum (units, columns) of weight k, a view."""
    g, at = sums.place[k, 0], sums.place[k, 1]
    first, last = sums.sources[k].columns
    return sums.joined[g][entry][:, at : at + last - first]


@kernel
def collect(adjoint, span, slot, sums):
    """`careful_sums` of a slice for all weights: of all lanes together where slot is None.

    Else lane l's own go to entry slot[l] (-1: left out) of sums, an `arrays.Sums`.
    """
    sources, lanes = sums.sources, span[2]
    for k in range(len(sources)):
        if slot is None:
            into = total_of(sums, k, 0), sums.exponents[k]
            careful_sums(adjoint, sources[k], span, (0, lanes), into)
        else:
            for lane in range(lanes):
                if slot[lane] >= 0:
                    entry = slot[lane]
                    into = total_of(sums, k, entry), sums.exponents[k][entry : entry + 1]
                    careful_sums(adjoint, sources[k], span, (lane, lane + 1), into)


@apart
def may_be_quick(sums):
    """Whether nothing that the weights see is so large that `quick_sums` might lose what counts.

    A row of delta has a norm up to 2^300 (float32: 2^40, see `in_range`). Of what is lost in a
    slice's exponent, below 2^-1074, with sources up to 2^300 (2^20), 2^-760 is left (2^-117).
    """
    if sums is not None:
        for k in range(len(sums.sources)):
            values = sums.sources[k].values
            flat = values.reshape((values.shape[0] * values.shape[1], values.shape[2]))
            if not square_sum(flat) < (2.0**40 if values.itemsize == 4 else 2.0**600):
                return False
    return True


@apart
def are_well(sums):
    """Whether the sums of `quick_sums` lost nothing: each norm lies between 2^-480 and 2^480.

    float32: 2^-60 and 2^60. What was lost is then below the last digit. An exact zero is well where
    nothing was added, or what the weight sees is zero. All weights of one product get its exponent.
    """
    if sums is not None:
        for k in range(len(sums.sources)):
            lead = np.int64(0)
            while sums.place[lead, 0] != sums.place[k, 0]:
                lead += 1
            for entry in range(len(sums.touched)):
                sums.exponents[k][entry] = sums.exponents[lead][entry]
                if sums.touched[entry] and not _is_well(sums, k, entry):
                    return False
    return True


@kernel
def _is_well(sums, k, entry):
    total = total_of(sums, k, entry)
    if is_inside(total):
        return True
    return square_sum(total) == 0 and _sees_nothing(sums.sources[k])


@kernel
def is_inside(total):
    """Whether the norm of a sum (G, M) lies within the bounds of `are_well`."""
    low, high = (2.0**-120, 2.0**120) if total.itemsize == 4 else (2.0**-960, 2.0**960)
    return low < square_sum(total) < high


@kernel
def _sees_nothing(source):
    values, (first, last) = source.values, source.columns
    for t in range(values.shape[0]):
        for column in range(values.shape[1]):
            if largest(values[t, column, first:last]) != 0:
                return False
    return True
