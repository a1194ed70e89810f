"""The rows of Omega (gradlab.learning.omega) for one slice of the Elman cell's way back."""

import math

import numpy as np

from gradlab.kernels.blas import factors_of, multiply, multiply_transposed
from gradlab.kernels.elementwise import row_norms, scale
from gradlab.kernels.jit import apart
from gradlab.kernels.room import empty

BOUND = -20 * math.log2(10)  # of log2 ||dL/dh_t||^2: smaller steps do not count


@apart
def add_rows(recurrent, adjoint, span, gradient, found):
    """Add a slice's terms, to be called before its delta is aligned.

    With g = dL/dh_t, u = diag(f') g (a row of delta), v = u W and r = ||v||^2/||g||^2 - 1, all
    steps and lanes that count give gradient (N, N) += 4 r/||g||^2 u v^T and found (2,) += (r^2, 1).
    A row's power of two cancels.
    """
    start, stop, lanes = span
    rows = (stop - start) * lanes
    delta = adjoint.delta[:rows]
    v = empty((rows, recurrent.shape[1]), delta)
    multiply(delta, recurrent, v, factors_of(1, 0, delta))
    norms = np.empty((1, rows))
    row_norms(v, norms)
    for t in range(start + 1, stop + 1):
        for lane in range(lanes):
            k = (t - start - 1) * lanes + lane
            size = adjoint.norm2[t, 0, lane]
            factor = 0.0
            if size > 0 and math.log2(size) + 2 * adjoint.exponent[t, lane] >= BOUND:
                off = norms[0, k] / size - 1
                factor = 4 * off / size
                found[0] += off * off
                found[1] += 1
            scale(v[k], v.dtype.type(factor))
    multiply_transposed(delta, v, gradient, factors_of(1, 1, delta))
