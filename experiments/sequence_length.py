"""How far back does the gradient reach?

dL_T/dh_0 is a product of T Jacobians, J_1^T ... J_T^T dL_T/dh_T, so the logarithm of its size is a
straight line in T. For the linear cell h_t = rho Q h_{t-1} + U x_t with Q orthogonal every Jacobian
multiplies every norm by rho: the slope is log10(rho) decades a step, exactly. For tanh,
J_t = diag(1 - h_t^2) W depends on where the network is, and the slope is the largest Lyapunov
exponent over ln 10: the mean rate at which a small change of h_0 grows along the same states.
The gradient goes back from v at step T; the exponent comes from the other end, by a QR of
perturbations that go forward from step 0. The loss is L_T = v . h_T with one v for all T. Beside
the gradient stands the same product multiplied out by NumPy, a Jacobian at a time.
"""

import math

import numpy as np
import pandas as pd

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, Panel, medians, page
from gradlab.suite import Claim, Experiment, NotMeasured, Span, passes_for, rows, scaled, worst

LINEAR = {"init": "orthogonal", "activation": "identity"}
TANH = {"init": "gaussian", "activation": "tanh"}
NOISE = {"task": "noise", "hidden_size": 64, "input_scale": 0.1}
PLAIN = {"cell": "elman", "layers": 1, "dtype": "float64"}
FIRST = 100  # the shortest length of a slope: perturbations need that long to find their direction


def runs(frame):
    """One row a radius and seed: measured slope, exponent (decades a step), and log10(radius)."""
    long = rows(frame, status="ok", sequence_length=Span(FIRST))
    if long.sequence_length.nunique() < 2:
        raise NotMeasured(f"needs two lengths of at least {FIRST}")
    return pd.DataFrame(
        {
            "spectral_radius": radius,
            "slope": np.polyfit(run.sequence_length, run.log10_gradient, 1)[0],
            "exponent": exponent(run),
            "log10_radius": math.log10(radius),
        }
        for (radius, _), run in long.groupby(["spectral_radius", "seed"])
    )


def a_factor_less(frame):
    """The gradient of T - 1 factors, were all of one size."""
    return frame.log10_gradient * (1 - 1 / frame.sequence_length)


def exponent(run):
    """The largest Lyapunov exponent along the longest sequence, decades a step."""
    return run.lyapunov_1[run.sequence_length.idxmax()] / math.log(10)


def log10_radius(run):
    """The linear law's slope."""
    return math.log10(run.spectral_radius.iloc[0])


def apart(one, other):
    """The difference of two columns of `runs` up to 1000 steps; shorter ones are too uncertain."""

    def difference(frame):
        rows(frame, sequence_length=1000)
        return runs(frame)[one] - runs(frame)[other]

    difference.__name__ = f"{one} - {other}"
    return difference


def law(name, statement, one, other, **rest):
    """A claim that two columns of `runs` agree, decades a step, in every network."""
    return Claim(
        name, statement, measured=worst(apart(one, other)), equals=0.0,
        **{"within": 1e-12, "why": "rounding of 1000 products, divided by their number"} | rest,
    )  # fmt: skip


def over_length(slope_of):
    """The panel of log10 ||dL_T/dh_0|| over T, on lines of the slopes that theory gives."""

    def line(run, lengths):
        slope = slope_of(run)
        level = (run.log10_gradient - slope * run.sequence_length).iloc[-5:].median()
        return level + slope * lengths

    def reach(run):
        slope = slope_of(run)
        if math.isnan(slope):  # of one length
            return f"{run.spectral_radius.iloc[0]:g}"
        steps = "for ever" if abs(slope) < 1e-9 else f"{1 / abs(slope):.0f}"
        return f"{run.spectral_radius.iloc[0]:g}: {steps}"

    def flattest(frame):
        known = {radius: abs(slope_of(run)) for radius, run in frame.groupby("spectral_radius")}
        return min(known, key=known.get)

    return medians(
        "sequence_length", "log10_gradient", "spectral_radius", edge=flattest, law=line,
        label=reach, decades=True, loc="lower left",
        legend={"title": "radius: steps a decade", "fontsize": 10, "title_fontsize": 10},
        xlabel="sequence length T (steps)", ylabel="||dL$_T$/dh$_0$||",
    )  # fmt: skip


def rates(panel, frame):
    """Slopes over the radius: measured, by exponent and by log10(radius); each seed."""
    hollow = {"ls": "none", "marker": "o", "ms": 10, "mfc": "none", "mew": 1.5}
    kinds = frame.groupby(["init", "activation"], sort=False)
    for ((init, activation), here), colour in zip(kinds, (VANISHING, EXPLODING), strict=False):
        found = runs(here)
        label = f"{activation}, {init} W: slope"
        panel.plot(found.spectral_radius, found.slope, color=colour, label=label, **hollow)
        panel.plot(found.spectral_radius, found.exponent, ".", ms=8, color=colour)
    panel.plot([], [], ".", ms=8, color=CRITICAL, label="Lyapunov exponent / ln 10")
    radii = np.linspace(max(frame.spectral_radius.min(), 0.1), frame.spectral_radius.max(), 200)
    panel.plot(radii, np.log10(radii), "--", color=CRITICAL, label="log10(radius)")
    panel.axhline(0, color=CRITICAL, lw=1)
    panel.set(xlabel="spectral radius of W", ylabel="slope (decades a step)")
    panel.legend(loc="lower right")


ONE = {"seed": min, "status": "ok"}
LENGTHS = [10, 20, 50, *range(100, 1001, 100)]
COMMON = {"sequence_length": LENGTHS, "seed": range(5)}
experiment = Experiment(
    question="How far back does the gradient reach?",
    grid=[
        {key: [value] for key, value in LINEAR.items()}
        | {"spectral_radius": [0.8, 0.9, 0.95, 1.0, 1.05, 1.1]} | COMMON,
        {key: [value] for key, value in TANH.items()}
        | {"spectral_radius": [0.5, 0.9, 1.1, 1.3, 1.5, 2.0, 2.5, 3.0]} | COMMON,
    ],
    split=["init", "activation", "seed"],
    constants=NOISE | PLAIN,
    quick={"sequence_length": [10, 50, 100, 200, 300], "seed": range(2)},
    measure="gradlab.measures.sequence_length:measure",
    figure=page(
        "The logarithm of the gradient at the start is a straight line in the length",
        "{network}, {hidden_size} units, task {task} times {input_scale}, loss v . h$_T$. Points: "
        "measured (a, b: one seed; c: {seeds}). Lines in a: slope log10(radius);\n"
        "in b: the exponent's, by QR of forward perturbations along the same states",
        [
            Panel("linear, orthogonal W: slope log10(radius)", over_length(log10_radius),
                  LINEAR | ONE),
            Panel("{activation}: slope is the Lyapunov exponent", over_length(exponent),
                  {"init": "gaussian"} | ONE),
            Panel("where the two laws part", rates),
        ],
        size=(16.5, 6.6),
    ),
    claims=[
        Claim(
            "a product of Jacobians",
            "backpropagation gives J_1^T ... J_T^T v, as NumPy multiplies it out, decades apart",
            source="the chain rule",
            measured=worst("log10_gradient - log10_product", status="ok"),
            equals=0.0,
            within=1e-10,
            why="rounding of 1000 products",
            control=passes_for(a_factor_less, "log10_gradient"),
            about=PLAIN,
        ),
        law(
            "orthogonal linear cell",
            "log10 ||dL_T/dh_0|| has the slope log10(radius) in T",
            "slope",
            "log10_radius",
            source="dh_T/dh_0 = (radius Q)^T with Q orthogonal",
            control=scaled("log10_gradient", 2),
            about=LINEAR | PLAIN,
        ),
        law(
            "its Lyapunov exponent",
            "the QR of forward perturbations finds the exponent ln(radius)",
            "exponent",
            "log10_radius",
            source="dh_T/dh_0 = (radius Q)^T with Q orthogonal",
            control=scaled("lyapunov_1", 1 / math.log(10)),
            about=LINEAR | PLAIN,
        ),
        law(
            "tanh",
            "the slope in T is the largest Lyapunov exponent / ln 10, at every radius",
            "slope",
            "exponent",
            source="Oseledets 1968: a product of Jacobians and its transpose share their exponents",
            within=0.004,
            why="decades a step; over 900 steps each end fluctuates by a decade or so",
            control=passes_for("log(spectral_radius)", "lyapunov_1"),
            about=TANH | NOISE | PLAIN | {"spectral_radius": Span(0.5, 3)},
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
