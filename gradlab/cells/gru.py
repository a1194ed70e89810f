"""The gated recurrent unit (Cho et al. 2014), in PyTorch's form with two biases.

    r, z = sigmoid(b + W h_{t-1} + b_recurrent + U x_t)      m = W h_{t-1} + b_recurrent
    n = tanh(b + U x_t + r m)                                h_t = (1 - z) n + z h_{t-1}

W, U and both biases stack r, z, n; z is the gate that keeps the state. The state is h; r, z, n and
m are saved. delta has six blocks: the gradients where the input enters (r, z, n) and where the
state does (r, z, m).
"""

from typing import NamedTuple

import numpy as np

from gradlab.cells.arrays import Source
from gradlab.cells.blas import multiply
from gradlab.cells.drive import drive, steps_ahead
from gradlab.cells.elementwise import TANH, add_product, sigmoid_rows, tanh_rows
from gradlab.cells.jit import kernel
from gradlab.cells.reduce import receive

ACTIVATIONS = {"tanh": TANH}
GATES, FORGET = "rzn", "z"


class Weights(NamedTuple):
    """What the loops read: U^T (D, 3N), W (3N, N), W^T (N, 3N), both biases, (1, 0).

    bias (6N,): b and b_recurrent, as delta has them; start (4N,): what r, z, n and m start from.
    """

    input: np.ndarray
    recurrent: np.ndarray
    recurrent_t: np.ndarray
    bias: np.ndarray
    start: np.ndarray
    plain: np.ndarray  # (1, 0): a product overwrites


def shapes(inputs, hidden, outputs):
    """The shape of each weight by its name."""
    gates = 3 * hidden
    return {"U": (gates, inputs), "W": (gates, hidden), "b": (gates,), "b_recurrent": (gates,)}


def prepare(weights, activation, dtype):
    """Weights for the loops from {"U": (3N, D), "W": (3N, N), "b", "b_recurrent": (3N,)}."""
    U, W, b, own = (np.asarray(weights[name], dtype) for name in ("U", "W", "b", "b_recurrent"))
    both = 2 * W.shape[1]
    return Weights(
        input=np.ascontiguousarray(U.T),
        recurrent=np.ascontiguousarray(W),
        recurrent_t=np.ascontiguousarray(W.T),
        bias=np.concatenate([b, own]),
        start=np.concatenate([b[:both] + own[:both], b[both:], own[both:]]),
        plain=np.array([1, 0], dtype),
    )


def sources(trace, x):
    """What delta_t is multiplied with: h_{t-1} and 1 in r, z, m, x_t and 1 in r, z, n."""
    units = trace.state.shape[2]
    entry, own = (0, 3 * units), (3 * units, 6 * units)
    one = np.ones((len(x), 1, 1), x.dtype)
    return {
        "W": Source(trace.state, (0, units), own),
        "U": Source(x, (0, x.shape[2]), entry),
        "b": Source(one, (0, 1), entry),
        "b_recurrent": Source(one, (0, 1), own),
    }


def state_size(weights):
    """Values of the state: h alone."""
    return weights.recurrent.shape[1]


def saved_size(weights):
    """Values a step saves beside the state: r, z, n, m."""
    return len(weights.start)


@kernel
def forward(weights, gain, x, trace, span):
    """Fill trace.state[start + 1 : stop + 1] and trace.saved[start:stop] from x[start:stop].

    gain (R,) multiplies h where it enters W, not in z h; x (T, R or 1, D); span = (start, stop,
    lanes): the first `lanes` of the R columns run.
    """
    start, stop, lanes = span
    state, saved = trace.state, trace.saved
    units = state.shape[2]
    product = np.empty((lanes, 3 * units), state.dtype)
    ahead = steps_ahead(product)
    for first in range(start, stop, ahead):
        last = min(first + ahead, stop)
        drive(weights.input, weights.start, x, saved, (first, last, lanes))
        for t in range(first, last):
            gates = saved[t, :lanes]
            multiply(state[t, :lanes], weights.recurrent_t, product, weights.plain)
            add_product(gain, product, gates, 2 * units)
            sigmoid_rows(gates, 0, 2 * units)
            _add_reset(gain, product, gates)
            tanh_rows(gates, 2 * units, 3 * units)
            _advance(gates, state[t], state[t + 1])


@kernel
def _add_reset(gain, product, gates):
    """m = b_recurrent + gain * product (its last N columns); n's pre-activation += r m."""
    units = gates.shape[1] // 4
    for lane in range(gates.shape[0]):
        for i in range(units):
            m = gates[lane, 3 * units + i] + gain[lane] * product[lane, 2 * units + i]
            gates[lane, 3 * units + i] = m
            gates[lane, 2 * units + i] += gates[lane, i] * m


@kernel
def _advance(gates, before, now):
    """h = (1 - z) n + z h, from the gates (L, 4N) and the states (R, N)."""
    units = before.shape[1]
    one = before.dtype.type(1)
    for lane in range(gates.shape[0]):
        for i in range(units):
            z = gates[lane, units + i]
            now[lane, i] = (one - z) * gates[lane, 2 * units + i] + z * before[lane, i]


@kernel
def backward(weights, gain, trace, direct, adjoint, span):
    """One slice of BPTT, from t = stop down to start + 1.

    delta_t: dL/d(pre-activation) of r, z, n and of r, z, m, by way of dL/dh_t;
    dL/dh_{t-1} = z dL/dh_t + gain W^T (delta of r, z, m) + direct part of t - 1

    adjoint.carry holds dL/dh_stop without its direct part on entry, dL/dh_start likewise on
    return; direct has the rows of the states start + 1 to stop, or none.
    """
    start, stop, lanes = span
    carry = adjoint.carry[:lanes]
    units = carry.shape[1]
    product = np.empty((lanes, units), carry.dtype)
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        delta = adjoint.delta[first : first + lanes]
        receive(adjoint, direct, first, t, lanes)
        _through_update(trace.saved[t - 1], trace.state[t - 1], carry, delta)
        _through_reset(trace.saved[t - 1], delta)
        multiply(delta[:, 3 * units :], weights.recurrent, product, weights.plain)
        _add_product(gain, product, carry)


@kernel
def _through_update(gates, before, carry, delta):
    """delta of z and n (L, N each), and what of dL/dh_{t-1} goes past the gates, z dL/dh_t."""
    units, columns = carry.shape[1], gates.shape[0]
    one = delta.dtype.type(1)
    for lane in range(carry.shape[0]):
        r = lane % columns
        for i in range(units):
            z, n = gates[r, units + i], gates[r, 2 * units + i]
            back, kept = carry[lane, i] * (one - z), carry[lane, i] * z
            delta[lane, units + i] = back * z * (before[r, i] - n)
            delta[lane, 2 * units + i] = back * (one - n * n)
            carry[lane, i] = kept


@kernel
def _through_reset(gates, delta):
    """delta of r and m (L, N each), and a copy of r's and z's where the state enters."""
    units, columns = gates.shape[1] // 4, gates.shape[0]
    one = delta.dtype.type(1)
    for lane in range(delta.shape[0]):
        row = lane % columns
        for i in range(units):
            r, back = gates[row, i], delta[lane, 2 * units + i] * gates[row, i]
            delta[lane, 5 * units + i] = back
            delta[lane, i] = back * gates[row, 3 * units + i] * (one - r)
        for i in range(2 * units):
            delta[lane, 3 * units + i] = delta[lane, i]


@kernel
def _add_product(gain, product, carry):
    """carry += gain * product, both (L, N), gain (R,)."""
    for lane in range(product.shape[0]):
        factor = gain[lane % gain.size]
        for i in range(product.shape[1]):
            carry[lane, i] += factor * product[lane, i]
