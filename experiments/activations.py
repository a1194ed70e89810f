"""What does the slope of the activation allow a gradient to do?

One step back multiplies the gradient by W^T diag(f'(a_t)), so a step changes its norm by at most
gamma sigma_max(W), with gamma the steepest slope of f and sigma_max the largest singular value:

    ||dL/dh_0|| <= (gamma sigma_max)^T ||dL/dh_T||        tanh, ReLU: gamma = 1, sigmoid: 1/4

Hence the vanishing condition sigma_max < 1/gamma (Pascanu, Mikolov, Bengio, ICML 2013). It is
sufficient, not necessary. Three networks show it:

one_unit   h = f(w h_0) with w = 1: its gradient is the slope f' itself, at h_0 = pre_activation
steepest   an orthogonal W held where every unit has slope gamma: each step attains the bound
driven     gaussian W under a noisy input: the bound is kept, and missed by far
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, RANGE, VANISHING, Panel, medians, page
from gradlab.suite import (
    Claim,
    Experiment,
    Span,
    every,
    largest,
    median,
    most,
    rows,
    scaled,
    swap,
    worst,
)

GAMMA = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0}
NAMES = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
COLOURS = {"tanh": CRITICAL, "sigmoid": VANISHING, "relu": EXPLODING}
VALUE_AND_SLOPE = {
    "tanh": lambda a: (math.tanh(a), 1 / math.cosh(a) ** 2),
    "sigmoid": lambda a: (1 / (1 + math.exp(-a)), 1 / (2 + math.exp(a) + math.exp(-a))),
    "relu": lambda a: (max(a, 0.0), float(a > 0)),
}
ONE_UNIT = {"network": "one_unit", "largest_singular_value": 1.0}
EXCHANGED = swap("activation", "sigmoid", "tanh")


def formulas(frame):
    """f and f' of each row of the single unit, (2, rows)."""
    points = zip(frame.activation, frame.pre_activation, strict=True)
    return np.transpose([VALUE_AND_SLOPE[activation](a) for activation, a in points])


def value_off_its_formula(frame):
    return frame.value - formulas(frame)[0]


def slope_off_its_formula(frame):
    return frame.gradient_ratio - formulas(frame)[1]


def bound(activation, sigma):
    """log10(gamma sigma_max), decades a step."""
    return np.log10(GAMMA[activation] * np.asarray(sigma))


def decades_above_the_bound(frame):
    gamma = frame.activation.map(GAMMA)
    return frame.decades_per_step - np.log10(gamma * frame.largest_singular_value)


def slopes_with_that_at_0(frame):
    """Slopes of a single unit; that at a = 0 must be among them."""
    rows(frame, pre_activation=0.0)
    return frame.gradient_ratio


def gamma_claim(activation, control):
    """The claim that the steepest slope is the gamma of the vanishing condition."""
    return Claim(
        f"gamma of {NAMES[activation]}",
        f"the steepest slope of {NAMES[activation]}",
        source="max |f'| : 1 - tanh^2 at 0, y(1 - y) at y = 1/2, the step",
        measured=largest(slopes_with_that_at_0, activation=activation, **ONE_UNIT),
        equals=GAMMA[activation],
        within=1e-12,
        why="rounding",
        control=control,
    )


def curves(column, part, **options):
    """A column of the single unit over a, and its formula."""

    def formula(here, a):
        line = np.array([VALUE_AND_SLOPE[here.activation.iloc[0]](x)[part] for x in a])
        return np.where(np.abs(np.diff(line, prepend=line[0])) > 0.5, np.nan, line)  # a jump

    return medians(
        "pre_activation", column, "activation", palette=COLOURS, law=formula,
        label=lambda here: NAMES[here.activation.iloc[0]], sizes=dict.fromkeys(NAMES, 4),
        law_line="-", xlabel="pre-activation a", **options,
    )  # fmt: skip


def slopes(panel, frame):
    """The slope f' of a single unit over a, and each activation's gamma as a dotted line."""
    curves("gradient_ratio", 1, legend="", ylabel="f'(a)", ylim=(-0.05, 1.15))(panel, frame)
    there, right = set(frame.activation), frame.pre_activation.max()
    panel.set_xlim(frame.pre_activation.min(), right)
    for gamma in sorted(set(map(GAMMA.get, there))):
        found = [name for name in NAMES if name in there and GAMMA[name] == gamma]
        colour, names = COLOURS[found[0]], ", ".join(NAMES[name] for name in found)
        panel.axhline(gamma, color=colour, lw=1, ls=":")
        panel.text(right, gamma + 0.01, f"{names}: gamma = {gamma:g}", color=colour, ha="right",
                   va="bottom", fontsize=10)  # fmt: skip


def rates(panel, frame):
    """Decades a step over sigma_max: networks on the bound, and networks driven by noise."""
    there = [name for name in NAMES if name in set(frame.activation)]
    sigmas = np.array(sorted(set(frame.largest_singular_value)))
    panel.axhspan(-10, 0, color=VANISHING, alpha=0.07, lw=0)
    panel.axhline(0, color=MUTED, lw=1)
    for name in there:
        colour, relu = COLOURS[name], name == "relu"  # its bound is that of tanh: seen around it
        held = frame[(frame.network == "steepest") & (frame.activation == name)]
        panel.plot(sigmas, bound(name, sigmas), ls=(0, (4, 3)) if relu else "-", color=colour)
        panel.plot(
            held.largest_singular_value, held.decades_per_step, "o", ms=11 if relu else 7,
            mfc="none", color=colour, label=f"{NAMES[name]}, held",
        )  # fmt: skip
        panel.plot(1 / GAMMA[name], 0, "D", ms=9, color=colour, zorder=5 - relu)
    panel.plot([], [], color=MUTED, label=r"log10(gamma sigma_max)")
    medians(
        "largest_singular_value", "decades_per_step", "activation", palette=COLOURS, band=RANGE,
        label=lambda here: f"{NAMES[here.activation.iloc[0]]}, driven", legend="", line=":",
    )(panel, frame[frame.network == "driven"])  # fmt: skip
    panel.plot([], [], "D", ms=9, color=MUTED, label="1/gamma")
    panel.text(0.97, 0.04, "gradients vanish", color=VANISHING, ha="right", weight="bold",
               transform=panel.transAxes)  # fmt: skip
    panel.set_xscale("log", base=2)
    panel.set_xticks(sigmas, [f"{sigma:g}" for sigma in sigmas])
    panel.minorticks_off()
    panel.set(xlabel="largest singular value of W", ylabel="decades a step", ylim=(-2.2, 2.0))
    panel.legend(ncols=2, loc="upper left", fontsize=10)


figure = page(
    "A gradient must vanish where sigma_max(W) < 1/gamma",
    "a, b: one unit, its slope by backpropagation; lines: the formulas.  c: lines: the bound "
    "log10(gamma sigma_max); circles: {hidden_size} units held at their steepest point, "
    "{sequence_length} steps;\ndots: gaussian W under noise of scale {input_scale}, median and "
    "range over {seeds}",
    [
        Panel(
            "activations",
            curves("value", 0, legend={}, ylabel="f(a)", ylim=(-1.15, 2.15), loc="upper left"),
            ONE_UNIT,
        ),
        Panel("their slopes, and the steepest", slopes, ONE_UNIT),
        Panel(
            "what the slopes allow a gradient",
            rates,
            {"network": every(("steepest", "driven"))},
        ),
    ],
    size=(17, 6.2),
)
SIGMAS = [0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0]
ALL = {"activation": list(GAMMA)}
experiment = Experiment(
    question="What does the slope of the activation allow a gradient to do?",
    grid=[
        ALL
        | {
            "network": ["one_unit"],
            "pre_activation": [i / 4 for i in range(-24, 25)],
            "largest_singular_value": [1.0],
            "seed": [0],
        },
        ALL
        | {
            "network": ["steepest"],
            "pre_activation": [0.0],
            "largest_singular_value": SIGMAS,
            "seed": [0],
        },
        ALL
        | {
            "network": ["driven"],
            "pre_activation": [0.0],
            "largest_singular_value": SIGMAS,
            "seed": range(10),
        },
    ],
    split=["network", "activation"],
    constants={"hidden_size": 64, "sequence_length": 50, "input_scale": 0.5},
    quick={"seed": [0]},
    measure="gradlab.measures.activations:measure",
    figure=figure,
    claims=[
        gamma_claim("tanh", EXCHANGED),
        gamma_claim("sigmoid", EXCHANGED),
        gamma_claim("relu", scaled("gradient_ratio", 1.1)),
        Claim(
            "values and slopes",
            "largest difference of f and of f' by BPTT from their formulas",
            source="tanh' = 1/cosh^2, sigmoid' = 1/(2 + e^a + e^-a), ReLU' = (a > 0)",
            measured=most(
                worst(value_off_its_formula, **ONE_UNIT),
                worst(slope_off_its_formula, **ONE_UNIT),
            ),
            equals=0.0,
            within=1e-14,
            why="rounding of numbers up to 6",
            control=EXCHANGED,
        ),
        Claim(
            "the bound is attained",
            "at the steepest point a step changes the gradient by gamma sigma_max",
            source="||W^T diag(f') v|| = gamma sigma_max ||v|| for W/sigma_max orthogonal",
            measured=worst(decades_above_the_bound, network="steepest"),
            equals=0.0,
            within=1e-12,
            why="decades a step; rounding",
            control=swap("network", "driven", "steepest"),
            about={"sequence_length": Span(1, 300)},
        ),
        Claim(
            "the bound is kept",
            "no driven network is above log10(gamma sigma_max), decades a step",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 2.1, with singular values",
            measured=largest(decades_above_the_bound, network="driven"),
            at_most=1e-12,
            why="and missed by far but by a single unit; rounding",
            control=EXCHANGED,
        ),
        Claim(
            "it is not necessary",
            "tanh networks with sigma_max = 1.5 vanish as well, median decades a step",
            source="sigma_max < 1/gamma suffices for vanishing; its failure suffices for nothing",
            measured=median(
                "decades_per_step", network="driven", activation="tanh", largest_singular_value=1.5
            ),
            at_most=0.0,
            why="sigma_max = 1.5 is a gain of some 0.75",
            control=swap("network", "driven", "steepest"),
            about={"hidden_size": 64, "sequence_length": 50, "input_scale": 0.5},
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
