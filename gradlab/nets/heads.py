"""Where the loss touches the network: its value, dL/do, and what BPTT starts from."""

from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError, one_of
from gradlab.kernels import passes
from gradlab.kernels.arrays import Adjoint, Head, Trace
from gradlab.kernels.losses import IGNORED
from gradlab.nets import bptt
from gradlab.nets.chains import flipped, widened
from gradlab.nets.exponents import (
    LOWEST,
    are_safe,
    before_product,
    is_safe,
    normal_rows,
    outer,
    plain,
)
from gradlab.nets.losses import as_rows, codes, loss_of, scaled_loss_of

AT = ("every", "last")
MEANS = ("lanes", "steps")


class Loss(NamedTuple):
    """The targets y of a whole batch, the loss and its readout by name, and where it is taken.

    over: what the sum of all L_t is divided by: lanes, or the steps that have a loss.
    """

    y: np.ndarray
    name: str
    readout: str | None
    at: str
    over: int

    @classmethod
    def of(cls, batch, y, name, readout, at, mean="lanes"):
        """Check the targets against a batch. Raises UserError, one line, for what does not fit."""
        one_of("at", at, AT)
        one_of("mean", mean, MEANS)
        outputs = len(batch.net.weights["c"])
        shape = batch.x.shape[:2] if at == "every" else batch.x.shape[1:2]
        if name == "cross_entropy":
            y = _classes(batch, y, shape, outputs)
        else:
            y = _values(given.floats("y", y), (*shape, outputs), name)
            y = given.ready(y, batch.x.dtype)
        over = len(batch.lengths)
        if mean == "steps":
            over = max(int(scored(y, name, at, len(batch.x), batch.lengths).sum()), 1)
        return cls(y, name, readout, at, over)

    def slope(self, outputs, y):
        """L_t (...) and dL_t/do (..., O)."""
        return loss_of(outputs, y, self.name, self.readout)


def scored(y, name, at, steps, lengths):
    """Where a loss is taken, (T, B) or (B,): within a lane's length, and not IGNORED."""
    within = np.arange(steps)[:, None] < lengths if at == "every" else np.ones(len(lengths), bool)
    return within & (y != IGNORED) if name == "cross_entropy" else within


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


class Slope(NamedTuple):
    """What the loss of a group's lanes comes to, and dL/do; L is the sum divided by `Loss.over`.

    value * 2^level: this group's part of L. slope (T, B_g, O), or (B_g, O) of each lane's own last
    output, with exponent (...), None where all are 0: dL/do. sums: {name: (array, exponent)} of
    dL/dV and dL/dc, none if they are the cell's.
    """

    run: object
    value: float
    level: int
    slope: np.ndarray
    exponent: np.ndarray | None
    sums: dict

    @classmethod
    def of(cls, run, loss, group):
        """Of a group that has run forward: in one compiled call, with care where that is needed."""
        trace = Trace(run.states(run.net.layers - 1), np.zeros((0, 0, 0), run.x.dtype))
        arguments = target_of(run, loss, group)
        total, safe = passes.loss_head(trace, arguments)
        if safe:
            return cls.safe(run, loss.at, total, arguments[2])
        return cls.careful(run, loss, group)

    @classmethod
    def safe(cls, run, at, total, found):
        """From what `passes.loss_head` left."""
        V, c, slope = found
        shape = slope.shape if at == "last" else (*run.x.shape[:2], -1)
        sums = {"V": (V, 0), "c": (c, 0)} if V.size else {}
        return cls(run, float(total), 0, slope.reshape(shape), None, sums)

    @classmethod
    def careful(cls, run, loss, group):
        """With exponents where dL/do or a sum leaves the range."""
        last = loss.at == "last"
        y, hidden = (loss.y[group], run.last) if last else (loss.y[:, group], run.hidden[1:])
        within = scored(y, loss.name, loss.at, len(run.x), run.lengths)
        y = np.where(
            within.reshape(within.shape + (1,) * (y.ndim - within.ndim)), y, y.dtype.type(0)
        )
        found = measured(loss, run.net.readout(hidden), y, within)
        slope, exponent = found.slope / run.x.dtype.type(loss.over), found.exponent
        rows = slope.reshape(-1, slope.shape[-1])
        flat = None if exponent is None else exponent.reshape(-1)
        sums = {}
        if not run.net.reads_out:
            sums = product_sums(rows, flat, hidden.reshape(len(rows), -1))
        return cls(run, found.value / loss.over, found.level, slope, exponent, sums)

    @property
    def at(self):
        """Where the loss is taken, "every" or "last"."""
        return "every" if self.slope.ndim == 3 else "last"

    def head(self, chain):
        """What reaches a chain of the top layer; its last output is a reverse one's first."""
        size, V = chain.passed.trace.state.shape[2], _columns(self.run, chain)
        rows, exponent, V = through_readout(self.slope, self.exponent, V)
        readout = widened(V, size)
        if self.at == "last" and not chain.place.reverse:
            last = widened(rows @ V, size)
            return bptt.head_of(last if exponent is None else (last, exponent))
        if self.at == "last":
            slope = np.zeros((*self.run.x.shape[:2], len(V)), V.dtype)
            slope[0] = rows
            if exponent is not None:
                level, exponent = exponent, np.zeros(slope.shape[:2], np.int64)
                exponent[0] = level
        else:
            slope = flipped(rows, chain.lengths) if chain.place.reverse else rows
            if exponent is not None and chain.place.reverse:
                exponent = flipped(exponent, chain.lengths)
        last = np.zeros((len(chain.lengths), size), V.dtype)
        return bptt.head_of(last, np.ascontiguousarray(slope), readout, exponent)

    def outputs(self):
        """dL/do, (T, B_g, O); 0 or inf where the dtype ends."""
        run = self.run
        found = self.slope if self.exponent is None else plain(self.slope, self.exponent[..., None])
        if self.at == "every":
            return found
        whole = np.zeros((*run.x.shape[:2], found.shape[1]), run.x.dtype)
        whole[run.lengths - 1, np.arange(len(run.lengths))] = found
        return whole


def target_of(run, loss, group):
    """The argument `loss` of `passes.loss_head`, with room for what it finds."""
    net, dtype, last = run.net, run.x.dtype, loss.at == "last"
    V, c = net.weights["V"], net.weights["c"]
    if net.reads_out:
        V = np.zeros((0, 0), dtype)
    own = np.ascontiguousarray(loss.y[group] if last else loss.y[:, group])
    count = len(run.lengths) * (1 if last else len(run.x))
    found = np.empty(V.shape, dtype), np.empty(len(c), dtype), np.empty((count, len(c)), dtype)
    y, classes = as_rows(loss.name, own, found[2])
    target = (codes(loss.name, loss.readout), y, classes, run.lengths, loss.over, last)
    return target, (np.ascontiguousarray(V), np.ascontiguousarray(c)), found


class Ready(NamedTuple):
    """What `passes.there_and_back` takes and fills, for one chain that has not run."""

    spans: tuple  # those of the way forward, those of the way back, cuts
    loss: tuple  # the argument of `passes.loss_head`
    head: Head
    adjoint: Adjoint

    @classmethod
    def of(cls, run, loss, group, sums):
        """For a group of lanes, and the `bptt.Sums` that it is to give."""
        (chain,), own = run.chains, target_of(run, loss, group)
        spans, cuts = bptt.spans_back(chain.lengths, sums)
        head = _room_for(chain, run.net, own[2][2], loss.at)
        adjoint = bptt.adjoint_of(chain.passed, spans, head.last, False)
        return cls((bptt.spans_forward(chain.lengths), spans, cuts), own, head, adjoint)


def _room_for(chain, net, slope, at):
    """The Head: its slope is dL/do if each step has a loss."""
    state = chain.passed.trace.state
    V = np.eye(slope.shape[1], dtype=slope.dtype) if net.reads_out else net.weights["V"]
    last, readout = np.zeros(state.shape[1:], state.dtype), widened(V, state.shape[2])
    if at == "last":
        return bptt.head_of(last)._replace(readout=readout)
    return bptt.head_of(last, slope.reshape(*chain.x.shape[:2], -1), readout)


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
