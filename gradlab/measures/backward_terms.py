"""The terms of dL/dW, one for each step that uses W, of three small and large networks.

quadratic   y = x^T M x; k = 1, 2 is the use of x that was moved
two_units   T = 3 and N = 2, tanh, every number: dL/dW_k = e3/o3 o3/h3 (h3/h2 ... h_k+1/h_k) h_k/W
            with h_k/h_{k-1} = diag(f'(a_k)) W and (h_k/W)[i; i, j] = f'(a_k)[i] h_{k-1}[j]
long        tanh networks under noise, L = (o_T - 1)^2: the size of each term
"""

import math

import numpy as np

from gradlab import theory
from gradlab.errors import UserError, one_of
from gradlab.nets import draws
from gradlab.nets.network import Network

M, X = [[1.0, 2.0], [-1.0, 3.0]], [1.0, -0.5]
ROTATION = [[0.6, -0.8], [0.8, 0.6]]  # radius 1; times the radius of the row it is W
U, V, H0 = [1.0, -0.5], [1.0, -1.0], [0.5, -0.5]
INPUTS, TARGET = [1.0, 0.0, -1.0], 0.5
COLUMNS = {
    "network": "quadratic, two_units or long",
    "k": "the step, or the use of x, whose term it is",
    "term_N": "an entry ij of dL/dW_k by backpropagation, or of dy/dx, the k-th use of x moved",
    "total_N": "an entry ij of dL/dW, or of dy/dx, both uses of x moved",
    "factors_N": "an entry ij of the term as the product of its four factors",
    "step_N": "an entry ij of h_k/h_{k-1}",
    "chain_N": "an entry ij of h_3/h_k",
    "state_N": "a unit of h_k",
    "before_N": "a unit of h_{k-1}",
    "flat_N": "a unit's f'(a_k)",
    "output": "o_3",
    "error": "e3/o3",
    "loss": "L = e3",
    "log10_term": "log10 of ||dL/dW_k||",
    "share": "<dL/dW_k, dL/dW>/||dL/dW||^2: all shares of a network sum to 1",
    "rate_mean_field": "mean field's exponent of the drawn W and input (decades a step)",
    "gain": "||W||_F/sqrt(N) of the drawn W, mean field's g",
}
PAIRS = ("00", "01", "10", "11")
SMALL = 1e-30  # an imaginary step: f(x + i s) = f(x) + i s f'(x) without any cancellation


def measure(block):
    """One row for each k of a block that shares its network; the columns are COLUMNS."""
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
    """Every number of the three-step network; term and total are those of BPTT."""
    if (wrong := max(block.points["k"])) > 3:
        raise UserError(f"k={wrong}: two_units has the steps 1 to 3")
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
    """The terms of a tanh network under noise: their sizes, and their shares, which sum to 1."""
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
        "gain": np.full(len(k), gain),
    }
