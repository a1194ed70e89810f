"""What became of a computation: states that a table tells apart, none of them an exception."""

import numpy as np

OK, ZERO, OVERFLOW, NAN = "ok", "zero", "overflow", "nan"
NOT_CONNECTED, UNDERFLOW = "not_connected", "underflow"


def first_bad_step(state, x, lengths):
    """Per lane of state (T+1, R, S): the first step t >= 1 at which x or state is not finite, or 0.

    Also whether it is `nan` (x or state[0] was handed in as it is) or `overflow` (finite numbers
    made it). x (T, R or 1, D); lengths (R,).
    """
    start = ~np.isfinite(state[0]).all(-1)
    given, made = first(not_finite(x), lengths), first(not_finite(state[1:]), lengths)
    return judged(given, start, [made])


def judged(given, start, made):
    """(steps, kinds) per lane: the first step that is not finite, 0 if all are, and why.

    given (B,): the first step whose input or target is not finite, 0 if all are; start (B,):
    whether the initial state or a weight is not; made: as `given`, of what was computed: of the
    states, and what counts only where all before it are finite.
    """
    both = (given > 0) & (made[0] > 0)
    steps = np.where(both, np.minimum(given, made[0]), np.maximum(given, made[0]))
    for own in (*made[1:], start.astype(np.int64)):
        steps = np.where(steps == 0, own, steps)
    return steps, np.where((given > 0) | start, NAN, OVERFLOW)


def not_finite(values):
    """(T, B): where values (T, B, K) hold nan or inf."""
    return ~np.isfinite(values).all(-1)


def first(bad, lengths):
    """(B,): the first step t within a lane's own length of bad (T, B or 1), 0 if there is none."""
    within = bad & (np.arange(len(bad))[:, None] < lengths)
    return np.where(within.any(0), within.argmax(0) + 1, 0)


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
