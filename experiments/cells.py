"""Do gates keep gradients from vanishing and exploding?

"You still reuse the same matrices, but everything is mediated by the cell state, reducing the
potential for vanishing and exploding gradients." The Jacobian of a cell's memory m (c of an LSTM, h
of a GRU and of a tanh RNN) over n steps is a highway, the product of the gates that keep m, and a
detour, all that went by way of W: old input that is written afresh. The bias of the gate that keeps
says how long the highway is; the spectral radius of W (of each gate's block) feeds the detour.
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, Panel, by_lag, medians, page, regime_map
from gradlab.suite import (
    Claim,
    Experiment,
    Reading,
    Span,
    above,
    lags,
    largest,
    median,
    most,
    near,
    nearest,
    passes_for,
    rows,
    swap,
)

RADII = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0]
BIASES = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0]
ABOUT = {
    "task": "noise", "layers": 1, "dtype": "float64", "hidden_size": 32, "activation": "tanh",
    "init": "gaussian", "input_scale": 0.5, "sequence_length": Span(200),
}  # fmt: skip
FAR = 100  # the lag at which rates are read
MEMORY = f"log10_memory_lag_{FAR}"
LSTM, GATED = {"cell": "lstm"}, {"cell": ("lstm", "gru")}
INKS = {"LSTM": (VANISHING, "#8fc1e3"), "GRU": (EXPLODING, "#f3b391")}


def rate(column=MEMORY, **where):
    """Median decades a step that a way loses or gains over FAR steps."""
    return median(column, **where) / FAR


def kept_by_a_bias(bias):
    """log10 of sigmoid(bias), in Python's own arithmetic."""
    return -math.log10(1 + math.exp(-bias))


def of_products_of_gates(bias, share=1.0):
    """A share of what 400 products of FAR gates lose a step, in plain NumPy.

    sigmoid(bias + u x_t) for 32 units u and as many x_t as steps, u and x/0.5 standard normal: the
    root of the mean square over units of the products, its median over draws.
    """

    def decades(_):
        stream = np.random.default_rng(0)
        u, x = stream.standard_normal((400, 1, 32)), stream.standard_normal((400, FAR, 1))
        logs = -np.logaddexp(0, -(bias + 0.5 * u * x)).sum(1)
        sizes = np.log10(np.exp(2 * logs).mean(1)) / 2
        return share * float(np.median(sizes)) / FAR

    return Reading(f"the decades a step of products of sigmoid({bias:g} + u x_t)", decades)


def detour_in_the_whole(frame):
    """log10 of the detour over the whole, 20 steps back."""
    return frame.log10_detour_lag_20 - frame.log10_memory_lag_20


def highway_in_the_whole(frame):
    """log10 of the highway over the whole, 50 steps back."""
    return frame.log10_highway_lag_50 - frame.log10_memory_lag_50


def half_of_the_highway(frame):
    """log10 of half of what the highway carries."""
    return frame.log10_highway_lag_20 - math.log10(2)


def memory_of_the_rnn(frame):
    """The memory of the RNN of the same radius and seed."""
    alone = frame[MEMORY].where(frame.cell == "elman")
    return alone.groupby([frame.spectral_radius, frame.seed]).transform("first")


def nearer_to_zero(frame):
    """|rate of the RNN of the same radius and seed| - |rate|, decades a step."""
    return (memory_of_the_rnn(frame).abs() - frame[MEMORY].abs()) / FAR


def decades_a_step(frame):
    """Decades that the memory's Jacobian changes by in a step."""
    return frame[MEMORY] / FAR


def network(frame):
    """The network of each row: its cell and, where it has gates, their bias."""
    names = {"elman": f"{frame.activation.iloc[0]} RNN", "lstm": "LSTM", "gru": "GRU"}
    bias = ", bias " + frame.forget_bias.map("{:g}".format)
    return frame.cell.map(names).fillna(frame.cell) + bias.where(frame.cell != "elman", "")


def inks(networks):
    """Gated cells in their two colours, by bias; the RNN in ink."""
    left = {cell: list(inks) for cell, inks in INKS.items()}
    return {name: left.get(name.split(",")[0], [CRITICAL] * 9).pop(0) for name in networks}


def two_biases(frame):
    """The RNN's rows and those whose forget bias is the nearest there is to 0 or 2."""
    gated = frame.cell != "elman"
    wanted = {nearest(frame.forget_bias[gated], bias) for bias in (0.0, 2.0) if gated.any()}
    return frame[~gated | frame.forget_bias.isin(wanted)]


def by_lag_both_ways(panel, frame):
    """The memory's Jacobian by lag, back from the last step and forward from a fixed one."""
    frame = two_biases(frame)
    by_lag(
        "log10_memory", network, palette=inks, legend={"title": None}, loc="lower left",
        xlabel="lag (steps)", ylabel="||dm$_T$/dm$_{T-n}$||",
    )(panel, frame)  # fmt: skip
    forward = lags(frame.assign(network=network), "log10_forward")
    for name, colour in inks(dict.fromkeys(forward.network)).items():
        sizes = forward[forward.network == name].groupby("lag").log10_forward.median()
        panel.plot(sizes.index, sizes, "o", ms=10, mfc="none", color=colour)


def two_ways(panel, frame):
    """The whole Jacobian of the memory by lag, its highway and its detour."""
    for way, line, points in (("memory", "-", None), ("highway", "--", None), ("detour", "", "s")):
        by_lag(
            f"log10_{way}", network, relative=way != "detour", palette=inks, line=line,
            points=points, label=lambda here, way=way: said(way, here), legend={"title": None},
            loc="lower left", xlabel="lag (steps)", ylabel="||dc$_T$/dc$_{T-n}$|| and its parts",
        )(panel, two_biases(frame))  # fmt: skip


def said(way, frame):
    """What a line of `two_ways` shows."""
    return f"{'whole' if way == 'memory' else way}, bias {frame.forget_bias.iloc[0]:g}"


def over_radius(panel, frame):
    """Decades a step over the radius; dashed: the sigmoid of the LSTM's bias."""
    frame = two_biases(frame)
    medians(
        "spectral_radius", decades_a_step, network, palette=inks, level=0, ylim=(-0.6, 0.2),
        legend={"title": None}, loc="lower right", xlabel="spectral radius",
        ylabel="decades a step",
    )(panel, frame)  # fmt: skip
    biases = sorted(set(frame.forget_bias[frame.cell == "lstm"]))
    for bias, colour in zip(biases, INKS["LSTM"], strict=False):
        panel.axhline(kept_by_a_bias(bias), ls="--", lw=1.4, color=colour)


def helped(cell):
    """A panel: by how much a cell's rate is nearer to 0 than the RNN's, over radius and bias."""

    def draw(panel, frame):
        regime_map(
            "spectral_radius", "forget_bias", "nearer_to_zero", limit=0.2, diverging="BrBG",
            label="harm   decades a step nearer to 0   help",
            xlabel="spectral radius", ylabel="forget bias",
        )(panel, rows(frame.assign(nearer_to_zero=nearer_to_zero), cell=cell))  # fmt: skip

    says = f"By how much the {cell.upper()}'s decades a step are nearer to 0 than the RNN's"
    title = f"{cell.upper()} beside the RNN of the same radius"
    return Panel(title, draw, {"spectral_radius": above(0)}, says)


def gate_claim(bias, **rivals):
    """The claim that without W the highway loses what the gates of its bias let go."""
    return Claim(
        f"highway at forget bias {bias:g}",
        "with W = 0 the cell state keeps a share sigmoid(forget bias + U x_t) of itself a step",
        source="c_t = f c_{t-1} + i g; f = sigmoid(b + U x_t)",
        measured=rate(f"log10_highway_lag_{FAR}", **LSTM, spectral_radius=0.0, forget_bias=bias),
        equals=of_products_of_gates(bias),
        within=0.03,
        relative=True,
        why="of 32 units and 100 inputs; 2 % from draw to draw at bias 4",
        rivals={
            "half of it": of_products_of_gates(bias, 0.5),
            "1.5 times": of_products_of_gates(bias, 1.5),
            "a bias that is 0.1 more": of_products_of_gates(bias + 0.1),
        }
        | rivals,
        control=swap("forget_bias", bias, 1.0),
        about=ABOUT,
        seeds=3,
    )


def beside_the_rnn(bias):
    """How many decades a step more the LSTM keeps than the tanh RNN, radius 1."""
    return rate(**LSTM, spectral_radius=1.0, forget_bias=bias) - rate(
        cell="elman", spectral_radius=1.0
    )


AT_ONE = {"spectral_radius": near(1.0)}
figure = page(
    "Gates help where the forget bias opens them, not by being there",
    "{hidden_size} units, task {task} of input scale {input_scale}, {seeds}, medians. Memory: c of "
    "the LSTM, h of the others; size of a Jacobian: Frobenius norm over sqrt(units). The radius is "
    "that of each gate's block of W.\n"
    "a: filled, back from the last step; open, forward from a fixed one. d, e: |rate of the RNN| - "
    f"|rate of the cell| over {FAR} steps, seed by seed; line: as near to 0 as the RNN",
    [
        [
            Panel(
                "the gradient of the memory by lag, radius {spectral_radius}",
                by_lag_both_ways,
                AT_ONE,
            ),
            Panel("LSTM: highway and detour, radius {spectral_radius}", two_ways, LSTM | AT_ONE),
            Panel("decades a step (dashed: sigmoid of the bias)", over_radius),
        ],
        [helped("lstm"), helped("gru")],
    ],
    size=(17.0, 11.0),
)
experiment = Experiment(
    question="Do gates keep gradients from vanishing and exploding?",
    grid=[
        {
            "cell": ["elman"],
            "forget_bias": [0.0],
            "spectral_radius": RADII,
            "seed": range(10),
        },
        {
            "cell": ["lstm", "gru"],
            "forget_bias": BIASES,
            "spectral_radius": RADII,
            "seed": range(10),
        },
    ],
    split=["cell", "forget_bias", "seed"],
    constants={
        "task": "noise",
        "layers": 1,
        "dtype": "float64",
        "hidden_size": 32,
        "activation": "tanh",
        "init": "gaussian",
        "input_scale": 0.5,
        "sequence_length": 200,
    },
    quick={"spectral_radius": RADII[::2], "seed": range(3)},
    measure="gradlab.measures.highway:measure",
    figure=figure,
    claims=[
        gate_claim(0.0),
        gate_claim(4.0, **{"the bias alone, no input": kept_by_a_bias(4.0)}),
        Claim(
            "without W all is highway",
            "with W = 0 the product of forget gates is all of dc_T/dc_k",
            source="c_t = f c_{t-1} + i g, with f, i, g that do not know h",
            measured=largest(
                detour_in_the_whole, **GATED, spectral_radius=0.0, log10_detour_lag_20=Span()
            ),
            at_most=-10.0,
            why="what is left is rounding",
            control=passes_for(half_of_the_highway, "log10_detour_lag_20"),
            about={"sequence_length": Span(20), "spectral_radius": 0.0, "dtype": "float64"},
        ),
        Claim(
            "the detour takes over",
            "at radius 1 and forget bias 0, 50 steps back, the highway is below 1/1000",
            source="the lectures' footnote: old input can be written afresh at later times",
            measured=median(highway_in_the_whole, **LSTM, spectral_radius=1.0, forget_bias=0.0),
            at_most=-3.0,
            control=passes_for("log10_highway_lag_50", "log10_memory_lag_50"),
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "gates alone do not help",
            "at radius 1 an LSTM of forget bias 0 loses more a step than a tanh RNN",
            source="sigmoid(0) = 1/2; Jozefowicz et al. (ICML 2015) advise a bias of 1",
            measured=beside_the_rnn(0.0),
            at_most=0.0,
            control=swap("forget_bias", 0.0, 2.0),
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "open gates do help",
            "while one of forget bias 2 loses less",
            source="Gers, Schmidhuber, Cummins (2000): start with an open gate",
            measured=beside_the_rnn(2.0),
            at_least=0.05,
            why="decades a step, 5 decades in 100 steps",
            control=swap("forget_bias", 0.0, 2.0),
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "the explosion is tamed",
            "at radius 3 no LSTM's gradient grows a third as fast as the tanh RNN's",
            source="the lectures: 'reducing the potential for exploding gradients'",
            measured=most(*(rate(**LSTM, spectral_radius=3.0, forget_bias=bias) for bias in BIASES))
            / rate(cell="elman", spectral_radius=3.0),
            at_most=1 / 3,
            why="saturated gates have small slopes",
            control=passes_for(memory_of_the_rnn, MEMORY),
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "it is not ruled out",
            "a GRU of forget bias -2 and radius 4 explodes: 3 decades in 100 steps",
            source="z near 0 leaves h = n, a tanh RNN",
            measured=median(MEMORY, cell="gru", spectral_radius=4.0, forget_bias=-2.0),
            at_least=3.0,
            control=swap("forget_bias", -2.0, 6.0),
            about=ABOUT,
            seeds=3,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
