"""What does a clipping threshold do to learning?

Clipping one gradient is min(n, c). What the threshold does shows when a network learns: temporal
order, by plain SGD at one learning rate and within one budget, over the spectral radius that W
starts with and the length of the sequence. Below the edge the gradient vanishes on its way back,
above it explodes; the edge is measured at the first update. What is not solved within the budget
may be solved later: in longer trainings some are whose first gradient loses nine decades, and with
smaller rates more are without clipping (see `learning_rate`).
"""

import math

import matplotlib as mpl

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, Panel, medians, page, shares
from gradlab.plots.page import values, written
from gradlab.suite import Claim, Experiment, every, kept, near, swap
from gradlab.suite.survival import budget, more_solved, times_slower

RADII, LENGTHS = [0.3, 0.6, 0.9, 1.2, 1.5, 1.75, 2.0], [10, 20, 30, 50, 100]
ABOUT = {
    "spectral_radius": every(RADII), "sequence_length": every(LENGTHS), "task": "temporal_order",
    "cell": "elman", "layers": 1, "bidirectional": False, "dtype": "float64",
    "activation": "tanh", "init": "gaussian", "hidden_size": 50,
    "optimizer": "sgd", "learning_rate": 0.1, "batch": 20, "updates": 2000,
    "clip_style": "norm", "clip_per": "mean", "omega": 0.0, "stop_below": 0.01,
}  # fmt: skip


def stuck(frame):
    """Whether each training ended no better than a guess: loss above 98 % of chance's."""
    return frame.relative_loss > 0.98


def success(panel, frame):
    """Share solved over radius and length, with counts; where the first gradient keeps its size."""
    cells = frame.groupby(["sequence_length", "spectral_radius"])
    table, rate = cells.solved.mean().unstack(), cells.decades_per_step.median().unstack()
    heights, across = range(len(table)), range(len(table.columns))
    shades = mpl.colormaps["Blues"]
    panel.pcolormesh(across, heights, table, cmap=shades, vmin=0, vmax=1, shading="nearest")
    if min(rate.shape) > 1:
        lost = rate.mul(table.index, axis=0)
        for z, level, colour, line in (
            (rate, 0, EXPLODING, "-"), (lost, -6, CRITICAL, "--"),
        ):  # fmt: skip
            panel.contour(across, heights, z, [level], colors=colour, linewidths=2, linestyles=line)
    for (length, radius), here in cells.solved:
        at = table.columns.get_loc(radius), table.index.get_loc(length)
        ink = "white" if here.mean() > 0.5 else MUTED
        box = {"fc": shades(here.mean()), "ec": "none", "pad": 1.5}  # the lines pass behind it
        panel.text(*at, f"{here.sum():.0f}/{len(here)}", ha="center", va="center", color=ink,
                   fontsize=9, bbox=box)  # fmt: skip
    panel.set_yticks(heights, table.index)
    panel.set_xticks(across, map(written, table.columns))
    panel.set(xlabel="spectral radius of W at the start", ylabel="sequence length (steps)")
    panel.grid(False)


def counts(frame):
    """A map's title: its threshold, and how many of its trainings are solved."""
    threshold = values(frame.clip_threshold)
    return f"threshold {threshold}: {frame.solved.sum():.0f} of {len(frame)} solved"


def over_thresholds(column, **options):
    """A column over the threshold, a line a length."""
    return medians(
        "clip_threshold", column, "sequence_length", placed=True, palette="flare",
        xlabel="clipping threshold", **options,
    )  # fmt: skip


figure = page(
    "Within {updates} updates, a threshold between too small and none learns longer sequences",
    "task {task}, {network}, {hidden_size} units, minibatches of {batch}, {optimizer}, learning "
    "rate {learning_rate}, at most {updates} updates; {seeds} a cell\nsolved: a share below "
    "{stop_below} of {evaluation_size} fresh sequences wrong; diverged: last tenth's mean loss "
    "above twice chance, or not finite; stuck: above 98 % of chance\na to c: solved of all in each "
    "cell, dark: all; on the red line the gradient by lag neither grows nor falls at the first "
    "update, on the dashed one it loses six decades over the sequence; d: 95 % Wilson intervals",
    [
        [
            Panel(counts, success, {"clip_threshold": 0.01}),
            Panel(counts, success, {"clip_threshold": near(1.0)}),
            Panel(counts, success, {"clip_threshold": math.inf}),
        ],
        [
            Panel(
                "how trainings end, all radii and lengths",
                shares(
                    "clip_threshold",
                    {"solved": "solved", "stuck at chance": stuck, "diverged": "diverged"},
                    xlabel="clipping threshold", ylabel="share of trainings",
                ),
            ),
            Panel(
                "updates until solved, median of those that did",
                over_thresholds(kept("updates_done", solved=1), yscale="log", ylabel="updates"),
            ),
            Panel(
                "share of updates that are clipped, mean",
                over_thresholds("share_clipped", estimator="mean", ylabel="share of updates"),
            ),
        ],
    ],
    size=(17, 10.5),
)  # fmt: skip
experiment = Experiment(
    question="What does a clipping threshold do to learning?",
    grid={
        "spectral_radius": RADII,
        "sequence_length": LENGTHS,
        "clip_threshold": [0.01, 0.1, 1.0, 10.0, 100.0, math.inf],
        "seed": range(5),
    },
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
        "learning_rate": 0.1,
        "batch": 20,
        "updates": 2000,
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
        "spectral_radius": [0.6, 1.0, 1.4, 2.0],
        "sequence_length": [10, 20],
        "clip_threshold": [0.01, 1.0, math.inf],
        "seed": range(3),
        "hidden_size": 30,
        "updates": 700,
        "evaluation_size": 200,
    },
    measure="gradlab.measures.learning:outcome",
    figure=figure,
    claims=[
        Claim(
            "none is worse",
            "rate 0.1, lengths 20 and 30, within 2,000 updates and within 1,000: by how much the "
            "share solved with threshold 1 is above that without clipping, low end",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=more_solved(
                {"clip_threshold": 1.0}, {"clip_threshold": math.inf}, sequence_length=[20, 30]
            ),
            at_least=0.1,
            why="70 trainings each; with smaller rates the unclipped ones solve more",
            control=swap("clip_threshold", 1.0, math.inf),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=5,
        ),
        Claim(
            "too small is slow",
            "rate 0.1, length 10, at most 2,000 updates or 1,000: median updates until solved with "
            "threshold 0.01 over those with threshold 1, low end",
            source="a step is at most learning rate x threshold",
            measured=times_slower(
                {"clip_threshold": 0.01}, {"clip_threshold": 1.0}, sequence_length=10
            ),
            at_least=5.0,
            why="unsolved trainings count with the budget: with a larger one it is more",
            control=swap("clip_threshold", 0.01, 1.0),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=5,
        ),
        Claim(
            "length costs",
            "rate 0.1, threshold 1, at most 2,000 updates or 1,000: median updates until solved at "
            "length 20 over those at length 10, low end",
            source="Pascanu, Mikolov, Bengio (ICML 2013), Fig. 7",
            measured=times_slower(
                {"sequence_length": 20}, {"sequence_length": 10}, clip_threshold=1.0
            ),
            at_least=2.0,
            why="35 trainings each",
            control=swap("sequence_length", 10, 20),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=5,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
