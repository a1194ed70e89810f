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
import pandas as pd

from gradlab.cli import script
from gradlab.nets import draws
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, nearest, rows

SLIDE = [[-1.15011703, -0.45383375], [-3.68550987, 2.13596934]]
LIMIT = [0.12065226, -0.99269483]  # the slide's answer after 10,000 steps
VALUES = [2.58390671, -1.5980544]  # and its eigenvalues
TURN = 1.0  # radians a step of the complex pair
EARLY = range(101)
LAST = 10_000


def measure(block):
    """The unit vector h_t = W h_{t-1}/||W h_{t-1}|| of a 2 x 2 matrix, plain iteration.

    first, second     components of h_t
    growth            ||W h_{t-1}||, which tends to |lambda_0|
    overlap           h_t . h_{t-1}: 1 when it has settled, -1 when it flips, else it turns
    log10_angle       log10 of the sine of the angle to w_0 (its line), nan for a complex pair
    trace, determinant   of W
    """
    wanted = set(block.points["step"].tolist())
    starts, lane = np.unique(block.points["start"], return_inverse=True)
    W, h = systems(block.points["matrix"][0], starts)
    kept, growth, overlap = {}, np.full(len(h), np.nan), np.full(len(h), np.nan)
    for step in range(max(wanted) + 1):
        if step:
            before, h = h, W[:, :, 0] * h[:, :1] + W[:, :, 1] * h[:, 1:]
            growth = np.hypot(h[:, 0], h[:, 1])
            h = h / growth[:, None]
            overlap = (h * before).sum(axis=1)
        if step in wanted:
            kept[step] = np.column_stack([h, growth, overlap])
    found = np.array([kept[s][i] for s, i in zip(block.points["step"], lane, strict=True)])
    columns = dict(zip(("first", "second", "growth", "overlap"), found.T, strict=True))
    w = dominant_vectors(W)[lane]
    with np.errstate(divide="ignore"):
        columns["log10_angle"] = np.log10(np.abs(found[:, 0] * w[:, 1] - found[:, 1] * w[:, 0]))
    columns["trace"], columns["determinant"] = (
        W.trace(axis1=1, axis2=2)[lane],
        np.linalg.det(W)[lane],
    )
    return columns


def systems(kind, starts):
    """W (S, 2, 2) and unit h_0 (S, 2) for each start; the starts are spread over the circle."""
    angle = starts * np.pi * (3 - np.sqrt(5))  # the golden angle spreads any number evenly
    h = np.column_stack([np.cos(angle), np.sin(angle)])
    if kind == "random":
        streams = [
            draws.stream(seed=int(start), init="gaussian", hidden_size=2) for start in starts
        ]
        return np.array([draws.recurrent(stream, 2) for stream in streams]), h
    slide = np.array(SLIDE)
    if kind == "hidden":
        values, vectors = np.linalg.eig(slide)
        h = np.tile(vectors[:, np.abs(values).argmin()], (len(starts), 1))
    if kind == "hidden exactly":
        h = np.tile([0.0, 1.0], (len(starts), 1))
    fixed = {
        "slide": slide,
        "negative": -slide,
        "complex pair": [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]],
        "hidden": slide,
        "hidden exactly": np.diag(VALUES),
    }
    return np.tile(fixed[kind], (len(starts), 1, 1)), h


def dominant_vectors(W):
    """(S, 2): the unit eigenvector of the largest |lambda| of each W, nan where it is complex."""
    values, vectors = np.linalg.eig(W)
    every, first = np.arange(len(W)), np.abs(values).argmax(axis=1)
    real = values[every, first].imag == 0
    return np.where(real[:, None], vectors[every, :, first].real, np.nan)


def limit_error(kind):
    """Largest distance from h after 10,000 steps to +- the slide's vector."""

    def measured(frame):
        last = rows(frame, matrix=kind, step=LAST)
        side = np.sign(last["second"] * LIMIT[1])
        return np.hypot(last["first"] - side * LIMIT[0], last["second"] - side * LIMIT[1]).max()

    return measured


def other_component(frame):
    """The two components change places."""
    return frame.rename(columns={"first": "second", "second": "first"})


def last(column, kind):
    """Mean of a column after 10,000 steps."""
    return lambda frame: rows(frame, matrix=kind, step=LAST)[column].mean()


def first_growth(frame):
    """The growth of the first step passes for the last."""
    frame["growth"] = frame.groupby(["matrix", "start"]).growth.transform("first")
    return frame


def rate(frame):
    """Decades a step of the angle to w_0 from step 20 to 50, mean over starts."""
    ends = [rows(frame, matrix="slide", step=step).log10_angle.mean() for step in (20, 50)]
    return (ends[1] - ends[0]) / 30


def other_ratio(frame):
    """The angle shrinks as if the eigenvalues were their squares."""
    frame["log10_angle"] *= 2
    return frame


def settled_everywhere(frame):
    """The rows of the slide's matrix pass for those of the others."""
    other = frame[frame.matrix == "slide"]
    kinds = "negative", "complex pair", "hidden exactly"
    return pd.concat([other.assign(matrix=kind) for kind in kinds])


def settled_share(frame):
    """Share of random matrices that have settled, up to the sign, after 10,000 steps."""
    random = rows(frame, matrix="random", step=LAST)
    if len(random) < 1000:
        raise NotMeasured("needs 1000 random matrices")
    return settled(random).mean()


def settled(frame):
    """Whether h_t is +- h_{t-1}."""
    return frame.overlap.abs() > 1 - 1e-6


def all_settle(frame):
    """'Whatever h0': every random matrix has settled."""
    frame["overlap"] = 1.0
    return frame


def exactly(frame):
    """alpha_0 is exactly 0 instead of 0 up to rounding."""
    frame["matrix"] = frame.matrix.replace({"hidden exactly": "hidden", "hidden": "other"})
    return frame


def figure(frame):
    """The slide's iteration, how fast, and the ways in which it never ends."""
    drawing, axes = style.panels(2, 2, size=(14.5, 11))
    circle(axes[0, 0], frame[frame.matrix == "slide"])
    angles(axes[0, 1], frame)
    unsettled(axes[1, 0], frame)
    plane(axes[1, 1], frame[frame.matrix == "random"])
    titles = [
        "the lectures' W: from every start to one line",
        r"as fast as $|\lambda_1/\lambda_0|^t$; a hidden $w_0$ comes back",
        "a negative eigenvalue flips, a complex pair turns",
        "where random 2 x 2 matrices settle",
    ]
    style.titles(axes, titles)
    style.headline(drawing, "Whatever h0, the dominant eigenvector? Only if W and h0 allow it")
    style.caption(
        drawing,
        f"h$_t$ = W h$_{{t-1}}$ / ||W h$_{{t-1}}$||, up to {frame.step.max()} steps; a: every "
        "other step, drawn inwards\nb: the start "
        "is w$_1$ up to rounding (red) and exactly (grey, at a right angle for ever), "
        "law dashed; d: above the parabola eigenvalues are complex",
    )
    return drawing


def circle(panel, frame):
    """Starts on the unit circle, the way of each (every other step) inwards, the line of w_0."""
    turn = np.linspace(0, 2 * np.pi, 300)
    panel.plot(np.cos(turn), np.sin(turn), color=MUTED, lw=1)
    panel.plot([-LIMIT[0], LIMIT[0]], [-LIMIT[1], LIMIT[1]], color=CRITICAL, lw=1.4)
    for _, way in frame[(frame.step <= 16) & (frame.step % 2 == 0)].groupby("start"):
        radius = 1 - 0.7 * way.step / 16
        colour = EXPLODING if way.second.iloc[-1] < 0 else VANISHING
        panel.plot(radius * way["first"], radius * way.second, ".-", lw=1.2, color=colour)
        panel.plot(way["first"].iloc[0], way.second.iloc[0], "o", ms=8, color=colour)
    panel.set(xlabel="first component", ylabel="second component")
    panel.set_aspect("equal", adjustable="datalim")


def angles(panel, frame):
    """Sine of the angle to w_0 over the steps."""
    frame = frame[frame.step <= max(EARLY)]
    inks = {
        "slide": VANISHING,
        "hidden": EXPLODING,
        "hidden exactly": MUTED,
    }
    names = {"slide": "starts all around", "hidden": r"start $w_1$: $\alpha_0$ = 0 up to rounding",
             "hidden exactly": r"$\alpha_0$ = 0 exactly"}  # fmt: skip
    for kind, colour in inks.items():
        for start, way in frame[(frame.matrix == kind) & (frame.start < 6)].groupby("start"):
            label = names[kind] if start == 0 else None
            seen = way[way.log10_angle > -17]
            panel.plot(seen.step, seen.log10_angle, "o-", ms=3, lw=0.8, color=colour, label=label)
    steps = np.array([0, 16 / np.log10(VALUES[0] / -VALUES[1])])
    panel.plot(steps, [0, -16], "--", lw=1.6, color=CRITICAL, label="law")
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step t", ylabel="sine of the angle to w$_0$")
    panel.legend(loc="lower left", bbox_to_anchor=(0.0, 0.08))


def unsettled(panel, frame):
    """The second component over the steps for three matrices and one start."""
    start = nearest(frame.start[frame.matrix == "negative"], 1)
    kinds = {"slide": (VANISHING, r"$\lambda_0$ = 2.58: settles"),
             "negative": (EXPLODING, r"$\lambda_0$ = -2.58: flips"),
             "complex pair": (CRITICAL, r"$\lambda = e^{\pm i}$: turns")}  # fmt: skip
    for kind, (colour, label) in kinds.items():
        way = frame[(frame.matrix == kind) & (frame.start == start) & (frame.step <= 20)]
        panel.plot(way.step, way.second, "o-", ms=4, lw=1, color=colour, label=label)
    panel.set(xlabel="step t", ylabel="second component of h$_t$", ylim=(-1.1, 1.5))
    panel.legend(loc="upper right", ncols=3, columnspacing=1.0, handletextpad=0.4)


def plane(panel, frame):
    """Random matrices by trace and determinant: those with real eigenvalues settle."""
    frame = frame[frame.step == frame.step.max()]
    kept = settled(frame)
    for which, colour, label in ((kept, VANISHING, "settled"),
                                 (~kept, EXPLODING, "still turning")):  # fmt: skip
        label = f"{label}: {100 * which.mean():.1f} %"
        panel.plot(frame.trace[which], frame.determinant[which], ".", ms=4, color=colour,
                   alpha=0.6, label=label)  # fmt: skip
    trace = np.linspace(-4, 4, 200)
    panel.plot(trace, trace**2 / 4, color=CRITICAL, lw=1.6, label="det = trace$^2$/4")
    panel.set(xlabel="trace of W", ylabel="determinant of W", xlim=(-4, 4), ylim=(-3, 3))
    panel.legend(loc="lower left", markerscale=3, frameon=True, framealpha=0.9)


def claim(name, statement, source, measured, equals, **rest):
    """A claim within the rounding of the numbers on the slide, unless told."""
    rest = {"within": 2e-8, "why": "the slide prints eight digits"} | rest
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
    quick={"step": [*range(0, 51, 2), 200], "start": range(12)},
    measure=measure,
    figure=figure,
    claims=[
        claim(
            "the slide's vector",
            "12 starts end at +-(0.12065226, -0.99269483) after 10,000 steps, largest distance",
            "the lectures' slide",
            limit_error("slide"),
            0.0,
            control=other_component,
        ),
        claim(
            "the slide's eigenvalue",
            "||W h|| ends at the larger eigenvalue",
            "the lectures' slide",
            last("growth", "slide"),
            VALUES[0],
            control=first_growth,
        ),
        claim(
            "rate",
            "the angle to w_0 shrinks by log10 |lambda_1/lambda_0| a step",
            "h_t = sum of alpha_i lambda_i^t w_i, normalised",
            rate,
            math.log10(-VALUES[1] / VALUES[0]),
            within=1e-6,
            why="(lambda_1/lambda_0)^20 = 7e-5 squared is left of the start",
            control=other_ratio,
        ),
        claim(
            "a negative eigenvalue flips",
            "h_t . h_{t-1} of -W after 10,000 steps",
            "lambda_0^t has the sign (-1)^t",
            last("overlap", "negative"),
            -1.0,
            within=1e-12,
            why="rounding",
            control=settled_everywhere,
        ),
        claim(
            "a complex pair turns",
            "h_t . h_{t-1} of a rotation by 1 rad after 10,000 steps",
            "the cosine of its angle",
            last("overlap", "complex pair"),
            math.cos(TURN),
            within=1e-12,
            why="rounding",
            control=settled_everywhere,
        ),
        claim(
            "an exact zero hides",
            "log10 of the sine of the angle to w_0, alpha_0 = 0 exactly, after 10,000 steps",
            "0 lambda_0^t = 0",
            last("log10_angle", "hidden exactly"),
            0.0,
            within=1e-12,
            why="every operation is exact",
            control=settled_everywhere,
        ),
        claim(
            "rounding finds it",
            "from the start w_1, computed to rounding, the end is w_0 all the same: distance",
            "an error of 1e-16 grows by |lambda_0/lambda_1| a step: some 75 steps",
            limit_error("hidden"),
            0.0,
            control=exactly,
        ),
        claim(
            "random matrices",
            "the share of 2,000 Gaussian 2 x 2 matrices that settle",
            "real eigenvalues have probability 1/sqrt(2) (Edelman, Kostlan, Shub 1994)",
            settled_share,
            math.sqrt(0.5),
            within=0.03,
            why="three standard deviations of a share of 2,000",
            control=all_settle,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
