"""The map of regimes over the radius and the length, and where the controls stand on it."""

import numpy as np
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d

from gradlab.explorer.views import common

NAME, NEEDS = "regimes", "regimes"
TITLE = "Where gradients vanish and explode: click to go there"
FORMULA = (
    "log10 of ||dL/dh_0|| / ||dL/dh_T||: cool where the gradient has vanished on its way over "
    "the whole sequence, warm where it has exploded, white where it has kept its size; full "
    "colour at 10 decades."
)
SOURCE = "`gradlab show spectral_radius`; Pascanu, Mikolov, Bengio (ICML 2013), section 2"
FULL = 10.0  # decades
TICKS = [10, 20, 50, 100, 200, 500]


class View:
    """A map with a mark."""

    def __init__(self):
        self.figure = common.plot(
            "spectral radius of W", "sequence length", TITLE,
            x_range=Range1d(0, 3), y_range=Range1d(10, 500), y_axis_type="log",
        )  # fmt: skip
        self.figure.yaxis.ticker = TICKS
        mapper = LinearColorMapper(palette=common.PALETTE, low=0, high=common.LEVELS - 1)
        shade = {"field": "level", "transform": mapper}
        self.cells = ColumnDataSource({n: [] for n in ("left", "right", "bottom", "top", "level")})
        self.figure.quad(
            "left", "right", "top", "bottom", source=self.cells, line_color=shade,
            fill_color=shade,
        )  # fmt: skip
        self.here = ColumnDataSource({"x": [], "y": []})
        self.figure.scatter(
            "x", "y", source=self.here, size=16, marker="circle_cross", line_color="#000000",
            fill_color="#ffffff", line_width=2, fill_alpha=0.7,
        )  # fmt: skip
        self.figure.grid.visible = False

    def on_tap(self, told):
        """Call told(radius, length) where the map is clicked."""

        def tapped(event):
            if event.x is not None and event.x >= 0 and event.y >= 1:
                told(float(event.x), round(event.y))

        self.figure.on_event(Tap, tapped)

    def go_to(self, state):
        """The mark of a state."""
        return common.columns(self.here, x=[state.spectral_radius], y=[state.sequence_length])

    def draw(self, regimes):
        """A `Regimes`."""
        x, y = _edges(regimes.radii), np.exp(_edges(np.log(regimes.lengths)))
        columns = {"left": x[:-1], "right": x[1:], "bottom": y[:-1], "top": y[1:]}
        across, up = (grid.ravel() for grid in np.meshgrid(*map(range, regimes.log10.T.shape)))
        at = {"left": across, "right": across, "bottom": up, "top": up}
        known = np.nan_to_num(regimes.log10.ravel(), neginf=-FULL, posinf=FULL)
        level = (np.clip(known / FULL, -1, 1) + 1) / 2 * (common.LEVELS - 1)
        data = {name: edges[at[name]] for name, edges in columns.items()}
        return [
            common.columns(self.cells, **data, level=level.round().astype(np.uint8)),
            common.limits(self.figure.x_range, x[0], x[-1]),
            common.limits(self.figure.y_range, y[0], y[-1]),
        ]


def _edges(middles):
    """Edges half-way between the middles of cells."""
    middles = np.asarray(middles, float)
    between = (middles[1:] + middles[:-1]) / 2
    first, last = 2 * middles[0] - between[0], 2 * middles[-1] - between[-1]
    return np.concatenate([[first], between, [last]])
