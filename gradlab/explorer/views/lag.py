"""The gradient by lag beside theory's lines."""

import numpy as np
from bokeh.models import ColumnDataSource
from bokeh.models.annotations import Span

from gradlab.explorer.views import common

NEEDS = "look"
TITLE = "The gradient on its way back"
FORMULA = (
    "dL/dh_{t-1} = W^T diag(f'(a_t)) dL/dh_t, shown as ||dL/dh_{T-lag}|| / ||dL/dh_T||. Mean "
    "field: each step multiplies its square by chi = g^2 <f'(sqrt(q) z)^2>. radius^lag: W^t = "
    "V Lambda^t V^-1. Bound: no step multiplies it by more than max|f'| times the largest "
    "singular value of W. Horizon: the first lag at which it has changed tenfold."
)
SOURCE = (
    "Pascanu, Mikolov, Bengio (ICML 2013), section 2; Schoenholz, Gilmer, Ganguli, Sohl-Dickstein "
    "(2017)"
)
LEGEND = (
    (common.COOL, "solid", "dL/dh (warm where it has grown)"),
    (common.AMBER, "solid", "dL/dc of an LSTM; upright: horizon"),
    (common.QUIET, "dashed", "mean field"),
    (common.QUIET, "dotted", "radius^lag, and the bound by the largest singular value"),
)
DASHES = {"mean field": "dashed", "radius^lag": "dotted", "bound": "dashdot"}


class View:
    """A line for dL/dh, one for an LSTM's dL/dc, theory's lines, a mark at the horizon."""

    def __init__(self):
        self.figure = common.plot("lag (steps before the last one)", "gradient", TITLE)
        common.decades(self.figure.yaxis)
        self.measured = ColumnDataSource({"lag": [], "log10": []})
        self.cell = ColumnDataSource({"lag": [], "log10": []})
        self.lines = {name: ColumnDataSource({"lag": [], "log10": []}) for name in DASHES}
        for name, source in self.lines.items():
            self.figure.line(
                "lag", "log10", source=source, line_dash=DASHES[name], line_width=1.5,
                color=common.QUIET,
            )  # fmt: skip
        self.figure.line("lag", "log10", source=self.cell, line_width=2, color=common.AMBER)
        self.line = self.figure.line("lag", "log10", source=self.measured, line_width=3)
        self.horizon = Span(
            dimension="height", line_color=common.AMBER, line_dash="dashed", visible=False
        )
        self.figure.add_layout(self.horizon)

    def draw(self, look):
        """A `Look`."""
        lines = {self.measured: look.log10, self.cell: look.cell_log10}
        lines |= {source: look.lines.get(name) for name, source in self.lines.items()}
        seen = bool(np.isfinite(look.horizon))
        return [
            *(common.columns(source, **_line(look.lag, line)) for source, line in lines.items()),
            (self.line.glyph, {"line_color": common.shade(np.nan_to_num(look.log10[-1]))}),
            (self.horizon, {"visible": seen, "location": look.horizon if seen else 0.0}),
            common.limits(self.figure.x_range, 0, look.lag[-1]),
            common.limits(self.figure.y_range, *_limits(look)),
        ]


def _line(lag, log10):
    if log10 is None:
        return {"lag": np.empty(0, np.float32), "log10": np.empty(0, np.float32)}
    shown = np.where(np.isfinite(log10), log10, np.nan)
    return {"lag": lag.astype(np.float32), "log10": shown.astype(np.float32)}


def _limits(look):
    """What was measured, and of theory what lies near it."""
    seen = look.log10[np.isfinite(look.log10)]
    low, high = (seen.min(), seen.max()) if seen.size else (-1.0, 1.0)
    room = 0.05 * max(high - low, 1.0)
    return common.round_limits(low - room, high + room)
