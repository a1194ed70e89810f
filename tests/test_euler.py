"""The measure of the experiment euler: its cell and its closed forms, taken another way."""

import math

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.measures import euler
from gradlab.suite.grid import Block
from gradlab.theory import dynamics


def block(system, scheme, interval, times):
    axes = {"system": system, "scheme": scheme, "interval": interval}
    points = {name: np.full(len(times), value) for name, value in axes.items()}
    return Block(points | {"time": np.array(times)}, {})


def test_the_pendulum_keeps_its_energy_and_swings_back_after_a_period():
    """theta'^2/2 - cos theta stays -cos 2; a quarter period is pi/2 over agm(1, cos(angle/2))."""
    one, other = 1.0, math.cos(1.0)
    for _ in range(6):
        one, other = (one + other) / 2, math.sqrt(one * other)
    period = 2 * math.pi / one
    at = euler.swing(2.0, np.array([0.0, period / 4, period / 2, period]))
    np.testing.assert_allclose(at, [2, 0, -2, 2], atol=1e-12)
    near = euler.swing(2.0, np.array([1.0 - 1e-4, 1.0, 1.0 + 1e-4]))
    speed = (near[2] - near[0]) / 2e-4
    assert speed**2 / 2 - math.cos(near[1]) == pytest.approx(-math.cos(2.0), abs=1e-7)


def test_a_row_is_the_scheme_the_cell_and_the_law_of_its_system():
    table = euler.measure(block("driven", "euler", 0.5, [0.0, 1.0, 2.5]))
    s, states = np.array([1.0, 0.0]), []
    for i in range(6):
        states.append(s)
        force = math.cos(0.5 * 0.5 * i)
        s = s + 0.5 * np.array([s[1], force - 0.4 * s[1] - s[0]])
    expected = np.array(states)[[0, 2, 5]]
    np.testing.assert_allclose(table["position"], expected[:, 0], rtol=1e-14)
    np.testing.assert_allclose(table["velocity"], expected[:, 1], rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(table["network"], expected[:, 0], rtol=1e-14)
    determinant = 1 - 0.4 * 0.5 + 0.25
    np.testing.assert_allclose(table["radius"], math.sqrt(determinant))
    np.testing.assert_allclose(table["area"], math.log10(determinant), rtol=1e-12)


def test_what_is_not_known_is_nan():
    table = euler.measure(block("van_der_pol", "rk4", 0.5, [0.0, 1.0]))
    assert all(np.isnan(table[name]).all() for name in ("exact", "network", "radius", "area"))
    fine = dynamics.rk4(dynamics.van_der_pol, [0.1, 0.0], 0.5 * np.arange(3))
    np.testing.assert_array_equal(table["position"], fine[[0, 2], 0])


@pytest.mark.parametrize(
    ("interval", "times", "told"),
    [
        (0.3, [1.0], "interval=0.3: must divide every time of the grid"),
        (0.0, [1.0], "interval=0: must be above 0, and every time finite, not below 0"),
        (0.1, [-1.0], "interval=0.1: must be above 0, and every time finite, not below 0"),
    ],
)
def test_times_are_whole_steps(interval, times, told):
    with pytest.raises(UserError, match=told):
        euler.measure(block("driven", "euler", interval, times))
