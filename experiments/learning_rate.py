"""Which learning rate does a clipping threshold need?

A step by plain SGD is at most rate x threshold long, so two thresholds can be compared only where
each has the rate that suits it: with one rate for all, a training without clipping looks worse than
it is, and so does one with a small threshold. Here every threshold is tried at every rate, on
temporal order, at a few radii, on seeds that `training_map` does not use: it takes its rates from
this table.
"""

import math

from gradlab.cli import script
from gradlab.plots import Panel, medians, page, shares
from gradlab.suite import Experiment, every, near
from gradlab.suite.survival import until

LENGTHS, RADII = [10, 20, 30, 50], [0.6, 1.2, 1.75]
THRESHOLDS, RATES = [0.01, 0.1, 1.0, 10.0, math.inf], [0.01, 0.03, 0.1, 0.3, 1.0]
UPDATES = 8000
ABOUT = {
    "spectral_radius": every(RADII), "sequence_length": every(LENGTHS), "task": "temporal_order",
    "cell": "elman", "layers": 1, "bidirectional": False, "dtype": "float64",
    "activation": "tanh", "init": "gaussian", "hidden_size": 50, "optimizer": "sgd", "batch": 20,
    "updates": UPDATES, "clip_style": "norm", "clip_per": "mean", "omega": 0.0, "stop_below": 0.01,
}  # fmt: skip


def stuck(frame):
    """Whether each training ended no better than a guess: loss above 98 % of chance's."""
    return (frame.relative_loss > 0.98) & (frame.diverged == 0)


def by_rate(length):
    """Median updates until solved over the rate, a line a threshold."""
    return Panel(
        f"T = {length}: updates until solved, median",
        medians(
            "learning_rate", until, "clip_threshold", placed=True, palette="flare", yscale="log",
            xlabel="learning rate", ylabel="updates",
        ),
        {"sequence_length": length},
    )  # fmt: skip


def endings(threshold):
    """How trainings with a threshold end, over the rate."""
    return Panel(
        "how trainings end, threshold {clip_threshold}",
        shares(
            "learning_rate", {"solved": "solved", "stuck at chance": stuck, "diverged": "diverged"},
            xlabel="learning rate", ylabel="share of trainings",
        ),
        {"clip_threshold": near(threshold)},
    )  # fmt: skip


figure = page(
    "Each clipping threshold has a learning rate of its own",
    "task {task}, {network}, {hidden_size} units, minibatches of {batch}, {optimizer}, at most "
    "{updates} updates; radii {spectral_radius}; {seeds} a cell\nsolved: a share below "
    "{stop_below} of {evaluation_size} fresh sequences wrong; a to d: over radii and seeds, no "
    "point where the median is not solved; e to g: 95 % Wilson intervals; diverged: last tenth's "
    "mean loss above twice chance, or not finite; stuck: above 98 % of chance",
    [[by_rate(length) for length in LENGTHS], [endings(c) for c in (0.01, 1.0, math.inf)]],
    size=(17, 10.5),
)
experiment = Experiment(
    question="Which learning rate does a clipping threshold need?",
    grid={
        "spectral_radius": RADII,
        "sequence_length": LENGTHS,
        "clip_threshold": THRESHOLDS,
        "learning_rate": RATES,
        "seed": [100, 101],
    },
    split=["seed", "sequence_length", "spectral_radius", "learning_rate"],
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
    },
    quick={
        "spectral_radius": [1.2],
        "sequence_length": [10, 20],
        "clip_threshold": [0.01, 1.0, math.inf],
        "hidden_size": 30,
        "updates": 1000,
        "evaluation_size": 200,
    },
    measure="gradlab.measures.learning:outcome",
    figure=figure,
    claims=[],
)

if __name__ == "__main__":
    script(experiment)
