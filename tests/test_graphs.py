"""Small graphs and tiles: numbers as a reader writes them, widths and colours that follow sizes."""

import numpy as np
import pytest

from gradlab.plots import graphs, palette, style


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (-1.0, "-1"), (1 / 3, "0.333"), (-1e-4, "0"), (100.0, "100"), (0.0, "0")],
)
def test_a_number_is_short(value, text):
    assert graphs.number(value) == text


def test_vectors_and_matrices_are_written_by_lines():
    assert graphs.written([[2.0]]) == "2"
    assert graphs.written([1, -2]) == "(1, -2)"
    assert graphs.written([[1, 0.5], [0, -1]]) == "(1, 0.5)\n(0, -1)"


def test_a_web_is_as_wide_as_its_edges_are_strong():
    _, panel = style.panels(1, 1)
    graphs.stage(panel, 2, 2)
    ends = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [0.0, 2.0]])
    lines = graphs.web(panel, np.zeros((4, 2)), ends, [3.0, -np.inf, 0.0, -1.0], limit=2.0)
    widths = lines.get_linewidths()
    assert sorted(widths) == list(widths) and widths[-1] > 5 * widths[0] > 0
    assert [float(segment[1][0]) for segment in lines.get_segments()] == [1, 0, 1, 1]


def test_tiles_return_where_they_end():
    figure, panel = style.panels(1, 1)
    graphs.stage(panel, 5, 5)
    assert graphs.tiles(panel, (1.0, 4.0), np.eye(3), "W") == 4.0
    assert graphs.tiles(panel, (1.0, 4.0), 0.5) == 2.0
    figure.draw_without_rendering()
    assert [text.get_text() for text in panel.texts].count("1") == 3


def test_an_edge_has_its_value_and_its_gradient():
    _, panel = style.panels(1, 1)
    graphs.stage(panel, 5, 5)
    graphs.edge(panel, (1, 1), (4, 1), "2", "3")
    graphs.edge(panel, (1, 1), (1, 4), "4", "5")
    above, below, left, right = panel.texts
    assert above.get_position()[1] > 1 > below.get_position()[1]
    assert left.get_position()[0] < 1 < right.get_position()[0]
    assert below.get_color() == right.get_color() == palette.EXPLODING


def test_an_equation_goes_from_left_to_right_on_one_line():
    _, panel = style.panels(1, 1)
    graphs.stage(panel, 10, 4)
    parts = [("W", [[1, 2], [3, 4]]), ("=", 0.5), ("x", [5, 6])]
    width, height = graphs.TILE
    assert graphs.equation(panel, (1.0, 2.0), parts) == pytest.approx(1.0 + 4 * width + 0.5)
    at = {text.get_text(): text.get_position() for text in panel.texts}
    assert at["="] == pytest.approx((1.0 + 2 * width + 0.25, 2.0))
    assert at["1"][1] == pytest.approx(2.0 + height / 2) and at["5"][1] == pytest.approx(2.0)
    assert at["1"][0] < at["2"][0] < at["="][0] < at["5"][0] < at["6"][0]
