"""Where the loss touches the network: its value, dL/do, and what BPTT starts from."""

import numpy as np

from gradlab.cells.arrays import Direct
from gradlab.errors import UserError
from gradlab.nets.losses import loss_of


class LastStep:
    """The loss of each lane's own last output; L is the mean over lanes."""

    def __init__(self, run, y, loss):
        self._run, V = run, run.net.weights["V"]
        self._h = run.last
        outputs = run.net.readout(self._h)
        value, slope = loss_of(outputs, _targets(run, y, outputs.shape, loss), *loss)
        self.value, self._slope = value.mean(), slope / len(slope)
        self.direct = None
        self.head = _padded(self._slope @ V, run)

    def readout_gradients(self):
        """dL/dV and dL/dc."""
        return {"V": self._slope.T @ self._h, "c": self._slope.sum(0)}

    def outputs(self):
        """dL/do, (T, B, O)."""
        run = self._run
        whole = np.zeros((*run.x.shape[:2], self._slope.shape[1]), run.x.dtype)
        whole[run.lengths - 1, np.arange(len(run.lengths))] = self._slope
        return whole


class EveryStep:
    """The sum over steps of the losses of all outputs; L is the mean over lanes."""

    def __init__(self, run, y, loss):
        self._run, self._V = run, run.net.weights["V"]
        outputs = run.net.readout(run.hidden[1:])
        within = np.arange(len(run.x))[:, None] < run.lengths
        y = _targets(run, y, outputs.shape, loss)
        y = np.where(within.reshape(within.shape + (1,) * (y.ndim - 2)), y, y.dtype.type(0))
        value, slope = loss_of(outputs, y, *loss)
        self.value = (value * within).sum() / len(run.lengths)
        self._slope = slope * within[..., None] / run.x.dtype.type(len(run.lengths))
        self.head = np.zeros_like(run.trace.state[0])
        self._readout = np.ascontiguousarray(_padded(self._V, run))

    def direct(self, span):
        """dL_t/do_t of a slice's states, and do/d(state)."""
        start, stop, lanes = span
        return Direct(self._slope[start:stop, :lanes].reshape(-1, len(self._V)), self._readout)

    def readout_gradients(self):
        """dL/dV and dL/dc."""
        slope = self._slope.reshape(-1, len(self._V))
        return {"V": slope.T @ self._run.hidden[1:].reshape(len(slope), -1), "c": slope.sum(0)}

    def outputs(self):
        """dL/do, (T, B, O)."""
        return self._slope


def _padded(rows, run):
    # The readout sees h; the rest of a wider state gets no direct gradient.
    size = run.trace.state.shape[2]
    if rows.shape[1] == size:
        return rows
    wide = np.zeros((len(rows), size), rows.dtype)
    wide[:, : rows.shape[1]] = rows
    return wide


def _targets(run, y, shape, loss):
    classes = loss[0] == "cross_entropy"
    y = np.asarray(y) if classes else np.asarray(y, run.x.dtype)
    expected = shape[:-1] if classes else shape
    if y.shape != expected:
        raise UserError(f"y must have shape {expected} for loss={loss[0]!r}, not {y.shape}")
    if classes:
        if not np.issubdtype(y.dtype, np.integer):
            raise UserError(f"y must hold class numbers for cross_entropy, not {y.dtype}")
        if y.min() < 0 or y.max() >= shape[-1]:
            raise UserError(f"y holds classes {y.min()} to {y.max()}, not 0 to {shape[-1] - 1}")
    return y[..., run.order] if classes else y[..., run.order, :]
