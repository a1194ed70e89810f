"""Graphs of elementary operations, differentiated in both orders, multiplications counted.

product   z = x y                        neuron    y = sigma(x^T w + b), `size` inputs in x
layer     H = max(0, X W + b), L = sum   fan       y = W x with 16 outputs, `size` inputs
rnn       `size` tanh units, T = 3, the loss's gradient in the entries of W
"""

import math

import numpy as np

from gradlab.errors import one_of
from gradlab.nets.network import Network

GIVEN = {
    "product": {"x": [[2.0]], "y": [[3.0]]},
    "neuron": {"x": [[1.0, -2.0]], "w": [[0.5, -0.25]], "b": [[-0.5]]},
    "layer": {
        "X": [[1.0, -1.0], [2.0, 0.5]],
        "W": [[1.0, -0.5], [0.5, 1.0]],
        "b": [[-0.25, 0.75]],
    },
}
FAN_OUT = 16
COLUMNS = {
    "graph": "product, neuron, layer, fan or rnn",
    "size": "inputs of a neuron or a fan, units of an rnn",
    "variable": "the variable of the graph that is asked for; none: only the counts",
    "row": "row of the entry that is asked for",
    "column": "column of the entry that is asked for",
    "value": "the entry's value; nan if the graph has no such entry",
    "gradient": "d(first output)/d(the entry), by reverse mode",
    "inputs": "numbers that derivatives are taken in",
    "outputs": "numbers that derivatives are taken of",
    "forward_products": "multiplications of forward mode for all derivatives",
    "reverse_products": "multiplications of reverse mode for all derivatives",
    "modes_differ": "largest difference between the derivatives of the two modes",
    "bptt_differs": "largest difference of the rnn's from gradlab's dL/dW; nan for other graphs",
    "transpose_differs": "the same from the transpose of gradlab's dL/dW",
}


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
            for one, other in ((i, j), (j, i)):  # x x has one argument, whose slopes add up
                slopes[one] = slopes.get(one, 0.0) + self.values[other]
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
    """One row an entry of a block that shares its graph and size; the columns are COLUMNS."""
    name, size = block.points["graph"][0], int(block.points["size"][0])
    graph = Graph()
    parts, inputs, outputs = GRAPHS[one_of("graph", str(name), GRAPHS)](graph, size)
    backward = [graph.reverse(output) for output in outputs]
    ahead = [graph.forward(source) for source in inputs]
    jacobian = np.array([[adjoint[i] for i in inputs] for adjoint, _ in backward])
    other = np.array([[tangent[i] for tangent, _ in ahead] for i in outputs])
    ours = bptt(size) if name == "rnn" else np.full((1, 1), np.nan)
    off_bptt = [abs(jacobian - one.ravel()).max() for one in (ours, ours.T)]
    same = {
        "inputs": len(inputs),
        "outputs": len(outputs),
        "forward_products": sum(count for _, count in ahead),
        "reverse_products": sum(count for _, count in backward),
        "modes_differ": abs(jacobian - other).max(),
        "bptt_differs": off_bptt[0],
        "transpose_differs": off_bptt[1],
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
