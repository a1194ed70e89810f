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

import math

import numpy as np

from gradlab import Network
from gradlab.cli import script
from gradlab.errors import one_of
from gradlab.plots import EXPLODING, MUTED, VANISHING, graphs, style
from gradlab.suite import Claim, Experiment, NotMeasured, rows

GIVEN = {
    "product": {"x": [[2.0]], "y": [[3.0]]},
    "neuron": {"x": [[1.0, -2.0]], "w": [[0.5, -0.25]], "b": [[-0.5]]},
    "layer": {
        "X": [[1.0, -1.0], [2.0, 0.5]],
        "W": [[1.0, -0.5], [0.5, 1.0]],
        "b": [[-0.25, 0.75]],
    },
}
FAN_OUT, STEPS = 16, 3


class Graph:
    """Numbers in the order of their making, and an edge with its slope for each argument."""

    def __init__(self):
        self.values, self.edges = [], []

    def put(self, value, slopes=()):
        """Add a number that was made from others, {place of the argument: slope}."""
        self.values.append(float(value))
        self.edges.append(dict(slopes))
        return len(self.values) - 1

    def array(self, values):
        """Add a matrix of given numbers; returns their places, in the same shape."""
        values = np.asarray(values, dtype=float)
        return np.array([self.put(value) for value in values.flat]).reshape(values.shape)

    def dot(self, left, right, offset=0.0):
        """Sum over i of left_i right_i, and a given offset."""
        value, slopes = offset, {}
        for i, j in zip(left, right, strict=True):
            value += self.values[i] * self.values[j]
            slopes[i], slopes[j] = self.values[j], self.values[i]
        return self.put(value, slopes)

    def total(self, places):
        """Sum of the numbers at some places."""
        return self.put(sum(self.values[i] for i in places), dict.fromkeys(places, 1.0))

    def apply(self, place, function, slope):
        """f of one number; slope(number, f) is f'."""
        value = function(self.values[place])
        return self.put(value, {place: slope(self.values[place], value)})

    def reverse(self, output):
        """d(output)/d(every number), and how many multiplications it took."""
        adjoint, count = [0.0] * len(self.values), 0
        adjoint[output] = 1.0
        for place in range(len(self.values) - 1, -1, -1):
            for argument, slope in self.edges[place].items():
                adjoint[argument] += slope * adjoint[place]
                count += 1
        return adjoint, count

    def forward(self, source):
        """d(every number)/d(source), and how many multiplications it took."""
        tangent, count = [0.0] * len(self.values), 0
        tangent[source] = 1.0
        for place, slopes in enumerate(self.edges):
            for argument, slope in slopes.items():
                tangent[place] += slope * tangent[argument]
                count += 1
        return tangent, count


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def product(graph, _size):
    """z = x y."""
    parts = {name: graph.array(value) for name, value in GIVEN["product"].items()}
    z = graph.dot(parts["x"].flat, parts["y"].flat)
    return parts | {"z": z}, [*parts["x"].flat, *parts["y"].flat], [z]


def neuron(graph, size):
    """y = sigma(x^T w + b); the given numbers come round again for larger sizes."""
    given = GIVEN["neuron"]
    parts = {name: graph.array(np.resize(given[name], (1, size))) for name in "xw"}
    parts["b"] = graph.array(given["b"])
    inputs = [*parts["x"].flat, *parts["w"].flat, *parts["b"].flat]
    parts["u"] = graph.dot(parts["x"].flat, parts["w"].flat)
    parts["a"] = graph.total([parts["u"], parts["b"].item()])
    parts["y"] = graph.apply(parts["a"], sigmoid, lambda _, y: y * (1 - y))
    return parts, inputs, [parts["y"]]


def layer(graph, _size):
    """H = max(0, X W + b) and L = sum of H."""
    parts = {name: graph.array(value) for name, value in GIVEN["layer"].items()}
    inputs = [place for part in parts.values() for place in part.flat]
    X, W, b = parts["X"], parts["W"], parts["b"]
    U = np.array([[graph.dot(row, column) for column in W.T] for row in X])
    A = np.array([[graph.total([u, c]) for u, c in zip(row, b[0], strict=True)] for row in U])
    relu = (lambda a: max(a, 0.0)), (lambda a, _: float(a > 0))
    H = np.array([[graph.apply(a, *relu) for a in row] for row in A])
    return parts | {"U": U, "A": A, "H": H}, inputs, [graph.total(list(H.flat))]


def fan(graph, size):
    """y_j = sum over i of W_ji x_i with given W: FAN_OUT outputs."""
    x = [graph.put(1.0) for _ in range(size)]
    y = [graph.put(size, dict.fromkeys(x, 1.0)) for _ in range(FAN_OUT)]
    return {}, x, y


def rnn(graph, size):
    """L = (sum of h_3)^2, h_t = tanh(W h_{t-1} + U x_t), from h_0 = 1/2."""
    weights, x = network(size)
    W = graph.array(weights["W"])
    h = [graph.put(0.5) for _ in range(size)]
    for drive in x[:, 0] @ weights["U"].T:
        a = [graph.dot(row, h, offset) for row, offset in zip(W, drive, strict=True)]
        h = [graph.apply(one, math.tanh, lambda _, value: 1 - value**2) for one in a]
    loss = graph.apply(graph.total(h), lambda o: o**2, lambda o, _: 2 * o)
    return {"W": W}, [*W.flat], [loss]


def network(size):
    """Weights as gradlab draws them, a readout of ones, and three steps of input."""
    net = Network.draw(inputs=1, hidden=int(size), outputs=1, spectral_radius=1.2)
    return net.weights | {"V": np.ones((1, size))}, np.array([0.5, -1.0, 1.0])[:, None, None]


def bptt(size):
    """dL/dW of the same network by gradlab's backpropagation through time."""
    weights, x = network(size)
    h0 = np.full(size, 0.5)
    return Network(weights).gradients(x, [[0.0]], at="last", h0=h0).weights["W"]


GRAPHS = {"product": product, "neuron": neuron, "layer": layer, "fan": fan, "rnn": rnn}


def measure(block):
    """What a number of the graph is and what it does to the output, and the sweeps' costs.

    value, gradient (by reverse mode, nan where no variable is asked for), inputs, outputs,
    forward_products and reverse_products for all derivatives of all outputs by all inputs;
    modes_differ: largest difference between the two modes; bptt_differs: from gradlab's dL/dW.
    """
    name, size = block.points["graph"][0], int(block.points["size"][0])
    graph = Graph()
    parts, inputs, outputs = GRAPHS[one_of("graph", str(name), GRAPHS)](graph, size)
    backward = [graph.reverse(output) for output in outputs]
    ahead = [graph.forward(source) for source in inputs]
    jacobian = np.array([[adjoint[i] for i in inputs] for adjoint, _ in backward])
    other = np.array([[tangent[i] for tangent, _ in ahead] for i in outputs])
    same = {
        "inputs": len(inputs),
        "outputs": len(outputs),
        "forward_products": sum(count for _, count in ahead),
        "reverse_products": sum(count for _, count in backward),
        "modes_differ": abs(jacobian - other).max(),
        "bptt_differs": abs(jacobian - bptt(size).ravel()).max() if name == "rnn" else np.nan,
    }
    columns = {key: np.full(len(block), value) for key, value in same.items()}
    return columns | numbers(block, parts, graph.values, backward[0][0])


def numbers(block, parts, values, adjoint):
    """value and gradient of the entry that each point names, nan if the graph has no such entry."""
    found = np.full((2, len(block)), np.nan)
    asked = zip(*(block.points[axis] for axis in ("variable", "row", "column")), strict=True)
    for i, (variable, *entry) in enumerate(asked):
        places = np.atleast_2d(parts.get(str(variable), np.empty((0, 0), int)))
        if np.all(np.array(entry) < places.shape):
            place = places[tuple(entry)]
            found[:, i] = values[place], adjoint[place]
    return {"value": found[0], "gradient": found[1]}


def entries(frame, graph, variable, column="value"):
    """The matrix of a variable's values or gradients, as the drawn graph has it."""
    found = rows(frame, graph=graph, variable=variable, size=2).dropna(subset=[column])
    if found.empty:
        raise NotMeasured(f"needs the entries of {variable} in graph={graph}")
    table = found.pivot_table(index="row", columns="column", values=column)
    return np.array(table)


def off_the_formulas(frame):
    """Largest difference of a drawn gradient from its formula."""
    return max(
        abs(entries(frame, graph, variable, "gradient") - exact).max()
        for graph, variable, exact in formulas()
    )


def formulas():
    """(graph, variable, its gradient) by the textbook."""
    x, y = (np.array(GIVEN["product"][name]) for name in "xy")
    yield from (("product", "x", y), ("product", "y", x))
    x, w, b = (np.array(GIVEN["neuron"][name]) for name in "xwb")
    slope = 1 / (2 + 2 * np.cosh(np.vdot(x, w) + b))
    yield from (("neuron", "x", slope * w), ("neuron", "w", slope * x), ("neuron", "b", slope))
    X, W, b = (np.array(GIVEN["layer"][name]) for name in "XWb")
    on = (X @ W + b > 0) * 1.0
    yield from (("layer", "X", on @ W.T), ("layer", "W", X.T @ on))
    yield "layer", "b", on.sum(0, keepdims=True)


def counted(frame):
    """Rows that were counted, one for each graph and size."""
    return frame.drop_duplicates(["graph", "size"])


def edges(graph, size):
    """Edges of a graph, by hand."""
    return {
        "product": 2,
        "neuron": 2 * size + 2 + 1,
        "layer": 4 * (2 * 2 + 2 + 1) + 4,
        "fan": FAN_OUT * size,
        "rnn": STEPS * size * (2 * size + 1) + size + 1,
    }[graph]


SOURCES = {
    "product": lambda _: 2, "neuron": lambda n: 2 * n + 1, "layer": lambda _: 10,
    "fan": lambda n: n, "rnn": lambda n: n * n,
}  # fmt: skip


def products(mode, graph, size):
    """Sweeps times edges, by hand."""
    outputs = FAN_OUT if graph == "fan" else 1
    return edges(graph, size) * (SOURCES[graph](size) if mode == "forward" else outputs)


def off_the_counts(mode):
    """Largest difference of a mode's multiplications from sweeps times edges."""

    def measured(frame):
        found = counted(frame)
        exact = [
            products(mode, graph, size)
            for graph, size in zip(found.graph, found["size"], strict=True)
        ]
        return (found[f"{mode}_products"] - exact).abs().max()

    return measured


def largest(column, **values):
    """The largest entry of a column."""
    return lambda frame: rows(frame, **values)[column].max()


def crossed(frame):
    """The two factors of a product are taken for each other: dz/dx = x."""
    frame["gradient"] = frame.gradient.where(frame.graph != "product", frame.value)
    return frame


def other_mode(frame):
    """Forward mode's counts pass for those of reverse mode, and the other way round."""
    names = {"forward_products": "reverse_products", "reverse_products": "forward_products"}
    return frame.rename(columns=names)


def off_by_a_tenth(frame):
    """One derivative of each graph is wrong by 0.1."""
    for column in ("modes_differ", "bptt_differs"):
        frame[column] += 0.1
    return frame


def figure(frame):
    """Three graphs with values and gradients on their edges, and both modes' costs."""
    drawing, panels = style.mosaic(
        [list("abb"), list("ccc"), list("dde")],
        size=(16, 12.6),
        height_ratios=[1, 1, 1.7],
        width_ratios=[7, 3, 10],
    )
    times, dot, bias = r"$\times$", r"$\cdot$", ("u", "+", "b")
    chain(panels["a"], frame, "product", [("x", times, "y")], "z")
    chain(panels["b"], frame, "neuron", [("x", dot, "w"), bias, ("a", r"$\sigma$")], "y")
    chain(panels["c"], frame, "layer", [("X", times, "W"), ("U", "+", "b"), ("A", "max")], "H", 5.2)
    one_output(panels["d"], counted(frame))
    many_outputs(panels["e"], counted(frame[frame.graph == "fan"]))
    style.titles(
        [panels[name] for name in "abcde"],
        [
            "z = x y",
            r"y = $\sigma$($x^T w$ + b)",
            "H = max(0, X W + b), L = sum of H",
            "one output: reverse mode takes one sweep",
            f"{FAN_OUT} outputs: forward mode wins below {FAN_OUT} inputs",
        ],
    )
    style.headline(drawing, "One sweep back gives the gradient in every input")
    style.caption(
        drawing,
        "a, b, c: values in ink, gradients of the output (c: of L) in red, by reverse mode.  d, e: "
        "multiplications counted while all derivatives\nare computed (points), and sweeps times "
        "edges (lines)",
    )
    return drawing


def chain(panel, frame, graph, operations, result, gap=3.3):
    """Operations from left to right, the first argument from the left, the others from below."""
    level = 2.75
    graphs.stage(panel, gap * (len(operations) + 1) + 1.2, 3.6)
    at = [(0.6 + gap * i, level) for i in range(len(operations) + 2)]
    graphs.node(panel, at[0], operations[0][0])
    for i, (first, symbol, *second) in enumerate(operations, start=1):
        graphs.node(panel, at[i], symbol, color="#e9ebee")
        graphs.edge(panel, at[i - 1], at[i], *written(frame, graph, first))
        for name in second:
            below = at[i][0], 0.5
            graphs.node(panel, below, name)
            graphs.edge(panel, below, at[i], *written(frame, graph, name))
    graphs.node(panel, at[-1], result)
    graphs.edge(panel, at[-2], at[-1], *written(frame, graph, result))


def written(frame, graph, variable):
    """A variable's value and gradient as text; empty where the table lacks them."""
    try:
        both = [entries(frame, graph, variable, column) for column in ("value", "gradient")]
    except NotMeasured:
        return "", ""
    return [graphs.written(part) for part in both]


def one_output(panel, frame):
    """Counts over the number of inputs for graphs with a single output."""
    frame = frame[frame.graph.isin(["neuron", "rnn"]) & frame.inputs.notna()]
    for graph, mark, text in (("neuron", "o", "neuron"), ("rnn", "s", "RNN, T = 3, inputs: W")):
        here = frame[frame.graph == graph].sort_values("size")
        draw_counts(panel, here, mark, text)
    finish(panel, frame)


def many_outputs(panel, frame):
    """Counts over the number of inputs for a fan of outputs."""
    frame = frame[frame.inputs.notna()]
    draw_counts(panel, frame.sort_values("size"), "o", "y = W x")
    panel.axvline(FAN_OUT, color=MUTED, lw=1.5, ls=":", zorder=0)
    finish(panel, frame)


def finish(panel, frame):
    """Axes of a panel of counts; it stays plain where there are none."""
    panel.set(xlabel="inputs", ylabel="multiplications")
    if len(frame):
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.legend(loc="upper left")


def draw_counts(panel, frame, mark, text):
    """Both modes' counts, on the lines of sweeps times edges."""
    styles = (("forward", VANISHING), ("reverse", EXPLODING))
    for mode, colour in styles:
        label = f"{mode} mode: {text}"
        exact = [
            products(mode, graph, size)
            for graph, size in zip(frame.graph, frame["size"], strict=True)
        ]
        panel.plot(frame.inputs, exact, color=colour, lw=1.5)
        panel.plot(frame.inputs, frame[f"{mode}_products"], mark, ms=7, color=colour, label=label)


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
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="drawn gradients",
            statement="gradients of z = x y, of the neuron and the layer, off their formulas",
            source="(y, x); y (1 - y) (w, x, 1); X^T G, G W^T with G = (X W + b > 0)",
            measured=off_the_formulas,
            equals=0.0,
            within=1e-14,
            why="rounding",
            control=crossed,
        ),
        Claim(
            name="forward mode's cost",
            statement="multiplications in forward mode, off inputs times edges",
            source="one sweep over all edges for each input",
            measured=off_the_counts("forward"),
            equals=0.0,
            within=0.0,
            why="counts are exact",
            control=other_mode,
        ),
        Claim(
            name="reverse mode's cost",
            statement="multiplications in reverse mode, off outputs times edges",
            source="one sweep over all edges for each output",
            measured=off_the_counts("reverse"),
            equals=0.0,
            within=0.0,
            why="counts are exact",
            control=other_mode,
        ),
        Claim(
            name="two orders, one sum",
            statement="derivatives by both modes differ by (largest, relative to 1)",
            source="the chain rule: both add up the products along all paths",
            measured=largest("modes_differ"),
            equals=0.0,
            within=1e-12,
            why="rounding in another order",
            control=off_by_a_tenth,
        ),
        Claim(
            name="backpropagation through time",
            statement="reverse mode on the unrolled network, off gradlab's dL/dW",
            source="backpropagation through time is reverse mode on the unrolled graph",
            measured=largest("bptt_differs", graph="rnn"),
            equals=0.0,
            within=1e-12,
            why="rounding in another order",
            control=off_by_a_tenth,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
