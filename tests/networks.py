"""Random networks and batches for the tests, and Hypothesis strategies that size them."""

import numpy as np
from hypothesis import strategies as st

from gradlab.nets import registry
from gradlab.nets.network import Network

CELLS = registry.names()
LOSSES = ("squared_error", "cross_entropy", "binary_cross_entropy")
ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")

sizes = st.fixed_dictionaries(
    {
        "steps": st.integers(1, 12),
        "lanes": st.integers(1, 5),
        "hidden": st.integers(1, 9),
        "inputs": st.integers(1, 4),
        "outputs": st.integers(1, 4),
        "seed": st.integers(0, 10_000),
    }
)


def activations(cell):
    """The activations that a cell can have."""
    return list(registry.find(cell).activations)


def network(size, activation="tanh", radius=0.9, **options):
    """A network with biases, so that none of its gradients is zero by construction."""
    net = Network.draw(
        inputs=size["inputs"], hidden=size["hidden"], outputs=size["outputs"],
        activation=activation, spectral_radius=radius, seed=size["seed"], **options,
    )  # fmt: skip
    rng = np.random.default_rng(size["seed"])
    for array in net.weights.values():
        if array.ndim == 1:
            array += 0.3 * rng.standard_normal(array.shape)
    return net


def start(net, size):
    """(B, S): states that a network may start from; `as_h0` makes h0 of them."""
    rng = np.random.default_rng(size["seed"] + 3)
    return 0.5 * rng.standard_normal((size["lanes"], net.module.state_size(net.prepared())))


def as_h0(net, states):
    """States (..., S) as h0: an array, or a tuple of the state's parts."""
    parts = tuple(np.split(states, len(net.state_parts), axis=-1))
    return parts[0] if len(parts) == 1 else parts


def batch(size, loss="squared_error", at="every"):
    """x (T, B, D), targets, h0 (B, N), lengths (B,)."""
    rng = np.random.default_rng(size["seed"] + 1)
    steps, lanes, outputs = size["steps"], size["lanes"], size["outputs"]
    shape = (steps, lanes) if at == "every" else (lanes,)
    if loss == "cross_entropy":
        y = rng.integers(0, outputs, shape)
    else:
        y = rng.random((*shape, outputs))
    x = rng.standard_normal((steps, lanes, size["inputs"]))
    h0 = 0.5 * rng.standard_normal((lanes, size["hidden"]))
    return x, y, h0, rng.integers(1, steps + 1, lanes)


def targets_of(lane, y, length, at):
    """{t: y_t} of one lane, as tests/reference.py takes them."""
    if at == "last":
        return {length: y[lane]}
    return {t: y[t - 1, lane] for t in range(1, length + 1)}
