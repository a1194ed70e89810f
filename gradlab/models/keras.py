"""Keras's layout: SimpleRNN, LSTM, GRU, and Bidirectional over them, by their variables' paths.

    lstm/lstm_cell/kernel (D, G N), .../recurrent_kernel (N, G N), .../bias (G N,)
    bidirectional/forward_lstm/... and bidirectional/backward_lstm/...

The gates stand i, f, c, o in an LSTM, which is our i, f, g, o, and z, r, h in a GRU, our r, z, n.
A GRU with reset_after=True, the default, has a bias (2, 3 N), that of the input above that of the
state, and PyTorch's equation; with False the reset gate stands before the product, which is
another cell. Names alone do not say the activations: Keras's defaults are assumed, a layer says
them. A Dense layer is kernel (N, O), bias (O,).
Source: https://keras.io/api/layers/recurrent_layers/ and keras/src/layers/rnn/gru.py.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradlab.models.contents import Key, Linear, Recurrent, Weights
from gradlab.models.pytorch import CELLS, biases
from gradlab.models.tensors import Tensor, linear, ordered, shown, taken

CELL = re.compile(r"/[a-z_]*(cell|cell_[0-9]+)$")
WAY = re.compile(r"((?:.*/)?)(forward|backward)_([^/]+)", re.DOTALL)
ORDER = {"elman": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}  # our gates among Keras's
ACTIVATIONS = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "linear": "identity"}
ASSUMED = "activations as Keras has them by default (tanh, sigmoid), which names do not say"
PARTS = ("kernel", "recurrent_kernel", "bias")


def find(
    tensors: Mapping[str, Tensor], configs: Mapping[str, dict[str, Any]] | None = None
) -> list[Recurrent]:
    """The recurrent layers; configs: {path of a recurrent_kernel: its layer's own get_config()}."""
    groups = _groups(tensors)
    found = {
        name: _recurrent(name, parts, tensors, (configs or {}).get(parts["recurrent_kernel"]))
        for name, parts in groups.items()
    }
    return _both_ways(found)


def linears(tensors: Mapping[str, Tensor]) -> list[Linear]:
    """The Dense layers: what looks like one."""
    found = []
    recurrent = {parts["kernel"] for parts in _groups(tensors).values() if "kernel" in parts}
    for name, tensor in tensors.items():
        prefix, slash, last = name.rpartition("/")
        kind, colon, rest = last.partition(":")
        if kind != "kernel" or len(tensor.shape) != 2 or name in recurrent:
            continue
        bias = f"{prefix}{slash}bias{colon}{rest}"
        has_bias = bias in tensors and tensors[bias].shape == tensor.shape[1:]
        names = (name, bias) if has_bias else (name,)
        found.append(
            Linear(prefix, names, *tensor.shape, linear(tensors, names, is_transposed=True))
        )
    return found


def _groups(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, str]]:
    """{name of a layer: {kernel, recurrent_kernel, bias, others: names}}."""
    paths: dict[str, dict[str, str]] = {}
    for name in tensors:
        path, _, last = name.rpartition("/")
        paths.setdefault(path, {})[last.partition(":")[0]] = name
    recurrent = {path: parts for path, parts in paths.items() if "recurrent_kernel" in parts}
    short = [CELL.sub("", path) for path in recurrent]
    return {
        name if short.count(name) == 1 else path: parts
        for name, (path, parts) in zip(short, recurrent.items(), strict=True)
    }


def _recurrent(
    name: str, parts: dict[str, str], tensors: Mapping[str, Tensor], config: dict[str, Any] | None
) -> Recurrent:
    every = tuple(parts.values())
    shapes = {kind: tensors[full].shape for kind, full in parts.items()}
    if fault := _fault(shapes) or _said_fault(shapes, config):
        return Recurrent(name, every, refused=fault)
    (inputs, _), (hidden, rows) = shapes["kernel"], shapes["recurrent_kernel"]
    cell = CELLS[rows // hidden]
    activation = ACTIVATIONS[config.get("activation", "tanh")] if config else None
    return Recurrent(
        name, every, cell=cell, inputs=inputs, hidden=hidden,
        read=lambda: _weights(cell, taken(tensors, every), parts),
        activation=activation if cell == "elman" else "tanh",
        notes=() if config or cell == "elman" else (ASSUMED,), biased="bias" in parts,
    )  # fmt: skip


def _fault(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Why shapes are not those of a layer, nothing if they are."""
    if odd := [kind for kind in shapes if kind not in PARTS]:
        what = "peepholes" if any("peephole" in kind for kind in odd) else "another cell"
        return f"has {', '.join(map(shown, odd))}: {what}, read are SimpleRNN, LSTM and GRU"
    own = shapes["recurrent_kernel"]
    if len(own) == 4:
        return "is convolutional: read are SimpleRNN, LSTM and GRU"
    if len(own) != 2 or not own[0] or own[1] % own[0] or own[1] // own[0] not in CELLS:
        right = "(N, N) of SimpleRNN, (N, 3N) of GRU or (N, 4N) of LSTM"
        return f"recurrent_kernel of shape {own} is not {right}"
    hidden, rows = own
    kernel, bias = shapes.get("kernel", ()), shapes.get("bias", (rows,))
    if len(kernel) != 2 or kernel[1] != rows or not kernel[0]:
        return f"kernel has shape {kernel}, not (D, {rows})"
    right_bias = (2, rows) if rows == 3 * hidden and "bias" in shapes else (rows,)
    if rows == 3 * hidden and bias == (rows,) and "bias" in shapes:
        return RESET
    return "" if bias == right_bias else f"bias has shape {bias}, not {right_bias}"


RESET = "a GRU with reset_after=False is another cell: train one with reset_after=True, the default"


def _said_fault(shapes: Mapping[str, tuple[int, ...]], config: dict[str, Any] | None) -> str:
    """Why a layer that says its settings is not computed here."""
    if config is None:
        return ""
    gates = shapes["recurrent_kernel"][1] // shapes["recurrent_kernel"][0]
    if gates == 3 and not config.get("reset_after", True):
        return RESET
    known = {"activation": ("tanh",) if gates > 1 else (*ACTIVATIONS,), "merge_mode": ("concat",)}
    known |= {"recurrent_activation": ("sigmoid",)} if gates > 1 else {}
    for name, right in known.items():
        if (value := config.get(name, right[0])) not in right:
            return f"{name} {shown(value)}: only {', '.join(right)} can be computed"
    if config.get("go_backwards"):
        return "goes backwards: make it with go_backwards=False, and reverse its inputs in time"
    return ""


def _both_ways(found: dict[str, Recurrent]) -> list[Recurrent]:
    """forward_X and backward_X of one path as one network, where both are there.

    A model that was loaded has no path before them, so that X tells several apart.
    """
    nets: list[Recurrent] = []
    for name, net in found.items():
        way = WAY.fullmatch(name)
        partner = _partner(found, way) if way else None
        if way is None or partner is None:
            nets.append(net)
        elif way[2] == "forward":
            nets.append(_paired(way[1].rstrip("/") or way[3], net, found[partner]))
    return nets


def _partner(found: Mapping[str, Recurrent], way: re.Match[str]) -> str | None:
    """The other direction: of the same name, or else the only one of that path."""
    others = {
        name: match[3]
        for name in found
        if (match := WAY.fullmatch(name)) and match[1] == way[1] and match[2] != way[2]
    }
    same = [name for name, rest in others.items() if rest == way[3]]
    return same[0] if same else next(iter(others)) if len(others) == 1 else None


def _paired(name: str, one: Recurrent, other: Recurrent) -> Recurrent:
    every = one.tensors + other.tensors
    kinds = [(net.cell, net.inputs, net.hidden, net.activation) for net in (one, other)]
    refused = one.refused or other.refused
    if refused or kinds[0] != kinds[1]:
        return Recurrent(name, every, refused=refused or "its two directions are not of one kind")

    def read() -> Weights:
        back = other.read().items()
        return one.read() | {key._replace(reverse=True): array for key, array in back}

    return Recurrent(
        name, every, cell=one.cell, inputs=one.inputs, hidden=one.hidden, ways=2, read=read,
        activation=one.activation, notes=one.notes, biased=one.biased,
    )  # fmt: skip


def _weights(cell: str, arrays: dict[str, np.ndarray], parts: dict[str, str]) -> Weights:
    order = ORDER[cell]
    U, W = (ordered(arrays[parts[kind]].T, order) for kind in PARTS[:2])
    two = np.zeros((2, len(W)), W.dtype)
    if "bias" in parts:
        bias = arrays[parts["bias"]]
        two = np.stack([ordered(row, order) for row in bias.reshape(-1, len(W))])
    own, recurrent = two if len(two) == 2 else (two[0], np.full_like(two[0], -0.0))
    return {Key("U"): U, Key("W"): W} | biases(cell, own, recurrent, 0, False)
