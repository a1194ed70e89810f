"""The lectures' first model: the hidden state feeds the next hidden state.

    a_t = b + W h_{t-1} + U x_t        h_t = f(a_t)

The state is h (N values); nothing is saved beside it, for the slope of f is read off h.
"""

from typing import NamedTuple

import numpy as np

from gradlab.kernels.arrays import Source
from gradlab.kernels.elementwise import (
    ACTIVATIONS,
    activate,
    are_one,
    scale_rows,
    squash,
    through_activation,
)
from gradlab.kernels.input import drive, steps_ahead
from gradlab.kernels.jit import kernel
from gradlab.kernels.range import receive
from gradlab.kernels.room import empty
from gradlab.kernels.tiles import add_times, times

OMEGA = True


class ElmanWeights(NamedTuple):
    """What the loops read: U^T (D, N), W and W^T (N, N), b (N,), the code of f."""

    input: np.ndarray
    recurrent: np.ndarray
    recurrent_t: np.ndarray
    bias: np.ndarray
    activation: int


def shapes(inputs, hidden, outputs):
    """The shape of each weight by its name."""
    return {"U": (hidden, inputs), "W": (hidden, hidden), "b": (hidden,)}


def prepare(weights, activation, dtype):
    """Weights for the loops from {"U": (N, D), "W": (N, N), "b": (N,)}."""
    U, W, b = (np.asarray(weights[name], dtype) for name in "UWb")
    return ElmanWeights(
        input=np.ascontiguousarray(U.T),
        recurrent=np.ascontiguousarray(W),
        recurrent_t=np.ascontiguousarray(W.T),
        bias=np.ascontiguousarray(b),
        activation=ACTIVATIONS[activation],
    )


def sources(trace, x):
    """What delta_t is multiplied with in dL/dW, dL/dU, dL/db: h_{t-1}, x_t and 1."""
    every = (0, trace.state.shape[2])
    return {
        "W": Source(trace.state, every, every),
        "U": Source(x, (0, x.shape[2]), every),
        "b": Source(np.ones((len(x), 1, 1), x.dtype), (0, 1), every),
    }


def state_size(weights):
    """Values of the state: h alone."""
    return len(weights.bias)


def saved_size(weights):
    """Values a step saves beside the state."""
    return 0


@kernel
def forward(weights, gain, x, trace, span):
    """Fill trace.state[start + 1 : stop + 1] from trace.state[start] and x[start:stop].

    gain (R,) multiplies h where it enters W; x (T, R or 1, D); span = (start, stop, lanes): the
    first `lanes` of the R columns run.
    """
    start, stop, lanes = span
    state, units, plain = trace.state, trace.state.shape[2], are_one(gain)
    product = empty((lanes, units), state)
    ahead = steps_ahead(product)
    for first in range(start, stop, ahead):
        last = min(first + ahead, stop)
        drive(weights.input, weights.bias, x, state[1:], (first, last, lanes))
        for t in range(first, last):
            now = state[t + 1, :lanes]
            if plain:
                add_times(state[t, :lanes], weights.recurrent_t, now)
                squash(weights.activation, now, units)
            else:
                times(state[t, :lanes], weights.recurrent_t, product)
                activate(weights.activation, gain, product, now)


@kernel
def backward(weights, gain, trace, direct, adjoint, span):
    """One slice of BPTT, from t = stop down to start + 1.

    delta_t = dL/dh_t * f'(a_t)        dL/dh_{t-1} = gain W^T delta_t + direct part of t - 1

    adjoint.carry holds dL/dh_stop without its direct part on entry, dL/dh_start likewise on
    return; direct has the rows of the states start + 1 to stop, or none.
    """
    start, stop, lanes = span
    carry = adjoint.carry[:lanes]
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        delta = adjoint.delta[first : first + lanes]
        receive(adjoint, direct, first, t, lanes)
        through_activation(weights.activation, trace.state[t], carry, delta)
        times(delta, weights.recurrent, carry)
        scale_rows(carry, gain)
