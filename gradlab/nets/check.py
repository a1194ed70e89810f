"""A user's cell against numerical derivatives: every gradient that its loops give back.

    L = sum over t of d_t . s_t,   dL/dp = (L(p + e) - L(p - e)) / (2 e),   e = 1e-5

with random d_t on a small network of ragged lanes, in slices of two steps; once as it is, once with
gains that are not 1 (dL/dW is then that of gain times W, and not compared).
"""

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels.arrays import Direct
from gradlab.nets import bptt

STEP = 1e-5  # central differences: 1e-10 of truncation, 1e-11 of rounding
TOLERANCE = 1e-6
HIDDEN, INPUTS, OUTPUTS = 4, 3, 2
LENGTHS = np.array([7, 7, 4])
GAINS = {"": np.ones(3), " with a gain": np.array([1.0, 0.7, 1.3])}


def check_cell(cell, activation, file):
    """Raise UserError, one line, if a gradient is off by more than 1e-6 of its norm.

    The gradients are those of the cell's own weights, and dL/d(state) at each step.
    """
    for kind, gain in GAINS.items():
        try:
            case = _Case(cell, activation, gain)
            own, numerical = case.gradients(), case.numerical(weights=not kind)
        except Exception as error:
            message = " ".join(str(error).split())[:300]
            raise UserError(f"{file} fails its check: {type(error).__name__}: {message}") from error
        for name, expected in numerical.items():
            off = np.linalg.norm(own[name] - expected) / max(np.linalg.norm(expected), 1e-12)
            if not off < TOLERANCE:
                raise UserError(
                    f"{file}: {name}{kind} differs from numerical derivatives, relative error "
                    f"{off:.2g} (activation {activation}; right is below {TOLERANCE:g})"
                )


class _Case:
    """A small network of the cell, its inputs, and the linear loss."""

    def __init__(self, cell, activation, gain):
        rng = np.random.default_rng(0)
        self.cell, self.activation, self.gain = cell, activation, gain
        shapes = cell.shapes(INPUTS, HIDDEN, OUTPUTS)
        self.weights = {name: 0.5 * rng.standard_normal(shape) for name, shape in shapes.items()}
        prepared = cell.prepare(self.weights, activation, "float64")
        if cell.fed and {"feedback", "teacher"} - {*prepared._fields}:
            raise ValueError("FEEDBACKS need weights with the fields feedback, teacher")
        steps, lanes, size = LENGTHS.max(), len(LENGTHS), cell.state_size(prepared)
        self.x = rng.standard_normal((steps, lanes, INPUTS))
        self.initial = 0.5 * rng.standard_normal((lanes, size))
        self.slope = rng.standard_normal((steps, lanes, size))  # d_t of the states 1 to T
        self.slope *= (np.arange(steps)[:, None] < LENGTHS)[..., None]

    def run(self, weights):
        """A forward pass from h_0."""
        prepared = self.cell.prepare(weights, self.activation, "float64")
        return bptt.forward(self.cell, prepared, self.gain, self.x, self.initial, LENGTHS)

    def gradients(self):
        """What the cell's own loops give: dL/dW, dL/dU, dL/db, dL/d(state)."""
        run = self.run(self.weights)
        sums = bptt.Sums(self.cell.sources(run.trace, self.x))
        spans = bptt.slices(LENGTHS, 2)
        head = np.zeros_like(self.initial)
        for span, adjoint in bptt.backward(run, spans, head, self._direct, keep=True):
            sums.add(adjoint, span)
        found = {f"dL/d{k}": sums.total[k][0].reshape(v.shape) for k, v in self.weights.items()}
        found["dL/d(state)"] = adjoint.states
        return found | self._norms(lambda i, _: np.exp2(bptt.log2_norms(adjoint, i)))

    def numerical(self, weights):
        """The same by central differences of the forward loop, with or without `weights`."""
        found = {f"dL/d{name}": self._by_weight(name) for name in self.weights if weights}
        states = np.array([self._by_state(t) for t in range(len(self.x) + 1)])
        found["dL/d(state)"] = states
        return found | self._norms(lambda _, part: np.linalg.norm(states[..., part], axis=-1))

    def _norms(self, norm):
        """{what: norm(i, columns)} of each part of the state."""
        parts = self.cell.state_parts
        size = self.slope.shape[2] // len(parts)
        return {
            f"norm of dL/d{part}": norm(i, slice(i * size, (i + 1) * size))
            for i, part in enumerate(parts)
        }

    def _direct(self, span):
        start, stop, lanes = span
        size = self.slope.shape[2]
        return Direct(self.slope[start:stop, :lanes].reshape(-1, size), np.eye(size))

    def _by_weight(self, name):
        def loss(value):
            return (self.slope * self.run(self.weights | {name: value}).trace.state[1:]).sum()

        return _central(loss, self.weights[name])

    def _by_state(self, t):
        """dL/d(state_t): restart from a changed state; ended lanes have none."""
        states = self.run(self.weights).trace.state
        prepared = self.cell.prepare(self.weights, self.activation, "float64")
        here = t <= LENGTHS
        count = int(here.sum())
        rest = LENGTHS[here] - t

        def loss(value):
            direct = (self.slope[t - 1, :count] * value).sum() if t else 0.0
            if t == len(self.x):
                return direct
            x = np.ascontiguousarray(self.x[t:, here])
            run = bptt.forward(self.cell, prepared, self.gain[here], x, value, rest)
            return direct + (self.slope[t:, :count] * run.trace.state[1:]).sum()

        found = np.zeros_like(self.initial)
        found[:count] = _central(loss, states[t, :count])
        return found


def _central(loss, value):
    slope = np.empty_like(value)
    for index in np.ndindex(value.shape):
        moved = [value.copy(), value.copy()]
        moved[0][index] += STEP
        moved[1][index] -= STEP
        slope[index] = (loss(moved[0]) - loss(moved[1])) / (2 * STEP)
    return slope
