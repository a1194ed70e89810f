"""What became of a computation: states that a table tells apart, none of them an exception."""

import numpy as np

OK, ZERO, OVERFLOW, NAN = "ok", "zero", "overflow", "nan"


def first_bad_step(state, x, lengths):
    """Per lane of state (T+1, R, S): the first step t >= 1 that is not finite, 0 if all are.

    Also whether it is `overflow` (inf, or nan made by finite numbers) or `nan` (handed in by x).
    x (T, R or 1, D); lengths (R,).
    """
    bad = ~np.isfinite(state).all(-1) & (np.arange(len(state))[:, None] <= lengths)
    steps = np.where(bad.any(0), bad.argmax(0), 0)
    given = np.isfinite(x).all(-1)[np.maximum(steps - 1, 0), np.arange(len(steps)) % x.shape[1]]
    return steps, np.where(given, OVERFLOW, NAN)


def status_of(steps, kinds, vanished):
    """ok, zero (the gradient that reaches h_0 is exactly zero), overflow or nan, per lane."""
    return np.where(steps > 0, kinds, np.where(vanished, ZERO, OK))
