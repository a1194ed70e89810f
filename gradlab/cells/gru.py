"""The gated recurrent unit (Cho et al. 2014), in PyTorch's form with two biases.

    r, z = sigmoid(b + W h_{t-1} + b_recurrent + U x_t)      m = W h_{t-1} + b_recurrent
    n = tanh(b + U x_t + r m)                                h_t = (1 - z) n + z h_{t-1}

W, U and both biases stack r, z, n; z is the gate that keeps the state. The state is h; r, z, n and
m are saved. delta has six blocks: the gradients where the input enters (r, z, n) and where the
state does (r, z, m).
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
GATES, FORGET = "rzn", "z"


class GRUWeights(NamedTuple):
    """What the loops read: U^T (D, 3N), W (3N, N), W^T (N, 3N), both biases.

    bias (6N,): b and b_recurrent, as delta has them; start (4N,): what r, z, n and m start from.
    """

    input: np.ndarray
    recurrent: np.ndarray
    recurrent_t: np.ndarray
    bias: np.ndarray
    start: np.ndarray


def shapes(inputs, hidden, outputs):
    """The shape of each weight by its name."""
    gates = 3 * hidden
    return {"U": (gates, inputs), "W": (gates, hidden), "b": (gates,), "b_recurrent": (gates,)}


def prepare(weights, activation, dtype):
    """Weights for the loops from {"U": (3N, D), "W": (3N, N), "b", "b_recurrent": (3N,)}."""
    U, W, b, own = (np.asarray(weights[name], dtype) for name in ("U", "W", "b", "b_recurrent"))
    both = 2 * W.shape[1]
    return GRUWeights(
        input=np.ascontiguousarray(U.T),
        recurrent=np.ascontiguousarray(W),
        recurrent_t=np.ascontiguousarray(W.T),
        bias=np.concatenate([b, own]),
        start=np.concatenate([b[:both] + own[:both], b[both:], own[both:]]),
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
    units, plain = state.shape[2], are_one(gain)
    product = empty((lanes, 3 * units), state)
    ahead = steps_ahead(product)
    for first in range(start, stop, ahead):
        last = min(first + ahead, stop)
        drive(weights.input, weights.start, x, saved, (first, last, lanes))
        for t in range(first, last):
            rows, gates = saved[t, :lanes], by_block(saved[t], 4)
            if plain:
                add_times(
                    state[t, :lanes], weights.recurrent_t[:, : 2 * units], rows[:, : 2 * units]
                )
                add_times(
                    state[t, :lanes], weights.recurrent_t[:, 2 * units :], rows[:, 3 * units :]
                )
            else:
                times(state[t, :lanes], weights.recurrent_t, product)
                add_product(gain, product, rows, 2 * units)
                add_product(gain, product[:, 2 * units :], rows[:, 3 * units :], units)
            _squash(gates, product)
            _advance(gates, state[t], state[t + 1], lanes)


@kernel
def _squash(gates, room):
    """r, z, n (R, 4, N) from their pre-activations and m, in place; room (L, N or more).

    n goes by way of room: its loop does not vectorise if it reads and writes gates.
    """
    wide()
    for lane in range(room.shape[0]):
        for gate in range(2):
            for i in range(gates.shape[2]):
                gates[lane, gate, i] = sigmoid(gates[lane, gate, i])
        for i in range(gates.shape[2]):
            room[lane, i] = tanh(gates[lane, 2, i] + gates[lane, 0, i] * gates[lane, 3, i])
        for i in range(gates.shape[2]):
            gates[lane, 2, i] = room[lane, i]


@kernel
def _advance(gates, before, now, lanes):
    """h = (1 - z) n + z h, from the gates (R, 4, N) and the states (R, N)."""
    one = before.dtype.type(1)
    for lane in range(lanes):
        for i in range(before.shape[1]):
            z = gates[lane, 1, i]
            new = rounded_product(one - z, gates[lane, 2, i])
            now[lane, i] = new + z * before[lane, i]


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
    product = empty((lanes, units), carry)
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        rows = adjoint.delta[first : first + lanes]
        gates, delta = by_block(trace.saved[t - 1], 4), by_block(rows, 6)
        receive(adjoint, direct, first, t, lanes)
        _through_new(gates, carry, delta, product)
        _through_update(gates, trace.state[t - 1], carry, delta)
        times(rows[:, 3 * units :], weights.recurrent, product)
        _add_product(gain, product, carry)


@kernel
def _through_new(gates, carry, delta, room):
    """delta of n, m and twice r (L, N each). A loop each, and n's by way of room: else no SIMD."""
    one = delta.dtype.type(1)
    for lane in range(carry.shape[0]):
        row = lane % gates.shape[0]
        for i in range(carry.shape[1]):
            n = gates[row, 2, i]
            room[lane, i] = carry[lane, i] * (one - gates[row, 1, i]) * (one - n * n)
        for i in range(carry.shape[1]):
            delta[lane, 2, i] = room[lane, i]
        for i in range(carry.shape[1]):
            delta[lane, 5, i] = room[lane, i] * gates[row, 0, i]
        for block in range(0, 6, 3):
            for i in range(carry.shape[1]):
                r = gates[row, 0, i]
                delta[lane, block, i] = room[lane, i] * gates[row, 3, i] * (r * (one - r))


@kernel
def _through_update(gates, before, carry, delta):
    """delta of z (L, N), twice, and what of dL/dh_{t-1} goes past the gates, z dL/dh_t."""
    one = delta.dtype.type(1)
    for lane in range(carry.shape[0]):
        row = lane % gates.shape[0]
        for block in range(1, 6, 3):
            for i in range(carry.shape[1]):
                z, change = gates[row, 1, i], before[row, i] - gates[row, 2, i]
                delta[lane, block, i] = carry[lane, i] * change * (z * (one - z))
        for i in range(carry.shape[1]):
            carry[lane, i] *= gates[row, 1, i]


@kernel
def _add_product(gain, product, carry):
    """carry += gain * product, both (L, N), gain (R,)."""
    for lane in range(product.shape[0]):
        factor = gain[lane % gain.size]
        for i in range(product.shape[1]):
            carry[lane, i] += factor * product[lane, i]
