"""The gradient by lag, before the training and now."""

import numpy as np
from bokeh.models import ColumnDataSource

from gradlab.explorer.views import common

NEEDS = "training"
TITLE = "The gradient on its way back: at the start (grey) and now"
FORMULA = "||dL/dh_{T-lag}|| / ||dL/dh_T||, median over 20 fresh sequences, always the same ones."
SOURCE = "`gradlab show omega`"


class View:
    """Two lines."""

    def __init__(self):
        self.figure = common.plot(
            "lag (steps before the last one)", "gradient", TITLE, **common.fitting()
        )
        common.decades(self.figure.yaxis)
        self.before = ColumnDataSource({"x": [], "y": []})
        self.now = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self.before, color=common.QUIET, line_width=2)
        self.line = self.figure.line("x", "y", source=self.now, line_width=3)

    def draw(self, progress):
        """A `Progress`."""
        lines = {self.before: progress.before, self.now: progress.now}
        shade = common.shade(np.nan_to_num(progress.now[-1]))
        return [
            *(
                common.columns(source, x=progress.lag, y=np.where(np.isfinite(y), y, np.nan))
                for source, y in lines.items()
            ),
            (self.line.glyph, {"line_color": shade}),
        ]
