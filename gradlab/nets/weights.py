"""A network's weights: which there are, of what shape, and how they are drawn.

A cell's file says its own (`shapes`); unless it has a readout among them, V (O, N) and c (O,) are
added. A cell with gates stacks them in W (G N, N) and names them in GATES; FORGET is the gate that
keeps the state.
"""

import numpy as np

from gradlab.errors import UserError
from gradlab.nets import draws


def reads_out(cell):
    """Whether the readout is the cell's own, so that its state is the output."""
    return "V" in cell.shapes(1, 1, 1)


def shapes(cell, inputs, hidden, outputs):
    """The shape of each weight of a network, by its name."""
    return cell.shapes(inputs, hidden, outputs) | {"V": (outputs, hidden), "c": (outputs,)}


def check(cell, weights):
    """Raise UserError, one line, for weights that are missing or do not fit together."""
    needed = shapes(cell, 1, 1, 1)
    missing = [name for name in needed if name not in weights]
    if missing:
        raise UserError(f"weights lack {', '.join(missing)}: give {', '.join(needed)}")
    hidden, outputs = weights["V"].shape[-1], len(weights["c"])
    right = shapes(cell, weights["U"].shape[-1], hidden, outputs)
    for name, shape in right.items():
        if weights[name].shape != shape:
            raise UserError(f"weights[{name!r}] has shape {weights[name].shape}, not {shape}")


def draw(stream, cell, sizes, init="gaussian", spectral_radius=None):
    """{name: array} for sizes = (inputs, hidden, outputs), drawn from the stream; biases are 0.

    W by `init` (see gradlab.nets.draws.recurrent), rescaled to the spectral radius unless that is
    None, each gate's N x N block by itself; W V has the radius where the output is fed back;
    U ~ N(0, 1/D), V ~ N(0, 1/N). Raises ValueError for what cannot be drawn.
    """
    hidden, outputs = sizes[1:]
    found = {name: np.zeros(shape) for name, shape in shapes(cell, *sizes).items()}
    fed_back = reads_out(cell)
    if fed_back:
        _check_init(init)
        found["W"] = draws.dense(stream, *found["W"].shape)
    else:
        gates = range(found["W"].shape[0] // hidden)
        blocks = [draws.recurrent(stream, hidden, init, spectral_radius) for _ in gates]
        found["W"] = np.concatenate(blocks)
    found["U"] = draws.dense(stream, *found["U"].shape)
    found["V"] = draws.dense(stream, outputs, hidden)
    if fed_back and spectral_radius is not None:
        factor = draws.radius_factor(found["V"] @ found["W"], spectral_radius, init)
        found["W"] = found["W"] * factor
    return found


def add_forget_bias(cell, weights, forget_bias):
    """Add to the bias of the gate that keeps the state. Raises UserError if there is none."""
    if not np.isfinite(forget_bias):
        raise UserError(f"forget_bias={forget_bias}: must be a finite number")
    if forget_bias == 0:
        return
    if not hasattr(cell, "FORGET"):
        name = cell.__name__.rpartition(".")[2]
        raise UserError(f"forget_bias={forget_bias:g}: cell {name} has no gate that forgets")
    hidden, gate = weights["W"].shape[1], cell.GATES.index(cell.FORGET)
    weights["b"][gate * hidden : (gate + 1) * hidden] += forget_bias


def _check_init(init):
    if init != "gaussian":
        raise ValueError(f"init={init!r}: the W of fed-back outputs is no square, only gaussian")
