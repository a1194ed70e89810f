"""Short-term memory: networks whose memory is known, and rows that are networks of their own."""

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.measures import recall
from gradlab.nets import gradients
from gradlab.nets.network import Network
from gradlab.suite.grid import Block


def block(cell="jordan", outputs=2, radii=(0.4, 0.8), **constants):
    constants = {"cell": cell, "outputs": outputs, "seed": 1, "hidden_size": 8, "input_scale": 0.1,
                 "activation": "identity", "sequence_length": 1500} | constants  # fmt: skip
    return Block({"spectral_radius": np.array(radii)}, constants)


def delay_line(size, steps):
    """States of a shift register: x_t, x_{t-1}, ..."""
    x = np.random.default_rng(0).standard_normal(steps)
    state = np.zeros((steps + 1, 1, size))
    for t in range(steps):
        state[t + 1, 0, 1:] = state[t, 0, :-1]
        state[t + 1, 0, 0] = x[t]
    return state, x


def test_a_delay_line_holds_its_length():
    state, x = delay_line(5, 3000)
    found = recall._memory(state, x)
    assert found["capacity"][0] == pytest.approx(5, abs=0.3)
    for lag in (0, 1, 4):
        assert found[f"memory_lag_{lag}"][0] == pytest.approx(1, abs=1e-12)
    assert found["memory_lag_5"][0] < 0.02


def test_one_fading_number_holds_one_step():
    """h = a h + x: m_n = (1 - a^2) a^(2n), which adds up to 1."""
    x, h, a = np.random.default_rng(0).standard_normal(60_000), [0.0], 0.8
    for value in x:
        h.append(a * h[-1] + value)
    found = recall._memory(np.array(h)[:, None, None], x)
    for lag in (0, 1, 3, 6):
        right = (1 - a**2) * a ** (2 * lag)
        assert found[f"memory_lag_{lag}"][0] == pytest.approx(right, abs=0.02)
    assert found["capacity"][0] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("cell", ["elman", "jordan"])
def test_a_row_is_a_network_of_its_own(cell):
    given = block(cell)
    table = recall.measure(given)
    net, x, stream = recall._draw(given, 1500)
    weights = {**net.weights, "W": 0.8 * net.weights["W"]}
    own = Network(weights, cell, "identity")
    states = own.forward(0.1 * x).states
    assert table["state_size"].tolist() == [states.shape[2]] * 2
    alone = recall._memory(states, x[:, 0, 0])
    assert table["capacity"][1] == pytest.approx(alone["capacity"][0], abs=1e-6)
    run = recall._forward(own, 0.1 * x, np.ones(1))
    right = recall._gradient(run, stream)
    for lag in recall.GRADIENT_LAGS:
        name = f"log10_gradient_lag_{lag}"
        assert table[name][1] == pytest.approx(right[name][0], abs=1e-9)
    assert gradients.state_parts(own.module) == ("h",)


def test_a_lost_gradient_is_zero():
    assert recall.measure(block(radii=(0.0, 0.5)))["status"].tolist() == ["zero", "ok"]


def test_a_sequence_that_is_too_short_is_one_line():
    with pytest.raises(UserError, match="sequence_length=300: must be at least 400"):
        recall.measure(block(sequence_length=300))
