"""The states over time, as a heat map."""

import numpy as np
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d

from gradlab.explorer.views import common

NEEDS = "look"
TITLE = "The states over time"
FORMULA = (
    "h_t = f(b + W h_{t-1} + U x_t), a row a unit, a column a step, from -1 (cool) to 1 "
    "(warm). A unit near -1 or 1 is saturated: f' is small there, and no gradient passes."
)
SOURCE = "the lectures on recurrent networks; Goodfellow, Bengio, Courville, Deep Learning, 10.2"


class View:
    """One byte a state crosses: its place in the palette."""

    def __init__(self):
        self.figure = common.plot(
            "step", "unit", TITLE, x_range=Range1d(0, 1), y_range=Range1d(0, 1)
        )
        self.image = ColumnDataSource({"image": [], "dw": [], "dh": []})
        self.figure.image(
            "image", x=0, y=0, dw="dw", dh="dh", source=self.image,
            color_mapper=LinearColorMapper(palette=common.PALETTE, low=0, high=common.LEVELS - 1),
        )  # fmt: skip
        self.figure.grid.visible = False

    def draw(self, look):
        """A `Look`."""
        steps, units = look.states.shape
        size = max(1.0, float(np.nanmax(np.abs(np.nan_to_num(look.states, posinf=0, neginf=0)))))
        with np.errstate(invalid="ignore", over="ignore"):
            level = np.nan_to_num(np.clip(look.states / size, -1, 1))
        image = np.round((level.T + 1) / 2 * (common.LEVELS - 1)).astype(np.uint8)
        return [
            common.columns(self.image, image=[image], dw=[steps], dh=[units]),
            common.limits(self.figure.x_range, 0, steps),
            common.limits(self.figure.y_range, 0, units),
        ]
