"""The gradients of one minibatch, also lane by lane and with dL/dh clipped at each step.

All go through the kernels of the network's cell, one group of lanes; the loss is the mean over
lanes.
"""

import numpy as np

from gradlab.errors import UserError
from gradlab.learning.clipping import NOT_FINITE, clip
from gradlab.nets import bptt
from gradlab.nets.batch import Batch, Run
from gradlab.nets.exponents import in_reach, plain, the_exponent
from gradlab.nets.slopes import SLOPES, Loss


class Backprop:
    """A forward pass of x (T, B, D) with its loss against y, ready to be run back.

    teacher    what a jordan cell is fed instead of its own outputs, as for `Network.forward`
    loss       the mean over lanes
    exponents  after `sums` and `clipped_steps`: what they return is to be multiplied by
               2**exponents[name]; exponent is the one of all, an error where there is none
    adjoint    after any way back: norm2 and exponent of dL/dh at each step
    """

    @np.errstate(over="ignore", invalid="ignore")
    def __init__(self, net, x, y, loss, at, teacher=None):
        batch = Batch.of(net, x, None, None, teacher)
        self.net, self.lanes = batch.net, batch.x.shape[1]
        everyone = np.arange(self.lanes)
        self.run = Run.of(batch, everyone)
        self.chain = self._only_chain()
        target = Loss.of(batch, y, loss, None, at)
        self.slope = SLOPES[at](self.run, target, everyone, self.lanes)
        self.touch = self.slope.touch(self.chain)
        self.loss = float(plain(np.float64(self.slope.value), self.slope.level))

    @property
    def exponent(self):
        """The exponent of all gradients. Raises UserError where each has its own."""
        return the_exponent(self.exponents)

    @np.errstate(over="ignore", invalid="ignore")
    def sums(self, omega=False):
        """dL/d(weights); self.omega = (value, derivative, steps) too, if asked for."""
        sums, passed = bptt.Sums(self.chain.sources), self.chain.passed
        spans = bptt.fast_slices(self.run.lengths, self.net.weights["W"].size)
        if not omega:
            touch = self.touch
            adjoint = bptt.descend(passed, spans, touch.head, sums, touch.direct)
            return self._finish(sums, adjoint)
        penalty = bptt.OmegaSums(passed.weights)
        for span, adjoint in self._back(spans):
            penalty.add(adjoint, span)
            sums.add(adjoint, span)
        self.omega = penalty.result(self.lanes)
        return self._finish(sums, adjoint)

    @np.errstate(over="ignore", invalid="ignore")
    def by_lane(self):
        """The gradients of each lane's own loss, (B, ...) each; nothing is averaged."""
        sums = bptt.LaneSums(self.chain.sources, self.lanes)
        every = np.arange(self.lanes)
        for span, adjoint in self._back(bptt.slices(self.run.lengths)):
            sums.add(adjoint, span, every)
        self.adjoint = adjoint
        found = {
            name: plain(total, sums.exponent[name][:, None, None])
            for name, total in sums.total.items()
        }
        found |= self._readout_by_lane()
        shapes = self.net.weights
        return {k: self.lanes * found[k].reshape(self.lanes, *shapes[k].shape) for k in shapes}

    @np.errstate(over="ignore", invalid="ignore")
    def clipped_steps(self, threshold, style):
        """BPTT in which each lane's dL/dh_t is clipped before it goes on back.

        It is the gradient of that lane's own loss, its part from step t's own output included.
        Returns the gradients, and of all steps and lanes the shares clipped and not finite.
        """
        sums = bptt.Sums(self.chain.sources)
        spans = [(t - 1, t, self.lanes) for t in range(len(self.run.x), 0, -1)]
        direct = self._direct_rows()
        head = self.touch.head
        if isinstance(head, tuple):
            head = plain(head[0], head[1][:, None])
        head, hits = self._clipped(head + direct(len(spans)), threshold, style)
        for span, adjoint in self._back(spans, head=head, direct=None):
            sums.add(adjoint, span)
            if span[0] > 0:
                hits = hits + self._clip_carry(adjoint, span[0], direct, (threshold, style))
        return self._finish(sums, adjoint), *(hits / (len(spans) * self.lanes)).tolist()

    def _clip_carry(self, adjoint, t, direct, rule):
        """Clip what reaches step t; how many lanes were clipped, and how many are not finite."""
        own = direct(t)
        exponent = adjoint.exponent[t]
        if own is None and np.all(exponent < 0):  # far below any threshold: leave it scaled
            return 0
        carry = plain(adjoint.carry, exponent[:, None])
        adjoint.carry[:], hits = self._clipped(carry if own is None else carry + own, *rule)
        exponent[:] = 0
        return hits

    def _clipped(self, rows, threshold, style):
        result = clip(rows * self.lanes, threshold, style, per="lane")
        hits = np.array([np.sum(result.clipped), np.sum(result.status == NOT_FINITE)])
        return result.gradients / self.lanes, hits

    def _direct_rows(self):
        """t -> the part of dL/dh_t (B, S) that comes from step t's own output."""
        if self.touch.direct is None:
            return lambda t: 0.0 if t == len(self.run.x) else None

        def rows(t):
            own = self.touch.direct((t - 1, t, self.lanes))
            rows = own.slope @ own.readout
            return plain(rows, own.exponent[:, None]) if own.exponent.size else rows

        return rows

    def _only_chain(self):
        if len(self.run.chains) > 1:
            raise UserError("training takes one layer and one direction, not a stack")
        return self.run.chains[0]

    def _back(self, spans, **options):
        options = {"head": self.touch.head, "direct": self.touch.direct} | options
        return bptt.backward(self.chain.passed, spans, **options)

    def _finish(self, sums, adjoint):
        self.adjoint = adjoint
        shapes = self.net.weights
        found = {
            name: (total[0].reshape(shapes[name].shape), int(sums.exponent[name][0]))
            for name, total in sums.total.items()
        }
        found, self.exponents = in_reach(found | self.slope.readout_gradients())
        return found

    def _readout_by_lane(self):
        if self.net.reads_out:  # V and c are the cell's
            return {}
        slope, steps = self.slope.outputs(), len(self.run.x)
        hidden = self.run.hidden[1:]
        if self.touch.direct is None:  # the last step alone
            slope, hidden = slope[steps - 1 :], hidden[steps - 1 :]
        return {"V": np.einsum("tbo,tbn->bon", slope, hidden), "c": slope.sum(0)}
