"""Long short-term memory with a forget gate (Hochreiter, Schmidhuber 1997; Gers et al. 2000).

    i, f, o = sigmoid(b + W h_{t-1} + U x_t)      g = tanh(b + W h_{t-1} + U x_t)
    c_t = f c_{t-1} + i g                         h_t = o tanh(c_t)

W, U and b stack the gates i, f, g, o, as PyTorch does. The state is (h, c), 2N values. The gates
are saved (recomputing them cost 30 %); tanh(c) is computed again, which is free.
"""

from typing import NamedTuple

import numpy as np

from gradlab.kernels.arrays import Source
from gradlab.kernels.elementwise import (
    TANH,
    add_product,
    are_one,
    by_block,
    rounded_product,
    sigmoid,
    tanh,
)
from gradlab.kernels.input import drive, steps_ahead
from gradlab.kernels.jit import kernel, wide
from gradlab.kernels.range import receive
from gradlab.kernels.room import empty
from gradlab.kernels.tiles import add_times, times

ACTIVATIONS = {"tanh": TANH}
STATE = ("h", "c")
GATES, FORGET = "ifgo", "f"


class LSTMWeights(NamedTuple):
    """What the loops read: U^T (D, 4N), W (4N, N), W^T (N, 4N), b (4N,)."""

    input: np.ndarray
    recurrent: np.ndarray
    recurrent_t: np.ndarray
    bias: np.ndarray


def shapes(inputs, hidden, outputs):
    """The shape of each weight by its name."""
    return {"U": (4 * hidden, inputs), "W": (4 * hidden, hidden), "b": (4 * hidden,)}


def prepare(weights, activation, dtype):
    """Weights for the loops from {"U": (4N, D), "W": (4N, N), "b": (4N,)}."""
    U, W, b = (np.asarray(weights[name], dtype) for name in "UWb")
    return LSTMWeights(
        input=np.ascontiguousarray(U.T),
        recurrent=np.ascontiguousarray(W),
        recurrent_t=np.ascontiguousarray(W.T),
        bias=np.ascontiguousarray(b),
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
    units, plain = weights.recurrent.shape[1], are_one(gain)
    product = empty((lanes, 4 * units), state)
    room = by_block(product, 4)
    ahead = steps_ahead(product)
    for first in range(start, stop, ahead):
        last = min(first + ahead, stop)
        drive(weights.input, weights.bias, x, saved, (first, last, lanes))
        for t in range(first, last):
            rows, gates = saved[t, :lanes], by_block(saved[t], 4)
            if plain:
                add_times(state[t, :lanes, :units], weights.recurrent_t, rows)
            else:
                times(state[t, :lanes, :units], weights.recurrent_t, product)
                add_product(gain, product, rows, 4 * units)
            _squash(gates, lanes)
            _advance(gates, by_block(state[t], 2), by_block(state[t + 1], 2), room)


@kernel
def _squash(gates, lanes):
    """The gates (R, 4, N) of some lanes from their pre-activations, in place."""
    wide()
    for lane in range(lanes):
        for gate in range(4):
            if gate == 2:
                for i in range(gates.shape[2]):
                    gates[lane, gate, i] = tanh(gates[lane, gate, i])
            else:
                for i in range(gates.shape[2]):
                    gates[lane, gate, i] = sigmoid(gates[lane, gate, i])


@kernel
def _advance(gates, before, now, room):
    """c = f c + i g and h = o tanh(c), from the gates (R, 4, N) and the states (R, 2, N).

    c goes through room (L, 4, N): the loop does not vectorise if it reads and writes `now`.
    """
    wide()
    for lane in range(room.shape[0]):
        for i in range(room.shape[2]):
            kept = rounded_product(gates[lane, 1, i], before[lane, 1, i])
            room[lane, 0, i] = kept + gates[lane, 0, i] * gates[lane, 2, i]
        for i in range(room.shape[2]):
            now[lane, 1, i] = room[lane, 0, i]
        for i in range(room.shape[2]):
            now[lane, 0, i] = gates[lane, 3, i] * tanh(room[lane, 0, i])


@kernel
def backward(weights, gain, trace, direct, adjoint, span):
    """One slice of BPTT, from t = stop down to start + 1.

    delta_t: dL/d(pre-activation) of i, f, g, o, by way of dL/dh_t and dL/dc_t;
    dL/dh_{t-1} = gain W^T delta_t + direct part of t - 1,    dL/dc_{t-1} = f dL/dc_t in full

    adjoint.carry holds dL/d(h, c)_stop without its direct part on entry, that of start likewise on
    return; direct has the rows of the states start + 1 to stop, or none.
    """
    start, stop, lanes = span
    carry = by_block(adjoint.carry[:lanes], 2)
    product = empty((lanes, carry.shape[2]), carry)
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        rows = adjoint.delta[first : first + lanes]
        gates, delta = by_block(trace.saved[t - 1], 4), by_block(rows, 4)
        receive(adjoint, direct, first, t, lanes)
        _through_output(gates, by_block(trace.state[t], 2), carry, delta)
        _through_cell(gates, by_block(trace.state[t - 1], 2), carry, delta)
        times(rows, weights.recurrent, product)
        _take(gain, product, carry)


@kernel
def _through_output(gates, state, carry, delta):
    """delta of o (L, N), and dL/dc in full: what goes by way of h_t = o tanh(c_t) is added."""
    wide()
    one = delta.dtype.type(1)
    for lane in range(carry.shape[0]):
        r = lane % gates.shape[0]
        for i in range(carry.shape[2]):
            o, squashed = gates[r, 3, i], tanh(state[r, 1, i])
            back = carry[lane, 0, i] * o
            delta[lane, 3, i] = back * squashed * (one - o)
            carry[lane, 1, i] += back * (one - squashed * squashed)


@kernel
def _through_cell(gates, before, carry, delta):
    """delta of i, f, g (L, N each), and dL/dc_{t-1} = f dL/dc_t; a loop each, or none is SIMD."""
    one = delta.dtype.type(1)
    for lane in range(carry.shape[0]):
        r = lane % gates.shape[0]
        for i in range(carry.shape[2]):
            gate = gates[r, 0, i]
            delta[lane, 0, i] = carry[lane, 1, i] * gates[r, 2, i] * (gate * (one - gate))
        for i in range(carry.shape[2]):
            gate = gates[r, 1, i]
            delta[lane, 1, i] = carry[lane, 1, i] * before[r, 1, i] * (gate * (one - gate))
        for i in range(carry.shape[2]):
            g = gates[r, 2, i]
            delta[lane, 2, i] = carry[lane, 1, i] * gates[r, 0, i] * (one - g * g)
        for i in range(carry.shape[2]):
            carry[lane, 1, i] *= gates[r, 1, i]


@kernel
def _take(gain, product, carry):
    """dL/dh, the first part of carry (L, 2, N), is gain * product, product (L, N), gain (R,)."""
    for lane in range(product.shape[0]):
        factor = gain[lane % gain.size]
        for i in range(product.shape[1]):
            carry[lane, 0, i] = factor * product[lane, i]
