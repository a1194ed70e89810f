"""The measure of the experiment truncation, beside the twin's truncated gradients."""

import numpy as np
import pytest
import reference

from gradlab import tasks
from gradlab.errors import UserError
from gradlab.measures import setting, truncation
from gradlab.nets.network import Network
from gradlab.suite.grid import Block

CONSTANTS = {
    "task": "noise", "init": "gaussian", "batch_size": 2, "input_scale": 0.5,
    "activation": "tanh", "hidden_size": 5, "sequence_length": 12, "delay": 3, "seed": 1,
}  # fmt: skip
AXES = ("hidden_size", "sequence_length", "delay", "seed")


def block(radii=(0.8, 1.5), steps=(1, 4, 12), **constants):
    constants = CONSTANTS | constants
    grid = np.meshgrid(radii, steps, [0, 1], indexing="ij")
    radius, reach, kind = (axis.ravel() for axis in grid)
    points = {"spectral_radius": radius, "steps": reach,
              "truncation": np.array(["window", "chunk"])[kind]}  # fmt: skip
    for name in AXES:
        points[name] = np.full(len(radius), constants.pop(name))
    return Block(points, constants)


def twin(radius, truncate):
    """dL/dW of a row, summed over lanes by tests/reference.py."""
    net = Network.draw(
        inputs=1, hidden=5, outputs=1, spectral_radius=radius, input_scale=0.5, seed=1
    )
    x, y = tasks.find("noise").sample(setting.task_stream(1, "noise"), 12, 2, delay=3)
    total = 0
    for lane in range(2):
        targets = ({t: y[t - 1, lane] for t in range(1, 13)}, "squared_error")
        case = (net, x[:, lane], np.zeros(5), targets, truncate)
        total = total + reference.truncated(*case)[0]["W"]
    return total / 2


def test_rows_compare_truncated_with_full_gradients():
    given = block()
    table = truncation.measure(given)
    for row in range(len(given)):
        radius, steps, kind = (given.points[name][row] for name in list(given.points)[:3])
        cut, full = twin(radius, (kind, steps)), twin(radius, ("window", 12))
        size = np.linalg.norm(full)
        cosine = (cut * full).sum() / np.linalg.norm(cut) / size
        near = {"rtol": 1e-8, "atol": 1e-8}
        np.testing.assert_allclose(np.cos(np.radians(table["angle"][row])), cosine, **near)
        np.testing.assert_allclose(
            10 ** table["log10_ratio"][row], np.linalg.norm(cut) / size, **near
        )
        error = np.linalg.norm(cut - full) / size
        np.testing.assert_allclose(10 ** table["log10_error"][row], error, **near)
        np.testing.assert_allclose(10 ** table["log10_norm"][row], size, **near)
        net = Network.draw(inputs=1, hidden=5, outputs=1, spectral_radius=radius, seed=1)
        gain = np.sqrt(np.square(net.weights["W"]).sum() / 5)
        np.testing.assert_allclose(table["gain"][row], gain)
        if steps == 12:
            assert table["angle"][row] == 0 and np.isneginf(table["log10_error"][row])
    assert set(table["status"]) == {"ok"}
    seconds, size = truncation.estimate(given)
    assert 0 < seconds < 1 and 0 < size < 1e6


def test_distances_do_not_need_float64s_range():
    a, b = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    angle, ratio, error = truncation.distance((a, -3000), (a + 1e-9 * b, 2000))
    assert angle == pytest.approx(np.degrees(1e-9))
    assert ratio == pytest.approx(-5000 * np.log10(2)) and error == pytest.approx(0)
    assert truncation.distance((a, 0), (b, 0)) == (90, 0, pytest.approx(np.log10(2) / 2))
    assert truncation.distance((a, 7), (a, 7)) == (0, 0, -np.inf)
    larger = truncation.distance((a, 2000), (b, 0))
    assert larger == (90, pytest.approx(2000 * np.log10(2)), pytest.approx(larger[1]))
    ends = truncation.distance((1.7e308 * (a + b), 0), (5e-324 * a, 0))
    decades = np.log10(1.7e308) - np.log10(5e-324) + np.log10(2) / 2
    assert ends == (pytest.approx(45), pytest.approx(decades), pytest.approx(decades))
    zero = truncation.distance((0 * a, 0), (a, 0))
    assert np.isnan(zero[0]) and zero[1:] == (-np.inf, 0)  # all of the full one is missing
    assert np.isnan(truncation.distance((a, 0), (0 * a, 0))).all()


def test_a_network_that_does_not_see_its_gradient_says_so():
    given = block(radii=(0.8,), task="noise", input_scale=0.0)
    assert set(truncation.measure(given)["status"]) == {"zero"}
    with pytest.raises(UserError, match="batch_size=0: must be at least 1"):
        truncation.measure(block(batch_size=0))
