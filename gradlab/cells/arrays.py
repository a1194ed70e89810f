"""What a cell's two loops fill. Time first, lanes second; the same for every cell."""

from typing import NamedTuple

import numpy as np


class Trace(NamedTuple):
    """state (T + 1, R, S), state[0] the initial one; saved (T, R, K): what backward wants too."""

    state: np.ndarray
    saved: np.ndarray


class Adjoint(NamedTuple):
    """The gradient on its way back; the value of a row is row * 2^exponent.

    delta (rows, G): gradient at the pre-activation, row (t - start - 1) * lanes + lane
    carry (L, S): dL/d(state) at the edge of the slice, without its direct part
    norm2, exponent (T + 1, L): sum of squares of dL/d(state) at each step, and its exponent
    states (T + 1, L, S): dL/d(state) at each step, kept if it is not empty
    """

    delta: np.ndarray
    carry: np.ndarray
    norm2: np.ndarray
    exponent: np.ndarray
    states: np.ndarray


class Direct(NamedTuple):
    """What every step's own loss adds to dL/d(state): slope @ readout.

    slope (rows, O): dL_t/do_t of the states of a slice, in the rows of its delta; none if empty;
    readout (O, S): do/d(state).
    """

    slope: np.ndarray
    readout: np.ndarray
