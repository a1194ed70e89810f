"""Losses of the lectures, row by row: L_t and dL_t/do of readouts o, and what V and c take of them.

A row is computed in float64 and rounded once. The squashing belongs to the loss or is named.
"""

import math

import numpy as np

from gradlab.kernels.blas import factors_of, multiply_by_transposed
from gradlab.kernels.elementwise import (
    dot_rows,
    highest,
    largest,
    rounded_product,
    sigmoid64,
    softmax_row,
)
from gradlab.kernels.jit import kernel
from gradlab.kernels.tiles import add_transposed

SQUARED_ERROR, CROSS_ENTROPY, BINARY_CROSS_ENTROPY = range(3)
IDENTITY, SOFTMAX, SIGMOID = range(3)
IGNORED = -100  # PyTorch's ignore_index: a class that no loss is taken of
FEW = 4  # outputs
# Sizes whose products with one another, and sums of these, stay far from under- and overflow.
SAFE = {4: (2.0**-50, 2.0**50), 8: (2.0**-400, 2.0**400)}
_LOW4, _HIGH4 = SAFE[4]
_LOW8, _HIGH8 = SAFE[8]


@kernel
def softplus(o):
    """log(1 + exp(o))."""
    return max(o, 0.0) + math.log1p(math.exp(-abs(o)))


@kernel
def squared_error(o, y, readout, slope, room):
    """L_t = sum of (r(o) - y)^2 of one row, r softmax or sigmoid; slope = dL_t/do."""
    value = 0.0
    if readout == SOFTMAX:
        softmax_row(o, room)
    mean = 0.0
    for i in range(o.size):
        if readout == SIGMOID:
            room[i] = sigmoid64(o[i])
        off = room[i] - y[i]
        value += off * off
        mean += room[i] * (2.0 * off)
    for i in range(o.size):
        up = 2.0 * (room[i] - y[i])
        through_softmax = room[i] * (up - mean)
        slope[i] = through_softmax if readout == SOFTMAX else up * room[i] * (1.0 - room[i])
    return value


@kernel
def cross_entropy(o, chosen, slope, room):
    """L_t = -log softmax(o)[chosen] of one row; slope = dL_t/do.

    1 - p loses all digits of a p close to 1: the others are summed instead.
    """
    top, rest = highest(o), 0.0
    for i in range(o.size):
        room[i] = math.exp(o[i] - top)
        if i != chosen:
            rest += room[i]
    own = o[chosen] - top
    total = rest + room[chosen]
    for i in range(o.size):
        slope[i] = (-rest if i == chosen else room[i]) / total
    return math.log1p(rest / room[chosen]) if own > -1 else math.log(total) - own


@kernel
def binary_cross_entropy(o, y, slope):
    """L_t = sum of (1 - y) log(1 + exp(o)) + y log(1 + exp(-o)) of one row; slope = dL_t/do.

    In this form no large o cancels.
    """
    value = 0.0
    for i in range(o.size):
        against = 1.0 - y[i]
        value += rounded_product(against, softplus(o[i])) + y[i] * softplus(-o[i])
        slope[i] = rounded_product(against, sigmoid64(o[i])) - y[i] * sigmoid64(-o[i])
    return value


@kernel
def loss_rows(kind, o, y, classes, values, slope):
    """values (R,) = L_t and slope (R, O) = dL_t/do of rows o (R, O); kind = (loss, readout) codes.

    y (R, O), or classes (R,) for the cross-entropy; the other one is empty. A row whose class is
    IGNORED has value and slope 0.
    """
    loss, readout = kind
    if loss == SQUARED_ERROR and readout == IDENTITY:
        plain_squared_error(o, y, values, slope)
        return
    room = np.empty(o.shape[1], np.float64)
    wide = np.empty(o.shape[1], np.float64)
    for row in range(o.shape[0]):
        for i in range(wide.size):
            wide[i] = o[row, i]
        if loss == CROSS_ENTROPY and classes[row] == IGNORED:
            values[row] = 0.0
            for i in range(wide.size):
                slope[row, i] = 0
        elif loss == CROSS_ENTROPY:
            values[row] = cross_entropy(wide, classes[row], slope[row], room)
        elif loss == SQUARED_ERROR:
            values[row] = squared_error(wide, y[row], readout, slope[row], room)
        else:
            values[row] = binary_cross_entropy(wide, y[row], slope[row])


@kernel
def plain_squared_error(o, y, values, slope):
    """L_t = sum of (o - y)^2 of each row, in float64; slope = 2 (o - y)."""
    for row in range(o.shape[0]):
        total = 0.0
        for i in range(o.shape[1]):
            off = np.float64(o[row, i]) - y[row, i]
            total += off * off
            slope[row, i] = 2.0 * off
        values[row] = total


@kernel
def is_safe(matrix):
    """Whether the largest entry may be squared, and multiplied with another one; nan and 0: no."""
    top = 0.0
    for i in range(matrix.shape[0]):
        own = float(largest(matrix[i]))
        if own > top or math.isnan(own):
            top = own
    return between(top, matrix)


@kernel
def between(size, like):
    """Whether a size lies between the edges of SAFE of an array's dtype."""
    if like.itemsize == 4:
        return _LOW4 <= size <= _HIGH4
    return _LOW8 <= size <= _HIGH8


@kernel
def mean_slopes(values, slope, lengths, over):
    """(sum of values, safe) of rows t L + l; slope is divided by `over`, 0 from a lane's end on.

    lengths (L,): only the steps t < lengths[l] count. safe: the sum, and each row of slope that is
    not zero, are far from under- and overflow.
    """
    total, safe, side = 0.0, True, len(lengths)
    factor = slope.dtype.type(over)
    for t in range(slope.shape[0] // side):
        for lane in range(side):
            row = t * side + lane
            if t < lengths[lane]:
                total += values[row]
                top = 0.0
                for i in range(slope.shape[1]):
                    own = abs(np.float64(slope[row, i]))
                    top = own if own > top or math.isnan(own) else top  # nan stays
                    slope[row, i] /= factor
                safe &= top == 0 or between(top, slope)
            else:
                for i in range(slope.shape[1]):
                    slope[row, i] = slope.dtype.type(0)
    return total, safe and between(total, slope)


@kernel
def readout_sums(slope, hidden, V, c):
    """V (O, N) = sum over rows of slope (R, O) hidden^T, c (O,) = that of slope; whether both are
    far from under- and overflow. hidden (R, N or more).
    """
    V[:], c[:] = 0, 0
    add_transposed(slope, hidden[:, : V.shape[1]], V)
    for row in range(slope.shape[0]):
        for i in range(c.size):
            c[i] += slope[row, i]
    return is_safe(V) and between(float(largest(c)), c)


@kernel
def outputs_of(hidden, V, c, o):
    """o (R, O) = c + V h, V (O, N); an empty V: the state is the output. hidden (R, N or more).

    Few outputs row by row: a product's last bits depend on how many rows it has, and it is no
    faster with so few columns.
    """
    if V.size > 0 and o.shape[1] <= FEW:
        dot_rows(hidden, V, o)
        add_bias(c, o)
    else:
        for row in range(o.shape[0]):
            for i in range(o.shape[1]):
                o[row, i] = c[i] if V.size > 0 else hidden[row, i]
        if V.size > 0:
            multiply_by_transposed(hidden[:, : V.shape[1]], V, o, factors_of(1, 1, o))


@kernel
def add_bias(c, o):
    """o (R, O) += c."""
    for row in range(o.shape[0]):
        for i in range(o.shape[1]):
            o[row, i] += c[i]
