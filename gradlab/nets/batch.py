"""One batch through one network: checked, its lanes put longest first, and run forward."""

from dataclasses import dataclass

import numpy as np

from gradlab.errors import UserError
from gradlab.nets import gradients
from gradlab.nets.gradients import Pass


@dataclass(frozen=True)
class Run:
    """A forward pass in the kernels' order: lanes `order`, lengths (B,) falling."""

    net: object
    x: np.ndarray
    lengths: np.ndarray
    order: np.ndarray
    passed: Pass

    @property
    def trace(self):
        """States and what else the forward pass saved."""
        return self.passed.trace

    def unsorted(self, lanes):
        """Lanes, (B,) or (T, B, ...), back in the caller's order."""
        if np.array_equal(self.order, np.arange(len(self.order))):
            return lanes
        return np.take(lanes, np.argsort(self.order), axis=min(1, lanes.ndim - 1))

    @property
    def hidden(self):
        """h of every step, (T+1, B, N): the part of the state that others see."""
        return self.trace.state[..., : self.net.hidden]

    @property
    def last(self):
        """h of each lane's own last step, (B, N)."""
        return self.hidden[self.lengths, np.arange(len(self.lengths))]


def start(net, x, h0, lengths):
    """Check a batch and run it forward."""
    dtype = net.weights["W"].dtype
    x = _inputs(net, x, dtype)
    lengths = _lengths(x, lengths)
    order = np.argsort(-lengths, kind="stable")
    initial = _initial(net, h0, x.shape[1], dtype)[order]
    x, lengths = np.ascontiguousarray(x[:, order]), lengths[order]
    weights = net.module.prepare(net.weights, net.activation, dtype)
    gain = np.ones(len(order), dtype)
    passed = gradients.forward(net.module, weights, gain, x, initial, lengths)
    return Run(net, x, lengths, order, passed)


def _inputs(net, x, dtype):
    x = np.asarray(x, dtype)
    inputs = net.weights["U"].shape[1]
    if x.ndim != 3 or x.shape[2] != inputs or 0 in x.shape[:2]:
        raise UserError(f"x must have shape (T, B, {inputs}), not {x.shape}")
    return x


def _lengths(x, lengths):
    steps, lanes = x.shape[:2]
    if lengths is None:
        return np.full(lanes, steps)
    lengths = np.asarray(lengths)
    if lengths.shape != (lanes,) or not np.issubdtype(lengths.dtype, np.integer):
        raise UserError(f"lengths must be {lanes} whole numbers, one a lane, not {lengths!r}")
    if lengths.min() < 1 or lengths.max() > steps:
        raise UserError(f"lengths must lie between 1 and T = {steps}, not {lengths.tolist()}")
    return lengths.astype(np.int64)


def _initial(net, h0, lanes, dtype):
    shape = (lanes, net.module.state_size(net.hidden))
    if h0 is None:
        return np.zeros(shape, dtype)
    h0 = np.asarray(h0, dtype)
    if h0.shape not in (shape, shape[1:]):
        raise UserError(f"h0 must have shape {shape} or {shape[1:]}, not {h0.shape}")
    return np.ascontiguousarray(np.broadcast_to(h0, shape))
