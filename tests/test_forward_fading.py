"""The measure of the experiment forward_fading, beside derivatives by complex steps."""

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.measures import forward_fading
from gradlab.suite.grid import Block

LAGS = [0, 1, 6]


def block(activation, hidden=5):
    axes = {"init": "gaussian", "activation": activation, "spectral_radius": 1.3, "seed": 1}
    points = {name: np.full(len(LAGS), value) for name, value in axes.items()}
    constants = {"hidden_size": hidden, "input_scale": 0.7}
    return Block(points | {"lag": np.array(LAGS)}, constants)


def last_state(net, x, f):
    """h_T of the network, any kind of numbers."""
    h = np.zeros(net.hidden)
    for now in x[:, 0]:
        h = f(net.weights["W"] @ h + net.weights["U"] @ now + net.weights["b"])
    return h


@pytest.mark.parametrize(
    ("activation", "f"),
    [("tanh", np.tanh), ("identity", lambda a: a), ("sigmoid", lambda a: 1 / (1 + np.exp(-a)))],
)
def test_both_products_are_the_derivative(activation, f):
    given = block(activation)
    net, (x, d) = forward_fading.network(given), forward_fading.inputs(given, max(LAGS) + 1)
    table = forward_fading.measure(given)
    for row, lag in enumerate(LAGS):
        columns = []
        for i in range(forward_fading.INPUTS):
            moved = x[: lag + 1].astype(complex)
            moved[0, 0, i] += 1e-30j
            columns.append(last_state(net, moved, f).imag / 1e-30)
        jacobian = np.transpose(columns)
        values = np.sqrt(np.linalg.eigvalsh(jacobian.T @ jacobian)[::-1])
        for i in range(forward_fading.KEPT):
            for way in ("forward", "backward"):
                got = 10 ** table[f"{way}_{i + 1}"][row]
                assert got == pytest.approx(values[i], rel=1e-6, abs=1e-9 * values[0])
        along = np.linalg.norm(jacobian @ d)
        assert 10 ** table["log10_derivative"][row] == pytest.approx(along, rel=1e-12)
        assert 10 ** table["log10_nudge"][row] == pytest.approx(along, rel=1e-4)


def test_the_noise_does_not_depend_on_how_far_one_looks():
    (short, d), (long, same) = (forward_fading.inputs(block("tanh"), steps) for steps in (3, 9))
    np.testing.assert_array_equal(short, long[:3])
    np.testing.assert_array_equal(d, same)
    assert np.linalg.norm(d) == pytest.approx(1)


def test_too_few_units_have_too_few_singular_values():
    with pytest.raises(UserError, match="hidden_size=2: must be at least 3"):
        forward_fading.measure(block("tanh", hidden=2))
