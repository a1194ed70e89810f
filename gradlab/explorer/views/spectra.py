"""Eigenvalues of W in the complex plane beside the unit circle, and its singular values."""

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS, Range1d

from gradlab.explorer.views import common

NEEDS = "look"
TITLE = "Eigenvalues and singular values of W"
FORMULA = (
    "W^t h_0 = sum over i of alpha_i lambda_i^t w_i: what lies inside the unit circle dies "
    "out, what lies outside grows. The largest singular value, the dashed circle, bounds one "
    "step. Of a cell with gates each gate's block of W; right: singular values by rank."
)
SOURCE = "the lectures on W^t h_0; Pascanu, Mikolov, Bengio (ICML 2013), section 2.1"
# A unit of x has as many pixels as one of y, at any width (match_aspect leaves a Range1d alone).
ROUND = """
const half = room.data.half[0], { inner_width: wide, inner_height: high } = figure;
const unit = Math.max(3.3 * half / wide, 2 * half / high);
figure.x_range.setv({start: -half, end: unit * wide - half}, {sync: false});
figure.y_range.setv({start: -unit * high / 2, end: unit * high / 2}, {sync: false});
"""
TURNS = np.linspace(0, 2 * np.pi, 90)


class View:
    """Cool inside the unit circle, warm outside; a short line of singular values at the right."""

    def __init__(self):
        self.figure = common.plot(
            "real part", "imaginary part", TITLE,
            x_range=Range1d(-1.6, 1.6), y_range=Range1d(-1.6, 1.6),
        )  # fmt: skip
        self.room = ColumnDataSource({"half": [1.6]})
        fit = CustomJS(args={"figure": self.figure, "room": self.room}, code=ROUND)
        self.room.js_on_change("data", fit)
        for size in ("inner_width", "inner_height"):
            self.figure.js_on_change(size, fit)
        self.figure.line(np.cos(TURNS), np.sin(TURNS), color=common.QUIET, line_width=2)
        self.bound = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self.bound, color=common.AMBER, line_dash="dashed")
        self.values = ColumnDataSource({"x": [], "y": [], "color": []})
        self.figure.scatter("x", "y", color="color", source=self.values, size=6, alpha=0.8)
        self.singular = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self.singular, color=common.AMBER, line_width=2)

    def draw(self, look):
        """A `Look`."""
        values = np.concatenate([e for e, _ in look.spectra.values()])
        largest = max(s[0] for _, s in look.spectra.values())
        warm = np.abs(values) > 1
        colors = np.where(warm, common.WARM, common.COOL).tolist()
        x, y = largest * np.cos(TURNS), largest * np.sin(TURNS)
        _, half = common.round_limits(0, 1.15 * max(1.0, largest))
        (_, singular), *_ = look.spectra.values()
        rank = np.linspace(1.25 * half, 2.2 * half, len(singular))
        return [
            common.columns(self.values, x=values.real, y=values.imag, color=colors),
            common.columns(self.bound, x=x, y=y),
            common.columns(self.singular, x=rank, y=singular),
            common.columns(self.room, half=[float(half)]),
        ]
