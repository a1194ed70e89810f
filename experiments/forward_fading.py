"""Do signals from earlier in time become fainter?

Nudge the first input x_1 and watch the state h_t. To first order the nudge is multiplied by

    dh_t/dx_1 = J_t ... J_2 diag(f'_1) U,    J_i = diag(f'_i) W

a product taken forwards, from the oldest step to the newest. BPTT takes the same product from the
other end. So the past fades on the way forward by exactly as much as the gradient vanishes on the
way back: the same singular values. Above the edge the derivative explodes; the nudge itself cannot
grow beyond the states of tanh: the smallest difference decides all that follows (chaos).
"""

import math

import numpy as np
import pandas as pd

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, medians, page, style
from gradlab.suite import Claim, Experiment, Span, largest, passes_for, rows, scaled, worst

NUDGE = 1e-6
LAGS = [0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200]
SINGULAR = {1: ("largest", EXPLODING), 2: ("second", VANISHING), 3: ("third", MUTED)}
TANH = {"init": "gaussian", "activation": "tanh"}


def forward_less_backward(frame):
    """Largest difference of the singular values, forward and backward, relative to the largest."""
    gaps = [
        10 ** (frame[f"forward_{i}"] - frame.forward_1)
        - 10 ** (frame[f"backward_{i}"] - frame.forward_1)
        for i in SINGULAR
    ]
    return pd.concat(gaps, axis=1).abs().max(axis=1).fillna(0.0)  # nan: all of them are 0


def lag_before(frame):
    """The largest singular value of the lag before: the way back leaves out a step."""
    return frame.backward_1.shift(1).bfill()


def linear_error(frame):
    """Decades lost or gained since lag 0, less lag log10(radius)."""
    rows(frame, lag=0)
    start = frame.groupby(["spectral_radius", "seed"]).forward_1.transform("first")
    return frame.forward_1 - start - frame.lag * np.log10(frame.spectral_radius)


def widest(frame):
    """log10(2 sqrt(N)), the largest distance of two states of tanh, over the nudge."""
    return math.log10(2 * frame.hidden_size.max() ** 0.5 / NUDGE)


def mean_field(here, lags):
    """The line of mean field's exponent through the first derivative."""
    drive = here.input_scale.iloc[0] ** 2  # U ~ N(0, 1/D) times the scale, x ~ N(0, 1)
    rate = float(theory.largest_exponent(here.gain.mean(), drive, here.activation.iloc[0]))
    start = here.log10_derivative[here.lag == here.lag.min()].median()
    return start + rate / math.log(10) * lags


def fading(panel, frame):
    """Moved states (points) and derivative (lines) over the lag, mean field's slope beside them."""
    medians(
        "lag", "log10_derivative", "spectral_radius", edge=1.2, points="", label="", legend="",
    )(panel, frame)  # fmt: skip
    medians(
        "lag", "log10_nudge", "spectral_radius", edge=1.2, line="", law=mean_field, decades=True,
        legend={"title": "spectral radius", "loc": "lower right", "ncols": 2}, ylim=(-16, None),
        xlabel="lag t - 1 (steps)", ylabel="change of h$_t$ relative to the nudge of x$_1$",
    )(panel, frame)  # fmt: skip
    panel.axhline(np.log10(np.finfo(float).eps / NUDGE), color=MUTED, lw=1, ls=":")
    panel.text(62, -9.5, "rounding of h", ha="right", va="bottom", color=MUTED, fontsize=10)


def how_it_ends(frame):
    """The title of the largest radius: whether its derivative outgrows the states."""
    if frame.log10_derivative.max() > widest(frame):
        return "radius {spectral_radius}: growth ends at the size of the states"
    return "radius {spectral_radius}: the states move as the derivative says"


def chaos(panel, frame):
    """Distance of the states over the lag, each seed, and the most that it can be."""
    for seed, here in frame.groupby("seed"):
        for column, line, colour, label in (
            ("log10_derivative", "-", CRITICAL, "derivative"),
            ("log10_nudge", "o-", EXPLODING, "moved states"),
        ):
            panel.plot(
                here.lag, here[column] + math.log10(NUDGE), line, ms=4, lw=1, color=colour,
                label=label if seed == frame.seed.min() else None,
            )  # fmt: skip
    bound = widest(frame) + math.log10(NUDGE)
    panel.axhline(bound, color=VANISHING, ls="--", label=r"$2\sqrt{N}$")
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag t - 1 (steps)", ylabel="distance of the two h$_t$")
    panel.legend()


def same(panel, frame):
    """Backward over forward singular values, at all lags, radii and seeds."""
    ends = [frame[f"forward_{max(SINGULAR)}"].min(), frame.forward_1.max()]
    panel.plot(ends, ends, color=CRITICAL, lw=1.2)
    for i, (name, colour) in SINGULAR.items():
        values = frame[f"forward_{i}"], frame[f"backward_{i}"]
        panel.plot(*values, "o", ms=6 - i, color=colour, alpha=0.7, label=name)
    text = f"largest relative difference {forward_less_backward(frame).max():.0e}"
    panel.text(0.97, 0.06, text, ha="right", transform=panel.transAxes, color=MUTED)
    for axis in (panel.xaxis, panel.yaxis):
        style.powers_of_ten(axis)
    panel.set(xlabel="singular value, multiplied forwards", ylabel="singular value, by BPTT")
    panel.legend(loc="upper left")


experiment = Experiment(
    question="Do signals from earlier in time become fainter?",
    grid=[
        {
            "init": ["gaussian"],
            "activation": ["tanh"],
            "spectral_radius": [0.5, 0.9, 1.2, 1.5, 2.0],
            "seed": range(5),
            "lag": LAGS,
        },
        {
            "init": ["orthogonal"],
            "activation": ["identity"],
            "spectral_radius": [0.9, 1.0, 1.1],
            "seed": range(2),
            "lag": LAGS,
        },
    ],
    split=["init", "activation", "spectral_radius", "seed"],
    constants={"hidden_size": 64, "input_scale": 0.1},
    quick={"seed": range(2), "hidden_size": 32, "lag": [lag for lag in LAGS if lag <= 100]},
    measure="gradlab.measures.forward_fading:measure",
    figure=page(
        "Signals from earlier in time become fainter, exactly as gradients do",
        "{hidden_size} units, white noise of scale {input_scale} at 4 inputs, "
        f"x$_1$ moved by {NUDGE:g}; a: medians of {{seeds}}, points the moved states, lines the "
        "derivative, dashed mean field\nb: each seed; c: the largest singular values of "
        "dh$_t$/dx$_1$ at all lags, radii and seeds",
        [
            Panel("a nudge of the first input fades or grows", fading,
                  {"init": "gaussian", "lag": Span(0, 100)}),
            Panel(how_it_ends, chaos, TANH | {"spectral_radius": max}),
            Panel("forward fading is backward vanishing", same),
        ],
        size=(17, 6.4),
    ),
    claims=[
        Claim(
            "forward is backward",
            "the three largest singular values of dh_t/dx_1, relative difference",
            source="one product of Jacobians, taken from either end",
            measured=largest(forward_less_backward),
            equals=0.0,
            within=1e-12,
            why="rounding of up to 200 products",
            control=passes_for(lag_before, "backward_1"),
            about={"input_scale": Span(1e-3)},
        ),
        Claim(
            "orthogonal linear cell",
            "a nudge of x_1 fades or grows by log10(radius) decades a step, error",
            source="dh_t/dx_1 = (radius Q)^(t - 1) U with Q orthogonal",
            measured=worst(linear_error),
            equals=0.0,
            within=1e-12,
            why="rounding of up to 200 products",
            control=scaled("spectral_radius", 1.01),
            about={"init": "orthogonal", "activation": "identity", "input_scale": Span(1e-3)},
        ),
        Claim(
            "a real nudge",
            "states moved by a nudge of 1e-6 follow the derivative, decades apart",
            source="Taylor",
            measured=worst("log10_nudge - log10_derivative", lag=Span(0, 20)),
            equals=0.0,
            within=1e-3,
            why="rounding of h, 1e-16, beside a nudge of 1e-6 that has faded to 1e-7 of itself",
            control=passes_for("forward_1", "log10_derivative"),
            about=TANH | {
                "spectral_radius": Span(0.5, 1.2),
                "hidden_size": Span(32),
                "input_scale": Span(0.01, 1),
            },
        ),
        Claim(
            "growth ends",
            "log10 of the largest distance of the states over the nudge at radius 2",
            source="|tanh| < 1, so ||h - h'|| < 2 sqrt(N)",
            measured=largest("log10_nudge", spectral_radius=2.0),
            at_most=widest,
            control=passes_for("log10_derivative", "log10_nudge"),
            about={"activation": "tanh"},
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
