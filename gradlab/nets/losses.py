"""Losses of the lectures: summed over outputs and steps, averaged over lanes.

Each takes the readout o = c + V h as it is; the squashing belongs to the loss or is named.
"""

import numpy as np
from scipy.special import expit, softmax

from gradlab.errors import UserError, one_of
from gradlab.kernels import losses
from gradlab.nets.exponents import normal_rows

LOSSES = {
    "squared_error": losses.SQUARED_ERROR,
    "cross_entropy": losses.CROSS_ENTROPY,
    "binary_cross_entropy": losses.BINARY_CROSS_ENTROPY,
}
READOUTS = {"identity": losses.IDENTITY, "softmax": losses.SOFTMAX, "sigmoid": losses.SIGMOID}
_OWN_READOUT = {
    "squared_error": "identity",
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
}
_APPLIED = {"identity": lambda o: o, "softmax": lambda o: softmax(o, axis=-1), "sigmoid": expit}


def codes(loss, readout=None):
    """(loss, readout) as the kernels know them.

    Cross-entropies bring their own readout; the squared error of y = softmax(o) or sigmoid(o) is
    taken through it. Raises UserError for a name, or a pair, that there is not.
    """
    one_of("loss", loss, LOSSES)
    readout = one_of("readout", readout or _OWN_READOUT[loss], READOUTS)
    if loss != "squared_error" and readout != _OWN_READOUT[loss]:
        raise UserError(f"loss {loss} has the readout {_OWN_READOUT[loss]}, not {readout}")
    return LOSSES[loss], READOUTS[readout]


def as_rows(loss, targets, like):
    """(y (R, O), classes (R,)) of contiguous targets (..., O) or (...); one of them is empty.

    like (..., O): an array of y's dtype.
    """
    if loss == "cross_entropy":
        return like[:0].reshape(0, like.shape[-1]), targets.reshape(-1)
    return targets.reshape(-1, like.shape[-1]), _NO_CLASSES


_NO_CLASSES = np.zeros(0, np.int64)


@np.errstate(over="ignore")  # of a cast: a status says so
def loss_of(outputs, targets, loss, readout=None):
    """Loss (...) and dL/do (..., O) of outputs o (..., O) under `loss` and `readout`.

    squared_error         L_t = sum over outputs of (o - y)^2, no factor one half
    cross_entropy         L_t = -log softmax(o)[class]; classes are integers (...)
    binary_cross_entropy  L_t = -sum of y log s + (1 - y) log(1 - s), s = sigmoid(o), y in [0, 1]

    Raises UserError as `codes` does.
    """
    kind, outputs = codes(loss, readout), np.asarray(outputs)
    dtype = outputs.dtype if outputs.dtype == np.float32 else np.dtype(np.float64)
    rows = np.ascontiguousarray(outputs, dtype).reshape(-1, outputs.shape[-1])
    whole = loss == "cross_entropy"
    targets = np.broadcast_to(targets, outputs.shape[:-1] if whole else outputs.shape)
    targets = np.ascontiguousarray(targets, np.int64 if whole else dtype)
    values, slope = np.empty(len(rows)), np.empty_like(rows)
    losses.loss_rows(kind, rows, *as_rows(loss, targets, rows), values, slope)
    return values.astype(dtype).reshape(outputs.shape[:-1]), slope.reshape(outputs.shape)


def scaled_loss_of(outputs, targets, loss, readout=None):
    """`loss_of` beyond the range: ((L_t, exponent) (...), (dL_t/do (..., O), exponent (...))).

    L_t is float64, what is given has been checked; all is finite where the outputs are.
    """
    wide = np.asarray(outputs, np.float64)
    if loss == "squared_error" and readout in (None, "identity"):
        difference, exponent = _difference(outputs, targets)
        squares = np.square(difference, dtype=np.float64).sum(-1)
        return (squares, 2 * exponent), (difference, exponent + 1)
    _, slope = loss_of(outputs, targets, loss, readout)
    if loss == "squared_error":
        difference, exponent = _difference(_APPLIED[readout](wide), targets)
        value = np.square(difference).sum(-1), 2 * exponent
    else:
        value = _HUGE[loss](wide, targets), np.full(slope.shape[:-1], _UNIT)
    return value, normal_rows(slope)


def _difference(outputs, targets):
    """(difference, exponent) of o - y, which by itself may overflow."""
    difference, shift = outputs - targets, 0
    if not np.isfinite(difference).all():
        difference, shift = outputs / 2 - targets / 2, 1
    difference, exponent = normal_rows(difference)
    return difference, exponent + shift


_UNIT = 64  # cross-entropies of up to 2^62 outputs of any size, in units of 2^64


def _huge_cross_entropy(outputs, classes):
    outputs = np.ldexp(outputs, -_UNIT)
    below = outputs - outputs.max(-1, keepdims=True)
    chosen = np.arange(outputs.shape[-1]) == classes[..., None]
    total = np.exp(np.ldexp(below, _UNIT)).sum(-1)
    return np.ldexp(np.log(total), -_UNIT) - np.where(chosen, below, 0).sum(-1)


def _huge_binary_cross_entropy(outputs, targets):
    linear = np.where(outputs > 0, 1 - targets, -targets) * np.ldexp(outputs, -_UNIT)
    return (linear + np.ldexp(np.log1p(np.exp(-np.abs(outputs))), -_UNIT)).sum(-1)


_HUGE = {
    "cross_entropy": _huge_cross_entropy,
    "binary_cross_entropy": _huge_binary_cross_entropy,
}
