"""What `inspect` measures, held against plain products, finite differences and mpmath."""

import mpmath
import numpy as np
import pytest

import gradlab
from gradlab.inspecting import jacobians, layers, spectra, units
from gradlab.nets import draws
from gradlab.theory import truncation

STEPS = 30


def drawn(cell="elman", hidden=4, **options):
    return gradlab.Network.draw(cell, inputs=2, hidden=hidden, outputs=1, **options)


def noise(steps=STEPS, lanes=3):
    return np.random.default_rng(1).standard_normal((steps, lanes, 2))


def chains(net, x):
    return layers.of_place(layers.passes(net, x), net.places[0])


def plain_products(net, x, lane):
    """[dh_T/dh_{T - lag}] of a tanh network, lag from 0, by plain products."""
    W, h = net.weights["W"], net.forward(x).states[:, lane]
    found = [np.eye(len(W))]
    for t in range(len(x), 0, -1):
        found.append(found[-1] @ ((1 - h[t] ** 2)[:, None] * W))
    return found


def test_the_norm_by_lag_and_the_singular_values_are_those_of_plain_products():
    net, x = drawn(spectral_radius=0.9), noise()
    one = chains(net, x)
    found = jacobians.of(one, net.state_parts)
    every = np.array([plain_products(net, x, lane) for lane in range(3)])
    squares = (every**2).sum((2, 3)).mean(0) / 4
    np.testing.assert_allclose(found.log2["h"], np.log2(squares) / 2, atol=1e-12)
    assert found.exact and found.lags.tolist() == [1, 2, 5, 10, 20, 30]
    for i, lag in enumerate(found.lags):
        values = np.linalg.svd(every[0, lag], compute_uv=False)
        np.testing.assert_allclose(found.largest[i], np.log2(values[0]), atol=1e-10)
        if values[1] > 1e-10 * values[0]:
            np.testing.assert_allclose(found.median[i], np.log2(values[1]), atol=1e-4)


def test_the_largest_singular_value_of_some_hundred_units_is_that_of_the_whole_matrix():
    net, x = drawn(hidden=200, spectral_radius=0.9), noise(10, 1)
    found = jacobians.of(chains(net, x), net.state_parts)
    value = np.linalg.svd(plain_products(net, x, 0)[10], compute_uv=False)[0]
    assert found.lags[-1] == 10
    np.testing.assert_allclose(found.largest[-1], np.log2(value), atol=1e-9)


def test_groups_of_sequences_are_all_counted():
    net, x = drawn("lstm", 64), noise(20, 64)  # so much work runs in two groups
    runs = layers.passes(net, x)
    one = layers.of_place(runs, net.places[0])
    assert len(one) == 2
    h = net.forward(x).states[1:]
    found = units.of(net, one)
    assert found.saturated == pytest.approx(units.saturated(net, h).mean())
    saved = np.concatenate([chain.passed.trace.saved for chain in one], 1)[..., 64:128]
    assert found.gates["f"].mean == pytest.approx(saved.mean())
    both = jacobians.by_lag(one, net.state_parts)[0]["h"]
    alone = [jacobians.by_lag([chain], net.state_parts)[0]["h"] for chain in one]
    assert both.shape[1] == 64 * 16 and [part.shape[1] for part in alone] == [1024, 1024]


def test_random_directions_estimate_the_same_from_below_and_on_average():
    net, x = drawn(hidden=40, spectral_radius=1.0), noise(lanes=2)
    one = chains(net, x)
    exact = jacobians.by_lag(one, net.state_parts)[1]["h"]
    seeds = []
    for seed in range(12):
        lanes = jacobians.LANES
        try:
            jacobians.LANES = 16
            _, log2, whole = jacobians.by_lag(one, net.state_parts, seed)
        finally:
            jacobians.LANES = lanes
        assert not whole
        seeds.append(np.exp2(2 * log2["h"]))
    ratio = np.mean(seeds, axis=0) / np.exp2(2 * exact)
    assert np.abs(np.log(ratio)).max() < 0.5 and ratio[0] == pytest.approx(1)


def test_dh_dc_of_an_lstm_is_that_of_finite_differences():
    net, x, small = drawn("lstm", 3, forget_bias=1.0), noise(6, 1), 1e-6
    one = chains(net, x)
    log2 = jacobians.by_lag(one, net.state_parts)[1]
    states = net.forward(x)
    for lag in (1, 4):
        start = 6 - lag
        for part, key in ((0, "h"), (1, "c")):
            columns = []
            for unit in range(3):
                ends = []
                for sign in (1, -1):
                    h0 = [states.states[start].copy(), states.cell_states[start].copy()]
                    h0[part][0, unit] += sign * small
                    ends.append(net.forward(x[start:], h0=tuple(h0)).states[-1, 0])
                columns.append((ends[0] - ends[1]) / (2 * small))
            size = np.sqrt(np.square(columns).sum() / 3)
            assert log2[key][lag] == pytest.approx(np.log2(size), abs=1e-6)


def test_nothing_under_or_overflows():
    x = np.zeros((900, 1, 2))
    for radius in (0.1, 9.0):
        net = drawn("elman", 3, activation="identity", spectral_radius=radius)
        one = chains(net, x)
        found = jacobians.of(one, net.state_parts)
        with mpmath.workdps(40):
            W = mpmath.matrix(net.weights["W"].tolist()) ** 900
            size = mpmath.log(mpmath.sqrt(sum(v**2 for v in W) / 3), 2)
        assert found.log2["h"][-1] == pytest.approx(float(size), rel=1e-9)
        assert abs(float(size)) > 1074
        assert found.exponent[0] == pytest.approx(np.log(radius), abs=5e-3)


def test_the_exponent_is_that_of_gradlab_lyapunov():
    net, x = drawn(hidden=16, spectral_radius=1.5), noise(400, 2)
    one = chains(net, x)
    value, error = jacobians.of(one, net.state_parts).exponent
    own = gradlab.lyapunov(net, x, 1)
    assert abs(value - own.values[0]) < 3 * error and error < 0.03


def test_a_network_that_is_dead_has_no_gradient_and_no_horizon():
    net = drawn(activation="relu")
    net.weights["b"][:] = -100
    (layer,) = gradlab.inspect(net, noise()).found.layers
    assert layer.horizon == {"h": 0} and layer.stretch.exponent[0] == -np.inf
    assert layer.units.saturated == layer.units.dead == 1.0
    assert layer.window == 1.0


def test_a_horizon_is_the_last_lag_above_the_share():
    fall = np.array([0.0, -1.0, -1.9, -3.0, -1.5, -4.0])
    assert layers.horizon(fall, 0.01) == 4 and layers.horizon(fall, 0.05) == 1
    assert layers.horizon(np.array([-np.inf, -1.0, -2.0, -3.5]), 0.01, "c") == 2
    assert layers.horizon(np.array([0.0, np.nan]), 0.01) == 0
    assert layers.horizon(np.array([0.0, -np.inf]), 0.01) == 0


@pytest.mark.parametrize("size", [20, 80])
def test_spectra_are_those_of_numpy(size, monkeypatch):
    monkeypatch.setattr(spectra, "EXACT", 50)
    W = draws.recurrent(np.random.default_rng(0), size)
    found = spectra.spectrum(W)
    assert found.radius == pytest.approx(draws.spectral_radius(W))
    assert found.singular == pytest.approx(np.linalg.norm(W, 2))
    assert found.departure * np.linalg.norm(W) == pytest.approx(draws.departure(W), rel=1e-6)
    monkeypatch.setattr(spectra, "MOST", 10)
    large = spectra.spectrum(W)
    assert large.radius == pytest.approx(found.radius, rel=1e-3)
    assert large.singular == pytest.approx(found.singular, rel=1e-3)
    assert np.isnan(large.departure)


def test_a_gate_and_saturated_units_are_counted():
    net, x = drawn("lstm", 3, forget_bias=-3.0), noise()
    one = chains(net, x)
    gates = units.of(net, one).gates
    assert set(gates) == set("ifo")
    saved = one[0].passed.trace.saved[..., 3:6]
    assert gates["f"].mean == pytest.approx(saved.mean())
    assert gates["f"].closed == pytest.approx((saved < 0.1).mean())
    assert gates["f"].log == pytest.approx(np.log(saved).mean())
    h = np.array([0.0, 0.971, -0.99, 0.5])
    assert units.saturated(net, h).tolist() == [False, True, True, False]


@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_a_gradient_that_falls_geometrically_needs_the_window_of_its_series(rate):
    log_phi = np.log(rate) * np.arange(60)
    left = rate ** np.arange(61)  # sum of rate^k over k >= K, over that over all k
    bias = left / ((1 - left) - left).max()  # over the largest g_k - e(k)
    np.testing.assert_allclose(np.exp(truncation.log_relative_bias(log_phi)), bias, rtol=1e-9)
    assert truncation.window(log_phi, 0.1) == np.flatnonzero(bias < 0.1)[0]
    assert truncation.window(log_phi, 0.01) > truncation.window(log_phi, 0.1)


def test_what_is_left_out_is_measured_up_to_tau_and_a_series_from_there():
    phi = np.array([1.0, 3.0, 0.5, 0.2, 0.1, 0.05, 0.025])
    left = np.array([phi[k:4].sum() + 0.1 / (1 - 0.5) for k in range(5)])
    sums = np.append(0, np.cumsum(phi))[:5]
    found = np.exp(truncation.log_relative_bias(np.log(phi), tau=4))
    np.testing.assert_allclose(found[1:5] / found[0], left[1:] / left[0], rtol=1e-12)
    np.testing.assert_allclose(found[5:] / found[4], [0.5, 0.25, 0.125], rtol=1e-9)
    tail = 0.2 * 0.5 ** np.arange(1, 4)
    least = max((sums - left).max(), (np.cumsum(phi)[4:] - tail).max())
    assert found[0] == pytest.approx(left[0] / least)


def test_the_bias_of_lags_that_do_not_fall_has_no_bound():
    assert np.isnan(truncation.window(np.zeros(20)))
    assert np.isnan(truncation.window(np.linspace(0, 3, 20)))
    assert np.isnan(truncation.window([np.nan, 0.0, 0.0]))
    slow = np.log(0.99) * np.arange(60)  # more is left out after 60 lags than was seen
    assert np.isnan(truncation.window(slow))


def test_the_bias_far_below_what_a_number_holds_is_told():
    log_phi = -50.0 * np.arange(40)
    bias = truncation.log_relative_bias(log_phi)
    assert bias[20] == pytest.approx(-1000, rel=1e-6) and truncation.window(log_phi) == 1


@pytest.mark.parametrize("radius", [0.0, 1e200])
def test_a_matrix_of_any_size_is_looked_at_without_a_warning(radius):
    net = gradlab.Network.draw(
        "elman", inputs=2, hidden=6, outputs=1, activation="identity", spectral_radius=radius
    )
    seen = gradlab.inspect(net, np.ones((20, 3, 2)), np.ones((3, 1)), loss="squared_error")
    own, W = seen.layers.iloc[0], net.weights["W"]
    assert own["spectral_radius"] == pytest.approx(radius, rel=1e-12)
    largest = np.linalg.norm(W / (radius or 1), 2) * radius
    assert own["singular_value"] == pytest.approx(largest, rel=1e-12)
    assert str(seen.attempt())


def test_a_gradient_that_hardly_falls_has_no_window_and_no_warning():
    flat = np.full(21, -3.078e-16)
    flat[-1] -= 1e-16  # a slope of some -1e-18, whose exp is 1
    assert np.isnan(truncation.window(flat))
