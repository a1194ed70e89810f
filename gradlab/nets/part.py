"""One group of a batch's lanes, forward through all layers and back."""

from functools import cached_property

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels import passes
from gradlab.nets import bptt, embedding, statuses, truncated, weights
from gradlab.nets.batch import Run
from gradlab.nets.chains import Deltas, by_time, head_below, joined
from gradlab.nets.exponents import outer, plain
from gradlab.nets.heads import Ready, Slope
from gradlab.nets.losses import loss_of


class Part:
    """The sums of a group's gradients; what is looked at seldom runs back once more.

    slope  the loss, what it gives the readout, and the readout's gradients
    sums   {name: (array, exponent)}: dL/d(weight), this group's share, but for the embedding's
    omega  (value, dOmega/dW, mean number of counted steps), None unless it was asked for
    """

    @np.errstate(over="ignore", invalid="ignore")  # a status says so
    def __init__(self, batch, group, loss, truncation=None, omega=False):
        self._truncation, self._source = truncation, (batch, group, loss)
        self._heads, self._adjoints, self.omega = {}, {}, None
        found = self._at_once(omega) if self._is_simple() else self._layer_by_layer(omega)
        self.sums = self.slope.sums | found

    def _is_simple(self):
        net = self._source[0].net
        return len(net.places) == 1 and net.module.compiled and self._truncation is None

    def _at_once(self, omega):
        """One chain: from x to all gradients in one compiled call."""
        batch, group, loss = self._source
        self.run = run = Run.of(batch, group, go=False)
        (chain,) = run.chains
        below = self._below(chain)
        sums = self._sums_of(chain, below, omega)
        spans, target, head, adjoint = Ready.of(run, loss, group, sums)
        passed, back = chain.passed, (head, adjoint, sums.options(spans[1]))
        total, safe, well = passes.there_and_back(passed[1:], chain.x, spans, target, back)
        if safe:
            self.slope = Slope.safe(run, loss.at, total, target[2])
            self._heads[chain.place] = head
            if not well:
                bptt.go_again(passed, head, sums, adjoint, spans[1])
        else:
            self.slope = Slope.careful(run, loss, group)
            self._heads[chain.place] = self.slope.head(chain)
            adjoint = self.gone(chain, sums)
        self._lowest = [below]
        return self._added(chain, sums, adjoint, below)

    def adjoint(self, chain):
        """What a chain's way back recorded."""
        return self._adjoints[chain.place]

    def head(self, chain):
        """What a chain's way back started from."""
        return self._heads[chain.place]

    def _layer_by_layer(self, omega):
        batch, group, loss = self._source
        self.run = Run.of(batch, group)
        self.slope = Slope.of(self.run, loss, group)
        found, above = {}, []
        for layer in range(batch.net.layers - 1, -1, -1):
            chains = self.run.of_layer(layer)
            for chain in chains:
                self._heads[chain.place] = self._head_of(chain, above)
            below = [self._below(chain) for chain in chains]
            for chain, deltas in zip(chains, below, strict=True):
                sums = self._sums_of(chain, deltas, omega)
                found |= self._added(chain, sums, self.gone(chain, sums), deltas)
            above = below
        self._lowest = above
        return found

    def _below(self, chain):
        """Room for what a chain hands down: to the layer below, or to the embedding."""
        kept = chain.place.layer > 0 or self._source[0].numbers is not None
        return Deltas(chain) if kept else None

    def embedded(self, rows=None, below=None):
        """{"embedding": (array, exponent)}, nothing without one.

        rows (R,), rising: those that the array is to have, all of the group's among them. below:
        `Deltas` of another way back through the lowest layer.
        """
        batch, group, _ = self._source
        if batch.numbers is None:
            return {}
        table, numbers = batch.net.weights[embedding.NAME], batch.numbers[:, group]
        if rows is not None:
            table, numbers = table[rows], np.searchsorted(rows, numbers)
        below = below or self._lowest
        own = embedding.gradient(below, self._inputs_of(below), numbers, np.zeros_like(table))
        return {embedding.NAME: own}

    def _inputs_of(self, kept):
        """The U of each of these `Deltas`."""
        return [self.run.net.weights[f"U{one.chain.place.suffix}"] for one in kept]

    def _head_of(self, chain, above):
        if not above:
            return self.slope.head(chain)
        return head_below(chain, above, self._inputs_of(above))

    def _sums_of(self, chain, deltas, omega):
        kept = deltas.kept if deltas else None
        own = chain.passed.weights.recurrent if omega else None
        return bptt.Sums(chain.sources, kept=kept, omega=own)

    def gone(self, chain, into=None, keep=False):
        """The adjoint of a chain's way back."""
        head, cut = self._heads[chain.place], self.cut(chain)
        return bptt.back(chain.passed, chain.lengths, head, into, cut=cut, keep=keep)

    def cut(self, chain):
        """Where a chain's adjoints are dropped, None if nowhere."""
        if self._truncation is None:
            return None
        last = self._source[2].at == "last"
        return truncated.Cut(*self._truncation, last, chain.place.reverse)

    def _added(self, chain, sums, adjoint, deltas=None):
        """{name: (array, exponent)} of a chain's weights, from its sums."""
        self._adjoints[chain.place] = adjoint
        if deltas is not None:
            deltas.take(adjoint)
        if sums.omega[0].size:
            self.omega = sums.omega_of(len(self._source[0].lengths))
        return self.named(chain, sums)

    def named(self, chain, sums):
        """{name: (array, exponent)} of a chain's weights, by the network's names and shapes."""
        shapes = weights.own(self.run.net.weights, chain.place)
        return {
            name + chain.place.suffix: (
                total[0].reshape(shapes[name].shape), int(sums.exponent[name][0])
            )
            for name, total in sums.total.items()
        }  # fmt: skip

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
            adjoint = self.gone(chain, keep=True)
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
        """[(k, term, exponent)] of dL/dW, from the longest lane's last step down to k = 1."""
        chain = self.run.chains[0]
        found = _Terms(chain.sources["W"])
        self.gone(chain, found)
        return found.terms

    def first_terms(self, k):
        """[(array, exponent)] whose sum is that of the terms 1 to k of dL/dW."""
        chain = self.run.chains[0]
        found = _FirstTerms(chain.sources["W"], k)
        self.gone(chain, found)
        return found.terms


class _Terms:
    """Takes apart what `bptt.Sums` adds up: each step's term of dL/dW."""

    slices = None, bptt.ROWS

    def __init__(self, source):
        self._source, self.terms = source, []

    def add(self, adjoint, span):
        """Add a slice's."""
        values, columns, units = self._source
        start, stop, lanes = span
        for t in range(stop - 1, start - 1, -1):
            rows = adjoint.delta[(t - start) * lanes : (t - start + 1) * lanes, slice(*units)]
            here = values[t, :lanes, slice(*columns)]
            self.terms.append((t + 1, *outer(rows, adjoint.exponent[t + 1, :lanes], here)))


class _FirstTerms(_Terms):
    """The terms of the first steps alone, those of a slice in one product."""

    def __init__(self, source, last):
        super().__init__(source)
        self._last = last

    def add(self, adjoint, span):
        """Add a slice's."""
        values, columns, units = self._source
        start, stop, lanes = span
        if (stop := min(stop, self._last)) > start:
            rows = adjoint.delta[: (stop - start) * lanes, slice(*units)]
            here = values[start:stop, :lanes, slice(*columns)].reshape(len(rows), -1)
            own = adjoint.exponent[start + 1 : stop + 1, :lanes].ravel()
            self.terms.append(outer(rows, own, here))


def _finite(arrays):
    return all(np.isfinite(array).all() for array in arrays)
