"""Losses of the lectures: summed over outputs and steps, averaged over lanes.

Each takes the readout o = c + V h as it is; the squashing belongs to the loss or is named.
"""

import numpy as np
from scipy.special import expit, softmax

from gradlab.errors import UserError, one_of
from gradlab.nets.exponents import normal_rows


def squared_error(outputs, targets):
    """L_t = sum over outputs of (o - y)^2, no factor one half. Returns L_t (...) and dL_t/do."""
    difference = outputs - targets
    # einsum: a sum over a short last axis takes three times as long
    return np.einsum("...o,...o->...", difference, difference), 2 * difference


def cross_entropy(outputs, classes):
    """L_t = -log softmax(o)[class]; classes are integers (...). Returns L_t and dL_t/do."""
    # By hand: SciPy's softmax and log_softmax took a tenth of an update at B20 T100 N50.
    below = outputs - outputs.max(-1, keepdims=True)
    power = np.exp(below)
    chosen = np.arange(outputs.shape[-1]) == classes[..., None]
    others = np.where(chosen, 0, power)  # 1 - p loses all digits of a p close to 1
    rest, own = others.sum(-1), np.where(chosen, below, 0).sum(-1)
    likely = own > -1
    value = np.where(
        likely,
        np.log1p(rest / np.exp(np.where(likely, own, 0))),
        np.log(power.sum(-1)) - own,
    )
    return value, np.where(chosen, -rest[..., None], power) / power.sum(-1, keepdims=True)


def binary_cross_entropy(outputs, targets):
    """L_t = -sum over outputs of y log s + (1 - y) log(1 - s), s = sigmoid(o), y in [0, 1].

    Written as (1 - y) log(1 + exp(o)) + y log(1 + exp(-o)), in which no large o cancels. Returns
    L_t and dL_t/do.
    """
    against = 1 - targets
    value = against * np.logaddexp(0, outputs) + targets * np.logaddexp(0, -outputs)
    return value.sum(-1), against * expit(outputs) - targets * expit(-outputs)


def _through_softmax(outputs):
    y = softmax(outputs, axis=-1)
    return y, lambda dy: y * (dy - (y * dy).sum(-1, keepdims=True))


def _through_sigmoid(outputs):
    y = expit(outputs)
    return y, lambda dy: y * (1 - y) * dy


def _through_identity(outputs):
    return outputs, lambda dy: dy


READOUTS = {
    "identity": _through_identity,
    "softmax": _through_softmax,
    "sigmoid": _through_sigmoid,
}
LOSSES = {
    "squared_error": squared_error,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
}
_OWN_READOUT = {
    "squared_error": "identity",
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
}


@np.errstate(over="ignore", invalid="ignore")  # a status says what became of it
def loss_of(outputs, targets, loss, readout=None):
    """Loss (...) and dL/do (..., O) of outputs o (..., O) under `loss` and `readout`.

    Cross-entropies bring their own readout; the squared error of y = softmax(o) or sigmoid(o) is
    taken through it. Raises UserError for a name, or a pair, that there is not.
    """
    one_of("loss", loss, LOSSES)
    readout = one_of("readout", readout or _OWN_READOUT[loss], READOUTS)
    if loss != "squared_error":
        if readout != _OWN_READOUT[loss]:
            raise UserError(f"loss {loss} has the readout {_OWN_READOUT[loss]}, not {readout}")
        return LOSSES[loss](outputs, targets)
    y, back = READOUTS[readout](outputs)
    value, dy = squared_error(y, targets)
    return value, back(dy)


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
        difference, exponent = _difference(READOUTS[readout](wide)[0], targets)
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
