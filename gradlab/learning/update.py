"""From a minibatch to the gradient that the optimizer is handed, and what clipping did to it."""

from typing import NamedTuple

import numpy as np

from gradlab.learning.backprop import Backprop
from gradlab.learning.clipping import clip
from gradlab.nets.gradients import Adjoint
from gradlab.nets.scaled import plain


class Found(NamedTuple):
    """One minibatch's loss and gradients.

    wanted, applied  all weights' entries in one vector, before and after clipping, alpha dOmega/dW
                     included; wanted up to a power of two
    norm             of wanted
    clipped          share of what is clipped: of one mean, of lanes, of steps and lanes
    omega            its value, nan if it was not asked for
    adjoint          what the way back recorded of dL/dh, of the mean loss
    """

    loss: float
    wanted: np.ndarray
    applied: np.ndarray
    norm: float
    clipped: float
    omega: float
    adjoint: Adjoint


class _Mean(NamedTuple):
    """weights * 2^exponent: what `clip` takes for a network's gradients."""

    weights: dict
    exponent: int


def gradient(net, task, batch, plan, watch=False):
    """The gradients of a minibatch (x, y) under a plan; watch: Omega too, where it is defined."""
    teacher = batch[1] if plan.teacher_forcing else None
    back = Backprop(net, *batch, task.LOSS, task.AT, teacher)
    asked = bool(plan.omega) or (watch and net.cell == "elman")
    mean = _Mean(back.sums(asked), back.exponent)
    adjoint = back.adjoint
    value = np.nan
    if asked:
        value, derivative, _ = back.omega
        if plan.omega:
            mean.weights["W"] = mean.weights["W"] + plain(plan.omega * derivative, -mean.exponent)
    norm, applied, clipped = _clipped(back, mean, plan)
    return Found(back.loss, vector(mean.weights), applied, norm, clipped, value, adjoint)


def vector(weights):
    """All entries of {name: array} in one vector, in the order of the names."""
    return np.concatenate([weights[name].ravel() for name in sorted(weights)])


def _clipped(back, mean, plan):
    """(norm before, the vector after clipping, the share that was clipped)."""
    c, style = plan.clip_threshold, plan.clip_style
    if c is None or plan.clip_per != "mean":
        norm = clip(mean, np.inf).norm
    if c is None:
        return norm, vector({k: plain(v, mean.exponent) for k, v in mean.weights.items()}), 0.0
    if plan.clip_per == "step":
        gradients, share = back.clipped_steps(c, style)
        return norm, vector({k: plain(v, back.exponent) for k, v in gradients.items()}), share
    if plan.clip_per == "lane":
        lanes = clip(back.by_lane(), c, style, "lane", weights=back.net.weights)
        after = {name: array.mean(0) for name, array in lanes.gradients.items()}
        return norm, vector(after), float(np.mean(lanes.clipped))
    whole = clip(mean, c, style, weights=back.net.weights)
    return whole.norm, vector(whole.gradients), float(whole.clipped)
