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
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, style
from gradlab.suite import Claim, Experiment, Span, rows

STEPS, LENGTH = 150, 200  # exponents are means over STEPS of them
INDEX = {"lyapunov_first": 1, "lyapunov_middle": None, "lyapunov_last": -1}


def networks(frame, steps_per_matrix, **more):
    """Linear networks of gain 1."""
    kind = {"activation": "identity", "gain": 1.0, "steps_per_matrix": steps_per_matrix}
    return rows(frame, **kind, **more)


def freedom(column, size):
    """N - i + 1, the degrees of freedom of exponent i."""
    return {"lyapunov_first": size, "lyapunov_last": 1}.get(column, size - (size + 1) // 2 + 1)


def newman(column, size):
    """Exponent i of products of gaussian matrices of gain 1 (Newman 1986)."""
    return (math.log(2) + digamma(freedom(column, size) / 2) - math.log(size)) / 2


def spread(column, size):
    """Standard deviation of ln(chi^2)/2, what one step adds to the logarithm."""
    return math.sqrt(polygamma(1, freedom(column, size) / 2)) / 2


def worst(columns, steps_per_matrix=1):
    """Largest |mean over seeds - theory| in standard errors, over the sizes and columns."""

    def measured(frame):
        products = networks(frame, steps_per_matrix)
        return max(
            abs(part[column].mean() - newman(kind, size))
            / (spread(kind, size) / math.sqrt(STEPS * len(part)))
            for size, part in products.groupby("hidden_size")
            for column, kind in columns.items()
        )

    return measured


def relative_spread(frame):
    """Standard deviation over seeds of the products' exponents over theory's, all sizes."""
    products = networks(frame, 1)
    shares = [
        part.exponent.var() / spread("lyapunov_first", size) ** 2 * STEPS
        for size, part in products.groupby("hidden_size")
    ]
    return math.sqrt(sum(shares) / len(shares))


def eigenvalue_error(frame):
    """Mean |exponent - ln radius| of one W, from 16 units on."""
    powers = networks(frame, LENGTH)
    powers = powers[powers.hidden_size >= 16]
    return (powers.exponent - powers.log_radius).abs().mean()


def largest_gap(frame):
    """Of all networks with one W, linear and tanh."""
    return rows(frame, steps_per_matrix=LENGTH).tied_gap.max()


def exchanged(frame):
    """Networks with one W pass for those with another W at each step, and the other way round."""
    swap = {1: LENGTH, LENGTH: 1}
    frame["steps_per_matrix"] = frame.steps_per_matrix.map(lambda k: swap.get(k, k))
    return frame


def first_for_all(frame):
    """The largest exponent passes for each of the others."""
    for column in INDEX:
        frame[column] = frame.lyapunov_first
    return frame


def last_term_missing(frame):
    """The last step's term is left out of the sum."""
    frame["tied_gap"] = frame.tied_gap_short
    return frame


def figure(frame):
    """Walks and lines, exponents over N, from products to powers, and tanh."""
    drawing, axes = style.panels(2, 2, size=(14.5, 11))
    linear = frame[frame.activation == "identity"]
    walks(axes[0, 0], linear[linear.hidden_size == 16])
    over_size(axes[0, 1], linear)
    between(axes[1, 0], linear[linear.hidden_size == 64])
    nonlinear(axes[1, 1], frame[frame.activation == "tanh"])
    style.titles(
        axes,
        ["16 linear units: each line is one network", "exponents of linear products, theory drawn",
         "64 linear units: another W every k steps", "64 tanh units"],
    )  # fmt: skip
    style.headline(drawing, "One W for all steps keeps its luck; another W at each averages it out")
    style.caption(
        drawing,
        f"gaussian W of variance gain$^2$/N (a-c: gain 1), no input, T = {LENGTH}, "
        f"{frame.seed.nunique()} seeds (d: {frame[frame.activation == 'tanh'].seed.nunique()}); "
        "b-d: mean and standard deviation over seeds",
    )
    return drawing


def walks(panel, frame):
    """The gradient's size over the lag, one line a seed, products over powers."""
    named = sorted(frame.filter(like="log10_gradient_lag"), key=lambda name: int(name[19:]))
    lags = [0, *(int(name[19:]) for name in named)]
    for steps, colour, text in kinds():
        for i, curve in enumerate(frame[frame.steps_per_matrix == steps][named].to_numpy()):
            label = text if i == 0 else None
            panel.plot(lags, [0, *curve], color=colour, lw=1.3, alpha=0.65, label=label)
    fine = np.linspace(0, LENGTH, 201)
    middle, width = newman("lyapunov_first", 16) * fine, spread("lyapunov_first", 16) * fine**0.5
    for side, text in ((-2, None), (2, "the latter's theory, +- 2 standard deviations")):
        line = (middle + side * width) / math.log(10)
        panel.plot(fine, line, "--", color=CRITICAL, lw=1.5, label=text)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag T - t (steps)", ylabel="||dL/dh$_t$|| relative to ||dL/dh$_T$||")
    panel.legend(loc="upper left")


def kinds():
    """(steps_per_matrix, colour, text) of the two ends."""
    return (
        (LENGTH, EXPLODING, "one W"),
        (1, VANISHING, "another W at each step"),
    )


def over_size(panel, frame):
    """First, middle and last exponent of products over N on Newman's, and ln radius of one W."""
    products, powers = (
        frame[frame.steps_per_matrix == steps].groupby("hidden_size") for steps in (1, LENGTH)
    )
    for column, marker in zip(INDEX, "osv", strict=True):
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
    theory, width = newman("lyapunov_first", 64), spread("lyapunov_first", 64) / math.sqrt(STEPS)
    panel.axhspan(theory - width, theory + width, color="#e4e6ea", lw=0)
    panel.axhline(theory, color=CRITICAL, lw=1.4, label="theory, k = 1")
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
    if frame.empty:
        return
    gains = np.linspace(frame.gain.min(), frame.gain.max(), 100)
    panel.plot(gains, theory.largest_exponent(gains), color=CRITICAL, label="mean field")
    for steps, colour, text in kinds():
        groups = frame[frame.steps_per_matrix == steps].groupby("gain").exponent
        bars(panel, groups, colour, fmt="o", label=text)
    panel.axhline(0, color=CRITICAL, lw=1)
    panel.set(xlabel="gain g", ylabel="gradient's rate (1/step)")
    panel.legend(loc="upper left")


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
            name="products",
            about={"sequence_length": LENGTH},
            seeds=20,
            statement="with another W at each step the gradient grows by Newman's first exponent",
            source="ln g + (ln 2 + digamma(N/2) - ln N)/2, Newman 1986",
            measured=worst({"exponent": "lyapunov_first"}),
            equals=0.0,
            within=3.5,
            why="standard errors of the mean over 20 seeds; the largest of 7 sizes",
            control=exchanged,
        ),
        Claim(
            name="their spectrum",
            about={"sequence_length": LENGTH},
            seeds=20,
            statement="the first, middle and last exponent, by QR, are Newman's",
            source="ln g + (ln 2 + digamma((N - i + 1)/2) - ln N)/2, Newman 1986",
            measured=worst({column: column for column in INDEX}),
            equals=0.0,
            within=4.0,
            why="standard errors of the mean over 20 seeds; the largest of 21",
            control=first_for_all,
        ),
        Claim(
            name="chance averages out",
            about={"sequence_length": LENGTH},
            seeds=20,
            statement="from draw to draw the products' rates spread as a random walk's do",
            source="variance trigamma(N/2)/4 a step, Newman 1986",
            measured=relative_spread,
            equals=1.0,
            within=0.2,
            why="133 degrees of freedom: 6 %",
            control=exchanged,
        ),
        Claim(
            name="powers",
            about={"sequence_length": LENGTH},
            seeds=20,
            statement="with one W the rate is ln of that draw's own spectral radius",
            source="W^t = V Lambda^t V^-1",
            measured=eigenvalue_error,
            equals=0.0,
            within=0.02,
            why="1/step: over 150 steps what precedes the asymptote is a factor of a few",
            control=exchanged,
        ),
        Claim(
            name="used T times, summed T times",
            about={"gain": Span(0.1, 10)},
            statement="the sum over steps of dL/dW_t, all W_t equal, is the tied gradient",
            source="d/dw f(w, w) = d_1 f + d_2 f",
            measured=largest_gap,
            equals=0.0,
            within=1e-12,
            why="rounding, relative to the gradient's norm",
            control=last_term_missing,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
