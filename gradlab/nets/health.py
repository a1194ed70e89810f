"""What became of a computation: states that a table tells apart, none of them an exception."""

import numpy as np

OK, ZERO, OVERFLOW, NAN = "ok", "zero", "overflow", "nan"
NOT_CONNECTED, UNDERFLOW = "not_connected", "underflow"


def first_bad_step(state, x, lengths):
    """Per lane of state (T+1, R, S): the first step t >= 1 that is not finite, 0 if all are.

    Also whether it is `overflow` (inf, or nan made by finite numbers) or `nan` (handed in by x).
    x (T, R or 1, D); lengths (R,).
    """
    bad = ~np.isfinite(state).all(-1) & (np.arange(len(state))[:, None] <= lengths)
    steps = np.where(bad.any(0), bad.argmax(0), 0)
    given = np.isfinite(x).all(-1)[np.maximum(steps - 1, 0), np.arange(len(steps)) % x.shape[1]]
    return steps, np.where(given, OVERFLOW, NAN)


def reach(slope, log2, dtype=np.float64):
    """Per lane, what a gradient of size zero at the start would mean; none of the four is another.

    not_connected   the loss has a slope, and no state at any step feels it: there is no path, as
                    with V = 0, or with states that are a copy of those that the loss is made of
    zero            some state feels it, the first one does not, exactly: a dead ReLU, radius 0, a
                    teacher's output; or the loss itself has no slope
    underflow       the first state feels it, but below what `dtype` can hold: plain code shows 0
    ok              none of these

    slope (T, B, O): dL/do; log2 (T+1, B): log2 ||dL/d(state)||, -inf for an exact zero.
    """
    felt = ~np.isneginf(log2)
    detached = slope.any((0, 2)) & ~felt.any(0)
    info = np.finfo(dtype)
    lost = log2[0] < info.minexp - info.nmant - 1  # half of the smallest subnormal rounds to 0
    found = np.where(~felt[0], ZERO, np.where(lost, UNDERFLOW, OK))
    return np.where(detached, NOT_CONNECTED, found)


def status_of(steps, kinds, vanished, detached=False):
    """ok, zero (the gradient that reaches h_0 is exactly zero), overflow or nan, per lane.

    not_connected where it is `detached`, see `reach`.
    """
    found = np.where(detached, NOT_CONNECTED, np.where(vanished, ZERO, OK))
    return np.where(steps > 0, kinds, found)
