"""Figures in one style, from a table alone: a page of panels, the shared panels, small graphs."""

from gradlab.plots.late import Late
from gradlab.plots.page import Panel, page
from gradlab.plots.palette import CRITICAL, EXPLODING, MUTED, VANISHING
from gradlab.plots.panels import (
    RANGE,
    by_lag,
    counted,
    distribution,
    dots,
    medians,
    regime_map,
    shares,
    solved_by,
)

style = Late("gradlab.plots.style")
graphs = Late("gradlab.plots.graphs")

__all__ = [
    "CRITICAL", "EXPLODING", "MUTED", "RANGE", "VANISHING", "Panel", "by_lag", "counted",
    "distribution", "dots", "graphs", "medians", "page", "regime_map", "shares", "solved_by",
    "style",
]  # fmt: skip
