"""Activations and the few other operations that work on one row of units at a time."""

import math

import numpy as np

from gradlab.kernels.jit import by_dtype, kernel, reduction, rounded, wide

TANH, RELU, SIGMOID, IDENTITY = range(4)
ACTIVATIONS = {"tanh": TANH, "relu": RELU, "sigmoid": SIGMOID, "identity": IDENTITY}


@kernel
def expm1_parts64(z):
    """s = 2^k and p = expm1(z - k ln 2) for -708 <= z <= 0: exp(z) = s + s p.

    Cody and Waite's two-part ln 2; a degree-9 polynomial for (expm1(r) - r)/r^2 in Estrin's order,
    1e-16 off on |r| <= ln(2)/2; k is rounded by the magic number 1.5 * 2^52. No branch and no
    call, so that the loop around it vectorises.
    """
    shifted = z * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    r = (z - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    r2 = r * r
    r4 = r2 * r2
    a = 0.5000000000000001 + 0.16666666666666669 * r
    b = 0.04166666666662413 + 0.008333333333330062 * r
    c = 0.0013888888917213717 + 0.00019841269863053618 * r
    d = 2.4801521295954376e-05 + 2.7557268459997064e-06 * r
    e = 2.7620088445409746e-07 + 2.510038549551032e-08 * r
    p = r + r2 * ((a + b * r2) + (c + d * r2) * r4 + e * (r4 * r4))
    power = (np.float64(shifted).view(np.int64) + np.int64(1023)) << np.int64(52)
    return np.int64(power).view(np.float64), p


@kernel
def expm1_parts32(z):
    """The same for float32 and -87 <= z <= 0; one float64 constant would make all of it float64."""
    shifted = z * np.float32(1.4426950408889634) + np.float32(12582912.0)
    k = shifted - np.float32(12582912.0)
    r = (z - k * np.float32(0.693145751953125)) - k * np.float32(1.4286068203094173e-06)
    r2 = r * r
    a = np.float32(0.500000001346581) + np.float32(0.16666666681623232) * r
    b = np.float32(0.041666464925285904) + np.float32(0.0083333109254809) * r
    c = np.float32(0.0013933649996309251) + np.float32(0.00019890990824673654) * r
    p = r + r2 * (a + b * r2 + c * (r2 * r2))
    power = np.int32(np.int32(np.float32(shifted).view(np.int32) + np.int32(127)) << np.int32(23))
    return np.int32(power).view(np.float32), p


@kernel
def tanh64(x):
    """tanh(x) = -e/(e + 2) with e = expm1(-2|x|); at most 3 ulp off, nan, inf and -0 kept.

    1.6 ns an element where libm's takes 33 to 42 inside a jitted loop.
    """
    z = -2.0 * abs(x)
    z = -50.0 if z < -50.0 else z  # by comparison: nan stays nan
    s, p = expm1_parts64(z)
    e = s * p + (s - 1.0)
    return _copysign64(e / (e + 2.0), x)


@kernel
def _copysign64(magnitude, x):
    # By bits: math.copysign is a call, and a call keeps the loop from vectorising.
    body = np.float64(magnitude).view(np.int64) & np.int64(0x7FFFFFFFFFFFFFFF)
    sign = np.float64(x).view(np.int64) & np.int64(-0x8000000000000000)
    return np.int64(body | sign).view(np.float64)


@kernel
def tanh32(x):
    """tanh64 in float32."""
    z = np.float32(-2.0) * abs(x)
    z = np.float32(-30.0) if z < np.float32(-30.0) else z
    s, p = expm1_parts32(z)
    e = s * p + (s - np.float32(1.0))
    body = np.float32(e / (e + np.float32(2.0))).view(np.int32) & np.int32(0x7FFFFFFF)
    sign = np.float32(x).view(np.int32) & np.int32(-0x80000000)
    return np.int32(body | sign).view(np.float32)


@kernel
def sigmoid64(x):
    """1/(1 + exp(-x)), from exp(-|x|): relative accuracy on both sides down to 1e-308, then 0."""
    z = -abs(x)
    s, p = expm1_parts64(-708.0 if z < -708.0 else z)
    small = 0.0 if z < -708.0 else s + s * p
    return (small if x < 0.0 else 1.0) / (1.0 + small)


@kernel
def sigmoid32(x):
    """sigmoid64 in float32."""
    z = -abs(x)
    s, p = expm1_parts32(np.float32(-87.0) if z < np.float32(-87.0) else z)
    small = np.float32(0.0) if z < np.float32(-87.0) else s + s * p
    return (small if x < np.float32(0.0) else np.float32(1.0)) / (np.float32(1.0) + small)


@by_dtype
def tanh(dtype):
    """tanh of one scalar in its own precision."""
    return tanh32 if str(dtype) == "float32" else tanh64


@by_dtype
def sigmoid(dtype):
    """1/(1 + exp(-x)) of one scalar in its own precision."""
    return sigmoid32 if str(dtype) == "float32" else sigmoid64


@kernel
def activate(code, gain, product, rows):
    """rows = f(rows + gain * product) for rows (L, N or more), product (L, N), gain (L,).

    In place: with the drive in an array of its own, LLVM's overlap check would send the loop to
    its scalar form wherever the two are one. Two loops here, not a call a row: the views of rows
    cost as much as the work on 50 units.
    """
    add_product(gain, product, rows, product.shape[1])
    squash(code, rows, product.shape[1])


@kernel
def add_product(gain, product, rows, units):
    """rows += gain * product on the first `units` columns of both, gain (L,)."""
    for lane in range(rows.shape[0]):
        for i in range(units):
            rows[lane, i] += gain[lane] * product[lane, i]


@kernel
def tanh_rows(rows, units):
    """rows = tanh(rows) on the first `units` columns, in place."""
    wide()
    for lane in range(rows.shape[0]):
        for i in range(units):
            rows[lane, i] = tanh(rows[lane, i])


@kernel
def sigmoid_rows(rows, units):
    """rows = 1/(1 + exp(-rows)) on the first `units` columns, in place."""
    wide()
    for lane in range(rows.shape[0]):
        for i in range(units):
            rows[lane, i] = sigmoid(rows[lane, i])


@kernel
def relu_rows(rows, units):
    """rows = max(0, rows) on the first `units` columns, in place; nan stays nan."""
    zero = rows.dtype.type(0)
    for lane in range(rows.shape[0]):
        for i in range(units):
            rows[lane, i] = zero if rows[lane, i] <= zero else rows[lane, i]


@kernel
def through_activation(code, state, adjoint, delta):
    """delta = adjoint * f'(a), adjoint (L, N); the slope is read off the state f(a) (R, N).

    State and delta may have more columns. Lane l has the state l % R. tanh' = 1 - h^2, sigmoid' =
    h (1 - h), relu' = 1 where h > 0 (0 at the kink).
    """
    lanes, units = adjoint.shape
    columns = state.shape[0]
    zero, one = delta.dtype.type(0), delta.dtype.type(1)
    for lane in range(lanes):
        r = lane % columns
        if code == TANH:
            for i in range(units):
                delta[lane, i] = adjoint[lane, i] * (one - state[r, i] * state[r, i])
        elif code == SIGMOID:
            for i in range(units):
                delta[lane, i] = adjoint[lane, i] * (state[r, i] * (one - state[r, i]))
        elif code == RELU:
            for i in range(units):
                delta[lane, i] = adjoint[lane, i] if state[r, i] > zero else zero
        else:
            for i in range(units):
                delta[lane, i] = adjoint[lane, i]


@kernel
def scale_rows(rows, gain):
    """rows (L, N) times gain (R,): lane l takes gain[l % R]."""
    for lane in range(rows.shape[0]):
        factor = gain[lane % gain.size]
        if factor != 1:
            for i in range(rows.shape[1]):
                rows[lane, i] *= factor


@kernel
def highest(row):
    """The largest entry; nan where there is one."""
    top = row[0]
    for i in range(row.size):
        top = row[i] if row[i] > top or math.isnan(row[i]) else top
    return top


@kernel
def softmax_row(o, p):
    """p = softmax(o), the same array or another one."""
    top, total = highest(o), o.dtype.type(0)
    for i in range(o.size):
        p[i] = math.exp(o[i] - top)
        total += p[i]
    for i in range(o.size):
        p[i] /= total


@kernel
def by_block(rows, count):
    """rows (L, count N) as (L, count, N), without a copy.

    An axis of their own for gates that stand side by side: LLVM does not vectorise loops over
    columns such as 2 N + i (sigmoid: 4.6 ns an element instead of 1.2).
    """
    return rows.reshape((rows.shape[0], count, rows.shape[1] // count))


@kernel
def copy(source, row):
    """row = source."""
    for i in range(row.size):
        row[i] = source[i]


@kernel
def flush(row):
    """Zero entries below 2^-900 (float32: 2^-110): subnormal operands are 80 times slower."""
    zero = row.dtype.type(0)
    tiny = row.dtype.type(2.0**-110 if row.itemsize == 4 else 2.0**-900)
    for i in range(row.size):
        if abs(row[i]) < tiny:
            row[i] = zero


@kernel
def scale(row, factor):
    """row *= factor."""
    for i in range(row.size):
        row[i] *= factor


@kernel
def add_scaled(row, factor, other):
    """row += factor * other."""
    for i in range(row.size):
        row[i] += factor * other[i]


@reduction
def row_norms(rows, norm2):
    """norm2 (P, L) = the sums of the squares of the P equal parts of each of rows (L, P N)."""
    units = rows.shape[1] // norm2.shape[0]
    for part in range(norm2.shape[0]):
        for lane in range(rows.shape[0]):
            total = rows.dtype.type(0)
            for i in range(part * units, (part + 1) * units):
                total += rows[lane, i] * rows[lane, i]
            norm2[part, lane] = total


@kernel
def add_to_rows(rows, others):
    """rows += others, both (L, N)."""
    for lane in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[lane, i] += others[lane, i]


@rounded
def rounded_product(x, y):
    """x y, for one side of x y + u v.

    Either product may be fused into such a sum, and which one is may be another in a function and
    where it is inlined: the last bit was.
    """
    return x * y


@kernel
def are_one(gain):
    """Whether all entries are 1."""
    off = False
    for i in range(gain.size):
        off |= gain[i] != 1
    return not off


@kernel
def squash(code, rows, units):
    """rows (L, N or more) = f(rows) on the first `units` columns, in place."""
    if code == TANH:
        tanh_rows(rows, units)
    elif code == SIGMOID:
        sigmoid_rows(rows, units)
    elif code == RELU:
        relu_rows(rows, units)


@reduction
def dot_rows(rows, others, out):
    """out (R, O) = rows (R, N or more) others (O, N)^T."""
    for row in range(out.shape[0]):
        for i in range(out.shape[1]):
            total = out.dtype.type(0)
            for j in range(others.shape[1]):
                total += rows[row, j] * others[i, j]
            out[row, i] = total


@reduction
def square_sum(matrix):
    """The sum of the squares of all entries of (R, K)."""
    total = matrix.dtype.type(0)
    for row in range(matrix.shape[0]):
        for i in range(matrix.shape[1]):
            total += matrix[row, i] * matrix[row, i]
    return total


@kernel
def largest(row):
    """Largest absolute value of a row; nan where there is one."""
    top = row.dtype.type(0)
    for i in range(row.size):
        if abs(row[i]) > top or math.isnan(row[i]):
            top = abs(row[i])
    return top
