"""The map of regimes over the radius and the length, and where the controls stand on it."""

import numpy as np
from bokeh.events import Tap
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    LinearColorMapper,
)

from gradlab.explorer.views import common

NEEDS = "regimes"
TITLE = "Where gradients vanish and explode: click to go there"
FORMULA = (
    "log10 of ||dL/dh_0|| / ||dL/dh_T||: cool where the gradient has vanished on its way over "
    "the whole sequence, warm where it has exploded, white where it has kept its size; full "
    "colour at 10 decades."
)
SOURCE = "`gradlab show spectral_radius`; Pascanu, Mikolov, Bengio (ICML 2013), section 2"
FULL = 10.0  # decades
LENGTH = "const own = rows.data.length[Math.floor(tick)]; return own ? String(own) : '';"


class View:
    """An image, a column a radius and a row a length, with a mark where the controls stand."""

    def __init__(self):
        self.figure = common.plot("spectral radius of W", "sequence length", TITLE)
        self.image = ColumnDataSource({name: [] for name in ("image", "x", "dw", "dh")})
        self.figure.image(
            "image", x="x", y=0, dw="dw", dh="dh", source=self.image,
            color_mapper=LinearColorMapper(palette=common.PALETTE, low=0, high=common.LEVELS - 1),
        )  # fmt: skip
        self.here = ColumnDataSource({"x": [], "y": []})
        self.figure.scatter(
            "x", "y", source=self.here, size=16, marker="circle_cross", line_color="#000000",
            fill_color="#ffffff", line_width=2, fill_alpha=0.7,
            level="overlay",  # a canvas of its own: where it moves the map is not painted anew
        )  # fmt: skip
        self.figure.grid.visible = False
        self.rows = ColumnDataSource({"length": []})
        self.figure.yaxis.formatter = CustomJSTickFormatter(args={"rows": self.rows}, code=LENGTH)
        self.ticks = self.figure.yaxis[0].ticker = FixedTicker(ticks=[])
        self._lengths, self._state = np.array([10.0, 500.0]), None

    def on_tap(self, told):
        """Call told(radius, length) where the map is clicked."""

        def tapped(event):
            if event.x is not None and event.x >= 0:
                told(float(event.x), max(1, round(self._length(event.y))))

        self.figure.on_event(Tap, tapped)

    def go_to(self, state):
        """The mark of a state."""
        self._state = state
        x, y = state.spectral_radius, self._row(state.sequence_length)
        return common.columns(self.here, x=[x], y=[y])

    def draw(self, regimes):
        """A `Regimes`."""
        self._lengths = np.asarray(regimes.lengths, float)
        known = np.nan_to_num(regimes.log10, neginf=-FULL, posinf=FULL)
        level = (np.clip(known / FULL, -1, 1) + 1) / 2 * (common.LEVELS - 1)
        image = np.ascontiguousarray(level.round().astype(np.uint8))
        between = (regimes.radii[-1] - regimes.radii[0]) / max(len(regimes.radii) - 1, 1)
        left, wide = regimes.radii[0] - between / 2, between * len(regimes.radii)
        rows = len(self._lengths)
        ticks = [row + 0.5 for row in range(rows)]
        return [
            common.columns(self.image, image=[image], x=[left], dw=[wide], dh=[rows]),
            common.limits(self.figure.x_range, left, left + wide),
            common.limits(self.figure.y_range, 0, rows),
            common.columns(self.rows, length=self._lengths),
            (self.ticks, {"ticks": ticks}),
            *([self.go_to(self._state)] if self._state else []),
        ]

    def _row(self, length):
        """Where a length stands: rows follow one another as their logarithms do between them."""
        rows = np.arange(len(self._lengths)) + 0.5
        return float(np.interp(np.log(length), np.log(self._lengths), rows))

    def _length(self, row):
        rows = np.arange(len(self._lengths)) + 0.5
        return float(np.exp(np.interp(row, rows, np.log(self._lengths))))
