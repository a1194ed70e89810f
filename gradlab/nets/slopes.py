"""Where the loss touches the network: its value, dL/do, and what BPTT starts from."""

from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError, one_of
from gradlab.nets.chains import Touch, flipped, widened
from gradlab.nets.exponents import (
    LOWEST,
    are_safe,
    before_product,
    is_safe,
    normal_rows,
    outer,
    plain,
)
from gradlab.nets.losses import loss_of, scaled_loss_of


class Loss(NamedTuple):
    """The targets y of a whole batch, the loss and its readout by name, and where it is taken."""

    y: np.ndarray
    name: str
    readout: str | None
    at: str

    @classmethod
    def of(cls, batch, y, name, readout, at):
        """Check the targets against a batch. Raises UserError, one line, for what does not fit."""
        one_of("at", at, SLOPES)
        outputs = len(batch.net.weights["c"])
        shape = batch.x.shape[:2] if at == "every" else batch.x.shape[1:2]
        if name == "cross_entropy":
            y = _classes(batch, y, shape, outputs)
        else:
            y = _values(given.floats("y", y), (*shape, outputs), name)
            y = given.ready(y, batch.x.dtype)
        return cls(y, name, readout, at)

    def slope(self, outputs, y):
        """L_t (...) and dL_t/do (..., O)."""
        return loss_of(outputs, y, self.name, self.readout)


class Level(NamedTuple):
    """What the loss of some lanes comes to: value * 2^level; dL/do as slope (..., O).

    exponent (...): a row is slope * 2^exponent; None where all of them are 0.
    """

    value: float
    level: int
    slope: np.ndarray
    exponent: np.ndarray | None


def measured(loss, outputs, y, within=None):
    """The `Level` of outputs (..., O), of those steps that are `within` (...) their lanes."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        value, slope = loss.slope(outputs, y)
        if within is not None:
            value, slope = np.where(within, value, 0), np.where(within[..., None], slope, 0)
        total = value.sum()
        if is_safe(total) and are_safe(slope):
            return Level(total, 0, slope, None)
        return _scaled(loss, outputs, y, within)


def _scaled(loss, outputs, y, within):
    (value, of_value), (slope, exponent) = scaled_loss_of(outputs, y, loss.name, loss.readout)
    if within is not None:
        value, slope = np.where(within, value, 0), np.where(within[..., None], slope, 0)
    value, own = normal_rows(value[..., None])
    own = (own + of_value)[..., None]
    level = int(own[value != 0].max(initial=LOWEST))
    total = plain(value, np.where(value != 0, own - level, 0)).sum()
    return Level(total, level if total else 0, slope, exponent)


def product_sums(slope, exponent, hidden):
    """{"V": (array, exponent), "c": ...} of rows slope (R, O) 2^exponent and states (R, N)."""
    if exponent is None:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            V, c = slope.T @ hidden, np.einsum("ro->o", slope)
        if is_safe(V) and is_safe(c):
            return {"V": (V, 0), "c": (c, 0)}
        exponent = np.zeros(len(slope), np.int64)
    c, level = outer(slope, exponent, np.ones((len(slope), 1), slope.dtype))
    return {"V": outer(slope, exponent, hidden), "c": (c[:, 0], level)}


def through_readout(slope, exponent, V):
    """(slope (..., O), exponent (...) or None, V) of the same product, out of which none leaves."""
    if exponent is None:
        if is_safe(V) or not V.any():
            return slope, None, V
        exponent = np.zeros(slope.shape[:-1], np.int64)
    return before_product(slope, exponent, V)


class LastStep:
    """The loss of each lane's own last output; L is the mean over the batch's lanes."""

    def __init__(self, run, loss, group, lanes):
        self._run, self._h = run, run.last
        found = measured(loss, run.net.readout(self._h), loss.y[group])
        self.value, self.level = found.value / lanes, found.level
        self._slope, self._exponent = found.slope / run.x.dtype.type(lanes), found.exponent

    def touch(self, chain):
        """What reaches a chain of the top layer; its last output is a reverse one's first."""
        state, V = chain.passed.trace.state, _columns(self._run, chain)
        rows, exponent, V = through_readout(self._slope, self._exponent, V)
        if not chain.place.reverse:
            head = widened(rows @ V, state.shape[2])
            return Touch(head if exponent is None else (head, exponent), last=True)
        slope = np.zeros((*self._run.x.shape[:2], len(V)), V.dtype)
        slope[0] = rows
        if exponent is not None:
            exponent = np.concatenate([exponent[None], np.zeros((len(slope) - 1, len(rows)), int)])
        readout = widened(V, state.shape[2])
        return Touch(np.zeros_like(state[0]), slope, readout, exponent, last=True)

    def readout_gradients(self):
        """{name: (array, exponent)} of dL/dV and dL/dc, unless they are the cell's."""
        if self._run.net.reads_out:
            return {}
        return product_sums(self._slope, self._exponent, self._h)

    def outputs(self):
        """dL/do, (T, B_g, O); 0 or inf where the dtype ends."""
        run = self._run
        whole = np.zeros((*run.x.shape[:2], self._slope.shape[1]), run.x.dtype)
        whole[run.lengths - 1, np.arange(len(run.lengths))] = _plain(self._slope, self._exponent)
        return whole


class EveryStep:
    """The sum over steps of the losses of all outputs; L is the mean over the batch's lanes."""

    def __init__(self, run, loss, group, lanes):
        self._run = run
        y, steps, within = loss.y[:, group], len(run.x), None
        if run.lengths.min() < steps:
            within = np.arange(steps)[:, None] < run.lengths
            y = np.where(within.reshape(within.shape + (1,) * (y.ndim - 2)), y, y.dtype.type(0))
        found = measured(loss, run.net.readout(run.hidden[1:]), y, within)
        self.value, self.level = found.value / lanes, found.level
        self._slope, self._exponent = found.slope / run.x.dtype.type(lanes), found.exponent

    def touch(self, chain):
        """What reaches a chain of the top layer."""
        state = chain.passed.trace.state
        parts = through_readout(self._slope, self._exponent, _columns(self._run, chain))
        slope, exponent, V = parts
        if chain.place.reverse:
            slope = flipped(slope, chain.lengths)
            exponent = None if exponent is None else flipped(exponent, chain.lengths)
        return Touch(np.zeros_like(state[0]), slope, widened(V, state.shape[2]), exponent)

    def readout_gradients(self):
        """{name: (array, exponent)} of dL/dV and dL/dc, unless they are the cell's."""
        if self._run.net.reads_out:
            return {}
        slope = self._slope.reshape(-1, self._slope.shape[2])
        exponent = None if self._exponent is None else self._exponent.reshape(-1)
        return product_sums(slope, exponent, self._run.hidden[1:].reshape(len(slope), -1))

    def outputs(self):
        """dL/do, (T, B_g, O); 0 or inf where the dtype ends."""
        return _plain(self._slope, self._exponent)


def _plain(slope, exponent):
    return slope if exponent is None else plain(slope, exponent[..., None])


SLOPES = {"every": EveryStep, "last": LastStep}


def _columns(run, chain):
    """do/dh of a chain of the top layer: forward's columns come first."""
    V = run.net.readout_matrix
    size = V.shape[1] // len(run.top)
    return V[:, size * chain.place.reverse : size * (1 + chain.place.reverse)]


def _values(y, shape, name):
    if y.shape != shape:
        raise UserError(f"y must have shape {shape} for loss={name!r}, not {y.shape}")
    return y


def _classes(batch, y, shape, outputs):
    y = _values(given.real("y", y), shape, "cross_entropy")
    if not np.issubdtype(y.dtype, np.integer):
        raise UserError(f"y must hold class numbers for cross_entropy, not {y.dtype}")
    return batch.classes("y", y, outputs)
