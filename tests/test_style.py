"""The house style: the same bytes each time, honest colours, no window, no trace left behind."""

import matplotlib
import numpy as np
import pytest
from toy import experiment as toy

from gradlab.plots import palette, style
from gradlab.plots.draw import draw
from gradlab.runner import run


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return run(toy, results=tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_table_gives_the_same_bytes(tmp_path, frame, suffix):
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        draw(toy, frame, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size > 5000


def test_the_style_leaves_no_trace():
    before = dict(matplotlib.rcParams)
    with style.style():
        assert matplotlib.rcParams["savefig.dpi"] == 170
    assert dict(matplotlib.rcParams) == before


def test_colours_are_cool_below_the_edge_and_warm_above():
    low, less, edge, more, high = style.colours([0.5, 0.9, 1.0, 1.1, 2.5])
    assert edge == palette.CRITICAL
    red_minus_blue = [int(c[1:3], 16) - int(c[5:7], 16) for c in (low, less, more, high)]
    assert red_minus_blue[0] < 0 and red_minus_blue[1] < 0
    assert red_minus_blue[2] > 0 and red_minus_blue[3] > 0
    assert len(style.colours([1.0])) == 1


def test_a_centred_scale_has_zero_in_the_middle():
    for values in ([-3, 1], [[0, np.nan], [np.inf, 2]], [0.0], []):
        scale = style.centred(values)
        assert scale(0.0) == 0.5 and scale.vmax > 0
    assert style.centred([-3, 1], limit=2).vmin == -2


def test_decades_are_labelled_as_powers():
    figure, axes = style.panels(1, 1)
    axes.plot([-3, 3], [0, 1])
    style.powers_of_ten(axes.xaxis)
    figure.draw_without_rendering()
    assert "$10^{-2}$" in [tick.get_text() for tick in axes.get_xticklabels()]
