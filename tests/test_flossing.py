"""Gradient flossing: exponents by products and by Benettin, their slopes by differences."""

import numpy as np
import pytest

import gradlab
from gradlab.errors import UserError
from gradlab.nets import draws
from gradlab.nets.flossing import flossing

T = 7
TINY = {
    "exponents": [0, 2], "spectral_radius": [0.6], "seed": [0], "hidden_size": 10, "updates": 60,
    "flossing_updates": 20, "sequence_length": 10, "evaluate_every": 20, "evaluation_size": 20,
}  # fmt: skip


def drawn(hidden=5, radius=1.3):
    net = gradlab.Network.draw(
        inputs=2, hidden=hidden, outputs=1, spectral_radius=radius, seed=4
    )  # fmt: skip
    return net, draws.stream(seed=9).standard_normal((T, 2))


def jacobians(net, x):
    """J_t = diag(1 - h_t^2) W along x, by hand."""
    W, U, b = (net.weights[name] for name in "WUb")
    h, found = np.zeros(len(W)), []
    for one in x:
        h = np.tanh(W @ h + U @ one + b)
        found.append(np.diag(1 - h**2) @ W)
    return found


def test_the_exponents_are_those_of_the_product():
    net, x = drawn()
    found = jacobians(net, x)
    whole = flossing(net, x, 5)
    logs = [np.linalg.slogdet(J)[1] for J in found]
    assert whole.exponents.sum() == pytest.approx(np.mean(logs), rel=1e-10)
    first = np.linalg.multi_dot(found[::-1])[:, 0]
    assert flossing(net, x, 1).exponents[0] == pytest.approx(
        np.log(np.linalg.norm(first)) / T, rel=1e-10
    )
    for k in (1, 3):  # the first ones do not depend on how many follow
        assert flossing(net, x, k).exponents == pytest.approx(whole.exponents[:k], rel=1e-10)
    assert whole.value == pytest.approx((whole.exponents**2).sum(), rel=1e-14)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_slope_is_that_of_finite_differences(count):
    net, x = drawn()
    slope, step = flossing(net, x, count).slope, 1e-6
    for i, j in np.ndindex(5, 5):
        ends = []
        for sign in (1, -1):
            moved = {name: array.copy() for name, array in net.weights.items()}
            moved["W"][i, j] += sign * step
            ends.append(flossing(gradlab.Network(moved), x, count).value)
        assert slope[i, j] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-7)


def test_flossing_brings_the_exponents_to_zero_and_counts_in_the_budget(tmp_path):
    frame = gradlab.run("flossing", set=TINY, results=tmp_path).set_index("exponents")
    assert frame.largest_after[0] == frame.largest_before[0] < -0.2
    # of one exponent or of two: another QR, whose last bit is the BLAS' own
    assert frame.largest_before[2] == pytest.approx(frame.largest_before[0], rel=1e-12)
    assert abs(frame.largest_after[2]) < abs(frame.largest_before[2])
    assert (frame.updates_done <= 60).all() and (frame.solved == 0).all()
    with pytest.raises(UserError, match="flossing_updates=60: must be below the budget of 60"):
        gradlab.run("flossing", set=TINY | {"flossing_updates": 60}, results=tmp_path)


def test_wrong_networks_are_refused():
    net, x = drawn()
    with pytest.raises(UserError, match="exponents=6: must be from 1 to the 5 units"):
        flossing(net, x, 6)
    other = gradlab.Network.draw("gru", inputs=2, hidden=5, outputs=1)
    with pytest.raises(UserError, match="needs one layer of cell elman with tanh"):
        flossing(other, x, 1)
