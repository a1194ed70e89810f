"""The lectures' second model: the output feeds the next hidden state (Jordan 1986).

    a_t = b + W y_{t-1} + U x_t      h_t = f(a_t)      o_t = c + V h_t

y_t is o_t itself, or its probabilities (softmax, or sigmoid of a single output), or what a teacher
gives instead. The state is o, so V and c belong to the cell; h and the y that was fed are saved.
"""

from typing import NamedTuple

import numpy as np

from gradlab.kernels.arrays import Source
from gradlab.kernels.elementwise import (
    ACTIVATIONS,
    activate,
    scale_rows,
    sigmoid_rows,
    softmax_row,
    through_activation,
)
from gradlab.kernels.input import drive, steps_ahead
from gradlab.kernels.jit import kernel
from gradlab.kernels.range import receive
from gradlab.kernels.room import empty
from gradlab.kernels.tiles import add_times, times

OUTPUT, PROBABILITY = range(2)
FEEDBACKS = {"output": OUTPUT, "probability": PROBABILITY}


class JordanWeights(NamedTuple):
    """What the loops read: U^T (D, N), W (N, O), W^T, V (O, N), V^T, b and c as one (N + O,).

    Codes of f and of the feedback; teacher (T, R, O): what is fed after each step instead of y,
    empty if there is none.
    """

    input: np.ndarray
    recurrent: np.ndarray
    recurrent_t: np.ndarray
    readout: np.ndarray
    readout_t: np.ndarray
    bias: np.ndarray
    activation: int
    feedback: int
    teacher: np.ndarray


def shapes(inputs, hidden, outputs):
    """The shape of each weight by its name."""
    return {
        "U": (hidden, inputs), "W": (hidden, outputs), "b": (hidden,),
        "V": (outputs, hidden), "c": (outputs,),
    }  # fmt: skip


def prepare(weights, activation, dtype):
    """Weights for the loops from {"U": (N, D), "W": (N, O), "b": (N,), "V": (O, N), "c": (O,)}."""
    U, W, b, V, c = (np.asarray(weights[name], dtype) for name in "UWbVc")
    return JordanWeights(
        input=np.ascontiguousarray(U.T),
        recurrent=np.ascontiguousarray(W),
        recurrent_t=np.ascontiguousarray(W.T),
        readout=np.ascontiguousarray(V),
        readout_t=np.ascontiguousarray(V.T),
        bias=np.concatenate([b, c]),
        activation=ACTIVATIONS[activation],
        feedback=OUTPUT,
        teacher=np.empty((0, 0, 0), dtype),
    )


def sources(trace, x):
    """What delta_t is multiplied with: y_{t-1}, x_t and 1 at the hidden units, h_t and 1 at o_t."""
    width, outputs = trace.saved.shape[2], trace.state.shape[2]
    units, fed = (0, width - outputs), (width - outputs, width)
    one = np.ones((len(x), 1, 1), x.dtype)
    return {
        "W": Source(trace.saved, fed, units),
        "U": Source(x, (0, x.shape[2]), units),
        "b": Source(one, (0, 1), units),
        "V": Source(trace.saved, units, fed),
        "c": Source(one, (0, 1), fed),
    }


def state_size(weights):
    """Values of the state: o."""
    return len(weights.readout)


def saved_size(weights):
    """Values a step saves beside the state: h_t and y_{t-1}."""
    return len(weights.bias)


@kernel
def forward(weights, gain, x, trace, span):
    """Fill trace.state[start + 1 : stop + 1] and trace.saved[start:stop] from x[start:stop].

    gain (R,) multiplies y where it enters W; x (T, R or 1, D); span = (start, stop, lanes): the
    first `lanes` of the R columns run.
    """
    start, stop, lanes = span
    state, saved = trace.state, trace.saved
    units, outputs = weights.recurrent.shape
    product, fed = empty((lanes, units), state), empty((lanes, outputs), state)
    ahead = steps_ahead(product)
    for first in range(start, stop, ahead):
        last = min(first + ahead, stop)
        drive(weights.input, weights.bias, x, saved, (first, last, lanes))
        for t in range(first, last):
            now = saved[t, :lanes]
            _feed(weights, t, state[t], fed)
            times(fed, weights.recurrent_t, product)
            activate(weights.activation, gain, product, now)
            _start_output(now, fed, state[t + 1])
            add_times(now[:, :units], weights.readout_t, state[t + 1, :lanes])


@kernel
def _feed(weights, t, state, fed):
    """fed (L, O) = y_t, from the outputs (R, O), or from the teacher after the first step."""
    teacher = weights.teacher
    taught = t > 0 and teacher.size > 0
    for lane in range(fed.shape[0]):
        for i in range(fed.shape[1]):
            fed[lane, i] = teacher[t - 1, lane, i] if taught else state[lane, i]
    if weights.feedback == PROBABILITY and not taught:
        if fed.shape[1] == 1:
            sigmoid_rows(fed, fed.shape[1])
        else:
            for lane in range(fed.shape[0]):
                softmax_row(fed[lane], fed[lane])


@kernel
def _start_output(now, fed, state):
    """The rows of o (R, O) start from c, which `now` (L, N + O) has where y_{t-1} is kept next."""
    units = now.shape[1] - fed.shape[1]
    for lane in range(now.shape[0]):
        for i in range(fed.shape[1]):
            state[lane, i] = now[lane, units + i]
            now[lane, units + i] = fed[lane, i]


@kernel
def backward(weights, gain, trace, direct, adjoint, span):
    """One slice of BPTT, from t = stop down to start + 1.

    delta_t = (V^T dL/do_t * f'(a_t), dL/do_t)
    dL/do_{t-1} = (dy/do)^T gain W^T delta_t + direct part of t - 1

    adjoint.carry holds dL/do_stop without its direct part on entry, dL/do_start likewise on
    return; direct has the rows of the states start + 1 to stop, or none. Nothing goes back through
    what a teacher gave.
    """
    start, stop, lanes = span
    carry = adjoint.carry[:lanes]
    units = len(weights.recurrent)
    back = empty((lanes, units), carry)
    for t in range(stop, start, -1):
        first = (t - start - 1) * lanes
        delta = adjoint.delta[first : first + lanes]
        receive(adjoint, direct, first, t, lanes)
        _keep(carry, delta)
        times(carry, weights.readout, back)
        through_activation(weights.activation, trace.saved[t - 1], back, delta)
        times(delta[:, :units], weights.recurrent, carry)
        scale_rows(carry, gain)
        _through_feedback(weights, t - 1, trace.saved[t - 1], carry)


@kernel
def _keep(carry, delta):
    """The last O columns of delta are dL/do."""
    units = delta.shape[1] - carry.shape[1]
    for lane in range(carry.shape[0]):
        for i in range(carry.shape[1]):
            delta[lane, units + i] = carry[lane, i]


@kernel
def _through_feedback(weights, t, saved, carry):
    """dL/do_t from dL/dy_t, both (L, O) in carry; y_t stands in the last columns of saved."""
    units, columns = saved.shape[1] - carry.shape[1], saved.shape[0]
    zero, one = carry.dtype.type(0), carry.dtype.type(1)
    taught = t > 0 and weights.teacher.size > 0
    for lane in range(carry.shape[0]):
        r, mean = lane % columns, zero
        if taught:
            for i in range(carry.shape[1]):
                carry[lane, i] = zero
        elif weights.feedback == PROBABILITY:
            for i in range(carry.shape[1]):
                mean += saved[r, units + i] * carry[lane, i]
            if carry.shape[1] == 1:
                carry[lane, 0] = mean * (one - saved[r, units])
            else:
                for i in range(carry.shape[1]):
                    carry[lane, i] = saved[r, units + i] * (carry[lane, i] - mean)
