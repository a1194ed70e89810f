"""Does it matter that a recurrent network uses the same W at every step?

Deep networks have another W at each layer, recurrent ones one W for all steps; between them lies
another W every k steps. Without input and activation the gradient T steps back is a product:

    W_1^T W_2^T ... W_T^T v   another W at each step: a random walk of its logarithm. For gaussian
                              entries of variance g^2/N each step adds an independent
                              ln g + ln(chi^2_N / N)/2, whatever v is, and Lyapunov exponent i is
                              ln g + (ln 2 + digamma((N - i + 1)/2) - ln N)/2    (Newman 1986)
    (W^T)^T v                 one W: a straight line of slope ln(radius of that W), another in each
                              draw, and chance does not average out along the way

A tied W is a variable used T times: dL/dW is the sum over t of what dL/dW_t would be.
"""

import math

import numpy as np
import pandas as pd
from scipy.special import digamma, polygamma

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, Panel, page, style
from gradlab.suite import (
    Claim,
    Experiment,
    Span,
    lags,
    largest,
    mean,
    near,
    passes_for,
    swap,
    worst,
)

STEPS, LENGTH = 150, 200  # exponents are means over STEPS of them
SPECTRUM = ("lyapunov_first", "lyapunov_middle", "lyapunov_last")


LINEAR = {"activation": "identity", "gain": 1.0}
PRODUCTS, POWERS = LINEAR | {"steps_per_matrix": 1}, LINEAR | {"steps_per_matrix": LENGTH}
KINDS = {LENGTH: ("one W", EXPLODING), 1: ("another W at each step", VANISHING)}
ABOUT = {"sequence_length": LENGTH}


def freedom(column, size):
    """N - i + 1, the degrees of freedom of exponent i."""
    return {"lyapunov_first": size, "lyapunov_last": 1}.get(column, size - (size + 1) // 2 + 1)


def newman(column, size):
    """Exponent i of products of gaussian matrices of gain 1 (Newman 1986)."""
    return (math.log(2) + digamma(freedom(column, size) / 2) - math.log(size)) / 2


def spread(column, size):
    """Standard deviation of ln(chi^2)/2, what one step adds to the logarithm."""
    return math.sqrt(polygamma(1, freedom(column, size) / 2)) / 2


def off_newman(columns):
    """The mean over seeds of each column, less Newman's exponent, in standard errors; by size."""

    def standard_errors(frame):
        sizes = frame.groupby("hidden_size")
        return pd.concat(
            (sizes[column].mean() - sizes.size().index.map(lambda size, k=kind: newman(k, size)))
            / sizes.size().index.map(lambda size, k=kind: spread(k, size))
            * np.sqrt(STEPS * sizes.size())
            for column, kind in columns.items()
        )

    return standard_errors


def squared_spread(frame):
    """Variance over seeds of the exponent, over theory's for a random walk; by size."""
    variance = frame.groupby("hidden_size").exponent.var()
    return variance * STEPS / variance.index.map(lambda n: spread("lyapunov_first", n) ** 2)


def off_log_radius(frame):
    """|exponent - ln radius| of each draw."""
    return (frame.exponent - frame.log_radius).abs()


def walks(panel, frame):
    """The gradient's size by lag, a line a network, and the random walk's two deviations."""
    size, long = frame.hidden_size.iloc[0], lags(frame, "log10_gradient")
    for steps, (text, colour) in KINDS.items():
        known = long[long.steps_per_matrix == steps].pivot(
            index="lag", columns="seed", values="log10_gradient"
        )
        known.loc[0] = 0.0
        lines = panel.plot(known.sort_index(), color=colour, lw=1.3, alpha=0.65)
        lines[0].set_label(text)
    fine = np.linspace(0, long["lag"].max(), 201)
    middle = newman("lyapunov_first", size) * fine
    width = 2 * spread("lyapunov_first", size) * fine**0.5
    for line, text in (
        (middle - width, None),
        (middle + width, "the latter's theory, +- 2 deviations"),
    ):
        panel.plot(fine, line / math.log(10), "--", color=CRITICAL, lw=1.5, label=text)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag T - t (steps)", ylabel="||dL/dh$_t$|| relative to ||dL/dh$_T$||")
    panel.legend(loc="upper left")


def over_size(panel, frame):
    """First, middle and last exponent of products over N on Newman's, and ln radius of one W."""
    products, powers = (
        frame[frame.steps_per_matrix == steps].groupby("hidden_size") for steps in (1, LENGTH)
    )
    for column, marker in zip(SPECTRUM, "osv", strict=True):
        line = [newman(column, size) for size in products.groups]
        panel.plot(list(products.groups), line, color=CRITICAL, lw=1.4)
        label = f"products: {column.removeprefix('lyapunov_')} exponent"
        bars(panel, products[column], VANISHING, label=label, fmt=marker)
    bars(panel, powers.exponent, EXPLODING, label="one W: gradient's rate", fmt="D")
    panel.set_xscale("log", base=2)
    panel.set_xticks(list(powers.groups), list(powers.groups))
    panel.set(xlabel="hidden units N", ylabel="exponent (1/step)", ylim=(None, 1.9))
    panel.legend(loc="upper right", ncols=2, fontsize=10)


def bars(panel, groups, colour, **options):
    """Mean and standard deviation of each group."""
    means, spreads = groups.mean(), groups.std()
    panel.errorbar(means.index, means, spreads, color=colour, capsize=4, ms=7, **options)


def between(panel, frame):
    """The rate over k, from Newman's exponent to the radius of one W."""
    size = frame.hidden_size.iloc[0]
    middle = newman("lyapunov_first", size)
    width = spread("lyapunov_first", size) / math.sqrt(STEPS)
    panel.axhspan(middle - width, middle + width, color="#e4e6ea", lw=0)
    panel.axhline(middle, color=CRITICAL, lw=1.4, label="theory, k = 1")
    one = frame[frame.steps_per_matrix == LENGTH].log_radius
    panel.axhline(one.mean(), color=CRITICAL, lw=1.4, ls="--", label="mean ln(radius)")
    groups = frame.groupby("steps_per_matrix").exponent
    bars(panel, groups, EXPLODING, fmt="o", label="measured")
    panel.set_xscale("log")
    ticks = list(groups.groups)
    panel.set_xticks(ticks, ticks)
    panel.minorticks_off()
    panel.set(xlabel=f"steps k that share a W ({LENGTH}: one W)", ylabel="gradient's rate (1/step)")
    panel.legend(loc="upper left")


def nonlinear(panel, frame):
    """Rates over the gain on mean field's, which assumes another W at each step."""
    gains = np.linspace(frame.gain.min(), frame.gain.max(), 100)
    panel.plot(gains, theory.largest_exponent(gains), color=CRITICAL, label="mean field")
    for steps, (text, colour) in KINDS.items():
        groups = frame[frame.steps_per_matrix == steps].groupby("gain").exponent
        bars(panel, groups, colour, fmt="o", label=text)
    panel.axhline(0, color=CRITICAL, lw=1)
    panel.set(xlabel="gain g", ylabel="gradient's rate (1/step)")
    panel.legend(loc="upper left")


figure = page(
    "One W for all steps keeps its luck; another W at each averages it out",
    "gaussian W of variance gain$^2$/N (a-c: gain 1), no input, T = {sequence_length}, "
    "up to {seeds}; b-d: mean and standard deviation over seeds",
    [
        [
            Panel(
                "{hidden_size} linear units: each line is one network", walks,
                LINEAR | {"hidden_size": near(16), "steps_per_matrix": [1, LENGTH]},
            ),
            Panel("exponents of linear products, theory drawn", over_size, LINEAR),
        ],
        [
            Panel(
                "{hidden_size} linear units: another W every k steps", between,
                LINEAR | {"hidden_size": max},
            ),
            Panel("{hidden_size} {activation} units", nonlinear, {"activation": "tanh"}),
        ],
    ],
    size=(14.5, 11),
)  # fmt: skip
experiment = Experiment(
    question="Does it matter that a recurrent network uses the same W at every step?",
    grid=[
        {
            "activation": ["identity"], "hidden_size": [1, 2, 4, 8, 16, 32, 64], "gain": [1.0],
            "steps_per_matrix": [1, LENGTH], "seed": range(20),
        },
        {
            "activation": ["identity"], "hidden_size": [64], "gain": [1.0],
            "steps_per_matrix": [2, 5, 10, 20, 50, 100], "seed": range(20),
        },
        {
            "activation": ["tanh"], "hidden_size": [64], "gain": [0.8, 1.0, 1.2, 1.5, 2.0, 3.0],
            "steps_per_matrix": [1, LENGTH], "seed": range(10),
        },
    ],
    split=["activation", "hidden_size"],
    constants={"sequence_length": LENGTH},
    quick={"seed": range(4)},
    measure="gradlab.measures.untied:measure",
    figure=figure,
    claims=[
        Claim(
            "products",
            "with another W at each step the gradient grows by Newman's first exponent",
            source="ln g + (ln 2 + digamma(N/2) - ln N)/2, Newman 1986",
            measured=worst(off_newman({"exponent": "lyapunov_first"}), **PRODUCTS),
            equals=0.0,
            within=3.5,
            why="standard errors of the mean over 20 seeds; the largest of 7 sizes",
            control=swap("steps_per_matrix", 1, LENGTH),
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "their spectrum",
            "the first, middle and last exponent, by QR, are Newman's",
            source="ln g + (ln 2 + digamma((N - i + 1)/2) - ln N)/2, Newman 1986",
            measured=worst(off_newman({column: column for column in SPECTRUM}), **PRODUCTS),
            equals=0.0,
            within=4.0,
            why="standard errors of the mean over 20 seeds; the largest of 21",
            control=passes_for("lyapunov_first", "lyapunov_last"),
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "chance averages out",
            "from draw to draw the rates vary as a random walk's do, variance over theory's",
            source="variance trigamma(N/2)/4 a step, Newman 1986",
            measured=mean(squared_spread, **PRODUCTS),
            equals=1.0,
            within=0.36,
            why="133 degrees of freedom: 12 % of a variance, three times",
            control=swap("steps_per_matrix", 1, LENGTH),
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "powers",
            "with one W the rate is ln of that draw's own spectral radius",
            source="W^t = V Lambda^t V^-1",
            measured=mean(off_log_radius, hidden_size=Span(16), **POWERS),
            equals=0.0,
            within=0.02,
            why="1/step: over 150 steps what precedes the asymptote is a factor of a few",
            control=swap("steps_per_matrix", 1, LENGTH),
            about=ABOUT,
            seeds=20,
        ),
        Claim(
            "used T times, summed T times",
            "the sum over steps of dL/dW_t, all W_t equal, is the tied gradient",
            source="d/dw f(w, w) = d_1 f + d_2 f",
            measured=largest("tied_gap", steps_per_matrix=LENGTH, status="ok"),
            equals=0.0,
            within=1e-12,
            why="rounding, relative to the gradient's norm",
            control=passes_for("tied_gap_short", "tied_gap"),
            about={"gain": Span(0.1, 10)},
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
