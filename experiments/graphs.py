"""What does a computational graph remember, and which way through it is cheaper?

A graph of elementary operations keeps a value on each edge and the local slope of each operation.
The chain rule over it can be added up in two orders (Griewank; C. Olah, 'Calculus on computational
graphs'), with one multiplication for each edge and sweep:

forward mode   one sweep for each input: d(everything)/d(that input)
reverse mode   one sweep for each output: d(that output)/d(everything)

A loss is one output, so backpropagation needs one sweep however many weights there are: for N
recurrent units forward mode needs N^2 of them. With more outputs than inputs forward mode wins.

product   z = x y                        neuron    y = sigma(x^T w + b), `size` inputs in x
layer     H = max(0, X W + b), L = sum   fan       y = W x with 16 outputs, `size` inputs
rnn       `size` tanh units, T = 3, the loss's gradient in the entries of W
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import EXPLODING, MUTED, VANISHING, Panel, graphs, page
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    largest,
    passes_for,
    rows,
    worst,
)

EDGES_AND_INPUTS = {  # of a graph of some size
    "product": lambda n: (2, 2),
    "neuron": lambda n: (2 * n + 2 + 1, 2 * n + 1),
    "layer": lambda n: (4 * (2 * 2 + 2 + 1) + 4, 4 + 4 + 2),
    "fan": lambda n: (16 * n, n),
    "rnn": lambda n: (3 * n * (2 * n + 1) + n + 1, n * n),
}


def entries(frame, graph, variable, column="value"):
    """The matrix of a variable's values or gradients, as the drawn graph has it."""
    found = rows(frame, graph=graph, variable=variable, size=2).dropna(subset=[column])
    if found.empty:
        raise NotMeasured(f"needs the entries of {variable} in graph={graph}")
    return np.array(found.pivot_table(index="row", columns="column", values=column))


def off_the_formulas(frame):
    """Largest difference of a drawn gradient from its formula."""
    return max(
        abs(entries(frame, graph, variable, "gradient") - exact).max()
        for graph, variable, exact in formulas(frame)
    )


def formulas(frame):
    """(graph, variable, its gradient) by the textbook, at the values of the table."""
    x, y = (entries(frame, "product", name) for name in "xy")
    yield from (("product", "x", y), ("product", "y", x))
    x, w, b = (entries(frame, "neuron", name) for name in "xwb")
    slope = 1 / (2 + 2 * np.cosh(np.vdot(x, w) + b))
    yield from (("neuron", "x", slope * w), ("neuron", "w", slope * x), ("neuron", "b", slope))
    X, W, b = (entries(frame, "layer", name) for name in "XWb")
    on = (X @ W + b > 0) * 1.0
    yield from (("layer", "X", on @ W.T), ("layer", "W", X.T @ on))
    yield "layer", "b", on.sum(0, keepdims=True)


def gradient_that_one_mode_misses(frame):
    """By how much the modes differ where one of them leaves out the paths to an entry."""
    return frame.gradient.abs().fillna(frame.modes_differ)


def by_hand(frame):
    """The table with sweeps times edges in `forward` and `reverse`, counted by hand."""
    graphs_and_sizes = zip(frame.graph, frame["size"], strict=True)
    edges, inputs = np.transpose([EDGES_AND_INPUTS[graph](n) for graph, n in graphs_and_sizes])
    outputs = np.where(frame.graph == "fan", 16, 1)
    return frame.assign(forward=edges * inputs, reverse=edges * outputs)


def cost_claim(mode, sweeps, other):
    """The claim that a mode takes one sweep over all edges for each of its sources."""

    def products_off_sweeps_times_edges(frame):
        return frame[f"{mode}_products"] - by_hand(frame)[mode]

    return Claim(
        f"{mode} mode's cost",
        f"multiplications in {mode} mode, off {sweeps}s times edges",
        source=f"one sweep over all edges for each {sweeps}",
        measured=worst(products_off_sweeps_times_edges),
        equals=0.0,
        within=0.0,
        why="counts are exact",
        control=passes_for(f"{other}_products", f"{mode}_products"),
    )


def factors_crossed(frame):
    """The gradients, but dz/dx = x and dz/dy = y."""
    return frame.gradient.where(frame.graph != "product", frame.value)


def chain(operations, result, gap=3.3):
    """Operations from left to right, the first argument from the left, the others from below."""

    def draw(panel, frame):
        """The graph, with the value (ink) and the gradient (red) on each edge."""
        level = 2.75
        graphs.stage(panel, gap * (len(operations) + 1) + 1.2, 3.6)
        at = [(0.6 + gap * i, level) for i in range(len(operations) + 2)]
        graphs.node(panel, at[0], operations[0][0])
        for i, (first, symbol, *second) in enumerate(operations, start=1):
            graphs.node(panel, at[i], symbol, color="#e9ebee")
            graphs.edge(panel, at[i - 1], at[i], *written(frame, first))
            for name in second:
                below = at[i][0], 0.5
                graphs.node(panel, below, name)
                graphs.edge(panel, below, at[i], *written(frame, name))
        graphs.node(panel, at[-1], result)
        graphs.edge(panel, at[-2], at[-1], *written(frame, result))

    return draw


def written(frame, variable):
    """A variable's value and gradient as text."""
    graph = frame.graph.iloc[0]
    both = (entries(frame, graph, variable, column) for column in ("value", "gradient"))
    return [graphs.written(part) for part in both]


def costs_of(**texts):
    """Both modes' multiplications over the inputs; graph=(marker, its name) of each."""

    def draw(panel, frame):
        """Multiplications of both modes over the number of inputs, on sweeps times edges."""
        frame = by_hand(frame.drop_duplicates(["graph", "size"]).sort_values("size"))
        for graph, here in frame.groupby("graph"):
            mark, name = texts[graph]
            for mode, colour in (("forward", VANISHING), ("reverse", EXPLODING)):
                label, counted = f"{mode} mode: {name}", here[f"{mode}_products"]
                panel.plot(here.inputs, here[mode], color=colour, lw=1.5)
                panel.plot(here.inputs, counted, mark, ms=7, color=colour, label=label)
        if (outputs := frame.outputs.max()) > 1:
            panel.axvline(outputs, color=MUTED, lw=1.5, ls=":", zorder=0)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set(xlabel="inputs", ylabel="multiplications")
        panel.legend(loc="best")

    return draw


def variables(graph, shapes):
    """The part of the grid that asks for every entry of some variables, (rows, columns) each."""
    return [
        {
            "graph": [graph], "size": [2], "variable": list(names),
            "row": range(shape[0]), "column": range(shape[1]),
        }
        for names, shape in shapes.items()
    ]  # fmt: skip


def costs(graph, sizes):
    """The part of the grid that only counts."""
    return {"graph": [graph], "size": sizes, "variable": ["none"], "row": [0], "column": [0]}


TIMES, DOT, SIGMA, BIAS = r"$\times$", r"$\cdot$", r"$\sigma$", ("u", "+", "b")
figure = page(
    "One sweep back gives the gradient in every input",
    "a, b, c: values in ink, gradients of the output (c: of L) in red, by reverse mode.  d, e: "
    "multiplications counted while all derivatives are computed (points), and sweeps times "
    "edges (lines)",
    [
        [
            Panel(
                "z = x y",
                chain([("x", TIMES, "y")], "z"),
                {"graph": "product"},
                width=7,
            ),
            Panel(
                f"y = {SIGMA}($x^T w$ + b)",
                chain([("x", DOT, "w"), BIAS, ("a", SIGMA)], "y"),
                {"graph": "neuron"},
                width=13,
            ),
        ],
        [
            Panel(
                "H = max(0, X W + b), L = sum of H",
                chain([("X", TIMES, "W"), ("U", "+", "b"), ("A", "max")], "H", gap=5.2),
                {"graph": "layer"},
            )
        ],
        [
            Panel(
                "one output: reverse mode takes one sweep",
                costs_of(neuron=("o", "neuron"), rnn=("s", "RNN, T = 3, inputs: W")),
                {"graph": ["neuron", "rnn"]},
            ),
            Panel(
                "{outputs} outputs: forward mode wins below {outputs} inputs",
                costs_of(fan=("o", "y = W x")),
                {"graph": "fan"},
            ),
        ],
    ],
    size=(16, 12.6),
    heights=[1, 1, 1.7],
)
experiment = Experiment(
    question="What does a computational graph remember, and which way through it is cheaper?",
    grid=[
        *variables("product", {"xyz": (1, 1)}),
        *variables("neuron", {"xw": (1, 2), "buay": (1, 1)}),
        *variables("layer", {"XWUAH": (2, 2), "b": (1, 2)}),
        costs("neuron", [2, 4, 8, 16, 32, 64]),
        costs("fan", [1, 2, 4, 8, 16, 32, 64, 128]),
        costs("rnn", [1, 2, 3, 4, 6, 8]),
    ],
    split=["graph", "size"],
    measure="gradlab.measures.graphs:measure",
    figure=figure,
    claims=[
        Claim(
            "drawn gradients",
            "gradients of z = x y, of the neuron and the layer, off their formulas",
            source="(y, x); y (1 - y) (w, x, 1); X^T G, G W^T with G = (X W + b > 0)",
            measured=off_the_formulas,
            equals=0.0,
            within=1e-14,
            why="rounding",
            control=passes_for(factors_crossed, "gradient"),
        ),
        cost_claim("forward", "input", "reverse"),
        cost_claim("reverse", "output", "forward"),
        Claim(
            "two orders, one sum",
            "derivatives by both modes differ by (largest, relative to 1)",
            source="the chain rule: both add up the products along all paths",
            measured=largest("modes_differ"),
            equals=0.0,
            within=1e-12,
            why="rounding in another order",
            control=passes_for(gradient_that_one_mode_misses, "modes_differ"),
        ),
        Claim(
            "backpropagation through time",
            "reverse mode on the unrolled network, off gradlab's dL/dW",
            source="backpropagation through time is reverse mode on the unrolled graph",
            measured=largest("bptt_differs", graph="rnn"),
            equals=0.0,
            within=1e-12,
            why="rounding in another order",
            control=passes_for("transpose_differs", "bptt_differs"),
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
