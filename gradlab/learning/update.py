"""From a minibatch to the gradient that the optimizer is handed, and what clipping did to it."""

from typing import NamedTuple

import numpy as np

from gradlab.learning.backprop import Backprop
from gradlab.learning.clipping import FINITE, clip
from gradlab.nets.bptt import Adjoint
from gradlab.nets.exponents import added, at_one_level, plain


class Found(NamedTuple):
    """One minibatch's loss and gradients.

    wanted, applied  all weights' entries in one vector, before and after clipping, alpha dOmega/dW
                     included; wanted up to a power of two
    norm             of wanted
    clipped          share of what is clipped: of one mean, of lanes, of steps and lanes
    not_finite       share of the same whose norm is inf or nan: no rule can keep its direction
    omega            its value, nan if it was not asked for
    adjoint          what the way back recorded of dL/dh, of the mean loss
    """

    loss: float
    wanted: np.ndarray
    applied: np.ndarray
    norm: float
    clipped: float
    not_finite: float
    omega: float
    adjoint: Adjoint


class _Mean(NamedTuple):
    """{name: weights * 2^exponents}: what `clip` takes for a network's gradients."""

    weights: dict
    exponents: dict


def gradient(net, task, batch, plan, watch=False):
    """The gradients of a minibatch (x, y) under a plan; watch: Omega too, where it is defined."""
    teacher = batch[1] if plan.teacher_forcing else None
    back = Backprop(net, *batch, task.LOSS, task.AT, teacher)
    asked = bool(plan.omega) or (watch and net.module.omega)
    mean = _Mean(back.sums(asked), back.exponents)
    adjoint = back.adjoint
    value = np.nan
    if asked:
        value, derivative, _ = back.omega
        if plan.omega:
            pair = mean.weights["W"], mean.exponents["W"]
            mean.weights["W"], mean.exponents["W"] = added([pair, (plan.omega * derivative, 0)])
    norm, applied, *shares = _clipped(back, mean, plan)
    wanted = vector(at_one_level(*mean))
    return Found(back.loss, wanted, applied, norm, *shares, value, adjoint)


def vector(weights):
    """All entries of {name: array} in one vector, in the order of the names."""
    return np.concatenate([weights[name].ravel() for name in sorted(weights)])


def _plain(weights, exponents):
    return {name: plain(array, exponents[name]) for name, array in weights.items()}


def _clipped(back, mean, plan):
    """(norm before, the vector after clipping, the shares clipped and not finite)."""
    c, style = plan.clip_threshold, plan.clip_style
    if plan.clip_per == "mean" and c is not None:
        whole = clip(mean, c, style, weights=back.net.weights)
        return whole.norm, vector(whole.gradients), *_shares(whole)
    loose = clip(mean, np.inf)
    if c is None:
        return loose.norm, vector(_plain(mean.weights, mean.exponents)), *_shares(loose)
    if plan.clip_per == "step":
        gradients, *shares = back.clipped_steps(c, style)
        return loose.norm, vector(_plain(gradients, back.exponents)), *shares
    lanes = clip(back.by_lane(), c, style, "lane", weights=back.net.weights)
    after = {name: array.mean(0) for name, array in lanes.gradients.items()}
    return loose.norm, vector(after), *_shares(lanes)


def _shares(result):
    """Of what `clip` returned: the share that was clipped, and the share that is not finite."""
    return float(np.mean(result.clipped)), float(np.mean(np.asarray(result.status) != FINITE))
