"""What the slope of an activation does to a gradient, in three networks h_t = f(b + W h + U x).

one_unit   h = f(w h_0): its gradient is w f', at h_0 = pre_activation
steepest   sigma_max times a permutation, held where every unit has f's steepest slope
driven     gaussian W of largest singular value sigma_max under white noise of the input scale

Of each ||dL/dh_0||/||dL/dh_T|| with L = (o_T - y)^2, o the sum of the units.
"""

import math

import numpy as np

from gradlab.errors import one_of
from gradlab.nets import draws
from gradlab.nets.network import Network

STEEPEST = {"tanh": 0.0, "sigmoid": 0.5, "relu": 1.0}  # a state f(a) at which f' is steepest
COLUMNS = {
    "network": "one_unit, steepest or driven",
    "pre_activation": "h_0 of one_unit, and with w = 1 its pre-activation",
    "largest_singular_value": "sigma_max of W; w of one_unit",
    "value": "the first unit of h_T",
    "gradient_ratio": "||dL/dh_0||/||dL/dh_T||",
    "decades_per_step": "log10 of gradient_ratio over the steps (decades a step)",
}


def measure(block):
    """One row a network of a block that shares its kind and activation; the columns are COLUMNS."""
    network, activation = block.points["network"][0], block.points["activation"][0]
    one_of("activation", activation, STEEPEST)
    points = zip(
        block.points["pre_activation"],
        block.points["largest_singular_value"],
        block.points["seed"],
        strict=True,
    )
    networks = {"one_unit": one_unit, "steepest": steepest, "driven": driven}
    one = networks[one_of("network", network, networks)]
    both = np.array([one(block, str(activation), *point) for point in points])
    steps = 1 if network == "one_unit" else block.constants["sequence_length"]
    with np.errstate(divide="ignore"):
        return {
            "value": both[:, 0],
            "gradient_ratio": 2 ** both[:, 1],
            "decades_per_step": both[:, 1] * math.log10(2) / steps,
        }


def one_unit(_block, activation, start, weight, _seed):
    """h_1 = f(w h_0) of a single unit."""
    return through([[weight]], [0.0], np.zeros((1, 1, 1)), [start], activation)


def steepest(block, activation, _start, sigma, seed):
    """sigma times a permutation of the units (exact in floats), kept at a_t = 0 (ReLU: above 0)."""
    steps, hidden = block.constants["sequence_length"], block.constants["hidden_size"]
    W = sigma * np.eye(hidden)[draws.stream(seed=seed, hidden_size=hidden).permutation(hidden)]
    start = np.full(hidden, STEEPEST[activation])
    bias = np.zeros(hidden) if activation == "relu" else -W @ start
    return through(W, bias, np.zeros((steps, 1, 1)), start, activation)


def driven(block, activation, _start, sigma, seed):
    """A gaussian W with largest singular value sigma under white noise of the input scale."""
    steps, hidden = block.constants["sequence_length"], block.constants["hidden_size"]
    stream = draws.stream(seed=seed, init="gaussian", hidden_size=hidden)
    W = draws.recurrent(stream, hidden)
    W *= sigma / np.linalg.norm(W, 2)
    x = block.constants["input_scale"] * stream.standard_normal((steps, 1, hidden))
    return through(W, np.zeros(hidden), x, np.zeros(hidden), activation)


def through(W, bias, x, start, activation):
    """(first unit of h_T, log2 of ||dL/dh_0||/||dL/dh_T||): forward and BPTT, L = (o_T - y)^2."""
    W, h0 = np.array(W, dtype=float), np.array(start, dtype=float)
    weights = {"U": np.eye(len(W), x.shape[2]), "W": W, "b": np.array(bias), "c": np.zeros(1)}
    net = Network({**weights, "V": np.ones((1, len(W)))}, activation=activation)
    run = net.forward(x, h0)
    target = -1 - np.abs(run.outputs[-1])  # never met: dL/do > 0
    log2 = net.gradients(x, target, at="last", h0=h0).lag_log2[:, 0]
    return run.states[-1, 0, 0], log2[0] - log2[-1]
