"""Lyapunov exponents: closed forms, and the obvious QR of NumPy's own Jacobians."""

import inspect
import math
import re

import numpy as np
import pytest
import scipy.stats

import gradlab
from gradlab.errors import UserError
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


def elman_of(W, activation="tanh", dtype="float64"):
    """A network whose input is a single one, into all units alike."""
    size, kind = len(W), np.dtype(dtype)
    weights = {"U": np.ones((size, 1)), "W": np.array(W), "b": np.zeros(size)}
    weights |= {"V": np.zeros((1, size)), "c": np.zeros(1)}
    named = {name: own.astype(kind) for name, own in weights.items()}
    return gradlab.Network(named, activation=activation)


def noise(steps, lanes=1, inputs=1, seed=0):
    return np.random.default_rng(seed).standard_normal((steps, lanes, inputs))


def test_one_unit_has_the_mean_of_its_slopes_with_students_errors():
    """exponent = mean ln|w (1 - h^2)|; its error: that of the means of 2 x 10 blocks."""
    net, x = elman_of([[1.3]]), noise(1003, 2)
    h = net.forward(x).states[1:, :, 0]
    logs = np.log(1.3 * (1 - h**2))[1003 - 900 :]
    means = logs.reshape(10, 90, 2).mean(axis=1)
    found = gradlab.lyapunov(net, x)
    np.testing.assert_allclose(found.values, [logs.mean()], rtol=1e-12)
    np.testing.assert_allclose(found.lanes[:, 0], logs.mean(axis=0), rtol=1e-12)
    expected = scipy.stats.sem(means.ravel())
    assert found.errors[0] == pytest.approx(expected, rel=1e-10) and found.blocks == 20
    expected = scipy.stats.t.interval(0.9, 19, logs.mean(), expected)
    np.testing.assert_allclose([part[0] for part in found.interval(0.9)], expected, rtol=1e-10)
    assert found.mean == found.values[0]
    assert found.log_determinant == pytest.approx(found.mean, rel=1e-10)


def test_errors_say_how_far_means_scatter():
    """Of 60 networks driven by noise, the shares of true values within 95 % intervals."""
    net = elman_of(1.5 * gaussian(4, radius=1))
    true = gradlab.lyapunov(net, noise(4000, 10, seed=99), 2).values
    found = [gradlab.lyapunov(net, noise(300, seed=seed), 2, discard=30) for seed in range(60)]
    low, high = np.transpose([own.interval() for own in found], (1, 0, 2))
    within = ((low < true) & (true < high)).mean()
    assert 0.85 < within < 0.99


@pytest.mark.parametrize("name", ["elman", "jordan", "gru", "lstm"])
def test_every_cell_in_one_line(name):
    net = gradlab.Network.draw(name, inputs=2, hidden=6, outputs=4, spectral_radius=1.5)
    size = {"lstm": 12, "jordan": 4}.get(name, 6)
    x = noise(120, 2, 2)
    found = gradlab.lyapunov(net, x, h0=np.full(4 if name == "jordan" else 6, 0.1))
    assert found.values.shape == found.errors.shape == (size,) and found.lanes.shape == (2, size)
    assert (np.diff(found.values) <= 0).all() and found.mean == found.values.mean()
    assert found.log_determinant == pytest.approx(found.mean, rel=1e-9)
    assert found.dimension == found.entropy == 0 or found.values[0] >= 0
    few = gradlab.lyapunov(net, x, 1, discard=30, blocks=5)
    assert abs(few.values[0] - found.values[0]) < 6 * (few.errors[0] + found.errors[0])


def test_a_large_gain_loses_no_exponent():
    """As `exponents(every=4)` once did: 256 units at gain 3 had a lowest one of -9.86 for -12.9."""
    W = 3 * gaussian(256)
    net, h0 = elman_of(W), np.random.default_rng(1).standard_normal(256)
    x = np.zeros((60, 1, 1))
    found = gradlab.lyapunov(net, x, h0=h0, discard=20)
    h = net.forward(x, h0).states[21:, 0]
    expected = np.linalg.slogdet(W)[1] / 256 + np.log(1 - h**2).mean()
    np.testing.assert_allclose([found.mean, found.log_determinant], expected, rtol=1e-9)
    assert found.values[-1] < -11
    Q, logs = np.eye(256), np.zeros(256)
    for t, row in enumerate(net.forward(x, h0).states[1:, 0]):
        Q, R = np.linalg.qr((1 - row**2)[:, None] * (W @ Q))
        logs += np.log(np.abs(np.diag(R))) * (t >= 20)
    np.testing.assert_allclose(found.values, np.sort(logs / 40)[::-1], atol=1e-6)


def test_a_few_exponents_are_followed_back_in_time():
    W, x = 2 * gaussian(40), noise(600)
    net = elman_of(W)
    few, all_of_them = gradlab.lyapunov(net, x, 5), gradlab.lyapunov(net, x)
    Q, logs = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 5)))[0], np.zeros(5)
    for t in range(600, 60, -1):
        h = net.forward(x).states[t, 0]
        Q, R = np.linalg.qr(W.T @ ((1 - h**2)[:, None] * Q))
        logs += np.log(np.abs(np.diag(R))) * (t <= 540)
    np.testing.assert_allclose(few.values, logs / 480, rtol=1e-9)
    np.testing.assert_allclose(few.values, all_of_them.values[:5], atol=0.02)
    assert np.isnan([few.mean, few.log_determinant]).all()
    assert few.dimension == pytest.approx(all_of_them.dimension, rel=0.1) or few.values.sum() > 0


def test_few_exponents_are_the_largest_also_where_units_stand_apart():
    net = elman_of(np.diag([0.25, 0.5, 3.0, 0.1]), "identity")
    with np.errstate(over="ignore"):
        found = gradlab.lyapunov(net, np.zeros((200, 1, 1)), 2)
    np.testing.assert_allclose(found.values, np.log([3, 0.5]), atol=1e-9)
    np.testing.assert_allclose(found.errors, 0, atol=1e-9)


def test_few_exponents_of_a_singular_jacobian_are_followed_forward():
    W = np.outer([0.6, 0.7, 0.8, 0.1], [0.3, 0.5, 0.7, 0.2])
    found = gradlab.lyapunov(elman_of(W, "identity"), np.zeros((60, 1, 1)), 2)
    assert found.values[0] == pytest.approx(np.log(np.trace(W)))
    assert np.isneginf(found.values[1]) and found.dimension == 1


@pytest.mark.parametrize(
    ("diagonal", "dimension", "entropy"),
    [
        ([0.9, 0.5], 0, 0),
        ([2, 0.25], 1 + math.log(2) / math.log(4), math.log(2)),
        ([2, 0.6, 0.2], 2 + math.log(1.2) / math.log(5), math.log(2)),
        ([3, 2, 1], 3, math.log(6)),
        ([2, 0], 1, math.log(2)),
        ([1, 0.5], 1, 0),
    ],
)
def test_the_dimension_is_kaplans_and_yorkes(diagonal, dimension, entropy):
    net = elman_of(np.diag(diagonal[::-1]), "identity")
    with np.errstate(over="ignore"):
        found = gradlab.lyapunov(net, np.zeros((100, 1, 1)))
    assert found.dimension == pytest.approx(dimension)
    assert found.entropy == pytest.approx(entropy, abs=1e-12)


def test_too_few_exponents_do_not_tell_dimension_and_entropy():
    net, x = elman_of(np.diag([3, 2, 0.5, 0.1]), "identity"), np.zeros((100, 1, 1))
    with np.errstate(over="ignore"):
        one, two, three = (gradlab.lyapunov(net, x, k) for k in (1, 2, 3))
    assert np.isnan([one.dimension, one.entropy, two.dimension, two.entropy]).all()
    assert np.isnan(three.dimension) and three.entropy == pytest.approx(math.log(6))


def test_float32_and_states_that_are_not_finite():
    W, x = gaussian(8, radius=1.2), noise(200)
    double, single = (gradlab.lyapunov(elman_of(W, "tanh", d), x) for d in ("float64", "float32"))
    np.testing.assert_allclose(single.values, double.values, rtol=1e-2)
    x[100] = np.nan
    found = gradlab.lyapunov(elman_of(W), x)
    assert np.isnan(found.values).all() and np.isnan([found.dimension, found.entropy]).all()


def test_what_cannot_have_exponents_is_one_line():
    net, x = elman_of(gaussian(5)), noise(50)
    drawn = {"inputs": 1, "hidden": 5, "outputs": 1}
    for options in ({"layers": 2}, {"bidirectional": True}):
        stack = gradlab.Network.draw(**drawn, **options)
        with pytest.raises(UserError, match=r"^exponents are those of one layer in one direction"):
            gradlab.lyapunov(stack, x)
    for wrong, message in [
        ({"x": x[:, 0]}, r"^x must have shape \(T, B, 1\), not \(50, 1\)$"),
        ({"x": x[:10]}, "^x has T = 10 steps: 10 blocks after the first 1 need at least 11$"),
        ({"exponents": 6}, "^exponents must be a whole number from 1 to the state's 5, not 6$"),
        ({"exponents": 0}, "not 0$"),
        ({"discard": 45}, "^x has T = 50 steps: 10 blocks after the first 45 need at least 55$"),
        ({"discard": -1}, "^discard must be a whole number from 0, not -1$"),
        ({"blocks": 1}, "^blocks must be a whole number from 2, not 1$"),
        ({"h0": np.zeros(4)}, "^h0 must have shape"),
    ]:
        with pytest.raises(UserError, match=message):
            gradlab.lyapunov(net, **{"x": x} | wrong)
    assert gradlab.lyapunov(net, x[:11]).blocks == 10


def test_the_example_of_the_docstring():
    lines = inspect.getdoc(gradlab.lyapunov).splitlines()
    code = [line.strip() for line in lines if re.match(" {4}[^ ]", line)]
    scope = {"gradlab": gradlab, "np": np}
    for line in code:
        exec(line, scope)
    found = scope["found"]
    assert len(code) == 5 and len(found.values) == 64 and found.dimension > 0
    assert found.log_determinant == pytest.approx(found.mean, rel=1e-9)


@pytest.mark.parametrize("count", [None, 2])
def test_a_state_that_overflows_has_no_exponents(count):
    """ReLU, radius 3: |h| grows e^0.78-fold a step, beyond float64 after some 900 of 2,000."""
    net = gradlab.Network.draw(
        inputs=1, hidden=10, outputs=1, activation="relu", spectral_radius=3.0, seed=2
    )
    x = np.random.default_rng(0).standard_normal((2000, 1, 1))
    W, U, h = net.weights["W"], net.weights["U"], np.zeros(10)
    vector, grown = np.ones(10), 0.0
    for t in range(300):
        a = W @ h + U @ x[t, 0]
        h = np.maximum(a, 0)
        vector = (a > 0) * (W @ vector)
        if t >= 30:
            grown += np.log(np.linalg.norm(vector)) / 270
        vector /= np.linalg.norm(vector)
    finite = gradlab.lyapunov(net, x[:300], count)
    assert finite.values[0] == pytest.approx(grown, abs=0.02) and grown > 0.7
    found = gradlab.lyapunov(net, x, count)
    said = (*found.values, found.mean, found.log_determinant, found.dimension, found.entropy)
    assert np.isnan(said).all()
