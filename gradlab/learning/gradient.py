"""From a minibatch to the gradient that the optimizer is handed, and what clipping did to it."""

import functools
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels import updates
from gradlab.learning.adaptive import ADAPTIVE, Memory
from gradlab.learning.clipping import NOT_FINITE, STYLES, clip
from gradlab.learning.plan import Plan
from gradlab.nets import bptt, embedding
from gradlab.nets.batch import Batch, part_of
from gradlab.nets.exponents import added, at_one_level, in_reach, plain
from gradlab.nets.heads import Loss
from gradlab.nets.part import Part
from gradlab.nets.truncated import Truncation


class Back(Part):
    """The way back of a minibatch, all its lanes in one group; the loss is the mean over lanes.

    sums   {name: (array, exponent)}: dL/d(weight) = array * 2^exponent, but for the embedding's
    omega  (value, derivative, steps) if it was asked for: see gradlab.learning.omega
    """

    def __init__(self, batch, loss, truncation=None, omega=False):
        self.net, self._order = batch.net, np.argsort(-batch.lengths, kind="stable")
        super().__init__(batch, self._order, loss, truncation, omega)

    @classmethod
    def of(cls, net, minibatch, loss, at, plan=None, omega=False):
        """That of (x, y), (x, y, lengths) or (x, y, lengths, h0).

        The plan says teacher forcing, truncation and the mean.
        """
        plan = plan or Plan()
        x, y, lengths, start = (*minibatch, None, None)[:4]
        batch = Batch.of(net, x, start, lengths, y if plan.teacher_forcing else None)
        truncation = Truncation.of(plan.truncate, len(batch.x))
        if truncation is not None:
            truncation.check(batch.net, at)
        return cls(batch, Loss.of(batch, y, loss, None, at, plan.mean), truncation, omega)

    @property
    def lengths(self):
        """The steps of each lane, in the group's order."""
        return self.run.lengths

    @functools.cached_property
    def rows(self):
        """(R,): the rows of the embedding that this minibatch has, rising; None without one."""
        numbers = self._source[0].numbers
        return None if numbers is None else np.unique(numbers)

    @functools.cached_property
    def weights(self):
        """The network's, of an embedding only `rows`: all others have no gradient."""
        if self.rows is None:
            return self.net.weights
        few = self.net.weights[embedding.NAME][self.rows]
        return self.net.weights | {embedding.NAME: few}

    def lags(self):
        """log2 ||dL/dh_t|| (T+1, B) of the top layer, in the group's order."""
        return self.lag_log2(self.net.layers - 1)

    @property
    def loss(self):
        """L: inf or 0 where float64 ends."""
        return float(plain(np.float64(self.slope.value), self.slope.level))

    def ends(self):
        """The state of each lane at its own last step, as an h0: (C, B, N) of each part."""
        lanes, order = np.arange(len(self._order)), np.argsort(self._order)
        last = [chain.passed.trace.state[self.lengths, lanes][order] for chain in self.run.chains]
        return ends_of(self.net, np.stack(last))

    @np.errstate(over="ignore", invalid="ignore")
    def by_lane(self):
        """{name: (B, ...)}: the gradients of each lane's own loss; nothing is averaged.

        Of an embedding those of `rows`.
        """
        lanes, found = len(self._order), {}
        for chain in self.run.chains:
            sums = bptt.LaneSums(chain.sources, lanes)
            self.gone(chain, sums)
            for name, total in sums.total.items():
                own = sums.exponent[name][:, None, None]
                found[name + chain.place.suffix] = plain(total, own) if own.any() else total
        found |= self._readout_by_lane() | self._embedding_by_lane()
        place, shapes = np.argsort(self._order), self.weights
        return {k: lanes * found[k][place].reshape(lanes, *shapes[k].shape) for k in shapes}

    @np.errstate(over="ignore", invalid="ignore")
    def clipped_steps(self, threshold, style):
        """BPTT in which each lane's dL/dh_t is clipped before it goes on back.

        It is the gradient of that lane's own loss, its part from step t's own output included.
        Returns sums as above, and of all steps and lanes the shares clipped and not finite. Raises
        UserError for a stack.
        """
        start, (chain,) = self._only(), self.run.chains
        below = self._below(chain)
        sums, lengths = self._sums_of(chain, below, False), chain.lengths
        active = [int(np.count_nonzero(lengths >= t)) for t in range(1, lengths[0] + 1)]
        spans = [(t - 1, t, active[t - 1]) for t in range(lengths[0], 0, -1)]
        head, rule = plain(start.last, start.level[:, None]), (threshold, style)
        for t in np.unique(lengths) if start.slope.size else ():
            own = np.flatnonzero(lengths == t)
            head[own] += _direct(start, lengths, t)[own]
        head, hits = self._clipped(head, rule)
        for span, adjoint in bptt.backward(chain.passed, spans, head):
            sums.add(adjoint, span)
            if span[0] > 0:
                hits = hits + self._clip_carry(adjoint, span, start, rule)
        if below is not None:
            below.take(adjoint)
        found = self.named(chain, sums) | self.slope.sums | self.embedded(self.rows, [below])
        return found, *(hits / lengths.sum()).tolist()

    def _clip_carry(self, adjoint, span, head, rule):
        """Clip what reaches the step before; how many lanes are clipped, and not finite."""
        t, lanes = span[0], span[2]
        exponent, carry = adjoint.exponent[t, :lanes], adjoint.carry[:lanes]
        if not head.slope.size and np.all(exponent < 0):  # far below any threshold: leave it so
            return 0
        rows = plain(carry, exponent[:, None])
        if head.slope.size:
            rows = rows + _direct(head, self.run.lengths, t)[:lanes]
        carry[:], hits = self._clipped(rows, rule)
        exponent[:] = 0
        return hits

    def _clipped(self, rows, rule):
        lanes = len(self._order)
        result = clip(rows * lanes, *rule, per="lane")
        hits = np.array([np.sum(result.clipped), np.sum(result.status == NOT_FINITE)])
        return result.gradients / lanes, hits

    def _only(self):
        if len(self.run.chains) > 1:
            raise UserError("clip_per=step needs one layer and one direction, not a stack")
        return self.head(self.run.chains[0])

    def _embedding_by_lane(self):
        """Each lane gives the deltas that the way back has kept to a table of its own."""
        if self.rows is None:
            return {}
        table, lanes, below = self.weights[embedding.NAME], len(self._order), self._lowest
        places = np.searchsorted(self.rows, self._source[0].numbers[:, self._order])
        room = np.zeros((lanes * len(table), table.shape[1]), table.dtype)
        places += len(table) * np.arange(lanes)
        found = embedding.gradient(below, self._inputs_of(below), places, room)
        return {embedding.NAME: plain(*found).reshape(lanes, *table.shape)}

    def _readout_by_lane(self):
        if self.net.reads_out:  # V and c are the cell's
            return {}
        slope, hidden = self.slope.outputs(), self.run.hidden[1:]
        if self._source[2].at == "last":
            each = self.run.lengths - 1, np.arange(len(self._order))
            slope, hidden = slope[each][None], hidden[each][None]
        return {"V": np.einsum("tbo,tbn->bon", slope, hidden), "c": slope.sum(0)}


def ends_of(net, states):
    """States (C, B, S) of all chains as an h0: each part of them; of one chain (B, N)."""
    parts = tuple(part_of(net, states, i) for i in range(len(net.state_parts)))
    return tuple(part[0] for part in parts) if len(states) == 1 else parts


def _direct(head, lengths, t):
    """The part of dL/dh_t (B_t, S) that comes from step t's own output."""
    own = bptt.direct_of(head, (t - 1, t, int(np.count_nonzero(lengths >= t))))
    rows = own.slope @ own.readout
    return plain(rows, own.exponent[:, None]) if own.exponent.size else rows


class Found(NamedTuple):
    """One minibatch's loss and gradients.

    wanted, applied  all weights' entries in one vector, before and after clipping, alpha dOmega/dW
                     included; wanted up to a power of two; of an embedding only `back.rows`
    norm             of wanted
    clipped          share of what is clipped: of one mean, of lanes, of steps and lanes
    not_finite       share of the same whose norm is inf or nan: no rule can keep its direction
    omega            its value, nan if it was not asked for
    back             the way back, of the mean loss
    """

    loss: float
    wanted: np.ndarray
    applied: np.ndarray
    norm: float
    clipped: float
    not_finite: float
    omega: float
    back: Back


def gradient(net, task, minibatch, plan, watch=False, memory=None):
    """The gradients of a minibatch, as `Back.of` takes it, under a plan.

    watch: Omega too, where it is defined. memory: that of the training, for styles that have one.
    """
    asked = bool(plan.omega) or (watch and has_omega(net, plan))
    back = Back.of(net, minibatch, task.LOSS, task.AT, plan, asked)
    if plan.omega:
        back.sums["W"] = added([back.sums["W"], (plan.omega * back.omega[1], 0)])
    wanted, level = _vector_of(back.sums | back.embedded(back.rows))
    norm, applied, *shares = _clipped(back, (wanted.copy(), level), plan, memory)
    value = back.omega[0] if asked else np.nan
    return Found(back.loss, wanted, applied, norm, *shares, value, back)


def has_omega(net, plan):
    """Whether Omega is defined: for the whole way back of one layer of a cell that has one."""
    return net.module.omega and len(net.places) == 1 and plan.truncate is None


def vector(weights):
    """All entries of {name: array} in one vector, in the order of the names."""
    return np.concatenate([weights[name].ravel() for name in sorted(weights)])


def spread(found, back):
    """A vector of `Found` with all rows of the embedding: those without a gradient are zero."""
    if back.rows is None:
        return found
    table = np.zeros_like(back.net.weights[embedding.NAME])
    few = cut(found, back.weights)
    table[back.rows] = few[embedding.NAME]
    return vector(few | {embedding.NAME: table})


def _vector_of(sums):
    """(all entries in one vector, its exponent): 0 where all fit, else the largest one's."""
    weights, exponents = in_reach(sums)
    if not any(exponents.values()):
        return vector(weights), 0
    level = max((exponents[name] for name, array in weights.items() if array.any()), default=0)
    return vector(at_one_level(weights, exponents)), level


def cut(flat, like):
    """{name: array}: views of one vector, in the order of the names, of the shapes of `like`."""
    views, place = {}, 0
    for name in sorted(like):
        views[name] = flat[place : place + like[name].size].reshape(like[name].shape)
        place += like[name].size
    return views


@functools.lru_cache(maxsize=64)
def _edges(sizes):
    return np.cumsum([0, *sizes])


def layout_of(weights):
    """(edges, (first, W)) of all weights in one vector, as `updates.clip` takes them."""
    names = sorted(weights)
    edges = _edges(tuple(weights[name].size for name in names))
    return edges, (int(edges[names.index("W")]), weights["W"].ravel())


def rule_of(plan):
    """The rule of `updates.clip` for the mean of the lanes: one that changes nothing if none is."""
    if plan.clip_threshold is None:
        return updates.NORM, np.inf
    return STYLES.index(plan.clip_style), plan.clip_threshold


def _clipped(back, mean, plan, memory):
    """(norm before, the vector after clipping, the shares clipped and not finite)."""
    if plan.clip_style in ADAPTIVE and plan.clip_threshold is not None:
        return _adaptive(plain(*mean), back.weights, plan, memory)
    c, layout, (mean, level) = plan.clip_threshold, layout_of(back.weights), mean
    if plan.clip_per == "mean" or c is None:
        total, hit, finite = updates.clip(rule_of(plan), mean, level, *layout)
        return total, mean, float(hit), float(not finite)
    total, *_ = updates.clip((updates.NORM, np.inf), mean, level, *layout)
    if plan.clip_per == "step":
        sums, *shares = back.clipped_steps(c, plan.clip_style)
        return total, vector({name: plain(*summed) for name, summed in sums.items()}), *shares
    found, by_lane = np.zeros(2), back.by_lane()
    rows = [by_lane[name].reshape(len(back.lengths), -1) for name in sorted(by_lane)]
    lanes = np.concatenate(rows, axis=1)
    updates.clip_lanes(rule_of(plan), lanes, *layout, found)
    return total, lanes.mean(0), *(found / len(lanes)).tolist()


def _adaptive(mean, weights, plan, memory):
    memory = Memory() if memory is None else memory
    how = plan.clip_threshold, plan.clip_style
    found = clip(cut(mean, weights), *how, weights=weights, memory=memory)
    lost = found.status == NOT_FINITE
    return found.norm, vector(found.gradients), float(found.clipped), float(lost)
