"""Can a unit that keeps a bit still learn from what came before?

One tanh unit with feedback w must keep a bit for T steps under noise (Bengio, Simard, Frasconi
1994, section III). Above w = 1 it has two attractors, and the further above, the larger the noise
that it bears. But on an attractor w f' < 1: the better the bit is kept, the faster the gradient
vanishes on its way back to where the bit was written. Theory follows the density of the state, step
by step. Below: the same unit learns w and how to write the bit, by gradient descent at rate 0.1,
within 2,000 updates: from w below 1 none learns it over 20 steps and more.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import Panel, medians, page, shares, solved_by, style
from gradlab.suite import (
    Claim,
    Experiment,
    Reading,
    above,
    every,
    near,
    passes_for,
    smallest,
    swap,
)  # fmt: skip
from gradlab.suite.survival import budget, more_solved
from gradlab.theory import latch

WEIGHTS, LENGTHS = [0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0], [5, 10, 20, 50, 100]
SHOWN = [20, 50]
UPDATES = 2000
ABOUT = {
    "noise": 0.2, "updates": UPDATES, "learning_rate": 0.1, "clip_threshold": 1.0, "batch": 20,
    "stop_below": 0.01, "sequence_length": every(LENGTHS), "weight": every(WEIGHTS),
}  # fmt: skip


def by_theory(function):
    """The law of a panel over w, at the noise and length of its rows."""

    def law(here, weights):
        noise, steps = here.noise.iloc[0], int(here.sequence_length.iloc[0])
        known = np.linspace(weights[0], weights[-1], 40)
        return np.interp(weights, known, [function(w, noise, steps) for w in known])

    return law


def off(column, function):
    """The largest difference of a column's mean from theory, over all weights and lengths."""

    def read(frame):
        cells = frame.groupby(["weight", "noise", "sequence_length"])[column].mean()
        return max(abs(mean - function(*cell)) for cell, mean in cells.items())

    return Reading(f"largest |mean {column} - theory| over weights and lengths", read)


def lost(frame):
    """Decades that the gradient loses over the sequence, where the bit is kept in 99 %."""
    return (-frame.decades_per_step * frame.sequence_length).where(frame.kept >= 0.99, np.inf)


def upside_down(frame):
    """the weights stand in reverse order"""
    return frame.assign(weight=frame.weight.map(dict(zip(WEIGHTS, WEIGHTS[::-1], strict=True))))


def slope_left_out(frame):
    """log10 w, without the slope of tanh"""
    return np.log10(frame.weight)


def solved(panel, frame):
    """Share of trainings solved by w at the start, three lengths, with Wilson's intervals."""
    lengths = sorted(set(frame.sequence_length))
    shades = dict(zip(lengths, style.sns.color_palette("flare", len(lengths)), strict=True))
    shown = sorted(set(near(10, 20, 100)(lengths)))

    def of(length):
        return lambda known: known.solved.where(known.sequence_length == length)

    shares(
        "weight", {f"{length}": of(length) for length in shown},
        palette={f"{length}": shades[length] for length in shown}, ylim=(-0.03, 1.5),
        xlabel="weight w at the start", ylabel="share of trainings", legend="steps T",
        loc="upper left",
    )(panel, frame)  # fmt: skip
    panel.set_yticks([0, 0.25, 0.5, 0.75, 1])


def learns(length):
    """Share solved against updates at one length, a line a weight at the start."""
    return Panel(
        "T = {sequence_length}: share solved by w at the start",
        solved_by(
            "weight", chosen=(0.5, 1.0, 1.5, 3.0), palette="viridis", xscale="log",
            legend="w at the start" if length == SHOWN[-1] else "", loc="upper right",
        ),
        {"sequence_length": near(length)},
    )  # fmt: skip


figure = page(
    "What latches bears noise, sends nothing back, yet learns best to keep a bit (rate "
    "{learning_rate}, {updates} updates)",
    "one unit h_t = tanh(w h_t-1 + x_t), noise of deviation {noise}, {seeds}, {sequences} "
    "sequences each; a and b: the bit is there from the start, means, lines: theory by the density "
    "of the state\nc to e: gradient descent on w and on how the bit is written in the first 3 "
    "steps, learning rate {learning_rate}, clipped to {clip_threshold}, minibatches of {batch}, at "
    "most {updates} updates; solved: a share below {stop_below} of fresh sequences has the wrong "
    "sign\nc: 95 % Wilson interval; d and e: Kaplan-Meier estimate with its 95 % band",
    [
        [
            Panel(
                "is the bit kept for T steps?",
                medians(
                    "weight", "kept", "sequence_length", estimator="mean", palette="flare",
                    law=by_theory(latch.kept), law_label="theory", law_line="-", legend="steps T",
                    xlabel="weight w", ylabel="share of sequences",
                ),
            ),
            Panel(
                "what arrives of the gradient",
                medians(
                    "weight", "decades_per_step", "sequence_length", estimator="mean",
                    palette="flare", law=by_theory(latch.decades), law_line="-", level=0,
                    legend="", xlabel="weight w", ylabel="log10 |dh_T/dh_0| / T (decades)",
                ),
            ),
        ],
        [
            Panel(
                "share solved within {updates} updates",
                solved,
            ),
            *[learns(length) for length in SHOWN],
        ],
    ],
    size=(17, 10.5),
)  # fmt: skip
experiment = Experiment(
    question="Can a unit that keeps a bit still learn from what came before?",
    grid={
        "weight": WEIGHTS,
        "sequence_length": LENGTHS,
        "noise": [0.2],
        "seed": range(10),
    },
    split=["noise", "sequence_length", "seed"],
    constants={
        "batch": 20,
        "learning_rate": 0.1,
        "clip_threshold": 1.0,
        "updates": UPDATES,
        "evaluate_every": 50,
        "sequences": 1000,
        "stop_below": 0.01,
    },
    quick={
        "weight": [0.5, 1.0, 1.5, 2.0],
        "sequence_length": [5, 20],
        "seed": range(2),
        "updates": 500,
    },
    measure="gradlab.measures.latch:measure",
    figure=figure,
    claims=[
        Claim(
            "the bit is kept as theory says",
            "share of sequences with the right sign after T steps less that of the density of a_t",
            source="gradlab.theory.latch: the density of a_t = w tanh(a_t-1) + e_t, step by step",
            measured=off("kept", latch.kept),
            equals=0.0,
            within=0.02,
            why="10,000 sequences a cell: four standard errors of a half",
            control=passes_for("noise**2", "noise"),
            about={"sequence_length": every(LENGTHS)},
            seeds=10,
        ),
        Claim(
            "the gradient is lost as theory says",
            "mean of log10 |dh_T/dh_0| / T less that of log10 (w (1 - h_t^2)) over the densities",
            source="gradlab.theory.latch; Bengio, Simard, Frasconi (1994), theorem 4",
            measured=off("decades_per_step", latch.decades),
            equals=0.0,
            within=0.01,
            why="some standard errors of 10,000 sequences",
            control=passes_for(slope_left_out, "decades_per_step"),
            about={"sequence_length": every(LENGTHS)},
            seeds=10,
        ),
        Claim(
            "what keeps the bit sends nothing back",
            "decades that the gradient loses over 100 steps at every weight that keeps the bit "
            "in 99 % of the sequences",
            source="Bengio, Simard, Frasconi (1994), theorem 4: on an attractor |w f'| < 1",
            measured=smallest(lost, sequence_length=100),
            at_least=20.0,
            why="w = 2 has h = 0.9575 there: 0.78 decades a step without noise",
            control=passes_for(slope_left_out, "decades_per_step"),
            about={"noise": 0.2, "sequence_length": every(LENGTHS), "weight": every(WEIGHTS)},
            seeds=10,
        ),
        Claim(
            "what latches at the start learns",
            "share solved within 2,000 updates (rate 0.1), T = 20 and 50, from w of 1.25 to 3 less "
            "that from 0.5 and 0.75, low end of its 95 % interval",
            source="Bengio, Simard, Frasconi (1994), Fig. 3: hardly any training from w below 1",
            measured=more_solved(
                {"weight": above(1.1)}, {"weight": [0.5, 0.75]}, sequence_length=SHOWN
            ),
            at_least=0.2,
            why="80 trainings against 40; 0.52 at rate 0.03, 0.34 at rate 0.3",
            control=upside_down,
            also=[budget(0.5)],
            about=ABOUT,
            seeds=10,
        ),
        Claim(
            "fewer learn it the longer it is",
            "share solved within 2,000 updates (rate 0.1) from w of 1.25 to 3, T = 10 less "
            "T = 100, low end of its 95 % interval",
            source="Bengio, Simard, Frasconi (1994), Fig. 3",
            measured=more_solved(
                {"sequence_length": 10}, {"sequence_length": 100}, weight=above(1.1)
            ),
            at_least=0.2,
            why="40 trainings of each; 0.40 at rate 0.03, 0.52 at rate 0.3",
            control=swap("sequence_length", 10, 100),
            also=[budget(0.5)],
            about=ABOUT,
            seeds=10,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
