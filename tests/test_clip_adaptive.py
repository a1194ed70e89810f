"""Styles of clipping with a memory, and by the weights: each against its paper, written plainly."""

import copy

import numpy as np
import pytest

import gradlab
from gradlab.errors import UserError
from gradlab.learning.adaptive import ADAPTIVE, Memory
from gradlab.learning.clipping import clip
from gradlab.learning.training import Training
from gradlab.tasks import adding

RNG = np.random.default_rng(11)
NORMS = RNG.lognormal(0.0, 0.7, 80)
NORMS[[40, 60]] = 30.0, 200.0
MEMORY = ("percentile", "zscore")
STYLES = {"percentile": 40, "adaptive": 0.02, "zscore": 0.2}


def unit(norm):
    return {"W": norm * np.array([[0.6, 0.0]]), "b": norm * np.array([0.8])}


def clipped_norms(style, threshold, norms=NORMS):
    memory, found = Memory(), []
    for own in norms:
        result = clip(unit(own), threshold, style, memory=memory)
        after = np.sqrt(sum((array**2).sum() for array in result.gradients.values()))
        found.append((result.norm, after, result.clipped))
    assert memory.count == len(norms)
    return np.array(found)


@pytest.mark.parametrize("percent", [0, 10, 37.5, 100])
def test_percentile_is_autoclip(percent):
    """History, then numpy.percentile, then clip_grad_norm_, as the authors' twenty lines."""
    history, expected = [], []
    for own in NORMS:
        history.append(own)
        factor = np.percentile(history, percent) / (own + 1e-6)
        expected.append((own, own * min(factor, 1.0), factor < 1))
    np.testing.assert_allclose(clipped_norms("percentile", percent), expected, rtol=1e-13)


@pytest.mark.parametrize("most", [0.5, 2.5, 4.0])
def test_zscore_is_zclip(most):
    first, mean, var, expected = list(NORMS[:25]), None, None, [(n, n, 0.0) for n in NORMS[:25]]
    mean = sum(first) / 25
    var = sum((n - mean) ** 2 for n in first) / 25
    for own in NORMS[25:]:
        z = (own - mean) / (var**0.5 + 1e-6)
        bound = mean + most * var**0.5 / (z / most) if z > most else None
        made = own if bound is None else bound
        expected.append((own, own if bound is None else own * bound / (own + 1e-6), z > most))
        mean = 0.97 * mean + 0.03 * made
        var = 0.97 * var + 0.03 * (made - mean) ** 2
    found = clipped_norms("zscore", most)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[60, 2] and found[60, 1] < 10


def test_adaptive_is_agc_unit_by_unit():
    """G_i -> lambda max(||W_i||, eps)/||G_i|| G_i where ||G_i||/max(||W_i||, eps) > lambda."""
    W = {"W": RNG.standard_normal((5, 3)), "b": RNG.standard_normal(5)}
    W["W"][2] = 0
    G = {"W": 0.05 * RNG.standard_normal((5, 3)), "b": 0.001 * RNG.standard_normal(5)}
    G["W"][4] = 1e-9
    result = clip(G, 0.02, "adaptive", weights=W)
    for i in range(5):
        size, least = np.linalg.norm(G["W"][i]), max(np.linalg.norm(W["W"][i]), 1e-3)
        expected = G["W"][i] * (0.02 * least / size if size / least > 0.02 else 1)
        np.testing.assert_allclose(result.gradients["W"][i], expected, rtol=1e-14)
    np.testing.assert_array_equal(result.gradients["b"], G["b"])  # one unit, far below
    np.testing.assert_array_equal(result.gradients["W"][4], G["W"][4])
    assert result.clipped and result.norm == pytest.approx(
        np.sqrt(sum((g**2).sum() for g in G.values()))
    )
    bias = clip({"b": np.array([3.0, 4.0])}, 0.1, "adaptive", weights={"b": np.array([0.0, 2.0])})
    np.testing.assert_allclose(bias.gradients["b"], [0.12, 0.16], rtol=1e-14)
    assert not clip(G, 1e6, "adaptive", weights=W).clipped


@pytest.mark.parametrize("style", ADAPTIVE)
def test_what_is_not_finite_stays_and_is_not_remembered(style):
    memory, weights = Memory(), {"g": np.ones(2)}
    first = clip({"g": np.array([1e3, 0.0])}, 1.0, style, weights=weights, memory=memory)
    for bad in (np.nan, np.inf):
        g = np.array([bad, 1.0])
        result = clip({"g": g}, 1.0, style, weights=weights, memory=memory)
        np.testing.assert_array_equal(result.gradients["g"], g)
        assert not result.clipped and result.status == "not finite" and first.status == "ok"
    if style == "percentile":
        again = clip({"g": np.array([2e3, 0.0])}, 0.0, style, memory=memory)
        assert again.gradients["g"][0] == pytest.approx(1e3, rel=1e-8)


@pytest.mark.parametrize("style", MEMORY)
def test_a_memory_follows_from_the_norms_bit_for_bit(style):
    norms = [*NORMS.tolist(), np.nan, np.inf, 0.0]
    memory = Memory()
    for own in norms:
        memory.take(style, STYLES[style], own)
    assert vars(memory) == vars(Memory.of(style, STYLES[style], norms))
    own = memory.take(style, STYLES[style], 3.0)
    assert own == Memory.of(style, STYLES[style], norms).take(style, STYLES[style], 3.0)


def training(style, dtype="float64", cell="elman", **more):
    net = gradlab.Network.draw(
        cell, inputs=2, hidden=6, outputs=1, spectral_radius=1.3, seed=3, dtype=dtype
    )
    plan = {"sequence_length": 9, "updates": 60, "batch": 3, "learning_rate": 0.05, "log_every": 20}
    plan |= {"clip_style": style, "clip_threshold": STYLES[style], "evaluate_every": 25} | more
    return Training(net, adding, gradlab.Plan(**plan))


@pytest.mark.parametrize("style", ADAPTIVE)
@pytest.mark.parametrize(("dtype", "cell"), [("float64", "elman"), ("float32", "lstm")])
def test_a_training_goes_on_bit_for_bit_from_a_file_or_a_copy(style, dtype, cell, tmp_path):
    whole, half = training(style, dtype, cell), training(style, dtype, cell)
    whole.run()
    half.run(until=33)
    half.save(tmp_path / "half.safetensors")
    task = half.task
    for other in (Training.load(tmp_path / "half.safetensors", task), copy.deepcopy(half), half):
        other.run()
        for name, array in whole.net.weights.items():
            np.testing.assert_array_equal(array, other.net.weights[name])
        assert (other.norms, other.shares) == (whole.norms, whole.shares)
    assert np.mean(whole.shares) > 0 and np.isfinite(whole.losses).all()


@pytest.mark.parametrize("style", ADAPTIVE)
def test_an_update_that_fails_is_not_remembered(style):
    whole, other = training(style), training(style)
    whole.run(until=40)
    other.run(until=30)
    if style in MEMORY:
        other._remembered().take(style, STYLES[style], 1e9)
    other.run(until=40)
    assert other.norms == whole.norms and other.shares == whole.shares


@pytest.mark.parametrize("style", MEMORY)
def test_the_steps_of_a_training_are_those_of_clip(style):
    own, memory = training(style, learning_rate=0.02), Memory()
    for _ in range(40):
        before = {name: array.copy() for name, array in own.net.weights.items()}
        x, y = own._minibatch()
        found = own.net.gradients(x, y, loss=own.task.LOSS, at=own.task.AT)
        wanted = clip(dict(found.weights), STYLES[style], style, memory=memory)
        own.run(until=own.update + 1)
        assert own.shares[-1] == float(wanted.clipped)
        for name, array in own.net.weights.items():
            expected = before[name] - 0.02 * wanted.gradients[name]
            np.testing.assert_allclose(array, expected, rtol=1e-9, atol=1e-12)
    assert 0 < np.mean(own.shares) < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"style": "percentile"}, "style='percentile' remembers norms: give memory=Memory()"),
        ({"style": "zscore", "memory": []}, "style='zscore' remembers norms"),
        ({"style": "zscore", "per": "lane"}, "style='zscore' needs per='mean', not 'lane'"),
        ({"style": "adaptive"}, "style='adaptive' goes by the weights: give weights with 'W'"),
        (
            {"style": "adaptive", "weights": {"W": np.ones(3)}},
            r"weights\['W'\] must have shape \(2, 2\), not \(3,\)",
        ),
        ({"style": "percentile", "threshold": 101}, "of style percentile it is from 0 to 100"),
    ],
)
def test_wrong_use_is_one_line(arguments, message):
    with pytest.raises(UserError, match=message):
        clip({"W": np.ones((2, 2))}, **{"threshold": 1.0} | arguments)


@pytest.mark.parametrize("style", ADAPTIVE)
def test_a_plan_says_what_does_not_go_together(style):
    for per in ("lane", "step"):
        with pytest.raises(UserError, match=f"clip_style={style} needs clip_per=mean, not {per}"):
            gradlab.Plan(clip_style=style, clip_threshold=1.0, clip_per=per)
    with pytest.raises(UserError, match="clip_style=percentile it is from 0 to 100"):
        gradlab.Plan(clip_style="percentile", clip_threshold=200.0)
