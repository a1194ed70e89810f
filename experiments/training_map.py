"""What does a clipping threshold do to learning?

Clipping one gradient is min(n, c). What the threshold does shows when a network learns: temporal
order, by plain SGD, over the spectral radius that W starts with and the length of the sequence.
Below the edge the gradient vanishes on its way back, above it explodes; the edge is measured at the
first update. Every threshold has the learning rate that suits it at that length, chosen on other
seeds (`learning_rate`); without clipping, where these tell little at 30 and 50 steps, the better of
two on the seeds shown, which favours no clipping. What is not solved within the budget counts as
such.
"""

import math

import matplotlib as mpl
import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, Panel, page, solved_by
from gradlab.plots.page import values, written
from gradlab.suite import Claim, Experiment, Reading, every, median, near, swap
from gradlab.suite.survival import (
    budget,
    fastest,
    more_solved,
    solved_within,
    times_slower,
    until,
)

RADII, LENGTHS = [0.3, 0.6, 0.9, 1.2, 1.5, 1.75, 2.0], [10, 20, 30, 50]
THRESHOLDS = [0.01, 0.1, 1.0, 10.0, math.inf]
RATES = {
    10: [1.0, 1.0, 1.0, 0.1, 0.1],
    20: [1.0, 1.0, 0.3, 0.03, 0.03],
    30: [1.0, 1.0, 0.1, 0.03, 0.03],
    50: [1.0, 1.0, 0.1, 0.01, 0.03],
}  # of each length, one a threshold: the best in the table of `learning_rate`
# What was no worse there by more than its trainings can tell: without clipping the budget decides.
SLOWER = {30: [(math.inf, 0.01)], 50: [(math.inf, 0.01), (10.0, 0.03)]}
UPDATES = 20_000
CLAIMED = [
    (10, math.inf, 0.1), (30, 0.1, 1.0), (30, math.inf, 0.03), (30, math.inf, 0.01), (50, 0.1, 1.0),
    (50, math.inf, 0.01),
]  # fmt: skip
# length, threshold and rate with ten seeds; the rest with five
ABOUT = {
    "spectral_radius": every(RADII), "sequence_length": every(LENGTHS), "task": "temporal_order",
    "cell": "elman", "layers": 1, "bidirectional": False, "dtype": "float64",
    "activation": "tanh", "init": "gaussian", "hidden_size": 50, "optimizer": "sgd", "batch": 20,
    "updates": UPDATES, "clip_style": "norm", "clip_per": "mean", "omega": 0.0, "stop_below": 0.01,
}  # fmt: skip


CLIPPED, PLAIN = {"clip_threshold": 0.1}, {"clip_threshold": math.inf}
VANISHED = {"spectral_radius": 0.6, "sequence_length": 30, "clip_threshold": 0.1}


def best(frame):
    """The rows of each length and threshold at the rate that solves them soonest."""
    by = ["sequence_length", "clip_threshold"]
    chosen = fastest(frame, "learning_rate", by)
    keys = zip(*(frame[column] for column in by), strict=True)
    wanted = [chosen[key] for key in keys]
    return frame[frame.learning_rate.to_numpy() == wanted]


def at_best(reading):
    """A reading of the best rate's rows: whoever has two rates gets the better one."""

    return Reading(f"{reading}, each at its best rate", lambda frame: reading(best(frame)))


def success(panel, frame):
    """Median updates until solved over radius and length, with counts; the measured regime."""
    frame = best(frame)
    frame = frame.assign(until=until(frame))
    cells = frame.groupby(["sequence_length", "spectral_radius"])
    table, rate = cells.until.median().unstack(), cells.decades_per_step.median().unstack()
    heights, across = range(len(table)), range(len(table.columns))
    shades = mpl.colormaps["Blues_r"].with_extremes(over="#f3f3f3")
    scale = mpl.colors.LogNorm(frame.evaluate_every.min(), frame.updates.max(), clip=False)
    shown = np.minimum(table.to_numpy(float), 10 * frame.updates.max())
    panel.pcolormesh(across, heights, shown, cmap=shades, norm=scale, shading="nearest")
    if min(rate.shape) > 1:
        lost = rate.mul(table.index, axis=0)
        for z, level, colour, line in (
            (rate, 0, EXPLODING, "-"), (lost, -6, CRITICAL, "--"),
        ):  # fmt: skip
            panel.contour(across, heights, z, [level], colors=colour, linewidths=2, linestyles=line)
    for (length, radius), here in cells:
        middle = here.until.median()
        at = table.columns.get_loc(radius), table.index.get_loc(length)
        ink = "white" if middle < math.sqrt(scale.vmin * scale.vmax) else MUTED
        box = {"fc": shades(scale(min(middle, 10 * scale.vmax))), "ec": "none", "pad": 1.5}
        words = f"{middle / 1000:.3g}k\n" if math.isfinite(middle) else ""
        panel.text(
            *at, f"{words}{here.solved.sum():.0f}/{len(here)}", ha="center", va="center", color=ink,
            fontsize=9, bbox=box,
        )  # fmt: skip
    panel.set_yticks(heights, table.index)
    panel.set_xticks(across, map(written, table.columns))
    panel.set(xlabel="spectral radius of W at the start", ylabel="sequence length (steps)")
    panel.grid(False)


def counts(frame):
    """A map's title: its threshold, and how many of its trainings are solved."""
    threshold, frame = values(frame.clip_threshold), best(frame)
    return f"threshold {threshold}: {frame.solved.sum():.0f} of {len(frame)} solved"


def of_best(drawn):
    """What is drawn of the best rate's rows."""

    def draw(panel, frame):
        drawn(panel, best(frame))

    draw.__doc__ = drawn.__doc__
    return draw


def survival(length):
    """Share solved against updates at one length, all radii, a line a threshold."""
    return Panel(
        "T = {sequence_length}: share solved, all radii",
        of_best(solved_by("clip_threshold", palette="flare", legend="threshold", xscale="log")),
        {"sequence_length": near(length)},
    )


def at_length(length, name, statement, measured, at_least, why):
    """A claim on what threshold 0.1 brings at a length, with two budgets."""
    return Claim(
        name,
        f"T = {length}, at most 20,000 updates and 10,000: {statement}, low end of the 95 % "
        "interval",
        source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2 and Fig. 7",
        measured=at_best(measured),
        at_least=at_least,
        why=why,
        control=swap("clip_threshold", 0.1, math.inf),
        also=[budget(0.5)],
        about=ABOUT,
        seeds=10,
    )


figure = page(
    "Within {updates} updates a threshold lets SGD learn what it does not learn without one",
    "task {task}, {network}, {hidden_size} units, minibatches of {batch}, {optimizer}, at most "
    "{updates} updates, the best rate of {learning_rate} for each threshold and length (1 is the "
    "largest and 0.01 the smallest that was tried: a step is rate x threshold); five seeds a "
    "cell, ten where it is claimed\nsolved: a share below {stop_below} of {evaluation_size} fresh "
    "sequences wrong; a to c: median updates until solved, dark: few, and how many are solved; on "
    "the red line the gradient by lag neither grows nor falls at the first update, on the dashed "
    "one it loses six decades over the sequence\nd to f: "
    "Kaplan-Meier estimate with its 95 % band",
    [
        [
            Panel(counts, success, {"clip_threshold": near(0.01)}),
            Panel(counts, success, {"clip_threshold": near(0.1)}),
            Panel(counts, success, {"clip_threshold": math.inf}),
        ],
        [survival(length) for length in LENGTHS[1:]],
    ],
    size=(17, 10.5),
)
experiment = Experiment(
    question="What does a clipping threshold do to learning?",
    grid=[
        {
            "spectral_radius": RADII,
            "sequence_length": [length],
            "clip_threshold": [threshold],
            "learning_rate": [rate],
            "seed": range(10 if (length, threshold, rate) in CLAIMED else 5),
        }
        for length, rates in RATES.items()
        for threshold, rate in [*zip(THRESHOLDS, rates, strict=True), *SLOWER.get(length, [])]
    ],
    split=["seed", "sequence_length", "spectral_radius"],
    constants={
        "task": "temporal_order",
        "cell": "elman",
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "activation": "tanh",
        "init": "gaussian",
        "hidden_size": 50,
        "optimizer": "sgd",
        "batch": 20,
        "updates": UPDATES,
        "clip_style": "norm",
        "clip_per": "mean",
        "omega": 0.0,
        "evaluate_every": 100,
        "evaluation_size": 500,
        "stop_below": 0.01,
        "file": None,
        "column": None,
        "target": None,
        "fill": None,
        "held_out": 0.25,
    },
    quick={
        "spectral_radius": [0.6, 1.2, 2.0],
        "seed": range(2),
        "hidden_size": 30,
        "updates": 1000,
        "evaluation_size": 200,
    },
    measure="gradlab.measures.learning:outcome",
    figure=figure,
    claims=[
        at_length(
            50,
            "a threshold reaches longer sequences",
            "share solved with threshold 0.1 (rate 1) less that without clipping (the better of "
            "rates 0.03 and 0.01)",
            more_solved(CLIPPED, PLAIN, sequence_length=50),
            at_least=0.1,
            why="21 of 70 trainings against none: of 70 at rate 0.01, of 35 at 0.03",
        ),
        at_length(
            30,
            "at 30 steps a threshold is sooner",
            "median updates until solved without clipping (the better of rates 0.03 and 0.01) over "
            "those with threshold 0.1 (rate 1)",
            times_slower(PLAIN, CLIPPED, sequence_length=30),
            at_least=2.0,
            why="70 trainings each; 2.3 at half the budget, 2.6 at the whole",
        ),
        Claim(
            "what has vanished at the start is learnt",
            "radius 0.6, T = 30, threshold 0.1, rate 1, at most 20,000 updates and 10,000: share "
            "solved",
            source="the gradient of the first update has lost more than six decades on its way",
            measured=solved_within(**VANISHED),
            at_least=0.6,
            why="of 10 trainings",
            control=swap("clip_threshold", 0.1, math.inf),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=10,
        ),
        Claim(
            "it has vanished there",
            "radius 0.6, T = 30: decades that the gradient loses over the sequence at the first "
            "update, median",
            source="W^t = V Lambda^t V^-1: at least T log10(radius)",
            measured=median("decades_per_step", **VANISHED) * 30,
            at_most=30 * math.log10(0.6),
            why="what tanh costs comes to the radius",
            control=swap("spectral_radius", 0.6, 1.2),
            about=ABOUT,
            seeds=10,
        ),
        Claim(
            "short sequences need no threshold",
            "T = 10, at most 20,000 updates and 10,000: share solved without clipping, rate 0.1",
            source="Pascanu, Mikolov, Bengio (ICML 2013), Fig. 7",
            measured=solved_within(clip_threshold=math.inf, sequence_length=10),
            at_least=0.95,
            why="all of 70 measured",
            control=swap("sequence_length", 10, 50),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=10,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
