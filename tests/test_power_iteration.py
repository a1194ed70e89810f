"""The measure of the experiment power_iteration, beside exact powers of W."""

import math
import runpy
from fractions import Fraction

import numpy as np
import pytest
from sources import ROOT

from gradlab.measures import power_iteration
from gradlab.suite.grid import Block


def block(matrix, starts=(0, 4), steps=(0, 1, 5)):
    start, step = (grid.ravel() for grid in np.meshgrid(starts, steps))
    return Block({"matrix": np.full(len(step), matrix), "start": start, "step": step}, {})


def unit(W, h, t):
    """W^t h in exact fractions, and then of length 1."""
    W, h = ([[Fraction(v) for v in row] for row in part] for part in (W.tolist(), [h.tolist()]))
    (first, second) = h[0]
    for _ in range(t):
        first, second = (row[0] * first + row[1] * second for row in W)
    size = abs(first) + abs(second)
    first, second = float(first / size), float(second / size)
    return np.array([first, second]) / math.hypot(first, second)


@pytest.mark.parametrize(
    "matrix", ["slide", "negative", "complex pair", "hidden exactly", "random"]
)
def test_a_row_is_a_normalised_power(matrix):
    given = block(matrix)
    table = power_iteration.measure(given)
    starts, lane = np.unique(given.points["start"], return_inverse=True)
    W, h0 = power_iteration.systems(matrix, starts)
    for row, (i, t) in enumerate(zip(lane, given.points["step"], strict=True)):
        now = unit(W[i], h0[i], t)
        got = table["first"][row], table["second"][row]
        np.testing.assert_allclose(got, now, atol=1e-13)
        assert table["trace"][row] == pytest.approx(W[i, 0, 0] + W[i, 1, 1])
        cross = W[i, 0, 1] * W[i, 1, 0]
        assert table["determinant"][row] == pytest.approx(W[i, 0, 0] * W[i, 1, 1] - cross)
        if t:
            before = unit(W[i], h0[i], t - 1)
            assert table["overlap"][row] == pytest.approx(now @ before, abs=1e-13)
            assert table["growth"][row] == pytest.approx(np.linalg.norm(W[i] @ before))


def test_the_angle_is_to_the_eigenvector_of_the_largest_eigenvalue():
    W, _ = power_iteration.systems("slide", np.arange(2))
    w = power_iteration.dominant_vectors(W)
    np.testing.assert_allclose(np.abs(w), [[0.12065226, 0.99269483]] * 2, atol=1e-8)
    turning, _ = power_iteration.systems("complex pair", np.arange(1))
    assert np.isnan(power_iteration.dominant_vectors(turning)).all()
    table = power_iteration.measure(block("slide", starts=[3], steps=[0]))
    angle = 3 * math.pi * (3 - math.sqrt(5))
    sine = abs(math.cos(angle) * 0.99269483 + math.sin(angle) * 0.12065226)
    assert 10 ** table["log10_angle"][0] == pytest.approx(sine, abs=1e-8)


def test_a_hidden_start_is_the_other_eigenvector():
    W, h = power_iteration.systems("hidden", np.arange(1))
    np.testing.assert_allclose(W[0] @ h[0], power_iteration.VALUES[1] * h[0], atol=1e-8)
    assert power_iteration.measure(block("hidden exactly"))["log10_angle"].tolist() == [0.0] * 6


def test_eigenvalues_may_be_complex_always(monkeypatch):
    """As NumPy 2.5 has them, which Python 3.12 and later get."""
    eig = np.linalg.eig

    def complex_eig(a):
        found = eig(a)
        return found._replace(**{k: v.astype(complex) for k, v in found._asdict().items()})

    expected = power_iteration.systems("hidden", np.arange(3))[1]
    plain = runpy.run_path(str(ROOT / "experiments" / "power_iteration.py"))
    monkeypatch.setattr(np.linalg, "eig", complex_eig)
    found = power_iteration.systems("hidden", np.arange(3))[1]
    assert found.dtype == np.float64 and np.array_equal(found, expected)
    fresh = runpy.run_path(str(ROOT / "experiments" / "power_iteration.py"))
    for name in ("VALUES", "LIMIT"):
        assert np.array_equal(fresh[name], plain[name]) and not np.iscomplexobj(fresh[name])
