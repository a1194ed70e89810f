"""A network's weights: which there are, of what shape, and how they are drawn.

A cell's file says its own (`shapes`); unless it has a readout among them, V (O, N) and c (O,) are
added. A network of several layers or directions has the cell's weights for each of them, by the
names that gradlab.nets.chains gives. A cell with gates stacks them in W (G N, N).
"""

import math

import numpy as np

from gradlab.errors import UserError
from gradlab.models.tensors import MOST
from gradlab.nets import chains, draws, embedding

ONE = chains.places(1, False)


def shapes(cell, sizes, places=ONE):
    """{name: shape} of a network of sizes = (inputs, hidden, outputs) and its chains' places."""
    inputs, hidden, outputs = sizes
    width = hidden * sum(place.layer == 0 for place in places)
    found = {}
    for place in places:
        own = cell.shapes(width if place.layer else inputs, hidden, outputs)
        found |= {name + place.suffix: shape for name, shape in own.items()}
    return found | {"V": (outputs, width), "c": (outputs,)}


def own(weights, place):
    """{name: array} of one chain, by the names that its cell knows, V and c among them."""
    if place == chains.FIRST:
        return weights
    every = {name.removesuffix(place.suffix): name for name in weights}
    return {short: weights[name] for short, name in every.items() if name != short}


def fed_back(cell, weights):
    """What takes the state on: W, or W V where the output is fed back."""
    return weights["W"] @ weights["V"] if cell.reads_out else weights["W"]


def square(cell, weights):
    """{label: square matrix} by which a step takes the state on: W, each gate's block, or W V.

    A user's cell need not name its gates: they are counted then; nothing if W is no stack of them.
    """
    W = fed_back(cell, weights)
    if len(W) == W.shape[1]:
        return {"W V" if cell.reads_out else "W": W}
    gates, rest = divmod(*W.shape)
    if rest:
        return {}
    names = cell.gates or map(str, range(1, gates + 1))
    return dict(zip(names, np.split(W, gates), strict=True))


def check(cell, weights, places):
    """Raise UserError, one line, for weights that are missing or do not fit together."""
    needed = shapes(cell, (1, 1, 1), places)
    if (table := weights.get(embedding.NAME)) is not None:
        needed[embedding.NAME] = (1, 1)
    listed = ", ".join(needed)
    if missing := [name for name in needed if name not in weights]:
        raise UserError(f"weights lack {', '.join(missing)}: give {listed}")
    if more := [name for name in weights if name not in needed]:
        raise UserError(f"weights hold {', '.join(map(str, more))}: give {listed}")
    check_places(cell, places)
    ways = sum(place.layer == 0 for place in places)
    for name, shape in needed.items():
        own = weights[name].shape
        if len(own) != len(shape) or 0 in own:
            raise UserError(
                f"weights[{name!r}] has shape {own}, not {len(shape)} axes with entries"
            )
    hidden, outputs = weights["V"].shape[1] // ways, len(weights["c"])
    inputs = weights["U"].shape[1]
    right = shapes(cell, (inputs, hidden, outputs), places)
    if table is not None:
        right[embedding.NAME] = (len(table), inputs)
    for name, shape in right.items():
        if weights[name].shape != shape:
            raise UserError(f"weights[{name!r}] has shape {weights[name].shape}, not {shape}")


def check_places(cell, places):
    """Raise UserError, one line, for a stack of cells that are read out by themselves."""
    if len(places) > 1 and cell.reads_out:
        alone = "brings its own readout: it has one layer and one direction"
        raise UserError(f"cell {cell.name} {alone}")


def check_size(cell, sizes, places, words=0):
    """Raise UserError, one line, for weights of more than 2 GiB, before any is drawn.

    words: the rows of an embedding.
    """
    every = [*shapes(cell, sizes, places).values(), (words, sizes[0])]
    size = 8 * sum(math.prod(shape) for shape in every)
    if size > MOST:
        first = ("inputs", "embedding") if words else ("inputs",)
        values = (words, *sizes) if words else sizes
        named = zip((*first, "hidden", "outputs"), values, strict=True)
        told = ", ".join(f"{name}={value}" for name, value in named)
        raise UserError(f"{told}: weights of {size / 2**30:.3g} GiB, at most 2 GiB are drawn")


def draw(stream, cell, sizes, places=ONE, init="gaussian", spectral_radius=None):
    """{name: array} for sizes = (inputs, hidden, outputs), drawn from the stream; biases are 0.

    W by `init` (see gradlab.nets.draws.recurrent), rescaled to the spectral radius unless that is
    None, each gate's N x N block by itself; W V has the radius where the output is fed back;
    U ~ N(0, 1/D) for its D columns, V likewise. Raises ValueError for what cannot be drawn.
    """
    found = {name: np.zeros(shape) for name, shape in shapes(cell, sizes, places).items()}
    for place in places:
        W, U = f"W{place.suffix}", f"U{place.suffix}"
        if cell.reads_out:
            _check_init(init)
            found[W] = draws.dense(stream, *found[W].shape)
        else:
            gates, hidden = found[W].shape[0] // sizes[1], sizes[1]
            blocks = [draws.recurrent(stream, hidden, init, spectral_radius) for _ in range(gates)]
            found[W] = np.concatenate(blocks)
        found[U] = draws.dense(stream, *found[U].shape)
    found["V"] = draws.dense(stream, *found["V"].shape)
    if cell.reads_out and spectral_radius is not None:
        factor = draws.radius_factor(found["V"] @ found["W"], spectral_radius, init)
        found["W"] = found["W"] * factor
    return found


def add_forget_bias(cell, weights, forget_bias):
    """Add to the bias of the gate that keeps the state. Raises UserError if there is none."""
    if not np.isfinite(forget_bias):
        raise UserError(f"forget_bias={forget_bias}: must be a finite number")
    if forget_bias == 0:
        return
    if cell.forget is None:
        raise UserError(f"forget_bias={forget_bias:g}: cell {cell.name} has no gate that forgets")
    hidden, gate = weights["W"].shape[1], cell.gates.index(cell.forget)
    for place in chains.places_of(weights):
        bias = weights[f"b{place.suffix}"]
        bias[gate * hidden : (gate + 1) * hidden] += forget_bias


def add_chrono(stream, cell, weights, memory):
    """Add Tallec and Ollivier's (2018) biases, for memories of up to `memory` steps; 0: none.

    ln U(1, memory - 1), a draw for each unit, to the gate that keeps the state, so that it keeps
    it for some U(1, memory - 1) steps; an LSTM's input gate i has the opposite: b_i = -b_f. Raises
    UserError for a memory that is no whole number from 3, or 0, and where no gate keeps the state.
    """
    if memory == 0:
        return
    if memory < 3:
        raise UserError(f"chrono={memory}: must be a whole number of steps from 3, or 0 for none")
    if cell.forget is None:
        raise UserError(f"chrono={memory}: cell {cell.name} has no gate that forgets")
    hidden = weights["W"].shape[1]
    for place in chains.places_of(weights):
        blocks = weights[f"b{place.suffix}"].reshape(-1, hidden)
        bias = np.log(stream.uniform(1, memory - 1, hidden))
        blocks[cell.gates.index(cell.forget)] += bias
        if "i" in cell.gates:
            blocks[cell.gates.index("i")] -= bias


def _check_init(init):
    if init != "gaussian":
        raise ValueError(f"init={init!r}: the W of fed-back outputs is no square, only gaussian")
