"""Which clipping threshold is right, and what do the styles of clipping change?

Temporal order at T = 20 by plain SGD, at rate 0.2 and within 2,000 updates; all here is said of
that rate and budget. A threshold that is too small makes every step short, without one a few steps
throw the network off, and between them lies a plateau. What can do harm is a step, rate x
threshold, so the rate decides how wide the plateau is: at rate 0.03, within 8,000 updates, T = 20
is learnt without a threshold, too (`learning_rate`). Pascanu, Mikolov and Bengio (ICML 2013,
section 3.2) look for it at half to ten times the gradient's mean norm; which thresholds that are
depends on the training whose norm is taken, for clipping itself changes the mean.
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import (
    MUTED,
    RANGE,
    Panel,
    distribution,
    dots,
    medians,
    page,
    shares,
)
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Reading,
    Span,
    above,
    every,
    largest,
    median,
    most,
    near,
    nearest,
    rows,
    share,
    swap,
)
from gradlab.suite.survival import cut_off, first_reached, times_slower

CHANCE, LEARNT = math.log(4), 0.2  # of chance: the loss below which a training counts as learnt
BAND = (0.5, 10.0)  # times the mean norm: the rule of thumb
RADII = [0.8, 1.2, 1.6]
UPDATES, EVERY = 2000, 50
STYLES = ["norm", "torch", "value", "per_array", "keras_global", "optax", "pascanu"]
RADIUS, THRESHOLD = 1.2, 1.0  # at which the styles are compared
ENTRY = 0.1  # of `value`, which cuts single entries: few of them ever reach 1
PLAIN = {"clip_style": "norm", "clip_per": "mean"}  # the sweep over thresholds
ENDS = PLAIN | {"update": max, "spectral_radius": every(RADII)}
PLATEAU = [0.3, 1.0, 3.0]
ABOUT = {
    "task": "temporal_order", "cell": "elman", "layers": 1, "bidirectional": False,
    "dtype": "float64", "activation": "tanh", "init": "gaussian", "hidden_size": 50,
    "sequence_length": 20, "optimizer": "sgd", "learning_rate": 0.2,
    "batch": 20, "omega": 0.0,
}  # fmt: skip


def chance(frame):
    """What a guess costs: ln 4 for temporal order, else not known here."""
    return CHANCE if (frame.task == "temporal_order").all() else math.nan


def learnt(frame):
    """Whether the loss is below a fifth of chance's."""
    return rows(frame, task="temporal_order").mean_loss < LEARNT * CHANCE


def mean_norms(frame, threshold):
    """Radius -> mean norm of the gradients over all updates, with a threshold."""
    known = rows(frame, clip_threshold=threshold)
    return known.groupby("spectral_radius").mean_norm.mean()


def rule_of_thumb(threshold):
    """Share learnt in the band around the mean norm of trainings with this threshold."""

    def learnt_in_the_band(frame):
        ends, norms = rows(frame, **ENDS), mean_norms(rows(frame, **PLAIN), threshold)
        return learnt(ends).where(
            (ends.clip_threshold / ends.spectral_radius.map(norms)).between(*BAND)
        )

    return share(learnt_in_the_band)


def until_learnt(frame):
    """One row a training of the sweep over thresholds: the first row in which it has learnt."""
    frame = rows(frame, **PLAIN)
    return first_reached(frame, learnt(frame), ["clip_threshold", "spectral_radius", "seed"])


def slower(threshold):
    """Updates until learnt with a threshold over those with thresholds of the plateau, low end."""
    ratio = times_slower({"clip_threshold": threshold}, {"clip_threshold": PLATEAU})
    return Reading(str(ratio), lambda frame: ratio(until_learnt(frame)))


def turn(frame):
    """|1 - cosine| between the wanted and the made step."""
    return (1 - frame.cosine).abs().dropna()


def apart(name):
    """How far the losses of a style are from those of the lectures' rule."""

    def difference(frame):
        losses = frame.set_index(["seed", "update", "clip_style"]).loss.unstack()
        if name not in losses or "norm" not in losses:
            raise NotMeasured(f"needs rows with clip_style={name} and norm")
        return (losses[name] - losses["norm"]).abs().dropna()

    return largest(
        difference,
        clip_threshold=THRESHOLD,
        spectral_radius=RADIUS,
        clip_per="mean",
        update=Span(0, 50),
    )


def rule(frame):
    """Each row's style, and what it is applied to."""
    each = np.where(frame.clip_per == "mean", "", ", each " + frame.clip_per)
    return frame.clip_style.str.replace("_", " ") + each


def thresholds(panel, frame):
    """Losses at the end over the threshold: medians and range; the band of the rule of thumb."""
    medians(
        "clip_threshold", "mean_loss", "spectral_radius", edge=RADIUS, band=RANGE, placed=True,
        level=chance, xlabel="clipping threshold", ylabel="loss", yscale="log", loc="lower left",
        legend="radius",
    )(panel, rows(frame, update=max))  # fmt: skip
    finite = sorted(c for c in set(frame.clip_threshold) if math.isfinite(c))

    def places(threshold):
        norm = mean_norms(frame, threshold).median()
        return np.interp(
            np.log10([factor * norm for factor in BAND]), np.log10(finite), range(len(finite))
        )

    if finite:
        panel.axvspan(*places(near(THRESHOLD)), color="#fff0b3", zorder=0)
    if finite and math.inf in set(frame.clip_threshold):
        for place in places(math.inf):
            panel.axvline(place, ls="--", lw=1, color=MUTED)


def band_title(frame):
    """Of the losses by threshold: where the band's mean norm is from."""
    return f"loss at the end; band: rule of thumb at {nearest(frame.clip_threshold, THRESHOLD):g}"


def plateau(panel, frame):
    """Share that learns, and mean share of updates clipped, over the threshold."""
    medians(
        "clip_threshold", "share_clipped", placed=True, estimator="mean", colour=MUTED, line="--",
        label="updates that are clipped",
    )(panel, frame)  # fmt: skip
    shares(
        "clip_threshold", {"trainings that learn": learnt}, xlabel="clipping threshold",
        loc="upper left", ylim=(-0.03, 1.35),
    )(panel, rows(frame, update=max))  # fmt: skip
    panel.set_yticks([0, 0.25, 0.5, 0.75, 1])


def losses(hue, **legend):
    """Median losses over updates, a line a hue."""
    legend = {"fontsize": 9, "loc": "upper right", "title": None} | legend
    return medians(
        "update", "mean_loss", hue, edge=THRESHOLD, points=None, level=chance, legend=legend,
        headroom=0.4, yscale="log", xlabel="updates", ylabel="loss",
    )  # fmt: skip


HERE = {"spectral_radius": near(RADIUS)}
STYLED = HERE | {"clip_threshold": near(THRESHOLD)}
figure = page(
    "T = {sequence_length}, rate {learning_rate}, 2,000 updates: too small is slow, none is thrown "
    "off, between lies a plateau",
    "task {task}, T = {sequence_length}, {network}, {hidden_size} units, minibatches of {batch}, "
    "{optimizer}, learning rate {learning_rate}, 2,000 updates, {seeds}; a, b, e: medians, b: "
    "range, grey line: chance; c: loss below 0.2 of chance at the end, 95 % Wilson interval\n"
    "b: band, half to ten times the mean norm there (rule of thumb of Pascanu, Mikolov, Bengio, "
    "ICML 2013, with rate 0.01 and T from 50 on); dashed: the same band at the mean norm without "
    "clipping",
    [
        [
            Panel(
                "radius {spectral_radius}: loss while learning",
                losses("clip_threshold", title="threshold", ncols=4),
                PLAIN | HERE,
            ),
            Panel(band_title, thresholds, PLAIN),
            Panel("share that learns, all radii", plateau, PLAIN),
        ],
        [
            Panel(
                "radius {spectral_radius}: norms over all updates",
                distribution(
                    "norm_before", "clip_threshold", chosen=(0.01, 1.0, math.inf), edge=1.0,
                    means=True, legend="threshold (dot: mean)", loc="lower left", xscale="log",
                    yscale="log", xlabel="norm", ylabel="share of updates above it",
                ),
                PLAIN | HERE,
            ),
            Panel(
                "styles at threshold {clip_threshold}, same minibatches",
                losses(rule, ncols=3),
                STYLED,
            ),
            Panel(
                "direction of the step that is made",
                dots("cosine", rule, middle=90, xlabel="cosine with -dL/dw (median, 90 %)"),
                STYLED,
            ),
        ],
    ],
    size=(17, 10.5),
)  # fmt: skip


def log10_thresholds(low, high):
    """1 and 3 times the powers of ten between two exponents."""
    return [float(f"{m}e{k}") for k in range(low, high) for m in (1, 3)] + [float(f"1e{high}")]


SAME = {"seed": range(10), "update": range(0, UPDATES + 1, EVERY)}
SAME["update"] = [1, *SAME["update"][1:]]
LEARNING = ABOUT | {"update": every(SAME["update"])}  # the claims that name a budget
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
        ONE | {"clip_threshold": [ENTRY], "clip_style": ["value"], "clip_per": ["mean"]},
    ],
    split=["clip_threshold", "clip_style", "clip_per", "spectral_radius", "seed"],
    constants={
        "task": "temporal_order",
        "cell": "elman",
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
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
            "the rule of thumb depends on where the norm is taken",
            "rate 0.2, T = 20, 2,000 updates or 1,000: share that learns with half to ten times "
            "the mean norm at threshold 1, less that with the mean norm at threshold 0.1",
            source="clipped trainings that learn sooner have smaller gradients for longer",
            measured=rule_of_thumb(THRESHOLD) - rule_of_thumb(0.1),
            at_least=0.2,
            why="0.375 at 2,000 updates, of 80 trainings each; 0.35 at 1,000, of 90 and 70",
            control=swap("clip_threshold", 0.1, THRESHOLD),
            also=[cut_off(0.5)],
            about=LEARNING,
            seeds=10,
        ),
        Claim(
            "too small is slow",
            "rate 0.2, T = 20, at most 2,000 updates or 1,000: median updates until learnt with "
            "threshold 0.001 over those with 0.3 to 3, low end",
            source="2,000 steps of rate 0.2 x 0.001 lead 0.4 far at most",
            measured=slower(1e-3),
            at_least=3.0,
            why="30 trainings against 90; unsolved ones count with the budget",
            control=swap("clip_threshold", 1e-3, THRESHOLD),
            also=[cut_off(0.5)],
            about=LEARNING,
            seeds=10,
        ),
        Claim(
            "none is thrown off",
            "rate 0.2, T = 20, at most 2,000 updates or 1,000: the same without clipping",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=slower(math.inf),
            at_least=3.0,
            why="30 trainings against 90; at rate 0.03 it learns without (`learning_rate`)",
            control=swap("clip_threshold", math.inf, THRESHOLD),
            also=[cut_off(0.5)],
            about=LEARNING,
            seeds=10,
        ),
        Claim(
            "norm keeps the direction",
            "largest |1 - cosine| between -dL/dw and the step",
            source="g c/n is parallel to g",
            measured=largest(turn, **PLAIN),
            equals=0.0,
            within=1e-12,
            why="rounding",
            control=swap("clip_style", "value", "norm"),
            about={"optimizer": "sgd", "omega": 0.0, "dtype": "float64"},
        ),
        Claim(
            "value turns it",
            "median cosine of clipped steps with threshold 0.1 on each entry",
            source="an entry that is cut changes the direction",
            measured=median(
                "cosine", clip_style="value", clip_per="mean", clip_threshold=ENTRY,
                clipped=above(0),
            ),
            at_most=0.999,
            control=swap("clip_style", "value", "norm"),
            about=ABOUT,
        ),
        Claim(
            "each lane turns it",
            "median cosine when each lane is clipped to 1 before the mean",
            source="the mean of clipped gradients is not the clipped mean",
            measured=median(
                "cosine", clip_style="norm", clip_per="lane", clip_threshold=THRESHOLD,
                clipped=above(0),
            ),
            at_most=0.999,
            control=swap("clip_per", "lane", "mean"),
            about=ABOUT,
        ),
        Claim(
            "three names, one rule",
            "largest difference in loss over 50 updates: optax and the authors' code against the "
            "lectures' rule",
            source="they differ at n = c, at c = 0 and where the norm is not finite only",
            measured=most(apart("optax"), apart("pascanu")),
            equals=0.0,
            within=1e-6,
            why="another order of rounding, grown over 50 updates",
            control=swap("clip_style", "per_array", "optax"),
            about=ABOUT,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
