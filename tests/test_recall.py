"""Short-term memory: networks whose memory is known, and rows that are networks of their own."""

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.measures import recall
from gradlab.measures.setting import passed
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
    start = np.zeros((1, states.shape[2]))
    run = passed(own, np.ones(1), 0.1 * x, start)
    right = recall._gradient(run, stream)
    for lag in recall.GRADIENT_LAGS:
        name = f"log10_gradient_lag_{lag}"
        assert table[name][1] == pytest.approx(right[name][0], abs=1e-9)
    assert own.state_parts == ("h",)


def test_a_lost_gradient_is_zero():
    assert recall.measure(block(radii=(0.0, 0.5)))["status"].tolist() == ["zero", "ok"]


def test_a_sequence_that_is_too_short_is_one_line():
    with pytest.raises(UserError, match="sequence_length=300: must be at least 400"):
        recall.measure(block(sequence_length=300))


@pytest.mark.parametrize("size", [1.0, 1e-200])
def test_a_row_is_a_regression_and_powers_of_its_matrix(size):
    given = block("elman", radii=(0.3, 0.7), sequence_length=402, input_scale=size, hidden_size=3)
    table = recall.measure(given)
    net, x, stream = recall._draw(given, 402)
    x, v, U = x[:, 0, 0], stream.standard_normal(3), net.weights["U"][:, 0]
    for row, radius in enumerate(given.points["spectral_radius"]):
        W, h = radius * net.weights["W"], [np.zeros(3)]
        for value in x:
            h.append(W @ h[-1] + U * value)
        states, found = np.array(h[101:]), []
        for lag in range(41):
            past = np.array([x[t - lag] for t in range(100, 402)])
            A = np.column_stack([states, np.ones(302)])
            readout = np.linalg.solve(A[:151].T @ A[:151], A[:151].T @ past[:151])
            off, rest = A[151:] @ readout - past[151:], past[151:]
            found.append(max(0, 1 - (off @ off) / (len(rest) * rest.var())))
        for lag in recall.LAGS:
            assert table[f"memory_lag_{lag}"][row] == pytest.approx(found[lag], abs=1e-8)
        assert table["capacity"][row] == pytest.approx(sum(found), abs=1e-8)
        for lag in recall.GRADIENT_LAGS:
            grown = np.linalg.norm(np.linalg.matrix_power(W.T, lag) @ v) / np.linalg.norm(v)
            name = f"log10_gradient_lag_{lag}"
            assert table[name][row] == pytest.approx(np.log10(grown), abs=1e-9), name


def test_a_unit_that_is_dead_adds_nothing_to_the_memory():
    state, x = delay_line(5, 500)
    dead = np.concatenate([state, np.zeros((501, 1, 1))], axis=2)
    right, found = recall._memory(state, x), recall._memory(dead, x)
    for name, value in right.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
