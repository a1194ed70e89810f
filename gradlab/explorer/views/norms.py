"""The norm of each update's gradient, and which were clipped."""

import numpy as np
from bokeh.models import ColumnDataSource
from bokeh.models.annotations import Span

from gradlab.explorer.views import common

NEEDS = "training"
TITLE = "Norm of the gradient before clipping; clipped ones are warm"
FORMULA = (
    "||dL/dw|| of all weights together; above the threshold c the step is c / ||dL/dw|| of it."
)
SOURCE = "Pascanu, Mikolov, Bengio (ICML 2013), section 3.2"


class View:
    """A point an update, the threshold as a line."""

    def __init__(self):
        self.figure = common.plot("updates", "norm", TITLE, y_axis_type="log", **common.fitting())
        self.source = ColumnDataSource({"x": [], "y": [], "color": []})
        self.figure.scatter("x", "y", color="color", source=self.source, size=3, line_color=None)
        self.threshold = Span(dimension="width", line_color=common.AMBER, line_width=2)
        self.figure.add_layout(self.threshold)

    def draw(self, progress):
        """A `Progress`."""
        norm = common.drawable(progress.norm, common.SMALLEST)
        colors = np.where(progress.clipped, common.WARM, common.COOL).tolist()
        seen = bool(np.isfinite(progress.threshold))
        return [
            common.columns(self.source, x=progress.at, y=norm, color=colors),
            (self.threshold, {"visible": seen, "location": progress.threshold if seen else 1.0}),
        ]
