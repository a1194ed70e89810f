"""A page puts its panels up: in rows, as wide and high as they say, without those that lack rows."""

import pandas as pd
import pytest

from gradlab.plots import Panel, page, style

FRAME = pd.DataFrame({"kind": ["a"], "value": [1.0]})


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


def drawn(panels, **options):
    with style.style():
        return page("headline", "caption", panels, size=(10, 9), **options)(FRAME)


def test_widths_and_heights_are_shares():
    wide, one, last = (Panel(title, dot, width=w) for title, w in (("A", 3), ("B", 1), ("C", 1)))
    at = laid_out(drawn([[wide, one], [last]], heights=[1, 2]))
    gap = 0.6  # inches between panels that the shares leave out
    assert at["A"][2] == pytest.approx(3 * at["B"][2], abs=gap * 2)
    assert at["C"][2] == pytest.approx(at["A"][2] + at["B"][2], abs=gap * 2)
    assert at["C"][3] == pytest.approx(2 * at["A"][3], abs=gap * 2)
    assert at["A"][1] > at["C"][1]


def test_what_is_left_takes_the_place_of_what_is_not():
    there, gone = Panel("A", dot, width=2), Panel("B", dot, {"kind": "b"})
    figure = drawn([[there, gone], [gone, gone]], heights=[1, 2])
    assert [panel.get_title(loc="left")[-1] for panel in figure.axes] == ["A"]
    assert tuple(figure.get_size_inches()) == pytest.approx((10 * 2 / 3, 9 / 3))
