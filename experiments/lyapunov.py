"""How chaotic is a random network, and how wide must it be for mean field to say so?

h_t = tanh(W h_{t-1}), entries of W independent N(0, g^2/N), no input. Of all N Lyapunov exponents,
for N to infinity, with the stationary q and z ~ N(0, 1), D = tanh'(sqrt(q) z):

    largest   ln(g^2 <D^2>)/2                            (Sompolinsky, Crisanti, Sommers 1988)
    mean      ln g - 1/2 + <ln D>                        the mean of ln|det J_t|/N
    number tN ln(g^2 t/s)/2, <s D^2/(1 + s D^2)> = t     free probability: `gradlab.theory.spectra`

Below g = 1 the state dies out and they are ln|eigenvalues of W|. From all follow the dimension of
the attractor (Kaplan, Yorke 1979) and a bound on its entropy (Pesin 1977), both in proportion to N
(Engelken, Wolf, Abbott 2023). At finite N all differ by some b/N: each is fitted as a + b/N.
"""

import functools
import math

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import polygamma, stdtrit

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, medians, page, style
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Span,
    above,
    every,
    largest,
    mean,
    near,
    nearest,
    passes_for,
    swap,
    worst,
)

GAINS = [0.5, 0.8, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0]
WIDE = [0.5, 1.5, 2.0, 3.0, 5.0, 10.0]
CHAOTIC = [2.0, 3.0, 5.0, 10.0]
SIZES = [128, 256, 512, 1024]
SHARE = 0.32  # of the exponents: enough for the dimension at every gain, 0.28 N at most
TOP = {"followed": SHARE}
WHOLE = {"followed": min}  # without the networks that have all exponents too
SHOWN = {
    "largest_exponent": (EXPLODING, "largest exponent"),
    "mean_exponent": (VANISHING, "mean exponent"),
    "dimension": (CRITICAL, "dimension / N"),
}
SHORT = ["largest_exponent", "dimension", "entropy"]  # of narrow networks; the mean is not
ALL = {"followed": 1.0, "hidden_size": 256}


@functools.cache
def law(column, gain):
    """What a network of infinite width has at a gain."""
    known = {
        "largest_exponent": theory.largest_exponent, "mean_exponent": theory.mean_exponent,
        "dimension": theory.dimension, "entropy": theory.entropy,
    }  # fmt: skip
    return float(known[column](gain))


def limit(frame, column):
    """(a, b) of a + b/N and their standard errors: least squares, N units weighted by N.

    One variance for all, as if it fell like 1/N: that of the mean falls faster, so that narrow
    networks make the error rather too large than too small.
    """
    size, y = frame.hidden_size.to_numpy(float), frame[column].to_numpy(float)
    if len(set(size)) < 3 or np.isnan(y).any():
        raise NotMeasured(f"needs three sizes with {column}")
    design = np.stack([np.ones(len(y)), 1 / size], axis=1) * np.sqrt(size)[:, None]
    inverse = np.linalg.inv(design.T @ design)
    fitted = inverse @ design.T @ (y * np.sqrt(size))
    left = y * np.sqrt(size) - design @ fitted
    return fitted, np.sqrt(np.diag(inverse) * (left @ left) / max(len(y) - 2, 1))


def off(column):
    """A column that holds a of a + b/N less theory's value, in standard errors, for each gain."""

    def errors(frame):
        found = []
        for gain, here in frame.groupby("gain"):
            (a, _), (error, _) = limit(here, column)
            found.append((a - law(column, gain)) / error)
        return pd.Series(found)

    errors.__name__ = f"limit of {column} less theory in standard errors"
    return errors


def trend_in_standard_errors(frame):
    """b of a + b/N over its standard error, of all that is held to fall short, each gain."""
    found = []
    for column in SHORT:
        for _, here in frame.groupby("gain"):
            (_, b), (_, error) = limit(here, column)
            found.append(b / error)
    return pd.Series(found)


def sizes_are_alike(frame):
    """Networks of all sizes have the same means: N leaves nothing but scatter."""
    of_gain, of_size = (frame.groupby(by)[SHORT] for by in ("gain", ["gain", "hidden_size"]))
    return frame.assign(**frame[SHORT] - of_size.transform("mean") + of_gain.transform("mean"))


def if_it_were(column, wrong, words):
    """The control: networks differ from another theory by as much as they do from this one."""

    def values(frame):
        gains = frame.gain.unique()
        apart = {gain: float(wrong(gain)) - law(column, gain) for gain in gains}
        return frame[column] + frame.gain.map(apart)

    values.__name__ = f"{column} of {words}"
    return passes_for(values, column)


def with_deviation(gain):
    """ln(chi)/2 with the standard deviation of a unit where its variance should be."""
    q = np.sqrt(theory.stationary_variance(gain))
    return math.log(gain) + math.log(theory.ACTIVATIONS["tanh"].slope_square(q)) / 2


def with_mean_slope(gain):
    """ln g - 1/2 + ln <D^2>/2: the mean of the logarithm taken for the logarithm of the mean."""
    return law("largest_exponent", gain) - 0.5


def triangular_entropy(gain):
    """Of exponents ln(1 - t)/2 below the largest, as if all units had one slope."""
    return max(law("largest_exponent", gain) - triangular_positive(gain) / 2, 0.0)


def triangular_positive(gain):
    """The share of those that are positive."""
    return 1 - math.exp(-2 * law("largest_exponent", gain))


def triangular_dimension(gain):
    """Where they add up to 0."""
    largest = law("largest_exponent", gain)

    def total(t):
        return largest * t - ((1 - t) * math.log(1 - t) + t) / 2

    return brentq(total, triangular_positive(gain), 1 - 1e-12) if total(1 - 1e-12) < 0 else 1.0


def spectrum_of(frame):
    """{share: column} of the exponents at shares of N."""
    named = {name: name.removeprefix("exponent_p") for name in frame if "exponent_p" in name}
    return {int(percent) / 100: name for name, percent in named.items()}


def off_the_spectrum(frame):
    """Exponents from 5 % to 95 % of N, mean over seeds, less theory's, each gain."""
    places = {t: name for t, name in spectrum_of(frame).items() if 0.05 <= t <= 0.95}
    apart = [
        here[[*places.values()]].mean() - theory.spectrum([*places], gain)
        for gain, here in frame.groupby("gain")
    ]
    return pd.concat(apart)


def if_all_slopes_were_one(frame):
    """Exponents fall as ln(1 - t)/2 from the largest: all units have one slope."""
    wrong = {
        name: frame.gain.map(
            {g: law("largest_exponent", g) + math.log(1 - t) / 2 for g in frame.gain.unique()}
        )
        for t, name in spectrum_of(frame).items()
    }
    return frame.assign(**wrong)


def spread_of_mean(frame):
    """Variance over seeds of the mean exponent over that of ln|det W|/N, all sizes together."""
    total = freedom = 0.0
    for size, here in frame.groupby("hidden_size"):
        total += (len(here) - 1) * here.mean_exponent.var() / determinant_variance(size)
        freedom += len(here) - 1
    return total / freedom if freedom else math.nan


def determinant_variance(size):
    """Of ln|det W|/N: ln|det W| is a sum of ln(chi^2_k)/2, k = 1 to N (Goodman 1963)."""
    return polygamma(1, np.arange(1, size + 1) / 2).sum() / 4 / size**2


def over_gain(*columns, low=None, level=None, **axes):
    """The panel of columns over the gain: means of each size on theory's lines."""

    def draw(panel, frame):
        gains = np.geomspace(low or frame.gain.min(), frame.gain.max(), 41)
        for column, points in zip(columns, "os", strict=False):
            first = column == columns[0]
            panel.plot(
                gains, [law(column, gain) for gain in gains], color=CRITICAL, lw=1.4, zorder=1,
                label="N to infinity" if first else None,
            )  # fmt: skip
            medians(
                "gain", column, "hidden_size", estimator="mean", line="", points=points,
                palette="crest", label=None if first else "", level=level,
            )(panel, frame)  # fmt: skip
        panel.set(xscale="log", xlabel="gain g", **axes)
        ticks = sorted(set(frame.gain))
        panel.set_xticks(ticks, [f"{gain:g}" for gain in ticks])
        panel.minorticks_off()
        panel.legend(title="hidden units N")

    draw.__doc__ = f"Means of {' and '.join(columns)} over the gain, each hidden_size, on theory"
    return draw


def spectra(panel, frame):
    """All exponents over their rank, means over seeds, a colour for each gain, on theory."""
    gains = sorted(set(frame.gain))
    t, places = np.linspace(0.005, 0.995, 100), spectrum_of(frame)
    for gain, colour in zip(gains, style.colours(gains, nearest(gains, 1.0)), strict=True):
        measured = frame[frame.gain == gain][[*places.values()]].mean()
        panel.plot(t, theory.spectrum(t, gain), color=colour, lw=1.4)
        panel.plot([*places], measured, "o", ms=6, color=colour, label=f"{gain:g}")
    panel.axhline(0, color=MUTED, lw=1, zorder=1)
    panel.set(xlabel="rank of the exponent / N", ylabel="exponent (1/step)", ylim=(-9, 1.2))
    panel.legend(title="gain g", loc="lower left")


def trend(panel, frame):
    """What the means of each size differ from theory by, over 1/N, and the lines a + b/N."""
    gain, sizes = frame.gain.iloc[0], np.array(sorted(set(frame.hidden_size)))
    for aside, (column, (colour, name)) in zip((-1, 0, 1), SHOWN.items(), strict=True):
        aside = aside * 0.008 / sizes[0]  # bars beside each other
        ((a, b), (error, _)), expected = limit(frame, column), law(column, gain)
        known = frame.groupby("hidden_size")[column].agg(["mean", "sem", "count"])
        half = known["sem"] * stdtrit(known["count"] - 1, 0.975)
        ends = np.array([0, 1.05 / sizes[0]])
        bars = {"color": colour, "capsize": 3}
        panel.plot(ends, a + b * ends - expected, color=colour, lw=1.4)
        panel.errorbar(
            1 / known.index + aside, known["mean"] - expected, half, fmt="o", ms=7,
            label=name, **bars,
        )  # fmt: skip
        panel.errorbar(aside, a - expected, 1.96 * error, fmt="D", ms=6, mfc="white", **bars)
    panel.axhline(0, color=MUTED, lw=1, zorder=1)
    panel.set_xticks([0, *(1 / sizes)], [r"$\infty$", *sizes])
    panel.set(xlabel="hidden units N, at 1/N", ylabel="measured less theory for N to infinity")
    panel.legend(loc="lower left")


def spreads(panel, frame):
    """Standard deviations over seeds of the largest and the mean exponent, over N."""
    if frame.seed.nunique() < 2:
        raise NotMeasured("needs two seeds")
    sizes = np.array(sorted(set(frame.hidden_size)))
    for (gain, here), full in zip(frame.groupby("gain"), ("none", "full"), strict=False):
        for column in ("largest_exponent", "mean_exponent"):
            colour, name = SHOWN[column]
            known = here.groupby("hidden_size")[column].agg(["std", "count"])
            few = known["count"] < min(5, known["count"].max())  # no spread of two seeds
            found = known["std"][~few]
            panel.plot(found.index, found, "o", ms=8, color=colour, fillstyle=full,
                       label=f"{name}, gain {gain:g}")  # fmt: skip
    exact = [math.sqrt(determinant_variance(size)) for size in sizes]
    panel.plot(sizes, exact, color=CRITICAL, lw=1.4, label="theory: ln|det W| / N")
    panel.set(xscale="log", yscale="log", xlabel="hidden units N", ylabel="standard deviation")
    panel.set_xticks(sizes, sizes)
    panel.minorticks_off()
    panel.set_ylim(top=10 * panel.get_ylim()[1])
    panel.legend(loc="upper right", fontsize=10)


def claim(name, statement, **rest):
    """A claim on the limits of the reference run's sizes."""
    about = TOP | {"hidden_size": every(SIZES), "gain": every(CHAOTIC)}
    return Claim(name, statement, **{"about": about, "seeds": 6} | rest)


def limit_claim(name, column, statement, source, control):
    """The claim that a of a + b/N is theory's value at every chaotic gain."""
    return claim(
        name, statement, source=source, measured=worst(off(column)), at_most=3.0, control=control,
        why="standard errors of a, 26 degrees of freedom; the largest of 4 gains: 2 % by chance",
    )  # fmt: skip


ONE_SLOPE = "networks whose units all have one slope"
experiment = Experiment(
    question="How chaotic is a random network, and how wide must it be for mean field to say so?",
    grid=[
        {"hidden_size": [size], "followed": [SHARE], "sequence_length": [steps],
         "gain": gains, "seed": range(seeds)}
        for size, steps, seeds, gains in [
            (1024, 300, 2, WIDE), (512, 500, 6, WIDE), (256, 1000, 8, GAINS),
            (128, 1200, 12, GAINS),
        ]
    ] + [
        {"hidden_size": [256], "followed": [1.0], "sequence_length": [500],
         "gain": [0.8, 2.0, 3.0, 5.0], "seed": range(1)}
    ],
    split=["hidden_size", "followed", "sequence_length", "seed"],
    quick={
        "hidden_size": [16, 32, 64], "followed": [1.0], "sequence_length": [200],
        "gain": [0.5, 1.5, 3.0, 10.0], "seed": range(2),
    },
    measure="gradlab.measures.lyapunov:measure",
    figure=page(
        "Wide networks are as chaotic as theory says; chaotic narrow ones fall short by some 1/N",
        "h$_t$ = tanh(W h$_{{t-1}}$), entries of W independent N(0, g$^2$/N), no input; exponents: "
        "natural logarithms a step, dots: means over up to {seeds}\n"
        "a, b: mean field; c, d: free probability; e: 95 % intervals, lines a + b/N, diamonds: a",
        [
            [
                Panel("largest exponent", over_gain("largest_exponent", level=0,
                      ylabel="exponent (1/step)"), WHOLE),
                Panel("mean of all exponents", over_gain("mean_exponent",
                      ylabel="exponent (1/step)"), WHOLE),
                Panel("all exponents, N = {hidden_size}", spectra,
                      {"followed": 1.0, "hidden_size": max}),
            ],
            [
                Panel("dimension (dots) and entropy (squares)",
                      over_gain("dimension", "entropy", low=1.02, yscale="log",
                                ylabel="over N (entropy: 1/step)", ylim=(1e-4, 0.6)),
                      WHOLE | {"gain": above(1.0)}),
                Panel("what N leaves at gain {gain}", trend, WHOLE | {"gain": near(3.0)}),
                Panel("from draw to draw", spreads, WHOLE | {"gain": near(0.5, 3.0)}),
            ],
        ],
        size=(17, 11),
    ),
    claims=[
        limit_claim(
            "largest", "largest_exponent",
            "for N to infinity the largest exponent is ln(chi)/2",
            "Sompolinsky, Crisanti, Sommers 1988, in discrete time",
            if_it_were("largest_exponent", with_deviation, "sqrt(q) for q"),
        ),
        limit_claim(
            "mean", "mean_exponent",
            "for N to infinity the mean of all exponents is ln g - 1/2 + <ln tanh'>",
            "ln|det J| = ln|det W| + sum of ln tanh'; Stirling's formula for ln|det W|",
            if_it_were("mean_exponent", with_mean_slope, "ln <D^2>/2 for <ln D>"),
        ),
        limit_claim(
            "dimension", "dimension",
            "for N to infinity the Kaplan-Yorke dimension over N is that of free probability",
            "Haagerup, Moeller 2013; extensive chaos: Engelken, Wolf, Abbott 2023",
            if_it_were("dimension", triangular_dimension, ONE_SLOPE),
        ),
        limit_claim(
            "entropy", "entropy",
            "for N to infinity the sum of positive exponents over N is that of free probability",
            "Haagerup, Moeller 2013; Pesin 1977",
            if_it_were("entropy", triangular_entropy, ONE_SLOPE),
        ),
        claim(
            "narrow ones fall short",
            "gains 2 to 10: largest exponent, dimension and entropy grow with N, b of a + b/N is "
            "below 0, in standard errors",
            source="the same fit: finite N",
            measured=largest(trend_in_standard_errors),
            at_most=-2.0,
            why="26 degrees of freedom: each of the twelve 3 % by chance",
            control=sizes_are_alike,
        ),
        Claim(
            "all exponents",
            "those of 256 units, from 5 % to 95 % of all, are free probability's",
            source="Haagerup, Moeller 2013, with the slopes of mean field",
            measured=worst(off_the_spectrum),
            equals=0.0,
            within=0.1,
            why="1/step, of a range of 6: finite N, and a single draw",
            control=if_all_slopes_were_one,
            about=ALL | {"gain": every((2.0, 3.0))},
        ),
        Claim(
            "none is lost",
            "all exponents by QR add up to ln|det J|",
            source="|det J| is the product of the singular values",
            measured=worst("spectrum_mean - determinant_mean"),
            equals=0.0,
            within=1e-9,
            why="rounding; at larger gains tanh' itself is rounded to 0",
            control=passes_for("spectrum_mean * hidden_size / (hidden_size - 1)", "spectrum_mean"),
            about={"followed": 1.0, "gain": Span(0.1, 3), "hidden_size": Span(8)},
        ),
        Claim(
            "below gain 1",
            "the largest exponent is ln of that W's own spectral radius",
            source="h dies out, and J_t = W: h_t = W^t h_0",
            measured=mean("abs(largest_exponent - log_radius)"),
            equals=0.0,
            within=0.01,
            why="1/step: over 800 steps what precedes the asymptote is a factor of a few",
            control=passes_for("log(gain)", "log_radius"),
            about=TOP | {"gain": every((0.5, 0.8)), "hidden_size": every((128, 256))},
            seeds=6,
        ),
        Claim(
            "variance",
            "below gain 1 the mean exponent varies from draw to draw as ln|det W|/N does",
            source="sum of trigamma(k/2)/4N^2 over k = 1 to N (Goodman 1963)",
            measured=spread_of_mean,
            equals=1.0,
            within=0.5,
            relative=True,
            why="24 degrees of freedom: a standard error of 0.29",
            rivals={"the 4 is left out": 4.0, "a 2 for the 4": 2.0},
            control=swap("hidden_size", 128, 1024),
            about=TOP | {"gain": 0.5, "hidden_size": every(SIZES)},
            seeds=6,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
