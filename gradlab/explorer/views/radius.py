"""The spectral radius of W as it learns."""

from bokeh.models import ColumnDataSource
from bokeh.models.annotations import Span

from gradlab.explorer.views import common

NEEDS = "training"
TITLE = "Spectral radius of W as it learns"
FORMULA = (
    "The largest |eigenvalue| of W (of a cell with gates: the largest over its gates' blocks)."
)
SOURCE = "Pascanu, Mikolov, Bengio (ICML 2013), section 2.1"


class View:
    """A line, and the edge at 1."""

    def __init__(self):
        self.figure = common.plot("updates", "spectral radius", TITLE, **common.fitting())
        self.source = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self.source, color=common.COOL, line_width=2)
        self.figure.add_layout(
            Span(dimension="width", location=1.0, line_color=common.QUIET, line_dash="dashed")
        )

    def draw(self, progress):
        """A `Progress`."""
        return [
            common.columns(self.source, x=progress.radius_at, y=common.drawable(progress.radius))
        ]
