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
    norm2 (T + 1, P, L): sum of squares of each of the P parts of dL/d(state) at each step
    exponent (T + 1, L): the exponent of a step's row
    states (T + 1, L, S): dL/d(state) at each step, kept if it is not empty
    """

    delta: np.ndarray
    carry: np.ndarray
    norm2: np.ndarray
    exponent: np.ndarray
    states: np.ndarray


class Source(NamedTuple):
    """What delta is multiplied with in the gradient of one weight: dL/dw = sum of delta values^T.

    values (T or more, R or 1, K), row t for the step t + 1; columns: first and last + 1 of those K
    that the weight sees; units: first and last + 1 of delta's columns, the weight's rows.
    """

    values: np.ndarray
    columns: tuple
    units: tuple


class Head(NamedTuple):
    """What the way back starts from and what joins it, by the loss or the layer above.

    last (L, S), level (L,): last * 2^level is dL/d(state) at each lane's own last step.
    slope (T, L, O), exponent (T, L), readout (O, S): each step adds slope * 2^exponent @ readout;
    nothing if slope is empty; all exponents are 0 if they are empty.
    """

    last: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    exponent: np.ndarray
    readout: np.ndarray


class Direct(NamedTuple):
    """What every step's own loss, or the layer above, adds to dL/d(state): slope @ readout.

    slope (rows, O): dL_t/do_t of the states of a slice, in the rows of its delta; none if empty;
    readout (O, S): do/d(state), or without rows: slope (rows, S) is then dL/d(state) itself;
    exponent (rows,): a row is slope * 2^exponent; all 0 if empty.
    """

    slope: np.ndarray
    readout: np.ndarray
    exponent: np.ndarray = np.zeros(0, np.int64)


class Sums(NamedTuple):
    """Where the products of delta and sources are added up: the gradients of K weights.

    Of A entries. Weights that see delta through the same units stand side by side in one of joined
    (A, units, all columns); place (K, 2): which one, and from which column on. exponents K (A,): a
    sum is what stands there * 2^exponent. touched (A,): whether anything not zero was added.
    """

    sources: tuple
    place: np.ndarray
    joined: tuple
    exponents: tuple
    touched: np.ndarray
