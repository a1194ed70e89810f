"""Does a network that learnt on 50 to 200 steps know what to do over 5000?

One basic tanh network (W ~ N(0, 0.1^2)) learns temporal order by plain SGD, clipped and with Omega,
on minibatches whose lengths are drawn from 50 to 199; then it is judged on 10,000 fresh sequences
of each of several lengths. Pascanu, Mikolov and Bengio (2013) report no error at all up to 5000
steps (ICML), less than 1 % up to 400 (arXiv). Above: the course of its training, beside the log
that the authors published: plateaus, cliffs and relapses. In the table sequence_length 0 stands for
lengths as they are learnt from.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import EXPLODING, MUTED, VANISHING, Panel, page
from gradlab.suite import Experiment, above

UPDATES, EVERY = 100_000, 2000
LENGTHS = [50, 100, 200, 400, 1000, 2000, 5000]
INKS = {"icml2013": VANISHING, "code": EXPLODING}
# The authors' own log, https://github.com/pascanur/trainingRNNs: (update, share wrong)
PUBLISHED = [
    (2000, 0.75), (8000, 0.75), (26_000, 0.505), (106_000, 0.385), (114_000, 0.75),
    (240_000, 0.75), (280_000, 0.005), (336_000, 0.0),
]  # fmt: skip
LARGEST_PUBLISHED = {"mean_norm": (33_367,), "spectral_radius_now": (1.01, 2.3)}


def course(column, **axes):
    """A column against updates, a line a training, and what the authors' log says of it."""

    def draw(panel, frame):
        for (version, _), own in frame.groupby(["version", "seed"]):
            own = own[own["update"] <= own.updates_done]
            panel.plot(own["update"], own[column], color=INKS.get(version, MUTED), label=version)
        if column == "error":
            panel.plot(*np.transpose(PUBLISHED), ":o", ms=4, color=MUTED, label="published log")
        for height in LARGEST_PUBLISHED.get(column, ()):
            panel.axhline(height, color=MUTED, ls=":", lw=1)
        panel.set(xlabel="updates", **axes)
        handles = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
        panel.legend(handles.values(), handles)

    draw.__doc__ = f"{column} against updates, a line a training, dotted what was published"
    return draw


def by_length(panel, frame):
    """Share of fresh sequences that are wrong by their length, beside what the papers claim."""
    for (version, _), own in frame.groupby(["version", "seed"]):
        panel.plot(own.sequence_length, own.error, "o-", color=INKS.get(version, MUTED),
                   label=version)  # fmt: skip
    panel.plot([50, 5000], [0, 0], ls="--", color=VANISHING, label="ICML: no error, 50 to 5000")
    panel.plot([50, 400], [0.01, 0.01], ls="--", color=MUTED, label="arXiv: below 1 %, to 400")
    panel.axvspan(50, 200, color=MUTED, alpha=0.12, lw=0)
    panel.set(
        xscale="log", xlabel="sequence length (steps; grey: those that it learnt from)",
        ylabel="share wrong", ylim=(-0.02, None),
    )  # fmt: skip
    handles = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    panel.legend(handles.values(), handles)


LEARNING = {"sequence_length": 0}
figure = page(
    "HEADLINE",
    "CAPTION",
    [
        [
            Panel("share wrong as it learns", course("error", ylabel="share wrong"), LEARNING),
            Panel(
                "mean norm of the gradient before clipping",
                course("mean_norm", ylabel="norm, mean of 2,000 updates", yscale="log"),
                LEARNING,
            ),
            Panel(
                "spectral radius of W",
                course("spectral_radius_now", ylabel="largest |eigenvalue|"),
                LEARNING,
            ),
        ],
        [
            Panel(
                "share wrong of {evaluation_size} fresh sequences of each length", by_length,
                {"sequence_length": above(0)},
            ),
        ],
    ],
    size=(17, 10.5),
)  # fmt: skip
experiment = Experiment(
    question="Does a network that learnt on 50 to 200 steps know what to do over 5000?",
    grid=[
        {
            "version": list(INKS),
            "seed": [0],
            "sequence_length": [0],
            "update": range(EVERY, UPDATES + 1, EVERY),
        },
        {"version": list(INKS), "seed": [0], "sequence_length": LENGTHS, "update": [UPDATES]},
    ],
    split=["version", "seed"],
    constants={
        "task": "temporal_order",
        "start": "basic_tanh",
        "method": "regularised",
        "shortest": 50,
        "longest": 200,
        "updates": UPDATES,
        "evaluate_every": EVERY,
        "evaluation_size": 10_000,
        "stop_below": 0.0001,
    },
    quick={
        "sequence_length": [0, 50, 200, 1000],
        "update": [500, 1000],
        "updates": 1000,
        "evaluate_every": 500,
        "evaluation_size": 500,
    },
    measure="gradlab.measures.learning:generalised",
    figure=figure,
    claims=[],
)

if __name__ == "__main__":
    script(experiment)
