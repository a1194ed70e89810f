"""W applied again and again: W^t h_0, and the eigenvalues' account of it, V Lambda^t V^-1 h_0.

W is one of N units (symmetric, gaussian) or one of three that fit on a slide, r the radius:

    complex pair   r times a rotation by ANGLE          defective    [[r, coupling], [0, r]]
    triangular     [[r, coupling], [0, r/2]]
"""

import math

import numpy as np

from gradlab.errors import UserError
from gradlab.nets import draws
from gradlab.nets.network import Network

ANGLE = math.pi / 10  # by which the complex pair turns in a step
COLUMNS = {
    "matrix": "which W: gradlab/measures/linear_powers.py",
    "coupling": "upper right entry of a defective or triangular W",
    "step": "t: how often W has been applied",
    "log10_norm": "log10 of ||h_t||, ||h_0|| = 1 (decades)",
    "first": "first component of h_t",
    "second": "second component of h_t",
    "log10_operator": "log10 of the largest singular value of W^t, the most that any h_0 gains",
    "log10_sum": "log10 of ||V Lambda^t V^-1 h_0|| (decades)",
    "log10_dominant": "the same of the term with |lambda| = |lambda_0|, all of a pair (decades)",
    "eigen_error": "||h_t - V Lambda^t V^-1 h_0|| / ||h_t||",
    "dominant_error": "the same with the dominant term alone",
    "condition": "of V: 1 for orthogonal eigenvectors",
}


def measure(block):
    """h_t = W^t h_0 as gradlab's linear cell runs it, and V Lambda^t V^-1 h_0, a row a step."""
    W, h0 = system(block)
    size, steps = len(W), max(1, block.points["step"].max())
    net = Network({"W": W, "U": np.zeros((size, 1)), "b": np.zeros(size), "V": np.eye(size),
                   "c": np.zeros(size)}, activation="identity")  # fmt: skip
    lanes = np.vstack([h0, np.eye(size)])  # lane 1 + i gives column i of W^t
    states = net.forward(np.zeros((steps, len(lanes), 1)), h0=lanes).states
    h, powers = states[:, 0], states[:, 1:]
    whole, dominant, condition = eigen_sum(W, h0, steps)
    norm = np.linalg.norm(h, axis=1)
    with np.errstate(divide="ignore"):
        columns = {
            "log10_norm": np.log10(norm),
            "log10_sum": np.log10(np.linalg.norm(whole, axis=1)),
            "log10_operator": np.log10(np.linalg.norm(powers, 2, axis=(1, 2))),
            "log10_dominant": np.log10(np.linalg.norm(dominant, axis=1)),
        }
    columns |= {
        "first": h[:, 0],
        "second": h[:, 1],
        "eigen_error": np.linalg.norm(h - whole, axis=1) / norm,
        "dominant_error": np.linalg.norm(h - dominant, axis=1) / norm,
        "condition": np.full(len(h), condition),
    }
    return {name: column[block.points["step"]] for name, column in columns.items()}


def system(block):
    """W and h_0 of a block: a random W of N units, or one of three that fit on a slide."""
    kind, radius, coupling, seed = (
        block.points[name][0] for name in ("matrix", "spectral_radius", "coupling", "seed")
    )
    turn = radius * np.exp(1j * ANGLE)
    small = {
        "complex pair": ([[turn.real, -turn.imag], [turn.imag, turn.real]], [1.0, 0.0]),
        "defective": ([[radius, coupling], [0.0, radius]], [0.0, 1.0]),
        "triangular": ([[radius, coupling], [0.0, radius / 2]], [0.0, 1.0]),
    }
    if kind in small:
        return tuple(np.array(part) for part in small[kind])
    size = block.constants["hidden_size"]
    if size < 2:
        raise UserError(f"hidden_size={size}: must be at least 2, the columns first and second")
    stream = draws.stream(seed=seed, init=kind, hidden_size=size)
    W = draws.recurrent(stream, size, kind, radius)
    h0 = stream.standard_normal(size)
    return W, h0 / np.linalg.norm(h0)


def eigen_sum(W, h0, steps):
    """V Lambda^t V^-1 h_0 and its dominant term (steps + 1, N); condition of V."""
    values, V = (np.linalg.eigh if np.array_equal(W, W.T) else np.linalg.eig)(W)
    terms = np.linalg.solve(V, h0) * values ** np.arange(steps + 1)[:, None]
    size = np.abs(values)
    first = size > (1 - 1e-9) * size.max()
    whole, dominant = (part @ V.T for part in (terms, terms * first))
    return whole.real, dominant.real, np.linalg.cond(V)
