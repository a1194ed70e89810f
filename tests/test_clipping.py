"""Each style of clipping against the rule that its original documents, corner cases first."""

import math
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradlab
from gradlab.errors import UserError
from gradlab.learning.clipping import STYLES, clip
from gradlab.nets.exponents import at_one_level

INF, NAN = np.inf, np.nan
NORM_STYLES = [style for style in STYLES if style not in ("value", "per_array")]


# The rules as their originals write them, for one vector of all entries but per_array.
def norm(g, n, c):
    return g * (c / n) if n >= c and 0 < n < INF else g


def torch(g, n, c):
    """torch.nn.utils.clip_grad_norm_: clip_coef = max_norm / (total_norm + 1e-6), clamped to 1."""
    coef = c / (n + 1e-6)
    return g * (coef if not coef > 1 else 1.0)


def keras_global(g, n, c):
    """keras.src.optimizers clip_by_global_norm."""
    scale = c * np.minimum(np.float64(1) / n, np.float64(1) / c)
    return g * (scale + (n - n))


def keras_each(g, n, c):
    """keras.src.optimizers _clip_by_norm."""
    return g * c / np.maximum(n, c)


def optax(g, n, c):
    """optax.clip_by_global_norm: select(g_norm < max_norm, t, (t / g_norm) * max_norm)."""
    return g if n < c else g / n * c


def pascanu(g, n, c):
    """The authors' code for all but W: 0 where the norm cannot be trusted."""
    if np.isnan(n) or np.isinf(n) or n > 1e10:
        return np.zeros_like(g)
    return c * g / n if n > c else g


RULES = {"norm": norm, "torch": torch, "keras_global": keras_global, "optax": optax}
RULES |= {"pascanu": pascanu, "per_array": keras_each}


def plain_norm(arrays):
    return np.sqrt(np.float64(sum((a**2).sum() for a in arrays)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("style", RULES)
@pytest.mark.parametrize("threshold", [0.0, 0.5, 5.0, 5.000001, 100.0])
@pytest.mark.parametrize("special", [None, 0.0, INF, -INF, NAN, 3e10])
def test_a_style_follows_its_original(style, threshold, special):
    g = {"W": np.array([[3.0, 0.0], [0.0, 4.0]]), "b": np.array([0.0, 0.0])}  # of norm 5 exactly
    if special == 0:
        g["W"][:] = 0
    elif special is not None:
        g["b"][1] = special
    weights = {"W": np.arange(4.0).reshape(2, 2)}
    result = clip(g, threshold, style, weights=weights)
    total = plain_norm(g.values())
    np.testing.assert_equal(result.norm, total)
    assert result.status == ("ok" if np.isfinite(total) else "not finite")
    for name, got in result.gradients.items():
        own = plain_norm([g[name]]) if style == "per_array" else total
        expected = RULES[style](g[name], own, np.float64(threshold))
        if style == "pascanu" and not total <= 1e10 and name == "W":
            expected = 0.02 * weights["W"]
        np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_at_the_threshold_the_rules_say_different_things_and_do_the_same():
    g = [np.array([3.0, 4.0])]
    hit = {style: clip(g, 5.0, style).clipped for style in STYLES}
    assert hit == {
        "norm": True, "torch": True, "value": False, "per_array": False, "keras_global": False,
        "optax": True, "pascanu": False,
    }  # fmt: skip
    for style in STYLES:
        rtol = 3e-7 if style == "torch" else 1e-15  # its 1e-6
        np.testing.assert_allclose(clip(g, 5.0, style).gradients[0], g[0], rtol=rtol)


def test_pascanu_trusts_a_norm_of_1e10_itself():
    weights = {"W": np.ones(2)}
    at = clip({"W": np.array([6e9, 8e9])}, 5.0, "pascanu", weights=weights)
    np.testing.assert_allclose(at.gradients["W"], [3, 4], rtol=1e-15)
    above = clip({"W": np.array([6e9, 8.00001e9])}, 5.0, "pascanu", weights=weights)
    np.testing.assert_allclose(above.gradients["W"], [0.02, 0.02], rtol=1e-15)
    # at its threshold a lane is not clipped, also beside one that is lost
    rows = {"W": np.array([[3.0, 4.0], [INF, 0.0]])}
    both = clip(rows, 5.0, "pascanu", per="lane", weights=weights)
    assert both.clipped.tolist() == [False, True]


def test_torch_at_a_factor_of_exactly_one():
    n = np.array([3.0, 4.0])
    assert not clip(n, 5.0 + 1e-6, "torch").clipped
    assert clip(n, np.nextafter(5.0 + 1e-6, 0), "torch").clipped


def test_a_norm_of_exactly_the_threshold_is_clipped_with_an_exponent_too():
    found = SimpleNamespace(weights={"W": np.array([3.0, 4.0])}, exponent=4)  # of norm 80
    assert clip(found, 80.0).clipped and not clip(found, np.nextafter(80.0, 100)).clipped
    for threshold, wanted in ((80.0, [48, 64]), (100.0, [48, 64]), (40.0, [24, 32])):
        result = clip(found, threshold)
        assert result.norm == 80
        np.testing.assert_allclose(result.gradients["W"], wanted, rtol=1e-15)


def test_value_clamps_and_keeps_nan():
    g = np.array([0.5, -2.0, INF, -INF, NAN])
    result = clip(g, 1.0, "value")
    np.testing.assert_array_equal(result.gradients, [0.5, -1, 1, -1, NAN])
    assert result.clipped and np.isnan(result.norm)
    assert not clip(np.array([1.0, -1.0]), 1.0, "value").clipped


def test_what_is_not_finite_stays_in_the_lectures_rule_and_the_status_says_so():
    g = {"W": np.array([INF, 1.0]), "b": np.array([NAN])}
    result = clip(g, 1.0)
    assert result.gradients["W"] is g["W"] and result.gradients["b"] is g["b"]
    assert (result.clipped, result.status) == (False, "not finite")
    assert clip(np.array([INF, 1.0]), 1.0).norm == INF


@given(st.integers(0, 10_000), st.floats(-8, 8), st.sampled_from(NORM_STYLES))
def test_norm_styles_keep_the_direction_and_end_at_most_at_the_threshold(seed, decades, style):
    rng = np.random.default_rng(seed)
    g = {"W": rng.standard_normal((3, 3)), "b": rng.standard_normal(3)}
    c = 10.0**decades
    result = clip(g, c, style)
    before, after = (np.concatenate([a.ravel() for a in x.values()]) for x in (g, result.gradients))
    assert np.linalg.norm(after) <= c * (1 + 1e-14) or not result.clipped
    assert before @ after >= (1 - 1e-12) * np.linalg.norm(before) * np.linalg.norm(after)
    assert result.norm == pytest.approx(np.linalg.norm(before), rel=1e-14)


@given(st.integers(0, 10_000), st.sampled_from(STYLES), st.sampled_from(["lane", "step"]))
def test_lanes_and_steps_are_clipped_each_by_itself(seed, style, per):
    rng = np.random.default_rng(seed)
    lead = (4,) if per == "lane" else (3, 4)
    g = {"W": rng.standard_normal((*lead, 2, 2)), "b": 3 * rng.standard_normal((*lead, 2))}
    result = clip(g, 2.0, style, per)
    for index in np.ndindex(lead):
        alone = clip({name: array[index] for name, array in g.items()}, 2.0, style)
        assert result.norm[index] == pytest.approx(alone.norm, rel=1e-14)
        assert (result.clipped[index], result.status[index]) == (alone.clipped, alone.status)
        for name in g:
            np.testing.assert_allclose(result.gradients[name][index], alone.gradients[name])


def test_clipping_the_mean_is_not_the_mean_of_clipped_lanes():
    lanes = np.array([[10.0, 0.0], [0.0, 0.1]])
    of_mean = clip(lanes.mean(0), 1.0).gradients
    mean_of = clip(lanes, 1.0, per="lane").gradients.mean(0)
    np.testing.assert_allclose(mean_of, [0.5, 0.05])
    assert np.linalg.norm(of_mean) == pytest.approx(1) and of_mean[1] < 0.02


def test_one_lane_that_is_not_finite_does_not_touch_the_others():
    g = np.array([[NAN, 1.0], [3.0, 4.0]])
    result = clip(g, 1.0, per="lane")
    np.testing.assert_array_equal(result.gradients[0], g[0])
    np.testing.assert_allclose(result.gradients[1], [0.6, 0.8], rtol=1e-15)
    assert result.status.tolist() == ["not finite", "ok"]


@pytest.mark.parametrize("scale", [1e25, 1e-25])
def test_float32_squares_may_leave_its_range(scale):
    g = np.array([3.0, 4.0], np.float32) * np.float32(scale)
    result = clip(g, np.float64(scale))
    assert result.norm == pytest.approx(5 * scale, rel=1e-6)
    assert result.gradients.dtype == np.float32
    np.testing.assert_allclose(result.gradients / np.float32(scale), [0.6, 0.8], rtol=1e-6)
    assert clip(np.array([3e200, 4e200]), 1.0).norm == pytest.approx(5e200)


def test_a_network_s_gradients_are_clipped_also_beyond_float64():
    net = gradlab.Network.draw(
        inputs=1, hidden=8, outputs=1, activation="identity", spectral_radius=1.3
    )
    found = net.gradients(np.zeros((8000, 1, 1)), np.ones((1, 1)), at="last")
    assert found.exponents["b"] > 2000 and found.exponents["c"] == 0  # 1.3^8000 = 1e911
    result = gradlab.clip(found, 1e-3)
    assert (result.clipped, result.norm, result.status) == (True, INF, "ok")
    direction, got = (
        np.concatenate([array.ravel() for array in arrays.values()])
        for arrays in (at_one_level(found.weights, found.exponents), result.gradients)
    )
    np.testing.assert_allclose(got, 1e-3 * direction / np.linalg.norm(direction), atol=1e-18)


def test_pascanu_s_shrink_needs_w():
    with pytest.raises(UserError, match=r"give weights=\{'W': W\}"):
        clip({"W": np.array([INF])}, 1.0, "pascanu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": -1.0}, "clip_threshold=-1.0: must be a number >= 0"),
        ({"threshold": NAN}, "clip_threshold=nan"),
        ({"threshold": 1.0, "style": "l2"}, "style must be one of norm, torch"),
        ({"threshold": 1.0, "per": "batch"}, "per must be one of mean, lane, step"),
        ({"threshold": 1.0, "per": "step"}, "arrays need 2 leading axes in common"),
    ],
)
def test_wrong_use_is_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        clip([np.ones(3)], **arguments)
    assert "\n" not in str(caught.value)


# What a user hands in


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("per", ["mean", "lane"])
def test_float16_is_clipped_as_its_numbers_are(style, per):
    """Its factors, 1e-9 here, are no numbers of float16."""
    rng = np.random.default_rng(3)
    half = {"W": rng.standard_normal((2, 3)).astype(np.float16), "b": np.full((2, 1), 6e4, "f2")}
    wide = {name: array.astype(np.float64) for name, array in half.items()}
    for c in (1e-4, 3.0, 1e6):
        got, expected = (clip(g, c, style, per, weights=wide) for g in (half, wide))
        np.testing.assert_array_equal(got.norm, expected.norm)
        np.testing.assert_array_equal(got.clipped, expected.clipped)
        for name, array in expected.gradients.items():
            assert got.gradients[name].dtype == np.float16
            np.testing.assert_array_equal(got.gradients[name], array.astype(np.float16))


class Tensor:
    """What a torch tensor shows of itself."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_none_stays_and_tensors_are_arrays():
    g = np.float32([3.0, 4.0])
    named = clip({"W": Tensor(g), "frozen": None, "b": g[:1] * 0}, 1.0)
    assert named.norm == 5 and list(named.gradients) == ["W", "frozen", "b"]
    assert named.gradients["frozen"] is None and named.gradients["W"].dtype == np.float32
    np.testing.assert_allclose(named.gradients["W"], [0.6, 0.8], rtol=1e-6)
    listed = clip([None, Tensor(g)], 1.0).gradients
    assert listed[0] is None and len(listed) == 2
    np.testing.assert_allclose(listed[1], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(clip(Tensor(g), 1.0).gradients, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"W": np.ones(2, complex)}, r"gradients\['W'\] must hold real numbers, not complex128"),
        ([np.ones(2), ["a"]], r"gradients\[1\] must hold real numbers, not <U1"),
        ({"W": None}, "gradients hold no array: there is nothing to clip"),
        ([], "gradients hold no array: there is nothing to clip"),
    ],
)
def test_what_cannot_be_clipped_is_one_line(given, message):
    with pytest.raises(UserError, match=message):
        clip(given, 1.0)


@pytest.mark.parametrize("per", ["mean", "lane"])
@pytest.mark.parametrize(
    ("dtype", "size", "c"),
    [("f4", 1e30, 1e-10), ("f4", 1e37, 1e-5), ("f4", 1e30, 1.0), ("f8", 1e300, 1e-300)],
)
def test_a_factor_below_the_dtype_does_not_spoil_what_is_within_it(dtype, size, c, per):
    g = np.array([[3.0, -4.0], [0.3, 0.4]], dtype) * np.array(size, dtype)
    result = clip([g], c, "norm", per)
    for array, own in (
        [(g, result.gradients[0])] if per == "mean" else zip(g, result.gradients[0], strict=True)
    ):
        exact = [Fraction(float(v)) for v in array.ravel()]
        unit = max(map(abs, exact))
        length = math.sqrt(sum((v / unit) ** 2 for v in exact))
        right = [float(v / unit / Fraction(length) * Fraction(c)) for v in exact]
        np.testing.assert_allclose(own.ravel(), right, rtol=3 * np.finfo(dtype).eps)
        assert own.dtype == dtype


@pytest.mark.parametrize(
    "threshold", [None, "1", [1.0], np.ones(2), 1j, Decimal(1), 10**400, np.ones((2, 2, 2)), True]
)
def test_a_threshold_that_is_no_number_is_one_line(threshold):
    with pytest.raises(UserError, match=r"^clip_threshold=.*must be a number >= 0") as caught:
        clip([np.ones(3)], threshold)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1100


def test_numbers_of_other_kinds_are_thresholds():
    for threshold in (np.float32(2.0), np.array(2), Fraction(2), np.int8(2)):
        np.testing.assert_allclose(clip([np.full(4, 2.0)], threshold).gradients[0], 1)


@pytest.mark.parametrize(
    ("gradients", "weights", "message"),
    [
        ({"W": np.full(2, 1e20)}, {"W": np.ones(3)}, r"must have shape \(2,\)"),
        ({"W": np.full(2, 1e20)}, {"W": "a"}, r"weights\['W'\] must hold real numbers"),
        ({"W": np.full(2, 1e20)}, [np.ones(2)], r"give weights=\{'W': W\}"),
        ({"U": np.full(2, 1e20)}, {"W": np.ones(2)}, "no gradient is named W"),
        ([np.full(2, 1e20)], {"W": np.ones(2)}, "no gradient is named W"),
    ],
)
def test_what_pascanu_cannot_shrink_is_one_line(gradients, weights, message):
    with pytest.raises(UserError, match=message):
        clip(gradients, 1.0, "pascanu", weights=weights)
    own = {"W": np.full(2, 1e20)}
    assert clip(own, 1.0, "pascanu", weights={"W": [1, 2]}).gradients["W"].tolist() == [0.02, 0.04]


@pytest.mark.parametrize("style", STYLES)
def test_no_lanes_are_clipped_to_no_lanes(style):
    for per in ("lane", "step"):
        result = clip({"W": np.zeros((0, 3, 2))}, 1.0, style, per)
        assert result.gradients["W"].shape == (0, 3, 2) and result.norm.size == 0
    with pytest.raises(UserError, match="per must be one of"):
        clip([np.ones(2)], 1.0, style, per=["lane"])
