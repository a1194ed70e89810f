"""What the points of one block share: a draw of the network, a task, and the lanes of a sweep."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab import tasks
from gradlab.errors import UserError, one_of
from gradlab.nets import chains, draws, registry, statuses, weights
from gradlab.nets.network import DTYPES, Network

LANE_AXES = ("spectral_radius", "input_scale", "sequence_length")
NETWORK = ("cell", "layers", "bidirectional", "dtype")
START = 0.01  # standard deviation of h_0 where no input drives the network


class Lanes(NamedTuple):
    """The product of a block's radii, scales and lengths, and where the block's points lie in it.

    Forward lane r = (radius, scale); backward lane l = (length, r), lengths falling.
    """

    radius: np.ndarray
    scale: np.ndarray
    lengths: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, block):
        """Lanes of a block with the axes LANE_AXES (one value where an axis is missing)."""
        columns = [_column(block, name) for name in LANE_AXES]
        (radii, at_radius), (scales, at_scale), (lengths, at_length) = (
            np.unique(column, return_inverse=True) for column in columns
        )
        radius, scale = (grid.ravel() for grid in np.meshgrid(radii, scales, indexing="ij"))
        forward = at_radius * len(scales) + at_scale
        index = (len(lengths) - 1 - at_length) * len(radius) + forward
        return cls(radius, scale, lengths[::-1].astype(np.int64), index)

    @property
    def all_lengths(self):
        """Length of each backward lane, falling."""
        return np.repeat(self.lengths, len(self.radius))


def constant(block, name, default=None):
    """A constant of the block, or an axis that has one value in it. Raises UserError if several.

    A name that the block lacks has the default, if there is one.
    """
    if name in block.constants:
        return block.constants[name]
    if name not in block.points and default is not None:
        return default
    values = np.unique(block.points[name])
    if len(values) > 1:
        raise UserError(f"{name} must be one value a block: split the grid by it")
    return values[0].item()


def _column(block, name):
    if name in block.points:
        return block.points[name]
    return np.full(len(block), block.constants[name])


class Draw(NamedTuple):
    """One network of spectral radius 1 and its task's input: what a seed stands for.

    start (S,), or (C, S) of C chains: the state it starts from where no input drives it; inputs
    (T, 1, D), targets (T, 1, O). All in float64, as theory reads it.
    """

    net: Network
    start: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray

    def cast(self, dtype):
        """The same in the floats that a pass computes in; classes stay whole numbers."""
        if dtype == "float64":
            return self
        net, *arrays = self
        kept = {name: array.astype(dtype) for name, array in net.weights.items()}
        arrays = (a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays)
        return Draw(Network(kept, net.cell, net.activation), *arrays)


def draw(block, length):
    """The block's draw, for sequences up to `length`; biases are 0 but for forget_bias.

    The cell is elman, of one layer and direction, unless the block says otherwise. Radius, scale
    and length of a point do not change the draw; W of radius rho is rho times it.
    """
    hidden, init = constant(block, "hidden_size"), constant(block, "init")
    _check_size(hidden)
    seed, name = constant(block, "seed"), constant(block, "task")
    options, activation = tasks.options(name, block.constants), constant(block, "activation")
    inputs, outputs = tasks.sizes(name, options)
    cell, places = registry.find(cell_of(block), activation), places_of(block)
    weights.check_places(cell, places)
    stream = draws.stream(seed=seed, init=init, hidden_size=hidden)
    try:
        sizes = (inputs, hidden, outputs)
        drawn = weights.draw(stream, cell, sizes, places, init, 1.0)
    except UserError:
        raise
    except ValueError as error:  # this seed's draw cannot be scaled
        raise UserError(f"seed={seed}: {error}") from None
    weights.add_forget_bias(cell, drawn, constant(block, "forget_bias", 0.0))
    net = Network(drawn, cell_of(block), activation)
    shape = (len(places), cell.state_size(net.prepared()))
    start = START * stream.standard_normal(shape[len(places) == 1 :])
    x, y = tasks.find(name).sample(task_stream(seed, name), int(length), **options)
    return Draw(net, start, np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y))


def cell_of(block):
    """The name of the block's cell."""
    return constant(block, "cell", "elman")


def dtype_of(block):
    """The floats of the block's networks. Raises UserError for what is neither of them."""
    return one_of("dtype", constant(block, "dtype", "float64"), DTYPES)


def places_of(block):
    """The chains of the block's networks, see gradlab.nets.chains."""
    layers = constant(block, "layers", 1)
    if layers < 1:
        raise UserError(f"layers={layers}: must be at least 1")
    return chains.places(layers, bool(constant(block, "bidirectional", False)))


def of_network(point):
    """What of a point `Network.draw` takes: its cell, layers, directions and floats."""
    return {name: point[name] for name in NETWORK if name in point}


def scaled(shared, lanes):
    """The inputs (T, R, D) of all radii and scales, in the draw's floats."""
    return shared.inputs * lanes.scale[:, None].astype(shared.inputs.dtype)


def passed(net, gain, x, initial):
    """The forward pass of the top layer, all lanes T steps long; x (T, R or 1, D).

    gain (R,) is the factor on h in every chain, initial (R, S) or (C, R, S) what they start from.
    """
    prepared = net.prepared_chains()
    initial = initial.reshape(len(prepared), len(gain), -1)
    starts, steps = dict(zip(prepared, initial, strict=True)), np.full(len(gain), len(x))
    gain = gain.astype(x.dtype)
    return chains.forward(net.module, prepared, x, (starts, steps), gain)[-1].passed


def bad_steps(run, shared, lanes):
    """(first bad state's step, 0 if none is bad within its length; why) of lanes.all_lengths."""
    steps = np.full(len(lanes.radius), len(shared.inputs))
    bad, kinds = statuses.first_bad_step(run.trace.state, shared.inputs, steps)
    bad, kinds = (np.tile(each, len(lanes.lengths)) for each in (bad, kinds))
    return np.where(bad <= lanes.all_lengths, bad, 0), kinds


def of_size(net, radius, scale):
    """A network of spectral radius 1 with every W times a radius, and U of the input a scale."""
    factors = dict.fromkeys((f"W{place.suffix}" for place in net.places), radius)
    factors |= {f"U{place.suffix}": scale for place in net.places if place.layer == 0}
    kept = {k: v * net.dtype.type(factors.get(k, 1)) for k, v in net.weights.items()}
    return Network(kept, net.cell, net.activation)


def top(net):
    """The place of the forward chain of the top layer."""
    return chains.Place(net.layers - 1, False)


def task_stream(seed, task):
    """The generator that a task draws from; where a user's own file stands does not matter."""
    return draws.stream(seed=seed, task=Path(task).stem)


def _check_size(hidden):
    if hidden < 1:
        raise UserError(f"hidden_size={hidden}: must be at least 1")


def check(lanes):
    """Raise UserError, one line, for radii, scales and lengths that no sweep can have."""
    for name, values in (("spectral_radius", lanes.radius), ("input_scale", lanes.scale)):
        wrong = values[~(np.isfinite(values) & (values >= 0))]
        if wrong.size:
            raise UserError(f"{name}={wrong[0]:g}: must be a finite number >= 0")
    if lanes.lengths.min() < 1:
        raise UserError(f"sequence_length={lanes.lengths.min()}: must be at least 1")
