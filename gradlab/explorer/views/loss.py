"""The loss of each update."""

from bokeh.models import ColumnDataSource

from gradlab.explorer.views import common

NEEDS = "training"
TITLE = "Loss of each minibatch"
FORMULA = "L, mean over the lanes of a minibatch of 20; w <- w - rate * clip(dL/dw), plain SGD."
SOURCE = "`gradlab show training_map`"


class View:
    """One line, on a logarithmic axis."""

    def __init__(self):
        self.figure = common.plot("updates", "loss", TITLE, y_axis_type="log", **common.fitting())
        self.source = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self.source, color=common.COOL, line_width=1.5)

    def draw(self, progress):
        """A `Progress`."""
        loss = common.drawable(progress.loss, common.SMALLEST)
        return [common.columns(self.source, x=progress.at, y=loss)]
