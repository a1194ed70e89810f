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
