"""Where the loss touches the network: its value, dL/do, and what BPTT starts from."""

from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError
from gradlab.nets.cell import one_of
from gradlab.nets.losses import loss_of
from gradlab.nets.stack import Touch, flipped, widened


class Loss(NamedTuple):
    """The targets y of a whole batch, the loss and its readout by name, and where it is taken."""

    y: np.ndarray
    name: str
    readout: str | None
    at: str

    @classmethod
    def of(cls, batch, y, name, readout, at):
        """Check the targets against a batch. Raises UserError, one line, for what does not fit."""
        one_of("at", at, SLOPES)
        outputs = len(batch.net.weights["c"])
        shape = batch.x.shape[:2] if at == "every" else batch.x.shape[1:2]
        if name == "cross_entropy":
            y = _classes(batch, y, shape, outputs)
        else:
            y = _values(given.floats("y", y), (*shape, outputs), name)
            y = given.ready(y, batch.x.dtype)
        return cls(y, name, readout, at)

    def slope(self, outputs, y):
        """L_t (...) and dL_t/do (..., O)."""
        return loss_of(outputs, y, self.name, self.readout)


class LastStep:
    """The loss of each lane's own last output; L is the mean over the batch's lanes."""

    def __init__(self, run, loss, group, lanes):
        self._run, self._h = run, run.last
        value, slope = loss.slope(run.net.readout(self._h), loss.y[group])
        self.value, self._slope = value.sum() / lanes, slope / run.x.dtype.type(lanes)

    def touch(self, chain):
        """What reaches a chain of the top layer; its last output is a reverse one's first."""
        state, V = chain.passed.trace.state, _columns(self._run, chain)
        if not chain.place.reverse:
            return Touch(widened(self._slope @ V, state.shape[2]), last=True)
        slope = np.zeros((*self._run.x.shape[:2], len(V)), V.dtype)
        slope[0] = self._slope
        return Touch(np.zeros_like(state[0]), slope, widened(V, state.shape[2]), last=True)

    def readout_gradients(self):
        """dL/dV and dL/dc, unless they are the cell's."""
        if self._run.net.reads_out:
            return {}
        return {"V": self._slope.T @ self._h, "c": self._slope.sum(0)}

    def outputs(self):
        """dL/do, (T, B_g, O)."""
        run = self._run
        whole = np.zeros((*run.x.shape[:2], self._slope.shape[1]), run.x.dtype)
        whole[run.lengths - 1, np.arange(len(run.lengths))] = self._slope
        return whole


class EveryStep:
    """The sum over steps of the losses of all outputs; L is the mean over the batch's lanes."""

    def __init__(self, run, loss, group, lanes):
        self._run = run
        y, steps = loss.y[:, group], len(run.x)
        padded = run.lengths.min() < steps
        if padded:
            within = np.arange(steps)[:, None] < run.lengths
            y = np.where(within.reshape(within.shape + (1,) * (y.ndim - 2)), y, y.dtype.type(0))
        value, slope = loss.slope(run.net.readout(run.hidden[1:]), y)
        if padded:
            value, slope = value * within, slope * within[..., None]
        self.value, self._slope = value.sum() / lanes, slope / run.x.dtype.type(lanes)

    def touch(self, chain):
        """What reaches a chain of the top layer."""
        state = chain.passed.trace.state
        slope = flipped(self._slope, chain.lengths) if chain.place.reverse else self._slope
        readout = widened(_columns(self._run, chain), state.shape[2])
        return Touch(np.zeros_like(state[0]), slope, readout)

    def readout_gradients(self):
        """dL/dV and dL/dc, unless they are the cell's."""
        if self._run.net.reads_out:
            return {}
        slope = self._slope.reshape(-1, self._slope.shape[2])
        hidden = self._run.hidden[1:].reshape(len(slope), -1)
        return {"V": slope.T @ hidden, "c": np.einsum("ro->o", slope)}

    def outputs(self):
        """dL/do, (T, B_g, O)."""
        return self._slope


SLOPES = {"every": EveryStep, "last": LastStep}


def _columns(run, chain):
    """do/dh of a chain of the top layer: forward's columns come first."""
    V = run.net.readout_matrix
    size = V.shape[1] // len(run.top)
    return V[:, size * chain.place.reverse : size * (1 + chain.place.reverse)]


def _values(y, shape, name):
    if y.shape != shape:
        raise UserError(f"y must have shape {shape} for loss={name!r}, not {y.shape}")
    return y


def _classes(batch, y, shape, outputs):
    y = _values(given.real("y", y), shape, "cross_entropy")
    if not np.issubdtype(y.dtype, np.integer):
        raise UserError(f"y must hold class numbers for cross_entropy, not {y.dtype}")
    return batch.classes("y", y, outputs)
