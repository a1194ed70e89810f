"""Power iteration h <- W h/||W h|| of 2 x 2 matrices: where it ends, and how fast.

slide            the lectures' W;  negative: -W
hidden           the same W from its other eigenvector, computed to rounding
hidden exactly   diag of its eigenvalues, from (0, 1)
complex pair     a rotation by TURN
random           another gaussian W at each start
"""

import numpy as np

from gradlab.nets import draws

SLIDE = [[-1.15011703, -0.45383375], [-3.68550987, 2.13596934]]
VALUES = [2.58390671, -1.5980544]  # its eigenvalues
TURN = 1.0  # radians a step of the complex pair
COLUMNS = {
    "matrix": "which W: gradlab/measures/power_iteration.py",
    "start": "number of the start h_0; of the draw where W is random",
    "step": "t: how often W has been applied",
    "first": "first component of the unit vector h_t",
    "second": "second component of h_t",
    "growth": "||W h_{t-1}||, which tends to |lambda_0|",
    "overlap": "h_t . h_{t-1}: 1 where it has settled, -1 where it flips, else it turns",
    "log10_angle": "log10 of the sine of the angle to w_0 (its line), nan for a complex pair",
    "trace": "trace of W",
    "determinant": "determinant of W",
}


def measure(block):
    """h_t = W h_{t-1}/||W h_{t-1}|| of 2 x 2 matrices, plain iteration, a row a start and step."""
    wanted = set(block.points["step"].tolist())
    starts, lane = np.unique(block.points["start"], return_inverse=True)
    W, h = systems(block.points["matrix"][0], starts)
    kept, growth, overlap = {}, np.full(len(h), np.nan), np.full(len(h), np.nan)
    for step in range(max(wanted) + 1):
        if step:
            before, h = h, W[:, :, 0] * h[:, :1] + W[:, :, 1] * h[:, 1:]
            growth = np.hypot(h[:, 0], h[:, 1])
            h = h / growth[:, None]
            overlap = (h * before).sum(axis=1)
        if step in wanted:
            kept[step] = np.column_stack([h, growth, overlap])
    found = np.array([kept[s][i] for s, i in zip(block.points["step"], lane, strict=True)])
    columns = dict(zip(("first", "second", "growth", "overlap"), found.T, strict=True))
    w = dominant_vectors(W)[lane]
    with np.errstate(divide="ignore"):
        columns["log10_angle"] = np.log10(np.abs(found[:, 0] * w[:, 1] - found[:, 1] * w[:, 0]))
    columns["trace"], columns["determinant"] = (
        W.trace(axis1=1, axis2=2)[lane],
        np.linalg.det(W)[lane],
    )
    return columns


def systems(kind, starts):
    """W (S, 2, 2) and unit h_0 (S, 2) for each start; the starts are spread over the circle."""
    angle = starts * np.pi * (3 - np.sqrt(5))  # the golden angle spreads any number evenly
    h = np.column_stack([np.cos(angle), np.sin(angle)])
    if kind == "random":
        streams = [
            draws.stream(seed=int(start), init="gaussian", hidden_size=2) for start in starts
        ]
        return np.array([draws.recurrent(stream, 2) for stream in streams]), h
    slide = np.array(SLIDE)
    if kind == "hidden":
        values, vectors = np.linalg.eig(slide)
        smallest = vectors[:, np.abs(values).argmin()].real  # complex from NumPy 2.5 on
        h = np.tile(smallest, (len(starts), 1))
    if kind == "hidden exactly":
        h = np.tile([0.0, 1.0], (len(starts), 1))
    fixed = {
        "slide": slide,
        "negative": -slide,
        "complex pair": [[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]],
        "hidden": slide,
        "hidden exactly": np.diag(VALUES),
    }
    return np.tile(fixed[kind], (len(starts), 1, 1)), h


def dominant_vectors(W):
    """(S, 2): the unit eigenvector of the largest |lambda| of each W, nan where it is complex."""
    values, vectors = np.linalg.eig(W)
    every, first = np.arange(len(W)), np.abs(values).argmax(axis=1)
    real = values[every, first].imag == 0
    return np.where(real[:, None], vectors[every, :, first].real, np.nan)
