"""The house style: one look for all figures, readable on a slide, the same bytes each time.

Cool colours vanish, warm ones explode, ink is the edge between them. Figures are made without
pyplot's windows, so they can be drawn on a machine without a display.
"""

import textwrap
import warnings
from contextlib import contextmanager

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradlab.plots.palette import CRITICAL, EXPLODING, MUTED, VANISH_EXPLODE

DIVERGING = LinearSegmentedColormap.from_list(
    "vanish_explode",
    VANISH_EXPLODE,
)
_RULES = {
    "axes.edgecolor": MUTED,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelcolor": CRITICAL,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titlepad": 10,
    "figure.titlesize": 17,
    "figure.titleweight": "bold",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib's own: the same on every machine
    "grid.color": "#e4e6ea",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "pdf.fonttype": 42,
    "savefig.dpi": 170,
    "svg.hashsalt": "gradlab",
    "text.color": CRITICAL,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


@contextmanager
def style():
    """Draw in the house style; the user's own settings come back afterwards.

    It starts from matplotlib's defaults: a matplotlibrc, usetex or a seaborn theme change nothing.
    """
    with matplotlib.rc_context(), np.errstate(all="ignore"), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(sns.axes_style("ticks"))
        matplotlib.rcParams.update(sns.plotting_context("notebook", font_scale=1.05))
        matplotlib.rcParams.update(_RULES)
        # a part of the grid may leave a panel without lines, and so without a legend
        warnings.filterwarnings("ignore", "No artists with labels found to put in legend")
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        warnings.filterwarnings("ignore", "All-NaN|Mean of empty|Degrees of freedom")
        yield


def panels(rows, columns, size=(13.0, 8.5), **options):
    """(figure, axes): a grid of panels that make room for their labels; options as `subplots`."""
    figure = roomy(size)
    return figure, figure.subplots(rows, columns, **options)


def roomy(size, kind=Figure):
    """An empty figure, size in inches, whose panels make room for their labels."""
    figure = kind(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12, wspace=0.04, hspace=0.05)
    return figure


def save(figure, path, kind):
    """Write a PNG, PDF or SVG, without dates or version stamps and without the user's backend."""
    stamps = {"png": ["Software"], "pdf": ["CreationDate", "Producer", "Creator"]}
    stamps = dict.fromkeys(stamps.get(kind, ["Date", "Creator"]))
    backend = {"png": "agg"}.get(kind, kind)
    figure.savefig(path, format=kind, backend=backend, metadata=stamps, facecolor="white")


def headline(figure, text):
    """The figure's message, at its top left."""
    room = figure.get_figwidth() - 1.5  # that of the stamp
    figure.suptitle(wrapped(text, room / 0.14), x=0.01, ha="left")


def caption(figure, text):
    """What was measured and how, in one quiet line (or a few) at the bottom."""
    text = wrapped(text, figure.figure.get_figwidth() / 0.0755)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=10, color=MUTED)


def wrapped(text, most):
    """Text in lines of at most so many characters."""
    return "\n".join(textwrap.fill(line, int(most)) for line in text.split("\n"))


def stamp(figure, text):
    """A word at the top right that tells this figure from a reference run's."""
    box = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": EXPLODING}
    figure.text(0.99, 0.985, text, ha="right", va="top", color=EXPLODING, weight="bold", bbox=box)


def label(panel, x, y, text, color, **options):
    """A word or two on a map, bold and legible on any colour; options as `Axes.text`."""
    look = {"ha": "center", "va": "center", "weight": "bold"} | options
    drawn = panel.text(x, y, text, color=color, **look)
    drawn.set_bbox({"fc": "white", "ec": "none", "alpha": 0.8})


def titles(axes, texts):
    """Give panels their letters and titles: (a), (b), ... in reading order."""
    for letter, panel, text in zip("abcdefghijkl", np.ravel(axes), texts, strict=False):
        panel.set_title(rf"$\bf{{{letter}}}$   {text}")


def powers_of_ten(axis):
    """Label an axis whose data are log10 values by 10^value, at whole decades."""
    axis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{value:g}}}$"))


def centred(values, limit=None):
    """A colour scale with 0 in the middle; the limit is the 98th percentile of |values|."""
    size = np.abs(np.asarray(values, dtype=float))
    size = size[np.isfinite(size)]
    limit = limit or (np.percentile(size, 98) if size.any() else 1.0) or size.max()
    return Normalize(-limit, limit)


def colours(values, edge=1.0):
    """A colour for each value: cool below the edge, ink on it, warm above, stronger when far."""
    far = np.asarray(values, dtype=float) - edge
    reach = np.where(far < 0, np.abs(far.min()), np.abs(far.max()))
    shades = 0.5 + np.sign(far) * (0.16 + 0.26 * np.abs(far) / np.maximum(reach, 1e-12))
    return [CRITICAL if x == 0 else to_hex(DIVERGING(s)) for x, s in zip(far, shades, strict=True)]
