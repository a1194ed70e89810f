"""What becomes of h0 when W is applied again and again?

Leave out input, bias and activation, and the recurrence is h_t = W h_{t-1} = W^t h_0. With the
eigenvectors w_i of W and h_0 = sum of alpha_i w_i

    W^t h_0 = sum over i of alpha_i lambda_i^t w_i,  for large t about alpha_0 lambda_0^t w_0

so |lambda_0| alone decides: below 1 the state vanishes, at 1 it stays, above 1 it explodes. For a
symmetric W the w_i are orthogonal and that is all. In general W^t = V Lambda^t V^-1: a complex pair
turns, a defective W (no basis of eigenvectors) goes like t lambda^(t-1), and where the eigenvectors
are far from orthogonal W^t grows first, whatever its eigenvalues say about the end.
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, medians, page, style
from gradlab.plots.panels import hues
from gradlab.suite import (
    Claim,
    Experiment,
    Span,
    above,
    largest,
    median,
    passes_for,
    rows,
    scaled,
    swap,
    worst,
)

RADII = [0.9, 1.0, 1.1]
ANGLE = math.pi / 10  # by which the complex pair turns in a step
COUPLINGS = [0.0, 1.0, 10.0]  # upper right entry of [[r, coupling], [0, r/2]]
LAST = 100
ABOUT = {"spectral_radius": Span(0.1, 10), "hidden_size": Span(1, 256), "step": Span(0, LAST)}
DEFECTIVE = "coupling * step * spectral_radius**(step - 1)"  # of a defective W^t h_0, the first
COUPLED = {"matrix": "triangular", "spectral_radius": 0.9, "coupling": COUPLINGS[-1]}


def off_the_spiral(frame):
    """|h_t - r^t (cos(angle t), sin(angle t))| / r^t."""
    grown, turned = frame.spectral_radius**frame.step, ANGLE * frame.step
    return np.hypot(frame["first"] / grown - np.cos(turned), frame.second / grown - np.sin(turned))


def other_way_round(frame):
    """W^T for W: the pair turns the other way round."""
    return frame.assign(second=-frame.second)


def log10_triangular(frame):
    """log10 ||W^t|| from W^t = [[a^t, c (a^t - b^t)/(a - b)], [0, b^t]], b = a/2, coupling c."""
    first = frame.spectral_radius**frame.step
    last = first / 2.0**frame.step
    corner = frame.coupling * (first - last) / (frame.spectral_radius / 2)
    sizes, twice = first**2 + last**2 + corner**2, 2 * first * last  # ||.||_F^2, 2 det
    return np.log10((sizes + np.sqrt((sizes - twice) * (sizes + twice))) / 2) / 2


def symmetric(panel, frame):
    """||h_t|| (points), the sum over eigenvectors (solid) and its first term (dashed)."""
    few = frame[frame.step % 4 == 0]
    for here, column, line, points in (
        (frame, "log10_sum", "-", ""), (frame, "log10_dominant", "--", ""),
        (few, "log10_norm", "", "o"),
    ):  # fmt: skip
        medians(
            "step", column, "spectral_radius", line=line, points=points, decades=True,
            label=None if points else "", xlabel="step t", ylabel="||h$_t$||",
            legend=r"$|\lambda_0|$", loc="upper left",
        )(panel, here)  # fmt: skip


def spiral(panel, frame):
    """h_t in the plane, one turn every 2 pi/angle steps, with r^t (cos, sin) through the points."""
    for radius, colour in hues(frame, "spectral_radius").items():
        here = rows(frame, spectral_radius=radius, step=Span(0, 20 if radius <= 1 else 13))
        t = np.linspace(0, here.step.max(), 400)
        panel.plot(radius**t * np.cos(ANGLE * t), radius**t * np.sin(ANGLE * t), color=colour, lw=1)
        panel.plot(here["first"], here.second, "o", ms=5, color=colour, label=f"{radius:g}")
    panel.set(xlabel="first component of h$_t$", ylabel="second component of h$_t$")
    panel.set_aspect("equal", adjustable="datalim")
    panel.legend(title=r"$|\lambda|$", loc="upper right")


def defective(panel, frame):
    """The first component of W^t h_0 beside t lambda^(t-1) and beside lambda^t (dotted)."""
    few = frame[frame.step % 4 == 1]
    for here, column, line, points in (
        (frame, f"log10({DEFECTIVE})", "-", ""), (frame, "step * log10(spectral_radius)", ":", ""),
        (few, "log10(first)", "", "o"),
    ):  # fmt: skip
        medians(
            "step", column, "spectral_radius", line=line, points=points, decades=True,
            label=None if points else "", xlabel="step t", ylabel="first component of h$_t$",
            legend=r"$\lambda$, twice", loc="upper left",
        )(panel, here)  # fmt: skip


def transient(panel, frame):
    """||W^t|| for couplings of the same two eigenvalues, and for a random W, below radius 1."""
    frame = rows(frame, spectral_radius=max)
    radius = frame.spectral_radius.iloc[0]
    known = frame[frame.matrix == "triangular"].groupby("coupling")
    for (coupling, here), colour in zip(known, (VANISHING, CRITICAL, EXPLODING), strict=False):
        label = f"[[{radius:g}, {coupling:g}], [0, {radius / 2:g}]]"
        panel.plot(here.step, here.log10_operator, "o", ms=5, color=colour, label=label)
        panel.plot(here.step, log10_triangular(here), lw=1.2, color=colour)
    random = frame[frame.matrix == "gaussian"].groupby("step").log10_operator.median()
    label = f"gaussian, {frame.hidden_size.max()} units"
    panel.plot(random.index, random, "x", ms=5, color=MUTED, label=label)
    panel.plot(random.index, random.index * np.log10(radius), "--", lw=1.4, color=CRITICAL)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step t", ylabel="largest singular value of W$^t$")
    panel.legend(title="W", loc="lower left")


def same(name, statement, source, measured, control, **rest):
    """A claim that two ways to one number agree to rounding."""
    rest = {"within": 1e-12, "why": "rounding of 100 products", "about": ABOUT} | rest
    return Claim(
        name, statement, source=source, measured=measured, equals=0.0, control=control, **rest
    )


N_SIZED = {"coupling": [0.0], "seed": range(3), "step": range(LAST + 1)}
ON_A_SLIDE = {"seed": [0], "step": range(LAST + 1)}
experiment = Experiment(
    question="What becomes of h0 when W is applied again and again?",
    grid=[
        N_SIZED | {"matrix": ["symmetric", "gaussian"], "spectral_radius": RADII},
        ON_A_SLIDE | {"matrix": ["complex pair"], "spectral_radius": RADII, "coupling": [0.0]},
        ON_A_SLIDE | {"matrix": ["defective"], "spectral_radius": RADII, "coupling": [1.0]},
        ON_A_SLIDE | {"matrix": ["triangular"], "spectral_radius": [0.9], "coupling": COUPLINGS},
    ],
    split=["matrix", "spectral_radius", "coupling", "seed"],
    constants={"hidden_size": 64},
    quick={"seed": [0], "step": range(41)},
    measure="gradlab.measures.linear_powers:measure",
    figure=page(
        "W applied t times: the largest eigenvalue decides, in the end",
        "points: h$_t$ = W h$_{{t-1}}$ run as a linear cell; lines in a: the sum over "
        "{hidden_size} eigenvectors (solid) and its first term (dashed), b to d: the closed forms, "
        r"c: also $\lambda^t$ (dotted), d: also radius$^t$ (dashed)",
        [
            [
                Panel("symmetric W: one eigenvalue decides", symmetric,
                      {"matrix": "symmetric", "seed": min}),
                Panel("a complex pair turns", spiral, {"matrix": "complex pair"}),
            ],
            [
                Panel(r"a defective W: t $\lambda^{{t-1}}$, not $\lambda^t$", defective,
                      {"matrix": "defective", "step": above(0)}),
                Panel("a non-normal W grows before it dies", transient,
                      {"matrix": ["triangular", "gaussian"], "step": Span(0, 60),
                       "spectral_radius": Span(0, 0.99)}),
            ],
        ],
    ),
    claims=[
        same(
            "symmetric sum",
            "W^t h_0 is the sum of alpha_i lambda_i^t w_i, largest relative error",
            "W = Q Lambda Q^T with orthogonal Q (spectral theorem)",
            largest("eigen_error", matrix="symmetric"),
            passes_for("dominant_error", "eigen_error"),
        ),
        same(
            "general sum",
            "W^t h_0 is V Lambda^t V^-1 h_0 for Gaussian W, largest relative error",
            "W = V Lambda V^-1 with independent columns of V",
            largest("eigen_error", matrix="gaussian"),
            passes_for("dominant_error", "eigen_error"),
            within=1e-11,
            why="rounding, times the condition of V (some 100) and ||W||^t before radius^t",
            about=ABOUT | {"hidden_size": Span(1, 64)},
        ),
        same(
            "complex pair",
            "r e^(+-i angle) turns h_t by the angle a step, largest relative error",
            "W = r times a rotation",
            largest(off_the_spiral, matrix="complex pair"),
            other_way_round,
        ),
        same(
            "defective",
            "one eigenvector for a double eigenvalue: t lambda^(t-1), relative error",
            "[[l, c], [0, l]]^t = [[l^t, c t l^(t-1)], [0, l^t]], c the coupling",
            worst(
                f"first / ({DEFECTIVE}) - 1", matrix="defective", step=above(0), coupling=above(0)
            ),
            passes_for("spectral_radius**step", "first"),
        ),
        Claim(
            "growth before the end",
            "log10 of the peak of ||W^t||, eigenvalues 0.9 and 0.45 coupled by 10",
            source="[[a, c], [0, b]]^t = [[a^t, c (a^t - b^t)/(a - b)], [0, b^t]]",
            measured=largest("log10_operator", **COUPLED),
            equals=largest(log10_triangular, **COUPLED),
            within=1e-12,
            why="rounding",
            control=swap("coupling", COUPLINGS[0], COUPLINGS[-1]),
        ),
        Claim(
            "the end",
            "the same W loses log10(0.9) decades a step at last",
            source="||W^t||^(1/t) goes to the spectral radius (Gelfand)",
            measured=(
                median("log10_operator", step=LAST, **COUPLED)
                - median("log10_operator", step=LAST // 2, **COUPLED)
            )
            / (LAST - LAST // 2),
            equals=math.log10(0.9),
            within=1e-6,
            why="(b/a)^50 = 1e-15 is left of the other eigenvalue",
            control=scaled("log10_operator", 2),
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
