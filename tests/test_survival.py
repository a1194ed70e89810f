"""Updates until solved as survival times: each statistic against one computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

from gradlab.suite import Claim, NotMeasured, share, wilson
from gradlab.suite.survival import (
    budget,
    curve,
    cut_off,
    fastest,
    first_reached,
    log_rank,
    more_solved,
    solved_within,
    times,
    times_slower,
    until,
    updates_until,
)


def trainings(solved_at, budget=1000, **columns):
    """A table of trainings that are solved at these updates, None for one that is not."""
    return pd.DataFrame(
        {
            "solved": [float(at is not None) for at in solved_at],
            "updates_done": [budget if at is None else at for at in solved_at],
            "updates": budget,
            **columns,
        }
    )


def product_limit(until, solved):
    """{updates: share solved}, step by step: of those still at work, the share that is solved."""
    left, found = 1.0, {}
    for moment in sorted(set(until)):
        at_work = sum(1 for each in until if each >= moment)
        ended = sum(1 for each, did in zip(until, solved, strict=True) if each == moment and did)
        left *= 1 - ended / at_work
        found[float(moment)] = 1 - left
    return found


@pytest.mark.parametrize("budgets", [1000, [1000, 300, 500, 1000, 1000, 1000, 1000, 1000]])
def test_the_curve_is_the_product_of_what_is_left(budgets):
    table = trainings([200, None, 400, 400, None, 700, 100, 900], 1000)
    table["updates"] = budgets
    table["updates_done"] = np.minimum(table.updates_done, table.updates)
    found = curve(table)
    assert dict(zip(found.updates[1:], found.share[1:], strict=True)) == pytest.approx(
        product_limit(*times(table))
    )
    assert found.updates[0] == found.share[0] == found.low[0] == 0
    assert (found.low <= found.share).all() and (found.share <= found.high).all()


def test_the_band_is_greenwoods_on_the_log_log_scale():
    found = curve(trainings([100, 200, 300, 400, None, None, None, None, None, None]))
    place = list(found.updates).index(300.0)
    left = 0.7
    deviation = math.sqrt(1 / 90 + 1 / 72 + 1 / 56) / abs(math.log(left))
    low, high = (left ** math.exp(sign * 1.959963984540054 * deviation) for sign in (1, -1))
    assert found.low[place] == pytest.approx(1 - high, rel=1e-9)
    assert found.high[place] == pytest.approx(1 - low, rel=1e-9)


def test_where_all_or_none_are_solved_the_band_is_wilsons():
    none, every = curve(trainings([None] * 5)), curve(trainings([100] * 5))
    assert (none.share[-1], none.low[-1], none.high[-1]) == wilson(0, 5)
    assert (every.share[-1], every.low[-1], every.high[-1]) == pytest.approx(wilson(5, 5))


def test_the_band_knows_only_those_that_no_smaller_budget_stopped():
    late = trainings([None] * 9 + [800])
    late["updates"] = [100] * 9 + [1000]
    found = curve(late)  # of the ten, one was seen beyond 100 updates
    assert found.share[-1] == 1 and found.low[-1] == pytest.approx(wilson(1, 1)[1])
    assert found.high[found.updates == 100] == pytest.approx(wilson(0, 10)[2])
    none = trainings([None] * 10)
    none["updates"] = [100] * 9 + [1000]
    assert curve(none).high[-1] == pytest.approx(wilson(0, 1)[2])


def test_a_training_that_diverged_early_is_not_solved_at_any_budget():
    table = trainings([100, None, None])
    table.loc[1, "updates_done"] = 30  # where it diverged
    assert times(table)[0].tolist() == [100, 1000, 1000]
    assert until(table).tolist() == [100, math.inf, math.inf]


def test_a_training_that_failed_is_left_out():
    whole = trainings([100, 300, None, 200, None], kind=["a", "a", "a", "b", "b"])
    more = pd.DataFrame({"solved": [math.nan], "updates_done": [math.nan], "updates": [1000]})
    table = pd.concat([whole, more.assign(kind="a"), more.assign(kind="b")], ignore_index=True)
    for one, other in zip(curve(table), curve(whole), strict=True):
        assert one.tolist() == other.tolist()
    assert math.isnan(times(table)[0][-1]) and math.isnan(until(table).iloc[-1])
    pair = {"kind": "a"}, {"kind": "b"}
    for reading in (solved_within(250), updates_until(), more_solved(*pair), log_rank(*pair)):
        assert reading(table) == reading(whole)
        assert reading(budget(0.5)(table)) == reading(budget(0.5)(whole))
        with pytest.raises(NotMeasured):
            reading(table[table.solved.isna()])
    rates = table.assign(length=9, rate=[1.0, 1, 2, 1, 2, 2, 1], relative_loss=1.0)
    assert fastest(rates, "rate", ["length"]) == {(9,): 1.0}


def test_shares_and_quantiles_count_what_is_not_solved():
    table = trainings([100, 200, 300, None, None])
    assert solved_within(200)(table) == 0.4
    assert solved_within()(table) == 0.6
    assert updates_until()(table) == 300
    assert updates_until(0.4)(table) == 200
    assert updates_until(0.8)(table) == math.inf


def test_a_smaller_budget_cuts_off_what_came_later():
    table = budget(0.25)(trainings([100, 250, 300, None]))
    assert table.solved.tolist() == [1, 1, 0, 0]
    assert table.updates.tolist() == [250] * 4
    assert table.updates_done.tolist() == [100, 250, 250, 250]


def test_a_part_of_a_budget_is_not_rounded_down():
    table = trainings([29, 30], 100)
    for part in range(1, 101):
        assert budget(part / 100)(table).updates.tolist() == [part] * 2
    assert budget(0.29)(table).solved.tolist() == [1, 0]


def test_a_loss_that_is_lost_is_not_the_least():
    losses = [0.9, math.nan, 1.0, 1.0]
    tied = trainings([None] * 4, rate=[1.0, 1, 2, 2], length=9, relative_loss=losses)
    assert fastest(tied, "rate", ["length"]) == {(9,): 2.0}


def test_the_fastest_value_counts_unsolved_ones_with_their_budget():
    table = trainings(
        [100, None, 400, 400, 300, 500, None, None], rate=[1.0, 1.0, 2.0, 2.0] * 2,
        length=[10] * 4 + [20] * 4, relative_loss=0.5,
    )  # fmt: skip
    assert fastest(table, "rate", ["length"]) == {(10,): 2.0, (20,): 1.0}
    tied = trainings([None, None], rate=[1.0, 2.0], length=[10, 10], relative_loss=[1.0, 0.9])
    assert fastest(tied, "rate", ["length"]) == {(10,): 2.0}


def test_a_table_of_updates_becomes_one_of_trainings():
    table = pd.DataFrame(
        {"seed": [0] * 4 + [1] * 4, "update": [0, 100, 200, 400] * 2,
         "error": [1, 0, 1, 0, 1, 1, 1, 0.5]}
    )  # fmt: skip
    found = first_reached(table, table.error < 0.1, ["seed"])
    assert found.solved.tolist() == [1, 0] and found.updates_done.tolist() == [100, 400]
    later = cut_off(0.5)(table)
    assert later["update"].max() == 200 and len(later) == 6
    assert first_reached(later, later.error < 0.1, ["seed"]).updates.tolist() == [200, 200]


def wilson_by_root(hits, runs):
    """The ends of |p - x| = z sqrt(x (1 - x)/n)."""

    def excess(x):
        return (hits / runs - x) ** 2 - 1.959963984540054**2 * x * (1 - x) / runs

    p = hits / runs
    return brentq(excess, 0, p, xtol=1e-14), brentq(excess, p, 1, xtol=1e-14)


def test_the_difference_of_shares_has_newcombes_interval():
    # Newcombe 1998, Table II, case (a): 56/70 and 48/80 give 0.0524 to 0.3339
    solved = [1] * 56 + [None] * 14 + [1] * 48 + [None] * 32
    table = trainings(solved, kind=["a"] * 70 + ["b"] * 80)
    assert more_solved({"kind": "a"}, {"kind": "b"})(table) == pytest.approx(0.0524, abs=5e-5)
    (low, _), (_, high) = wilson_by_root(56, 70), wilson_by_root(48, 80)
    expected = 56 / 70 - 48 / 80 - math.hypot(56 / 70 - low, high - 48 / 80)
    assert more_solved({"kind": "a"}, {"kind": "b"})(table) == pytest.approx(expected, abs=1e-10)


def test_the_least_ratio_of_medians_is_below_it_and_counts_the_budget():
    slow, fast = [400, 500, 600, 450, 550] * 4, [100, 90, 110, 95, 105] * 4
    table = trainings(slow + fast, kind=["slow"] * 20 + ["fast"] * 20)
    ratio = times_slower({"kind": "slow"}, {"kind": "fast"})
    assert 4.2 <= ratio(table) <= 5.0
    none = trainings([None] * 20 + fast, kind=["slow"] * 20 + ["fast"] * 20)
    assert 9.4 <= ratio(none) <= 10.1
    with pytest.raises(NotMeasured):
        ratio(table[table.kind == "slow"])


def test_a_fast_training_that_is_not_solved_never_makes_the_ratio_larger():
    slow, fast = trainings([900] * 9, kind="slow"), trainings([100] * 4 + [None] * 5, kind="fast")
    for limit in (1000, 300):  # what the fast ones may really take is far beyond
        fast["updates"] = limit
        table = pd.concat([slow, fast])
        assert times_slower({"kind": "slow"}, {"kind": "fast"})(table) == 0


def test_the_log_rank_test_tells_kinds_apart():
    rng = np.random.default_rng(0)
    alike = trainings(rng.integers(1, 1000, 40).tolist(), kind=["a", "b"] * 20)
    assert log_rank({"kind": "a"}, {"kind": "b"})(alike) > 0.05
    apart = trainings([100, 900] * 20, kind=["a", "b"] * 20)
    assert log_rank({"kind": "a"}, {"kind": "b"})(apart) < 1e-6
    for alone in ([None] * 4, [50, 50]):
        kinds = ["a", "b"] * (len(alone) // 2)
        assert log_rank({"kind": "a"}, {"kind": "b"})(trainings(alone, kind=kinds)) == 1


def test_a_claim_must_hold_where_the_budget_is_smaller():
    table = trainings([100, 200, 900, 950], 1000)
    claim = {"source": "-", "measured": share("solved"), "at_least": 0.9}
    assert Claim("a", "b", **claim).judge(table).outcome == "ok"
    verdict = Claim("a", "b", also=[budget(0.5)], **claim).judge(table)
    assert verdict.outcome == "FALLS SHORT" and verdict.measured == 0.5
    assert "the budget is 0.5 of what it is" in str(verdict)
    with pytest.raises(ValueError, match="also"):
        Claim("a", "b", also=["half"], **claim)
