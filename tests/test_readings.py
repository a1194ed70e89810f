"""Readings: each one against plain NumPy, what it says of itself, and tables that lack the rows."""

import math

import numpy as np
import pandas as pd
import pytest

from gradlab.suite import (
    Claim,
    NotMeasured,
    crossing,
    largest,
    mean,
    median,
    most,
    near,
    share,
    slope,
    smallest,
    worst,
)
from gradlab.suite.claims import in_words

A, B = [-7.0, 1.5, 2.0, 6.0], [0.25, -0.5, 1.0, 3.0]
STEEP = np.polyfit([1, 2, 3, 4], A, 1)[0]
FRAME = pd.DataFrame({
    "kind": ["a"] * 4 + ["b"] * 4, "n": [1, 2, 3, 4] * 2, "x": A + B, "hit": [1, 0, 1, 1] * 2,
})  # fmt: skip


def doubled(frame):
    return 2 * frame.x


def tenfold(frame):
    return 10 * frame.n


@pytest.mark.parametrize(
    ("reading", "right", "words"),
    [
        (median("x", kind="a"), 1.75, "median x (kind=a)"),
        (mean("x", kind="a"), 2.5 / 4, "mean x (kind=a)"),
        (largest("x"), 6.0, "largest x"),
        (smallest("x", kind="b"), -0.5, "smallest x (kind=b)"),
        (worst("x"), 7.0, "largest size of x"),
        (share("hit", kind="b"), 0.75, "share of hit (kind=b)"),
        (median(doubled, n=max), 9.0, "median doubled (n=max)"),
        (mean("x", n=near(1.2)), -3.375, "mean x (n=near 1.2)"),
        (mean("x", n=[1, 2], kind="a"), -2.75, "mean x (n=[1, 2], kind=a)"),
        (slope("x", "n", kind="a"), STEEP, "slope of x over n (kind=a)"),
        (worst("log10(n) - x", kind="a"), 7.0, "largest size of log10(n) - x (kind=a)"),
        (share("abs(x) > 1.5"), 0.5, "share of abs(x) > 1.5"),
        (slope("x / 2", "10 * n", kind="a"), STEEP / 20, "slope of x / 2 over 10 * n (kind=a)"),
        (slope("x", tenfold, kind="a"), STEEP / 10, "slope of x over tenfold (kind=a)"),
        (crossing("x", "n", kind="a"), 1 + 7.0 / 8.5, "zero of x over n (kind=a)"),
        (most(mean("x"), largest("n")), 4.0, "the largest of (mean x; largest n)"),
        (-median("x", kind="a"), -1.75, "-(median x (kind=a))"),
        (abs(smallest("x")), 7.0, "|smallest x|"),
        (largest("x") + largest("n"), 10.0, "(largest x) + (largest n)"),
        (largest("x") - 1, 5.0, "(largest x) - 1"),
        (largest("x") * 0.5, 3.0, "(largest x) * 0.5"),
        (largest("x") / smallest("x"), 6.0 / -7.0, "(largest x) / (smallest x)"),
        (abs(mean("n") - largest("n")) / 2, 0.75, "(|(mean n) - (largest n)|) / 2"),
    ],
)  # fmt: skip
def test_a_reading_reads_one_number_and_says_which(reading, right, words):
    assert reading(FRAME) == pytest.approx(right, rel=1e-14)
    assert type(reading(FRAME)) is float
    assert str(reading) == in_words(reading) == words


def test_a_slope_and_a_crossing_are_of_medians():
    """One seed far off moves a mean, and not the medians on which both stand."""
    frame = pd.DataFrame({"r": [1.0, 2.0, 4.0] * 3, "y": [-1.0, 1.0, 2.0] * 2 + [-9.0, 50.0, 2.0]})
    assert crossing("y", "r")(frame) == 1.5
    assert slope("y", "r")(frame) == pytest.approx(np.polyfit([1, 2, 4], [-1, 1, 2], 1)[0])
    above = frame.assign(y=frame.y.abs())
    for table in (above, frame.assign(y=-above.y), frame[frame.r == 1.0]):
        with pytest.raises(NotMeasured, match="needs values of r on both sides of y = 0"):
            crossing("y", "r")(table)
    with pytest.raises(NotMeasured, match="needs two values of r"):
        slope("y", "r", r=2.0)(frame)


@pytest.mark.parametrize("reading", [largest, smallest, worst])
def test_an_extreme_does_not_pass_over_what_is_nan(reading):
    frame = FRAME.assign(x=FRAME.x.mask(FRAME.n == 2))
    assert math.isnan(reading("x")(frame))
    assert math.isnan(most(reading("n"), reading("x"))(frame))
    assert reading("x", n=1)(frame) == reading("x", n=1)(FRAME)


def test_a_middle_is_of_what_there_is():
    frame = FRAME.assign(x=FRAME.x.mask(FRAME.n == 2), hit=FRAME.hit.mask(FRAME.n == 2))
    assert median("x", kind="a")(frame) == 2.0 and mean("x", kind="a")(frame) == pytest.approx(
        1 / 3
    )
    assert share("hit")(frame) == 1.0
    with pytest.raises(NotMeasured, match="needs rows with hit"):
        share("hit", n=2)(frame)
    assert math.isnan(median("x", n=2)(frame))


@pytest.mark.parametrize(
    "reading", [median, mean, largest, smallest, worst, share, lambda c, **w: most(median(c, **w))]
)
def test_without_its_rows_a_reading_is_not_measured(reading):
    asked = reading("hit", kind="c", n=max)
    with pytest.raises(NotMeasured, match="needs rows with kind=c, n=max"):
        asked(FRAME)
    claim = Claim("c", "one", source="-", measured=asked - 1, at_least=0.0)
    assert claim.judge(FRAME).outcome == "not measured"
    lacking = Claim("c", "one", source="-", measured=reading("z"), at_least=0.0).judge(FRAME)
    assert (lacking.outcome, lacking.reason) == ("not measured", "the table lacks 'z'")
    within = Claim("c", "one", source="-", measured=reading("x + z"), at_least=0.0).judge(FRAME)
    assert (within.outcome, within.reason) == ("not measured", "the table lacks 'z'")


def test_a_quotient_by_zero_is_nan_and_holds_for_nothing():
    ratio = largest("x") / (largest("x") - 6)
    assert math.isnan(ratio(FRAME))
    for asked in ({"at_least": 0.0}, {"at_most": 0.0}):
        verdict = Claim("c", "one", source="-", measured=ratio, **asked).judge(FRAME)
        assert verdict.outcome == "FALLS SHORT"


def test_readings_are_joined_with_readings_and_numbers_alone():
    with pytest.raises(TypeError):
        mean("x") + "n"


def test_both_sides_of_a_claim_may_be_readings():
    claim = Claim("c", "one", source="-", measured=mean("x"), at_most=largest("x"))
    assert claim.judge(FRAME).outcome == "ok"
    assert claim.judge(FRAME).expected == 6.0
