"""Why is the gradient of W a sum over all steps, and which of its terms arrive?

A variable that is used twice sums its terms: in y = x^T M x the first x gives x^T M^T, the second
x^T M, together x^T (M + M^T). W is used T times, so with W_k its copy at step k

    dL/dW = sum over k = 1..T of dL/dW_k

For T = 3 the lectures write each term out as four factors (all partial derivatives, the last one
immediate, the third a product over steps):

    e3/o3  o3/h3  h3/h2 h2/h1  h1/W  +  e3/o3  o3/h3  h3/h2  h2/W  +  e3/o3  o3/h3  h3/W

with h_k/h_{k-1} = diag(f'(a_k)) W and (h_k/W)[i; i, j] = f'(a_k)[i] h_{k-1}[j]. For long T the
terms of early steps hold ever more factors, and vanish or explode with their number.

quadratic   y = x^T M x; k = 1, 2 is the use of x that was moved
two_units   T = 3 and N = 2, tanh, every number
long        tanh networks under noise: the size of each term
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, Panel, graphs, medians, page
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Span,
    every,
    mean,
    scaled,
    slope,
    worst,
)

# The networks of two variables and two units, as the measure has them: what the claims compute
# by themselves fails where they differ.
M, X = np.array([[1.0, 2.0], [-1.0, 3.0]]), np.array([1.0, -0.5])
ROTATION = np.array([[0.6, -0.8], [0.8, 0.6]])  # radius 1; times the radius of the row it is W
U, V, H0 = np.array([1.0, -0.5]), np.array([1.0, -1.0]), np.array([0.5, -0.5])
INPUTS, TARGET = (1.0, 0.0, -1.0), 0.5
PAIRS = ("00", "01", "10", "11")
NEAR_THE_EDGE = 1.1  # of 64 units under the input of the long networks
TIMES = (r"$\cdot$", 0.5)
SMALL = 1e-30  # an imaginary step: f(x + i s) = f(x) + i s f'(x) without any cancellation
BOTH_USES = {"network": "quadratic", "k": every((1, 2))}
THREE_STEPS = {"network": "two_units", "k": every((1, 2, 3))}
BULK = {"network": "long", "spectral_radius": 0.8, "k": every(range(16, 56))}


def converted_rate(frame):
    """Mean field's exponent, its gain put up to the radius of the drawn W; decades a step.

    The gain is what tanh sees of W; below the edge the Jacobians multiply as its radius does,
    above it mean field's exponent stands as it is.
    """
    rate = frame.rate_mean_field
    return (rate + np.log10(frame.spectral_radius / frame.gain)).where(rate < 0, rate)


def of_one_network(frame):
    """The rows by the network that they are terms of."""
    return frame.groupby(["spectral_radius", "sequence_length", "seed"])


def entries(frame, title):
    """The columns title_00, title_01 ... of a table, without their title."""
    return frame[[f"{title}_{name}" for name in PAIRS]].set_axis(PAIRS, axis=1)


def size(difference):
    """The largest entry of each row."""
    return difference.abs().max(axis=1, skipna=False)


def term_off_its_factors(frame):
    return size(entries(frame, "term") - entries(frame, "factors"))


def term_off_the_derivative_by_its_copy_of_W(frame):
    exact = [by_copy(*of_row) for of_row in zip(frame.spectral_radius, frame.k, strict=True)]
    return size(entries(frame, "term") - np.array(exact))


def by_copy(radius, k):
    """dL/dW_k (4,) of a network with its own W at each step, by complex steps."""
    slopes = []
    for i, j in np.ndindex(2, 2):
        copies = [radius * ROTATION + 0j for _ in INPUTS]
        copies[k - 1][i, j] += SMALL * 1j
        h = H0
        for W, x in zip(copies, INPUTS, strict=True):
            h = np.tanh(W @ h + U * x)
        slopes.append(((V @ h - TARGET) ** 2).imag / SMALL)
    return slopes


def sum_of_terms_off_the_total(frame):
    networks = of_one_network(frame)
    sums, total = networks.sum(numeric_only=True), networks.first()
    return size(entries(sums, "term") - entries(total, "total"))


def sum_of_uses_off_the_rule(frame):
    return size(of_one_network(frame)[["term_0", "term_1"]].sum() - X @ (M + M.T))


def sum_of_shares_off_one(frame):
    """The shares of each network whose terms are all there, added up, less 1."""
    terms = of_one_network(frame)
    whole = terms.size() == terms.sequence_length.first()
    if not whole.any():
        raise NotMeasured("needs every k of a long network")
    return terms.share.sum()[whole] - 1


def later_state(frame):
    """The immediate factor takes the state h_k that the step makes, not h_{k-1} that it reads."""
    for i, j in PAIRS:
        frame[f"term_{i}{j}"] *= frame[f"state_{j}"] / frame[f"before_{j}"]
    return frame


def last_use_only(frame):
    """Only the last use counts: the terms of all others are left out."""
    early = frame.k < frame.groupby(["network", "spectral_radius", "seed"]).k.transform("max")
    for column in ("term_0", "term_1", *(f"term_{pair}" for pair in PAIRS), "share"):
        frame[column] = frame[column].mask(early, 0.0)
    return frame


def matrix(row, title):
    """The 2 x 2 matrix of a row's columns title_00 to title_11."""
    return np.array([row[f"{title}_{name}"] for name in PAIRS], float).reshape(2, 2)


def pair(row, title):
    """The 2 numbers of a row's columns title_0 and title_1."""
    return np.array([row[f"{title}_0"], row[f"{title}_1"]], float)


def terms_of(frame):
    """The rows of a network, in the order of k."""
    return [row for _, row in frame.sort_values("k").iterrows()]


def by_hand(panel, frame):
    """Forward numbers on top, then a line of factors for each term, and their sum."""
    terms = terms_of(frame)
    graphs.stage(panel, 23.2, 9.0)
    graphs.equation(panel, (1.0, 7.63), going_forward(terms))
    for k, row in enumerate(terms, start=1):
        middle, term = 5.28 - 2.05 * (k - 1), matrix(row, "term")
        graphs.equation(panel, (0.0, middle), factors(k, terms, row))
        norm = f"norm {np.linalg.norm(term):.2f}"
        graphs.equation(panel, (13.85, middle), [("=", 0.9), (f"term {k}", term), (norm, 1.9)])
    panel.plot([18.9, 19.2, 19.2, 18.9], [5.9, 5.9, 0.56, 0.56], color=MUTED, lw=1)
    graphs.equation(panel, (19.3, 3.23), [("sum =", 1.6), ("dL/dW", matrix(terms[0], "total"))])


def going_forward(terms):
    """W, U, V and what the forward pass makes of h_0 and x."""
    first = terms[0]
    gap, W = ("", 0.35), first.spectral_radius * ROTATION
    parts = [("W", W), gap, ("U", U[:, None]), gap, ("V", V), ("", 0.9), ("$h_0$", H0[:, None])]
    for row, x in zip(terms, INPUTS, strict=True):
        parts.append((f"$\\rightarrow$\n$x_{row.k}$ = {x:g}", 1.5))
        parts.append((f"$h_{row.k}$", pair(row, "state")[:, None]))
    return [
        *parts, ("$\\rightarrow$", 0.99), ("$o_3$", [first.output]),
        (f"target {TARGET:g}\n$\\rightarrow$", 2.3), ("$L = e_3$", [first.loss]),
    ]  # fmt: skip


def factors(k, terms, row):
    """e3/o3, o3/h3, the steps back to h_k, and h_k/W."""
    parts = [(f"k = {k}", 1.1), ("$e_3/o_3$", [row.error]), TIMES, ("$o_3/h_3$", V), TIMES]
    for later in range(3, k, -1):
        parts += [(f"$h_{later}/h_{later - 1}$", matrix(terms[later - 1], "step")), TIMES]
    flat, before = pair(row, "flat"), pair(row, "before")
    return [*parts, (f"f'($a_{k}$)", flat[:, None]), (r"$\otimes$", 0.6), (f"$h_{k - 1}$", before)]


def two_uses(panel, frame):
    """x^T M x: the term of each use of x, and their sum."""
    first, second = terms_of(frame)
    graphs.stage(panel, 8.8, 5.0)
    parts = [("$x^T$", X), ("", 0.4), ("M", M), ("", 0.4), ("x", X[:, None]), ("=", 0.99),
             ("y", [X @ M @ X])]  # fmt: skip
    graphs.equation(panel, (0.2, 3.78), parts, color_limit=4)
    for text, row, title, y in (
        ("first x:  $x^T M^T$", first, "term", 2.09),
        ("second x:  $x^T M$", second, "term", 1.29),
        ("dy/dx = $x^T (M + M^T)$", first, "total", 0.41),
    ):
        panel.text(0.2, y, text, va="center", fontsize=13)
        graphs.equation(panel, (4.7, y), [("", pair(row, title))], color_limit=4)
    panel.plot([0.2, 6.7], [0.85, 0.85], color=CRITICAL, lw=1)


def line_of_theory(here, k):
    """A line with the slope of mean field's exponent through the middle of the terms."""
    slope, middles = -converted_rate(here).mean(), here.groupby("k").log10_term.median()
    return (middles - slope * middles.index).median() + slope * k


figure = page(
    "The gradient of W is a sum over the steps that use it",
    "a: h/W is the immediate derivative: f'(a) on the rows, the state before on the columns; the "
    "sum is dL/dW by backpropagation.  b: each use of x moved alone.\nc: tanh, {hidden_size} "
    "units under noise of scale {input_scale}, median over {seeds}; dashed: lines with the slope "
    "of mean field's exponent, below the edge at the radius of W",
    [
        [
            Panel(
                "T = 3, two units: the three terms of dL/dW, factor by factor",
                by_hand,
                THREE_STEPS | {"spectral_radius": min, "seed": min},
            )
        ],
        [
            Panel(
                "a variable used twice sums its terms",
                two_uses,
                BOTH_USES | {"spectral_radius": min, "seed": min},
                width=4,
            ),
            Panel(
                "long sums: the size of each term",
                medians(
                    "k", "log10_term", "spectral_radius", edge=NEAR_THE_EDGE, law=line_of_theory,
                    decades=True, xlabel="step k whose use of W is counted",
                    ylabel="norm of term k of dL/dW",
                ),
                {"network": "long"},
                width=5,
            ),
        ],
    ],
    size=(17, 13.2),
    heights=[1.55, 1],
)  # fmt: skip
NOTHING = {"sequence_length": [0], "seed": [0]}
experiment = Experiment(
    question="Why is the gradient of W a sum over all steps, and which of its terms arrive?",
    grid=[
        NOTHING | {"network": ["quadratic"], "spectral_radius": [0.0], "k": [1, 2]},
        NOTHING
        | {"network": ["two_units"], "spectral_radius": [0.9], "sequence_length": [3]}
        | {"k": [1, 2, 3]},
        {
            "network": ["long"],
            "spectral_radius": [0.8, NEAR_THE_EDGE, 1.8],
            "sequence_length": [60],
            "seed": range(10),
            "k": range(1, 61),
        },
    ],
    split=["network", "spectral_radius", "sequence_length", "seed"],
    constants={"hidden_size": 64, "input_scale": 0.2},
    quick={"seed": range(2)},
    measure="gradlab.measures.backward_terms:measure",
    figure=figure,
    claims=[
        Claim(
            "used twice",
            "terms of both uses of x in x^T M x, off x^T (M + M^T) (largest)",
            source="d(x^T M x)/dx = x^T M^T + x^T M",
            measured=worst(sum_of_uses_off_the_rule, **BOTH_USES),
            equals=0.0,
            within=1e-14,
            why="rounding",
            control=last_use_only,
        ),
        Claim(
            "four factors",
            "terms of dL/dW for T = 3, off the product of their four factors (largest)",
            source="the lectures: e3/o3 o3/h3 (product of h_i/h_{i-1}) h_k/W",
            measured=worst(term_off_its_factors, **THREE_STEPS),
            equals=0.0,
            within=1e-14,
            why="rounding of numbers below 1",
            control=later_state,
            about={"spectral_radius": Span(0, 1)},
        ),
        Claim(
            "a copy for each step",
            "term k, off the derivative by the W of step k alone (largest)",
            source="d/dW_k of the loss of a network with its own W at each step, complex step",
            measured=worst(term_off_the_derivative_by_its_copy_of_W, **THREE_STEPS),
            equals=0.0,
            within=1e-14,
            why="a complex step does not cancel: rounding",
            control=later_state,
            about={"spectral_radius": Span(0, 1)},
        ),
        Claim(
            "the terms add up",
            "sum of the three terms, off dL/dW (largest)",
            source="dL/dW = sum over k of dL/dW_k",
            measured=worst(sum_of_terms_off_the_total, **THREE_STEPS),
            equals=0.0,
            within=1e-14,
            why="rounding",
            control=last_use_only,
            about={"spectral_radius": Span(0, 1)},
        ),
        Claim(
            "long sums add up",
            "the shares of 60 terms in dL/dW, off 1 (largest)",
            source="<dL/dW_k, dL/dW>/||dL/dW||^2, summed over k",
            measured=worst(sum_of_shares_off_one, network="long"),
            equals=0.0,
            within=1e-12,
            why="rounding; shares of early terms may be large and of both signs",
            control=last_use_only,
            about={"spectral_radius": Span(0, 1.8), "sequence_length": Span(1, 60)},
        ),
        Claim(
            "early terms vanish",
            "decades that a term loses for each step that it is earlier, radius 0.8",
            source="ln(chi)/2 in mean field (Schoenholz et al. 2017)",
            measured=-slope("log10_term", "k", **BULK),
            equals=mean(converted_rate, **BULK),
            within=0.08,
            relative=True,
            why="64 units; what tanh' costs differs from draw to draw",
            rivals={
                "without tanh'": mean("log10(spectral_radius)", **BULK),
                "the gain for the radius": mean("rate_mean_field", **BULK),
                "half of it": mean(converted_rate, **BULK) * 0.5,
                "twice of it": mean(converted_rate, **BULK) * 2.0,
            },
            control=scaled("log10_term", 0.5),
            about={"hidden_size": 64, "input_scale": 0.2, "sequence_length": Span(60)},
            seeds=10,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
