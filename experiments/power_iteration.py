"""Does h <- W h / ||W h|| end at the dominant eigenvector, whatever h0?

A signal that goes forward through W again and again turns towards the eigenvector of the largest
|lambda|: with h_0 = sum of alpha_i w_i, what is left of w_1 beside w_0 shrinks by
|lambda_1/lambda_0| a step. The lectures' 2 x 2 matrix does so from every start. It is not true
whatever W and h_0: a negative lambda_0 flips the vector at each step, a complex pair turns it for
ever (so do 29 % of all random 2 x 2 matrices), and alpha_0 = 0 hides w_0: for good where the
zero is exact, until rounding errors have grown where it is not.
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, medians, page, style
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Span,
    largest,
    mean,
    near,
    passes_for,
    scaled,
    share,
    swap,
)

SLIDE = np.array([[-1.15011703, -0.45383375], [-3.68550987, 2.13596934]])  # the lectures' W
PRINTED = [0.12065226, -0.99269483]  # the slide's answer after 10,000 steps
EIGEN = np.linalg.eig(SLIDE)
VALUES = sorted(map(float, EIGEN.eigenvalues.real), key=abs, reverse=True)  # complex from NumPy 2.5
LIMIT = EIGEN.eigenvectors[:, np.abs(EIGEN.eigenvalues).argmax()].real
TURN = 1.0  # radians a step of the complex pair
EARLY = range(101)
LAST = 10_000
KINDS = {
    "slide": (VANISHING, "starts all around"),
    "hidden": (EXPLODING, r"start $w_1$: $\alpha_0$ = 0 up to rounding"),
    "hidden exactly": (MUTED, r"$\alpha_0$ = 0 exactly"),
}
ENDS = {
    "slide": (VANISHING, r"$\lambda_0$ = 2.58: settles"),
    "negative": (EXPLODING, r"$\lambda_0$ = -2.58: flips"),
    "complex pair": (CRITICAL, r"$\lambda = e^{\pm i}$: turns"),
}


def off(vector, name):
    """The distance from h to +- a vector."""

    def distance(frame):
        side = np.sign(frame.second * vector[1])
        return np.hypot(frame["first"] - side * vector[0], frame.second - side * vector[1])

    distance.__name__ = f"distance to {name}"
    return distance


off_the_slide, off_the_limit = off(PRINTED, "the slide's vector"), off(LIMIT, "+- w_0")


def of_the_transpose(frame):
    """W^T for W: the end is w_0's left eigenvector."""
    first, second = np.linalg.svd(SLIDE - VALUES[0] * np.eye(2))[0][:, 1]
    return frame.assign(first=first, second=second)


def first_growth(frame):
    """The growth of the first step."""
    return frame.groupby(["matrix", "start"]).growth.transform("first")


def settled(frame):
    """Whether h_t is +- h_{t-1}."""
    return frame.overlap.abs() > 1 - 1e-6


def settled_of_many(frame):
    """Whether h_t is +- h_{t-1}, of a thousand matrices or more."""
    if len(frame) < 1000:
        raise NotMeasured("needs 1000 random matrices")
    return settled(frame)


def flips_do_not_settle(frame):
    """A matrix whose dominant eigenvalue is negative counts as one that turns."""
    return frame.assign(overlap=frame.overlap.clip(lower=0))


def circle(panel, frame):
    """Starts on the unit circle, the way of each (every other step) inwards, the line of w_0."""
    turn = np.linspace(0, 2 * np.pi, 300)
    panel.plot(np.cos(turn), np.sin(turn), color=MUTED, lw=1)
    panel.plot([-LIMIT[0], LIMIT[0]], [-LIMIT[1], LIMIT[1]], color=CRITICAL, lw=1.4)
    for _, way in frame.groupby("start"):
        radius = 1 - 0.7 * way.step / 16
        colour = EXPLODING if way.second.iloc[-1] < 0 else VANISHING
        panel.plot(radius * way["first"], radius * way.second, ".-", lw=1.2, color=colour)
        panel.plot(way["first"].iloc[0], way.second.iloc[0], "o", ms=8, color=colour)
    panel.set(xlabel="first component", ylabel="second component")
    panel.set_aspect("equal", adjustable="datalim")


def how_fast(frame):
    """The title of the angles: whether the hidden w_0 has come back in these steps."""
    back = (frame.log10_angle[frame.matrix == "hidden"] < -1).any()
    return r"as fast as $|\lambda_1/\lambda_0|^t$" + ("; a hidden $w_0$ comes back" if back else "")


def angles(panel, frame):
    """Sine of the angle to w_0 over the steps, each start."""
    for (kind, start), way in frame[frame.log10_angle > -17].groupby(
        ["matrix", "start"], sort=False
    ):
        colour, label = KINDS[kind]
        label = label if start == frame.start.min() else None
        panel.plot(way.step, way.log10_angle, "o-", ms=3, lw=0.8, color=colour, label=label)
    steps = np.array([0, 16 / np.log10(VALUES[0] / -VALUES[1])])
    panel.plot(steps, [0, -16], "--", lw=1.6, color=CRITICAL, label="law")
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step t", ylabel="sine of the angle to w$_0$")
    panel.legend(loc="lower left", bbox_to_anchor=(0.0, 0.08))


def plane(panel, frame):
    """Random matrices by trace and determinant: those with real eigenvalues settle."""
    kept = settled(frame)
    for which, colour, name in ((kept, VANISHING, "settled"), (~kept, EXPLODING, "still turning")):
        panel.plot(
            frame.trace[which], frame.determinant[which], ".", ms=4, color=colour, alpha=0.6,
            label=f"{name}: {100 * which.mean():.1f} %",
        )  # fmt: skip
    trace = np.linspace(-4, 4, 200)
    panel.plot(trace, trace**2 / 4, color=CRITICAL, lw=1.6, label="det = trace$^2$/4")
    panel.set(xlabel="trace of W", ylabel="determinant of W", xlim=(-4, 4), ylim=(-3, 3))
    panel.legend(loc="lower left", markerscale=3, frameon=True, framealpha=0.9)


def claim(name, statement, source, measured, equals, **rest):
    """A claim within rounding, unless told."""
    rest = {"within": 1e-12, "why": "rounding"} | rest
    return Claim(name, statement, source=source, measured=measured, equals=equals, **rest)


STEPS = [*EARLY, LAST]
experiment = Experiment(
    question="Does h <- W h / ||W h|| end at the dominant eigenvector, whatever h0?",
    grid=[
        {"matrix": ["slide"], "start": range(12), "step": STEPS},
        {"matrix": ["negative", "complex pair"], "start": range(2), "step": STEPS},
        {"matrix": ["hidden", "hidden exactly"], "start": [0], "step": STEPS},
        {"matrix": ["random"], "start": range(2000), "step": [LAST]},
    ],
    split=["matrix"],
    quick={"step": [*range(51), 200], "start": range(12)},
    measure="gradlab.measures.power_iteration:measure",
    figure=page(
        "Whatever h0, the dominant eigenvector? Only if W and h0 allow it",
        "h$_t$ = W h$_{{t-1}}$ / ||W h$_{{t-1}}$||, t = {step}; a: every other step, drawn inwards"
        "\nb: the start is w$_1$ up to rounding (red) and exactly (grey, at a right angle for "
        "ever), law dashed; d: above the parabola eigenvalues are complex",
        [
            [
                Panel("the lectures' W: from every start to one line", circle,
                      {"matrix": "slide", "step": range(0, 17, 2)}),
                Panel(how_fast, angles,
                      {"matrix": KINDS, "step": EARLY, "start": Span(0, 5)}),
            ],
            [
                Panel(
                    "a negative eigenvalue flips, a complex pair turns",
                    medians(
                        "step", "second", "matrix", loc="upper right",
                        palette={kind: colour for kind, (colour, _) in ENDS.items()},
                        label=lambda here: ENDS[here.matrix.iloc[0]][1],
                        legend={"ncols": 3, "columnspacing": 1.0, "handletextpad": 0.4},
                        xlabel="step t", ylabel="second component of h$_t$", ylim=(-1.1, 1.5),
                    ),
                    {"matrix": ENDS, "start": near(1), "step": range(21)},
                ),
                Panel("where random 2 x 2 matrices settle", plane,
                      {"matrix": "random", "step": max}),
            ],
        ],
        size=(14.5, 11),
    ),
    claims=[
        claim(
            "the slide's vector",
            "12 starts end at +-(0.12065226, -0.99269483) after 10,000 steps, largest distance",
            "the lectures' slide",
            largest(off_the_slide, matrix="slide", step=LAST),
            0.0,
            within=2e-8,
            why="the slide prints eight digits",
            control=passes_for("first", "second"),
        ),
        claim(
            "its eigenvector",
            "which is w_0, W w_0 = lambda_0 w_0, as LAPACK finds it",
            "h_t = sum of alpha_i lambda_i^t w_i, normalised",
            largest(off_the_limit, matrix="slide", step=LAST),
            0.0,
            control=of_the_transpose,
        ),
        claim(
            "its eigenvalue",
            "||W h|| ends at the larger eigenvalue",
            "W w_0 = lambda_0 w_0",
            mean("growth", matrix="slide", step=LAST),
            VALUES[0],
            rivals={
                "the other eigenvalue": -VALUES[1],
                "the largest singular value": float(np.linalg.norm(SLIDE, 2)),
            },
            control=passes_for(first_growth, "growth"),
        ),
        claim(
            "rate",
            "the angle to w_0 shrinks by log10 |lambda_1/lambda_0| a step",
            "h_t = sum of alpha_i lambda_i^t w_i, normalised",
            (
                mean("log10_angle", matrix="slide", step=50)
                - mean("log10_angle", matrix="slide", step=20)
            ) / 30,
            math.log10(-VALUES[1] / VALUES[0]),
            within=1e-6,
            why="(lambda_1/lambda_0)^20 = 7e-5 squared is left of the start",
            rivals={"of lambda_0 alone": -math.log10(VALUES[0])},
            control=scaled("log10_angle", 2),
        ),
        claim(
            "a negative eigenvalue flips",
            "h_t . h_{t-1} of -W after 10,000 steps",
            "lambda_0^t has the sign (-1)^t",
            mean("overlap", matrix="negative", step=LAST),
            -1.0,
            control=swap("matrix", "slide", "negative"),
        ),
        claim(
            "a complex pair turns",
            "h_t . h_{t-1} of a rotation by 1 rad after 10,000 steps",
            "the cosine of its angle",
            mean("overlap", matrix="complex pair", step=LAST),
            math.cos(TURN),
            control=swap("matrix", "slide", "complex pair"),
        ),
        claim(
            "an exact zero hides",
            "log10 of the sine of the angle to w_0, alpha_0 = 0 exactly, after 10,000 steps",
            "0 lambda_0^t = 0",
            mean("log10_angle", matrix="hidden exactly", step=LAST),
            0.0,
            why="every operation is exact",
            control=swap("matrix", "slide", "hidden exactly"),
        ),
        claim(
            "rounding finds it",
            "from the start w_1, computed to rounding, the end is w_0 all the same: distance",
            "an error of 1e-16 grows by |lambda_0/lambda_1| a step: some 75 steps",
            largest(off_the_limit, matrix="hidden", step=LAST),
            0.0,
            control=swap("matrix", "hidden", "hidden exactly"),
        ),
        claim(
            "random matrices",
            "the share of 2,000 Gaussian 2 x 2 matrices that settle",
            "real eigenvalues have probability 1/sqrt(2) (Edelman, Kostlan, Shub 1994)",
            share(settled_of_many, matrix="random", step=LAST),
            math.sqrt(0.5),
            within=0.03,
            why="three standard deviations of a share of 2,000",
            rivals={"half": 0.5, "all": 1.0, "sqrt(3)/2": math.sqrt(3) / 2},
            control=flips_do_not_settle,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
