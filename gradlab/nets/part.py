"""One group of a batch's lanes, forward through all layers and back."""

from functools import cached_property

import numpy as np

from gradlab.errors import UserError
from gradlab.nets import bptt, statuses, truncated, weights
from gradlab.nets.batch import Run
from gradlab.nets.chains import Deltas, by_time, joined, touch_below
from gradlab.nets.exponents import outer, plain
from gradlab.nets.losses import loss_of
from gradlab.nets.slopes import SLOPES


class Part:
    """The sums of a group's gradients; what is looked at seldom runs back once more.

    slope    the loss and what it gives the readout
    touches  {place: what reaches its chain from the layer above, or from the loss}
    sums     {name: (array, exponent)}: dL/d(weight), this group's share
    """

    @np.errstate(over="ignore", invalid="ignore")  # a status says so
    def __init__(self, batch, group, loss, truncation):
        self.run, self.truncation = Run.of(batch, group), truncation
        self._source = batch, group, loss
        self.slope = SLOPES[loss.at](self.run, loss, group, len(batch.lengths))
        self.sums = self.slope.readout_gradients()
        self.touches, self._adjoints, above = {}, {}, []
        for layer in range(batch.net.layers - 1, -1, -1):
            chains = self.run.of_layer(layer)
            for chain in chains:
                self.touches[chain.place] = self._touch(chain, above)
            above = [self._back(chain) for chain in chains]

    def _touch(self, chain, above):
        if not above:
            return self.slope.touch(chain)
        names = [f"U{deltas.chain.place.suffix}" for deltas in above]
        inputs = [self.run.net.weights[name] for name in names]
        return touch_below(chain, above, inputs, self.touches[above[0].chain.place].last)

    def _back(self, chain):
        """Add up the gradients of a chain's weights; return what the layer below needs, if any."""
        deltas = Deltas(chain) if chain.place.layer else None
        sums = bptt.Sums(chain.sources, kept=deltas.kept if deltas else None)
        if self.truncation is None:
            size = self.run.net.weights[f"W{chain.place.suffix}"].size
            spans = bptt.fast_slices(chain.lengths, size)
            touch = self.touches[chain.place]
            adjoint = bptt.descend(chain.passed, spans, touch.head, sums, touch.direct)
        else:
            for span, adjoint in self._slices(chain):
                sums.add(adjoint, span)
        shapes = weights.own(self.run.net.weights, chain.place)
        for name, total in sums.total.items():
            array = total[0].reshape(shapes[name].shape)
            self.sums[name + chain.place.suffix] = (array, int(sums.exponent[name][0]))
        self._adjoints[chain.place] = adjoint
        if deltas:
            deltas.exponent[:] = adjoint.exponent[1:]
        return deltas

    def _slices(self, chain, keep=False):
        return truncated.backward(chain, self.touches[chain.place], self.truncation, keep)

    @cached_property
    def bad(self):
        """First step that is not finite, and why, per lane (see `statuses.judged`)."""
        given, start = self._handed_in()
        return statuses.judged(
            given, start, [self._of_states(), self._of_loss(), self._of_adjoint()]
        )

    def _handed_in(self):
        """The first bad step of x, y or a teacher, 0 if none; whether h_0 or a weight is bad."""
        (batch, group, loss), lengths = self._source, self.run.lengths
        bad = statuses.not_finite(self.run.x)
        if batch.teacher is not None:
            bad = bad | statuses.not_finite(batch.teacher[:, group])
        if loss.y.dtype.kind == "f" and loss.at == "every":
            bad = bad | statuses.not_finite(loss.y[:, group])
        steps = statuses.first(bad, lengths)
        if loss.y.dtype.kind == "f" and loss.at == "last":
            lost = statuses.not_finite(loss.y[None, group])[0]
            steps = np.where(lost & (steps == 0), lengths, steps)
        start = np.full(len(lengths), not _finite(batch.net.weights.values()))
        for states in batch.initial.values():
            start |= statuses.not_finite(states[None, group])[0]
        return steps, start

    def _of_states(self):
        """The first bad state, in the lowest layer that has one."""
        steps = np.zeros_like(self.run.lengths)
        for chain in self.run.chains:
            own = statuses.first(statuses.not_finite(chain.passed.trace.state[1:]), chain.lengths)
            time = chain.lengths + 1 - own if chain.place.reverse else own
            steps = np.where((steps == 0) & (own > 0), time, steps)
        return steps

    def _of_loss(self):
        """The first step whose loss is not finite."""
        (_, group, loss), run = self._source, self.run
        every = loss.at == "every"
        y = loss.y[:, group] if every else loss.y[group]
        if every and y.dtype.kind != "f":  # a class after a lane's own length may be any
            y = np.where(np.arange(len(y))[:, None] < run.lengths, y, 0)
        outputs = run.net.readout(run.hidden[1:] if every else run.last)
        value, _ = loss_of(outputs, y, loss.name, loss.readout)
        bad = ~np.isfinite(value)
        return statuses.first(bad, run.lengths) if every else np.where(bad, run.lengths, 0)

    def _of_adjoint(self):
        """The last step whose dL/d(state) is not finite: the way back meets it first."""
        steps = np.zeros_like(self.run.lengths)
        for chain in self.run.chains:
            bad = ~np.isfinite(self._adjoints[chain.place].norm2).all(1)[1:]
            steps = np.maximum(steps, len(bad) * bad.any(0) - bad[::-1].argmax(0) * bad.any(0))
        return np.minimum(steps, self.run.lengths)

    @np.errstate(over="ignore", invalid="ignore")
    def states(self, layer):
        """dL/d(state)[t] of a layer (T+1, B_g, S), both directions side by side."""
        chains, found = self.run.of_layer(layer), []
        for chain in chains:
            *_, (_, adjoint) = self._slices(chain, keep=True)
            found.append(plain(adjoint.states, adjoint.exponent[..., None]))
        return joined(chains, found)

    def lag_log2(self, layer, index=0, direction="both"):
        """log2 ||dL/dh[t]|| (T+1, B_g) of a layer, both directions together; index 1: dL/dc."""
        found = [
            by_time(chain, bptt.log2_norms(self._adjoints[chain.place], index))
            for chain in self.run.of_layer(layer)
            if direction in ("both", "reverse" if chain.place.reverse else "forward")
        ]
        if not found:
            raise UserError(f"direction={direction!r}: the network has one direction, forward")
        if len(found) == 1:
            return found[0]
        with np.errstate(invalid="ignore"):  # nan stays nan
            return np.logaddexp2(*(2 * one for one in found)) / 2

    def terms(self):
        """(k, term, exponent) of dL/dW, from the longest lane's last step down to k = 1."""
        chain = self.run.chains[0]
        values, columns, units = chain.sources["W"]
        for (start, stop, lanes), adjoint in self._slices(chain):
            for t in range(stop - 1, start - 1, -1):
                rows = adjoint.delta[(t - start) * lanes : (t - start + 1) * lanes, slice(*units)]
                here = values[t, :lanes, slice(*columns)]
                yield t + 1, *outer(rows, adjoint.exponent[t + 1, :lanes], here)


def _finite(arrays):
    return all(np.isfinite(array).all() for array in arrays)
