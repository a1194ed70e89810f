"""The gradients of many small networks, a W each, on the same sequences.

One by one, Python takes as long as the work and its lock keeps threads waiting: 512 networks of 50
units over 200 steps took 220 ms, 80 this way.
"""

from typing import NamedTuple

import numpy as np

from gradlab.cells import many, passes
from gradlab.cells.arrays import Direct, Trace
from gradlab.errors import UserError
from gradlab.nets import gradients
from gradlab.nets.batch import Batch, part_of
from gradlab.nets.scaled import common_exponent
from gradlab.nets.slopes import Loss
from gradlab.nets.stack import widened
from gradlab.threads import each

VALUES = 5e5  # of states that are run forward before they are run back: they stay in cache


class Many(NamedTuple):
    """Of S networks: loss (S,); weights {name: (S, ...)}, to be multiplied by 2**exponent (S,)."""

    loss: np.ndarray
    weights: dict
    exponent: np.ndarray


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
    names = found[0].weights
    weights = {name: np.concatenate([one.weights[name] for one in found]) for name in names}
    loss, exponent = (np.concatenate([one[i] for one in found]) for i in (0, 2))
    return Many(loss, weights, exponent)


@np.errstate(over="ignore", invalid="ignore")
def _gradients(nets, batch, target):
    run = _forward(nets, batch)
    slope = _Slope(nets, batch, target, run.trace)
    sums, exponents = _back(run, slope, batch, len(nets))
    sums |= slope.readout_gradients()
    shapes = {name: (len(nets), *own.shape) for name, own in nets[0].weights.items()}
    sums = {name: sums[name].reshape(shape) for name, shape in shapes.items()}
    return Many(slope.value, *_common(sums, exponents))


def _common(sums, exponents):
    """`common_exponent` of each network's sums."""
    count = len(sums["W"])
    if not any(own.any() for own in exponents.values()):
        return sums, np.zeros(count, np.int64)
    parts = [
        {k: (v[i], int(exponents[k][i]) if k in exponents else 0) for k, v in sums.items()}
        for i in range(count)
    ]
    found, levels = zip(*(common_exponent(part) for part in parts), strict=True)
    return {name: np.array([one[name] for one in found]) for name in sums}, np.array(levels)


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
    return gradients.Pass(cell, prepared, gain, trace)


def _stacked(prepared):
    """Each network's arrays one below the other; numbers are the same for all."""
    fields = zip(*prepared, strict=True)
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
        value, slope = target.slope(outputs.reshape(shape), y)
        lanes = h.dtype.type(batch.x.shape[1])
        self.value = value.reshape(len(nets), -1).sum(1) / lanes
        self._slope = slope.reshape(len(nets), -1, slope.shape[-1]) / lanes
        self._states = trace.state.shape[1:]

    def head(self):
        """dL/d(state) at the last step, (S B, states)."""
        lanes, size = self._states
        if self._at == "every":
            return np.zeros((self._count * lanes, size), self._h.dtype)
        return widened((self._slope @ self.V).reshape(self._count * lanes, -1), size)

    def direct(self):
        """What the losses of all steps add: rows (S T B, O); none for a loss at the last one."""
        rows = self._slope if self._at == "every" else self._slope[:, :0]
        readout = widened(self.V.reshape(-1, self.V.shape[2]), self._states[1])
        return Direct(rows.reshape(-1, self._slope.shape[2]), readout)

    def readout_gradients(self):
        """{name: (S, ...)} of V and c, unless they are the cell's."""
        if self._net.reads_out:
            return {}
        return {"V": self._slope.swapaxes(1, 2) @ self._h, "c": self._slope.sum(1)}


def _back(run, slope, batch, count):
    """{name: (S, ...)} of the cell's weights, and their exponents (S,)."""
    sums = gradients.Sums(run.cell.sources(run.trace, np.ascontiguousarray(batch.x)), count)
    spans = list(gradients.fast_slices(batch.lengths, batch.net.weights["W"].size))
    head, lanes = slope.head(), batch.x.shape[1]
    adjoint = gradients.adjoint_of(_first(run, count), spans, head[:lanes], False)
    table = np.array([(*span, span[0] * lanes) for span in spans], np.int64)
    into = (None, *sums.arrays, sums.kept)
    many.back_each(run[1:], table, head, slope.direct(), adjoint, into)
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
        if not gradients.is_own(net.module):
            raise UserError(f"cell {net.cell} is not gradlab's own: take Network.gradients")


def _kind(net):
    shapes = [(name, own.shape, own.dtype) for name, own in net.weights.items()]
    return net.cell, net.activation, net.feedback, shapes
