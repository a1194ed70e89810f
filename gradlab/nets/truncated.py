"""Truncated backpropagation through time: losses that reach back a few steps only.

    window k   L_t uses W at the steps t, ..., t - k + 1 (k = 1: the immediate term)
    chunk k    steps fall into [0, k), [k, 2 k), ... from the start; L_t uses W in its own chunk.
               States go on from chunk to chunk, gradients do not (Williams and Peng 1990)

dL/dh_t is then what all losses together pass through step t; h_0 belongs to step 1. With k >= T
both are the full gradient, computed by the same operations.
"""

from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels.arrays import Adjoint, Direct, Trace
from gradlab.nets.exponents import plain

KINDS = ("window", "chunk")


class Truncation(NamedTuple):
    """`window` or `chunk`, and its k."""

    kind: str
    steps: int

    @classmethod
    def of(cls, given, length):
        """From the user's None or (kind, k); None where k covers sequences of `length` steps.

        Raises UserError, one line, for anything else.
        """
        if given is None:
            return None
        pair = tuple(given) if isinstance(given, tuple | list) and len(given) == 2 else (None, 0)
        whole = isinstance(pair[1], int | np.integer) and not isinstance(pair[1], bool)
        if pair[0] not in KINDS or not whole or pair[1] < 1:
            right = "None, ('window', k) or ('chunk', k) with a whole number k from 1"
            raise UserError(f"truncate must be {right}, not {given!r}")
        return None if pair[1] >= length else cls(pair[0], int(pair[1]))

    def check(self, net, at):
        """Raise UserError, one line, for a window that a network of several chains has not."""
        if self.kind == "window" and (net.bidirectional or (net.layers > 1 and at == "every")):
            few = "one direction" if net.bidirectional else "layers=1, or the loss at='last'"
            raise UserError(f"truncate=('window', {self.steps}) needs {few}: take ('chunk', k)")


class Cut(NamedTuple):
    """A truncation of one chain: the loss `last`, at each lane's last step, or at every step."""

    kind: str
    steps: int
    last: bool
    reverse: bool

    @property
    def is_window(self):
        """Whether each loss goes back by itself, its own k steps."""
        return self.kind == "window" and not self.last

    def of(self, lengths):
        """({t: the lanes whose adjoint ends at h_t}, the step below which all is zero)."""
        if self.is_window:
            return {}, 0
        if self.last and not self.reverse:
            ends = self._ends(lengths)
            return ends, min(ends)
        return self._edges(lengths), 0

    def _ends(self, lengths):
        """{t: the lanes whose loss, at their last step, reaches back to h_t}."""
        if self.kind == "window":
            ends = np.maximum(lengths - self.steps, 0)
        else:
            ends = (lengths - 1) // self.steps * self.steps
        return {int(t): np.asarray(ends == t) for t in np.unique(ends)}

    def _edges(self, lengths):
        """{t: the lanes with an edge of a chunk}; a reverse chain meets them from its own side."""
        times = np.arange(self.steps, lengths[0], self.steps)
        if not self.reverse:
            return dict.fromkeys(times.tolist(), np.ones(len(lengths), np.bool_))
        own = lengths - times[:, None]
        return {int(t): (own == t).any(0) for t in np.unique(own[own > 0])}


def windows(passed, spans, own, adjoint, steps):
    """Yield (span, adjoint): each loss by itself for `steps` steps: T steps of k L lanes.

    own(span) -> Direct. The gradient of L_t stands in slot t % k, which the next loss takes when
    the window ends. No subtraction: the full gradient less its tail would lose all digits where
    gradients grow.
    """
    slots, run = _Slots.of(steps, adjoint.carry[:0]), None
    for span in map(tuple, spans.tolist()):
        if run is None or span[2] > len(run.gain):
            slots, run = slots.widened(span[2]), _narrowed(passed, span)
        _one_slice(run, slots, own(span), adjoint, span)
        yield span, adjoint


def _narrowed(run, span):
    """The pass of the lanes, and up to the last step, of a span."""
    _, stop, lanes = span
    state, saved = run.trace.state[: stop + 1, :lanes], run.trace.saved[:stop, :lanes]
    trace = Trace(np.ascontiguousarray(state), np.ascontiguousarray(saved))
    return run._replace(gain=run.gain[:lanes], trace=trace)


class _Slots(NamedTuple):
    """carry (k, L, S) and exponent (k, L): the gradients of k losses at one step."""

    carry: np.ndarray
    exponent: np.ndarray

    @classmethod
    def of(cls, steps, none):
        """No lanes yet; none (0, S) has their type."""
        return cls(np.zeros((steps, *none.shape), none.dtype), np.zeros((steps, 0), np.int64))

    def widened(self, lanes):
        """With zeros for lanes that begin here."""
        more = lanes - self.exponent.shape[1]
        carry = np.pad(self.carry, [(0, 0), (0, more), (0, 0)])
        return _Slots(carry, np.pad(self.exponent, [(0, 0), (0, more)]))


def _one_slice(run, slots, direct, adjoint, span):
    """The steps of one slice, one after the other; what they sum to goes into `adjoint`."""
    start, stop, lanes = span
    own = _room(run, slots, stop, adjoint.norm2.shape[1])
    for t in range(stop, start, -1):
        rows = slice((t - start - 1) * lanes, (t - start) * lanes)
        slots.carry[t % len(slots.carry)] = direct.slope[rows] @ direct.readout
        slots.exponent[t % len(slots.carry)] = direct.exponent[rows] if direct.exponent.size else 0
        level = _record(adjoint, t, slots)
        delta, exponent = _step(run, slots, own, t)
        adjoint.delta[rows] = _summed(delta, exponent, level)
    if start == 0:
        _record(adjoint, 0, slots)


def _room(run, slots, stop, parts):
    """An adjoint of all slots; of its records, only the rows that are used take memory."""
    carry = slots.carry.reshape(-1, slots.carry.shape[2])
    return Adjoint(
        delta=np.empty((len(carry), len(run.weights.bias)), carry.dtype),
        carry=carry,
        norm2=np.empty((stop + 1, parts, len(carry))),
        exponent=np.empty((stop + 1, len(carry)), np.int64),
        states=np.empty((0, 0, carry.shape[1]), carry.dtype),
    )


def _step(run, slots, own, t):
    """One step of the cell's own backward loop; the slots move from t to t - 1.

    Returns delta (k, L, G) and its exponents (k, L).
    """
    shape, none = slots.exponent.shape, Direct(own.carry[:0], own.carry[:0])
    own.exponent[t] = slots.exponent.reshape(-1)
    run.cell.backward(run.weights, run.gain, run.trace, none, own, (t - 1, t, len(own.carry)))
    slots.exponent[:] = own.exponent[t - 1].reshape(shape)
    return own.delta.reshape(*shape, -1), own.exponent[t].reshape(shape)


def _record(adjoint, t, slots):
    """Put dL/dh_t, the sum over slots, on record; return its exponents (L,)."""
    lanes, held = slots.exponent.shape[1], slots.carry.any(2)
    level = np.where(held, slots.exponent, _LOWEST).max(0)
    level[~held.any(0)] = 0
    total = _summed(*slots, level)
    adjoint.exponent[t, :lanes] = level
    parts = np.square(total, dtype=np.float64).reshape(lanes, adjoint.norm2.shape[1], -1)
    adjoint.norm2[t, :, :lanes] = parts.sum(2).T
    if adjoint.states.size:
        adjoint.states[t, :lanes] = total
    return level


def _summed(rows, exponent, level):
    """The sum over slots of rows (k, L, n) * 2^exponent, over 2^level."""
    shift = exponent - level
    return (plain(rows, shift[..., None]) if shift.any() else rows).sum(0)


_LOWEST = np.iinfo(np.int64).min
