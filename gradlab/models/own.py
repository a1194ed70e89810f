"""gradlab's own files: what `net.save` and `Training.save` wrote.

A network of elman, lstm or gru has PyTorch's names (see `pytorch.names`), and its metadata say the
cell and the activation, which those names do not. Every other cell's network, and a training, have
our letters after `weights.`. A cell that is a file is not run because a model names it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.errors import UserError
from gradlab.models import pytorch, safetensors
from gradlab.models.contents import Key, Recurrent, Weights
from gradlab.models.tensors import Tensor, taken

NETWORK, TRAINING, PREFIX = "gradlab.network", "gradlab.training", "weights."
SAID = ("cell", "activation", "feedback")
NAME = re.compile(r"(.+?)(?:_l([0-9]{1,4})(_reverse)?)?", re.ASCII)


def write(path: str | Path, said: Mapping[str, str], weights: Mapping[Key, np.ndarray]) -> None:
    """A network's file; said: its cell, activation and feedback."""
    if said["cell"].endswith(".py"):
        raise UserError(
            f"cell {said['cell']} is a file, which a model cannot name: numpy.savez(path, "
            "**net.weights) keeps the weights, gradlab.Network(weights, cell) takes them"
        )
    if said["cell"] in pytorch.CELLS.values():
        arrays = pytorch.names(said["cell"], weights)
    else:
        arrays = {f"{PREFIX}{name(key)}": array for key, array in weights.items()}
    safetensors.write(path, arrays, {NETWORK: json.dumps(dict(said))})


def name(key: Key) -> str:
    """ "W_l1_reverse", as net.weights has it."""
    plain = key.layer == 0 and not key.reverse
    return key.letter if plain else f"{key.letter}_l{key.layer}{'_reverse' * key.reverse}"


def key_of(text: str) -> Key:
    """The Key of a name in net.weights.

    >>> key_of("b_recurrent_l1_reverse")
    Key(letter='b_recurrent', layer=1, reverse=True)
    """
    found = NAME.fullmatch(text)
    letter, layer, reverse = found.groups() if found else (text, None, None)
    return Key(letter, int(layer or 0), bool(reverse))


def find(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> list[Recurrent]:
    """The network of a file whose metadata are gradlab's, else nothing."""
    text = metadata.get(NETWORK) or metadata.get(TRAINING)
    if text is None:
        return []
    said = _said(text)
    own = tuple(name for name in tensors if name.startswith(PREFIX))
    if not own:
        return [
            replace(net, activation=said["activation"])
            for net in pytorch.find(tensors)
            if net.cell == said["cell"]
        ]
    shapes = {n.removeprefix(PREFIX): tensors[n].shape for n in own}
    ways = 1 + ("W_l0_reverse" in shapes)
    if not all(len(shapes.get(letter, ())) == 2 for letter in "UV"):
        raise UserError("a network of gradlab without its U and V")
    return [
        Recurrent(
            "weights", own, inputs=shapes["U"][1], hidden=shapes["V"][1] // ways,
            layers=1 + max(key_of(n).layer for n in shapes), ways=ways,
            read=lambda: _weights(tensors, own), **said,
        )
    ]  # fmt: skip


def _said(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
        said = {name: told[name] for name in SAID}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError("its metadata are not gradlab's") from None
    if not all(isinstance(value, str) and value.isidentifier() for value in said.values()):
        raise UserError(
            f"cell {said['cell']!r} is no name of a cell: a model's file may not name another file"
        )
    return said


def _weights(tensors: Mapping[str, Tensor], names: tuple[str, ...]) -> Weights:
    arrays = taken(tensors, names)
    return {key_of(name.removeprefix(PREFIX)): array for name, array in arrays.items()}
