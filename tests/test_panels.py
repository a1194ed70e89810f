"""Shared panels against plain NumPy: statistics, places, counts, dots and colours by rank."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from gradlab.plots import CRITICAL, RANGE, by_lag, counted, distribution, dots, medians, style
from gradlab.plots.panels import QUARTILES, hues
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
    dots("y", "cell", named=False)(axes, FRAME)
    assert not axes.yaxis.get_tick_params()["labelleft"]
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
    assert list(hues(FRAME, "cell")) == ["lstm", "gru"]  # as they come


GRADIENTS = pd.DataFrame({
    "cell": ["gru"] * 5 + ["lstm"] * 5, "x_lag_1": [-1.0, -2, -4, -5, -6, 1, 2, 3, 4, 5],
    "x_lag_10": [-10.0, -20, -40, -np.inf, -np.inf, 10, 20, 30, 40, 50],
    "x_lag_20": [-20.0, -40, *[-np.inf] * 3, 20, 40, 60, 80, np.inf],
    "rate": [-2.0] * 5 + [np.nan] * 5,
})  # fmt: skip


def test_a_gradient_of_zero_counts_in_the_medians_by_lag(axes):
    """seaborn leaves out infinite values: the median at lag 10 would be -20."""
    by_lag("x", "cell", theory="rate", band=QUARTILES)(axes, GRADIENTS)
    found = lines(axes)
    assert found["gru"][:3].tolist() == [[0, 0], [1, -4], [10, -40]]
    assert np.isnan(found["gru"][3:]).tolist() == [[False, True]]
    assert found["lstm"].tolist() == [[0, 0], [1, 3], [10, 30], [20, 60]]
    (law,) = (line for line in axes.lines if np.isfinite(line.get_ydata()).sum() == 200)
    assert law.get_ydata() == pytest.approx(-2 * np.linspace(0, 20, 200))
    band = axes.collections[-1].get_paths()[0].vertices
    for lag, low, high in ((1, 2, 4), (10, 20, 40), (20, 40, 80)):
        assert {low, high} <= set(band[band[:, 0] == lag, 1])


def test_one_seed_whose_gradient_is_zero_leaves_a_gap(axes):
    by_lag("x", "cell")(axes, GRADIENTS.iloc[[3]])
    assert lines(axes)["gru"][:2].tolist() == [[0, 0], [1, -5]]
    assert axes.get_ylim()[0] > -6


def test_a_panel_takes_another_estimator_and_sizes_and_names_its_law(axes):
    medians("rate", "x_lag_1", "cell", estimator=np.ptp, sizes={"gru": 11}, law_label="law")(
        axes, GRADIENTS[:5]
    )
    assert lines(axes)["gru"].tolist() == [[-2, 5]]
    assert axes.lines[0].get_markersize() == 11
    assert [text.get_text() for text in axes.get_legend().texts] == ["gru", "law"]


def test_headroom_is_a_share_of_the_axis_as_it_is_drawn(axes):
    def top(frame):
        return frame.y.max()

    def cells(frame):
        return frame.cell

    medians("length", "y", cells, level=top, yscale="log", ylim=(1e-2, 1e2), headroom=0.5)(
        axes, FRAME
    )
    assert axes.get_ylim() == pytest.approx((1e-2, 1e4))
    assert set(lines(axes)) == {"lstm", "gru"} and axes.get_legend().get_title().get_text()
    assert list(axes.lines[-1].get_ydata()) == [FRAME.y.max()] * 2


def test_a_line_of_a_single_place_is_a_point(axes):
    medians("length", "y", points=None)(axes, FRAME[FRAME.length == 10])
    assert axes.lines[0].get_marker() == "o"
    axes.clear()
    medians("length", "y", points=None)(axes, FRAME)
    assert axes.lines[0].get_marker() in ("None", None, "")
