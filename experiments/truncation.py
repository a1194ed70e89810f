"""How many steps back must the gradient go?

Truncated backpropagation lets the loss of a step reach back k steps (window k), or to the start of
its chunk of k steps (chunk k); all else of dL/dW is left out. Here its direction and size are held
against the full gradient, in untrained networks with a loss at every step.

For one linear unit, h_t = w h_{t-1} + u x_t under white noise with L_t = (v h_t)^2, the expected
gradient of a window is 1 - w^(2k) of the full one: sum over lags l < k of w^(2l + 1) E[h^2] 2 v^2.
A chunk's steps reach back 1, 2, ..., k steps: the mean of that over them.

How long a window must be can be estimated without a full gradient of each one: from the norms of
dL_T/dh_k by lag (Aicher, Foti, Fox 2019; gradlab/theory/truncation.py). That knows how a gradient
falls, and nothing of what the task asks for.
"""

import math

import numpy as np

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, Panel, medians, page
from gradlab.plots.panels import hues
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Reading,
    Span,
    above,
    largest,
    median,
    near,
    rows,
    scaled,
    slope,
    swap,
)

LENGTH, DELAY = 100, 10
UNIT = {"activation": "identity", "hidden_size": 1, "sequence_length": 1000}
TANH = {"activation": "tanh", "sequence_length": LENGTH}
ABOUT = {
    "task": "noise", "cell": "elman", "layers": 1, "bidirectional": False, "dtype": "float64",
    "init": "gaussian", "batch_size": 20, "input_scale": 0.5,
}  # fmt: skip
WIDE = ABOUT | {"hidden_size": Span(64)}
ENOUGH = 10  # degrees
ROUNDING = -14  # log10 of what an error cannot be read below
SHOWN = {"chosen": (0.5, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0), "edge": 1.6}


def share(frame):
    """The truncated gradient along the full one, over the full one's norm."""
    return 10**frame.log10_ratio * np.cos(np.radians(frame.angle))


def white(kind, radius, steps):
    """The mean share that one linear unit has under white noise; steps: a number or an array."""
    power = radius ** (2 * steps)
    return 1 - (power if kind == "window" else radius**2 * (1 - power) / (1 - radius**2) / steps)


def off_the_law(kind):
    """Reads how far the mean shares are from the law at most, over radii and steps."""

    def measured(frame):
        """Largest difference of a mean share from the law, over radii and steps."""
        unit = rows(frame, **UNIT, truncation=kind)
        means = share(unit).groupby([unit.spectral_radius, unit.steps]).mean()
        return max(abs(value - white(kind, *point)) for point, value in means.items())

    return measured


def rate(frame, drive=1.0):
    """Mean field's ln(chi)/2 under white noise, its gain put up to the radius; decades a step.

    A drawn W has two numbers. Its gain, sqrt(N) times the standard deviation of its entries, is
    what tanh sees of it; below the edge the Jacobians multiply as its radius does, which at 64
    units is some 4 % more. drive: a factor on the variance of the input.
    """
    first, gain = frame.iloc[0], frame.gain.mean()
    variance = drive * first.input_scale**2
    exponent = theory.largest_exponent(gain, variance, first.activation) / np.log(10)
    return exponent + np.log10(first.spectral_radius / gain)


def of_mean_field(drive=1.0):
    """A reading of `rate` at radius 0.8."""
    return Reading(
        "mean field's rate for the drawn W and its radius",
        lambda frame: rate(rows(frame, **TANH, spectral_radius=0.8, delay=1), drive),
    )


def not_converted(frame):
    """Mean field's rate for the drawn gain alone."""
    known = rows(frame, **TANH, spectral_radius=0.8, delay=1)
    return rate(known) - np.log10(0.8 / known.gain.mean())


def angle(**where):
    """The median angle of windows, task delay DELAY."""
    return median("angle", truncation="window", delay=DELAY, **where, **TANH)


def angles(panel, frame):
    """Median angle between a window's gradient and the full one over k; grey: the task's delay."""
    medians(
        "steps", "angle", "spectral_radius", **SHOWN, xscale="log", ylim=(-3, 135),
        yticks=range(0, 91, 15), xlabel="window k (steps)",
        ylabel="angle to the full gradient (degrees)",
        legend={"title": "spectral radius", "ncols": 4}, loc="upper left",
    )(panel, frame)  # fmt: skip
    panel.axvline(frame.delay.iloc[0], ymax=0.68, color=MUTED, lw=1, zorder=1)  # below the legend


def enough(panel, frame):
    """The smallest k from which on the median angles are small, over the radius."""
    for delay, colour in hues(frame, "delay", edge=1).items():
        for kind, line in (("window", "-o"), ("chunk", ":s")):
            here = frame[(frame.delay == delay) & (frame.truncation == kind)]
            table = here.groupby(["spectral_radius", "steps"]).angle.median().unstack()
            found = [first_within(row) for _, row in table.iterrows()]
            label = f"{kind}s, delay {delay}"
            panel.plot(table.index, found, line, ms=5, color=colour, label=label)
    estimated = frame.groupby("spectral_radius").window_estimate.median()
    label = "estimate from lags, bias 10 %"
    panel.plot(estimated.index, estimated, "--", color=MUTED, lw=2, label=label)
    first = frame.iloc[0]
    edge = theory.critical_gain(first.input_scale**2, first.activation)
    drawn = (frame.gain / frame.spectral_radius).mean()
    if math.isfinite(drawn):  # else theory says nothing of this network
        panel.axvline(edge / drawn, ls="--", color=CRITICAL, label="mean field's edge")
    panel.set(yscale="log", xlabel="spectral radius of W", ylabel="steps k")
    panel.legend(fontsize=9.5)


def left_out(frame):
    """Largest log10 error of windows of at least the estimated length, radius 0.5 to 1.4."""
    below = {"spectral_radius": Span(0.5, 1.4), "delay": 1}
    windows = rows(frame, **TANH, **below, truncation="window")
    enough = windows[windows.steps >= windows.window_estimate]
    if enough.empty:
        raise NotMeasured("has no window of the estimated length")
    return enough.log10_error.max()


def first_within(row):
    """The smallest k from which on all angles are at most ENOUGH."""
    wide = row.index[row > ENOUGH]
    return row.index[0] if wide.empty else row.index[row.index > wide.max()].min()


def through_the_middle(frame, steps):
    """The line of mean field's rate through the middle one of the errors, below the edge."""
    errors = frame.groupby("steps").log10_error.median()
    errors = errors[errors > ROUNDING]
    if errors.empty or rate(frame) >= 0:
        return np.full(len(steps), np.nan)
    middle = len(errors) // 2
    return errors.iloc[middle] + rate(frame) * (steps - errors.index[middle])


def one_unit(panel, frame):
    """Mean share of the full gradient over k, with its law."""
    for kind, marker in (("window", "o"), ("chunk", "s")):
        medians(
            "steps", share, "spectral_radius", estimator="mean", edge=1.0, points=marker,
            law=lambda here, steps, kind=kind: white(kind, here.spectral_radius.iloc[0], steps),
            label=lambda here: f"{here.truncation.iloc[0]}s, {here.spectral_radius.iloc[0]:g}",
            legend={"title": "w", "ncols": 2}, loc="lower right", xlabel="steps k",
            ylabel="share of the full gradient", ylim=(0, 1.05),
        )(panel, frame[frame.truncation == kind])  # fmt: skip


def caption(frame):
    """What was measured; a word on theory where there is some for these networks."""
    known = frame.gain[frame.hidden_size > 1].notna().any()
    theory = (
        "; dashed in b: mean field's edge for the drawn W; dashed in c: slope of mean field's "
        "Lyapunov exponent at its radius"
    )
    return (
        "dL/dW of untrained networks, {init} W, task {task} (noise: white noise to be recalled "
        "`delay` steps later), input scale {input_scale}, {batch_size} sequences;\nmedians over "
        f"{{seeds}} (d: means, dashed: the law){theory if known else ''}"
    )


RNN = {"hidden_size": above(1)}
figure = page(
    "Below the edge a short window is enough; above it none is",
    caption,
    [
        [
            Panel(
                "windows: what an input {delay} steps back asks for",
                angles,
                RNN | {"truncation": "window", "delay": near(DELAY)},
            ),
            Panel(
                f"{{network}}, {{hidden_size}} units: k until within {ENOUGH} degrees",
                enough,
                RNN | {"delay": Span(1, DELAY)},
            ),
        ],
        [
            Panel(
                "windows: what they leave out (task delay {delay})",
                medians(
                    "steps", "log10_error", "spectral_radius", **SHOWN, line="", legend="",
                    law=through_the_middle, decades=True, ylim=(ROUNDING - 1, None),
                    xlabel="window k (steps)", ylabel="||truncated - full|| / ||full||",
                ),
                RNN | {"truncation": "window", "delay": near(1)},
            ),
            Panel(
                "one linear unit under white noise",
                one_unit,
                {"hidden_size": 1, "activation": "identity"},
            ),
        ],
    ],
)  # fmt: skip
STEPS = [1, 2, 3, 5, 7, 9, 10, 12, 15, 20, 30, 50, 70, LENGTH]
experiment = Experiment(
    question="How many steps back must the gradient go?",
    grid=[
        {
            "activation": ["tanh"], "hidden_size": [64], "sequence_length": [LENGTH],
            "delay": [1, DELAY], "spectral_radius": [round(0.5 + 0.1 * i, 1) for i in range(16)],
            "truncation": ["window", "chunk"], "steps": STEPS, "seed": range(10),
        },
        {
            # a delay as long as the sequence: every target is 0
            **{axis: [value] for axis, value in UNIT.items()}, "delay": [1000],
            "spectral_radius": [0.5, 0.8, 0.9, 0.95], "truncation": ["window", "chunk"],
            "steps": [1, 2, 3, 5, 7, 10, 15, 20, 30, 50], "seed": range(10),
        },
    ],
    split=["activation", "seed"],
    constants={
        "task": "noise",
        "cell": "elman",
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "init": "gaussian",
        "batch_size": 20,
        "input_scale": 0.5,
    },
    quick={"seed": range(2)},
    measure="gradlab.measures.truncation:measure",
    figure=figure,
    claims=[
        Claim(
            "all steps",
            "windows and chunks as long as the sequence give the full gradient",
            source="the definition",
            measured=largest("angle", steps=LENGTH, **TANH),
            equals=0.0,
            within=0.0,
            why="the same operations in the same order",
            control=swap("steps", LENGTH // 2, LENGTH),
        ),
        *(
            Claim(
                f"{kind}s of one linear unit",
                f"the share of the full gradient that {kind}s see follows the law in w^2",
                source=formula,
                measured=off_the_law(kind),
                equals=0.0,
                within=0.01,
                why="sampling: 10 seeds, 20 sequences of 1000 steps",
                control=swap("truncation", "window", "chunk"),
                about=ABOUT,
                seeds=5,
            )
            for kind, formula in (
                ("window", "1 - w^(2k), from E[h_t h_(t-l)] = w^l E[h^2]"),
                ("chunk", "the mean of 1 - w^(2m) over m = 1..k, from E[h_t h_(t-l)] = w^l E[h^2]"),
            )
        ),
        Claim(
            "what a window leaves out",
            "at radius 0.8 the error falls with k as gradients do with the lag",
            source="ln(chi)/2 of the mean field of a driven network",
            measured=slope(
                "log10_error", "steps",
                steps=Span(5, 50), truncation="window", spectral_radius=0.8, delay=1, **TANH,
            ),
            equals=of_mean_field(),
            within=0.08,
            relative=True,
            why="mean field is the limit of many units; 64 were seen 5 % slower",
            rivals={
                "no input": of_mean_field(0.0),
                "half the drive": of_mean_field(0.5),
                "twice the drive": of_mean_field(2.0),
                "the gain for the radius": not_converted,
            },
            control=swap("spectral_radius", 0.5, 0.8),
            about=WIDE,
            seeds=5,
        ),
        Claim(
            "the task's own delay",
            "at radius 1 the angle drops at least threefold where k reaches the delay",
            source="dL_t/dh_(t-l) carries x_(t-l) to the target that asks for it",
            measured=angle(spectral_radius=1.0, steps=DELAY - 1)
            / angle(spectral_radius=1.0, steps=DELAY),
            at_least=3.0,
            control=swap("delay", 1, DELAY),
            about=WIDE,
            seeds=5,
        ),
        Claim(
            "the estimated window",
            "below the edge windows as long as the lags suggest leave out less than 10 %",
            source="Aicher, Foti, Fox (UAI 2019), with their strictest tolerance",
            measured=left_out,
            at_most=-1.0,
            control=scaled("window_estimate", 0.1),
            about=WIDE,
            seeds=5,
        ),
        Claim(
            "no window above the edge",
            "at radius 2 half of the steps still give an angle of 60 degrees or more",
            source="there the terms of the largest lags dominate dL/dW",
            measured=angle(spectral_radius=2.0, steps=LENGTH // 2),
            at_least=60.0,
            control=swap("spectral_radius", 1.0, 2.0),
            about=WIDE,
            seeds=5,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
