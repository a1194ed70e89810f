"""What is said of norms: each number against another way to it, each sentence where it is due."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

import clipping
import gradlab
from gradlab.watching import thresholds

RNG = np.random.default_rng(5)
NOISE = RNG.lognormal(0.0, 0.5, 3000)


def spiky(**at):
    norms = NOISE.copy()
    for update, norm in at.items():
        norms[int(update[1:])] = norm
    return norms


def test_quantiles_mean_and_what_is_not_finite_are_apart():
    norms = spiky(u7=np.nan, u8=np.inf, u9=0.0)
    found = gradlab.watch(norms).found
    known = np.sort(np.delete(norms, [7, 8]))
    assert (found.nan.tolist(), found.inf.tolist(), found.zero) == ([7], [8], 1)
    for q, value in ((0.5, found.median), (0.9, found.p90), (0.99, found.p99)):
        below = np.floor(q * (known.size - 1)).astype(int)
        assert known[below] <= value <= known[below + 1]
    assert found.mean == pytest.approx(math.fsum(known) / known.size, rel=1e-14)
    assert found.largest == known[-1] and norms[found.top] == known[-1]


def test_norms_at_the_end_of_float64_have_a_mean():
    assert gradlab.watch([1e308] * 30).found.mean == 1e308
    assert gradlab.watch([5e-324] * 30).found.mean == 5e-324


def naive_spikes(norms, window=101):
    """The definition, update by update; reflected at the ends."""
    log10, half = np.log10(norms), window // 2
    padded = np.pad(log10, half, mode="symmetric")
    middle = np.array([np.median(padded[i : i + window]) for i in range(log10.size)])
    away = np.pad(np.abs(log10 - middle), half, mode="symmetric")
    mad = np.array([np.median(away[i : i + window]) for i in range(log10.size)])
    z = 0.6745 * (log10 - middle) / mad
    return np.flatnonzero((z > 3.5) & (norms >= 2 * 10**middle))


def test_spikes_are_those_of_the_definition():
    norms = spiky(u0=90.0, u400=50.0, u401=60.0, u2999=40.0)
    found = gradlab.watch(norms).found
    assert {0, 400, 401, 2999} <= set(found.spikes.tolist())
    assert found.spikes.tolist() == naive_spikes(norms).tolist()


def test_a_training_whose_norms_hardly_change_has_no_spikes_below_twice_the_median():
    norms = 1 + 1e-3 * RNG.standard_normal(500)
    norms[100], norms[200] = 1.9, 2.1
    assert gradlab.watch(norms).found.spikes.tolist() == [200]
    assert gradlab.watch(np.where(np.arange(500) == 9, 3.0, 1.0)).found.spikes.tolist() == [9]


def test_the_share_of_plain_noise_that_passes_is_the_one_that_is_said():
    norms = np.random.default_rng(0).lognormal(0.0, 1.0, 300_000)
    assert 4e-4 < gradlab.watch(norms).found.spikes.size / norms.size < 8e-4


@pytest.mark.parametrize("count", [300, 30_000])
def test_the_trend_is_the_slope_that_was_put_in(count):
    update = np.arange(count)
    norms = 10.0 ** (-2 * update / count + 0.1 * RNG.standard_normal(count))
    trend = gradlab.watch(norms).found.trend
    assert trend.low <= -2 / count <= trend.high and trend.high < 0
    assert "Trend       falls: " in gradlab.watch(norms).text
    # Sen's slope is the one whose residuals know nothing of the updates
    if count == 300:
        left = np.log10(norms) - trend.slope * update
        assert abs(kendalltau(left, update).statistic) < 1e-3


def test_no_trend_is_told_of_noise():
    assert "Trend       none to speak of" in gradlab.watch(NOISE).text


def test_the_rule_of_thumb_is_that_of_the_experiment():
    assert thresholds.RULE_OF_THUMB == clipping.BAND


def test_shares_are_those_that_the_lectures_rule_clips():
    norms = np.round(NOISE[:300], 1)
    watched = gradlab.watch(norms, threshold=[0.5, 2])
    rows = {row.name: row for row in watched.thresholds}
    assert not {row.value for row in watched.thresholds if not row.name} & {0.5, 2.0}
    for row in watched.thresholds:
        hits = [gradlab.clip(np.array([norm]), row.value).clipped for norm in norms]
        assert row.clipped == np.mean(hits)
    (autoclip,) = [row for name, row in rows.items() if "AutoClip" in name]
    assert autoclip.value == np.percentile(norms, 10)
    low, high = (row.value for name, row in rows.items() if "mean norm" in name)
    assert (low, high) == pytest.approx((0.5 * norms.mean(), 10 * norms.mean()))


@pytest.mark.parametrize(
    ("threshold", "said"),
    [
        (1e6, "does nothing here: no finite norm reaches it"),
        (5.0, "is a safety net here: it clips 0.1 % of the updates, all 3 spikes among them"),
        (1.5, "is more than a safety net here: it clips 21.7 %"),
        (0.1, "is a limiter of every step here, not a safety net: it clips 100 % of the updates"),
    ],
)
def test_what_a_threshold_is(threshold, said):
    norms = np.minimum(NOISE, 3.0)
    norms[[100, 200, 300]] = 90, 80, 70
    watched = gradlab.watch(norms, threshold=threshold)
    assert f"A threshold of {threshold:.4g} {said}" in watched.advice[0]


def test_a_limiter_that_turned_into_a_net_is_told():
    norms = np.concatenate([5 * NOISE, 0.01 * NOISE])
    assert "It clips 100 % of the first tenth and 0 % of the last." in gradlab.watch(
        norms, threshold=0.5
    ).advice[0].replace("99.9 %", "100 %").replace("99.8 %", "100 %")


def test_the_log_s_own_threshold_is_the_one_that_is_said():
    table = {"norm": NOISE, "max_grad_norm": np.full(NOISE.size, 0.5)}
    assert "A threshold of 0.5 is a limiter" in gradlab.watch(table).advice[0]
    table["max_grad_norm"] = np.where(np.arange(NOISE.size) < 1500, 0.01, 100.0)
    watched = gradlab.watch(table)
    assert "The log's own threshold is a limiter" in watched.advice[0]
    (own,) = [row for row in watched.thresholds if np.isnan(row.value)]
    assert own.clipped == 0.5 and "varies" in own.name


def test_the_reduction_moves_the_threshold_by_the_number_of_steps():
    at = {"threshold": 1.0}
    told = gradlab.watch(NOISE, **at, reduction="sum", steps=50).advice[-1]
    assert "for the mean over T = 50 steps the same clipping needs 0.02 (divided by T)" in told
    assert "Left at 1 it would clip 0 % of the updates instead of" in told
    told = gradlab.watch(NOISE / 50, **at, reduction="mean", steps=50).advice[-1]
    assert "for the sum over T = 50 steps the same clipping needs 50 (multiplied by T)" in told
    share = np.mean(NOISE >= 1)
    assert f"it would clip {100 * share:.3g} % of the updates instead of 0 %" in told
    told = gradlab.watch(NOISE, **at, reduction="mean").advice[-1]
    assert "multiplied by the number of steps T, which is not known here (--steps T)" in told
    told = gradlab.watch(NOISE, **at).advice[-1]
    assert "does not say whether its loss is a sum or a mean" in told


def test_a_run_whose_reduction_changed_is_seen():
    update = np.tile(np.arange(500), 2)
    norms = np.concatenate([NOISE[:500], NOISE[500:1000] / 50])
    said = gradlab.watch({"step": update, "norm": norms}, reduction="mean", steps=50).advice
    assert (
        "below that of the run before, about T = 50: did the loss's reduction change?" in said[-1]
    )
    other = gradlab.watch({"step": update, "norm": norms}, reduction="mean", steps=500).advice
    assert "did the loss" not in "".join(other)


def test_norms_after_clipping_are_recognised():
    clipped = np.minimum(NOISE, 1.0) * (1 - 1e-6 * (NOISE > 1))
    assert "look as if they were taken after clipping" in gradlab.watch(clipped).advice[0]
    for norms in (NOISE, np.ones(100)):
        assert "after clipping" not in gradlab.watch(norms).advice[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "norms",
    [[1.0], [0.0] * 50, [np.nan] * 50, [np.inf, np.nan], [0.0, np.inf], [1e-320] * 30,
     [0.0] * 30 + [1.0], [1e308] * 30 + [1e-308], [1.0, 2.0]],
)  # fmt: skip
@pytest.mark.parametrize("threshold", [(), 0.0, 1.0])
def test_few_norms_and_strange_ones_have_words_and_a_figure(norms, threshold):
    watched = gradlab.watch(norms, threshold=threshold, reduction="sum", steps=3)
    assert f"{len(norms)} update" in watched.text and len(watched.text.splitlines()) < 40
    if len(norms) < 5 or threshold == 1.0:
        assert watched.figure()._repr_png_()
    assert len(watched.table) == len(norms) and watched.record["updates"] == len(norms)


def test_a_log_of_many_updates_is_drawn_in_stretches():
    norms = np.random.default_rng(2).lognormal(size=20_000)
    norms[777] = 1e4
    left = gradlab.watch(norms, threshold=2.0).figure().axes[0]
    labels = left.get_legend_handles_labels()[1]
    assert "all norms" in labels and "threshold 2" in labels
    assert sum(len(line.get_xdata()) for line in left.lines) < 10_000
    assert left.get_ylim()[1] > 4
