"""net.plot() and gradients.plot(): every number on them has another way to be known."""

import io
import math
from fractions import Fraction

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from networks import CELLS, batch, network

from gradlab.nets import plotted, weights
from gradlab.nets.network import Network

SIZE = {"steps": 12, "lanes": 3, "hidden": 4, "inputs": 2, "outputs": 3, "seed": 8}
PNG = b"\x89PNG\r\n"


def scalar(w, activation="identity"):
    """h_t = f(w h_{t-1} + x_t), o_t = h_t."""
    one = {"U": 1.0, "W": float(w), "V": 1.0}
    one = {name: np.full((1, 1), value) for name, value in one.items()}
    return Network(one | {"b": np.zeros(1), "c": np.zeros(1)}, activation=activation)


def lines(panel):
    """label -> y values of the lines of a panel."""
    return {line.get_label(): line.get_ydata() for line in panel.lines}


def texts(panel):
    return [text.get_text() for text in panel.texts]


def eigenvalues(panel):
    return np.concatenate([np.asarray(dots.get_offsets()) for dots in panel.collections])


@pytest.mark.parametrize("options", [{}, {"layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_and_stack_is_drawn(cell, options):
    if cell == "jordan" and options:
        pytest.skip("jordan has one layer and one direction")
    net = network(SIZE, cell=cell, **options)
    x, y, _, lengths = batch(SIZE)
    spectra, by_lag = net.plot(), net.gradients(x, y, lengths=lengths).plot()
    gates = {"lstm": 4, "gru": 3}.get(cell, 1)
    assert len(spectra.axes) == (gates + 1) * len(net.places)
    for picture in (spectra, by_lag):
        assert isinstance(picture, Figure) and repr(net) in picture.get_supxlabel()
    assert by_lag._repr_png_().startswith(PNG)
    curves = [name for name in lines(by_lag.axes[0]) if not name.startswith("_")]
    assert len(curves) == (2 if cell == "lstm" and not options else net.layers)


@pytest.mark.parametrize("w", [Fraction(3, 2), Fraction(1, 2), Fraction(4), Fraction(1, 8)])
def test_the_gradient_of_a_scalar_chain_lies_on_its_line(w):
    steps = 400  # 4^400 is 10^240, and so is the loss's slope
    x = np.zeros((steps, 1, 1))
    x[0] = 1.0
    found = scalar(w).gradients(x, np.ones((1, 1)), at="last")
    slope = 2 * (w ** (steps - 1) - 1)
    exact = [
        (math.log(abs(s.numerator)) - math.log(s.denominator)) / math.log(10)
        for s in (slope * w**lag for lag in range(steps + 1))
    ]
    panel = found.plot().axes[0]
    curve, straight, bound = lines(panel).values()
    np.testing.assert_allclose(curve, exact, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(straight, [exact[0], exact[-1]], rtol=1e-12)
    np.testing.assert_allclose(bound, straight, rtol=1e-12)
    low, high = panel.get_ylim()
    assert low < min(exact) and max(exact) < high


def test_the_curve_is_the_median_of_lanes_by_their_own_lags():
    x, y, _, lengths = batch(SIZE, at="last")
    found = network(SIZE).gradients(x, y, at="last", lengths=lengths)
    norms = np.linalg.norm(found.states, axis=2)
    drawn = next(iter(lines(found.plot().axes[0]).values()))
    for lag, value in enumerate(drawn):
        there = sorted(norms[n - lag, lane] for lane, n in enumerate(lengths) if n >= lag)
        assert 10**value == pytest.approx(there[(len(there) - 1) // 2], rel=1e-12)


def test_the_bound_holds():
    size = SIZE | {"hidden": 30, "steps": 60}
    for activation in ("tanh", "sigmoid", "relu"):
        x, y, *_ = batch(size, at="last")
        found = network(size, activation, radius=3.0).gradients(x[:, :1], y[:1], at="last")
        curve, _, bound = lines(found.plot().axes[0]).values()
        rate = (bound[1] - bound[0]) / 60
        assert (curve <= bound[0] + rate * np.arange(61) + 1e-9).all()


def test_no_line_of_theory_is_drawn_where_there_is_none():
    x, y, *_ = batch(SIZE)
    for net in (network(SIZE), network(SIZE, cell="gru"), network(SIZE, layers=2)):
        assert len(lines(net.gradients(x, y).plot().axes[0])) == net.layers
    for net in (network(SIZE, cell="gru"), network(SIZE, layers=2)):
        assert len(lines(net.gradients(x, y[-1], at="last").plot().axes[0])) == net.layers


def test_eigenvalues_and_singular_values_are_those_of_a_turn():
    turn = 0.5 * np.array([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]])
    net = network(SIZE)
    net.weights["W"] = np.kron(np.diag([1.0, 3.0]), turn)
    plane, values = net.plot().axes
    expected = {(k * 0.5 * math.cos(1), s * k * 0.5 * math.sin(1)) for k in (1, 3) for s in (1, -1)}
    drawn = eigenvalues(plane)
    for pair in expected:
        assert np.abs(drawn - pair).sum(1).min() < 1e-12
    assert len(drawn) == 4 and plane.get_xlabel() == "real part; spectral radius 1.5"
    assert plane.get_xlim()[1] > 1.5
    np.testing.assert_allclose(lines(values)["W: largest 1.5"], [1.5, 1.5, 0.5, 0.5], rtol=1e-12)


def test_each_gate_has_its_own_block():
    net = network(SIZE, cell="lstm")
    sizes = {"i": 0.1, "f": 0.2, "g": 0.3, "o": 0.4}
    net.weights["W"] = np.concatenate([size * np.eye(4) for size in sizes.values()])
    *planes, values = net.plot().axes
    for plane, (gate, size) in zip(planes, sizes.items(), strict=True):
        assert plane.get_title(loc="left") == f"eigenvalues of gate {gate}"
        np.testing.assert_allclose(eigenvalues(plane), [[size, 0]] * 4, atol=1e-15)
        np.testing.assert_allclose(lines(values)[f"gate {gate}: largest {size}"], size)


class Stacked:
    """A user's cell that does not name what it stacks."""

    gates, reads_out = "", False

    @staticmethod
    def shapes(inputs, hidden, outputs):
        return {"W": (2 * hidden, hidden)}


def test_a_cell_that_names_no_gates_has_them_counted():
    W = np.arange(18.0).reshape(6, 3)
    blocks = weights.square(Stacked, {"W": W})
    assert list(blocks) == ["1", "2"] and (blocks["2"] == W[3:]).all()
    assert weights.square(Stacked, {"W": W[:5]}) == {}


def test_a_single_step_is_drawn():
    x, y, *_ = batch(SIZE, at="last")
    curve, *_ = lines(network(SIZE).gradients(x[:1], y, at="last").plot().axes[0]).values()
    assert len(curve) == 2 and np.isfinite(curve).all()


def test_a_dead_gradient_is_said_and_not_drawn():
    x, y, *_ = batch(SIZE, at="last")
    net = network(SIZE)
    net.weights["V"][:] = 0
    picture = net.gradients(x, y, at="last").plot()
    assert texts(picture.axes[0]) == ["dL/dh is exactly zero at every step"]
    assert "lanes: 3 not_connected" in picture.get_supxlabel()
    cut = network(SIZE).gradients(x, y, at="last", truncate=("window", 5)).plot()
    assert texts(cut.axes[0]) == ["dL/dh is exactly zero from lag 5 on"]
    assert "truncated: window 5" in cut.get_supxlabel()


def test_what_is_not_finite_is_said():
    x, y, *_ = batch(SIZE)
    net = network(SIZE)
    net.weights["W"][0, 0] = np.nan
    picture = net.gradients(x, y).plot()
    assert texts(picture.axes[0]) == ["dL/dh is not finite at every step"]
    assert "lanes: 3 nan (first at step 1)" in picture.get_supxlabel()
    plane, values = net.plot().axes
    assert plane.get_xlabel() == "real part; not finite" and len(values.lines) == 1


def test_the_users_settings_change_nothing_and_stay(tmp_path):
    net = network(SIZE)
    plain, painted = io.BytesIO(), io.BytesIO()
    net.plot().savefig(plain, format="png")
    with matplotlib.rc_context():
        matplotlib.rcParams.update({"text.usetex": True, "font.size": 40, "savefig.dpi": 20})
        before = dict(matplotlib.rcParams)
        net.plot().savefig(painted, format="png")
        assert dict(matplotlib.rcParams) == before
    assert plain.getvalue() == painted.getvalue()


def test_the_steepest_slopes_are_those_of_the_activations():
    x = np.linspace(-8, 8, 100_001)
    functions = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "identity": lambda x: x,
                 "sigmoid": lambda x: 1 / (1 + np.exp(-x))}  # fmt: skip
    for name, f in functions.items():
        assert np.gradient(f(x), x).max() == pytest.approx(plotted.STEEPEST[name], rel=1e-6)
