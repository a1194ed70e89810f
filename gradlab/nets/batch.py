"""A batch of sequences, checked, and cut into groups of lanes that run side by side."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from gradlab import given
from gradlab.errors import UserError
from gradlab.kernels.losses import IGNORED
from gradlab.nets import embedding
from gradlab.nets.chains import forward as run_chains
from gradlab.nets.chains import joined

# Multiplications of a batch from which two threads are faster than one: 0.75 x the time at
# B20 T200 N50 (6e7) and B32 T100 N128 (3e8).
WORTH_A_THREAD = 5e7


@dataclass(frozen=True)
class Batch:
    """x (T, B, D), s_0 (B, S) of each chain, lengths (B,) in the caller's order; groups of lanes.

    numbers (T, B): which rows of the embedding x are, None without one.

    A group is an array of lane numbers, longest first. How many there are follows from the shape
    alone: a product's last bits depend on the lanes in it, and so never on the machine's cores.
    """

    net: object
    weights: dict
    x: np.ndarray
    initial: dict
    lengths: np.ndarray
    groups: list
    teacher: np.ndarray | None = None
    numbers: np.ndarray | None = None

    @classmethod
    def of(cls, net, x, h0, lengths, teacher=None):
        """Check what the user gave. Raises UserError, one line, for what does not fit."""
        net = net.checked()
        x, numbers, lengths = _inputs(net, x, lengths)
        count = _groups(*x.shape[:2], net.weights["W"].size)
        groups = _even(x.shape[1], count)
        if lengths.min() < lengths.max():  # a fair share of the long ones for each
            order = np.argsort(-lengths, kind="stable")
            groups = [order[first::count] for first in range(count)]
        weights = net.prepared_chains()
        initial = _initial(net, weights, h0, x.shape[1])
        teacher = _teacher(net, x, teacher, lengths)
        return cls(net, weights, x, initial, lengths, groups, teacher, numbers)

    def of_net(self, net):
        """The same sequences for another network of the same cell, shape and dtype."""
        x = self.x
        if self.numbers is not None:
            x = net.weights[embedding.NAME].take(self.numbers, axis=0)
        return replace(self, net=net, weights=net.prepared_chains(), x=x)

    def classes(self, name, numbers, outputs):
        """Class numbers (T, B) or (B,) as int64, 0 after a lane's own end, where any may stand.

        PyTorch's -100 stays: no loss is taken there. Raises UserError for what is no class within a
        lane's length.
        """
        numbers = np.where(left := numbers == IGNORED, 0, numbers)
        found = _classes(name, numbers, outputs, self.lengths)
        found[left] = IGNORED
        return found

    def joined(self, parts):
        """Lanes of all groups, [(B_g, ...) or (T, B_g, ...)], as one array in the user's order."""
        order = self.groups[0] if len(self.groups) == 1 else np.concatenate(self.groups)
        lanes = (
            parts[0] if len(parts) == 1 else np.concatenate(parts, axis=min(1, parts[0].ndim - 1))
        )
        if (order[1:] > order[:-1]).all():
            return lanes
        return np.take(lanes, np.argsort(order), axis=min(1, lanes.ndim - 1))


@dataclass(frozen=True)
class Run:
    """The forward pass of one group: x (T, B_g, D) and lengths (B_g,), longest first."""

    net: object
    x: np.ndarray
    lengths: np.ndarray
    chains: list

    @classmethod
    def of(cls, batch, group, go=True):
        """Run a group's lanes forward; without `go`, only make ready to."""
        x, initial, lengths = _taken(batch, group)
        weights = batch.weights
        if batch.teacher is not None:  # a stack has none
            given = np.ascontiguousarray(batch.teacher[:, group])
            weights = {place: own._replace(teacher=given) for place, own in weights.items()}
        run = run_chains(batch.net.module, weights, x, (initial, lengths), go=go)
        return cls(batch.net, x, lengths, run)

    def of_layer(self, layer):
        """The chains of a layer, forward first."""
        return [chain for chain in self.chains if chain.place.layer == layer]

    @property
    def top(self):
        """The chains that the readout sees."""
        return self.of_layer(self.chains[-1].place.layer)

    def states(self, layer):
        """States of every step, (T+1, B_g, S), both directions side by side."""
        chains = self.of_layer(layer)
        return joined(chains, [chain.passed.trace.state for chain in chains])

    @functools.cached_property
    def hidden(self):
        """h of every step of the top layer, (T+1, B_g, N or 2 N)."""
        return part_of(self.net, self.states(self.chains[-1].place.layer), 0)

    @property
    def last(self):
        """h of each lane's own last step, (B_g, N)."""
        return self.hidden[self.lengths, np.arange(len(self.lengths))]


def part_of(net, state, index):
    """One of the equal parts of states (..., S), h first."""
    size = state.shape[-1] // len(net.state_parts)
    return state[..., index * size : (index + 1) * size]


def check_has_cell(net):
    """Raise AttributeError, one line, for a network whose state is h alone."""
    if len(net.state_parts) < 2:
        raise AttributeError(f"cell {net.cell} has no cell state: only lstm has")


def _taken(batch, group):
    lengths = batch.lengths[group]
    first, last = group[0], group[-1]
    if lengths[0] == lengths[-1] and last - first == len(group) - 1:  # in order, without a gap
        group = slice(first, last + 1)  # takes a fifth of the time
    initial = {place: states[group] for place, states in batch.initial.items()}
    x = batch.x[:, group]
    if lengths[-1] < len(x):  # what pads a lane may be anything, and is nobody's
        within = np.arange(len(x))[:, None] < lengths
        x = np.where(within[..., None], x, x.dtype.type(0))
    return np.ascontiguousarray(x), initial, lengths


def _groups(steps, lanes, weights):
    if lanes < 16 or 6 * steps * lanes * weights < WORTH_A_THREAD:
        return 1
    return 2 if lanes < 128 else 4 if lanes < 512 else 8


@functools.lru_cache(maxsize=256)
def _even(lanes, count):
    """So many groups of neighbours, which nobody changes."""
    order = np.arange(lanes)
    order.flags.writeable = False
    return np.array_split(order, count)


def _inputs(net, x, lengths):
    """(x (T, B, D), its numbers if it is rows of an embedding, lengths (B,))."""
    if (table := net.weights.get(embedding.NAME)) is not None:
        numbers = embedding.numbers_of("x", x, len(table))
        lengths = _lengths(numbers, lengths)
        numbers = embedding.within("x", numbers, len(table), lengths)
        return table.take(numbers, axis=0), numbers, lengths
    x, inputs = given.floats("x", x), net.weights["U"].shape[1]
    if x.ndim != 3 or x.shape[2] != inputs or 0 in x.shape[:2]:
        raise UserError(f"x must have shape (T, B, {inputs}), not {x.shape}")
    return given.ready(x, net.weights["W"].dtype), None, _lengths(x, lengths)


def _lengths(x, lengths):
    steps, lanes = x.shape[:2]
    if lengths is None:
        return np.full(lanes, steps)
    lengths = given.real("lengths", lengths)
    if lengths.shape != (lanes,) or not np.issubdtype(lengths.dtype, np.integer):
        raise UserError(f"lengths must be {lanes} whole numbers, one a lane, not {lengths!r}")
    if lengths.min() < 1 or lengths.max() > steps:
        raise UserError(f"lengths must lie between 1 and T = {steps}, not {lengths.tolist()}")
    return lengths.astype(np.int64)


def _initial(net, weights, h0, lanes):
    """{place: s_0 (B, S)} from h0, or (h0, c0), as `_start` takes them apart."""
    parts = net.state_parts
    size, dtype = net.module.state_size(weights[net.places[0]]), net.weights["W"].dtype
    pair = h0 if isinstance(h0, tuple) else (h0,)
    if len(pair) > len(parts):
        raise UserError(f"h0 may hold {', '.join(parts)} for cell {net.cell}, not {len(pair)}")
    initial = {place: np.zeros((lanes, size), dtype) for place in net.places}
    for i, value in enumerate(pair):
        if value is not None:
            shape = (len(net.places), lanes, size // len(parts))
            value = _start(f"{parts[i]}0", value, shape)
            for place, own in zip(net.places, value, strict=True):
                part_of(net, initial[place], i)[:] = given.ready(own, dtype)
    return initial


def _classes(name, numbers, outputs, lengths):
    every = numbers.ndim == 2
    within = (np.arange(len(numbers))[:, None] < lengths) if every else True
    wrong = ((numbers < 0) | (numbers >= outputs)) & within
    if wrong.any():
        at = tuple(map(int, np.argwhere(wrong)[0]))
        where = f"step {at[0] + 1} of lane {at[1]}" if every else f"lane {at[0]}"
        raise UserError(f"{name} holds class {numbers[at]} at {where}, not 0 to {outputs - 1}")
    return np.where(within, numbers, 0).astype(np.int64)


def _teacher(net, x, teacher, lengths):
    """What is fed back instead of the outputs, (T, B, O); class numbers (T, B) become one-hot."""
    if teacher is None:
        return None
    if not net.module.fed:
        raise UserError(f"teacher: cell {net.cell} feeds no output back, only jordan does")
    steps, outputs = x.shape[:2], len(net.weights["c"])
    teacher = given.real("teacher", teacher)
    if teacher.shape == steps and np.issubdtype(teacher.dtype, np.integer):
        teacher = _classes("teacher", teacher, outputs, lengths)
        return (teacher[..., None] == np.arange(outputs)).astype(x.dtype)
    if teacher.shape != (*steps, outputs):
        raise UserError(f"teacher must have shape {(*steps, outputs)}, not {teacher.shape}")
    return given.ready(given.floats("teacher", teacher), x.dtype)


def _start(name, value, shape):
    """(chains, B, N) from that, or (chains, N), without the first axis for a single chain."""
    value = given.floats(name, value)
    chains, lanes, size = shape
    right = [(lanes, size), (size,)] if chains == 1 else [shape, (chains, size)]
    if value.shape not in right:
        raise UserError(f"{name} must have shape {right[0]} or {right[1]}, not {value.shape}")
    value = value[None] if chains == 1 else value
    return value if value.ndim == 3 else value[:, None]
