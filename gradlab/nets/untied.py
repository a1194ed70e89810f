"""Networks whose weights change on the way: another W at each step, or every k steps.

An untied cell is a cell, so a forward and a backward pass drive it as they drive any other; stage
s holds the weights of the steps s k + 1 to (s + 1) k.
"""

from dataclasses import fields
from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.cells.cell import Cell
from gradlab.errors import UserError
from gradlab.nets import bptt, exponents


class Stages(NamedTuple):
    """Prepared weights, one set a stage; bias is the first one's, for its size."""

    sets: tuple
    bias: np.ndarray


class Untied(Cell):
    """A cell that takes the next weights every `steps` steps, one stage after the other."""

    cell: Cell
    steps: int

    def __init__(self, cell: Cell, steps: int):
        if steps < 1:
            raise ValueError(f"steps={steps}: a stage has at least one step")
        own = {part.name: getattr(cell, part.name) for part in fields(Cell)}
        own |= {"prepare": self._prepare, "forward": self._forward, "backward": self._backward}
        own |= {"state_size": self._state_size, "saved_size": self._saved_size}
        super().__init__(**own | {"fed": False, "omega": False})
        vars(self).update(cell=cell, steps=int(steps))

    def __reduce__(self):
        return Untied, (self.cell, self.steps)

    def _prepare(self, weights, activation, dtype):
        """Weights for the loops from a sequence of {"U", "W", "b"}, one a stage.

        Raises UserError, one line, for what holds no numbers, or sets of several shapes.
        """
        sets = [self._numbers(one, dtype) for one in weights]
        for stage, one in enumerate(sets):
            for name, own in one.items():
                if own.shape != sets[0][name].shape:
                    shapes = f"{own.shape}, not {sets[0][name].shape}"
                    raise UserError(f"weights of stage {stage}: {name} has shape {shapes}")
        sets = tuple(self.cell.prepare(one, activation, dtype) for one in sets)
        return Stages(sets, sets[0].bias)

    def _state_size(self, weights):
        """Values of the state."""
        return self.cell.state_size(weights.sets[0])

    def _saved_size(self, weights):
        """Values a step saves beside the state."""
        return self.cell.saved_size(weights.sets[0])

    def _forward(self, weights, gain, x, trace, span):
        """The cell's forward loop, stage by stage. Raises ValueError if the stages end too soon."""
        start, stop, lanes = span
        self._check(weights, stop)
        for stage, first, last in self._parts(start, stop):
            self.cell.forward(weights.sets[stage], gain, x, trace, (first, last, lanes))

    def _backward(self, weights, gain, trace, direct, adjoint, span):
        """The cell's backward loop over one slice, from its last stage to its first."""
        start, stop, lanes = span
        for stage, first, last in reversed(self._parts(start, stop)):
            rows = slice((first - start) * lanes, (last - start) * lanes)
            part = adjoint._replace(delta=adjoint.delta[rows])
            here = (first, last, lanes)
            own = direct._replace(slope=direct.slope[rows], exponent=direct.exponent[rows])
            self.cell.backward(weights.sets[stage], gain, trace, own, part, here)

    def _numbers(self, weights, dtype):
        names = self.shapes(1, 1, 1)
        found = given.weights({name: weights[name] for name in names})
        return {name: given.ready(own, dtype) for name, own in found.items()}

    def _parts(self, start, stop):
        """[(stage, first, last)] of the steps start to stop."""
        stages = range(start // self.steps, -(-stop // self.steps))
        return [(s, max(start, s * self.steps), min(stop, (s + 1) * self.steps)) for s in stages]

    def _check(self, weights, stop):
        reached = self.steps * len(weights.sets)
        if stop > reached:
            given = f"{len(weights.sets)} sets of weights for {self.steps} steps each"
            raise ValueError(f"{given} reach step {reached}, not {stop}")


def stage_sums(run, x, head, direct=None):
    """[bptt.Sums]: dL/dW_s, dL/dU_s, dL/db_s of every stage s of an untied pass.

    x (T, R or 1, D); head and direct as for `bptt.backward`; all lanes have the length T.
    """
    sources, every = run.cell.sources(run.trace, x), run.cell.steps
    sums = [bptt.Sums(sources) for _ in run.weights.sets]
    spans = bptt.slices(np.full(len(head), len(x)), cuts=range(every, len(x), every))
    for span, adjoint in bptt.backward(run, spans, head, direct):
        sums[span[0] // every].add(adjoint, span)
    return sums


def added(sums):
    """{"W", "U", "b"}: (array, exponent) of the sum over all of [bptt.Sums].

    With one W at every stage it is the tied gradient: a parameter used T times sums its terms.
    """
    return {
        name: exponents.added([(one.total[name][0], int(one.exponent[name][0])) for one in sums])
        for name in sums[0].total
    }
