"""What the input adds at the pre-activations, for many steps in one product.

An embedding's rows, picked by their numbers, get the input's gradient back.
"""

from gradlab.kernels.blas import factors_of, multiply
from gradlab.kernels.jit import apart, kernel
from gradlab.kernels.room import empty
from gradlab.kernels.tiles import times

CACHED = 16384  # values of a chunk of steps: it is read again, step by step, while still in cache
ROWS = 64  # of delta whose product with U is added to the embedding while still in cache


@kernel
def steps_ahead(rows):
    """How many steps of `rows` values (L, G) each the input is projected ahead."""
    return max(1, CACHED // max(1, rows.size))


@apart
def drive(weights, bias, x, out, span):
    """out[t, r] = bias + x[t, r] weights for start <= t < stop and the first `lanes` columns r.

    weights (D, G or fewer), bias (G,), x (T, R or 1, D), out (T, R, G); a single column of x is
    every r's; columns of out beyond those of weights get their bias alone.
    """
    start, stop, lanes = span
    driven = weights.shape[1]
    factors = factors_of(1, 1, out)
    columns, units = out.shape[1], out.shape[2]
    single = x.shape[1] == 1
    for t in range(start, stop):
        for r in range(1 if single else lanes):
            for i in range(units):
                out[t, r, i] = bias[i]
    if single:
        multiply(x[start:stop, 0], weights, out[start:stop, 0, :driven], factors)
        _spread(out, span)
    elif lanes == columns == x.shape[1]:
        rows = (stop - start) * lanes
        flat = x[start:stop].reshape((rows, x.shape[2]))
        whole = out[start:stop].reshape((rows, units))
        multiply(flat, weights, whole[:, :driven], factors)
    else:
        for t in range(start, stop):
            multiply(x[t, :lanes], weights, out[t, :lanes, :driven], factors)


@kernel
def _spread(out, span):
    start, stop, lanes = span
    for t in range(start, stop):
        for r in range(1, lanes):
            for i in range(out.shape[2]):
                out[t, r, i] = out[t, 0, i]


@apart
def add_picked(delta, weights, numbers, table):
    """table[numbers[r]] += delta[r] weights, row after row: the order is always the same.

    delta (R, G), weights U (G, D), numbers (R,), table (V, D): dL/dx = U^T delta, given back to
    the rows that x was.
    """
    room = empty((min(ROWS, delta.shape[0]), weights.shape[1]), weights)
    for first in range(0, delta.shape[0], ROWS):
        last = min(first + ROWS, delta.shape[0])
        times(delta[first:last], weights, room[: last - first])
        for r in range(first, last):
            row, own = table[numbers[r]], room[r - first]
            for i in range(row.size):
                row[i] += own[i]
