"""Where do gradients vanish and explode?

A tanh RNN, or another cell (--set cell=lstm), is driven by the force of the damped oscillator and
has its loss at the last step. How the gradient fares on its way back depends on the spectral radius
of W, the length of the sequence and the size of the input, which flattens tanh and moves the edge.
"""

import math

import numpy as np

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import (
    CRITICAL,
    EXPLODING,
    VANISHING,
    Panel,
    by_lag,
    medians,
    page,
    regime_map,
    style,
)
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Reading,
    Span,
    crossing,
    every,
    mean,
    near,
    nearest,
    passes_for,
    rows,
    slope,
    swap,
)

SHOWN = 0.5  # the input scale of the figure: large enough to move the edge where one can see it
ABOUT = {
    "cell": "elman", "layers": 1, "bidirectional": False, "dtype": "float64",
    "activation": "tanh", "init": "gaussian", "hidden_size": Span(64),
    "task": "oscillator", "interval": 0.1, "file": None,
}  # fmt: skip
VANISHED = {"spectral_radius": 0.8, "input_scale": SHOWN}
LENGTHS = [10, 20, 50, 100, 200, 500]
CALM = {"spectral_radius": 0.5, "sequence_length": 500}  # so far below the edge all draws settle


def flattened(drive):
    """Mean field's decades a step that an input costs: drive, the variance of U x at full force."""

    def expected(frame):
        force = np.cos(0.5 * 0.1 * np.arange(500))
        gain = rows(frame, **CALM).gain.mean()
        return (theory.exponents(gain, drive * force**2).mean() - np.log(gain)) / math.log(10)

    return Reading("mean field's rate under the force less ln(gain), at the drawn gain", expected)


def input_claim(scale):
    """The claim that an input flattens tanh as mean field says: a difference of two scales.

    In a difference the radius and the gain of a draw, some 5 % apart at 64 units, cancel.
    """
    return Claim(
        f"input scale {scale:g} flattens tanh",
        "what an input costs the gradient a step at radius 0.5, beside no input (decades)",
        source="chi = gain^2 <tanh'^2> of a driven net (Molgedey, Schuchhardt, Schuster 1992)",
        measured=mean("decades_per_step", input_scale=scale, **CALM)
        - mean("decades_per_step", input_scale=0.0, **CALM),
        equals=flattened(scale**2),
        within=0.25,
        relative=True,
        why="20 draws of 64 units: the mean is known to 10 %",
        rivals={
            "no input": 0.0,
            "half the drive": flattened(scale**2 / 2),
            "twice the drive": flattened(2 * scale**2),
            "a standard deviation for the variance": flattened(scale),
        },
        control=swap("input_scale", 0.1, 0.5),
        about=ABOUT,
        seeds=10,
    )


def edge(scale):
    """The radius at which the median gradient neither vanishes nor explodes."""
    return crossing("decades_per_step", "spectral_radius", input_scale=scale, sequence_length=500)


def per_step(column):
    """By how many decades a step a column's median grows with the length, below the edge."""
    return slope(column, "sequence_length", **VANISHED)


def regimes(panel, frame):
    """Decades a step over radius and length; solid: the measured edge, dashed: mean field's."""
    regime_map(
        "spectral_radius", "sequence_length", "decades_per_step", label="decades a step",
        xlabel="spectral radius of W", ylabel="sequence length T (steps)",
    )(panel, frame)  # fmt: skip
    try:
        edge = crossing("rate_mean_field", "spectral_radius", sequence_length=max)(frame)
    except NotMeasured:
        return
    panel.axvline(edge, ls="--", lw=2, color=CRITICAL)
    low, high = frame.spectral_radius.min(), frame.spectral_radius.max()
    height = frame.sequence_length.nunique()
    style.label(panel, (low + edge) / 2, 0.55 * height, "vanishing", VANISHING)
    style.label(panel, (high + edge) / 2, 0.55 * height, "exploding", EXPLODING)
    if edge > 1.05:
        why = f"edge at {edge:.2f}, not at 1:\nthe input flattens tanh,\nits slopes are below 1"
        style.label(panel, (high + edge) / 2, 0.13 * height, why, CRITICAL, fontsize=10)


def early_half(panel, frame):
    """Norms of dL/dW and of its terms k <= T/2 over the length, medians over seeds."""
    radii = [nearest(frame.spectral_radius, radius) for radius in (0.8, 1.1)]
    for radius, colour in zip(radii, (VANISHING, CRITICAL), strict=True):
        here = frame[frame.spectral_radius == radius]
        for column, line, marker, text in (
            ("log10_norm_W", "-", "o", "all terms"),
            ("log10_norm_W_early", ":", "s", "terms k <= T/2"),
        ):
            medians(
                "sequence_length", column, colour=colour, line=line, points=marker, decades=True,
                label=f"radius {radius:g}, {text}", xlabel="sequence length T (steps)",
                ylabel="||dL/dW||", loc="lower left",
            )(panel, here)  # fmt: skip


def clipped(panel, frame):
    """Share of seeds whose gradient norm is at or above a threshold, over the radius.

    Of the seeds that have a gradient: one whose states overflow has none to clip, and a radius at
    which all of them do stays blank.
    """
    thresholds = np.linspace(-2, 2, 81)
    norms = frame.groupby("spectral_radius").log10_norm_all
    heights = [group.dropna().to_numpy() for _, group in norms]
    blank = np.full(len(thresholds), np.nan)
    share = [(h >= thresholds[:, None]).mean(1) if h.size else blank for h in heights]
    mesh = panel.pcolormesh(
        list(norms.groups), thresholds, np.transpose(share), cmap="Oranges", vmin=0, vmax=1,
        shading="nearest",
    )  # fmt: skip
    panel.figure.colorbar(mesh, ax=panel, label="share of seeds that are clipped", pad=0.02)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="spectral radius of W", ylabel="clipping threshold on the norm")
    panel.grid(False)


def caption(frame):
    """What was measured; a word on theory, and on an edge, where there is one for this cell."""
    scale = nearest(frame.input_scale, SHOWN)
    here = frame[frame.input_scale == scale]
    rates = here.groupby(["spectral_radius", "sequence_length"]).decades_per_step.median()
    said = [
        "{network}, {hidden_size} units, task {task}, input scale "
        f"{scale:g}, loss at the last step, {{seeds}}"
    ]
    if here.rate_mean_field.notna().any():
        said.append("dashed: mean-field theory for the drawn W and the input that the network saw")
    if rates.min() < 0 < rates.max():
        said.append("solid in b: measured edge")
    return "; ".join(said)


LONGEST = {"input_scale": near(SHOWN), "sequence_length": max}
figure = page(
    "Gradients vanish below the edge and explode above it",
    caption,
    [
        [
            Panel(
                "the gradient on its way back",
                by_lag(
                    "log10_gradient", "spectral_radius", theory="rate_mean_field",
                    chosen=(0.5, 0.8, 1.1, 1.5, 2.0, 2.5), edge=1.5, loc="lower left",
                    ylabel="||dL/dh$_t$|| relative to ||dL/dh$_T$||",
                ),
                LONGEST,
            ),
            Panel("where it vanishes and where it explodes", regimes, {"input_scale": near(SHOWN)}),
        ],
        [
            Panel(
                "why the norm of dL/dW hides the vanishing",
                early_half,
                {"input_scale": near(SHOWN)},
            ),
            Panel(
                "what a clipping threshold would clip (T = {sequence_length})",
                clipped,
                {"input_scale": near(SHOWN), "sequence_length": near(100)},
            ),
        ],
    ],
)  # fmt: skip
experiment = Experiment(
    question="Where do gradients vanish and explode?",
    grid={
        "spectral_radius": [round(0.5 + 0.05 * i, 2) for i in range(41)],
        "sequence_length": LENGTHS,
        "input_scale": [0.0, 0.1, 0.5],
        "seed": range(20),
    },
    split=["seed", "input_scale"],
    constants={
        "task": "oscillator",
        "hidden_size": 64,
        "activation": "tanh",
        "init": "gaussian",
        "cell": "elman",
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "forget_bias": 0.0,
        "interval": 0.1,
        "file": None,
        "column": None,
        "fill": None,
    },
    quick={
        "spectral_radius": [0.5, 0.8, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5],
        "seed": range(10),
    },
    measure="gradlab.measures.last_step:measure",
    figure=figure,
    claims=[
        input_claim(0.1),
        input_claim(0.5),
        Claim(
            "the input moves the edge",
            "the radius at which gradients neither vanish nor explode, input scale 0.5 less none",
            source="a flattened tanh asks for a larger W",
            measured=edge(SHOWN) - edge(0.0),
            at_least=0.2,
            why="draws of 64 units differ by more; experiment mean_field has the edge of 512",
            control=swap("input_scale", 0.0, SHOWN),
            about=ABOUT,
            seeds=10,
        ),
        Claim(
            "dL/dW saturates",
            "below the edge (radius 0.8) the slope of log10 ||dL/dW|| over T = 10 to 500",
            source="the k = T term of dL_T/dW = sum over k does not know T",
            measured=per_step("log10_norm_W"),
            equals=0.0,
            within=0.003,
            why="decades a step; the loss itself changes with the phase of the oscillation at T",
            rivals={
                "as dL/dh_0": per_step("log10_gradient_ratio"),
                "a tenth of that": per_step("log10_gradient_ratio") * 0.1,
            },
            control=passes_for("log10_norm_W_early", "log10_norm_W"),
            about=ABOUT | {"sequence_length": every(LENGTHS)},
            seeds=5,
        ),
        Claim(
            "its early half vanishes",
            "while its terms k <= T/2 lose half of what dL/dh_0 does, over the same lengths",
            source="dh_T/dh_k has T - k factors (Pascanu, Mikolov, Bengio, ICML 2013, section 2.1)",
            measured=per_step("log10_norm_W_early") / per_step("log10_gradient_ratio"),
            equals=0.5,
            within=0.05,
            why="as the largest of these terms has T/2 factors",
            rivals={"nothing": 0.0, "as much": 1.0, "a third": 1 / 3, "two thirds": 2 / 3},
            control=passes_for("log10_norm_W", "log10_norm_W_early"),
            about=ABOUT | {"sequence_length": every(LENGTHS)},
            seeds=5,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
