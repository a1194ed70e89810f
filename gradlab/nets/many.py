"""The gradients of many small networks, a W each, on the same sequences.

One by one, Python takes as long as the work and its lock keeps threads waiting: 512 networks of 50
units over 200 steps took 220 ms, 80 this way.
"""

from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels import many
from gradlab.nets import bptt, embedding
from gradlab.nets.batch import Batch, Run
from gradlab.nets.exponents import the_exponent
from gradlab.nets.gradients import Gradients
from gradlab.nets.heads import Loss, Ready
from gradlab.threads import each

PARTS = 4  # calls a core: threads that end early take another one


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
    parts = np.array_split(np.arange(len(nets)), min(PARTS * 2, len(nets)))
    found = each(lambda part: _gradients([nets[i] for i in part], batch, target), parts)
    loss, log2 = (np.concatenate([one[i] for one in found]) for i in (0, 1))
    return Many(loss, log2, *(_one_below_the_other([one[i] for one in found]) for i in (2, 3)))


def _one_below_the_other(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def _gradients(nets, batch, loss):
    everyone = np.arange(batch.x.shape[1])
    run = Run.of(batch, everyone, go=False)
    (chain,), count = run.chains, len(nets)
    sums = bptt.Sums(chain.sources, count)
    spans, (target, _, (_, _, slope)), head, adjoint = Ready.of(run, loss, everyone, sums)
    V, c = _readouts(nets)
    found = np.empty_like(V), np.empty_like(c), slope
    totals, safe = np.empty(count), np.empty(count, np.bool_)
    passed = (_stacked([net.prepared() for net in nets]), *chain.passed[2:])
    readouts = V if V.shape[2] == head.last.shape[1] else _wide(V, head)
    many.each_there_and_back(
        passed,
        chain.x,
        spans,
        (target, (V, c), found, totals, safe),
        (readouts, head._replace(readout=head.readout.copy()), adjoint, sums.options(spans[1])),
    )
    every = sums.total | ({} if batch.net.reads_out else {"V": found[0], "c": found[1]})
    shapes = nets[0].weights
    weights = {k: every[k].reshape(count, *shapes[k].shape) for k in shapes}
    exponents = {k: sums.exponent[k] if k in sums.total else np.zeros(count, int) for k in shapes}
    result = Many(totals, np.log2(totals), weights, exponents)
    for i in np.flatnonzero(~safe | _scaled(exponents)):
        _replace(result, i, Gradients(batch.of_net(nets[i]), loss))
    return result


def _scaled(exponents):
    """(S,): whether a sum has an exponent, and may not be what a single network shows."""
    return np.any([own != 0 for own in exponents.values()], axis=0)


def _replace(result, i, one):
    """Network i's, with the care that `Gradients` takes of all that leaves the range."""
    result.loss[i], result.log2_loss[i] = one.loss, one.log2_loss
    for name in result.weights:
        result.weights[name][i], result.exponents[name][i] = one.weights[name], one.exponents[name]


def _readouts(nets):
    """V (S, O, N), without entries where the state is the output, and c (S, O)."""
    c = np.array([net.weights["c"] for net in nets])
    if nets[0].reads_out:
        return np.zeros((len(nets), 0, 0), c.dtype), c
    return np.array([net.weights["V"] for net in nets]), c


def _wide(V, head):
    """What takes dL/do to the states (S, O, states): V, or one where the state is the output."""
    wide = np.zeros((len(V), *head.readout.shape), V.dtype)
    if V.size:
        wide[:, :, : V.shape[2]] = V
    else:
        wide[:] = head.readout
    return wide


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


def _check(nets):
    if not nets:
        raise UserError("no networks were given")
    for net in nets:
        if len(net.places) > 1:
            raise UserError("many networks at once have one layer and one direction each")
        if embedding.NAME in net.weights:
            raise UserError("many networks at once take no embedding: take Network.gradients")
        if _kind(net) != _kind(nets[0]):
            raise UserError(f"all networks must be alike: {nets[0]!r} and {net!r} are not")
        if not net.module.compiled:
            raise UserError(f"cell {net.cell} has loops in Python: take Network.gradients")


def _kind(net):
    shapes = [(name, own.shape, own.dtype) for name, own in net.weights.items()]
    return net.cell, net.activation, net.feedback, shapes
