"""The unrolled network, whose edges carry the gradient."""

import numpy as np
from bokeh.models import ColumnDataSource, Range1d
from bokeh.models.annotations import LabelSet

from gradlab.explorer.views import common

NEEDS = "look"
TITLE = "The unrolled network: how much of the gradient arrives"
FORMULA = (
    "dL/dW = sum over t of dL/dW_t: each copy of the cell gets what came back to it. The "
    "width of an edge is log ||dL/dh_t|| relative to the last one: full at 1, none at 10^-8; "
    "warm where it has grown. The numbers are that ratio."
)
SOURCE = "the lectures on backpropagation through time; Werbos (1990)"
HIGH = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
NODES, NOTHING = 9, -8.0  # as many states at most; decades at which an edge is no longer seen


class View:
    """States h_t at equal distances in time; between two of them what has come back to the left."""

    def __init__(self):
        self.figure = common.plot(
            "", "", TITLE, x_range=Range1d(-0.6, NODES - 0.4), y_range=Range1d(-1, 1), height=150
        )
        self.figure.axis.visible = self.figure.grid.visible = False
        self.edges = ColumnDataSource({n: [] for n in ("x0", "x1", "y", "width", "color")})
        self.nodes = ColumnDataSource({n: [] for n in ("x", "y", "step", "ratio")})
        self.figure.segment(
            "x0", "y", "x1", "y", line_width="width", color="color", source=self.edges
        )
        self.figure.scatter(
            "x", "y", size=26, source=self.nodes, fill_color=common.QUIET, line_color=None
        )
        for column, offset in (("step", 24), ("ratio", -40)):
            self.figure.add_layout(LabelSet(
                x="x", y="y", text=column, source=self.nodes, y_offset=offset, text_align="center",
                text_font_size="12px", text_color=common.QUIET,
            ))  # fmt: skip

    def draw(self, look):
        """A `Look`."""
        steps = look.lag[-1]
        lags = np.unique(np.linspace(0, steps, min(NODES, steps + 1)).round().astype(int))
        log10, x = look.log10[lags], (NODES - 1.0) - np.arange(len(lags))
        shown = np.nan_to_num(log10, nan=NOTHING, neginf=NOTHING, posinf=-NOTHING)
        arrived, level = shown[1:], np.zeros(len(x))
        return [
            common.columns(
                self.nodes,
                x=x,
                y=level,
                step=[f"h{_low(steps - lag)}" for lag in lags],
                ratio=[_power(value) for value in log10],
            ),
            common.columns(
                self.edges,
                x0=x[:-1],
                x1=x[1:],
                y=level[1:],
                width=12 * np.clip(1 - arrived / NOTHING, 0, 1.5),
                color=[common.shade(value) for value in arrived],
            ),
        ]


def _low(number):
    return "".join(chr(0x2080 + int(digit)) for digit in str(number))


def _power(log10):
    if not np.isfinite(log10):
        return "0" if log10 < 0 else "?"
    if -2 < log10 < 3:
        return f"{10**log10:.0f}" if log10 > 1 else f"{10**log10:.2g}"
    return f"10{''.join(_high(c) for c in f'{log10:.0f}')}"


def _high(sign):
    return "\u207b" if sign == "-" else HIGH[int(sign)]
