"""Theory: closed forms, quadrature in 30 digits, and a net of 1,000 units that it must predict."""

import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

from gradlab import theory

SMOOTH = {
    "tanh": (mpmath.tanh, lambda x: mpmath.sech(x) ** 2),
    "sigmoid": (lambda x: (1 + mpmath.tanh(x / 2)) / 2, lambda x: mpmath.sech(x / 2) ** 2 / 4),
}
WITH_EDGE = ["tanh", "relu", "sigmoid", "identity"]


def gaussian_mean(function, q):
    """<f(sqrt(q) z)> by mpmath, the line cut where f or the Gaussian turns."""
    r = mpmath.sqrt(mpmath.mpf(q))
    cuts = [c / max(r, 1) for c in (0, 1, 3, 8, 20, 60)]
    half = [*cuts, *(c for c in (1, 3, 9) if c > cuts[-1])]
    line = sorted({-c for c in half} | set(half))
    weight = mpmath.sqrt(2 * mpmath.pi)
    return float(mpmath.quad(lambda z: function(r * z) * mpmath.exp(-z * z / 2) / weight, line))


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("q", [1e-9, 0.0013, 0.08, 0.97, 1.02, 4.1, 60.0, 1.7e4])
def test_means_agree_with_thirty_digits(name, q):
    phi, slope = SMOOTH[name]
    kind = theory.ACTIVATIONS[name]
    with mpmath.workdps(30):
        square = gaussian_mean(lambda x: phi(x) ** 2, q)
        slope_square = gaussian_mean(lambda x: slope(x) ** 2, q)
    assert kind.square(q) == pytest.approx(square, rel=1e-12)
    assert kind.slope_square(q) == pytest.approx(slope_square, rel=1e-12)


def test_means_at_the_ends():
    """<tanh^2> = q - 2 q^2 + (17/3) q^3; for large q 1 - sqrt(2/(pi q)), and <sech^4> 2/3 of it."""
    tanh = theory.ACTIVATIONS["tanh"]
    assert tanh.square(0.0) == 0
    assert tanh.slope_square(0.0) == 1
    assert tanh.square(1e-6) == pytest.approx(1e-6 - 2e-12 + 17 / 3 * 1e-18, rel=1e-14)
    assert 1 - tanh.square(1e12) == pytest.approx(np.sqrt(2 / np.pi) / 1e6, rel=1e-6)
    assert tanh.slope_square(1e12) == pytest.approx(2 / 3 * np.sqrt(2 / np.pi) / 1e6, rel=1e-10)


def test_rates_in_decades():
    assert theory.eigenvalue_rate(0.1) == -1
    assert theory.eigenvalue_rate(0.0) == -np.inf
    np.testing.assert_array_equal(theory.eigenvalue_rate([1.0, 100.0]), [0, 2])
    assert theory.singular_bound(10.0) == theory.singular_bound(10.0, "relu") == 1
    assert theory.singular_bound(10.0, "identity") == 1
    assert theory.singular_bound(40.0, "sigmoid") == pytest.approx(1, abs=1e-15)
    assert theory.singular_bound(0.0) == -np.inf


@pytest.mark.parametrize("gain", [0.0, 0.3, 0.97, 1.0])
def test_without_drive_the_exponent_is_ln_gain_up_to_one(gain):
    assert theory.stationary_variance(gain) == 0
    expected = -np.inf if gain == 0 else np.log(gain)
    assert theory.largest_exponent(gain) == expected


def test_just_above_one_chaos_is_slow():
    """q = (g - 1) and ln(chi)/2 = (2/3) q^2 to leading order (chi = 1 + (4/3) q^2)."""
    gain = 1 + np.array([1e-3, 1e-4])
    np.testing.assert_allclose(theory.stationary_variance(gain), gain - 1, rtol=2e-3)
    np.testing.assert_allclose(theory.largest_exponent(gain), 2 / 3 * (gain - 1) ** 2, rtol=1e-2)


@pytest.mark.parametrize("name", WITH_EDGE)
def test_stationary_variance_repeats_itself(name):
    gain = np.array([0.2, 0.9, 1.3, 2.5, 11.0])[:, None]
    drive = np.array([0.0, 1e-8, 0.2, 3.0])
    q = theory.stationary_variance(gain, drive, name)
    again = gain**2 * theory.ACTIVATIONS[name].square(q) + drive
    np.testing.assert_allclose(again, q, rtol=1e-12, atol=1e-16)
    settled = theory.variances(gain, np.broadcast_to(drive, (400, 1, 4)), name, start=1.0)[-1]
    finite = np.isfinite(q) & (q > 0)
    np.testing.assert_allclose(settled[finite], q[finite], rtol=1e-10)


@pytest.mark.parametrize(("name", "share"), [("identity", 1), ("relu", 0.5)])
def test_activations_of_constant_slope_have_closed_forms(name, share):
    assert theory.critical_gain(0.3, name) == pytest.approx(share**-0.5, rel=1e-15)
    drives = np.linspace(0, 1, 7)
    expected = np.full(7, np.log(1.4**2 * share) / 2)
    np.testing.assert_allclose(theory.exponents(1.4, drives, name), expected, rtol=1e-14)
    assert theory.stationary_variance(0.5, 2.0, name) == pytest.approx(2 / (1 - share / 4))
    assert theory.stationary_variance(2.0, 2.0, name) == np.inf
    assert theory.stationary_variance(2.0, 0.0, name) == 0
    exploded = theory.variances(4.0, np.ones(600), name)
    assert exploded[-1] == np.inf
    assert np.isfinite(theory.exponents(4.0, np.ones(600), name)).all()


def test_a_recursion_of_one_gain_is_that_of_many():
    gains, drives = np.array([0.0, 0.5, 1.2, 30.0, 1e200]), np.array([0.3, 0.0, 1e-20, 4.0] * 5)
    for name in ("tanh", "sigmoid"):
        many = theory.variances(gains, drives[:, None], name)
        alone = [theory.variances(gain, drives, name) for gain in gains]
        np.testing.assert_array_equal(np.transpose(alone), many)


def test_critical_gain_is_one_without_drive():
    assert theory.critical_gain() == 1
    assert theory.critical_gain_driven(np.zeros(50)) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_critical_gain_is_the_root_of_the_exponent(name):
    drive = np.array([1e-6, 0.01, 0.25, 1.0, 30.0])
    edge = theory.critical_gain(drive, name)
    np.testing.assert_allclose(theory.largest_exponent(edge, drive, name), 0, atol=1e-12)
    assert (theory.largest_exponent(0.98 * edge, drive, name) < -1e-5).all()
    assert (theory.largest_exponent(1.02 * edge, drive, name) > 1e-5).all()
    assert (np.diff(edge) > 0).all()


@pytest.mark.parametrize("name", WITH_EDGE)
def test_critical_gain_of_a_series_is_the_root_of_its_mean_exponent(name):
    force = np.cos(0.05 * np.arange(120))[:, None] ** 2
    drives, start = force * np.array([0.0, 0.01, 0.25]), np.array([1e-4, 0, 0])
    edge = theory.critical_gain_driven(drives, name, start)
    growth = theory.exponents(edge, drives, name, start).mean(axis=0)
    np.testing.assert_allclose(growth, 0, atol=1e-13)


def test_a_constant_series_ends_at_the_stationary_edge():
    still = theory.stationary_variance(theory.critical_gain(0.25), 0.25)
    start = theory.ACTIVATIONS["tanh"].square(still)
    series = theory.critical_gain_driven(np.full(40, 0.25), start=start)
    assert series == pytest.approx(theory.critical_gain(0.25), rel=1e-12)


def test_known_values():
    """Variance and exponent at gain 2, by a fixed point of mpmath's own quadrature."""
    with mpmath.workdps(20):
        q = 2.0
        for _ in range(60):
            q = 4 * gaussian_mean(lambda x: mpmath.tanh(x) ** 2, q)
        chi = 4 * gaussian_mean(lambda x: mpmath.sech(x) ** 4, q)
    assert theory.stationary_variance(2.0) == pytest.approx(q, rel=1e-12)
    assert theory.largest_exponent(2.0) == pytest.approx(np.log(chi) / 2, rel=1e-11)


def test_gradient_scale():
    assert theory.gradient_scale(np.log(0.5) / 2) == pytest.approx(1 / np.log(2))
    assert theory.gradient_scale(0.0) == np.inf


def test_weight_gain_is_the_entries_scale():
    W = np.random.default_rng(0).normal(0, 1.7 / np.sqrt(300), (300, 300))
    # standard error of a root mean square of 90,000 entries: 1/sqrt(2 90,000) = 0.0024
    assert theory.weight_gain(W) == pytest.approx(1.7, rel=0.01)


def simulated(rng, units, gain, drives, activation):
    """Variance of a_t, and ln of the factor on a gradient's norm, of one net's backward step t."""
    phi, slope = {
        "tanh": (np.tanh, lambda a: np.cosh(a) ** -2.0),
        "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda a: np.cosh(a / 2) ** -2.0 / 4),
        "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0) * 1.0),
        "identity": (lambda a: a, np.ones_like),
    }[activation]
    W = rng.normal(0, gain / np.sqrt(units), (units, units))
    U = rng.standard_normal(units)
    a = [W @ rng.normal(0, 0.5, units) + U * np.sqrt(drives[0])]
    for drive in drives[1:]:
        a.append(W @ phi(a[-1]) + U * np.sqrt(drive))
    adjoint, norms = rng.standard_normal(units), []
    for state in a[::-1]:
        back = W.T @ (slope(state) * adjoint)
        norms.append(np.log(np.linalg.norm(back) / np.linalg.norm(adjoint)))
        adjoint = back
    return np.mean(np.square(a), axis=1), np.array(norms[::-1])


@pytest.mark.parametrize("gain", [0.8, 2.0])
@pytest.mark.parametrize("activation", WITH_EDGE)
def test_a_wide_net_does_as_predicted(activation, gain):
    """16 nets of 1,000 units, 6 steps; the tolerances are at least 3 standard errors.

    ReLU scatters most: <phi^4>/<phi^2>^2 = 6, so a variance has a standard error of
    sqrt(5/16,000) = 1.8 % a step and the logarithm of a norm half of that.
    """
    rng = np.random.default_rng(7)
    drives = np.array([0.3, 0.0, 3.0, 0.1, 2.0, 0.0])
    nets = [simulated(rng, 1000, gain, drives, activation) for _ in range(16)]
    variance, factor = (np.mean(part, axis=0) for part in zip(*nets, strict=True))
    predicted = theory.variances(gain, drives, activation, start=0.25)
    np.testing.assert_allclose(variance, predicted, rtol=0.06)
    predicted = theory.exponents(gain, drives, activation, start=0.25)
    np.testing.assert_allclose(factor, predicted, atol=0.035)
    if activation == "tanh":
        assert np.abs(factor[1:] - predicted[:-1]).max() > 0.1, "one step off must not fit"


def test_gains_and_drives_broadcast():
    gain, start = np.linspace(0.5, 2.5, 5), np.array([[0.1], [0.0]])
    drives = np.random.default_rng(1).uniform(0, 1, (9, 2, 1))
    together = theory.exponents(gain, drives, start=start)
    assert together.shape == (9, 2, 5)
    for row in range(2):
        alone = theory.exponents(gain[3], drives[:, row, 0], start=start[row, 0])
        np.testing.assert_allclose(together[:, row, 3], alone, rtol=1e-14)


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match=r"activation must be one of tanh, relu, .*not 'gelu'"):
        theory.largest_exponent(1.0, 0.0, "gelu")


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize(("gain", "drive"), [(0.5, 0.0), (1.3, 0.0), (3.0, 0.2), (10.0, 0.0)])
def test_the_mean_exponent_agrees_with_twenty_digits(name, gain, drive):
    q = float(theory.stationary_variance(gain, drive, name))
    with mpmath.workdps(20):
        mean = gaussian_mean(lambda x: mpmath.log(SMOOTH[name][1](x)), q)
    got = theory.mean_exponent(gain, drive, name)
    assert got == pytest.approx(np.log(gain) - 0.5 + mean, rel=1e-12)


def test_the_mean_exponent_of_activations_of_constant_slope():
    assert theory.mean_exponent(2.0, activation="identity") == pytest.approx(np.log(2) - 0.5)
    assert theory.mean_exponent(2.0, activation="relu") == -np.inf
    assert theory.mean_exponent(0.0) == -np.inf
    got = theory.mean_exponent([[0.5, 2.0], [3.0, 4.0]])
    assert got.shape == (2, 2) and got[1, 0] == theory.mean_exponent(3.0)


@pytest.mark.parametrize(("name", "share", "gain"), [("identity", 1, 2.0), ("relu", 0.5, 2.0),
                                                     ("tanh", 1, 0.8)])  # fmt: skip
def test_slopes_of_one_leave_the_triangular_law(name, share, gain):
    t = np.array([0.01, 0.2, 0.49, 0.7])
    with np.errstate(invalid="ignore"):
        expected = np.log(gain**2 * (share - t)) / 2
    got = theory.spectrum(t, gain, activation=name)
    np.testing.assert_allclose(got, np.where(t < share, expected, -np.inf), rtol=1e-10)


@pytest.mark.parametrize(("gain", "name"), [(2.0, "tanh"), (10.0, "tanh"), (2.0, "relu")])
def test_dimension_and_entropy_are_integrals_of_the_spectrum(gain, name):
    def exponent(t):
        return float(theory.spectrum(t, gain, 0.1, name))

    ends = [1e-9, theory.dimension(gain, 0.1, name)]
    assert quad(exponent, *ends)[0] == pytest.approx(0, abs=1e-7)
    got = quad(lambda t: max(exponent(t), 0), *ends, limit=200)[0]
    assert theory.entropy(gain, 0.1, name) == pytest.approx(got, rel=1e-5)
    largest = theory.largest_exponent(gain, 0.1, name)
    assert exponent(1e-9) == pytest.approx(largest, abs=1e-6)
    assert 0 < theory.dimension(gain, 0.1, name) < 1


@pytest.mark.parametrize(("gain", "name"), [(30.0, "tanh"), (1e3, "tanh"), (1e3, "sigmoid")])
def test_the_spectrum_has_all_shares_where_slopes_are_tiny(gain, name):
    """s of a share by bisection on a grid of a of its own; slopes are down to e^-18000."""
    half = 1 if name == "tanh" else 2
    a = np.linspace(-9, 9, 40_001) * math.sqrt(theory.stationary_variance(gain, activation=name))
    weight = np.exp(-0.5 * np.linspace(-9, 9, 40_001) ** 2)
    weight /= weight.sum()
    log_square = -4 * (np.logaddexp(a / half, -a / half) - (name == "tanh") * np.log(2))
    t = np.array([0.001, 0.1, 0.5, 0.9, 0.999])
    low, high = np.full(5, -100.0), np.full(5, 1e5)
    for _ in range(60):
        middle = (low + high) / 2
        above = expit(middle[:, None] + log_square) @ weight > t
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    expected = np.log(gain) + (np.log(t) - low) / 2
    np.testing.assert_allclose(theory.spectrum(t, gain, activation=name), expected, rtol=1e-5)
    assert theory.spectrum(1.0, gain, activation=name) == -np.inf


@pytest.mark.parametrize(("gain", "name"), [(0.8, "tanh"), (3.0, "tanh"), (2.0, "relu")])
def test_the_spectrum_begins_at_the_largest_exponent(gain, name):
    expected = theory.largest_exponent(gain, 0.1, name)
    assert theory.spectrum(0.0, gain, 0.1, name) == pytest.approx(expected, abs=1e-12)


def test_the_ends_of_dimension_and_entropy():
    assert theory.dimension(0.9) == theory.entropy(0.9) == theory.dimension(0.0) == 0
    assert theory.dimension(2.0, activation="identity") == pytest.approx(1)
    mean = quad(lambda t: float(theory.spectrum(t, 3.0)), 0, 1)[0]
    assert mean == pytest.approx(theory.mean_exponent(3.0), abs=1e-6)


def test_the_spectrum_is_that_of_products_of_random_matrices():
    """200 units, another W and other slopes at each of 150 steps; finite N: some 2/N."""
    rng, units, gain = np.random.default_rng(5), 200, 3.0
    deviation = np.sqrt(theory.stationary_variance(gain))
    Q, logs = np.eye(units), np.zeros(units)
    for step in range(180):
        slopes = np.cosh(rng.normal(0, deviation, units)) ** -2.0
        W = rng.normal(0, gain / np.sqrt(units), (units, units))
        Q, R = np.linalg.qr(slopes[:, None] * (W @ Q))
        logs += np.log(np.abs(np.diag(R))) * (step >= 30)
    t = (np.arange(units) + 0.5) / units
    got, expected = logs / 150, theory.spectrum(t, gain)
    np.testing.assert_allclose(got[:180], expected[:180], rtol=0.025, atol=0.03)
    assert np.abs(got[:180] - np.log(gain**2 * (1 - t[:180])) / 2).max() > 1, "slopes matter"
