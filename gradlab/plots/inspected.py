"""A model's gradient by lag, the singular values of dh_T/dh_k, and what truncation leaves out."""

import numpy as np
import seaborn as sns

from gradlab.plots import style
from gradlab.plots.networks import Picture
from gradlab.plots.palette import CRITICAL, MUTED

FLOOR = -8  # log10 of a bias, below which it is none


def figure(frame, headline=None):
    """The figure of a table with layer, direction, lag, log10_gradient_h, ... (a row a lag)."""
    with style.style():
        picture = style.roomy((15.5, 5.6), Picture)
        panels = picture.subplots(1, 3)
        groups = _layers(frame)
        for panel, draw in zip(panels, (_by_lag, _singular, _bias), strict=True):
            for (name, rows), colour in zip(groups, _colours(len(groups)), strict=True):
                draw(panel, rows, colour, name)
        _finish(panels, frame)
        style.headline(picture, headline or f"The gradient of {frame.file.iloc[0]} on its way back")
        style.caption(picture, _caption(frame))
        return picture


def _layers(frame):
    """[(name, rows)]: the directions are named where there are two."""
    both = frame.direction.nunique() > 1
    return [
        (f"layer {layer}{f' {way}' * both}", rows)
        for (layer, way), rows in frame.groupby(["layer", "direction"], sort=False)
    ]


def _colours(count):
    return sns.color_palette("crest", count) if count > 1 else [sns.color_palette("crest", 3)[1]]


def _by_lag(panel, rows, colour, name):
    """log10 of the norm over that of h at lag 0; a dot where a horizon ends."""
    first = rows.log10_gradient_h.iloc[0]
    for part, dashes, start in (("h", "-", 0), ("c", "--", 1)):
        column = f"log10_gradient_{part}"
        if column not in rows or rows[column].isna().all():
            continue
        heights = _finite(rows[column] - first)[start:]
        panel.plot(rows.lag[start:], heights, dashes, color=colour, label=f"{name}: {part}")
        ends = int(rows[f"horizon_{part}"].iloc[0])
        if ends < rows.lag.max():
            panel.plot(ends, _finite(rows[column] - first)[ends], "o", color=colour, ms=6)


def _singular(panel, rows, colour, name):
    """log10 of the largest and of the median singular value of dh_T/dh_k."""
    known = rows[rows.lag > 0].dropna(subset=["log10_singular_largest"])
    for column, dashes, which in (("largest", "o-", "largest"), ("median", "s:", "median")):
        heights = _finite(known[f"log10_singular_{column}"])
        if np.isfinite(heights).any():
            panel.plot(known.lag, heights, dashes, ms=4, color=colour, label=f"{name}: {which}")


def _bias(panel, rows, colour, name):
    """log10 of the bound on the relative bias of a window of K steps."""
    heights = _finite(rows.log10_bias)
    if np.isfinite(heights).any():
        window = rows.window.iloc[0]
        label = f"{name}: K = {window:.0f}" if np.isfinite(window) else f"{name}: no window"
        panel.plot(rows.lag, heights, color=colour, label=label)


def _finish(panels, frame):
    left, middle, right = panels
    left.axhline(0, color=CRITICAL, lw=1)
    left.axhline(np.log10(frame.share.iloc[0]), color=MUTED, lw=1, ls=":")
    middle.axhline(0, color=CRITICAL, lw=1)
    right.axhline(np.log10(frame.bias.iloc[0]), color=MUTED, lw=1, ls=":")
    right.set_ylim(FLOOR, 1)
    shown = frame.lag[frame.log10_bias > FLOOR].max()
    right.set_xlim(0, max(1.1 * shown, 5) if np.isfinite(shown) else None)
    left.set(xlabel="lag T - k (steps)", ylabel="norm over that of h at lag 0")
    middle.set(xlabel="lag T - k (steps)", ylabel="singular values of dh$_T$/dh$_k$")
    if (frame.lag.max()) > 20:
        middle.set_xscale("log")
    right.set(xlabel="window K (steps)", ylabel="bound on the relative bias")
    for panel in panels:
        style.powers_of_ten(panel.yaxis)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(fontsize=9)
    titles = ["the gradient by lag", "what a step back stretches", "what truncation leaves out"]
    style.titles(panels, titles)


def _caption(frame):
    first = frame.iloc[0]
    what = "dh_T/dh_k (root mean square singular value)"
    if first.gradient != "dh_T/dh_k":
        what = f"dL_T/dh_k, {first.gradient.replace('_', ' ')} of the last step"
    return (
        f"{first.file}: {what}; dots: horizon, the largest lag with at least "
        f"{100 * first.share:g} % of the first norm; bias: Aicher, Foti, Fox (2019), dotted: "
        f"{100 * first.bias:g} %"
    )


def _finite(values):
    """An array in which an exact zero (-inf) is not drawn."""
    values = np.asarray(values, dtype=float)
    return np.where(np.isfinite(values), values, np.nan)
