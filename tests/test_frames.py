"""What claims ask of a table: shares with their intervals."""

import math

import pandas as pd
import pytest
from scipy.stats import binomtest

from gradlab.suite import (
    Claim,
    NotMeasured,
    above,
    every,
    interval,
    kept,
    largest,
    mean,
    near,
    nearest,
    nth,
    other_than,
    rows,
    share,
    wilson,
)


@pytest.mark.parametrize(("hits", "runs"), [(0, 1), (0, 5), (3, 5), (5, 5), (17, 210), (209, 210)])
def test_the_interval_is_wilsons(hits, runs):
    found, low, high = wilson(hits, runs)
    known = binomtest(hits, runs).proportion_ci(method="wilson")
    assert (found, low, high) == pytest.approx((hits / runs, known.low, known.high), abs=1e-12)


def test_a_share_counts_the_rows_with_these_values():
    frame = pd.DataFrame({"threshold": [1.0, 1.0, 1.0, 2.0], "solved": [1.0, 0.0, 1.0, 0.0]})
    assert interval(frame, "solved", threshold=1.0) == wilson(2, 3)
    assert interval(frame, "solved") == wilson(2, 4)
    with pytest.raises(NotMeasured, match="threshold=3"):
        interval(frame, "solved", threshold=3.0)


def test_every_value_must_be_there_and_above_leaves_the_limit_out():
    frame = pd.DataFrame({"n": [1, 2, 2, 3], "x": range(4)})
    assert list(rows(frame, n=every([1, 2])).x) == [0, 1, 2]
    assert list(rows(frame, n=above(1), x=above(2)).x) == [3]
    for wanted, words in ((every([2, 4]), "n=4"), (above(3), "n=above 3")):
        with pytest.raises(NotMeasured, match=f"needs rows with {words}"):
            rows(frame, n=wanted)
    assert str(share("x", n=every([1, 2.5]))) == "share of x (n=each of 1, 2.5)"


def test_nth_counts_a_columns_values_from_the_smallest():
    frame = pd.DataFrame({"n": [30, 10, 30, 20], "x": range(4)})
    assert [list(rows(frame, n=nth(place)).x) for place in range(3)] == [[1], [3], [0, 2]]
    with pytest.raises(NotMeasured, match=r"n=value no\. 4"):
        rows(frame, n=nth(3))


def test_other_than_leaves_its_values_out():
    frame = pd.DataFrame({"n": [1, 2, 2, 3], "x": range(4)})
    assert list(rows(frame, n=other_than([2, 4])).x) == [0, 3]
    with pytest.raises(NotMeasured, match="needs rows with n=other than 1, 2, 3"):
        rows(frame, n=other_than([1, 2, 3]))


def test_a_claim_about_every_value_is_not_measured_without_one():
    def claim(values):
        about = {"n": every(values)}
        return Claim("c", "s", source="-", measured=largest("x"), equals=2, within=0, about=about)

    frame = pd.DataFrame({"n": [1, 2, 2, 3], "x": range(4)})
    assert claim([1, 2]).judge(frame).outcome == "ok"
    lacking = claim([1, 2, 4]).judge(frame)
    assert (lacking.outcome, lacking.reason) == ("not measured", "needs rows with n=4")


def test_the_nearest_to_no_threshold_is_none():
    values = pd.Series([0.1, math.inf, 30.0])
    assert nearest(values, math.inf) == math.inf and nearest(values, 1.0) == 0.1


def test_near_chooses_the_nearest_to_each_of_some_values():
    frame = pd.DataFrame({"r": [0.5, 0.9, 0.9, 1.5]})
    assert rows(frame, r=near(1.0)).r.tolist() == [0.9, 0.9]
    assert rows(frame, r=near(0.0, 1.0, 1.1)).r.tolist() == [0.5, 0.9, 0.9]
    assert repr(near(0.5)) == "near 0.5" and repr(near(0.5, 2)) == "near 0.5 or 2"
    with pytest.raises(NotMeasured, match="needs rows with r=near 1 or 2"):
        rows(frame[:0], r=near(1, 2))


def test_a_column_is_kept_where_rows_would_choose():
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [4.0, 5.0, 6.0]}, index=[7, 8, 9])
    column = kept("x", n=above(1))
    assert column(frame).isna().tolist() == [True, False, False]
    assert mean(column)(frame) == 5.5 and str(mean(column)) == "mean x where n=above 1"
    with pytest.raises(NotMeasured, match="needs rows with n=above 3"):
        kept("x", n=above(3))(frame)
