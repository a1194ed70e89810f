"""The lectures' first model: the hidden state feeds the next hidden state.

    a_t = b + W h_{t-1} + U x_t        h_t = f(a_t)

The state is h (N values); nothing is saved beside it, for the slope of f is read off h.
"""

from typing import NamedTuple

import numpy as np

from gradlab.cells.blas import multiply
from gradlab.cells.elementwise import ACTIVATIONS, activate, copy, scale, through_activation
from gradlab.cells.jit import kernel
from gradlab.cells.reduce import receive


class Weights(NamedTuple):
    """What the loops read: U^T (D, N), W and W^T (N, N), b (N,), the code of f, and two factors."""

    input: np.ndarray
    recurrent: np.ndarray
    recurrent_t: np.ndarray
    bias: np.ndarray
    activation: int
    plain: np.ndarray  # (1, 0): a product overwrites
    adding: np.ndarray  # (1, 1): a product is added


def prepare(weights, activation, dtype):
    """Weights for the loops from {"U": (N, D), "W": (N, N), "b": (N,)}."""
    U, W, b = (np.asarray(weights[name], dtype) for name in "UWb")
    return Weights(
        input=np.ascontiguousarray(U.T),
        recurrent=np.ascontiguousarray(W),
        recurrent_t=np.ascontiguousarray(W.T),
        bias=np.ascontiguousarray(b),
        activation=ACTIVATIONS[activation],
        plain=np.array([1, 0], dtype),
        adding=np.array([1, 1], dtype),
    )


def sources(trace, x):
    """What delta_t is multiplied with in dL/dW, dL/dU, dL/db: h_{t-1}, x_t and 1."""
    return {"W": trace.state, "U": x, "b": np.ones((len(x), 1, 1), x.dtype)}


def saved_size(state_size):
    """Values a step saves beside the state."""
    return 0


def state_size(hidden):
    """Values of the state: h alone."""
    return hidden


@kernel
def forward(weights, gain, x, trace, span):
    """Fill trace.state[start + 1 : stop + 1] from trace.state[start] and x[start:stop].

    gain (R,) multiplies h where it enters W; x (T, R or 1, D); span = (start, stop, lanes): the
    first `lanes` of the R columns run.
    """
    start, stop, lanes = span
    state = trace.state
    drives = min(lanes, x.shape[1])
    product = np.empty((lanes, state.shape[2]), state.dtype)
    for t in range(start, stop):
        now = state[t + 1]
        for r in range(drives):
            copy(weights.bias, now[r])
        multiply(x[t, :drives], weights.input, now[:drives], weights.adding)
        multiply(state[t, :lanes], weights.recurrent_t, product, weights.plain)
        for r in range(lanes - 1, -1, -1):  # downwards: row 0 may be the drive of all rows
            if r >= drives:
                copy(now[0], now[r])
            activate(weights.activation, gain[r], product[r], now[r])


@kernel
def backward(weights, gain, trace, direct, adjoint, span):
    """One slice of BPTT, from t = stop down to start + 1.

    delta_t = dL/dh_t * f'(a_t)        dL/dh_{t-1} = gain W^T delta_t + direct_{t-1}

    adjoint.carry holds dL/dh_stop without its direct part on entry, dL/dh_start likewise on
    return; direct (steps * L, N) has the rows of the states start + 1 to stop, or none.
    """
    start, stop, lanes = span
    state, columns = trace.state, trace.state.shape[1]
    carry = adjoint.carry[:lanes]
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        delta = adjoint.delta[first : first + lanes]
        receive(adjoint, direct[first : first + lanes], t, lanes)
        for lane in range(lanes):
            row = state[t, lane % columns]
            through_activation(weights.activation, row, carry[lane], delta[lane])
        multiply(delta, weights.recurrent, carry, weights.plain)
        for lane in range(lanes):
            if gain[lane % columns] != 1:
                scale(carry[lane], gain[lane % columns])
