"""Pascanu, Mikolov and Bengio's settings in their three versions, and their three starts.

    icml2013   the paper in the proceedings of ICML 2013
    arxiv_v2   the second version on arXiv (1211.5063)
    code       the authors' program
Each has plain SGD, 50 units, minibatches of 20, and at most 5 million updates. All take Omega in
the code's normalisation: the papers print the plain sum over steps.
"""

import numpy as np

from gradlab.errors import one_of
from gradlab.learning.plan import Plan
from gradlab.nets import draws
from gradlab.nets.network import Network

HIDDEN, BATCH, UPDATES = 50, 20, 5_000_000
NONZEROS, RADIUS = draws.SPARSE_NONZEROS, 0.95  # of smart_tanh
VERSIONS = {
    "icml2013": {"learning_rate": 0.01, "clip_threshold": 1.0, "omega": 4.0},
    "arxiv_v2": {"learning_rate": 0.001, "clip_threshold": 6.0, "omega": 2.0},
    "code": {"learning_rate": 0.01, "clip_threshold": 1.0, "omega": 2.0},
}
STARTS = {"sigmoid": ("sigmoid", 0.01), "basic_tanh": ("tanh", 0.1), "smart_tanh": ("tanh", 0.01)}


def plan(version, task, sequence_length, **changes):
    """A version's plan for a task; changes: fields of Plan in their place, such as updates.

    Success is judged as in the code: 10,000 fresh sequences every 2,000 updates (as its log has
    it), below 1 % wrong as in the papers (the code stops at 0). Raises UserError for an unknown
    version.
    """
    one_of("version", version, VERSIONS)
    style = "pascanu" if version == "code" else "norm"
    settings = VERSIONS[version] | {
        "updates": UPDATES, "batch": BATCH, "clip_style": style, "log_every": 2000,
        "evaluate_every": 2000, "evaluation_size": 10_000, "stop_below": 0.01,
    }  # fmt: skip
    return Plan(task, sequence_length, **(settings | changes))


def start(name, version, sizes, seed=0):
    """A network as it starts: sizes = (inputs, hidden, outputs); biases 0.

    sigmoid: all weights ~ N(0, .01^2); basic_tanh: ~ N(0, .1^2); smart_tanh: ~ N(0, .01^2), W with
    15 nonzeros a unit, rescaled to radius .95: incoming (a row of W) for the papers, outgoing (a
    column) for the code. Raises UserError for unknown names.
    """
    one_of("start", name, STARTS)
    one_of("version", version, VERSIONS)
    activation, deviation = STARTS[name]
    inputs, hidden, outputs = sizes
    stream = draws.stream(seed=seed, start=name, hidden_size=hidden)
    shapes = {"U": (hidden, inputs), "W": (hidden, hidden), "V": (outputs, hidden)}
    weights = {k: deviation * stream.standard_normal(shape) for k, shape in shapes.items()}
    if name == "smart_tanh":
        weights["W"] = _sparse(stream, weights["W"], rows=version != "code")
    weights |= {"b": np.zeros(hidden), "c": np.zeros(outputs)}
    return Network(weights, activation=activation)


def _sparse(stream, W, rows):
    kept = stream.random(W.shape).argsort(axis=1).argsort(axis=1) < NONZEROS  # a row's
    return draws.rescaled(W * (kept if rows else kept.T), RADIUS, "smart_tanh")
