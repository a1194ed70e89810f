"""A leaky integrator, as a user would write it: h_t = (1 - a) h_{t-1} + a f(b + W h_{t-1} + U x_t).

What differs from gradlab/cells/elman.py: the state is no longer f, so f is saved beside it.
"""

import numpy as np

from gradlab.cells.elman import prepare, shapes, sources, state_size  # noqa: F401
from gradlab.kernels.elementwise import activate, scale_rows, through_activation
from gradlab.kernels.jit import kernel
from gradlab.kernels.range import receive
from gradlab.kernels.tiles import add_times, times

LEAK = 0.3


def saved_size(weights):
    """f of every unit."""
    return len(weights.bias)


@kernel
def forward(weights, gain, x, trace, span):
    """Fill trace.state[start + 1 : stop + 1] and trace.saved[start:stop]."""
    start, stop, lanes = span
    product = np.empty((lanes, trace.state.shape[2]), x.dtype)
    for t in range(start, stop):
        h, f = trace.state[t, :lanes], trace.saved[t, :lanes]
        for r in range(lanes):
            f[r] = weights.bias
            drive = x[t, r % x.shape[1] : r % x.shape[1] + 1]
            add_times(drive, weights.input, f[r : r + 1])
        times(h, weights.recurrent_t, product)
        activate(weights.activation, gain, product, f)
        trace.state[t + 1, :lanes] = (1 - LEAK) * h + LEAK * f


@kernel
def backward(weights, gain, trace, direct, adjoint, span):
    """delta = a dL/dh_t f'; dL/dh_{t-1} = (1 - a) dL/dh_t + gain W^T delta + direct part."""
    start, stop, lanes = span
    carry = adjoint.carry[:lanes]
    product = np.empty_like(carry)
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        delta = adjoint.delta[first : first + lanes]
        receive(adjoint, direct, first, t, lanes)
        through_activation(weights.activation, trace.saved[t - 1], carry, delta)
        delta *= LEAK
        times(delta, weights.recurrent, product)
        scale_rows(product, gain)
        carry[:] = (1 - LEAK) * carry + product
