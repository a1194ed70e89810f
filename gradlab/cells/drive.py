"""What the input adds at the pre-activations, for many steps in one product."""

import numpy as np

from gradlab.cells.blas import multiply
from gradlab.cells.jit import kernel

CACHED = 16384  # values of a chunk of steps: it is read again, step by step, while still in cache


@kernel
def steps_ahead(rows):
    """How many steps of `rows` values (L, G) each the input is projected ahead."""
    return max(1, CACHED // max(1, rows.size))


@kernel
def drive(weights, bias, x, out, span):
    """out[t, r] = bias + x[t, r] weights for start <= t < stop and the first `lanes` columns r.

    weights (D, G), bias (G,), x (T, R or 1, D), out (T, R, G); a single column of x is every r's.
    """
    start, stop, lanes = span
    factors = np.ones(2, out.dtype)
    columns, units = out.shape[1], out.shape[2]
    single = x.shape[1] == 1
    for t in range(start, stop):
        for r in range(1 if single else lanes):
            for i in range(units):
                out[t, r, i] = bias[i]
    if single:
        multiply(x[start:stop, 0], weights, out[start:stop, 0], factors)
        _spread(out, span)
    elif lanes == columns == x.shape[1]:
        rows = (stop - start) * lanes
        flat = x[start:stop].reshape((rows, x.shape[2]))
        multiply(flat, weights, out[start:stop].reshape((rows, units)), factors)
    else:
        for t in range(start, stop):
            multiply(x[t, :lanes], weights, out[t, :lanes], factors)


@kernel
def _spread(out, span):
    start, stop, lanes = span
    for t in range(start, stop):
        for r in range(1, lanes):
            for i in range(out.shape[2]):
                out[t, r, i] = out[t, 0, i]
