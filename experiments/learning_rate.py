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
from gradlab.suite import Claim, Experiment, every, near, share, swap
from gradlab.suite.survival import budget, fastest, times, until

LENGTHS, RADII = [10, 20, 30, 50], [0.6, 1.2, 1.75]
THRESHOLDS, RATES = [0.01, 0.1, 1.0, 10.0, math.inf], [0.01, 0.03, 0.1, 0.3, 1.0]
UPDATES = 8000
ABOUT = {
    "spectral_radius": every(RADII), "sequence_length": every(LENGTHS),
    "clip_threshold": every(THRESHOLDS), "learning_rate": every(RATES), "task": "temporal_order",
    "cell": "elman", "layers": 1, "bidirectional": False, "dtype": "float64",
    "activation": "tanh", "init": "gaussian", "hidden_size": 50, "optimizer": "sgd", "batch": 20,
    "updates": UPDATES, "clip_style": "norm", "clip_per": "mean", "omega": 0.0, "stop_below": 0.01,
}  # fmt: skip


def stuck(frame):
    """Whether each training ended no better than a guess: loss above 98 % of chance's."""
    return (frame.relative_loss > 0.98) & (frame.diverged == 0)


def as_many(frame):
    """Whether as many updates are needed with a tenth of the threshold and ten times the rate.

    nan where neither training is solved.
    """
    known = frame.assign(until=until(frame))
    known = known.set_index(["spectral_radius", "sequence_length", "seed"])
    one, other = (
        known[(known.clip_threshold == threshold) & (known.learning_rate == rate)].until
        for threshold, rate in ((0.1, 0.1), (0.01, 1.0))
    )
    other = other.reindex(one.index)
    solved = (one < math.inf) | (other < math.inf)
    return (one == other).astype(float).where(solved).reset_index(drop=True)


def best_rates(frame):
    """The best rate with threshold 0.1 over that without clipping, the smaller of two lengths."""
    best = fastest(frame, "learning_rate", ["sequence_length", "clip_threshold"])
    return min(best[length, 0.1] / best[length, math.inf] for length in (20, 30))


def spent(frame):
    """Updates until each training is solved, or its budget."""
    return times(frame)[0]


def by_rate(length):
    """Mean updates until solved over the rate, a line a threshold."""
    return Panel(
        f"T = {length}: mean updates",
        medians(
            "learning_rate", spent, "clip_threshold", estimator="mean", placed=True,
            palette="flare", xlabel="learning rate", ylabel="updates", ylim=(0, 1.05 * UPDATES),
            legend="threshold" if length == LENGTHS[-1] else "", loc="lower left",
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
    "T = 20 and 30, {updates} updates: the best rate falls from 1 at threshold 0.1 to 0.03 or less "
    "without clipping",
    "task {task}, {network}, {hidden_size} units, minibatches of {batch}, {optimizer}, at most "
    "{updates} updates; rates {learning_rate}, radii {spectral_radius}; {seeds} a cell\nsolved: a "
    "share below {stop_below} of {evaluation_size} fresh sequences wrong; a to d: over radii and "
    "seeds, what is not solved counts with the budget; d: thresholds 0.01, 10 and none solve "
    "nothing at any rate; e to g: 95 % Wilson intervals; diverged: last tenth's mean loss above "
    "twice chance, or not finite; stuck: above 98 % of chance",
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
    claims=[
        Claim(
            "a step is rate x threshold",
            "within 8,000 updates and within 4,000: share of the solved trainings with threshold "
            "0.1 and rate 0.1 that need exactly as many updates with threshold 0.01 and rate 1",
            source="where every gradient is clipped, the step is rate x threshold along it",
            measured=share(as_many),
            at_least=0.75,
            why="the rest falls below threshold 0.1 now and then, or is rounded apart",
            control=swap("learning_rate", 0.1, 0.3),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=2,
        ),
        Claim(
            "the best rate falls as the threshold rises",
            "lengths 20 and 30, within 8,000 updates and within 4,000: the rate that solves "
            "soonest with threshold 0.1 over that without clipping, the smaller of the two",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2: it bounds a step",
            measured=best_rates,
            at_least=3.0,
            why="rates are a factor of 3 apart",
            control=swap("clip_threshold", 0.1, math.inf),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=2,
        ),
        Claim(
            "a large rate needs a threshold",
            "rate 1, 8,000 updates: share that diverges without clipping less that with threshold "
            "0.01, 0.1 or 1",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=share("diverged", clip_threshold=math.inf, learning_rate=1.0)
            - share("diverged", clip_threshold=[0.01, 0.1, 1.0], learning_rate=1.0),
            at_least=0.4,
            why="24 trainings against 72, intervals of some 0.15",
            control=swap("clip_threshold", 1.0, math.inf),
            about=ABOUT,
            seeds=2,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
