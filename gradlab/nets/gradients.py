"""The gradients of one batch; what is looked at seldom is computed when it is asked for."""

from functools import cached_property

import numpy as np

from gradlab import given
from gradlab.errors import one_of
from gradlab.nets import plotted, statuses, view
from gradlab.nets.batch import check_has_cell, part_of
from gradlab.nets.exponents import added, in_reach, log2_norm, plain, the_exponent
from gradlab.nets.part import Part
from gradlab.threads import each

DIRECTIONS = ("both", "forward", "reverse")


class Gradients:
    """dL/d(everything) for L = mean over lanes of the sum over steps.

    loss       L; inf or 0 where float64 ends, log2_loss goes on
    weights    dict like net.weights: dL/d(weight) / 2**exponents[name]
    exponents  dict: all 0 whenever every gradient fits its dtype; else one for all if they all fit
               at it; else one each for those that do not fit at 0
    exponent   the one for all; an error (UserError) where there is none
    log2_norms dict: log2 ||dL/d(weight)||; log2_norm is that of all together
    lag_log2   (T+1, B): log2 ||dL/dh[t]||, -inf after a lane's end and where it is exactly zero

    The state of an LSTM is the pair (h, c): dL/dc[t] is what a change of c[t] alone does through
    the steps after t; what c[t] does through h[t] is in dL/dh[t]. A Jordan cell's h is its output.
    States are the top layer's, in both directions side by side (rows as in `States`); terms are
    those of W, the lowest layer's.
    """

    @np.errstate(over="ignore", invalid="ignore")
    def __init__(self, batch, loss, truncation=None):
        self._batch, self._given = batch, (loss, truncation)
        self._parts = each(lambda group: Part(batch, group, loss, truncation), batch.groups)
        self._loss = added([(part.slope.value, part.slope.level) for part in self._parts])
        every = [part.sums | part.embedded() for part in self._parts]
        sums = {name: added([own[name] for own in every]) for name in batch.net.weights}
        self.weights, self.exponents = in_reach(sums)

    @property
    def loss(self):
        """L: inf or 0 where float64 ends."""
        value, level = self._loss
        return float(plain(np.float64(value), level))

    @property
    def log2_loss(self):
        """log2 of L, finite wherever all outputs are and L is not zero."""
        value, level = self._loss
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.log2(np.float64(value)) + level)

    @property
    def exponent(self):
        """The exponent of all weights' gradients. Raises UserError where each has its own."""
        return the_exponent(self.exponents)

    @cached_property
    def lag_log2(self):
        """(T+1, B): log2 ||dL/dh[t]||, -inf after a lane's end and where it is exactly zero."""
        return self.layer_lag_log2(self._top)

    @cached_property
    def cell_lag_log2(self):
        """(T+1, B): log2 ||dL/dc[t]|| of an LSTM."""
        return self.layer_cell_lag_log2(self._top)

    def layer_lag_log2(self, layer, direction="both"):
        """lag_log2 of any layer, 0 the lowest; of both directions together or of one alone.

        In both, row 0 is of the initial states, the reverse one's at the sequence's end.
        """
        self._check_layer(layer)
        one_of("direction", direction, DIRECTIONS)
        return self._joined(lambda part: part.lag_log2(layer, 0, direction))

    def layer_cell_lag_log2(self, layer, direction="both"):
        """cell_lag_log2 of any layer of an LSTM, 0 the lowest; direction as above."""
        check_has_cell(self._batch.net)
        self._check_layer(layer)
        one_of("direction", direction, DIRECTIONS)
        return self._joined(lambda part: part.lag_log2(layer, 1, direction))

    def part_lag_log2(self, layer, direction="both"):
        """{part: lag_log2} of each part of a layer's state: of h, and of an LSTM's c."""
        found = {"h": self.layer_lag_log2(layer, direction)}
        if len(self._batch.net.state_parts) > 1:
            found["c"] = self.layer_cell_lag_log2(layer, direction)
        return found

    def layer_states(self, layer, part="h"):
        """dL/dh[t] of any layer, 0 the lowest, (T+1, B, N or 2N), or dL/dc[t]; row 0: the start."""
        self._check_layer(layer)
        names = self._batch.net.state_parts
        index = names.index(one_of("part", part, names))
        return part_of(self._batch.net, self._joined(lambda one: one.states(layer)), index)

    def __repr__(self):
        kinds = ", ".join(np.unique(self.status))
        return f"Gradients(loss {view.loss(self)}, norm {view.power(self.log2_norm)}, {kinds})"

    def _repr_html_(self):
        return view.gradients(self)

    @property
    def lengths(self):
        """(B,): the steps of each lane."""
        return self._batch.lengths

    @property
    def log2_norm(self):
        """log2 of the norm of all weights' gradients together."""
        return log2_norm(self.weights.values(), [*self.exponents.values()])

    @property
    def log2_norms(self):
        """{name: log2 ||dL/d(weight)||}."""
        return {k: log2_norm([array], self.exponents[k]) for k, array in self.weights.items()}

    @cached_property
    def status(self):
        """(B,): ok, zero or not_connected (see `reach`), overflow or nan (see `bad_step`).

        nan: something that was handed in for this lane (x, y, h0, a teacher, any weight) is nan or
        inf; overflow: finite numbers led to what is not.
        """
        kinds, reach = self._joined(lambda part: part.bad[1]), self.reach
        zero, detached = reach == statuses.ZERO, reach == statuses.NOT_CONNECTED
        return statuses.status_of(self.bad_step, kinds, zero, detached)

    @cached_property
    def reach(self):
        """(B,): what a dL/dh[0] of size zero would mean: ok, zero, underflow or not_connected.

        zero is exact, underflow is what the dtype cannot hold (`lag_log2` can), not_connected means
        that no state lies on the loss's path (see gradlab.nets.statuses.reach).
        """
        log2 = self.lag_log2
        if len(self._batch.net.state_parts) > 1:
            log2 = np.maximum(log2, self.cell_lag_log2)
        return statuses.reach(self.outputs, log2, self._batch.x.dtype)

    @cached_property
    def bad_step(self):
        """(B,): the first t at which x, y or h[t] is not finite, 0 if all is.

        Where they are, that of the loss; where only the gradient is not, its last t.
        """
        steps = self._joined(lambda part: part.bad[0])
        sums = [self.loss, *self.weights.values()]
        if steps.any() or all(np.isfinite(array).all() for array in sums):
            return steps
        return self.lengths.copy()  # finite parts have a sum that is not

    @cached_property
    def outputs(self):
        """dL/do, (T, B, O)."""
        return self._joined(lambda part: part.slope.outputs())

    @cached_property
    def passed(self):
        """h[t], (T+1, B, N): what the way back started from, as `Network.forward` gives it."""
        return self._joined(lambda part: part.run.hidden)

    @property
    def states(self):
        """dL/dh[t], (T+1, B, N); 0 or inf where the dtype ends (`lag_log2` goes on)."""
        return part_of(self._batch.net, self._all_states, 0)

    @property
    def cell_states(self):
        """dL/dc[t] of an LSTM, (T+1, B, N)."""
        check_has_cell(self._batch.net)
        return part_of(self._batch.net, self._all_states, 1)

    @cached_property
    def _all_states(self):
        return self._joined(lambda part: part.states(self._top))

    @cached_property
    @np.errstate(over="ignore", invalid="ignore")
    def terms(self):
        """(T,): the norm of each k's term of dL/dW = sum over k = 1..T; entry k - 1 is term k."""
        found = {}
        for part in self._parts:
            for k, term, exponent in part.terms():
                found.setdefault(k, []).append((term, exponent))
        norms = np.zeros(len(self._batch.x))
        for k, pieces in found.items():
            term, exponent = added(pieces)
            with np.errstate(over="ignore", under="ignore"):
                norms[k - 1] = np.exp2(log2_norm([term], exponent))
        return norms

    @np.errstate(over="ignore", invalid="ignore")
    def term(self, k):
        """Term k of dL/dW, 1 <= k <= T: dL/da_k h_{k-1}^T, what step k's use of W gives."""
        steps = len(self._batch.x)
        given.whole("k", k, f"be a whole number from 1 to T = {steps}", 1, steps)
        pieces = [
            (term, exponent)
            for part in self._parts
            for step, term, exponent in part.terms()
            if step == k
        ]
        return plain(*added(pieces)) if pieces else np.zeros_like(self.weights["W"])

    @np.errstate(over="ignore", invalid="ignore")
    def first_terms(self, k):
        """(array, exponent): the terms 1 to k of dL/dW together, array * 2^exponent; k from 0."""
        steps = len(self._batch.x)
        given.whole("k", k, f"be a whole number from 0 to T = {steps}", 0, steps)
        pieces = [piece for part in self._parts for piece in part.first_terms(k)]
        return added(pieces) if pieces else (np.zeros_like(self.weights["W"]), 0)

    def plot(self):
        """A matplotlib Figure: ||dL/dh_t|| over the lag T - t, in powers of ten.

        The median over lanes, with a band from the least to the largest; every layer of a stack; of
        an LSTM ||dL/dc_t|| too. With elman and the loss at the last step two lines are drawn beside
        it: (f' rho)^lag, rho the spectral radius of W, and the bound (f' s)^lag, s its largest
        singular value, f' the activation's steepest slope. A notebook shows the figure;
        `.savefig(path)` writes it.
        """
        return plotted.gradients(self, self._batch, *self._given)

    @property
    def _top(self):
        return self._batch.net.layers - 1

    def _check_layer(self, layer):
        given.whole("layer", layer, f"be a whole number from 0 to {self._top}", 0, self._top)

    def _joined(self, lanes_of):
        return self._batch.joined([lanes_of(part) for part in self._parts])
