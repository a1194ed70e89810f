"""Shared panels against plain NumPy: statistics, places, counts, dots and colours by rank."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from gradlab.plots import CRITICAL, RANGE, counted, distribution, dots, medians, style
from gradlab.plots.panels import hues
from gradlab.suite import NotMeasured, wilson

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({
    "threshold": np.tile([0.1, 1.0, math.inf], 8), "length": np.repeat([10, 100], 12),
    "cell": np.repeat(["lstm", "gru"], 12), "y": RNG.normal(size=24), "hit": [1, 0, 0, 1] * 6,
})  # fmt: skip


@pytest.fixture
def axes():
    with style.style():
        yield style.panels(1, 1)[1]


def lines(axes):
    """label -> x, y of the lines in the legend."""
    named = [line for line in axes.lines if not line.get_label().startswith("_")]
    return {line.get_label(): np.array(line.get_xydata()) for line in named}


def positive(frame):
    return frame.y.where(frame.y > 0)


def test_means_stand_on_whole_places(axes):
    medians("threshold", positive, "length", placed=True, estimator="mean", band=RANGE, level=0.5)(
        axes, FRAME
    )
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.1", "1", "none"]
    for length, found in lines(axes).items():
        here = FRAME[(FRAME.length == int(length)) & (FRAME.y > 0)]
        right = [here.y[here.threshold == c].mean() for c in (0.1, 1.0, math.inf)]
        assert found == pytest.approx(np.stack([range(3), right], 1))
    assert len(lines(axes)) == 2 and list(axes.lines[-1].get_ydata()) == [0.5, 0.5]


def test_without_values_there_is_no_panel(axes):
    for draw in (medians("length", "y"), dots("y", "cell"), counted("y", "cell")):
        with pytest.raises(NotMeasured, match="needs rows with y"):
            draw(axes, FRAME.assign(y=math.nan))


def test_a_share_has_its_count_and_its_interval(axes):
    counted("hit", ["cell", "length"], "cell", palette={"gru": "red", "lstm": "blue"})(axes, FRAME)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["gru, 100", "lstm, 10"]
    bar, dot, *_ = axes.lines
    middle, low, high = wilson(6, 12)
    assert list(bar.get_xdata()) == [low, high] and list(dot.get_xdata()) == [middle]
    assert [text.get_text() for text in axes.texts] == ["6/12", "6/12"]
    assert bar.get_color() == "red"


def test_dots_are_the_rows_or_their_middle(axes):
    dots("y", "cell")(axes, FRAME)
    gru, lstm = (line.get_xdata() for line in axes.lines)
    assert list(gru) == list(FRAME.y[12:]) and list(lstm) == list(FRAME.y[:12])
    axes.clear()
    dots("y", lambda frame: frame.cell, middle=90, level=0.0)(axes, FRAME)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["lstm", "gru"]
    assert axes.lines[0].get_xdata() == pytest.approx(np.quantile(FRAME.y[:12], [0.05, 0.95]))
    assert axes.lines[1].get_xdata() == pytest.approx(FRAME.y[:12].median())


def test_a_dot_stands_at_the_mean_of_a_distribution(axes):
    distribution("y", means=True)(axes, FRAME)
    ((x, above),) = axes.lines[-1].get_xydata()
    assert (x, above) == (FRAME.y.mean(), (FRAME.y > FRAME.y.mean()).mean())


def test_what_spans_a_decade_is_coloured_by_rank(axes):
    by_rank = style.colours([0, 1, 2], 1)
    assert list(hues(FRAME, "threshold", edge=1.0).values()) == by_rank
    assert hues(FRAME, "threshold", edge=1.0)[1.0] == CRITICAL
    assert list(hues(FRAME, "length").values()) == style.colours([0, 1], -1)
    assert list(hues(FRAME.assign(n=FRAME.length + 100), "n", edge=0).values()) == style.colours(
        [110, 200], 110
    )


def test_a_palette_is_a_name_a_function_or_a_dict(axes):
    named = hues(FRAME, "length", palette="flare")
    assert [to_hex(ink) for ink in named.values()] == [
        to_hex(ink) for ink in style.sns.color_palette("flare", 2)
    ]
    assert hues(FRAME, "cell", palette=lambda cells: dict.fromkeys(cells, "red")) == {
        "gru": "red", "lstm": "red",
    }  # fmt: skip
    assert hues(FRAME, "cell", palette={"gru": "red", "elman": "blue"}) == {"gru": "red"}
    assert list(hues(FRAME, "cell")) == ["gru", "lstm"]
