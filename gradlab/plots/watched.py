"""A log of gradient norms: over the updates, and their distribution beside it."""

import numpy as np

from gradlab.files import expanded, replacing
from gradlab.plots import style
from gradlab.plots.networks import Picture
from gradlab.plots.palette import CRITICAL, EXPLODING, MUTED, VANISHING

MOST = 3000  # updates that have a point each; of more, stretches have a line and a band
BAND = "#fff0b3"  # the rule of thumb, as in `clipping`
MARKED = 2000  # spikes that are drawn, the largest ones


def figure(frame, threshold, band, headline, caption):
    """The figure of a table with update, norm, usual, spike and finite.

    threshold   the one in use, an array of each row's, or None
    band        (low, high) of the rule of thumb
    """
    with style.style():
        picture = style.roomy((13.5, 6.0), Picture)
        left, right = picture.subplots(1, 2, sharey=True, width_ratios=[3.2, 1])
        seen = frame[frame.finite & (frame.norm > 0)]
        seen = seen.assign(log10=np.log10(seen.norm))
        if len(seen):
            _over_updates(left, seen)
            _distribution(right, seen)
            _band(left, right, band)
            left.set_ylim(*_limits(seen.log10, threshold))
            style.powers_of_ten(left.yaxis)
        _threshold(left, right, frame, threshold)
        _not_finite(left, frame)
        left.set(xlabel="update", ylabel="norm of the gradient before clipping")
        right.set(xlabel="share of the updates", ylabel="")
        style.titles([left, right], ["norms over the updates", "their distribution"])
        if left.get_legend_handles_labels()[0]:
            below = {"loc": "upper left", "bbox_to_anchor": (-0.01, -0.13)}
            left.legend(fontsize=10, ncols=3, **below)
        style.headline(picture, headline)
        style.caption(picture, caption)
        return picture


def write(picture, path):
    """Write a figure to a PNG, PDF or SVG, whole or not at all."""
    path = expanded(path)
    with style.style(), replacing(path) as temporary:
        style.save(picture, temporary, path.suffix[1:].lower())


def _over_updates(panel, seen):
    update, log10 = seen["update"].to_numpy(), seen.log10.to_numpy()
    if len(seen) <= MOST:
        panel.plot(update, log10, ".", ms=4, color=VANISHING, alpha=0.5, mew=0)
    else:
        panel.fill_between(
            *_stretches(update, log10), color=VANISHING, alpha=0.35, lw=0, label="all norms"
        )
    if seen.usual.notna().any():
        every = max(1, len(seen) // MOST)
        usual = np.log10(seen.usual.to_numpy()[::every])
        panel.plot(update[::every], usual, color=CRITICAL, lw=1.5, label="running median")
    spikes = seen[seen.spike].nlargest(MARKED, "norm")
    if len(spikes):
        label = f"spikes: {int(seen.spike.sum()):,}"
        look = {"ms": 6, "mfc": "none", "color": EXPLODING, "label": label}
        panel.plot(spikes["update"], spikes.log10, "o", **look)


def _stretches(update, log10):
    """(middle update, least, largest) of 1,000 stretches."""
    parts = np.array_split(np.arange(len(update)), 1000)
    found = [(update[part].mean(), log10[part].min(), log10[part].max()) for part in parts]
    return np.array(found).T


def _distribution(panel, seen):
    counts, edges = np.histogram(seen.log10, bins=min(60, max(5, int(np.sqrt(len(seen))))))
    panel.barh(
        (edges[1:] + edges[:-1]) / 2, counts / counts.sum(), np.diff(edges), color=VANISHING,
        alpha=0.6,
    )  # fmt: skip


def _band(left, right, band):
    with np.errstate(divide="ignore", over="ignore"):
        low, high = np.clip(np.log10(band), -325, 310)
    for panel, label in ((left, "rule of thumb: half to ten times the mean"), (right, None)):
        panel.axhspan(low, high, color=BAND, zorder=0, label=label)


def _limits(log10, threshold):
    """All norms; a single threshold that is far away is left out."""
    low, high = log10.min(), log10.max()
    if isinstance(threshold, float) and threshold > 0:
        own = np.log10(threshold)
        if low - 2 < own < high + 2:
            low, high = min(low, own), max(high, own)
    room = max(0.06 * (high - low), 0.2)
    return low - room, high + room


def _threshold(left, right, frame, threshold):
    look = {"ls": "--", "color": EXPLODING, "lw": 1.5}
    if isinstance(threshold, float):
        if threshold > 0:
            for panel in (left, right):
                panel.axhline(np.log10(threshold), label=f"threshold {threshold:.4g}", **look)
    elif threshold is not None:
        left.plot(frame["update"], np.log10(threshold), label="threshold", **look)


def _not_finite(panel, frame):
    """Crosses at the top, where there is no norm to draw."""
    lost = frame["update"][~np.isfinite(frame.norm)]
    if len(lost):
        shown = lost.to_numpy()[:MARKED]
        panel.plot(shown, np.full(len(shown), 0.985), "x", color=MUTED, ms=7, mew=2,
                   transform=panel.get_xaxis_transform(), clip_on=False,
                   label=f"not finite: {len(lost):,}")  # fmt: skip
