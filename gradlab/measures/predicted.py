"""What theory says of a draw's lanes: columns beside what is measured."""

import math

import numpy as np

from gradlab import theory
from gradlab.measures.setting import constant, top
from gradlab.nets import weights

INDEPENDENT = ("gaussian", "sparse", "torch")  # entries that mean field describes


def columns(block, shared, lanes):
    """Radius and singular value of each lane's W, and the rates that they and theory predict.

    Of a stack W is the top layer's; what its input is mean field does not say.
    """
    net, count = shared.net, len(lanes.lengths)
    W = weights.fed_back(net.module, weights.own(net.weights, top(net)))
    radius, singular = np.tile(lanes.radius, count), np.linalg.norm(W, 2)
    nothing = np.full(len(radius), np.nan)
    found = {"eigenvalue_radius": radius, "singular_value": radius * singular}
    found |= dict.fromkeys(("gain", "rate_eigenvalue", "rate_singular"), nothing)
    if not net.module.gates:
        found["rate_eigenvalue"] = theory.eigenvalue_rate(radius)
        found["rate_singular"] = theory.singular_bound(radius * singular, net.activation)
    if net.cell == "elman":
        found["gain"] = radius * theory.weight_gain(W)
    return found | {"rate_mean_field": _mean_field(block, shared, lanes)}


def _mean_field(block, shared, lanes):
    """Decades a step, of Elman cells with independent entries of W; nan for all others."""
    net, start = shared.net, np.atleast_2d(shared.start)[0]
    independent = constant(block, "init") in INDEPENDENT
    if net.cell != "elman" or net.layers > 1 or not independent:
        return np.full(len(lanes.all_lengths), np.nan)
    gain = lanes.radius * theory.weight_gain(net.weights["W"])
    drives = np.square(shared.inputs[:, 0] @ net.weights["U"].T).mean(1)[:, None] * lanes.scale**2
    begin = np.where(lanes.scale == 0, np.square(start).mean(), 0.0)
    rates = theory.exponents(gain, drives, net.activation, begin) / math.log(10)
    steps = np.arange(1, len(rates) + 1)[:, None]
    return (np.cumsum(rates, axis=0) / steps)[lanes.lengths - 1].ravel()
