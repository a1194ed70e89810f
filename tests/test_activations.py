"""A gradient through the networks of the slopes, by the product of their Jacobians."""

import numpy as np
import pytest
from reference import ACTIVATIONS

from gradlab.measures.activations import STEEPEST, measure
from gradlab.nets import draws
from gradlab.suite.grid import Block

STEPS, UNITS, SCALE, SIGMA = 5, 3, 0.5, 1.5


def ratio(network, activation, seed=2):
    points = {"network": [network], "activation": [activation], "pre_activation": [0.0],
              "largest_singular_value": [SIGMA], "seed": [seed]}  # fmt: skip
    constants = {"sequence_length": STEPS, "hidden_size": UNITS, "input_scale": SCALE}
    columns = measure(Block({name: np.array(v) for name, v in points.items()}, constants))
    return columns["gradient_ratio"][0]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_driven_gradient_is_that_of_the_jacobians(activation):
    f, slope = ACTIVATIONS[activation]
    stream = draws.stream(seed=2, init="gaussian", hidden_size=UNITS)
    W = draws.recurrent(stream, UNITS)
    W *= SIGMA / np.sqrt(np.linalg.eigvalsh(W @ W.T).max())
    h, jacobian = np.zeros(UNITS), np.eye(UNITS)
    for x in SCALE * stream.standard_normal((STEPS, UNITS)):
        h = f(W @ h + x)
        jacobian = np.diag(slope(h)) @ W @ jacobian
    expected = np.linalg.norm(np.ones(UNITS) @ jacobian) / np.sqrt(UNITS)
    assert ratio("driven", activation) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("activation", STEEPEST)
def test_the_steepest_state_is_one_where_the_slope_is_largest(activation):
    f, slope = ACTIVATIONS[activation]
    everywhere = slope(f(np.linspace(-6, 6, 4801)))
    assert slope(np.array(STEEPEST[activation])) == everywhere.max()
    gamma = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0}[activation]
    assert ratio("steepest", activation) == pytest.approx((gamma * SIGMA) ** STEPS, rel=1e-12)
