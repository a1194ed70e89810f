"""The gradients of a minibatch: as a whole, lane by lane, and with dL/dh clipped at each step."""

import numpy as np
import pytest
import reference
from networks import batch, network, targets_of

from gradlab.learning.clipping import STYLES, clip
from gradlab.learning.gradient import Back
from gradlab.nets.exponents import in_reach, plain

SIZE = {"steps": 11, "lanes": 4, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 3}
CASES = [("cross_entropy", "last"), ("squared_error", "every"), ("squared_error", "last")]


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    loss, at = request.param
    net = network(SIZE, radius=1.3)
    x, y, _, _ = batch(SIZE, loss, at)
    return net, x, y, loss, at


def back_of(net, x, y, loss, at):
    return Back.of(net, (x, y), loss, at)


def lane_of(case, lane):
    net, x, y, loss, at = case
    targets = (targets_of(lane, y, len(x), at), loss)
    return net, x[:, lane], np.zeros(net.hidden), targets


def test_sums_are_the_network_s_gradients(case):
    net, x, y, loss, at = case
    back, expected = back_of(*case), net.gradients(x, y, loss, at)
    assert back.loss == pytest.approx(expected.loss, rel=1e-14)
    for name, array in expected.weights.items():
        np.testing.assert_allclose(plain(*back.sums[name]), array, atol=1e-13)


def test_each_lane_has_the_gradient_of_its_own_loss(case):
    found = back_of(*case).by_lane()
    for lane in range(SIZE["lanes"]):
        expected, _, _ = reference.gradients(*lane_of(case, lane))
        for name, array in expected.items():
            np.testing.assert_allclose(found[name][lane], array, atol=1e-12)


def clipped_bptt(net, x, h0, targets, rule):
    """reference.gradients with dL/dh_t clipped by `rule` as soon as it is complete."""
    y, loss = targets
    weights = net.weights
    _, slope = reference.ACTIVATIONS[net.activation]
    h, _ = reference.states(net, x, h0)
    gradient = {name: np.zeros_like(w) for name, w in weights.items()}
    back, hits = np.zeros_like(h0), 0
    for t in range(len(x), 0, -1):
        if t in y:
            do = reference.slope_of_step(weights["c"] + weights["V"] @ h[t], y[t], loss)
            gradient["V"] += np.outer(do, h[t])
            gradient["c"] += do
            back = back + weights["V"].T @ do
        result = clip(back, *rule)
        hits += result.clipped
        delta = result.gradients * slope(h[t])
        gradient["W"] += np.outer(delta, h[t - 1])
        gradient["U"] += np.outer(delta, x[t - 1])
        gradient["b"] += delta
        back = weights["W"].T @ delta
    return gradient, hits


@pytest.mark.parametrize("style", [style for style in STYLES if style != "pascanu"])
@pytest.mark.parametrize("threshold", [0.05, 0.4, 1e6])
def test_steps_are_clipped_on_the_way_back(case, style, threshold):
    found, share, not_finite = back_of(*case).clipped_steps(threshold, style)
    lanes = [
        clipped_bptt(*lane_of(case, lane), (threshold, style)) for lane in range(SIZE["lanes"])
    ]
    for name, summed in found.items():
        expected = np.mean([gradient[name] for gradient, _ in lanes], axis=0)
        np.testing.assert_allclose(plain(*summed), expected, atol=1e-12)
    assert share == sum(hits for _, hits in lanes) / (SIZE["lanes"] * SIZE["steps"])
    assert not_finite == 0


def test_a_clipped_way_back_stays_in_range_where_a_plain_one_explodes():
    size = SIZE | {"steps": 2500}
    net = network(size, "identity", 1.5)
    x, y, _, _ = batch(size, "squared_error", "last")
    x[:], net.weights["b"][:] = 0, 0
    back = Back.of(net, (x, y), "squared_error", "last")
    assert back.sums["b"][1] > 1024
    clipped, share, not_finite = back.clipped_steps(1.0, "norm")
    assert share > 0.9 and not_finite == 0
    arrays, exponents = in_reach(clipped)
    assert not any(exponents.values())
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_a_vanished_way_back_is_the_same_with_clipping():
    size = SIZE | {"steps": 400}
    net = network(size, "tanh", 0.1)
    x, y, _, _ = batch(size, "squared_error", "last")
    back = Back.of(net, (x, y), "squared_error", "last")
    clipped, *_ = back.clipped_steps(1e3, "norm")
    for name, summed in back.sums.items():
        np.testing.assert_allclose(plain(*clipped[name]), plain(*summed), rtol=1e-12)
