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
from gradlab.plots import CRITICAL, MUTED, style
from gradlab.suite import Claim, Experiment, Span, rows

INITS = ("gaussian", "sparse", "torch", "symmetric", "orthogonal", "identity")
NORMAL = ("symmetric", "orthogonal", "identity")
COLOURS = dict(
    zip(INITS, ("#d1483a", "#f0a04b", "#7a5195", "#1f6fb2", "#22252b", "#2a9d8f"), strict=True)
)
CIRCLE = {"gaussian": 2.0, "sparse": 2.0, "torch": 2 / math.sqrt(3), "symmetric": 1.0}
SPREAD = {"gaussian": 1.0, "sparse": 1.0, "torch": 1 / 3}  # N times the variance of an entry


ABOUT = {"hidden_size": 64, "sequence_length": Span(10)}


def drawn(frame, init, **more):
    """The rows of W as drawn, of the network and the number of seeds that the claims are about."""
    rows(frame, seed=19)
    return rows(frame, init=init, rescaled=False, **more)


def mean(column, init, **more):
    """A claim's mean of one column over the seeds."""
    return lambda frame: drawn(frame, init, **more)[column].mean()


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


def log10_mean_square(init, lag):
    """A claim's half log10 of the mean over seeds of the squared ratio: linear cell, as drawn."""

    def measured(frame):
        ratio = 10 ** drawn(frame, init, activation="identity")[f"log10_gradient_lag_{lag}"]
        return math.log10((ratio**2).mean()) / 2

    return measured


def singular_error(frame):
    """Largest |singular value - 1| of orthogonal W."""
    orthogonal = drawn(frame, "orthogonal")
    return abs(orthogonal[["singular_value_p0", "singular_value_p100"]] - 1).max(axis=None)


def largest_departure(frame):
    """Of the three normal ones."""
    return max(drawn(frame, init).departure.max() for init in NORMAL)


def circle_error(frame):
    """Largest difference of the deciles, means over seeds, from the quarter circle's."""
    found = drawn(frame, "gaussian")
    return max(
        abs(found[f"singular_value_p{percent}"].mean() - quarter_circle(percent))
        for percent in range(10, 91, 10)
    )


def drift(frame):
    """Largest |log10 of the gradient's ratio| of the two that keep every norm, linear cell."""
    kept = [drawn(frame, init, activation="identity") for init in ("orthogonal", "identity")]
    return max(abs(part.filter(like="log10_gradient_lag")).max(axis=None) for part in kept)


def swapped(frame):
    """Wrong names: gaussian and orthogonal, symmetric and torch, identity and sparse change."""
    pairs = {"gaussian": "orthogonal", "symmetric": "torch", "identity": "sparse"}
    frame["init"] = frame.init.map(pairs | {there: here for here, there in pairs.items()})
    return frame


def figure(frame):
    """Singular values, the three numbers of a draw, and the gradient by lag, linear and tanh."""
    drawing, axes = style.panels(2, 2, size=(14.5, 11))
    as_drawn = frame[~frame.rescaled]
    singular_values(axes[0, 0], as_drawn)
    numbers(axes[0, 1], as_drawn)
    by_lag(axes[1, 0], as_drawn[as_drawn.activation == "identity"], mean_square)
    by_lag(axes[1, 1], frame[frame.rescaled & (frame.activation == "tanh")])
    style.titles(
        axes,
        ["singular values, as drawn", "one draw in three numbers",
         "the gradient of a linear cell, W as drawn", "the gradient of tanh, all at radius 1"],
    )  # fmt: skip
    first = frame.iloc[0]
    style.headline(drawing, "How W is drawn decides the gradient, not its radius alone")
    style.caption(
        drawing,
        f"{first.hidden_size} units, {frame.seed.nunique()} seeds, loss at the last step; "
        f"task {first.task} times {first.input_scale:g}. a: means; b: each seed, a bar where "
        "theory has it for large N;\nc: root of the mean square, theory dashed; "
        "at lags not small beside N the draws of the largest radius take over; d: median",
    )
    return drawing


def singular_values(panel, frame):
    """Deciles of the singular values on the quarter circle's."""
    percent = np.arange(0, 101, 10)
    fine = np.linspace(0, 100, 201)
    for init, part in by_init(frame):
        means = [part[f"singular_value_p{p}"].mean() for p in percent]
        if init in CIRCLE:
            panel.plot(fine, quarter_circle(fine, CIRCLE[init]), "--", lw=1.6, color=COLOURS[init])
        else:
            panel.axhline(1, ls="--", lw=1.6, color=COLOURS[init])
        size = 11 if init == "orthogonal" else 6  # seen below the identity's
        panel.plot(percent, means, "o", ms=size, color=COLOURS[init], label=init)
    panel.plot([], [], "--", lw=1.6, color=MUTED, label="theory")
    panel.set(xlabel="share of singular values below (%)", ylabel="singular value")
    panel.legend(loc="upper left")


def numbers(panel, frame):
    """Radius, largest singular value and departure of each draw, theory as bars."""
    names = [init for init, _ in by_init(frame)][::-1]
    for column, marker, text in (
        ("departure", "D", "departure / ||W||$_F$"),
        ("eigenvalue_radius", "o", "spectral radius"),
        ("singular_value", "^", "largest singular value"),
    ):
        heights = [names.index(init) for init in frame.init]
        shift = {"D": -0.22, "o": 0.0, "^": 0.22}[marker]
        heights = [height + shift for height in heights]
        colours = [COLOURS[init] for init in frame.init]
        panel.scatter(frame[column], heights, marker=marker, s=34, c=colours, alpha=0.55, lw=0)
        panel.plot([], [], marker, ms=7, color=MUTED, label=text)
        expected = [theory_of(init)[column] for init in names]
        bars = [names.index(init) + shift for init in names]
        panel.plot(expected, bars, "|", ms=13, mew=2, color=CRITICAL)
    panel.set_yticks(range(len(names)), names)
    panel.set(xlabel="value", ylim=(-0.6, len(names) + 0.55), xlim=(-0.08, None))
    panel.legend(loc="upper left", ncols=3, fontsize=10, handletextpad=0.1, columnspacing=1)


def theory_of(init):
    """Large N: departure over the norm, spectral radius, largest singular value."""
    return {
        "departure": 0.0 if init in NORMAL else math.sqrt(1 / 2),
        "eigenvalue_radius": math.sqrt(SPREAD.get(init, 1.0)),
        "singular_value": CIRCLE.get(init, 1.0),
    }


def by_lag(panel, frame, theory=None):
    """The gradient's size over the lag, theory's mean square dashed if there is one."""
    named = sorted(frame.filter(like="log10_gradient_lag"), key=lag_of)
    lags = np.array([0, *(lag_of(name) for name in named)])
    for init, part in by_init(frame):
        logs = part[named]
        curve = np.log10((10 ** (2 * logs)).mean()) / 2 if theory else logs.median()
        panel.plot(lags, [0, *curve], "o", ms=9 if init == "orthogonal" else 6,
                   color=COLOURS[init], label=init)  # fmt: skip
        if theory:
            fine = range(int(lags.max()) + 1)
            line = [math.log10(theory(init, lag)) / 2 for lag in fine]
            panel.plot(fine, line, "--", lw=1.6, color=COLOURS[init])
        else:
            panel.plot(lags, [0, *curve], lw=1.2, color=COLOURS[init])
    if theory:
        panel.set(xlim=(-0.8, 31), ylim=(-3.2, 1.1))
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag T - t (steps)", ylabel="||dL/dh$_t$|| relative to ||dL/dh$_T$||")
    if not theory:  # beside it the colours are those of panel a
        panel.legend(loc="lower left", ncols=2)


def lag_of(name):
    """The lag in the name of a column."""
    return int(name.rsplit("_", 1)[1])


def by_init(frame):
    """[(init, rows)] in the order of INITS."""
    parts = dict(list(frame.groupby("init")))
    return [(init, parts[init]) for init in INITS if init in parts]


experiment = Experiment(
    question="What does the way W is drawn do to the gradient?",
    grid={
        "init": INITS,
        "rescaled": [False, True],
        "activation": ["identity", "tanh"],
        "seed": range(20),
    },
    split=["init", "rescaled"],
    constants={"hidden_size": 64, "sequence_length": 100, "task": "noise", "input_scale": 0.1},
    quick={"seed": range(4)},
    measure="gradlab.measures.initialisation:measure",
    figure=figure,
    claims=[
        Claim(
            "orthogonal",
            "every singular value of an orthogonal W is 1",
            source="Q^T Q = 1",
            measured=singular_error,
            equals=0.0,
            within=1e-12,
            why="rounding",
            control=swapped,
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "normal",
            "orthogonal, symmetric and unit matrices do not depart from normality",
            source="W W^T = W^T W",
            measured=largest_departure,
            equals=0.0,
            within=1e-12,
            why="rounding",
            control=swapped,
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "half of a gaussian W is not normal",
            "its departure is sqrt(1/2) of ||W||_F",
            source="mean |lambda|^2 = 1/2 on the unit disc (Ginibre 1965); ||W||_F^2 = N",
            measured=mean("departure", "gaussian"),
            equals=math.sqrt(1 / 2),
            within=0.01,
            why="some 0.007 from draw to draw",
            control=swapped,
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "quarter circle",
            "deciles of a gaussian W's singular values",
            source="Marchenko, Pastur 1967, square case",
            measured=circle_error,
            equals=0.0,
            within=0.03,
            why="64 units, 20 seeds: a few parts in N",
            control=swapped,
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "PyTorch's default",
            "uniform on +-1/sqrt(N): spectral radius 1/sqrt(3)",
            source="circular law for entries of variance 1/(3 N)",
            measured=mean("eigenvalue_radius", "torch"),
            equals=1 / math.sqrt(3),
            within=0.1,
            why="at N = 64 the largest of the eigenvalues lies some 5 % outside the disc",
            control=swapped,
            relative=True,
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "PyTorch's default vanishes",
            "ten steps back a linear cell's gradient is 3^-5 of it",
            source="<||W^T v||^2> = ||v||^2/3",
            measured=log10_mean_square("torch", 10),
            equals=-5 * math.log10(3),
            within=0.1,
            why="decades; 0.11 from draw to draw, 20 draws",
            control=swapped,
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "symmetric",
            "five steps back the mean square is C_5/4^5 (C_5 = 42, Catalan) + O(1/N)",
            source="moments of the orthogonal ensemble to the first order in 1/N (Johansson 1998)",
            measured=log10_mean_square("symmetric", 5),
            equals=math.log10(mean_square("symmetric", 5)) / 2,
            within=0.08,
            why="decades; 0.11 from draw to draw, 20 draws",
            control=swapped,
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "norms are kept",
            "orthogonal and unit W leave the linear gradient's size as it is",
            source="||Q^T v|| = ||v||",
            measured=drift,
            equals=0.0,
            within=1e-12,
            why="rounding of 100 products",
            control=swapped,
            about=ABOUT,
            seeds=20,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
