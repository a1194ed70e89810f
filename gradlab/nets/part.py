"""One group of a batch's lanes, forward through all layers and back."""

from functools import cached_property

import numpy as np

from gradlab.nets import gradients, health, truncated, weights
from gradlab.nets.batch import Run
from gradlab.nets.scaled import plain
from gradlab.nets.slopes import SLOPES
from gradlab.nets.stack import Deltas, by_time, joined, touch_below


class Part:
    """The sums of a group's gradients; what is looked at seldom runs back once more.

    slope    the loss and what it gives the readout
    touches  {place: what reaches its chain from the layer above, or from the loss}
    sums     {name: (array, exponent)}: dL/d(weight), this group's share
    """

    def __init__(self, batch, group, loss, truncation):
        self.run, self.truncation = Run.of(batch, group), truncation
        self.slope = SLOPES[loss.at](self.run, loss, group, len(batch.lengths))
        self.sums = {name: (value, 0) for name, value in self.slope.readout_gradients().items()}
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
        sums = gradients.Sums(chain.sources, kept=deltas.kept if deltas else None)
        if self.truncation is None:
            size = self.run.net.weights[f"W{chain.place.suffix}"].size
            spans = gradients.fast_slices(chain.lengths, size)
            touch = self.touches[chain.place]
            adjoint = gradients.descend(chain.passed, spans, touch.head, sums, touch.direct)
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
        """First step that is not finite, and why, per lane: in the lowest layer that has one."""
        steps, kinds = np.zeros_like(self.run.lengths), np.full(len(self.run.lengths), health.NAN)
        for chain in self.run.chains:
            own, why = health.first_bad_step(chain.passed.trace.state, chain.x, chain.lengths)
            time = chain.lengths + 1 - own if chain.place.reverse else own
            first = (steps == 0) & (own > 0)
            steps, kinds = np.where(first, time, steps), np.where(first | (steps == 0), why, kinds)
        return steps, kinds

    def states(self, layer):
        """dL/d(state)[t] of a layer (T+1, B_g, S), both directions side by side."""
        chains, found = self.run.of_layer(layer), []
        for chain in chains:
            *_, (_, adjoint) = self._slices(chain, keep=True)
            found.append(plain(adjoint.states, adjoint.exponent[..., None]))
        return joined(chains, found)

    def lag_log2(self, layer, index=0):
        """log2 ||dL/dh[t]|| (T+1, B_g) of a layer, both directions together; index 1: dL/dc."""
        found = [
            by_time(chain, gradients.log2_norms(self._adjoints[chain.place], index))
            for chain in self.run.of_layer(layer)
        ]
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
                exponent = adjoint.exponent[t + 1, :lanes]
                rows = adjoint.delta[(t - start) * lanes : (t - start + 1) * lanes, slice(*units)]
                delta = plain(rows, (exponent - exponent.max())[:, None])
                yield t + 1, delta.T @ values[t, :lanes, slice(*columns)], int(exponent.max())
