"""The norm of the gradient over the seeds, before and after clipping."""

import numpy as np
from bokeh.models import ColumnDataSource, Range1d
from bokeh.models.annotations import Span

from gradlab.explorer.views import common

NEEDS = "spread"
TITLE = "The gradient's norm over the seeds, and what clipping leaves of it"
FORMULA = (
    "g <- g min(1, c / ||g||): the norm of all weights' gradients together, of one network a "
    "seed on one sequence. The step keeps its direction. Below the threshold c nothing "
    "changes: clipping does not bring back what has vanished."
)
SOURCE = "Pascanu, Mikolov, Bengio (ICML 2013), section 3.2, algorithm 1"
LEGEND = (
    (common.WARM, "solid", "before"),
    (common.COOL, "solid", "after clipping"),
    (common.AMBER, "solid", "the threshold"),
)
BINS = 24


class View:
    """Two histograms over decades, the threshold between them."""

    def __init__(self):
        self.figure = common.plot("norm of the gradient", "networks", TITLE, y_range=Range1d(0, 1))
        common.decades(self.figure.xaxis)
        self.before = ColumnDataSource({n: [] for n in ("left", "right", "top")})
        self.after = ColumnDataSource({n: [] for n in ("left", "right", "top")})
        for source, color in ((self.before, common.WARM), (self.after, common.COOL)):
            self.figure.quad("left", "right", "top", 0, source=source, color=color, alpha=0.45)
        self.threshold = Span(dimension="height", line_color=common.AMBER, line_width=2)
        self.figure.add_layout(self.threshold)

    def draw(self, spread):
        """A `Spread`."""
        before = spread.before[np.isfinite(spread.before)]
        after = spread.after[np.isfinite(spread.after)]
        limit = np.log10(spread.threshold)
        every = np.concatenate([before, after])
        low, high = (every.min(), every.max()) if every.size else (-1.0, 1.0)
        if np.isfinite(limit):
            low, high = min(low, limit), max(high, limit)
        edges = np.linspace(*common.round_limits(low - 0.1, high + 0.1), BINS + 1)
        tops = [np.histogram(values, edges)[0] for values in (before, after)]
        sources, (left, right) = (self.before, self.after), (edges[:-1], edges[1:])
        seen = bool(np.isfinite(limit))
        return [
            *(
                common.columns(source, left=left, right=right, top=top)
                for source, top in zip(sources, tops, strict=True)
            ),
            (self.threshold, {"visible": seen, "location": float(limit) if seen else 0.0}),
            common.limits(self.figure.x_range, edges[0], edges[-1]),
            common.limits(self.figure.y_range, 0, 1.1 * max(1, *map(max, tops))),
        ]
