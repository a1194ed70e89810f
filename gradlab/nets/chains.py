"""Layers over layers, and both directions of time, by PyTorch's names and conventions.

A chain is one layer in one direction. It runs over each lane's own steps in its own order: the
reverse one from the lane's last step to its first. Between chains all is in order of time: row
t >= 1 of h is that of step t in both directions, row 0 their initial states. A layer's input is
what the layer below has at the same step, forward beside reverse.
"""

from typing import NamedTuple

import numpy as np

from gradlab.nets import bptt
from gradlab.nets.bptt import Pass
from gradlab.nets.exponents import plain


class Place(NamedTuple):
    """Where a chain stands: its layer from 0, and its direction."""

    layer: int
    reverse: bool

    @property
    def suffix(self):
        """What its weights' names end in: nothing for layer 0 forward, else as in PyTorch."""
        return "" if self == FIRST else f"_l{self.layer}{'_reverse' * self.reverse}"


FIRST = Place(0, False)


def places(layers, bidirectional):
    """All chains: layer by layer, forward first."""
    ways = (False, True) if bidirectional else (False,)
    return [Place(layer, way) for layer in range(layers) for way in ways]


def places_of(weights):
    """All chains of a network whose weights have these names."""
    layers = 1
    while f"W_l{layers}" in weights:
        layers += 1
    return places(layers, "W_l0_reverse" in weights)


class Chain(NamedTuple):
    """A chain's forward pass over x (T, B, D), in its own order; lengths (B,) falling."""

    place: Place
    passed: Pass
    x: np.ndarray
    lengths: np.ndarray

    @property
    def sources(self):
        """What delta is multiplied with in the gradients of its weights, as the cell says it."""
        return self.passed.cell.sources(self.passed.trace, self.x)


def forward(cell, prepared, x, start, gain=None, go=True):
    """[Chain] from {place: prepared weights}, x (T, B, D), ({place: s_0 (B, S)}, falling lengths).

    gain (B,): a factor on h where it enters W, in every chain; 1 unless given. Without `go` a
    single chain is only made ready to run.
    """
    initial, lengths = start
    run = bptt.forward if go else bptt.started
    chains, gain = [], np.ones(len(lengths), x.dtype) if gain is None else gain
    for place, weights in prepared.items():
        if place.layer and not place.reverse:
            below = [chain for chain in chains if chain.place.layer == place.layer - 1]
            states = joined(below, [chain.passed.trace.state for chain in below])
            x = np.ascontiguousarray(states[1:, :, : states.shape[2] // len(cell.state_parts)])
        own = flipped(x, lengths) if place.reverse else x
        passed = run(cell, weights, gain, own, initial[place], lengths)
        chains.append(Chain(place, passed, own, lengths))
    return chains


def flipped(values, lengths):
    """values (T, B, ...), each lane's own steps in reverse order; what follows them stays."""
    if lengths.min() == len(values):
        return np.ascontiguousarray(values[::-1])
    steps = np.arange(len(values))[:, None]
    index = np.where(steps < lengths, lengths - 1 - steps, steps)
    return values[index, np.arange(len(lengths))]


def by_time(chain, values):
    """A chain's values (T + 1, B, ...) in order of time; row 0, the initial one, stays."""
    if not chain.place.reverse:
        return values
    return np.concatenate([values[:1], flipped(values[1:], chain.lengths)])


def joined(chains, states):
    """States (T + 1, B, S) of one layer's directions side by side, part of the state by part."""
    if len(chains) == 1:
        return states[0]
    parts = len(chains[0].passed.cell.state_parts)
    apart = [
        np.split(by_time(chain, one), parts, axis=2)
        for chain, one in zip(chains, states, strict=True)
    ]
    return np.concatenate([one[i] for i in range(parts) for one in apart], axis=2)


class Deltas:
    """What a chain's input enters at: delta (T, B, G) * 2^exponent (T, B), kept for below."""

    def __init__(self, chain):
        self.chain, self._units = chain, chain.sources["U"].units
        shape, dtype = chain.x.shape[:2], chain.x.dtype
        self.delta = np.zeros((*shape, self._units[1] - self._units[0]), dtype)
        self.exponent = np.zeros(shape, np.int64)

    @property
    def kept(self):
        """Where `bptt.Sums` keeps the rows of all slices, before it scales them."""
        return self.delta, self._units[0]

    def take(self, adjoint):
        """The exponents of the way back that kept the rows."""
        self.exponent[:] = adjoint.exponent[1:]

    def ordered(self, reverse):
        """(delta, exponent) in the order of a forward or a reverse chain."""
        both = self.delta, self.exponent
        if reverse == self.chain.place.reverse:
            return both
        return tuple(flipped(values, self.chain.lengths) for values in both)


def head_below(chain, above, inputs):
    """The Head of a chain from the layer above: dL/dh_t = sum over directions of U^T delta_t.

    above: [Deltas] of that layer, inputs: their U (G, D), D being all directions of this layer.
    """
    pairs = [one.ordered(chain.place.reverse) for one in above]
    exponent = None
    if any(exponents.any() for _, exponents in pairs):
        exponent = np.max([np.where(d.any(2), e, _LOWEST) for d, e in pairs], axis=0)
        exponent[exponent == _LOWEST] = 0
        pairs = [(plain(d, (e - exponent)[..., None]), e) for d, e in pairs]
    slope = np.concatenate([delta for delta, _ in pairs], axis=2) if pairs[1:] else pairs[0][0]
    head = np.zeros_like(chain.passed.trace.state[0])
    size = head.shape[1] // len(chain.passed.cell.state_parts)
    columns = slice(size * chain.place.reverse, size * (1 + chain.place.reverse))
    readout = widened(np.concatenate(inputs)[:, columns], head.shape[1])
    return bptt.head_of(head, np.ascontiguousarray(slope), readout, exponent)


def widened(rows, size):
    """rows (O, N) as (O, S): what sees h gives the rest of a wider state no direct gradient."""
    wide = np.zeros((len(rows), size), rows.dtype)
    wide[:, : rows.shape[1]] = rows
    return wide


_LOWEST = np.iinfo(np.int64).min // 2
