"""Loss, readout and weights whose gradients leave the range of their dtype, each held exactly."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import reference
from networks import as_h0, batch, network, start, targets_of

import gradlab
from gradlab.errors import UserError
from gradlab.nets.exponents import added, in_reach, log2_norm, outer, plain
from gradlab.nets.many import gradients_of
from gradlab.nets.network import Network

NAMES = ("U", "W", "b")


def log2(value):
    """log2 |value| of a fraction of any size."""
    if not value:
        return -np.inf
    return math.log2(abs(value.numerator)) - math.log2(value.denominator)


def scalar(w, layers, dtype="float64"):
    """A linear network of one unit a layer: U = V = 1, W = w in each, b = c = 0."""
    net = Network.draw(
        inputs=1, hidden=1, outputs=1, layers=layers, activation="identity", dtype=dtype
    )
    for name, array in net.weights.items():
        array[:] = w if name[0] == "W" else float(name[0] in "UV")
    return net


def right_of(net, x, y, at):
    """The loss and all gradients of a linear network of single units, in fractions."""
    w = {name: Fraction(float(array.ravel()[0])) for name, array in net.weights.items()}
    ends = ["", *(f"_l{layer}" for layer in range(1, net.layers))]
    states, below = [], [Fraction(float(v)) for v in x]
    for end in ends:
        h = [Fraction(0)]
        for value in below:
            h.append(w["b" + end] + w["W" + end] * h[-1] + w["U" + end] * value)
        states.append((h, below))
        below = h[1:]
    wanted = range(len(x)) if at == "every" else [len(x) - 1]
    difference = [
        w["c"] + w["V"] * h - Fraction(float(y[t] if at == "every" else y[0]))
        if t in wanted else Fraction(0) for t, h in enumerate(below)
    ]  # fmt: skip
    found = {"c": 2 * sum(difference), "V": 2 * sum(d * h for d, h in zip(difference, below))}  # noqa: B905
    reaching = [2 * d * w["V"] for d in difference]
    for end, (h, inputs) in reversed([*zip(ends, states, strict=True)]):
        delta, deltas = Fraction(0), []
        for own in reversed(reaching):
            delta = own + w["W" + end] * delta
            deltas.append(delta)
        deltas.reverse()
        found["b" + end] = sum(deltas)
        found["W" + end] = sum(d * before for d, before in zip(deltas, h[:-1], strict=True))
        found["U" + end] = sum(d * value for d, value in zip(deltas, inputs, strict=True))
        reaching = [w["U" + end] * d for d in deltas]
    return sum(d * d for d in difference), found


CASES = {
    "the loss overflows": (2.0, 620, "float64"),
    "the gradient overflows": (2.0, 330, "float64"),
    "all vanishes": (0.5, 900, "float64"),
    "two ways out": (2.0**-20, 50, "float64"),
    "steep": (2.0**40, 22, "float64"),
    "float32, T = 62": (2.0, 62, "float32"),
    "float32, T = 100": (2.0, 100, "float32"),
    "float32 vanishes": (0.5, 110, "float32"),
}


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_a_linear_network_s_gradients_are_the_fractions(case, layers, at):
    w, steps, dtype = CASES[case]
    net = scalar(w, layers, dtype)
    x = np.zeros((steps, 1, 1), dtype)
    x[0] = 1
    y = np.zeros((steps, 1, 1) if at == "every" else (1, 1), dtype)
    got = net.gradients(x, y, at=at)
    loss, right = right_of(net, x.ravel(), y.ravel(), at)
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    assert got.log2_loss == pytest.approx(log2(loss), abs=tolerance)
    for name, value in right.items():
        assert got.log2_norms[name] == pytest.approx(log2(value), abs=tolerance), name
        assert np.sign(got.weights[name]).ravel() == np.sign(value)
        array = float(abs(got.weights[name]).max())
        assert math.log2(array) + got.exponents[name] == pytest.approx(log2(value), abs=tolerance)
    assert got.log2_norm == pytest.approx(log2(sum(v**2 for v in right.values())) / 2, abs=1e-4)
    fits = [abs(log2(v)) < (128 if dtype == "float32" else 1022) for v in right.values()]
    assert any(got.exponents.values()) != all(fits)
    many = gradients_of([net] * 2, x, y, at=at) if layers == 1 else None
    for name in right if many else ():
        own = log2_norm([many.weights[name][1]], int(many.exponents[name][1]))
        assert own == pytest.approx(log2(right[name]), abs=tolerance)
        assert many.log2_loss[1] == pytest.approx(log2(loss), abs=tolerance)


def test_clip_takes_hold_of_what_no_float_can_hold():
    net, x = scalar(2.0, 1), np.zeros((620, 1, 1))
    x[0] = 1
    found = net.gradients(x, np.zeros((1, 1)), at="last")
    _, right = right_of(net, x.ravel(), [0.0], "last")
    clipped = gradlab.clip(found, 3.0)
    assert (clipped.clipped, clipped.status, clipped.norm) == (True, "ok", np.inf)
    whole = log2(sum(value**2 for value in right.values())) / 2
    for name, array in clipped.gradients.items():
        expected = 3 * 2.0 ** (log2(right[name]) - whole)
        np.testing.assert_allclose(array.ravel()[0], expected, rtol=1e-9)
    small = gradlab.clip(scalar(0.5, 1).gradients(x[:900], np.zeros((1, 1)), at="last"), 3.0)
    assert not small.clipped and small.status == "ok"


def test_a_readout_of_ordinary_size_stays_beside_an_exploded_recurrent_weight():
    rng = np.random.default_rng(0)
    size = {"inputs": 1, "hidden": 20, "outputs": 1}
    net = Network.draw(**size, spectral_radius=10)
    x, y = rng.standard_normal((2000, 2, 1)), rng.standard_normal((2, 1))
    got, states = net.gradients(x, y, at="last"), net.forward(x)
    slope = states.outputs[-1] - y  # the mean of 2 lanes
    np.testing.assert_allclose(got.weights["V"], slope.T @ states.states[-1], rtol=1e-12)
    np.testing.assert_allclose(got.weights["c"], slope.sum(0), rtol=1e-12)
    assert got.exponents["V"] == got.exponents["c"] == 0


def test_there_is_no_single_exponent_where_each_has_its_own():
    net = scalar(2.0, 1)
    got = net.gradients(np.zeros((3000, 1, 1)), np.ones((1, 1)), at="last")
    assert got.exponents == {"U": 0, "W": 0, "b": got.exponents["b"], "V": 0, "c": 0}
    assert got.log2_norms["b"] == 3001.0 and got.weights["c"][0] == -2
    with pytest.raises(UserError, match="take exponents"):
        _ = got.exponent


SYMMETRIC = ["elman", "lstm", "gru"]


@pytest.mark.parametrize("power", [-700, 700])
@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("cell", SYMMETRIC)
@pytest.mark.parametrize(
    "stack", [{}, {"layers": 2}, {"layers": 2, "bidirectional": True}, {"dtype": "float32"}]
)
def test_outputs_and_targets_times_a_power_of_two_leave_all_digits(cell, stack, at, power):
    """Slopes take the power once, what comes through V twice, the loss twice."""
    power = power // 10 if "dtype" in stack else power
    size = {"steps": 7, "lanes": 3, "hidden": 4, "inputs": 2, "outputs": 2, "seed": 5}
    net = network(size, cell=cell, **stack)
    x, y, _, lengths = batch(size, at=at)
    here = net.gradients(x, y, at=at, lengths=lengths)
    factor = net.weights["V"].dtype.type(2.0**power)
    for name in "Vc":
        net.weights[name] *= factor
    got = net.gradients(x, y * 2.0**power, at=at, lengths=lengths)
    tolerance = {"rtol": 2e-5 if "dtype" in stack else 1e-12}
    for name, array in here.weights.items():
        times = power if name in "Vc" else 2 * power
        found = plain(got.weights[name], got.exponents[name] - times)
        np.testing.assert_allclose(found, array, **tolerance)
    assert got.log2_loss == pytest.approx(here.log2_loss + 2 * power, rel=1e-5)
    seen = np.isfinite(here.lag_log2)
    expected = here.lag_log2[seen] + 2 * power
    np.testing.assert_allclose(got.lag_log2[seen], expected, atol=1e-5)
    assert np.isneginf(got.lag_log2[~seen]).all()


class _Mp:
    """NumPy whose tanh, exp and log are mpmath's, and whose zeros hold any number."""

    tanh, exp, log = (
        np.frompyfunc(function, 1, 1) for function in (mpmath.tanh, mpmath.exp, mpmath.log)
    )

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def zeros(shape):
        return np.full(shape, mpmath.mpf(0), object)


@pytest.fixture
def exactly(monkeypatch):
    """tests/reference.py in numbers of 100 digits and any exponent."""
    monkeypatch.setattr(reference, "np", _Mp())
    monkeypatch.setitem(reference.ACTIVATIONS, "tanh", (_Mp.tanh, reference.ACTIVATIONS["tanh"][1]))
    with mpmath.workdps(100):
        yield np.frompyfunc(mpmath.mpf, 1, 1)


@pytest.mark.parametrize("at", ["last", "every"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("cell", ["elman", "jordan", "lstm", "gru"])
@pytest.mark.parametrize("far", [-700, -400, 500])
def test_every_cell_agrees_with_100_digits(exactly, cell, loss, at, far):
    """V and the inputs are tiny, or y huge: products of both leave float64."""
    size = {"steps": 5, "lanes": 1, "hidden": 3, "inputs": 2, "outputs": 2, "seed": 3}
    net = network(size, cell=cell)
    x, y, *_ = batch(size, loss, at)
    states = start(net, size)
    if far > 0:
        y = y * 2.0**far if loss == "squared_error" else y
        net.weights["U"] *= 2.0**-far
    else:
        net.weights["V"] *= 2.0**far
        x = x * 2.0**far
    got = net.gradients(x, y, loss, at, h0=as_h0(net, states))
    targets = {t: one if loss == "cross_entropy" else exactly(one)
               for t, one in targets_of(0, y, len(x), at).items()}  # fmt: skip
    own = Network.__new__(Network)
    own.__dict__.update(net.__dict__)
    own.weights = {name: exactly(array) for name, array in net.weights.items()}
    right, adjoint, _ = reference.gradients(
        own, exactly(x[:, 0]), exactly(states[0]), (targets, loss)
    )
    for name, value in right.items():
        top = max(abs(v) for v in value.ravel())
        scaled = exactly(got.weights[name]) * mpmath.mpf(2) ** got.exponents[name]
        off = max(abs(v) for v in (scaled - value).ravel())
        assert off <= 1e-12 * top, name
    value = reference.loss(own, exactly(x[:, 0]), exactly(states[0]), (targets, loss))
    assert got.log2_loss == pytest.approx(float(mpmath.log(value, 2)), abs=1e-10)
    norm = mpmath.sqrt(sum(v**2 for v in adjoint[0][: net.hidden]))
    if norm:
        assert got.lag_log2[0, 0] == pytest.approx(float(mpmath.log(norm, 2)), abs=1e-9)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_cross_entropy_of_huge_outputs_has_a_log(loss):
    net = scalar(1.0, 1)
    net.weights |= {"V": np.zeros((2, 1)), "c": np.array([1.5e308, -1.5e308])}
    y = np.array([1, 1]) if loss == "cross_entropy" else np.array([[0.0, 1.0]] * 2)
    got = Network(net.weights, activation="identity").gradients(
        np.zeros((3, 2, 1)), y, loss, at="last"
    )
    assert got.loss == np.inf
    assert got.log2_loss == pytest.approx(math.log2(3) + math.log2(1e308), rel=1e-12)


def test_a_truncated_way_back_keeps_its_exponents():
    net, x, y = scalar(2.0, 1), np.zeros((620, 1, 1)), np.zeros((620, 1, 1))
    x[0] = 1
    got = net.gradients(x, y, truncate=("window", 1))
    h = [Fraction(2) ** t for t in range(620)]
    right = {
        "U": 2 * h[0], "W": sum(2 * a * b for a, b in zip(h[1:], h, strict=False)), "b": 2 * sum(h),
        "V": 2 * sum(a * a for a in h), "c": 2 * sum(h),
    }  # fmt: skip
    for name, value in right.items():
        assert got.log2_norms[name] == pytest.approx(log2(value), abs=1e-9), name


def test_terms_are_measured_where_their_factors_are_not_ordinary():
    net, x = scalar(0.5, 1), np.zeros((600, 1, 1))
    x[0] = 2.0**500
    got = net.gradients(x, np.full((1, 1), -(2.0**1000)), at="last")
    np.testing.assert_allclose(
        got.terms[1:], 2.0 * 2.0**0 * np.ldexp(1.0, 500 + 1000 - 598), rtol=1e-9
    )


def test_scaled_arrays_add_multiply_and_measure_themselves():
    a, b = np.array([2.0**-400, 1.0]), np.array([2.0**400, 0.0])
    array, level = added([(a, 900), (b, 800), (np.zeros(2), 9999)])
    right = [Fraction(2) ** 500 + Fraction(2) ** 1200, Fraction(2) ** 900]
    for value, expected in zip(array, right, strict=True):
        assert log2(Fraction(float(value)) * Fraction(2) ** level) == pytest.approx(log2(expected))
    rows, columns = np.array([[2.0**-900], [2.0**-500]]), np.array([[2.0**-900], [0.0]])
    product, level = outer(rows, np.array([5, 7]), columns)
    assert log2(Fraction(float(product[0, 0])) * Fraction(2) ** level) == -1795
    assert log2_norm([a, b], [3000, 100]) == 3000
    assert log2_norm([np.array([3.0]), np.array([4.0])], [-5000, -5000]) == pytest.approx(
        math.log2(5) - 5000
    )
    assert log2_norm([np.zeros(2)], 7) == -np.inf and np.isnan(log2_norm([np.array([np.nan])]))
    weights, exponents = in_reach({"a": (np.ones(1), 3000), "b": (np.ones(1), 0)})
    assert exponents == {"a": 3000, "b": 0} and weights["b"][0] == 1
    weights, exponents = in_reach({"a": (np.ones(1), 3000), "b": (np.ones(1), 2500)})
    assert exponents == {"a": 3000, "b": 3000} and weights["b"][0] == 2.0**-500
