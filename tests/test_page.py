"""A page: text that follows the table, panels that close up, a headline that claims bear out."""

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest

from gradlab.errors import UserError
from gradlab.plots import Panel, draw, medians, page, regime_map, style
from gradlab.plots.captions import of_panels
from gradlab.plots.page import filled, is_empty
from gradlab.suite import Claim, Experiment, NotMeasured, mean

FRAME = pd.DataFrame({
    "cell": "elman", "activation": "tanh", "hidden_size": 64, "seed": [0, 1] * 6,
    "radius": np.repeat([0.5, 1.0, 1.5], 4), "length": [10, 10, 50, 50] * 3,
    "rate": np.arange(12.0),
})  # fmt: skip
LINES = medians("radius", "rate", "length")


@pytest.fixture(autouse=True)
def house_style():
    with style.style():
        yield


@pytest.mark.parametrize(
    ("text", "change", "said"),
    [
        ("{network}, {hidden_size} units", {}, "tanh RNN, 64 units"),
        ("{seeds}", {}, "2 seeds"),
        ("{seeds}", {"seed": 3}, "1 seed"),
        ("{length}, {radius}", {}, "10 and 50, 0.5, 1 and 1.5"),
        ("{rate}", {}, "0 to 11"),
        ("{file}, {task}", {"file": None}, "none, no"),
        ("{task}", {"task": "random_permutation"}, "random permutation"),
        ("{activation}", {"activation": list("abcdef") * 2}, "a, b, c and 3 more"),
        ("{clip_threshold}", {"clip_threshold": [1.0, np.inf] * 6}, "1 and none"),
        ("{network}", {"activation": ["tanh", "relu"] * 6}, "tanh and relu RNN"),
        ("{network}", {"cell": "lstm", "forget_bias": 1.0}, "LSTM, forget bias 1"),
        ("{network}", {"cell": "gru", "forget_bias": 0.0}, "GRU"),
        ("{network}", {"cell": ["elman", "jordan"] * 6}, "RNN and Jordan RNN"),
        ("{network}", {"cell": "leaky"}, "leaky"),
        ("{network}", {"layers": 2, "bidirectional": True}, "tanh RNN, 2 layers, both directions"),
        (
            "{network}",
            {"layers": [1, 2] * 6, "dtype": "float32"},
            "tanh RNN, 1 and 2 layers, float32",
        ),
        ("{network}", {"layers": 1, "bidirectional": False, "dtype": "float64"}, "tanh RNN"),
        ("{both}", {"both": [False, True] * 6}, "no and yes"),
        ("h$_{{t-1}}$", {}, "h$_{t-1}$"),
        (lambda frame: f"{len(frame)} rows of {{hidden_size}} units", {}, "12 rows of 64 units"),
    ],
)
def test_text_in_braces_follows_the_table(text, change, said):
    assert filled(text, FRAME.assign(**change)) == said


def three(**where):
    """Two panels above, a map below; `where` picks the rows of one, by its letter."""

    def panel(letter, title, draw):
        return Panel(title, draw, where.get(letter, {}))

    return page("Rates of {network}s", "{seeds}", [
        [panel("a", "lengths {length}", LINES), panel("b", "radius {radius}", LINES)],
        [panel("c", "a map", regime_map("radius", "length", "rate", label="a step"))],
    ])  # fmt: skip


def titles(figure):
    return [panel.get_title(loc="left") for panel in figure.axes if panel.get_title(loc="left")]


@pytest.mark.parametrize(
    "text", ["{}", "{0}", "{radius.real}", "{radius!r}", "{radius:g}", "$10^{-3}$", "{", "a}"]
)
def test_braces_that_hold_no_name_are_told(tmp_path, text):
    experiment = Experiment(
        "Odd?", {"radius": [0.5]}, ["radius"], measure="m:f", name="odd",
        figure=page(text, "", [Panel("", LINES)]), claims=[],
    )  # fmt: skip
    with pytest.raises(UserError) as told:
        draw.draw(experiment, FRAME, tmp_path / "odd.png")
    assert str(told.value).startswith(f"odd has no figure: text {text!r}: a name in braces")
    assert "are doubled ({{ }})" in str(told.value) and ".py" not in str(told.value)
    assert filled("$10^{{-3}}$ {seeds}", FRAME) == "$10^{-3}$ 2 seeds"


def test_a_panel_draws_the_rows_that_it_is_about():
    figure = three(a={"length": 50}, b={"radius": [0.5, 1.5]})(FRAME)
    assert titles(figure) == [
        r"$\bf{a}$   lengths 50", r"$\bf{b}$   radius 0.5 and 1.5", r"$\bf{c}$   a map"
    ]  # fmt: skip
    first, second = figure.axes[:2]
    assert first.lines[0].get_xydata().tolist() == [[0.5, 2.5], [1.0, 6.5], [1.5, 10.5]]
    assert [line.get_xydata().tolist() for line in second.lines if len(line.get_xydata()) == 2] == [
        [[0.5, 0.5], [1.5, 8.5]], [[0.5, 2.5], [1.5, 10.5]]
    ]  # fmt: skip
    assert (figure.get_suptitle(), figure.get_supxlabel()) == ("Rates of tanh RNNs", "2 seeds")


@pytest.mark.parametrize(
    ("missing", "kept", "axes", "size"),
    [
        ({"a": 7}, "bc", 3, (14.5, 10.5)),
        ({"c": 7}, "ab", 2, (14.5, 5.25)),
        ({"a": 7, "b": 7}, "c", 2, (14.5, 5.25)),
    ],
)
def test_a_panel_without_rows_is_left_out_and_the_others_close_up(missing, kept, axes, size):
    """With a map goes its colour bar; the letters stay those of `gradlab show`."""
    figure = three(**{letter: {"length": value} for letter, value in missing.items()})(FRAME)
    assert [title[len(r"$\bf{")] for title in titles(figure)] == list(kept)
    assert len(figure.axes) == axes
    assert tuple(figure.get_size_inches()) == size
    figure.draw_without_rendering()
    boxes = [panel.get_position() for panel in figure.axes]
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    assert max(box.x1 for box in boxes) > 0.85 and min(box.x0 for box in boxes) < 0.15


def test_a_panel_that_finds_nothing_leaves_with_its_colour_bar():
    def bar_first(panel, frame):
        panel.figure.colorbar(matplotlib.cm.ScalarMappable(), ax=panel)
        raise NotMeasured("needs more")

    def nothing(panel, frame):
        panel.axhline(0)
        panel.plot([1.0], [np.nan])

    figure = page("-", "-", [Panel("x", bar_first), Panel("y", nothing), Panel("z", LINES)])(FRAME)
    assert titles(figure) == [r"$\bf{c}$   z"] and len(figure.axes) == 1


NOWHERE = page("-", "-", [Panel("x", LINES, {"length": 7})])


def test_a_page_without_any_rows_is_no_figure(tmp_path):
    with pytest.raises(NotMeasured, match="needs rows with length=7"):
        NOWHERE(FRAME)
    with pytest.raises(draw.NoRows, match="no figure of e: it needs rows with length=7"):
        draw.draw(replace(made(), figure=NOWHERE), FRAME, tmp_path / "e.png")


def test_an_empty_panel_is_one_of_nothing_but_lines_across_it():
    _figure, (bare, full) = style.panels(1, 2)
    for panel in (bare, full):
        panel.axhline(1)
        panel.axvline(1)
        panel.plot([], [])
        panel.plot([1.0], [np.nan])
    full.plot([1.0], [2.0])
    assert is_empty(bare) and not is_empty(full)


def made(at_most=99.0, **where):
    """An experiment of the table above, whose quick run has one seed."""
    return Experiment(
        "How fast?", {"radius": [0.5, 1.0, 1.5], "length": [10, 50], "seed": [0, 1]}, ["seed"],
        measure="m:f", figure=three(**where), name="e", constants={"hidden_size": 64},
        quick={"seed": [0]},
        claims=[Claim("slow", "-", source="-", measured=mean("rate", length=50), at_most=at_most)],
    )  # fmt: skip


def said(experiment, frame):
    figure = draw.drawn(experiment, frame)
    headline, caption, *stamps = [text.get_text() for text in figure.texts]
    return headline, caption.split("\n"), stamps


def test_the_headline_is_the_question_where_a_claim_does_not_hold():
    assert said(made(), FRAME)[:2] == ("Rates of tanh RNNs", ["2 seeds"])
    headline, caption, _ = said(made(at_most=0.0), FRAME)
    assert headline == "How fast?" and caption == ["2 seeds", "this table does not bear out: slow"]
    headline, caption, _ = said(made(), FRAME[FRAME.length == 10])
    assert headline == "How fast?" and caption[-1] == "not measured by this table: slow"
    assert caption[1] == "another grid than the reference run's: length=10"


def test_a_quick_run_and_another_setting_are_said_on_the_figure():
    one = FRAME[FRAME.seed == 0]
    assert "quick run" not in said(made(), FRAME)[2]
    assert said(made(), one)[1:] == (["1 seed"], ["quick run"])
    _, caption, stamps = said(made(), one.assign(hidden_size=8))
    assert caption[1:] == ["another grid than the reference run's: hidden_size=8"]
    assert "quick run" in stamps
    _, caption, stamps = said(made(), FRAME.assign(hidden_size=8))
    assert caption[1:] == ["another grid than the reference run's: hidden_size=8"] and not stamps


def test_a_panel_says_what_it_shows():
    """For `gradlab show`: its own sentence, else that of what draws it."""
    assert Panel("t", LINES).sentence == "Median of rate over radius, a line for each length"
    assert Panel("t", LINES, says="Rates.").sentence == "Rates."
    assert [panel.title for panel in three().panels] == [
        "lengths {length}",
        "radius {radius}",
        "a map",
    ]


DOT = pd.DataFrame({"kind": ["a"], "value": [1.0]})


def dot(panel, frame):
    panel.plot(frame.value, frame.value, "o")


def laid_out(figure):
    """Each panel's title letter -> its (left, bottom, width, height) in inches."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    found = {}
    for axes in figure.axes:
        box = axes.get_subplotspec().get_position(figure)
        size = box.x0 * width, box.y0 * height, box.width * width, box.height * height
        found[axes.get_title(loc="left")[-1]] = size
    return found


def dots(panels, **options):
    return page("headline", "caption", panels, size=(10, 9), **options)(DOT)


def test_widths_and_heights_are_shares():
    wide, one, last = (Panel(title, dot, width=w) for title, w in (("A", 3), ("B", 1), ("C", 1)))
    at = laid_out(dots([[wide, one], [last]], heights=[1, 2]))
    gap = 0.6  # inches between panels that the shares leave out
    assert at["A"][2] == pytest.approx(3 * at["B"][2], abs=gap * 2)
    assert at["C"][2] == pytest.approx(at["A"][2] + at["B"][2], abs=gap * 2)
    assert at["C"][3] == pytest.approx(2 * at["A"][3], abs=gap * 2)
    assert at["A"][1] > at["C"][1]


def test_what_is_left_takes_the_place_of_what_is_not():
    there, gone = Panel("A", dot, width=2), Panel("B", dot, {"kind": "b"})
    figure = dots([[there, gone], [gone, gone]], heights=[1, 2])
    assert [panel.get_title(loc="left")[-1] for panel in figure.axes] == ["A"]
    assert tuple(figure.get_size_inches()) == pytest.approx((10, 9 / 3))


def test_panels_of_unlike_rows_keep_out_of_each_other():
    """A grid of 20 thin columns has no layout: matplotlib leaves labels on their neighbours."""
    widths = [[7, 13], [1], [1, 1]]
    panels = [[Panel("x", LINES, width=width) for width in row] for row in widths]
    figure = page("-", "-", panels, size=(16, 12.6))(FRAME)
    figure.draw_without_rendering()
    boxes = [panel.get_tightbbox() for panel in figure.axes]
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)


@pytest.mark.parametrize("width", [6.0, 8.0, 14.5, 17.0])
def test_headline_and_caption_fit_the_width_and_leave_the_stamp_its_place(width):
    question = "How does the gradient of a random network depend on its spectral radius? " * 2
    words = "64 units, task noise, 20 seeds; dashed: mean-field theory for the drawn W; " * 5
    figure = page(question, words + "\nand more", [Panel("x", LINES)], size=(width, 5))(FRAME)
    style.stamp(figure, "quick run")
    figure.draw_without_rendering()
    headline, caption, stamp = (text.get_window_extent() for text in figure.texts)
    assert not headline.overlaps(stamp) and caption.x1 < figure.bbox.x1
    assert caption.x1 > 0.75 * figure.bbox.x1 and figure.get_supxlabel().endswith("\nand more")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"seeds": [3, 4], "network": ["p", "q"]}, "3 and 4, p and q"),  # columns come first
        ({"a": [1, 2]}, "no, RNN"),  # a table without seeds
    ],
)
def test_words_for_a_table_give_way_to_its_columns(columns, said):
    assert filled("{seeds}, {network}", pd.DataFrame(columns)) == said


@pytest.mark.parametrize(
    ("caption", "there", "said"),
    [
        ("a, b: medians; c: means", "b", "b: medians"),
        ("a, b: medians; c: means", "c", "c: means"),
        ("{seeds}\na: x (thin), thick; b: y\nc to e: red, blue; d, e: ink", "de",
         "{seeds}\nd, e: red, blue; d, e: ink"),
        ("Points (a, b: one; c: two). Lines in a: law;\nin b: other", "c", "Points (c: two)."),
        ("Points (a, b: one; c: two). Lines in a: law;\nin b: other", "a",
         "Points (a: one). Lines in a: law"),
        ("W (a-c: gain 1), T = 9 (d: 20); b-d: mean", "a", "W (a: gain 1), T = 9"),
        ("noise: {task}; over 2 (d: law); dashed in c: slope", "ab", "noise: {task}; over 2"),
        ("2 seeds: medians, c: and ranges, f: intervals\nby lag: norms", "af",
         "2 seeds: medians, f: intervals\nby lag: norms"),
    ],
)  # fmt: skip
def test_a_caption_speaks_of_panels_that_are_there(caption, there, said):
    assert of_panels(caption, there) == said


def test_a_page_drops_the_captions_of_panels_left_out():
    panels = [Panel("x", LINES, {"length": 7}), Panel("y", LINES)]
    for caption in ("{seeds}; a: lost\nb: kept", lambda _: "{seeds}; a: lost\nb: kept"):
        assert page("-", caption, panels)(FRAME).get_supxlabel() == "2 seeds\nb: kept"


def test_a_setting_with_several_values_has_a_page_for_each():
    made = three(c={"length": 10})
    parts = [({"cell": name}, FRAME.assign(cell=name)) for name in ("elman", "lstm")]
    bare = FRAME[FRAME.length == 50].assign(cell="gru")
    figure = made.of_parts([*parts, ({"cell": "gru"}, bare)])
    assert [own.get_suptitle() for own in figure.subfigs] == ["cell elman", "cell lstm", "cell gru"]
    titled = [[axes.get_title(loc="left") for axes in own.axes] for own in figure.subfigs]
    assert [len([title for title in own if title]) for own in titled] == [3, 3, 2]
    heights = [style.roomy(made.size).get_figheight()] * 2
    assert figure.get_figheight() == pytest.approx(sum(heights) + made(bare).get_figheight())
    with pytest.raises(NotMeasured, match="9 parts, of which a figure holds 8 at most"):
        made.of_parts(parts[:1] * 9)


def test_an_experiments_figure_is_a_page_for_each_value_of_a_constant():
    experiment = Experiment(
        "?", {"radius": [1.0]}, [], "m:f", three(), name="e", constants={"cell": "elman"},
    )  # fmt: skip
    both = pd.concat([FRAME, FRAME.assign(cell="lstm")])
    assert len(draw.drawn(experiment, both).subfigs) == 2
    assert not draw.drawn(experiment, FRAME).subfigs
    headlines = [said(experiment, frame)[0] for frame in (FRAME, both)]
    assert headlines == ["Rates of tanh RNNs", "?"]  # claims are about the file's own cell
    assert not draw.drawn(experiment, FRAME.drop(columns="cell")).subfigs
