"""Lyapunov exponents: closed forms, and the obvious QR of NumPy's own Jacobians."""

import math

import numpy as np
import pytest

from gradlab.nets import bptt, draws, lyapunov, registry

elman = registry.find("elman")


def passed(W, steps=60, activation="tanh", radii=(1.0,), seed=0):
    """A forward pass under noise; radii are lanes."""
    rng = np.random.default_rng(seed)
    size = len(W)
    weights = {"U": rng.standard_normal((size, 1)) / 2, "W": W, "b": np.zeros(size)}
    prepared = elman.prepare(weights, activation, "float64")
    x, start = rng.standard_normal((steps, 1, 1)), np.zeros((len(radii), size))
    lengths = np.full(len(radii), steps)
    return bptt.forward(elman, prepared, np.array(radii), x, start, lengths)


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
    np.testing.assert_allclose(logs[-1], expected, rtol=1e-10)
    np.testing.assert_allclose(lyapunov.exponents(run, 3, every), expected[:3] / 60, rtol=1e-10)


@pytest.mark.parametrize(("size", "gain"), [(6, 1.2), (64, 0.5), (64, 3.0), (64, 10.0), (160, 2.0)])
@pytest.mark.parametrize("every", [None, 4])
def test_the_exponents_add_up_to_the_determinant(size, gain, every):
    W = gain * gaussian(size)
    run = passed(W, 30 if size < 100 else 9)
    with np.errstate(divide="ignore"):  # units of 10 W reach 1 exactly: their rows are 0
        determinants = [np.linalg.slogdet(J)[1] for J in jacobians(run, W)]
    got = lyapunov.exponents(run, every=every)
    np.testing.assert_allclose(got.sum(), np.mean(determinants), rtol=1e-9)
    assert np.isneginf(got[-1]) == (gain == 10)


def cell_pass(name, gain, dtype, steps=20):
    """A forward pass of any cell, of 8 values of h or o, under noise."""
    module, rng = registry.find(name), np.random.default_rng(3)
    shapes = module.shapes(1, 12 if name == "jordan" else 8, 8)
    weights = {key: rng.standard_normal(shape) / 3 for key, shape in shapes.items()}
    weights["W"] *= gain
    prepared = module.prepare(weights, "tanh", dtype)
    x, start = rng.standard_normal((steps, 1, 1)), np.zeros((1, module.state_size(prepared)))
    given = [array.astype(dtype) for array in (np.ones(1), x, start)]
    return bptt.forward(module, prepared, *given, np.array([steps]))


@pytest.mark.parametrize("name", ["elman", "jordan", "gru", "lstm"])
def test_every_cells_exponents_add_up_and_agree_in_float32(name):
    double, single = (cell_pass(name, 2.0, dtype) for dtype in ("float64", "float32"))
    got = lyapunov.exponents(double)
    steps = [lyapunov.jacobian(double, t, t + 1) for t in range(20)]
    determinants = [np.linalg.slogdet(J)[1] + len(J) * e * np.log(2) for J, e in steps]
    np.testing.assert_allclose(got.sum(), np.mean(determinants), rtol=1e-9)
    np.testing.assert_allclose(lyapunov.exponents(single), got, rtol=1e-3)


def test_a_non_normal_linear_cell_has_the_eigenvalues_first_and_the_singular_values_once():
    rng, eigenvalues = np.random.default_rng(2), np.array([3, 1, 0.1, 1e-3, 1e-6])
    W = np.diag(eigenvalues) + np.triu(rng.standard_normal((5, 5)), 1) * 10
    run = passed(W[::-1, ::-1], 400, "identity")
    np.testing.assert_allclose(lyapunov.exponents(run), np.log(eigenvalues), atol=0.1)
    got = lyapunov.exponents(run).sum()
    np.testing.assert_allclose(got, np.log(eigenvalues).sum(), rtol=1e-9)
    A, _ = np.linalg.qr(gaussian(5))
    stretched = np.array([10.0, 1, 0.1, 1e-2, 1e-3])
    one = lyapunov.exponents(passed(A * stretched, 1, "identity"))
    np.testing.assert_allclose(one, np.log(stretched), atol=1e-9)


@pytest.mark.parametrize("every", [None, 1, 4, 50])
def test_relu_units_that_are_off_lose_their_directions_and_no_others(every):
    W = 2 * gaussian(12)
    run = passed(W, 50, "relu")
    on = run.trace.state[1:, 0] > 0
    got = lyapunov.exponents(run, every=every)
    alive = on.sum(axis=1).min()
    assert np.isneginf(got[alive:]).all() and np.isfinite(got[0])
    Q, logs = np.eye(12)[:, :2], np.zeros(2)
    for row in on:
        Q, R = np.linalg.qr(row[:, None] * W @ Q)
        logs += np.log(np.abs(np.diag(R)))
    np.testing.assert_allclose(got[:2], logs / 50, rtol=1e-9)
    discarded = lyapunov.exponents(run, every=every and 1, discard=25)
    assert not np.isnan(discarded).any() and np.isneginf(discarded[-1])


def test_a_singular_matrix_has_one_exponent():
    W = np.outer([0.6, 0.7, 0.8], [0.3, 0.5, 0.7])
    got = lyapunov.exponents(passed(W, activation="identity"))
    assert np.isneginf(got[1:]).all()
    expected = 59 * math.log(np.trace(W)) + math.log(np.linalg.norm(W[:, 0]))
    assert got[0] * 60 == pytest.approx(expected)


def test_directions_that_one_jacobians_rounding_hides_are_not_told():
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))
    W = turn * [1e-30, 1, 1, 1, 1, 1]  # a column of 1e-30: W Q mixes it with the others
    got = lyapunov.exponents(passed(W, 30, "identity"))
    assert np.isfinite(got[:5]).all() and not np.isfinite(got[5])
    alone = lyapunov.exponents(passed(W, 1, "identity"))
    np.testing.assert_allclose(alone, np.log([1e-30, 1, 1, 1, 1, 1]), atol=1e-12)
    apart = lyapunov.exponents(passed(np.diag([1e-30, 3.0]), 30, "identity"))
    np.testing.assert_allclose(apart, np.log([1e-30, 3.0]), rtol=1e-12)


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
    np.testing.assert_allclose(lyapunov.exponents(run, 2, discard=20), expected, rtol=1e-12)
    np.testing.assert_allclose(lyapunov.growth(run, 2, 4, discard=20)[1][-1] / 40, expected)


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
            lyapunov.exponents(run, every=4, discard=discard)
