"""How the Jacobians of a forward pass stretch: products of them, and Lyapunov exponents.

Perturbations follow Q_t R_t = J_t Q_{t-1}, J_t = dh_t/dh_{t-1} along the states of the pass; the
exponents are the means over t of ln|diag R_t| (Benettin et al. 1980). Unit vectors are the lanes
of a backward pass, so every cell that has one has exponents.
"""

import numpy as np

from gradlab.cells.arrays import Trace
from gradlab.nets import gradients
from gradlab.nets.scaled import plain


def lane(run, index):
    """The pass of one lane of a pass, by itself."""
    chosen = slice(index, index + 1)
    state, saved = (np.ascontiguousarray(array[:, chosen]) for array in run.trace)
    return run._replace(gain=run.gain[chosen], trace=Trace(state, saved))


def jacobian(run, start, stop):
    """(product, exponent): dh_stop/dh_start = J_stop ... J_{start+1} = product (S, S) * 2^exponent.

    Raises ValueError for a pass of several lanes, and unless 0 <= start < stop <= T.
    """
    steps, lanes, size = len(run.trace.saved), *run.trace.state.shape[1:]
    if lanes != 1:
        raise ValueError(f"a Jacobian needs a pass of one lane (see `lane`), not of {lanes}")
    if not 0 <= start < stop <= steps:
        raise ValueError(f"steps {start} to {stop}: must rise within 0 to T = {steps}")
    units = np.eye(size, dtype=run.trace.state.dtype)
    for _, adjoint in gradients.backward(run, [(start, stop, size)], units):
        exponent = adjoint.exponent[start]
        level = exponent.max()
        return plain(adjoint.carry, (exponent - level)[:, None]), int(level)


def growth(run, count=None, every=4):
    """(times, logs (len(times), count)): ln of how far orthogonal perturbations of h_0 have grown.

    Times go up in steps of `every` to T. `every` Jacobians are multiplied before a QR: exponents
    that lie far below the largest lose some exp(every * gap) of their digits. -inf for directions
    that are lost exactly, nan after a state that is not finite.
    """
    steps = len(run.trace.saved)
    Q = np.eye(run.trace.state.shape[2])[:, :count]
    times, logs = [*range(every, steps, every), steps], []
    for start, stop in zip([0, *times], times, strict=False):
        product, exponent = jacobian(run, start, stop)
        Q, R = np.linalg.qr(product @ Q)
        with np.errstate(divide="ignore"):
            logs.append(np.log(np.abs(np.diag(R))) + exponent * np.log(2))
    return np.array(times), np.cumsum(logs, axis=0)


def exponents(run, count=None, every=4, discard=0):
    """The `count` largest Lyapunov exponents (count,) a step, in natural logarithms.

    Means over the steps after the first `discard`, in which perturbations turn into their places.
    Raises ValueError unless `discard` is a multiple of `every` that leaves a step.
    """
    times, logs = growth(run, count, every)
    if discard == 0:
        return logs[-1] / times[-1]
    if discard not in times[:-1]:
        raise ValueError(f"discard={discard}: must be a multiple of {every} below T = {times[-1]}")
    return (logs[-1] - logs[discard // every - 1]) / (times[-1] - discard)
