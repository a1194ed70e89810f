"""What does the way W is drawn do to the gradient?

Six ways to draw W, N x N. The gradient n steps back is (W^T)^n v for a linear cell. For a normal W
(orthogonal, symmetric, identity) the eigenvalues tell all; for the others the singular values are
larger than they, and Henrici's departure sqrt(||W||_F^2 - sum |lambda|^2) says by how much. Theory
for large N, W as drawn, v any unit vector:

    gaussian, sparse  radius 1, departure sqrt(1/2) ||W||_F, <||(W^T)^n v||^2> = 1
    torch             the same times 1/sqrt(3): PyTorch's uniform numbers, variance 1/(3 N)
    symmetric         Wigner's semicircle on [-1, 1]: <||W^n v||^2> = C_n/4^n, C_n Catalan's number,
                      plus (1 - (n + 1) C_n/4^n)/(2 N) from its soft edge
    orthogonal        every singular value is 1, every norm is kept; so also for the identity

The singular values of gaussian W follow the quarter circle of radius 2, density
sqrt(4 - s^2)/pi; those of torch, symmetric and sparse W too, of radius 2/sqrt(3), 1 and 2.
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, Panel, by_lag, page
from gradlab.plots.panels import hues
from gradlab.suite import (
    Claim,
    Experiment,
    Reading,
    Span,
    every,
    lags,
    largest,
    mean,
    most,
    rows,
    swap,
    worst,
)

INITS = ("gaussian", "sparse", "torch", "symmetric", "orthogonal", "identity")
NORMAL = every(("symmetric", "orthogonal", "identity"))
COLOURS = dict(
    zip(INITS, ("#d1483a", "#f0a04b", "#7a5195", "#1f6fb2", "#22252b", "#2a9d8f"), strict=True)
)
SIZES = {"orthogonal": 10}  # seen below the identity's
CIRCLE = {"gaussian": 2.0, "sparse": 2.0, "torch": 2 / math.sqrt(3), "symmetric": 1.0}
SPREAD = {"gaussian": 1.0, "sparse": 1.0, "torch": 1 / 3}  # N times the variance of an entry
DRAWN = {"rescaled": False}
ABOUT = {
    "cell": "elman", "layers": 1, "bidirectional": False, "dtype": "float64",
    "hidden_size": 64, "sequence_length": Span(10),
}  # fmt: skip
LINEAR = DRAWN | {"activation": "identity"}


def quarter_circle(percent, radius=2.0):
    """The singular value below which `percent` of them lie under the quarter circle's density."""
    angle = np.linspace(0, math.pi / 2, 2001)  # s = radius sin(angle)
    below = (angle + np.sin(angle) * np.cos(angle)) * 2 / math.pi
    return radius * np.sin(np.interp(np.asarray(percent) / 100, below, angle))


def mean_square(init, lag, size=64):
    """Theory's <||(W^T)^lag v||^2> of a linear cell; symmetric W with the first order in 1/N."""
    if init != "symmetric":
        return SPREAD.get(init, 1.0) ** lag
    arcsine = math.comb(2 * lag, lag) / 4**lag
    return arcsine / (lag + 1) + (1 - arcsine) / (2 * size)


def after(lag, size=64):
    """Theory's log10 of the root mean square of a symmetric W's gradient."""
    return math.log10(mean_square("symmetric", lag, size)) / 2


def root_mean_square(logs):
    """log10 of the root of the mean square of what these are log10 of."""
    return math.log10((10 ** (2 * logs)).mean()) / 2


def size_after(lag, init):
    """A claim's root mean square over seeds of the gradient `lag` steps back: linear, as drawn."""
    column = f"log10_gradient_lag_{lag}"
    return Reading(
        f"log10 of the root mean square of 10^{column} (init={init}, linear, as drawn)",
        lambda frame: root_mean_square(rows(frame, init=init, **LINEAR)[column]),
    )


def off_one(frame):
    """How far the smallest or the largest singular value is from 1."""
    return (frame[["singular_value_p0", "singular_value_p100"]] - 1).abs().max(axis=1)


def drift(frame):
    """Largest |log10 of the gradient's ratio| at any lag, linear cell, orthogonal and unit W."""
    kept = rows(frame, init=every(("orthogonal", "identity")), **LINEAR)
    return worst("log10_gradient")(lags(kept, "log10_gradient"))


def theory_of(init):
    """Large N: departure over the norm, spectral radius, largest singular value."""
    return {
        "departure": 0.0 if init in NORMAL else math.sqrt(1 / 2),
        "eigenvalue_radius": math.sqrt(SPREAD.get(init, 1.0)),
        "singular_value": CIRCLE.get(init, 1.0),
    }


def singular_values(panel, frame):
    """Deciles of the singular values, means over seeds, on the quarter circle's."""
    percent, fine = np.arange(0, 101, 10), np.linspace(0, 100, 201)
    for init, colour in hues(frame, "init", palette=COLOURS).items():
        deciles = [mean(f"singular_value_p{p}", init=init)(frame) for p in percent]
        law = quarter_circle(fine, CIRCLE[init]) if init in CIRCLE else np.ones_like(fine)
        panel.plot(fine, law, "--", lw=1.6, color=colour)
        panel.plot(percent, deciles, "o", ms=SIZES.get(init, 6), color=colour, label=init)
    panel.plot([], [], "--", lw=1.6, color=MUTED, label="theory")
    panel.set(xlabel="share of singular values below (%)", ylabel="singular value")
    panel.legend(loc="upper left")


def numbers(panel, frame):
    """Radius, largest singular value and departure of each draw, theory for large N as bars."""
    names = list(hues(frame, "init", palette=COLOURS))[::-1]
    frame = rows(frame, init=names)
    colours = frame.init.map(COLOURS)
    for column, marker, shift, text in (
        ("departure", "D", -0.22, "departure / ||W||$_F$"),
        ("eigenvalue_radius", "o", 0.0, "spectral radius"),
        ("singular_value", "^", 0.22, "largest singular value"),
    ):
        heights = frame.init.map(names.index) + shift
        panel.scatter(frame[column], heights, marker=marker, s=34, c=colours, alpha=0.55, lw=0)
        panel.plot([], [], marker, ms=7, color=MUTED, label=text)
        expected = [theory_of(init)[column] for init in names]
        bars = np.arange(len(names)) + shift
        panel.plot(expected, bars, "|", ms=13, mew=2, color=CRITICAL)
    panel.plot([], [], "|", ms=13, mew=2, color=CRITICAL, label="theory")
    panel.set_yticks(range(len(names)), names)
    panel.set(xlabel="value", ylim=(-0.6, len(names) + 0.55), xlim=(-0.08, None))
    panel.legend(loc="upper left", ncols=4, fontsize=10, handletextpad=0.1, columnspacing=1)


def theory_by_lag(frame, lag):
    """Half the log10 of theory's mean square, of the init of these rows."""
    first, whole = frame.iloc[0], range(math.ceil(lag.max()) + 1)
    logs = [math.log10(mean_square(first.init, n, first.hidden_size)) / 2 for n in whole]
    return np.interp(lag, whole, logs)


def claim(name, statement, one, other, **asked):
    """A claim on 20 draws of 64 units, unless told; in its wrong world two inits change places."""
    return Claim(
        name,
        statement,
        **{"seeds": 20} | asked,
        control=swap("init", one, other),
        about=ABOUT,
    )


RATIO = "||dL/dh$_t$|| relative to ||dL/dh$_T$||"
figure = page(
    "How W is drawn decides the gradient, not its radius alone",
    "{network}, {hidden_size} units, up to {seeds}, loss at the last step; task {task} times "
    "{input_scale}. a: means; b: each seed; theory for large N;\n"
    "c: root of the mean square, theory dashed; at lags not small beside N the draws of the "
    "largest radius take over; d: medians",
    [
        [
            Panel("singular values, as drawn", singular_values, DRAWN),
            Panel("one draw in three numbers", numbers, DRAWN | {"seed": Span(0, 19)}),
        ],
        [
            Panel(
                "the gradient of a linear cell, W as drawn",
                by_lag(
                    "log10_gradient", "init", palette=COLOURS, sizes=SIZES, law=theory_by_lag,
                    estimator=root_mean_square, legend="", xlim=(-0.8, 31), ylim=(-3.2, 1.1),
                    ylabel=RATIO,
                ),
                LINEAR,
            ),
            Panel(
                "the gradient of {activation}, all rescaled to radius 1",
                by_lag("log10_gradient", "init", palette=COLOURS, sizes=SIZES, ylabel=RATIO),
                {"rescaled": True, "activation": max},
            ),
        ],
    ],
    size=(14.5, 11),
)  # fmt: skip
experiment = Experiment(
    question="What does the way W is drawn do to the gradient?",
    grid=[
        {
            "init": INITS, "rescaled": [False, True], "activation": ["identity", "tanh"],
            "seed": range(20),
        },
        {
            "init": ["symmetric"], "rescaled": [False], "activation": ["identity"],
            "seed": range(20, 400),
        },
    ],
    split=["init", "rescaled"],
    constants={
        "cell": "elman",
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "hidden_size": 64,
        "sequence_length": 100,
        "task": "noise",
        "input_scale": 0.1,
    },
    quick={"seed": range(4)},
    measure="gradlab.measures.initialisation:measure",
    figure=figure,
    claims=[
        claim(
            "orthogonal",
            "every singular value of an orthogonal W is 1",
            "orthogonal", "gaussian",
            source="Q^T Q = 1",
            measured=largest(off_one, init="orthogonal", **DRAWN),
            equals=0.0,
            within=1e-12,
            why="rounding",
        ),
        claim(
            "normal",
            "orthogonal, symmetric and unit matrices do not depart from normality",
            "symmetric", "torch",
            source="W W^T = W^T W",
            measured=largest("departure", init=NORMAL, **DRAWN),
            equals=0.0,
            within=1e-12,
            why="rounding",
        ),
        claim(
            "half of a gaussian W is not normal",
            "its departure is sqrt(1/2) of ||W||_F",
            "gaussian", "symmetric",
            source="mean |lambda|^2 = 1/2 on the unit disc (Ginibre 1965); ||W||_F^2 = N",
            measured=mean("departure", init="gaussian", **DRAWN),
            equals=math.sqrt(1 / 2),
            within=0.01,
            why="some 0.007 from draw to draw",
            rivals={"|lambda|'s mean, 2/3, for its mean square": math.sqrt(1 - 4 / 9), "half": 0.5},
        ),
        claim(
            "quarter circle",
            "deciles of a gaussian W's singular values",
            "gaussian", "torch",
            source="Marchenko, Pastur 1967, square case",
            measured=most(*(
                abs(mean(f"singular_value_p{p}", init="gaussian", **DRAWN) - quarter_circle(p))
                for p in range(10, 91, 10)
            )),
            equals=0.0,
            within=0.03,
            why="64 units, 20 seeds: a few parts in N",
        ),
        claim(
            "PyTorch's default",
            "uniform on +-1/sqrt(N): spectral radius 1/sqrt(3)",
            "torch", "gaussian",
            source="circular law for entries of variance 1/(3 N)",
            measured=mean("eigenvalue_radius", init="torch", **DRAWN),
            equals=1 / math.sqrt(3),
            within=0.1,
            relative=True,
            why="at N = 64 the largest of the eigenvalues lies some 5 % outside the disc",
            rivals={"1/2": 0.5, "1/sqrt(2)": math.sqrt(1 / 2), "1": 1.0},
        ),
        claim(
            "PyTorch's default vanishes",
            "ten steps back a linear cell's gradient is 3^-5 of it",
            "torch", "symmetric",
            source="<||W^T v||^2> = ||v||^2/3",
            measured=size_after(10, "torch"),
            equals=-5 * math.log10(3),
            within=0.1,
            why="decades; 0.11 from draw to draw, 20 draws",
            rivals={
                "nine steps": -4.5 * math.log10(3),
                "eleven steps": -5.5 * math.log10(3),
                "the mean square, not its root": -10 * math.log10(3),
            },
        ),
        claim(
            "symmetric",
            "five steps back the mean square is C_5/4^5 (C_5 = 42, Catalan) + O(1/N)",
            "symmetric", "torch",
            source="moments of the orthogonal ensemble to the first order in 1/N (Johansson 1998)",
            measured=size_after(5, "symmetric"),
            equals=after(5),
            within=0.02,
            why="decades; 0.11 from draw to draw, 400 draws",
            rivals={
                "four steps": after(4),
                "six steps": after(6),
                "C_5/4^5 alone": after(5, math.inf),
                "the mean square, not its root": 2 * after(5),
            },
            seeds=400,
        ),
        claim(
            "norms are kept",
            "orthogonal and unit W leave the linear gradient's size as it is",
            "orthogonal", "gaussian",
            source="||Q^T v|| = ||v||",
            measured=drift,
            equals=0.0,
            within=1e-12,
            why="rounding of 100 products",
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
