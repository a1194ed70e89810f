"""dL/dh of a user's own targets: by lag, and the norms of the weights' gradients."""

from typing import NamedTuple

import numpy as np

from gradlab.nets.exponents import log2_norm, plain
from gradlab.watching.thresholds import RULE_OF_THUMB

PARTS = 8  # minibatches that the sequences are cut into, for a mean norm


class Slopes(NamedTuple):
    """Of one loss.

    log2       {layer: {"h": (T+1, B), "c": ...}}: log2 ||dL_T/dh_k|| by lag T - k, of the loss of
               the last step alone, so that a lag is a lag
    loss       L, the mean over sequences of the sum over steps
    norms      {weight: ||dL/d(weight)||}, in log2, and "all" together: of those that the model has,
               not of zeros that stand in for biases, nor of 1 for a readout
    batches    (k,): log2 norms of all weights together, of k minibatches; their size
    status     of the sequences
    """

    log2: dict
    loss: float
    norms: dict
    batches: np.ndarray
    size: int
    status: tuple


def of(net, inputs, loss):
    """The `Slopes` of targets. Raises UserError, one line, where loss and targets do not fit."""
    whole = net.gradients(inputs.x, inputs.y, loss=loss, at=inputs.at)
    norms = {name: whole.log2_norms[name] for name in own(net)} | {"all": _together(net, whole)}
    value, status = whole.loss, tuple(sorted(set(whole.status)))
    last = whole
    if inputs.at == "every":
        del whole
        last = net.gradients(inputs.x, inputs.y[-1], loss=loss, at="last")
    batches, size = _batches(net, inputs, loss)
    if batches is None:
        batches, size = np.array([norms["all"]]), inputs.x.shape[1]
    return Slopes(_by_lag(net, last), value, norms, batches, size, status)


def own(net):
    """Names of the weights that the model has, not of those that stand in for what it lacks."""
    return [name for name in net.weights if name.partition("_l")[0] not in net.lacks]


def _together(net, gradients):
    """log2 of the norm of all of them."""
    names = own(net)
    return log2_norm(
        [gradients.weights[name] for name in names], [gradients.exponents[name] for name in names]
    )


def _by_lag(net, gradients):
    every = {layer: gradients.part_lag_log2(layer, "forward") for layer in range(net.layers)}
    return {layer: {k: lags[::-1] for k, lags in parts.items()} for layer, parts in every.items()}


def _batches(net, inputs, loss):
    """(log2 norms, size) of minibatches; None for one sequence, and for large models."""
    lanes = inputs.x.shape[1]
    size = -(-lanes // PARTS)
    if lanes < 2 or net.weights["W"].size > 2**20:
        return None, 0
    found = []
    for first in range(0, lanes - size + 1, size):
        few = slice(first, first + size)
        y = inputs.y[:, few] if inputs.at == "every" else inputs.y[few]
        part = net.gradients(inputs.x[:, few], y, loss=loss, at=inputs.at)
        found.append(_together(net, part))
    return np.array(found), size


def mean_norm(slopes):
    """The mean norm of the minibatches; nan where none is finite, one that is not is left out."""
    norms = slopes.batches[slopes.batches < np.inf]  # nan and inf are not
    if not norms.size:
        return np.nan
    sizes = norms[norms > -np.inf]
    with np.errstate(over="ignore"):
        return float(np.sum(plain(np.exp2(sizes % 1), sizes // 1))) / norms.size


def band(slopes):
    """(low, high) of the rule of thumb: half to ten times the mean norm of the minibatches."""
    mean = mean_norm(slopes)
    return tuple(factor * mean for factor in RULE_OF_THUMB)
