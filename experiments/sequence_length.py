"""How far back does the gradient reach?

dL_T/dh_0 is a product of T Jacobians, J_1^T ... J_T^T dL_T/dh_T, so its size is a straight line in
T on a logarithmic scale. For the linear cell h_t = rho Q h_{t-1} + U x_t with Q orthogonal every
Jacobian multiplies every norm by rho: the slope is log10(rho) decades a step, exactly. For tanh,
J_t = diag(1 - h_t^2) W depends on where the network is, and the slope is the largest Lyapunov
exponent over ln 10: the mean rate at which a small change of h_0 grows along the same states.
The gradient goes back from v at step T; the exponent comes from the other end, by a QR of
perturbations that go forward from step 0. The loss is L_T = v . h_T with one v for all T.
"""

import math

import numpy as np
import pandas as pd

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, rows

LINEAR = {"init": "orthogonal", "activation": "identity"}
TANH = {"init": "gaussian", "activation": "tanh"}
NOISE = {"task": "noise", "hidden_size": 64, "input_scale": 0.1}
FIRST = 100  # the shortest length of a slope: perturbations need that long to find their direction


def slopes(frame, cell):
    """One row a radius and seed: measured slope, exponent (decades a step), and log10(radius)."""
    frame = rows(frame, **cell, status="ok")
    if len(lengths := {n for n in frame.sequence_length if n >= FIRST}) < 2:
        raise NotMeasured(f"needs two lengths of at least {FIRST}")
    long = frame[frame.sequence_length.isin(lengths)]
    return pd.DataFrame(
        {
            "spectral_radius": radius,
            "slope": np.polyfit(run.sequence_length, run.log10_gradient, 1)[0],
            "exponent": exponent(run),
            "eigenvalue": math.log10(radius),
        }
        for (radius, _), run in long.groupby(["spectral_radius", "seed"])
    )


def exponent(run):
    """The largest Lyapunov exponent along the longest sequence, decades a step."""
    return run.lyapunov_1[run.sequence_length.idxmax()] / math.log(10)


def difference(cell, one, other):
    """Largest |one - other| over radii and seeds, decades a step."""

    def measured(frame):
        rows(frame, sequence_length=1000)  # shorter sequences leave slopes too uncertain
        found = slopes(frame, cell)
        return (found[one] - found[other]).abs().max()

    return measured


def squares(frame):
    """Squared norms pass for norms."""
    frame["log10_gradient"] *= 2
    return frame


def decimal(frame):
    """Exponents in decimal logarithms pass for natural ones."""
    frame["lyapunov_1"] /= math.log(10)
    return frame


def linear_law(frame):
    """The linear cell's law, ln(radius), stands where the exponent should."""
    frame["lyapunov_1"] = frame.spectral_radius.map(math.log)
    return frame


def figure(frame):
    """The gradient over T of the linear and of the tanh network; slopes beside both laws."""
    drawing, axes = style.panels(1, 3, size=(16.5, 6.6))
    shown = frame[(frame.seed == frame.seed.min()) & (frame.status == "ok")]
    over_length(axes[0], shown[shown.activation == "identity"], log10_radius)
    over_length(axes[1], shown[shown.activation == "tanh"], exponent)
    rates(axes[2], frame)
    style.titles(
        axes,
        ["linear, orthogonal W: slope log10(radius)", "tanh: slope is the Lyapunov exponent",
         "where the two laws part"],
    )  # fmt: skip
    first = frame.iloc[0]
    style.headline(drawing, "The gradient at the start is a straight line in the length")
    style.caption(
        drawing,
        f"{first.hidden_size} units, white noise times {first.input_scale:g}, loss v . h$_T$. "
        "Points: measured (a, b: one seed; c: each of the seeds). Lines in a: slope log10(radius); "
        "in b: the exponent's, by QR of forward perturbations along the same states",
    )
    return drawing


def log10_radius(run):
    """The linear law's slope."""
    return math.log10(run.spectral_radius.iloc[0])


def over_length(panel, frame, slope_of):
    """log10 ||dL_T/dh_0|| over T, on lines of the slopes that theory gives."""
    if frame.empty:
        return
    runs = dict(list(frame.groupby("spectral_radius")))
    predicted = [slope_of(run) for run in runs.values()]
    for (radius, run), slope, colour in zip(
        runs.items(), predicted, style.colours(predicted, 0.0), strict=True
    ):
        label = f"{radius:g}: {reach(slope)}"
        panel.plot(run.sequence_length, run.log10_gradient, "o", ms=6, color=colour, label=label)
        ends = run.sequence_length.iloc[[0, -1]].to_numpy()
        level = (run.log10_gradient - slope * run.sequence_length).iloc[-5:].median()
        panel.plot(ends, level + slope * ends, color=colour, lw=1.6)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="sequence length T (steps)", ylabel="||dL$_T$/dh$_0$||")
    panel.legend(
        title="radius: steps a decade", loc="lower left", fontsize=10, title_fontsize=11,
        handletextpad=0.3, borderaxespad=0.2,
    )  # fmt: skip


def reach(slope):
    """How many steps the gradient takes to change by a factor of ten."""
    return "for ever" if abs(slope) < 1e-9 else f"{1 / abs(slope):.0f}"


def rates(panel, frame):
    """Slopes over the radius: measured, by exponent and by eigenvalue."""
    radii = np.linspace(max(frame.spectral_radius.min(), 0.1), frame.spectral_radius.max(), 200)
    panel.plot(radii, np.log10(radii), "--", color=CRITICAL, label="log10(radius)")
    hollow = {"ls": "none", "marker": "o", "ms": 10, "mfc": "none", "mew": 1.5}
    for cell, colour, text in (
        (LINEAR, VANISHING, "linear, orthogonal W: slope"),
        (TANH, EXPLODING, "tanh, gaussian W: slope"),
    ):
        try:
            found = slopes(frame, cell)
        except NotMeasured:
            continue
        panel.plot(found.spectral_radius, found.slope, color=colour, label=text, **hollow)
        label = "Lyapunov exponent / ln 10" if cell is TANH else None
        panel.plot(found.spectral_radius, found.exponent, ".", ms=8, color=colour, label=label)
    panel.axhline(0, color=CRITICAL, lw=1)
    panel.set(xlabel="spectral radius of W", ylabel="slope (decades a step)")
    panel.legend(loc="lower right")


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
    constants=NOISE,
    quick={"sequence_length": [10, 50, 100, 200, 300], "seed": range(2)},
    measure="gradlab.measures.sequence_length:measure",
    figure=figure,
    claims=[
        Claim(
            name="orthogonal linear cell",
            about=LINEAR,
            statement="log10 ||dL_T/dh_0|| has the slope log10(radius) in T",
            source="dh_T/dh_0 = (radius Q)^T with Q orthogonal",
            measured=difference(LINEAR, "slope", "eigenvalue"),
            equals=0.0,
            within=1e-12,
            why="rounding of 1000 products, divided by their number",
            control=squares,
        ),
        Claim(
            name="its Lyapunov exponent",
            about=LINEAR,
            statement="the QR of forward perturbations finds the exponent ln(radius)",
            source="dh_T/dh_0 = (radius Q)^T with Q orthogonal",
            measured=difference(LINEAR, "exponent", "eigenvalue"),
            equals=0.0,
            within=1e-12,
            why="rounding of 1000 products, divided by their number",
            control=decimal,
        ),
        Claim(
            name="tanh",
            about=TANH | NOISE | {"spectral_radius": Span(0.5, 3)},
            statement="the slope in T is the largest Lyapunov exponent / ln 10, at every radius",
            source="Oseledets 1968: a product of Jacobians and its transpose share their exponents",
            measured=difference(TANH, "slope", "exponent"),
            equals=0.0,
            within=0.004,
            why="decades a step; over 900 steps each end fluctuates by a decade or so",
            control=linear_law,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
