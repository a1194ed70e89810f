"""Long short-term memory with a forget gate (Hochreiter, Schmidhuber 1997; Gers et al. 2000).

    i, f, o = sigmoid(b + W h_{t-1} + U x_t)      g = tanh(b + W h_{t-1} + U x_t)
    c_t = f c_{t-1} + i g                         h_t = o tanh(c_t)

W, U and b stack the gates i, f, g, o, as PyTorch does. The state is (h, c), 2N values. The gates
are saved (recomputing them cost 30 %); tanh(c) is computed again, which is free.
"""

from typing import NamedTuple

import numpy as np

from gradlab.cells.arrays import Source
from gradlab.cells.blas import multiply
from gradlab.cells.drive import drive, steps_ahead
from gradlab.cells.elementwise import TANH, add_product, sigmoid_rows, tanh, tanh_rows
from gradlab.cells.jit import kernel
from gradlab.cells.reduce import receive

ACTIVATIONS = {"tanh": TANH}
STATE = ("h", "c")
GATES, FORGET = "ifgo", "f"


class Weights(NamedTuple):
    """What the loops read: U^T (D, 4N), W (4N, N), W^T (N, 4N), b (4N,), (1, 0)."""

    input: np.ndarray
    recurrent: np.ndarray
    recurrent_t: np.ndarray
    bias: np.ndarray
    plain: np.ndarray  # (1, 0): a product overwrites


def shapes(inputs, hidden, outputs):
    """The shape of each weight by its name."""
    return {"U": (4 * hidden, inputs), "W": (4 * hidden, hidden), "b": (4 * hidden,)}


def prepare(weights, activation, dtype):
    """Weights for the loops from {"U": (4N, D), "W": (4N, N), "b": (4N,)}."""
    U, W, b = (np.asarray(weights[name], dtype) for name in "UWb")
    return Weights(
        input=np.ascontiguousarray(U.T),
        recurrent=np.ascontiguousarray(W),
        recurrent_t=np.ascontiguousarray(W.T),
        bias=np.ascontiguousarray(b),
        plain=np.array([1, 0], dtype),
    )


def sources(trace, x):
    """What delta_t is multiplied with in dL/dW, dL/dU, dL/db: h_{t-1}, x_t and 1."""
    gates = (0, trace.saved.shape[2])
    return {
        "W": Source(trace.state, (0, trace.state.shape[2] // 2), gates),
        "U": Source(x, (0, x.shape[2]), gates),
        "b": Source(np.ones((len(x), 1, 1), x.dtype), (0, 1), gates),
    }


def state_size(weights):
    """Values of the state: h and c."""
    return 2 * weights.recurrent.shape[1]


def saved_size(weights):
    """Values a step saves beside the state: the gates."""
    return len(weights.bias)


@kernel
def forward(weights, gain, x, trace, span):
    """Fill trace.state[start + 1 : stop + 1] and trace.saved[start:stop] from x[start:stop].

    gain (R,) multiplies h where it enters W, not the path of c; x (T, R or 1, D); span = (start,
    stop, lanes): the first `lanes` of the R columns run.
    """
    start, stop, lanes = span
    state, saved = trace.state, trace.saved
    units = weights.recurrent.shape[1]
    product = np.empty((lanes, 4 * units), state.dtype)
    ahead = steps_ahead(product)
    for first in range(start, stop, ahead):
        last = min(first + ahead, stop)
        drive(weights.input, weights.bias, x, saved, (first, last, lanes))
        for t in range(first, last):
            gates = saved[t, :lanes]
            multiply(state[t, :lanes, :units], weights.recurrent_t, product, weights.plain)
            add_product(gain, product, gates, 4 * units)
            sigmoid_rows(gates, 0, 2 * units)
            tanh_rows(gates, 2 * units, 3 * units)
            sigmoid_rows(gates, 3 * units, 4 * units)
            _advance(gates, state[t], state[t + 1])


@kernel
def _advance(gates, before, now):
    """c = f c + i g and h = o tanh(c), from the gates (L, 4N) and the states (R, 2N)."""
    units = before.shape[1] // 2
    for lane in range(gates.shape[0]):
        for i in range(units):
            now[lane, units + i] = (
                gates[lane, units + i] * before[lane, units + i]
                + gates[lane, i] * gates[lane, 2 * units + i]
            )
        for i in range(units):
            now[lane, i] = gates[lane, 3 * units + i] * tanh(now[lane, units + i])


@kernel
def backward(weights, gain, trace, direct, adjoint, span):
    """One slice of BPTT, from t = stop down to start + 1.

    delta_t: dL/d(pre-activation) of i, f, g, o, by way of dL/dh_t and dL/dc_t;
    dL/dh_{t-1} = gain W^T delta_t + direct part of t - 1,    dL/dc_{t-1} = f dL/dc_t in full

    adjoint.carry holds dL/d(h, c)_stop without its direct part on entry, that of start likewise on
    return; direct has the rows of the states start + 1 to stop, or none.
    """
    start, stop, lanes = span
    carry = adjoint.carry[:lanes]
    units = carry.shape[1] // 2
    product = np.empty((lanes, units), carry.dtype)
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        delta = adjoint.delta[first : first + lanes]
        receive(adjoint, direct, first, t, lanes)
        _through_output(trace.saved[t - 1], trace.state[t], carry, delta)
        _through_cell(trace.saved[t - 1], trace.state[t - 1], carry, delta)
        multiply(delta, weights.recurrent, product, weights.plain)
        _take(gain, product, carry)


@kernel
def _through_output(gates, state, carry, delta):
    """delta of o (L, N), and dL/dc in full: what goes by way of h_t = o tanh(c_t) is added."""
    units, columns = carry.shape[1] // 2, gates.shape[0]
    one = delta.dtype.type(1)
    for lane in range(carry.shape[0]):
        r = lane % columns
        for i in range(units):
            o, squashed = gates[r, 3 * units + i], tanh(state[r, units + i])
            back = carry[lane, i] * o
            delta[lane, 3 * units + i] = back * squashed * (one - o)
            carry[lane, units + i] += back * (one - squashed * squashed)


@kernel
def _through_cell(gates, before, carry, delta):
    """delta of i, f, g (L, N each), and dL/dc_{t-1} = f dL/dc_t."""
    units, columns = carry.shape[1] // 2, gates.shape[0]
    one = delta.dtype.type(1)
    for lane in range(carry.shape[0]):
        r = lane % columns
        for i in range(units):
            gate, g = gates[r, i], gates[r, 2 * units + i]
            back = carry[lane, units + i]
            delta[lane, i] = back * g * (gate * (one - gate))
            delta[lane, 2 * units + i] = back * gate * (one - g * g)
        for i in range(units):
            f, back = gates[r, units + i], carry[lane, units + i] * gates[r, units + i]
            delta[lane, units + i] = back * before[r, units + i] * (one - f)
            carry[lane, units + i] = back


@kernel
def _take(gain, product, carry):
    """dL/dh (the first N columns of carry) = gain * product, both (L, N), gain (R,)."""
    for lane in range(product.shape[0]):
        factor = gain[lane % gain.size]
        for i in range(product.shape[1]):
            carry[lane, i] = factor * product[lane, i]
