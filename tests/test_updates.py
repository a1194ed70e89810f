"""The compiled rules of clipping against the Python ones; the optimizers: tests/test_optimizers."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from gradlab.kernels import updates
from gradlab.learning.clipping import STYLES, clip
from gradlab.learning.optimizers import OPTIMIZERS

RNG = np.random.default_rng(2)
SHAPES = {"U": (3, 2), "W": (3, 3), "b": (3,)}
EDGES = np.cumsum([0, *(math.prod(shape) for shape in SHAPES.values())])
W = RNG.standard_normal((3, 3))
SPECIAL = [None, 0.0, math.inf, -math.inf, math.nan, 3e10, 1e200, 1e-200]


def named(g):
    return {k: g[EDGES[i] : EDGES[i + 1]].reshape(s) for i, (k, s) in enumerate(SHAPES.items())}


def vector(special, dtype):
    g = RNG.standard_normal(EDGES[-1])
    if special == 0:
        g[:] = 0
    elif special in (1e200, 1e-200):
        g *= special
    elif special is not None:
        g[4] = special
    with np.errstate(over="ignore", under="ignore"):
        return g.astype(dtype)


def test_the_names_are_the_rules_and_the_optimizers():
    assert updates.STYLES == STYLES and tuple(OPTIMIZERS) == updates.OPTIMIZERS


def test_the_threshold_itself_is_clipped_as_the_lectures_have_it():
    """By norm from c on, >=, which changes no number but counts."""
    g = np.zeros(EDGES[-1])
    g[:2] = 3.0, 4.0
    hits = {
        style: updates.clip((STYLES.index(style), 5.0), g.copy(), 0, EDGES, (EDGES[1], W.ravel()))[
            1
        ]
        for style in ("norm", "pascanu", "value", "keras_global", "optax")
    }
    assert hits == {
        "norm": True, "pascanu": False, "value": False, "keras_global": False, "optax": True,
    }  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("threshold", [0.0, 1e-300, 0.5, 4.0, 1e6])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_rule_is_that_of_python(style, dtype, threshold):
    shrunk = EDGES[1], W.astype(dtype).ravel()
    for special in SPECIAL:
        g = vector(special, dtype)
        wanted = clip(named(g), threshold, style, weights={"W": W.astype(dtype)})
        rule = STYLES.index(style), threshold
        total, hit, finite = updates.clip(rule, g, 0, EDGES, shrunk)
        np.testing.assert_allclose(total, wanted.norm, rtol=1e-15)
        assert (hit, finite) == (wanted.clipped, wanted.status == "ok"), special
        rounding, got = {"float64": 1e-15, "float32": 3e-7}[dtype], named(g)
        for name, array in wanted.gradients.items():
            np.testing.assert_allclose(got[name], array, rtol=rounding, err_msg=str(special))


@pytest.mark.parametrize("style", ["norm", "value", "optax"])
@pytest.mark.parametrize("level", [-1500, -30, 20, 1030, 1500])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_with_an_exponent_is_clipped_as_it_is_by_python(style, level):
    for threshold in (0.5, math.ldexp(8.0, max(level, -900) if level < 900 else 900), math.inf):
        g = vector(None, "float64")
        given = SimpleNamespace(weights=named(g.copy()), exponents=dict.fromkeys(SHAPES, level))
        wanted = clip(given, threshold, style)
        rule = STYLES.index(style), threshold
        got = updates.clip(rule, g, level, EDGES, (0, np.zeros(0)))
        assert got[1:] == (wanted.clipped, wanted.status == "ok")
        np.testing.assert_allclose(got[0], wanted.norm, rtol=1e-15)
        for name, array in wanted.gradients.items():
            np.testing.assert_allclose(named(g)[name], array, rtol=1e-15)


def test_each_lane_is_clipped_by_itself():
    lanes = np.array([vector(special, "float64") for special in (None, 0.0, math.nan)])
    lanes[0] *= 100
    wanted, found = [clip(named(g.copy()), 4.0) for g in lanes], np.zeros(2)
    updates.clip_lanes((0, 4.0), lanes, EDGES, (0, np.zeros(0)), found)
    for g, own in zip(lanes, wanted, strict=True):
        for name, array in own.gradients.items():
            np.testing.assert_allclose(named(g)[name], array, rtol=1e-15)
    assert found.tolist() == [1, 1]
