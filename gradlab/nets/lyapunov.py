"""How the Jacobians of a forward pass stretch: products of them, and Lyapunov exponents.

Perturbations follow Q_t R_t = J_t Q_{t-1}, J_t = dh_t/dh_{t-1} along the states of the pass; the
exponents are the means over t of ln|diag R_t| (Benettin et al. 1980). Unit vectors are the lanes
of a backward pass, so every cell that has one has exponents.
"""

import numpy as np

from gradlab.kernels.arrays import Trace
from gradlab.nets import bptt
from gradlab.nets.exponents import plain

LONGEST = 16  # steps a QR: at N = 64 more would save nothing
EPS = np.finfo(np.float64).eps
ENOUGH = EPS**0.5  # half of the digits: the least |R_jj| / ||product|| that products may show


def lane(run, index):
    """The pass of one lane of a pass, by itself."""
    chosen = slice(index, index + 1)
    state, saved = (np.ascontiguousarray(array[:, chosen]) for array in run.trace)
    return run._replace(gain=run.gain[chosen], trace=Trace(state, saved))


def jacobian(run, start, stop):
    """(product, exponent): dh_stop/dh_start = J_stop ... J_{start+1} = product (S, S) * 2^exponent.

    Raises ValueError for a pass of several lanes, and unless 0 <= start < stop <= T.
    """
    steps, (lanes, size) = len(run.trace.saved), run.trace.state.shape[1:]
    if lanes != 1:
        raise ValueError(f"a Jacobian needs a pass of one lane (see `lane`), not of {lanes}")
    if not 0 <= start < stop <= steps:
        raise ValueError(f"steps {start} to {stop}: must rise within 0 to T = {steps}")
    units = np.eye(size, dtype=run.trace.state.dtype)
    adjoint = bptt.back(run, np.full(size, stop), units, low=start)
    exponent = adjoint.exponent[start]
    level = exponent.max()
    return plain(adjoint.carry, (exponent - level)[:, None]), int(level)


def growth(run, count=None, every=4, at=None, discard=0):
    """(times, logs (len(times), count)): ln of how far orthogonal perturbations have grown.

    From step `discard` to each of `times`, which go up in steps of `every` to T or are those of
    `at`; the perturbations turn into their places from step 0 on. A QR is taken at each time, at
    least every `every` steps, and wherever digits would be lost. -inf and nan as for `exponents`.
    """
    steps = len(run.trace.saved)
    times = np.array([*range(discard + every, steps, every), steps]) if at is None else np.array(at)
    return times, np.cumsum(_increments(run, count, [discard, *times], every)[1:], axis=0)


def exponents(run, count=None, every=None, discard=0):
    """The `count` largest Lyapunov exponents (count,) a step, in natural logarithms.

    Means over the steps after the first `discard`, in which perturbations turn into their places;
    a QR at least every `every` steps (default LONGEST), more often wherever digits would be lost,
    so that all of them add up to the mean ln|det J_t|. float32 passes are followed in float64.
    -inf for directions that are lost, exactly or within the rounding of a singular Jacobian; nan
    for those that the rounding of one Jacobian hides, and after a state that is not finite.
    Raises ValueError unless `discard` is a multiple of `every` (default 1) that leaves a step.
    """
    steps = len(run.trace.saved)
    if discard % (every or 1) or not 0 <= discard < steps:
        raise ValueError(f"discard={discard}: must be a multiple of {every or 1} below T = {steps}")
    _, logs = growth(run, count, every or LONGEST, [steps], discard)
    return logs[-1] / (steps - discard)


def _increments(run, count, edges, longest):
    """(len(edges), count): ln of the growth from each edge to the next, the first from step 0."""
    run = _wide(run)
    Q, start, found = np.eye(run.trace.state.shape[2])[:, :count], 0, []
    stride = longest
    for edge in edges:
        logs = np.zeros(Q.shape[1])
        while start < edge:
            taken = min(stride, edge - start)
            product, exponent = jacobian(run, start, start + taken)
            turned, stretched, clear = _turn(product, Q)
            if clear < ENOUGH and taken > 1:
                stride = taken // 2
                continue
            if clear < ENOUGH:
                stretched = _hidden(product, stretched)
            if clear > ENOUGH**0.5 and taken == stride:
                stride = min(2 * stride, longest)
            logs += stretched + exponent * np.log(2)
            Q, start = turned, start + taken
        found.append(logs)
    return np.array(found)


def _turn(product, Q):
    """(next Q, ln|diag R|, min |R_jj| / ||product||) of product @ Q.

    Rows go from the largest to the smallest: zero rows then leave zeros in R, and small ones keep
    their digits (Cox, Higham 1998). What is below the rounding of its row counts as zero.
    """
    size = np.abs(product).max(axis=1)
    order = np.argsort(-size, kind="stable")
    turned, R = np.linalg.qr((product @ Q)[order])
    back, stretched = np.empty_like(turned), np.abs(np.diag(R))
    back[order] = turned
    rounded = np.minimum(size[order][: len(stretched)], (abs(product) @ abs(Q)).max(axis=0))
    stretched[stretched < len(size) * EPS * rounded] = 0
    with np.errstate(divide="ignore"):
        return back, np.log(stretched), stretched.min() / (size.max() or 1)


def _hidden(product, logs):
    """ln|diag R| of all directions of one Jacobian, nan where they do not make up ln|det|."""
    if len(logs) < len(product) or np.isneginf(logs.min()):
        return logs
    if abs(logs.sum() - np.linalg.slogdet(product)[1]) < ENOUGH**0.5:
        return logs
    return np.where(logs < np.log(ENOUGH * np.abs(product).max()), np.nan, logs)


def _wide(value):
    """The same in float64, tuples in tuples: products and their QR then add no rounding."""
    if isinstance(value, tuple):
        parts = [_wide(one) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return value.astype(np.float64) if floating else value
