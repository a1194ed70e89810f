"""Do gates keep gradients from vanishing and exploding?

"You still reuse the same matrices, but everything is mediated by the cell state, reducing the
potential for vanishing and exploding gradients." The Jacobian of a cell's memory m (c of an LSTM, h
of a GRU and of a tanh RNN) over n steps is a highway, the product of the gates that keep m, and a
detour, all that went by way of W: old input that is written afresh. The bias of the gate that keeps
says how long the highway is; the spectral radius of W (of each gate's block) feeds the detour.
"""

import math

import pandas as pd

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, nearest, rows

RADII = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0]
BIASES = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0]
ABOUT = {
    "task": "noise", "hidden_size": 32, "activation": "tanh", "init": "gaussian",
    "input_scale": 0.5, "sequence_length": Span(200),
}  # fmt: skip
FAR = 100  # the lag at which rates are read
NAMES = {"elman": "tanh RNN", "lstm": "LSTM", "gru": "GRU"}


def rate(frame, cell, radius, bias=0.0, way="memory"):
    """Median decades a step that a way loses or gains over FAR steps."""
    here = rows(frame, cell=cell, spectral_radius=radius, forget_bias=bias)
    return here[f"log10_{way}_lag_{FAR}"].median() / FAR


def highway_rate(bias):
    """What the highway of the LSTM loses a step where W is 0."""
    return lambda frame: rate(frame, "lstm", 0.0, bias, "highway")


def kept_by_a_bias(bias):
    """log10 of sigmoid(bias), in Python's own arithmetic."""
    return -math.log10(1 + math.exp(-bias))


def other_gate(frame):
    """The rows of forget bias 1 pass for those of the other biases."""
    return relabelled(frame, 1.0, [0.0, 4.0])


def relabelled(frame, true, shown):
    """Rows of one forget bias, shown under others; cells without gates stay as they are."""
    gated = frame[(frame.cell != "elman") & (frame.forget_bias == true)]
    others = frame[(frame.cell == "elman") | ~frame.forget_bias.isin(shown)]
    return pd.concat([others, *(gated.assign(forget_bias=bias) for bias in shown)])


def detour_without_w(frame):
    """Decades of the detour below the whole at radius 0 and lag 20, worst of all rows."""
    here = rows(frame, spectral_radius=0.0)
    here = here[here.cell != "elman"]
    if here.log10_detour_lag_20.isna().all():
        raise NotMeasured("needs rows of a gated cell at lag 20 whose gradient is not 0")
    return (here.log10_detour_lag_20 - here.log10_memory_lag_20).max()


def half_detour(frame):
    """Half of what the highway carries is booked as detour."""
    frame["log10_detour_lag_20"] = frame["log10_highway_lag_20"] - math.log10(2)
    return frame


def highway_share(frame):
    """log10 of the highway over the whole at radius 1, forget bias 0, lag 50, median of seeds."""
    here = rows(frame, cell="lstm", spectral_radius=1.0, forget_bias=0.0)
    return (here.log10_highway_lag_50 - here.log10_memory_lag_50).median()


def only_a_highway(frame):
    """The highway passes for the whole: W and its detour are forgotten."""
    for lag in (50, FAR):
        frame[f"log10_memory_lag_{lag}"] = frame[f"log10_highway_lag_{lag}"]
    return frame


def beside_the_rnn(bias):
    """How much more the LSTM keeps a step than the tanh RNN, in decades, at radius 1."""
    return lambda frame: rate(frame, "lstm", 1.0, bias) - rate(frame, "elman", 1.0)


def swapped(frame):
    """The LSTM's rows of forget bias 0 and 2 change places."""
    swap = frame.forget_bias.replace({0.0: 2.0, 2.0: 0.0})
    frame["forget_bias"] = frame.forget_bias.where(frame.cell != "lstm", swap)
    return frame


def share_of_the_explosion(frame):
    """The fastest growth of any LSTM at radius 3, over that of the tanh RNN."""
    here = rows(frame, cell="lstm", spectral_radius=3.0)
    fastest = here.groupby("forget_bias")[f"log10_memory_lag_{FAR}"].median().max() / FAR
    return fastest / rate(frame, "elman", 3.0)


def gateless(frame):
    """The tanh RNN's rows pass for the LSTM's."""
    plain = frame[frame.cell == "elman"]
    return pd.concat([plain, plain.assign(cell="lstm")])


def open_gates(frame):
    """Decades that the GRU's gradient grows over FAR steps at radius 4 and forget bias -2."""
    return FAR * rate(frame, "gru", 4.0, -2.0)


def closed_gates(frame):
    """The rows of forget bias 6 pass for those of -2."""
    return relabelled(frame, 6.0, [-2.0])


def figure(frame):
    """Memory by lag, its two ways, rates over the radius, and where gates help."""
    drawing, panels = style.mosaic("aabbcc;dddeee", size=(17.0, 11.0))
    radius = nearest(frame.spectral_radius, 1.0)
    by_lag(panels["a"], frame, radius)
    two_ways(panels["b"], frame, radius)
    over_radius(panels["c"], frame)
    for letter, cell in (("d", "lstm"), ("e", "gru")):
        helped(panels[letter], frame, cell)
    style.titles(
        [panels[letter] for letter in "abcde"],
        [
            f"the gradient of the memory by lag, radius {radius:g}",
            f"LSTM: highway and detour, radius {radius:g}",
            "decades a step (dashed: sigmoid of the bias)",
            "LSTM beside the tanh RNN of the same radius",
            "GRU beside the tanh RNN of the same radius",
        ],
    )
    first = frame.iloc[0]
    style.headline(drawing, "Gates help where the forget bias opens them, not by being there")
    style.caption(
        drawing,
        f"{first.hidden_size} units, white noise of size {first.input_scale:g} as input, "
        f"{frame.seed.nunique()} seeds, medians. Memory: c of the LSTM, h of the others; size of a "
        "Jacobian: Frobenius norm over sqrt(units). The radius is that of each gate's block of W.\n"
        f"a: filled, back from the last step; open, forward from a fixed one. d, e: |rate of the "
        f"RNN| - |rate of the cell| over {FAR} steps; line: as near to 0 as the RNN.",
    )
    return drawing


def curves(frame, way):
    """Lags, and a way's medians over seeds, from lag 0 on."""
    prefix = f"log10_{way}_lag_"
    lags = [int(name.removeprefix(prefix)) for name in frame if name.startswith(prefix)]
    return [0, *lags], [0, *(frame[f"{prefix}{lag}"].median() for lag in lags)]


def chosen(frame):
    """(cell, bias, colour): what the line panels show."""
    wanted = [
        ("elman", 0.0, CRITICAL),
        ("lstm", 0.0, VANISHING), ("lstm", 2.0, "#8fc1e3"),
        ("gru", 0.0, EXPLODING), ("gru", 2.0, "#f3b391"),
    ]  # fmt: skip
    found = {}
    for cell, bias, colour in wanted:
        if cell in set(frame.cell):
            bias = nearest(frame.forget_bias[frame.cell == cell], bias)
            found.setdefault((cell, bias), colour)
    return [(*one, colour) for one, colour in found.items()]


def label(cell, bias):
    return NAMES[cell] + ("" if cell == "elman" else f", bias {bias:g}")


def by_lag(panel, frame, radius):
    """The memory's Jacobian, backward and forward, of some cells at one radius."""
    for cell, bias, colour in chosen(frame):
        here = rows(frame, cell=cell, forget_bias=bias, spectral_radius=radius)
        panel.plot(*curves(here, "memory"), "-o", ms=6, color=colour, label=label(cell, bias))
        panel.plot(*curves(here, "forward"), "o", ms=10, mfc="none", color=colour)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag (steps)", ylabel="||dm$_T$/dm$_{T-n}$||")
    panel.legend(loc="lower left")


def two_ways(panel, frame, radius):
    """The whole, the highway and the detour of LSTMs of two biases."""
    for cell, bias, colour in chosen(frame):
        if cell != "lstm":
            continue
        here = rows(frame, cell=cell, forget_bias=bias, spectral_radius=radius)
        for way, line in (("memory", "-"), ("highway", "--"), ("detour", "x")):
            text = f"{'whole' if way == 'memory' else way}, bias {bias:g}"
            lags, sizes = curves(here, way)
            begin = 1 if way == "detour" else 0
            panel.plot(lags[begin:], sizes[begin:], line, ms=7, color=colour, label=text)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag (steps)", ylabel="||dc$_T$/dc$_{T-n}$|| and its parts")
    panel.legend(loc="lower left")


def over_radius(panel, frame):
    """Decades a step of the memory's Jacobian over the radius."""
    for cell, bias, colour in chosen(frame):
        here = rows(frame, cell=cell, forget_bias=bias).groupby("spectral_radius")
        rates = here[f"log10_memory_lag_{FAR}"].median() / FAR
        panel.plot(rates.index, rates, "-o", ms=5, color=colour, label=label(cell, bias))
        if cell == "lstm":
            panel.axhline(kept_by_a_bias(bias), ls="--", lw=1.4, color=colour)
    panel.axhline(0, color="#6b7079", lw=1)
    panel.set(xlabel="spectral radius", ylabel="decades a step", ylim=(-0.5, 0.2))
    panel.legend(loc="lower right")


def helped(panel, frame, cell):
    """|rate of the RNN| - |rate of the cell| over radius and forget bias."""
    frame = frame[frame.spectral_radius > 0]
    column = f"log10_memory_lag_{FAR}"
    plain = rows(frame, cell="elman").groupby("spectral_radius")[column].median() / FAR
    gated = rows(frame, cell=cell).groupby(["forget_bias", "spectral_radius"])[column].median()
    table = gated.unstack() / FAR
    gain = plain.abs() - table.abs()
    values, heights = gain.to_numpy(), range(len(gain))
    mesh = panel.pcolormesh(
        gain.columns, heights, values, cmap="BrBG", norm=style.centred(values, 0.2),
        shading="nearest",
    )  # fmt: skip
    text = "decades a step nearer to 0"
    panel.figure.colorbar(mesh, ax=panel, label=text, pad=0.02, extend="both")
    if min(values.shape) > 1 and values.min() < 0 < values.max():
        panel.contour(gain.columns, heights, values, [0], colors=CRITICAL, linewidths=2)
    for x, y, words in ((0.85, 0.8, "gates help"), (0.38, 0.12, "gates harm")):
        note = panel.text(x, y, words, ha="center", va="center", transform=panel.transAxes)
        note.set(weight="bold", bbox={"fc": "white", "ec": "none", "alpha": 0.8})
    panel.set(xlabel="spectral radius", ylabel="forget bias")
    panel.set_yticks(heights, [f"{bias:g}" for bias in gain.index])
    panel.grid(False)


def gate_claim(bias):
    """The claim that without W the highway loses what the bias of its gate says."""
    return Claim(
        name=f"highway at forget bias {bias:g}",
        about=ABOUT,
        seeds=3,
        statement="with W = 0 the cell state keeps a share sigmoid(forget bias) of itself a step",
        source="c_t = f c_{t-1} + i g; f = sigmoid(b + U x_t)",
        measured=highway_rate(bias),
        equals=kept_by_a_bias(bias),
        within=0.006,
        why="decades a step; the input moves f about, and log f is concave",
        control=other_gate,
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
        gate_claim(4.0),
        Claim(
            name="without W all is highway",
            about={"sequence_length": Span(20), "spectral_radius": 0.0},
            statement="with W = 0 the product of forget gates is all of dc_T/dc_k",
            source="c_t = f c_{t-1} + i g, with f, i, g that do not know h",
            measured=detour_without_w,
            at_most=-10.0,
            why="what is left is rounding",
            control=half_detour,
        ),
        Claim(
            name="the detour takes over",
            about=ABOUT,
            seeds=3,
            statement="at radius 1 and forget bias 0, 50 steps back, the highway is below 1/1000",
            source="the lectures' footnote: old input can be written afresh at later times",
            measured=highway_share,
            at_most=-3.0,
            control=only_a_highway,
        ),
        Claim(
            name="gates alone do not help",
            about=ABOUT,
            seeds=3,
            statement="at radius 1 an LSTM of forget bias 0 loses more a step than a tanh RNN",
            source="sigmoid(0) = 1/2; Jozefowicz et al. (ICML 2015) advise a bias of 1",
            measured=beside_the_rnn(0.0),
            at_most=0.0,
            control=swapped,
        ),
        Claim(
            name="open gates do help",
            about=ABOUT,
            seeds=3,
            statement="while one of forget bias 2 loses less",
            source="Gers, Schmidhuber, Cummins (2000): start with an open gate",
            measured=beside_the_rnn(2.0),
            at_least=0.05,
            why="decades a step, 5 decades in 100 steps",
            control=swapped,
        ),
        Claim(
            name="the explosion is tamed",
            about=ABOUT,
            seeds=3,
            statement="at radius 3 no LSTM's gradient grows a third as fast as the tanh RNN's",
            source="the lectures: 'reducing the potential for exploding gradients'",
            measured=share_of_the_explosion,
            at_most=1 / 3,
            why="saturated gates have small slopes",
            control=gateless,
        ),
        Claim(
            name="it is not ruled out",
            about=ABOUT,
            seeds=3,
            statement="a GRU of forget bias -2 and radius 4 explodes: 3 decades in 100 steps",
            source="z near 0 leaves h = n, a tanh RNN",
            measured=open_gates,
            at_least=3.0,
            control=closed_gates,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
