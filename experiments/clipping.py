"""Which clipping threshold is right, and what do the styles of clipping change?

Temporal order by plain SGD. A threshold that is too small makes every step short, without one a
few steps throw the network off, and between them lies a plateau. Pascanu, Mikolov and Bengio (ICML
2013, section 3.2) look for it at half to ten times the gradient's mean norm, which is right for the
norm of a training that learns; how wide it is depends on the learning rate, for what can do harm is
a step, rate x threshold.
"""

import math

import numpy as np
import seaborn as sns

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, nearest, rows, wilson

LEARNT = 0.2  # of chance, ln 4: the loss below which a training counts as learnt
CHANCE = math.log(4)
BAND = (0.5, 10.0)  # times the mean norm: the rule of thumb
RADII = [0.8, 1.2, 1.6]
UPDATES, EVERY = 2000, 50
STYLES = ["norm", "torch", "value", "per_array", "keras_global", "optax", "pascanu"]
ABOUT = {
    "task": "temporal_order", "cell": "elman", "activation": "tanh", "init": "gaussian",
    "hidden_size": 50, "sequence_length": 20, "optimizer": "sgd", "learning_rate": 0.2,
    "batch": 20, "omega": 0.0,
}  # fmt: skip
RADIUS, THRESHOLD = 1.2, 1.0  # at which the styles are compared


def plain(frame):
    """Clipping of the mean by norm: the sweep over thresholds."""
    return rows(frame, clip_style="norm", clip_per="mean")


def ends(frame):
    """The last row of each training."""
    return frame[frame["update"] == frame["update"].max()]


def whole(frame):
    """The same of trainings of all updates and of every radius."""
    for radius in RADII:
        rows(frame, update=UPDATES, spectral_radius=radius)
    return rows(frame, update=UPDATES)


def learnt(frame):
    """Whether a training has learnt, from its last row."""
    return ends(frame).mean_loss < LEARNT * CHANCE


def mean_norms(frame, threshold=THRESHOLD):
    """Radius -> mean norm of the gradients over all updates, with a threshold."""
    known = plain(frame)
    if math.isfinite(threshold):
        threshold = nearest(known.clip_threshold, threshold)
    known = rows(known, clip_threshold=threshold)
    return known.groupby("spectral_radius").mean_norm.mean()


def rule_of_thumb(threshold):
    """Share learnt in the band around the mean norm of trainings with this threshold."""

    def measured(frame):
        known = whole(plain(frame))
        relative = known.clip_threshold / known.spectral_radius.map(mean_norms(frame, threshold))
        inside = (relative >= BAND[0]) & (relative <= BAND[1])
        if not inside.any():
            raise NotMeasured("needs thresholds in the band")
        return (known[inside].mean_loss < LEARNT * CHANCE).mean()

    return measured


def share_learnt(threshold):
    """Share learnt with a threshold, all radii and seeds."""

    def measured(frame):
        known = whole(rows(plain(frame), clip_threshold=threshold))
        return (known.mean_loss < LEARNT * CHANCE).mean()

    return measured


def turned(style, per="mean"):
    """Median cosine between wanted and made steps of a style."""

    def measured(frame):
        known = rows(frame, clip_style=style, clip_per=per, clip_threshold=THRESHOLD)
        if not known.clipped.any():
            raise NotMeasured(f"needs updates that {style} clips")
        return known[known.clipped > 0].cosine.median()

    return measured


def straightness(frame):
    """Largest |1 - cosine| of a clipped mean by norm."""
    return (1 - plain(frame).cosine).abs().max()


def same_rule(frame):
    """Largest difference in loss of optax's and Pascanu's rule from the lectures', 50 updates."""
    known = rows(frame, clip_threshold=THRESHOLD, spectral_radius=RADIUS, clip_per="mean")
    early = known[known["update"] <= 50].set_index(["clip_style", "seed", "update"]).loss
    return max((early[style] - early["norm"]).abs().max() for style in ("optax", "pascanu"))


def worse(frame):
    """No training gets better than chance."""
    frame["mean_loss"] = CHANCE
    return frame


def better(frame):
    """All trainings learn."""
    frame["mean_loss"] = 0.0
    return frame


def by_value(frame):
    """What value clipping did passes for what norm clipping did, and the other way round."""
    mean = frame.clip_per == "mean"
    swapped = frame.clip_style.replace({"value": "norm", "norm": "value"})
    frame["clip_style"] = swapped.where(mean, frame.clip_style)
    return frame


def by_mean(frame):
    """Clipping the mean passes for clipping each lane."""
    frame["clip_per"] = frame.clip_per.replace({"lane": "mean", "mean": "lane"})
    return frame


def other_style(frame):
    """Clipping each array by itself passes for optax's rule."""
    frame["clip_style"] = frame.clip_style.replace({"per_array": "optax", "optax": "per_array"})
    return frame


def figure(frame):
    """Losses over updates, over thresholds, norms, and the styles on one stream."""
    drawing, axes = style.panels(2, 3, size=(17, 10.5))
    radius = nearest(frame.spectral_radius, RADIUS)
    losses(axes[0, 0], rows(plain(frame), spectral_radius=radius))
    thresholds(axes[0, 1], plain(frame), mean_norms(frame))
    shares(axes[0, 2], plain(frame))
    distribution(axes[1, 0], rows(plain(frame), spectral_radius=radius))
    centre = nearest(frame.clip_threshold, THRESHOLD)
    styled = rows(frame, clip_threshold=centre, spectral_radius=radius)
    styles(axes[1, 1], styled)
    cosines(axes[1, 2], styled)
    style.titles(
        axes,
        [
            f"radius {radius:g}: loss while learning",
            "loss at the end, by threshold",
            "share that learns, all radii",
            f"radius {radius:g}: norms over all updates",
            f"styles at threshold {centre:g}, same minibatches",
            "direction of the step that is made",
        ],
    )
    first = frame.iloc[0]
    style.headline(drawing, "Too small is slow, none is thrown off, between them lies a plateau")
    style.caption(
        drawing,
        f"task {first.task}, T = {first.sequence_length}, {first.activation} RNN, "
        f"{first.hidden_size} units, minibatches of {first.batch}, {first.optimizer}, learning "
        f"rate {first.learning_rate:g}, {frame.seed.nunique()} seeds; a, b, e: medians, b: range; "
        "dotted: chance; c: loss below 0.2 of chance at the end, 95 % Wilson interval\n"
        "b: band, half to ten times the mean norm at threshold 1 (rule of thumb "
        "of Pascanu, Mikolov, Bengio, ICML 2013, with rate 0.01 and T from 50 on); "
        "dashed: the same band at the mean norm without clipping",
    )
    return drawing


def named(threshold):
    return "none" if math.isinf(threshold) else f"{threshold:g}"


def losses(panel, frame):
    """Median loss over updates, one line a threshold."""
    values = sorted(set(frame.clip_threshold))
    inks = style.colours(range(len(values)), values.index(nearest(values, THRESHOLD)))
    for c, colour in zip(values, inks, strict=True):
        curve = frame[frame.clip_threshold == c].groupby("update").mean_loss.median()
        panel.plot(curve.index, curve, lw=1.6, color=colour, label=named(c))
    panel.axhline(CHANCE, ls=":", lw=1, color=MUTED)
    panel.set(xlabel="updates", ylabel="loss", yscale="log", ylim=(1e-4, 300))
    panel.legend(title="threshold", ncols=4, loc="upper right", fontsize=9)


def thresholds(panel, frame, norms):
    """Loss at the end over the threshold, with the rule's band for each radius."""
    values = sorted(set(frame.clip_threshold))
    finite = [math.log10(c) for c in values if math.isfinite(c)]
    places = [*finite, (finite or [0])[-1] + 1][: len(values)]
    inks = style.colours(norms.index, RADIUS)
    for radius, colour in zip(norms.index, inks, strict=True):
        groups = ends(frame[frame.spectral_radius == radius]).groupby("clip_threshold").mean_loss
        low, middle, high = (
            part.reindex(values) for part in (groups.min(), groups.median(), groups.max())
        )
        panel.plot(places, middle, "o-", color=colour, label=f"{radius:g}")
        panel.fill_between(places, low, high, color=colour, alpha=0.12, lw=0)
    low, high = (math.log10(factor * norms.median()) for factor in BAND)
    panel.axvspan(low, high, color="#fff0b3", zorder=0)
    if math.inf in values:
        for factor in BAND:
            edge = math.log10(factor * mean_norms(frame, math.inf).median())
            panel.axvline(edge, ls="--", lw=1, color=MUTED)
    panel.axhline(CHANCE, ls=":", lw=1, color=MUTED)
    panel.set_xticks(places, [named(c) for c in values], rotation=45)
    panel.set(xlabel="clipping threshold", ylabel="loss at the end", yscale="log", ylim=(1e-4, 20))
    panel.legend(title="radius", loc="lower left")


def shares(panel, frame):
    """Share learnt, with its interval, and share of updates clipped, over the threshold."""
    values = sorted(set(frame.clip_threshold))
    done = learnt(frame).groupby(ends(frame).clip_threshold)
    middle, low, high = zip(*(wilson(done.sum()[c], done.size()[c]) for c in values), strict=True)
    places = range(len(values))
    panel.plot(places, middle, "o-", color=VANISHING, label="trainings that learn")
    panel.fill_between(places, low, high, color=VANISHING, alpha=0.2, lw=0)
    clipped = frame.groupby("clip_threshold").share_clipped.mean()
    panel.plot(places, clipped, "o--", color=MUTED, label="updates that are clipped")
    panel.set_xticks(places, [named(c) for c in values], rotation=45)
    panel.set(xlabel="clipping threshold", ylabel="share", ylim=(-0.03, 1.35))
    panel.set_yticks([0, 0.25, 0.5, 0.75, 1])
    panel.legend(title=f"{done.size().max()} trainings a threshold", loc="upper left")


def distribution(panel, frame):
    """Share of updates whose norm is above a value, for some thresholds."""
    inks = {0.01: VANISHING, 1.0: CRITICAL, math.inf: EXPLODING}
    present = set(frame.clip_threshold[frame.norm_before.notna()])
    for c in sorted(present & set(inks) or present):
        colour = inks.get(c, MUTED)
        norms = np.sort(frame[frame.clip_threshold == c].norm_before.dropna())
        above = 1 - np.arange(len(norms)) / len(norms)
        panel.plot(norms, above, color=colour, label=named(c))
        panel.plot(norms.mean(), (norms > norms.mean()).mean(), "o", color=colour)
    panel.set(xlabel="norm", ylabel="share of updates above it", xscale="log", yscale="log")
    panel.legend(title="threshold (dot: mean)", loc="lower left")


def looks(frame):
    """(label, rows, colour) of every style, and of what it is applied to."""
    pairs = [(style, "mean") for style in STYLES] + [("norm", "lane"), ("norm", "step")]
    inks = sns.color_palette("tab10", len(pairs))
    for (name, per), colour in zip(pairs, inks, strict=True):
        known = frame[(frame.clip_style == name) & (frame.clip_per == per)]
        if len(known):
            yield name if per == "mean" else f"{name}, each {per}", known, colour


def styles(panel, frame):
    """Median loss over updates by style."""
    for label, known, colour in looks(frame):
        curve = known.groupby("update").mean_loss.median()
        panel.plot(curve.index, curve, lw=1.5, color=colour, label=label)
    panel.set(xlabel="updates", ylabel="loss", yscale="log")
    panel.legend(fontsize=9)


def cosines(panel, frame):
    """Quartiles of the cosine between the wanted and the made step, by style."""
    labels = []
    for place, (label, known, colour) in enumerate(looks(frame)):
        low, middle, high = known.cosine.quantile([0.05, 0.5, 0.95])
        panel.plot([low, high], [place, place], lw=4, alpha=0.35, color=colour)
        panel.plot(middle, place, "o", color=colour)
        labels.append(label)
    panel.set_yticks(range(len(labels)), labels)
    panel.set(xlabel="cosine between -dL/dw and the step (median, 90 %)")


def log10_thresholds(low, high):
    """1 and 3 times the powers of ten between two exponents."""
    return [float(f"{m}e{k}") for k in range(low, high) for m in (1, 3)] + [float(f"1e{high}")]


SAME = {"seed": range(3), "update": range(0, UPDATES + 1, EVERY)}
SAME["update"] = [1, *SAME["update"][1:]]
ONE = {"spectral_radius": [RADIUS], "clip_threshold": [THRESHOLD]} | SAME
experiment = Experiment(
    question="Which clipping threshold is right, and what do the styles change?",
    grid=[
        {
            "spectral_radius": RADII,
            "clip_threshold": [1e-3, *log10_thresholds(-2, 2), math.inf],
            "clip_style": ["norm"],
            "clip_per": ["mean"],
        }
        | SAME,
        ONE | {"clip_style": STYLES, "clip_per": ["mean"]},
        ONE | {"clip_style": ["norm"], "clip_per": ["lane", "step"]},
    ],
    split=["clip_threshold", "clip_style", "clip_per", "spectral_radius", "seed"],
    constants={
        "task": "temporal_order",
        "cell": "elman",
        "activation": "tanh",
        "init": "gaussian",
        "hidden_size": 50,
        "sequence_length": 20,
        "optimizer": "sgd",
        "learning_rate": 0.2,
        "batch": 20,
        "omega": 0.0,
    },
    quick={"seed": [0], "update": [1, *range(100, 401, 100)]},
    measure="gradlab.measures.learning:curves",
    figure=figure,
    claims=[
        Claim(
            name="rule of thumb",
            about=ABOUT | {"spectral_radius": RADII},
            seeds=3,
            statement="share that learns with a threshold of half to ten times the mean norm",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=rule_of_thumb(THRESHOLD),
            at_least=0.9,
            why="one in ten may fail; the mean is over all updates, most of them after "
            "it has learnt: ten times an early mean is too much here",
            control=worse,
        ),
        Claim(
            name="the rule needs a training that learns",
            about=ABOUT | {"spectral_radius": RADII},
            seeds=3,
            statement="the same with the mean norm of trainings without clipping",
            source="they do not learn, and their norm stays that of the start",
            measured=rule_of_thumb(math.inf),
            at_most=0.7,
            why="thresholds of 10 and more lie in the band",
            control=better,
        ),
        Claim(
            name="too small is slow",
            about=ABOUT | {"spectral_radius": RADII},
            seeds=3,
            statement="share that learns with threshold 0.001 (9 trainings)",
            source="2,000 steps of rate 0.2 x 0.001 lead 0.4 far at most",
            measured=share_learnt(1e-3),
            equals=0.0,
            within=0.0,
            why="none",
            control=better,
        ),
        Claim(
            name="none is thrown off",
            about=ABOUT | {"spectral_radius": RADII},
            seeds=3,
            statement="share that learns without clipping",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=share_learnt(math.inf),
            at_most=0.5,
            why="half of the trainings at most",
            control=better,
        ),
        Claim(
            name="between them lies a plateau",
            about=ABOUT | {"spectral_radius": RADII},
            seeds=3,
            statement="share that learns with threshold 0.3",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=share_learnt(0.3),
            at_least=0.9,
            why="9 trainings",
            control=worse,
        ),
        Claim(
            name="norm keeps the direction",
            about={"optimizer": "sgd", "omega": 0.0},
            statement="largest |1 - cosine| between -dL/dw and the step",
            source="g c/n is parallel to g",
            measured=straightness,
            equals=0.0,
            within=1e-12,
            why="rounding",
            control=by_value,
        ),
        Claim(
            name="value turns it",
            about=ABOUT,
            statement="median cosine of clipped steps with threshold 1 on each entry",
            source="an entry that is cut changes the direction",
            measured=turned("value"),
            at_most=0.999,
            control=by_value,
        ),
        Claim(
            name="each lane turns it",
            about=ABOUT,
            statement="median cosine when each lane is clipped to 1 before the mean",
            source="the mean of clipped gradients is not the clipped mean",
            measured=turned("norm", "lane"),
            at_most=0.999,
            control=by_mean,
        ),
        Claim(
            name="three names, one rule",
            about=ABOUT,
            statement="largest difference in loss over 50 updates: optax and the authors' code "
            "against the lectures' rule",
            source="they differ at n = c, at c = 0 and where the norm is not finite only",
            measured=same_rule,
            equals=0.0,
            within=1e-9,
            why="another order of rounding",
            control=other_style,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
