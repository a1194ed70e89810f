"""How wide must a network be before theory holds?

Two laws with known answers. The gradient of an orthogonal linear cell changes by exactly the
radius a step. A wide tanh network follows mean field, which is exact as N grows: the largest
Lyapunov exponent of a chaotic network, and the edge that the input moves.
"""

import math

import numpy as np

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, crossing, rows

LINEAR = {"init": "orthogonal", "activation": "identity"}
TANH = {"init": "gaussian", "activation": "tanh"}
SIZES = [32, 64, 128, 256, 512]
RADII = [0.5, 0.9, 1.0, 1.1, 1.5]


def orthogonal_error(frame):
    """Largest |measured slope - log10(radius)| in decades a step, orthogonal linear cell."""
    linear = rows(frame, init="orthogonal")
    return (linear.decades_per_step - linear.spectral_radius.map(math.log10)).abs().max()


def exponent(frame, size):
    """Largest Lyapunov exponent at radius 2 without input, per step, mean over seeds.

    From lags 100 to 500 of 1000 steps: the first lags turn the gradient into the fastest
    direction, the first steps leave the small start behind.
    """
    chaotic = rows(frame, hidden_size=size, spectral_radius=2.0, sequence_length=1000)
    grown = chaotic.log10_gradient_lag_500 - chaotic.log10_gradient_lag_100
    return grown.mean() / 400 * math.log(10)


def predicted_exponent(size, share=1.0):
    """Mean field's exponent for the gain ||W||_F/sqrt(N) that the drawn W have at radius 2."""

    def expected(frame):
        drawn = rows(frame, hidden_size=size, spectral_radius=2.0, sequence_length=1000)
        return share * mean_field_exponent(drawn.gain.mean())

    return expected


def mean_field_exponent(gain):
    """ln(chi)/2 without input at a gain above 1, by direct quadrature of both Gaussian means."""
    z = np.linspace(-10, 10, 4001)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    q = 1.0
    for _ in range(200):
        q = gain**2 * (weight * np.tanh(math.sqrt(q) * z) ** 2).sum()
    return math.log(gain**2 * (weight / np.cosh(math.sqrt(q) * z) ** 4).sum()) / 2


def edge(scale):
    """The radius at which 512 units neither lose nor gain gradient over 500 steps."""

    def measured(frame):
        driven = rows(frame, hidden_size=512, input_scale=scale, sequence_length=500)
        return crossing("decades_per_step", "spectral_radius")(driven)

    return measured


def predicted_edge(scale):
    """Mean field's critical gain under the force of the oscillator."""

    def expected(_):
        force = np.cos(0.5 * 0.1 * np.arange(500))
        return float(theory.critical_gain_driven(scale**2 * force**2))

    return expected


def half_the_steps(frame):
    """Slopes divided by T + 1 instead of T."""
    frame["decades_per_step"] *= frame.sequence_length / (frame.sequence_length + 1)
    return frame


def narrow(frame):
    """Networks of 64 units pass for those of 512."""
    frame["hidden_size"] = frame.hidden_size.map({512: 64, 64: 512}).fillna(frame.hidden_size)
    return frame


def undriven(frame):
    """The edge of the other input."""
    frame["input_scale"] = frame.input_scale.map({0.0: 0.0, 0.1: 0.5, 0.5: 0.1})
    return frame


def figure(frame):
    """The exact slope, the exponent over N, the edge under two inputs."""
    drawing, axes = style.panels(1, 3, size=(16, 6.2))
    slopes(axes[0], frame[frame.init == "orthogonal"])
    widths(axes[1], frame)
    edges(axes[2], frame[frame.sequence_length == 500])
    style.titles(
        axes,
        [
            "orthogonal linear cell: exact",
            "largest exponent at radius 2",
            "the input moves the edge",
        ],
    )
    style.headline(drawing, "Where theory is exact, and how wide a network must be for it")
    style.caption(
        drawing,
        "points: measured (b: mean and standard deviation over seeds; c: median, 512 units); "
        "lines: log10 of the radius; mean field (dotted: gain 2, the limit of large N)",
    )
    return drawing


def slopes(panel, frame):
    """Measured decades a step over the radius, on log10(radius)."""
    radii = np.linspace(frame.spectral_radius.min(), frame.spectral_radius.max(), 200)
    panel.plot(radii, np.log10(radii), color=CRITICAL, label="log10(radius)")
    means = frame.groupby("spectral_radius").decades_per_step.mean()
    panel.plot(means.index, means, "o", ms=9, color=EXPLODING, label="measured")
    panel.text(0.97, 0.06, f"largest difference {orthogonal_error(frame):.0e}", ha="right",
               transform=panel.transAxes, color=MUTED)  # fmt: skip
    panel.set(xlabel="spectral radius of W", ylabel="decades a step")
    panel.legend(loc="upper left")


def widths(panel, frame):
    """The exponent over N, beside mean field's and its 5 % band."""
    chaotic = frame[(frame.sequence_length == 1000)]
    grown = (chaotic.log10_gradient_lag_500 - chaotic.log10_gradient_lag_100) / 400 * math.log(10)
    by_size = grown.groupby(chaotic.hidden_size)
    means, spread = by_size.mean(), by_size.std()
    theory = chaotic.groupby("hidden_size").gain.mean().map(mean_field_exponent)
    panel.fill_between(theory.index, 0.95 * theory, 1.05 * theory, color="#e4e6ea", label="5 %")
    panel.plot(theory.index, theory, color=CRITICAL, label="mean field at the drawn gain")
    panel.axhline(mean_field_exponent(2.0), color=CRITICAL, lw=1, ls=":")
    panel.errorbar(means.index, means, spread, fmt="o", ms=9, color=EXPLODING, capsize=4)
    panel.set_xscale("log", base=2)
    panel.set_xticks(means.index, means.index)
    panel.minorticks_off()
    panel.set(xlabel="hidden units N", ylabel="largest Lyapunov exponent (1/step)")
    panel.legend(loc="lower right")


def edges(panel, frame):
    """Decades a step over the radius for two input scales, mean field beside the points."""
    colours = (VANISHING, EXPLODING)
    for (scale, driven), colour in zip(frame.groupby("input_scale"), colours, strict=False):
        medians = driven.groupby("spectral_radius")[
            ["decades_per_step", "rate_mean_field"]
        ].median()
        panel.plot(medians.index, medians.decades_per_step, "o", ms=8, color=colour)
        panel.plot(medians.index, medians.rate_mean_field, color=colour, label=f"scale {scale:g}")
    panel.axhline(0, color=CRITICAL, lw=1)
    panel.set(xlabel="spectral radius of W", ylabel="decades a step")
    panel.legend(title="input", loc="lower right")


def edge_claim(scale):
    """The claim that 512 units have their edge where mean field puts it."""
    return Claim(
        name=f"edge at input scale {scale:g}",
        about=TANH | {"task": "oscillator", "interval": 0.1},
        seeds=3,
        statement="512 units keep the gradient's size at mean field's critical gain",
        source="chi = 1 in the mean field of a driven net (Molgedey, Schuchhardt, Schuster 1992)",
        measured=edge(scale),
        equals=predicted_edge(scale),
        within=0.05,
        why="finite N: the radius of a draw and its gain differ by some N^(-1/2), 4 % at 512",
        control=undriven,
        relative=True,
    )


def exponent_claim(name, size, why, **asked):
    """The claim on how near the exponent of `size` units comes to mean field's."""
    return Claim(
        name=name,
        about=TANH | {"input_scale": 0.0},
        seeds=5,
        statement=f"largest Lyapunov exponent of {size} units at radius 2, no input",
        source="ln(chi)/2, Sompolinsky, Crisanti, Sommers 1988, in discrete time",
        measured=lambda frame: exponent(frame, size),
        **asked,
        why=why,
        control=narrow,
    )


PART = {"init": ["gaussian"], "activation": ["tanh"], "seed": range(20)}
experiment = Experiment(
    question="How wide must a network be before theory holds?",
    grid=[
        {
            "init": ["orthogonal"], "activation": ["identity"], "hidden_size": [64],
            "spectral_radius": RADII, "input_scale": [0.0], "sequence_length": [10, 50, 200],
            "seed": range(5),
        },
        PART | {
            "hidden_size": SIZES, "spectral_radius": [2.0], "input_scale": [0.0],
            "sequence_length": [1000],
        },
        PART | {
            "hidden_size": [512], "spectral_radius": [0.9 + 0.1 * i for i in range(10)],
            "input_scale": [0.1, 0.5], "sequence_length": [500], "seed": range(5),
        },
    ],
    split=["init", "activation", "hidden_size", "seed"],
    constants={"task": "oscillator", "interval": 0.1},
    quick={"seed": range(2), "hidden_size": [32, 64]},
    measure="gradlab.measures.last_step:measure",
    figure=figure,
    claims=[
        Claim(
            name="orthogonal linear cell",
            about=LINEAR,
            statement="the gradient changes by log10(radius) decades a step",
            source="dh_T/dh_0 = (radius Q)^T with Q orthogonal",
            measured=orthogonal_error,
            equals=0.0,
            within=1e-12,
            why="rounding of some 200 products, divided by their number",
            control=half_the_steps,
        ),
        exponent_claim(
            "512 units are wide", 512, "finite N, 20 seeds",
            equals=predicted_exponent(512), within=0.05, relative=True,
        ),
        exponent_claim(
            "64 units are not", 64, "at least 10 % short", at_most=predicted_exponent(64, 0.9)
        ),
        edge_claim(0.1),
        edge_claim(0.5),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
