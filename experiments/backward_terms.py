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

import math

import numpy as np

from gradlab import Network, theory
from gradlab.cli import script
from gradlab.errors import UserError, one_of
from gradlab.nets import draws
from gradlab.plots import CRITICAL as INK
from gradlab.plots import MUTED, graphs, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, rows

M, X = [[1.0, 2.0], [-1.0, 3.0]], [1.0, -0.5]
ROTATION = [[0.6, -0.8], [0.8, 0.6]]  # radius 1; times the radius of the row it is W
U, V, H0 = [1.0, -0.5], [1.0, -1.0], [0.5, -0.5]
INPUTS, TARGET = [1.0, 0.0, -1.0], 0.5
PAIRS = ("00", "01", "10", "11")
SMALL = 1e-30  # an imaginary step: f(x + i s) = f(x) + i s f'(x) without any cancellation


def measure(block):
    """The columns of the block's network, one row for each k."""
    networks = {"quadratic": quadratic, "two_units": two_units, "long": long}
    return networks[one_of("network", block.points["network"][0], networks)](block)


def quadratic(block):
    """term: dy/dx of y = x'^T M x'' where the k-th use alone is moved; total: both are."""

    def slopes(first, second):
        moves = np.eye(2) * SMALL * 1j
        return [(X + first * move) @ M @ (X + second * move) / SMALL for move in moves]

    each = np.imag([slopes(k == 1, k == 2) for k in block.points["k"]])
    return {**named("term", each), **named("total", np.tile(np.imag(slopes(1, 1)), (len(each), 1)))}


def two_units(block):
    """Every number of the three-step network.

    input x_k, state h_k, before h_{k-1}, flat f'(a_k), step h_k/h_{k-1}; error e3/o3; output o_3;
    readout o3/h3; chain h_3/h_k; factors: the term as the product of its four factors; term and
    total: dL/dW_k and dL/dW by backpropagation through time.
    """
    if (wrong := max(block.points["k"])) > 3:
        raise ValueError(f"k={wrong}: two_units has the steps 1 to 3")
    W = block.points["spectral_radius"][0] * np.array(ROTATION)
    h, flat = forward([W] * 3)
    output = V @ h[3]
    error = 2 * (output - TARGET)
    steps = flat[:, :, None] * W
    table = []
    for k in block.points["k"]:
        chain = np.linalg.multi_dot([np.eye(2), *steps[:k:-1], np.eye(2)])
        factors = np.outer(error * (V @ chain) * flat[k], h[k - 1])
        table.append((h[k], h[k - 1], flat[k], steps[k], chain, factors))
    names = ("state", "before", "flat", "step", "chain", "factors")
    columns = {
        name: column
        for title, values in zip(names, zip(*table, strict=True), strict=True)
        for name, column in named(title, np.array(values)).items()
    }
    same = {"error": error, "output": output, "loss": (output - TARGET) ** 2}
    return (
        columns | bptt(W, block.points["k"]) | {k: np.full(len(table), v) for k, v in same.items()}
    )


def forward(copies):
    """h_0..h_T (T + 1, 2) and f'(a_k) at entry k, with a W of its own for each step."""
    h, flat = [np.array(H0)], [np.zeros(2)]
    for W, x in zip(copies, INPUTS, strict=True):
        h.append(np.tanh(W @ h[-1] + np.array(U) * x))
        flat.append(1 - h[-1] ** 2)
    return np.array(h), np.array(flat)


def bptt(W, steps):
    """term k and the total, from gradlab's network."""
    weights = {"U": np.array([U]).T, "W": W, "b": np.zeros(2), "V": np.array([V]), "c": np.zeros(1)}
    net = Network(weights)
    x = np.reshape(INPUTS, (3, 1, 1))
    gradients = net.gradients(x, [[TARGET]], at="last", h0=H0)
    terms = np.array([gradients.term(k) for k in steps])
    total = np.tile(gradients.weights["W"], (len(terms), 1, 1))
    return {**named("term", terms), **named("total", total)}


def named(title, values):
    """{title_0: ..., title_1: ...} or title_00 to title_11 from (rows, 2) or (rows, 2, 2)."""
    names = PAIRS if values.ndim == 3 else "01"
    return {
        f"{title}_{n}": v for n, v in zip(names, values.reshape(len(values), -1).T, strict=True)
    }


def long(block):
    """log10_term: log10 ||dL/dW_k||; share of dL/dW; rate_mean_field, decades a step of theory.

    share = <dL/dW_k, dL/dW>/||dL/dW||^2: all shares of a network sum to 1.
    """
    steps, radius, seed = (
        block.points[axis][0].item() for axis in ("sequence_length", "spectral_radius", "seed")
    )
    scale, k = block.constants["input_scale"], block.points["k"]
    if k.max() > steps:
        raise UserError(f"sequence_length={steps}: must be at least {k.max()}, the largest k")
    net = Network.draw(
        inputs=1, hidden=block.constants["hidden_size"], outputs=1, seed=seed,
        spectral_radius=radius, input_scale=scale,
    )  # fmt: skip
    noise = draws.stream(seed=seed, task="noise")
    h0, x = 0.1 * noise.standard_normal(net.hidden), noise.standard_normal((steps, 1, 1))
    gradients = net.gradients(x, [[1.0]], at="last", h0=h0)
    whole = gradients.weights["W"]
    shares = [np.vdot(gradients.term(i), whole) / np.vdot(whole, whole) for i in k]
    gain = theory.weight_gain(net.weights["W"])
    rates = theory.exponents(gain, (scale * x[:, 0, 0]) ** 2) / math.log(10)
    with np.errstate(divide="ignore"):
        norms = np.log10(gradients.terms[k - 1])
    return {
        "log10_term": norms,
        "share": np.array(shares),
        "rate_mean_field": np.full(len(k), rates[steps // 4 :].mean()),
    }


def matrix(row, title):
    """The 2 x 2 matrix, or the 2 numbers, of a row's columns title_00... or title_0..."""
    if f"{title}_00" in row:
        return np.array([[row[f"{title}_{i}{j}"] for j in (0, 1)] for i in (0, 1)], dtype=float)
    return np.array([row[f"{title}_0"], row[f"{title}_1"]], dtype=float)


def three(frame):
    """The rows k = 1, 2, 3 of the first radius of the network with every number."""
    found = rows(frame, network="two_units")
    found = found[found.spectral_radius == found.spectral_radius.iloc[0]]
    found = found.drop_duplicates("k").sort_values("k")
    if list(found.k) != [1, 2, 3]:
        raise NotMeasured("needs rows with network=two_units, k=1, 2 and 3")
    return [row for _, row in found.iterrows()]


def off_the_factors(frame):
    """Largest difference of a term by BPTT from the product of its four factors."""
    return max(abs(matrix(row, "term") - matrix(row, "factors")).max() for row in three(frame))


def off_its_copy(frame):
    """Largest difference of a term from the derivative by its step's own copy of W."""
    worst = 0.0
    for row in three(frame):
        W = row.spectral_radius * np.array(ROTATION)
        for i, j in np.ndindex(2, 2):
            copies = [W.astype(complex) for _ in INPUTS]
            copies[row.k - 1][i, j] += SMALL * 1j
            loss = (V @ forward(copies)[0][3] - TARGET) ** 2
            worst = max(worst, abs(row[f"term_{i}{j}"] - loss.imag / SMALL))
    return worst


def off_the_sum(frame):
    """Largest difference of the sum of the three terms from dL/dW."""
    terms = three(frame)
    return abs(sum(matrix(row, "term") for row in terms) - matrix(terms[0], "total")).max()


def used_twice(frame):
    """Largest difference of the two uses' terms together from x^T (M + M^T)."""
    both = two_rows(frame)
    exact = np.array(X) @ (np.array(M) + np.array(M).T)
    return max(abs(both[f"term_{i}"].sum() - exact[i]) for i in (0, 1))


def two_rows(frame):
    """The rows of both uses of x."""
    found = rows(frame, network="quadratic").drop_duplicates("k").sort_values("k")
    if list(found.k) != [1, 2]:
        raise NotMeasured("needs rows with network=quadratic, k=1 and 2")
    return found


def off_the_whole(frame):
    """Largest |sum of shares - 1| over the long networks whose terms are all there."""
    found = rows(frame, network="long")
    networks = found.groupby(["spectral_radius", "sequence_length", "seed"])
    complete = networks.size() == networks.sequence_length.first()
    if not complete.any():
        raise NotMeasured("needs every k of a long network")
    return (networks.share.sum()[complete] - 1).abs().max()


def measured_rate(frame):
    """Decades by which a term shrinks for each step that it is earlier, radius 0.8, over seeds."""
    found = rows(frame, network="long", spectral_radius=0.8)
    medians = found.groupby("k").log10_term.median()
    last = found.sequence_length.max()
    middle = medians[(medians.index > last / 4) & (medians.index <= last - 5)]
    if len(middle) < 10:
        raise NotMeasured("needs every k of long networks of radius 0.8")
    return -np.polyfit(middle.index, middle, 1)[0]


def predicted_rate(frame):
    """Mean field's exponent of those networks, decades a step."""
    return rows(frame, network="long", spectral_radius=0.8).rate_mean_field.mean()


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


def two_steps_a_factor(frame):
    """Each term holds the factors of every second step only."""
    frame["log10_term"] /= 2
    return frame


def figure(frame):
    """The sum for T = 3 with every number, the sum for a variable used twice, and long sums."""
    drawing, panels = style.mosaic(
        "aa;bc", size=(17, 13.2), height_ratios=[1.55, 1], width_ratios=[1, 1.25]
    )
    for draw, name in ((by_hand, "a"), (two_uses, "b")):
        try:
            draw(panels[name], frame)
        except NotMeasured as missing:
            panels[name].set_axis_off()
            panels[name].text(0, 0.5, str(missing), color=MUTED)
    by_step(panels["c"], frame[frame.network == "long"])
    style.titles(
        [panels[name] for name in "abc"],
        [
            "T = 3, two units: the three terms of dL/dW, factor by factor",
            "a variable used twice sums its terms",
            "long sums: the size of each term",
        ],
    )
    style.headline(drawing, "The gradient of W is a sum over the steps that use it")
    first = frame.iloc[0]
    style.caption(
        drawing,
        "a: h/W is the immediate derivative: f'(a) on the rows, the state before on the columns; "
        "the sum is dL/dW by backpropagation.  b: each use of x moved alone.\n"
        f"c: tanh, {first.hidden_size} units under noise of scale {first.input_scale:g}, median "
        "over seeds; dashed: lines with the slope of mean field's exponent",
    )
    return drawing


def by_hand(panel, frame):
    """Forward numbers on top, then a line of factors for each term, and their sum."""
    terms = three(frame)
    graphs.stage(panel, 23.2, 9.0)
    going_forward(panel, terms)
    for k, row in enumerate(terms, start=1):
        factors(panel, 5.9 - 2.05 * (k - 1), k, terms, row)
    panel.plot([18.9, 19.2, 19.2, 18.9], [5.9, 5.9, 0.56, 0.56], color=MUTED, lw=1)
    label(panel, 20.0, 3.23, "sum =")
    graphs.tiles(panel, (20.9, 3.85), matrix(terms[0], "total"), "dL/dW")


def going_forward(panel, terms):
    """W, U, V and what the forward pass makes of h_0 and x."""
    x, top, first = 1.0, 8.25, terms[0]
    W = first.spectral_radius * np.array(ROTATION)
    x = graphs.tiles(panel, (x, top), W, "W") + 0.35
    x = graphs.tiles(panel, (x, top), np.array([U]).T, "U") + 0.35
    x = one_line(panel, (x, top), V, "V") + 0.9
    x = graphs.tiles(panel, (x, top), np.array([H0]).T, "$h_0$")
    for row, value in zip(terms, INPUTS, strict=True):
        label(panel, x + 0.75, top - 0.62, f"$\\rightarrow$\n$x_{row.k}$ = {value:g}", size=11)
        x = graphs.tiles(panel, (x + 1.5, top), matrix(row, "state")[:, None], f"$h_{row.k}$")
    label(panel, x + 0.5, top - 0.62, "$\\rightarrow$")
    x = one_line(panel, (x + 1.0, top), first.output, "$o_3$")
    label(panel, x + 1.15, top - 0.62, f"target {TARGET:g}\n$\\rightarrow$", size=11)
    one_line(panel, (x + 2.3, top), first.loss, "$L = e_3$")


def factors(panel, top, k, terms, row):
    """One line: e3/o3, o3/h3, the steps back to h_k, h_k/W, and the term."""
    middle = top - 0.62
    label(panel, 0.3, middle, f"k = {k}", size=13)
    one_line(panel, (1.1, top), row.error, "$e_3/o_3$")
    label(panel, 2.35, middle, r"$\cdot$")
    x = one_line(panel, (2.6, top), V, "$o_3/h_3$")
    for later in range(3, k, -1):
        label(panel, x + 0.25, middle, r"$\cdot$")
        step = matrix(terms[later - 1], "step")
        x = graphs.tiles(panel, (x + 0.5, top), step, f"$h_{later}/h_{later - 1}$")
    label(panel, x + 0.25, middle, r"$\cdot$")
    x = graphs.tiles(panel, (x + 0.5, top), matrix(row, "flat")[:, None], f"f'($a_{k}$)")
    label(panel, x + 0.3, middle, r"$\otimes$")
    x = one_line(panel, (x + 0.6, top), matrix(row, "before"), f"$h_{k - 1}$")
    label(panel, 14.3, middle, "=")
    graphs.tiles(panel, (14.9, top), matrix(row, "term"), f"term {k}")
    size = np.linalg.norm(matrix(row, "term"))
    label(panel, 17.85, middle, f"norm {size:.2f}", size=11)


def one_line(panel, corner, values, title):
    """Tiles of a single row, half a tile lower than matrices of two."""
    return graphs.tiles(panel, (corner[0], corner[1] - 0.31), values, title)


def label(panel, x, y, text, size=15):
    """A few quiet words, centred."""
    panel.text(x, y, text, ha="center", va="center", fontsize=size, color=MUTED)


def two_uses(panel, frame):
    """x^T M x: the term of each use of x, and their sum."""
    uses = two_rows(frame)
    graphs.stage(panel, 8.8, 5.0)
    row = {"color_limit": 4}
    x = graphs.tiles(panel, (0.2, 4.09), X, "$x^T$", **row)
    x = graphs.tiles(panel, (x + 0.4, 4.4), M, "M", **row)
    x = graphs.tiles(panel, (x + 0.4, 4.4), np.array([X]).T, "x", **row)
    label(panel, x + 0.5, 3.78, "=")
    graphs.tiles(panel, (x + 1.0, 4.09), np.array(X) @ M @ X, "y", **row)
    names = ("first x:  $x^T M^T$", "second x:  $x^T M$")
    for (_, use), name, y in zip(uses.iterrows(), names, (2.4, 1.6), strict=False):
        panel.text(0.2, y - 0.31, name, va="center", fontsize=13)
        graphs.tiles(panel, (4.7, y), [use.term_0, use.term_1], **row)
    panel.plot([0.2, 6.7], [0.85, 0.85], color=INK, lw=1)
    panel.text(0.2, 0.41, "dy/dx = $x^T (M + M^T)$", va="center", fontsize=13)
    graphs.tiles(panel, (4.7, 0.72), [uses.total_0.iloc[0], uses.total_1.iloc[0]], **row)


def by_step(panel, frame):
    """Norms of the terms over k, medians over seeds, and lines with mean field's slope."""
    radii = sorted(set(frame.spectral_radius))
    for radius, colour in zip(radii, style.colours(radii, CRITICAL) if radii else (), strict=True):
        here = frame[frame.spectral_radius == radius]
        medians = here.groupby("k").log10_term.median()
        panel.plot(medians.index, medians, "o", ms=4, color=colour, label=f"{radius:g}")
        slope = -here.rate_mean_field.mean()
        level = (medians - slope * medians.index).median()
        panel.plot(medians.index, level + slope * medians.index, "--", lw=1.6, color=colour)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step k whose use of W is counted", ylabel="norm of term k of dL/dW")
    if radii:
        panel.legend(title="spectral radius", loc="best")


CRITICAL = 1.1  # near the edge of 64 units under this input
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
            "spectral_radius": [0.8, CRITICAL, 1.8],
            "sequence_length": [60],
            "seed": range(10),
            "k": range(1, 61),
        },
    ],
    split=["network", "spectral_radius", "sequence_length", "seed"],
    constants={"hidden_size": 64, "input_scale": 0.2},
    quick={"seed": range(2)},
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="used twice",
            statement="terms of both uses of x in x^T M x, off x^T (M + M^T) (largest)",
            source="d(x^T M x)/dx = x^T M^T + x^T M",
            measured=used_twice,
            equals=0.0,
            within=1e-14,
            why="rounding",
            control=last_use_only,
        ),
        Claim(
            name="four factors",
            about={"spectral_radius": Span(0, 1)},
            statement="terms of dL/dW for T = 3, off the product of their four factors (largest)",
            source="the lectures: e3/o3 o3/h3 (product of h_i/h_{i-1}) h_k/W",
            measured=off_the_factors,
            equals=0.0,
            within=1e-14,
            why="rounding of numbers below 1",
            control=later_state,
        ),
        Claim(
            name="a copy for each step",
            about={"spectral_radius": Span(0, 1)},
            statement="term k, off the derivative by the W of step k alone (largest)",
            source="d/dW_k of the loss of a network with its own W at each step, complex step",
            measured=off_its_copy,
            equals=0.0,
            within=1e-14,
            why="a complex step does not cancel: rounding",
            control=later_state,
        ),
        Claim(
            name="the terms add up",
            about={"spectral_radius": Span(0, 1)},
            statement="sum of the three terms, off dL/dW (largest)",
            source="dL/dW = sum over k of dL/dW_k",
            measured=off_the_sum,
            equals=0.0,
            within=1e-14,
            why="rounding",
            control=last_use_only,
        ),
        Claim(
            name="long sums add up",
            about={"spectral_radius": Span(0, 1.8), "sequence_length": Span(1, 60)},
            statement="the shares of 60 terms in dL/dW, off 1 (largest)",
            source="<dL/dW_k, dL/dW>/||dL/dW||^2, summed over k",
            measured=off_the_whole,
            equals=0.0,
            within=1e-12,
            why="rounding; shares of early terms may be large and of both signs",
            control=last_use_only,
        ),
        Claim(
            name="early terms vanish",
            about={"hidden_size": 64, "input_scale": 0.2},
            seeds=2,
            statement="decades that a term loses for each step that it is earlier, radius 0.8",
            source="ln(chi)/2 in mean field (Schoenholz et al. 2017)",
            measured=measured_rate,
            equals=predicted_rate,
            within=0.15,
            why="radius and gain of a draw differ by some N^(-1/2), 12 % for 64 units",
            control=two_steps_a_factor,
            relative=True,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
