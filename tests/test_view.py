"""What networks and gradients look like in a notebook, and how a sweep tells its progress there."""

import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import gradlab
from gradlab.nets import view
from gradlab.nets.network import Network
from gradlab.suite import progress, tell


def network(radius=1.1, **options):
    return Network.draw(inputs=2, hidden=8, outputs=1, spectral_radius=radius, **options)


def found(net, steps=30, lengths=None):
    x = np.random.default_rng(0).standard_normal((steps, 3, 2))
    return net.gradients(x, np.zeros((3, 1)), at="last", lengths=lengths)


def cells(page):
    rows = ElementTree.fromstring(page).iter("tr")
    return dict(("".join(cell.itertext()) for cell in row) for row in rows)


def test_a_network_shows_what_it_is():
    net = network(activation="relu")
    shown = cells(net._repr_html_())
    assert repr(net) == "Network(elman, relu, 2 -> 8 -> 1, float64)"
    assert shown["cell"] == "elman, relu, float64"
    assert shown["inputs, units, outputs"] == "2, 8, 1"
    assert shown["spectral radius of W"] == "1.1"
    largest = np.linalg.svd(net.weights["W"], compute_uv=False)[0]
    assert shown["largest singular value"] == f"{largest:.4g}"
    net.weights["W"][0, 0] = np.nan
    assert cells(net._repr_html_())["spectral radius of W"] == "not finite"


def test_gradients_show_loss_norms_status_and_lags():
    result = found(network(), lengths=[30, 12, 1])
    shown = cells(result._repr_html_())
    assert repr(result).startswith(f"Gradients(loss {result.loss:.6g}, norm ")
    assert shown["loss"] == f"{result.loss:.6g}" and shown["status of lanes"] == "3 ok"
    assert shown["||dL/dU||"] == f"{np.linalg.norm(result.weights['U']):.4g}"
    assert list(shown)[2:] == [*(f"||dL/d{name}||" for name in "UWbVc"), "all together"]
    lines = ElementTree.fromstring(result._repr_html_()).iter("polyline")
    assert [len(line.get("points").split()) for line in lines] == [31, 13, 2]


def test_the_curve_falls_with_the_gradient():
    text = view.by_lag(-np.arange(30.0, -1, -1)[:, None], [30])
    points = next(ElementTree.fromstring(text).iter("polyline")).get("points").split()
    x, y = np.array([point.split(",") for point in points], dtype=float).T
    assert (np.diff(x) > 0).all() and (np.diff(y) > 0).all()
    assert "10^0<" in text and "10^-10<" in text and ">30<" in text
    assert text.count(",") < 2 * view.by_lag(np.zeros((5000, 1)), [4999]).count(",") < 1000


def test_what_float64_cannot_hold_is_a_power():
    assert [view.power(x) for x in (-np.inf, 0.0, 1.0)] == ["0", "1", "2"]
    assert view.power(-3000.0) == "10^-903.1" and view.power(3000.0) == "10^903.1"
    result = found(network(0.1), steps=1000)
    assert ">10^-1" in result._repr_html_()


def test_zero_and_overflowing_gradients_can_be_shown():
    assert "3 zero" in found(network(0.0))._repr_html_()
    assert "3 overflow" in found(network(9.0, activation="identity"), 900)._repr_html_()
    assert "zero or not finite" in view.by_lag(np.full((4, 1), -np.inf), [3])


@pytest.mark.filterwarnings("error")
def test_a_terminal_has_a_bar_only_if_somebody_watches(capsys):
    assert not progress.in_notebook()
    with progress.bar(3) as bar:
        bar.update(3)
    with tell.aloud(), progress.bar(3) as bar:
        bar.update(3)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_has_a_bar_that_goes_at_the_end(monkeypatch):
    shown = []
    handle = SimpleNamespace(
        update=lambda x, raw=False: shown.append(x if raw else x._repr_html_())
    )
    display = SimpleNamespace(display=lambda bar, display_id: handle)
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: object()))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(progress, "EVERY", 0)
    with progress.bar(4) as bar:
        bar.update(4)
    assert not shown
    with tell.aloud(), progress.bar(4) as bar:
        bar.update(3)
        bar.update(1)
    assert 'value="3" max="4"' in shown[0] and shown[1].endswith("4 of 4 points")
    assert shown[2:] == [{"text/plain": "", "text/html": ""}]


@pytest.mark.parametrize(
    ("cell", "options", "radius", "row"),
    [
        ("lstm", {}, "i 1.1, f 1.1, g 1.1, o 1.1", "spectral radius of W"),
        ("gru", {"layers": 2}, "r 1.1, z 1.1, n 1.1", "spectral radius of W, lowest layer"),
        ("jordan", {}, "1.1", "spectral radius of W V"),
    ],
)
def test_every_cell_and_its_gradients_show_themselves(cell, options, radius, row):
    net = Network.draw(cell, inputs=2, hidden=6, outputs=2, spectral_radius=1.1, **options)
    assert cells(net._repr_html_())[row] == radius
    result = net.gradients(np.ones((7, 3, 2)), np.zeros((7, 3, 2)))
    assert set(cells(result._repr_html_())) >= {f"||dL/d{name}||" for name in net.weights}


def test_exponents_show_themselves():
    net = network(1.8)
    x = np.random.default_rng(0).standard_normal((120, 2, 2))
    found = gradlab.lyapunov(net, x)
    shown = cells(found._repr_html_())
    first = f"{found.values[0]:.4g} +- {found.errors[0]:.2g}"
    low, high = (part[0] for part in found.interval())
    assert shown["exponent 1 (1/step)"] == f"{first}, 95 %: {low:.4g} to {high:.4g}"
    assert shown["dimension"] == f"{found.dimension:.4g}" and shown["exponents"] == "8"
    assert shown["blocks of time"] == "20 in 2 lanes"
    assert repr(found).startswith(f"Lyapunov(largest {first}, dimension {found.dimension:.4g}, ")
    assert f"mean by ln|det J| {found.mean:.4g}, " in repr(found)
    lines = ElementTree.fromstring(found._repr_html_()).iter("polyline")
    assert [len(line.get("points").split()) for line in lines] == [8, 8]
    few = gradlab.lyapunov(net, x, 1)
    assert "mean" not in repr(few) and "polyline" not in few._repr_html_()
