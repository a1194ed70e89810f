"""The gradients of many small networks, a W each, on the same sequences.

One by one, Python takes as long as the work and its lock keeps threads waiting: 512 networks of 50
units over 200 steps took 220 ms, 80 this way.
"""

from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels import many, passes
from gradlab.kernels.arrays import Direct, Trace
from gradlab.nets import bptt
from gradlab.nets.batch import Batch, part_of
from gradlab.nets.chains import widened
from gradlab.nets.exponents import are_safe, before_product, in_reach, is_safe, plain, the_exponent
from gradlab.nets.slopes import Loss, measured, product_sums
from gradlab.threads import each

VALUES = 5e5  # of states that are run forward before they are run back: they stay in cache


class Many(NamedTuple):
    """Of S networks: loss (S,) and log2_loss (S,), which goes on where float64 ends; weights
    {name: (S, ...)}, to be multiplied by 2**exponents[name], (S,) each.
    """

    loss: np.ndarray
    log2_loss: np.ndarray
    weights: dict
    exponents: dict

    @property
    def exponent(self):
        """(S,): the one exponent of each. Raises UserError where each weight has its own."""
        return np.array(
            [
                the_exponent({k: e[i] for k, e in self.exponents.items()})
                for i in range(len(self.loss))
            ]
        )


def gradients_of(nets, x, y, loss="squared_error", at="every", readout=None):
    """As `Network.gradients` of each, for x (T, B, D) from h_0 = 0 and the same y.

    The networks have one cell, shape and dtype, one layer and one direction. Raises UserError, one
    line, where they have not, and for what does not fit.
    """
    nets = [net.checked() for net in nets]
    _check(nets)
    batch = Batch.of(nets[0], x, None, None)
    target = Loss.of(batch, y, loss, readout, at)
    size = (len(batch.x) + 1) * batch.initial[nets[0].places[0]].size
    parts = np.array_split(np.arange(len(nets)), -(-len(nets) * size // int(VALUES)))
    found = each(lambda part: _gradients([nets[i] for i in part], batch, target), parts)
    loss, log2 = (np.concatenate([one[i] for one in found]) for i in (0, 1))
    return Many(loss, log2, *(_one_below_the_other([one[i] for one in found]) for i in (2, 3)))


def _one_below_the_other(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@np.errstate(over="ignore", invalid="ignore")
def _gradients(nets, batch, target):
    run = _forward(nets, batch)
    slope = _Slope(nets, batch, target, run.trace)
    sums, exponents = _back(run, slope, batch, len(nets))
    for name, (array, exponent) in slope.readout_gradients().items():
        sums[name], exponents[name] = array, exponent
    sums = {k: sums[k].reshape(len(nets), *own.shape) for k, own in nets[0].weights.items()}
    return Many(*slope.loss(), *_in_reach(sums, exponents))


def _in_reach(sums, exponents):
    """`in_reach` of each network's sums."""
    if not any(own.any() for own in exponents.values()):
        return sums, {name: exponents[name] for name in sums}
    found = [
        in_reach({k: (v[i], int(exponents[k][i])) for k, v in sums.items()})
        for i in range(len(sums["W"]))
    ]
    return tuple({name: np.array([one[i][name] for one in found]) for name in sums} for i in (0, 1))


def _forward(nets, batch):
    """The passes of all networks, one below the other: trace.state (S (T + 1), B, states)."""
    prepared = _stacked([net.prepared() for net in nets])
    place, cell = nets[0].places[0], nets[0].module
    steps, (lanes, size) = len(batch.x), batch.initial[place].shape
    state = np.empty((len(nets) * (steps + 1), lanes, size), batch.x.dtype)
    state[:: steps + 1] = 0
    saved = cell.saved_size(batch.weights[place])
    trace = Trace(state, np.empty((len(nets) * steps, lanes, saved), state.dtype))
    gain = np.ones(lanes, state.dtype)
    passes.know(prepared, cell)
    many.forward_each(len(nets), prepared, gain, np.ascontiguousarray(batch.x), trace)
    return bptt.Pass(cell, prepared, gain, trace)


def _stacked(prepared):
    """Each network's arrays one below the other; numbers, such as codes, are the same for all."""
    fields = [*zip(*prepared, strict=True)]
    for name, field in zip(prepared[0]._fields, fields, strict=True):
        if not isinstance(field[0], np.ndarray) and any(one != field[0] for one in field):
            raise UserError(f"weights.{name} must be an array, or the same for all networks")
    stacked = (
        np.concatenate(field) if isinstance(field[0], np.ndarray) else field[0] for field in fields
    )
    return type(prepared[0])(*stacked)


class _Slope:
    """The losses of S networks and what they give the readout and the way back."""

    def __init__(self, nets, batch, target, trace):
        self._net, self._count, self._at = nets[0], len(nets), target.at
        self.V = np.array([net.readout_matrix for net in nets])
        states = trace.state.reshape(len(nets), -1, *trace.state.shape[1:])
        seen = states[:, 1:] if target.at == "every" else states[:, -1:]
        h = part_of(nets[0], seen, 0)
        self._h = h.reshape(len(nets), -1, h.shape[-1])
        outputs = self._h
        if not nets[0].reads_out:
            c = np.array([net.weights["c"] for net in nets])
            outputs = self._h @ self.V.swapaxes(1, 2) + c[:, None]
        shape = (len(nets), *h.shape[1 if target.at == "every" else 2 : 3], -1)
        y = np.broadcast_to(target.y, (len(nets), *target.y.shape))
        found = [measured(target, o, own) for o, own in zip(outputs.reshape(shape), y, strict=True)]
        lanes = h.dtype.type(batch.x.shape[1])
        self._value = np.array([one.value for one in found], np.float64) / lanes
        self._level = np.array([one.level for one in found])
        rows = len(nets), -1
        self._slope = (
            np.array([one.slope for one in found]).reshape(*rows, outputs.shape[-1]) / lanes
        )
        self._exponent = None
        if any(one.exponent is not None for one in found):
            own = np.zeros(self._slope.shape[:2], np.int64)
            for row, one in zip(own, found, strict=True):
                row[:] = 0 if one.exponent is None else one.exponent.reshape(-1)
            self._exponent = own
        self._states = trace.state.shape[1:]

    def loss(self):
        """The loss (S,) of each, inf or 0 where float64 ends, and its log2."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return plain(self._value, self._level), np.log2(self._value) + self._level

    def reaching(self):
        """What reaches the way back: head (S B, states), its level (S B,), and Direct.

        The losses of all steps add rows (S T B, O); none is there for a loss at the last one.
        """
        lanes, size = self._states
        slope, exponent, V = self._through_readouts()
        readout = widened(V.reshape(-1, V.shape[2]), size)
        rows, none = self._count * lanes, np.zeros(0, np.int64)
        if self._at == "every":
            head = np.zeros((rows, size), self._h.dtype)
            exponent = none if exponent is None else exponent.reshape(-1)
            direct = Direct(slope.reshape(-1, slope.shape[2]), readout, exponent)
            return head, np.zeros(rows, np.int64), direct
        head = widened((slope @ V).reshape(rows, -1), size)
        level = np.zeros(rows, np.int64) if exponent is None else exponent.reshape(-1)
        return head, level, Direct(slope[:, :0].reshape(0, slope.shape[2]), readout, none)

    def _through_readouts(self):
        """`through_readout` of each."""
        if self._exponent is None and all(is_safe(V) or not V.any() for V in self.V):
            return self._slope, None, self.V
        zero = np.zeros(self._slope.shape[1], np.int64)
        own = [zero] * self._count if self._exponent is None else self._exponent
        parts = [before_product(*one) for one in zip(self._slope, own, self.V, strict=True)]
        return tuple(np.array(part) for part in zip(*parts, strict=True))

    def readout_gradients(self):
        """{name: ((S, ...), exponent (S,))} of V and c, unless they are the cell's."""
        if self._net.reads_out:
            return {}
        if self._exponent is None:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                V, c = self._slope.swapaxes(1, 2) @ self._h, self._slope.sum(1)
            if are_safe(V.reshape(self._count, -1)) and V.any((1, 2)).all() and are_safe(c):
                none = np.zeros(self._count, np.int64)
                return {"V": (V, none), "c": (c, none)}
        exponents = [None] * self._count if self._exponent is None else self._exponent
        found = [product_sums(*one) for one in zip(self._slope, exponents, self._h, strict=True)]
        return {
            name: tuple(np.array([one[name][i] for one in found]) for i in (0, 1))
            for name in ("V", "c")
        }


def _back(run, slope, batch, count):
    """{name: (S, ...)} of the cell's weights, and their exponents (S,)."""
    sums = bptt.Sums(run.cell.sources(run.trace, np.ascontiguousarray(batch.x)), count)
    spans = list(bptt.fast_slices(batch.lengths, batch.net.weights["W"].size))
    head, level, direct = slope.reaching()
    lanes = batch.x.shape[1]
    adjoint = bptt.adjoint_of(_first(run, count), spans, head[:lanes], False)
    table = np.array([(*span, span[0] * lanes) for span in spans], np.int64)
    into = (None, *sums.arrays, sums.kept)
    many.back_each(run[1:], table, (head, level), direct, adjoint, into)
    return sums.total, sums.exponent


def _first(run, count):
    weights = many.part_of(run.weights, 0, count)
    trace = Trace(*(many.rows(array, 0, count) for array in run.trace))
    return run._replace(weights=weights, trace=trace)


def _check(nets):
    if not nets:
        raise UserError("no networks were given")
    for net in nets:
        if len(net.places) > 1:
            raise UserError("many networks at once have one layer and one direction each")
        if _kind(net) != _kind(nets[0]):
            raise UserError(f"all networks must be alike: {nets[0]!r} and {net!r} are not")
        if not net.module.compiled:
            raise UserError(f"cell {net.cell} has loops in Python: take Network.gradients")


def _kind(net):
    shapes = [(name, own.shape, own.dtype) for name, own in net.weights.items()]
    return net.cell, net.activation, net.feedback, shapes
