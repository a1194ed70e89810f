"""Lyapunov exponents: closed forms, and the obvious QR of NumPy's own Jacobians."""

import math

import numpy as np
import pytest

from gradlab.cells import elman
from gradlab.nets import draws, gradients, lyapunov


def passed(W, steps=60, activation="tanh", radii=(1.0,), seed=0):
    """A forward pass under noise; radii are lanes."""
    rng = np.random.default_rng(seed)
    size = len(W)
    weights = {"U": rng.standard_normal((size, 1)) / 2, "W": W, "b": np.zeros(size)}
    prepared = elman.prepare(weights, activation, "float64")
    x, start = rng.standard_normal((steps, 1, 1)), np.zeros((len(radii), size))
    lengths = np.full(len(radii), steps)
    return gradients.forward(elman, prepared, np.array(radii), x, start, lengths)


def jacobians(run, W):
    """J_t = diag(1 - h_t^2) W."""
    return [(1 - h[0] ** 2)[:, None] * W for h in run.trace.state[1:]]


def gaussian(size, seed=0, radius=None):
    return draws.recurrent(np.random.default_rng(seed), size, spectral_radius=radius)


def test_a_jacobian_is_the_product_of_its_steps():
    W = gaussian(7)
    run = passed(W)
    every = jacobians(run, W)
    for start, stop in ((0, 1), (3, 9), (59, 60), (0, 60)):
        got, exponent = lyapunov.jacobian(run, start, stop)
        expected = np.linalg.multi_dot([*every[start:stop][::-1], np.eye(7)])
        np.testing.assert_allclose(got * 2.0**exponent, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("every", [1, 4, 7])
def test_growth_is_that_of_a_plain_qr(every):
    W = gaussian(7, radius=1.5)
    run = passed(W)
    Q, expected = np.eye(7), np.zeros(7)
    for J in jacobians(run, W):
        Q, R = np.linalg.qr(J @ Q)
        expected += np.log(np.abs(np.diag(R)))
    times, logs = lyapunov.growth(run, every=every)
    assert times[-1] == 60 and len(times) == math.ceil(60 / every)
    np.testing.assert_allclose(logs[-1], expected, rtol=1e-6)
    np.testing.assert_allclose(lyapunov.exponents(run, 3, every), expected[:3] / 60, rtol=1e-9)


def test_the_exponents_add_up_to_the_determinant():
    W = gaussian(6, radius=1.2)
    run = passed(W)
    determinants = [np.linalg.slogdet(J)[1] for J in jacobians(run, W)]
    np.testing.assert_allclose(lyapunov.exponents(run).sum(), np.mean(determinants), rtol=1e-9)


def test_an_orthogonal_linear_cell_has_one_exponent():
    W = 1.7 * draws.recurrent(np.random.default_rng(0), 9, "orthogonal")
    got = lyapunov.exponents(passed(W, activation="identity"))
    np.testing.assert_allclose(got, math.log(1.7), atol=1e-14)


def test_a_diagonal_linear_cell_has_those_of_its_eigenvalues_beyond_float64():
    run = passed(np.diag([3.0, -2.0, 0.25]), 2000, "identity")
    with np.errstate(over="ignore"):  # states overflow, a linear cell's Jacobians do not
        got = lyapunov.exponents(run)
    np.testing.assert_allclose(got, np.log([3, 2, 0.25]), atol=1e-12)
    product, exponent = lyapunov.jacobian(run, 0, 2000)
    assert math.log2(abs(product[0, 0])) + exponent == pytest.approx(2000 * math.log2(3))


def test_a_lost_direction_has_the_exponent_minus_infinity():
    got = lyapunov.exponents(passed(np.diag([0.5, 0.0]), activation="identity"))
    assert got[0] == pytest.approx(math.log(0.5)) and got[1] == -math.inf


def test_the_first_steps_can_be_left_out():
    W = gaussian(7)
    run = passed(W)
    times, logs = lyapunov.growth(run, 2)
    expected = (logs[-1] - logs[times == 20][0]) / 40
    np.testing.assert_array_equal(lyapunov.exponents(run, 2, discard=20), expected)


def test_a_lane_is_a_pass_by_itself():
    W = gaussian(5)
    both = passed(W, radii=(0.5, 2.0))
    for index, radius in enumerate((0.5, 2.0)):
        alone = lyapunov.exponents(passed(radius * W))
        np.testing.assert_allclose(lyapunov.exponents(lyapunov.lane(both, index)), alone)


def test_wrong_use_is_one_line():
    run = passed(gaussian(5), radii=(0.5, 2.0))
    with pytest.raises(ValueError, match="one lane"):
        lyapunov.jacobian(run, 0, 1)
    run = lyapunov.lane(run, 0)
    with pytest.raises(ValueError, match="steps 5 to 61: must rise within 0 to T = 60"):
        lyapunov.jacobian(run, 5, 61)
    for discard in (3, 60):
        with pytest.raises(ValueError, match=f"discard={discard}"):
            lyapunov.exponents(run, discard=discard)
