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
from scipy.special import digamma, polygamma

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, Panel, medians, page, style
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Span,
    lags,
    largest,
    mean,
    most,
    near,
    nearest,
    passes_for,
    rows,
    swap,
    worst,
)

SETTLE, LENGTH = 50, 200  # exponents are means over the steps after the first SETTLE
SPECTRUM = {"lyapunov_first": "o", "lyapunov_middle": "s", "lyapunov_last": "v"}
LINEAR = {"activation": "identity", "gain": 1.0}
PRODUCTS, POWERS = LINEAR | {"steps_per_matrix": 1}, LINEAR | {"steps_per_matrix": LENGTH}
KINDS = {LENGTH: (EXPLODING, "one W"), 1: (VANISHING, "another W at each step")}
RATE = "gradient's rate (1/step)"
MEANS = {"estimator": "mean", "band": "sd"}


def freedom(column, size):
    """N - i + 1, the degrees of freedom of exponent i."""
    return {"lyapunov_first": size, "lyapunov_last": 1}.get(column, size - (size + 1) // 2 + 1)


def newman(column, size, gain=1.0):
    """Exponent i of products of gaussian matrices (Newman 1986)."""
    mean_log = (math.log(2) + digamma(freedom(column, size) / 2) - math.log(size)) / 2
    return math.log(gain) + mean_log


def spread(column, size):
    """Standard deviation of ln(chi^2)/2, what one step adds to the logarithm."""
    return math.sqrt(polygamma(1, freedom(column, size) / 2)) / 2


def theory_of(here, column="lyapunov_first"):
    """Newman's exponent of networks of one size, and its standard deviation from draw to draw."""
    size, steps = here.hidden_size.iloc[0], here.sequence_length.iloc[0] - SETTLE
    if steps < 1:
        raise NotMeasured(f"needs more than {SETTLE} steps")
    return newman(column, size, here.gain.iloc[0]), spread(column, size) / math.sqrt(steps)


def off_theory(column, kind):
    """A column that holds, for each size, mean over seeds less theory in standard errors."""

    def errors(part):
        expected, deviation = theory_of(part, kind)
        return (part[column].mean() - expected) / (deviation / math.sqrt(len(part)))

    def standard_errors(frame):
        return frame.groupby("hidden_size")[frame.columns.tolist()].apply(errors)

    standard_errors.__name__ = f"{column} less theory in standard errors"
    return standard_errors


def relative_spread(frame):
    """Standard deviation over seeds of the products' exponents over theory's, all sizes."""
    products = rows(frame, **PRODUCTS).groupby("hidden_size")
    shares = [part.exponent.var() / theory_of(part)[1] ** 2 for _, part in products]
    return math.sqrt(sum(shares) / len(shares))


def walks(panel, frame):
    """The gradient's size over the lag, a line a network, products over powers."""
    long = lags(frame, "log10_gradient")
    for steps, (colour, text) in KINDS.items():
        for seed, here in long[long.steps_per_matrix == steps].groupby("seed"):
            label = text if seed == frame.seed.min() else None
            walk = [0, *here["lag"]], [0, *here.log10_gradient]
            panel.plot(*walk, color=colour, lw=1.3, alpha=0.65, label=label)
    fine, size = np.linspace(0, long["lag"].max(), 201), frame.hidden_size.iloc[0]
    middle = newman("lyapunov_first", size, frame.gain.iloc[0]) * fine
    for side, text in ((-2, None), (2, "the latter's theory, +- 2 standard deviations")):
        line = (middle + side * spread("lyapunov_first", size) * fine**0.5) / math.log(10)
        panel.plot(fine, line, "--", color=CRITICAL, lw=1.5, label=text)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag T - t (steps)", ylabel="||dL/dh$_t$|| relative to ||dL/dh$_T$||")
    panel.legend(loc="upper left")


def over_size(panel, frame):
    """First, middle and last exponent of products over N on Newman's, and the rate of one W."""
    products, powers = (frame[frame.steps_per_matrix == steps] for steps in (1, LENGTH))
    sizes = sorted(set(frame.hidden_size))

    def law(column):
        def drawn(here, places):
            known = [newman(column, size, here.gain.iloc[0]) for size in sizes]
            return np.interp(places, range(len(sizes)), known)

        return drawn

    for column, marker in SPECTRUM.items():
        medians(
            "hidden_size", column, points=marker, law=law(column), colour=VANISHING, placed=True,
            label=f"products: {column.removeprefix('lyapunov_')} exponent", **MEANS,
        )(panel, products)  # fmt: skip
    medians(
        "hidden_size", "exponent", points="D", line="", colour=EXPLODING, placed=True,
        label="one W: gradient's rate", legend={"ncols": 2, "fontsize": 10}, loc="upper right",
        xlabel="hidden units N", ylabel="exponent (1/step)", ylim=(None, 1.9), **MEANS,
    )(panel, powers)  # fmt: skip


def between(panel, frame):
    """The rate over k, from Newman's exponent to the radius of one W."""
    expected, deviation = theory_of(frame)
    panel.axhspan(expected - deviation, expected + deviation, color="#e4e6ea", lw=0)
    panel.axhline(expected, color=CRITICAL, lw=1.4, label="theory, k = 1")
    one = frame[frame.steps_per_matrix == LENGTH].log_radius
    panel.axhline(one.mean(), color=CRITICAL, lw=1.4, ls="--", label="mean ln(radius)")
    medians(
        "steps_per_matrix", "exponent", colour=EXPLODING, label="measured", placed=True,
        loc="upper left", xlabel=f"steps k that share a W ({LENGTH}: one W)", ylabel=RATE, **MEANS,
    )(panel, frame)  # fmt: skip


def nonlinear(panel, frame):
    """Rates over the gain on mean field's, which assumes another W at each step."""
    gains = np.linspace(frame.gain.min(), frame.gain.max(), 100)
    rates = theory.largest_exponent(gains, activation=frame.activation.iloc[0])
    panel.plot(gains, rates, color=CRITICAL, label="mean field")
    medians(
        "gain", "exponent", "steps_per_matrix", level=0, loc="upper left", legend={},
        palette={steps: colour for steps, (colour, _) in KINDS.items()},
        label=lambda here: KINDS[here.steps_per_matrix.iloc[0]][1], xlabel="gain g", ylabel=RATE,
        **MEANS,
    )(panel, frame)  # fmt: skip


def caption(frame):
    """What was measured; the gain of the linear networks, if any, and the seeds of the others."""
    linear = frame.activation == "identity"
    gain = f" (a-c: gain {nearest(frame.gain[linear], 1):g})" if linear.any() else ""
    return (
        f"gaussian W of variance gain$^2$/N{gain}, no input, T = {{sequence_length}}, {{seeds}} "
        f"(d: {frame.seed[~linear].nunique()}); b-d: mean and standard deviation over seeds"
    )


def claim(name, statement, **rest):
    """A claim on means over 20 seeds of the reference run's length."""
    return Claim(name, statement, **{"about": {"sequence_length": LENGTH}, "seeds": 20} | rest)


UNIT = {"activation": "identity", "gain": near(1.0)}
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
    figure=page(
        "One W for all steps keeps its luck; another W at each averages it out",
        caption,
        [
            [
                Panel("{hidden_size} linear units: each line is one network", walks,
                      UNIT | {"steps_per_matrix": KINDS, "hidden_size": near(16)}),
                Panel("exponents of linear products, theory drawn", over_size,
                      UNIT | {"steps_per_matrix": KINDS}),
            ],
            [
                Panel("{hidden_size} linear units: another W every k steps", between,
                      UNIT | {"hidden_size": max}),
                Panel("{hidden_size} {activation} units", nonlinear,
                      {"activation": ["tanh", "relu", "sigmoid"], "hidden_size": max}),
            ],
        ],
        size=(14.5, 11),
    ),
    claims=[
        claim(
            "products",
            "with another W at each step the gradient grows by Newman's first exponent",
            source="ln g + (ln 2 + digamma(N/2) - ln N)/2, Newman 1986",
            measured=worst(off_theory("exponent", "lyapunov_first"), **PRODUCTS),
            equals=0.0,
            within=3.5,
            why="standard errors of the mean over 20 seeds; the largest of 7 sizes",
            control=swap("steps_per_matrix", 1, LENGTH),
        ),
        claim(
            "their spectrum",
            "the first, middle and last exponent, by QR, are Newman's",
            source="ln g + (ln 2 + digamma((N - i + 1)/2) - ln N)/2, Newman 1986",
            measured=most(*(worst(off_theory(i, i), **PRODUCTS) for i in SPECTRUM)),
            equals=0.0,
            within=4.0,
            why="standard errors of the mean over 20 seeds; the largest of 21",
            control=passes_for("lyapunov_first", "lyapunov_middle"),
        ),
        claim(
            "chance averages out",
            "from draw to draw the products' rates spread as a random walk's do",
            source="variance trigamma(N/2)/4 a step, Newman 1986",
            measured=relative_spread,
            equals=1.0,
            within=0.2,
            why="133 degrees of freedom: 6 %",
            control=swap("steps_per_matrix", 1, LENGTH),
        ),
        claim(
            "powers",
            "with one W the rate is ln of that draw's own spectral radius",
            source="W^t = V Lambda^t V^-1",
            measured=mean("abs(exponent - log_radius)", hidden_size=Span(16), **POWERS),
            equals=0.0,
            within=0.02,
            why="1/step: over 150 steps what precedes the asymptote is a factor of a few",
            control=swap("steps_per_matrix", 1, LENGTH),
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
