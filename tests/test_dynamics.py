"""Dynamical systems: Euler is a linear cell, orders of the schemes, limits, wrong use."""

import math
import re

import numpy as np
import pytest
from scipy.special import ellipj

from gradlab import Network
from gradlab.nets import draws
from gradlab.tasks.oscillator import Oscillator
from gradlab.theory import dynamics

SCHEMES = {"euler": (dynamics.euler, 1), "rk4": (dynamics.rk4, 4)}


def decay(state, time):
    return -state


@pytest.mark.parametrize("name", SCHEMES)
def test_a_scheme_has_its_order(name):
    """The pendulum swung to 2 rad against its elliptic function, on steps that are not equal."""
    scheme, order = SCHEMES[name]
    k = math.sin(1.0)
    sn, cn, _, _ = ellipj(3 + np.pi / 2, k**2)  # any start on the orbit will do
    start = 2 * np.arcsin(k * sn), 2 * k * cn

    def error(steps):
        times = 4 * (np.arange(steps + 1) / steps) ** 1.2
        sn = ellipj(3 + np.pi / 2 + 4, k**2)[0]
        return abs(scheme(dynamics.pendulum, start, times)[-1, 0] - 2 * np.arcsin(k * sn))

    assert np.log2(error(800) / error(1600)) == pytest.approx(order, abs=0.05)


def test_times_enter_at_the_start_of_a_step():
    def clock(state, time):
        return np.array([time])

    times = np.array([0.0, 1.0, 1.5])
    np.testing.assert_array_equal(dynamics.euler(clock, [2.0], times)[:, 0], [2, 2, 2.5])
    np.testing.assert_allclose(dynamics.rk4(clock, [2.0], times)[:, 0], 2 + times**2 / 2)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_states_have_any_shape(shape):
    start = np.ones(shape)
    states = dynamics.euler(decay, start, np.linspace(0, 1, 5))
    np.testing.assert_allclose(states, np.multiply.outer(0.75 ** np.arange(5), start))
    assert dynamics.euler(decay, start, [7.0]).shape == (1, *shape)


def test_g_may_return_a_tuple_and_the_start_is_left_alone():
    start = np.array([1, 0])
    times = np.linspace(0, 1, 11)
    plain = dynamics.rk4(lambda s, t: (s[1], -s[0]), start, times)
    np.testing.assert_allclose(plain[:, 0], np.cos(times), atol=1e-5)
    np.testing.assert_array_equal(start, [1, 0])


@pytest.mark.parametrize("options", [{}, {"damping": 0.0}, {"mass": 2.0, "stiffness": 3.0}])
def test_euler_is_the_linear_cell(options):
    """2,000 steps through the Elman kernel, and the same through the scheme itself."""
    system = Oscillator(**options)
    constants = {name: getattr(system, name) for name in ("mass", "damping", "stiffness")}
    W, U = dynamics.oscillator_cell(0.01, **constants)
    net = Network({"W": W, "U": U, "b": np.zeros(2), "V": np.eye(2), "c": np.zeros(2)},
                  activation="identity")  # fmt: skip
    times = 0.01 * np.arange(2001)
    start = [system.position, system.velocity]
    states = net.forward(system.force(times[:-1])[:, None, None], h0=start).states[:, 0]
    scheme = dynamics.euler(dynamics.oscillator(system.force, **constants), start, times)
    np.testing.assert_allclose(states, scheme, rtol=0, atol=1e-12 * np.abs(scheme).max())


@pytest.mark.parametrize(
    ("mass", "damping", "stiffness", "limit"),
    [
        (1, 0.4, 1, 0.4),  # underdamped: eta/k
        (2, 0.3, 5, 0.06),
        (1, 2, 1, 2),  # critical: 2/|mu|, mu = -1 twice
        (1, 5, 4, 0.5),  # overdamped: mu = -1, -4
        (1, 0, 1, 0),
        (1, -0.1, 1, 0),
        (1, 1, 0, 2),  # free but for friction: mu = 0 stays, mu = -1
        (1, 0, 0, math.inf),  # W = [[1, dt], [0, 1]] has radius 1 whatever dt
    ],
)
def test_the_limit_is_where_the_radius_passes_one(mass, damping, stiffness, limit):
    constants = {"mass": mass, "damping": damping, "stiffness": stiffness}
    assert dynamics.stability_limit(dynamics.oscillator_matrix(**constants)) == pytest.approx(
        limit, abs=1e-7
    )
    below, above = (
        draws.spectral_radius(
            dynamics.oscillator_cell(factor * min(limit, 10) + 1e-3, **constants)[0]
        )
        for factor in (0.9, 1.1)
    )
    assert above > 1 or math.isinf(limit)
    assert below <= 1 + 1e-12 or limit == 0


@pytest.mark.parametrize("limit_of", [-np.eye(3), np.diag([-1.0, -0.5, 0.0])])
def test_any_linear_system_has_a_limit(limit_of):
    assert dynamics.stability_limit(limit_of) == 2


def test_van_der_pol_forgets_its_start():
    times = np.linspace(0, 60, 3001)
    small, large = (
        dynamics.rk4(dynamics.van_der_pol, [x, 0.0], times)[2000:, 0] for x in (0.1, 4.0)
    )
    assert small.max() == pytest.approx(2.0086, abs=2e-3)
    assert large.max() == pytest.approx(2.0086, abs=2e-3)


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([], "be a list of numbers, not of shape (0,)"),
        (3.0, "be a list of numbers, not of shape ()"),
        ([0.0, 0.0], "rise, but 0 follows 0"),
        ([0.0, 1.0, 0.5], "rise, but 0.5 follows 1"),
        ([0.0, math.nan], "rise, but nan follows 0"),
    ],
)
def test_wrong_times_are_told(times, told):
    with pytest.raises(ValueError, match=re.escape(f"times must {told}")):
        dynamics.euler(decay, 1.0, times)


def test_a_wrong_g_is_told():
    with pytest.raises(
        ValueError, match=r"g\(s, t\) has shape \(3,\), not that of the state, \(2,"
    ):
        dynamics.rk4(lambda s, t: np.zeros(3), [1.0, 0.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="mass=0: must be > 0"):
        dynamics.oscillator_cell(0.1, mass=0)
