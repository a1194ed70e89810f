"""A network's spectra and its gradient by lag, from plain arrays."""

import io
from typing import NamedTuple

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from gradlab.plots import style
from gradlab.plots.palette import CRITICAL, EXPLODING, MUTED, VANISHING

FEW = 12  # up to so many points each has a mark
LEAST = 1.15  # half the width of a complex plane: the unit circle is always whole


class Picture(Figure):
    """A figure that a notebook shows by itself, in the house style whatever the user's settings.

    Ticks are made when they are drawn, with the settings of that moment.
    """

    def draw(self, renderer):
        """As matplotlib's, in the house style."""
        with style.style():
            super().draw(renderer)

    def savefig(self, *arguments, **options):
        """As matplotlib's, in the house style."""
        with style.style():
            super().savefig(*arguments, **options)

    def _repr_png_(self):
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()


class Curve(NamedTuple):
    """log10 ||dL/d(state)|| (lags, lanes) by lag from 0: -inf an exact zero, nan not there.

    state: dL/dh or dL/dc; label: the same, and of which layer.
    """

    state: str
    label: str
    log10: np.ndarray


class Line(NamedTuple):
    """What theory says: a straight line of so many decades a step, and how it is drawn."""

    label: str
    rate: float
    dashes: str


def spectra(rows, headline, caption):
    """Eigenvalues beside the unit circle, and singular values.

    rows: {a chain's name: {a block's name: square matrix}}; each chain has a row of panels, one a
    block and one for the singular values of all.
    """
    with style.style():
        columns = 1 + max(map(len, rows.values()))
        picture, axes = _panels(len(rows), columns, (4.2 * columns, 4.3 * len(rows) + 1))
        for (chain, blocks), panels in zip(rows.items(), axes, strict=True):
            before = f"{chain}: " if chain else ""
            for (name, matrix), panel in zip(blocks.items(), panels, strict=False):
                _eigenvalues(panel, matrix)
                panel.set_title(f"{before}eigenvalues of {name}")
            _singular_values(panels[-1], blocks)
            panels[-1].set_title(f"{before}singular values")
        return _finished(picture, headline, caption)


def by_lag(curves, lines, headline, caption):
    """The median over lanes of each curve, with a band from the least to the largest lane."""
    with style.style():
        picture, [[panel]] = _panels(1, 1, (10.5, 6.2))
        found = [_seen(curve) for curve in curves]
        limits = _limits(found)
        colours = _colours(found)
        for curve, seen, colour in zip(curves, found, colours, strict=True):
            _curve(panel, curve.label, seen, colour, limits[0])
        reach = max(len(curve.log10) for curve in curves) - 1
        _lines(panel, lines, found[0], reach)
        panel.set(xlabel="lag T - t (steps)", xlim=(-0.02 * max(reach, 1), 1.02 * max(reach, 1)))
        panel.set(ylabel=", ".join(sorted({f"||{c.state}$_t$||" for c in curves})), ylim=limits)
        panel.xaxis.get_major_locator().set_params(integer=True)
        style.powers_of_ten(panel.yaxis)
        _say_zeros(panel, curves, found)
        if len(panel.get_legend_handles_labels()[0]) > 1:
            panel.legend()
        return _finished(picture, headline, caption)


def _panels(rows, columns, size):
    picture = style.roomy(size, Picture)
    return picture, picture.subplots(rows, columns, squeeze=False)


def _finished(picture, headline, caption):
    style.headline(picture, headline)
    style.caption(picture, caption)
    return picture


def _eigenvalues(panel, matrix):
    """Cool inside the unit circle, warm outside."""
    panel.add_patch(Circle((0, 0), 1, fill=False, color=CRITICAL, lw=1.5))
    half, radius = LEAST, "not finite"
    if np.isfinite(matrix).all():
        values = np.linalg.eigvals(matrix)
        largest = np.abs(values).max()
        half, radius = max(half, 1.08 * largest), f"spectral radius {largest:.4g}"
        inside = np.abs(values) <= 1
        for part, colour in ((inside, VANISHING), (~inside, EXPLODING)):
            panel.scatter(values[part].real, values[part].imag, s=18, color=colour, alpha=0.8)
    panel.set(xlabel=f"real part; {radius}", ylabel="imaginary part", aspect="equal")
    panel.set(xlim=(-half, half), ylim=(-half, half))


def _singular_values(panel, blocks):
    """From the largest to the smallest, a line a block; 1 keeps a length."""
    panel.axhline(1, color=CRITICAL, lw=1.5)
    for (name, matrix), colour in zip(blocks.items(), _distinct(len(blocks)), strict=True):
        if np.isfinite(matrix).all():
            values = np.linalg.svd(matrix, compute_uv=False)
            marks = "o-" if len(values) <= FEW else "-"
            label = f"{name}: largest {values[0]:.4g}"
            panel.plot(np.arange(1, len(values) + 1), values, marks, color=colour, label=label)
            panel.set_xlim(0.5, len(values) + 0.5)
    panel.set(xlabel="rank", ylabel="singular value", box_aspect=1)
    panel.set_ylim(bottom=0)
    panel.xaxis.get_major_locator().set_params(integer=True)
    if panel.get_legend_handles_labels()[0]:
        panel.legend()


def _distinct(count):
    four = [VANISHING, EXPLODING, CRITICAL, MUTED]
    return four[:count] if count <= len(four) else sns.color_palette("crest", count)


def _colours(found):
    """One curve is cool if it falls on its way back, and warm if it grows; several differ."""
    if len(found) > 1:
        return _distinct(len(found))
    middle = found[0][1][np.isfinite(found[0][1])]
    grows = middle.size > 1 and middle[-1] > middle[0]
    return [EXPLODING if grows else VANISHING]


def _seen(curve):
    """(least, median, largest) over lanes, (lags,) each; -inf an exact zero, nan not there."""
    values = np.where(curve.log10 == np.inf, np.nan, curve.log10)
    return np.nanquantile(values, [0, 0.5, 1], axis=1, method="lower")


def _limits(found):
    """Whole decades that hold every finite value."""
    finite = np.concatenate([seen[np.isfinite(seen)] for seen in found])
    if not finite.size:
        return -1.0, 1.0
    low, high = np.floor(finite.min()), np.ceil(finite.max())
    room = 0.04 * max(high - low, 1)
    return low - room, max(high, low + 1) + room


def _curve(panel, label, seen, colour, floor):
    low, middle, high = seen
    lags = np.arange(len(middle))
    if (low < high).any():
        edges = (np.where(np.isneginf(edge), floor, edge) for edge in (low, high))
        panel.fill_between(lags, *edges, color=colour, alpha=0.18, lw=0)
    marks = "o-" if len(lags) <= FEW else "-"
    if np.isfinite(middle).any():
        middle = np.where(np.isfinite(middle), middle, np.nan)
        panel.plot(lags, middle, marks, color=colour, label=label)


def _lines(panel, lines, seen, reach):
    """Each from the curve's own start, and no further than the curve's panel."""
    start = seen[1][0]
    if np.isfinite(start):
        for line in lines:
            ends = [start, start + line.rate * reach]
            panel.plot([0, reach], ends, line.dashes, color=MUTED, lw=1.6, label=line.label)


def _say_zeros(panel, curves, found):
    """Where every lane's gradient is exactly zero or not finite, which has no place on the axis."""
    for curve, (_, _, high) in zip(curves, found, strict=True):
        finite = np.flatnonzero(np.isfinite(high))
        if not finite.size:
            what = "exactly zero" if np.isneginf(high).any() else "not finite"
            panel.text(0.5, 0.55, f"{curve.label} is {what} at every step", ha="center",
                       transform=panel.transAxes, fontsize=13)  # fmt: skip
            return
        last = finite[-1]
        if np.isneginf(high[last:]).any():
            text = f"{curve.label} is exactly zero from lag {last + 1} on"
            panel.annotate(text, (last, high[last]), xytext=(8, 0), textcoords="offset points",
                           bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1})  # fmt: skip
