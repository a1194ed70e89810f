"""PyTorch's layout: torch.nn.RNN, LSTM, GRU and their cells, in a state_dict.

    weight_ih_l0 (G N, D), weight_hh_l0 (G N, N), bias_ih_l0, bias_hh_l0 (G N,), ..._l1_reverse

after a prefix, the module's name. The gates stand as here: LSTM i, f, g, o; GRU r, z, n. Both
biases are added, so their sum is b; but for GRU, whose n keeps them apart, they are b and
b_recurrent. A state_dict of an RNN does not say tanh or ReLU; a module does. A linear layer is
weight (O, N) with bias (O,) or none. nn.Embedding is weight (K, D): a module says that it is one,
in a state_dict its name has to hold "emb".
Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html, and RNN.html, GRU.html.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from gradlab.models.contents import Key, Linear, Recurrent, Weights
from gradlab.models.tensors import Tensor, linear, taken

NAME = re.compile(
    r"((?:.*[./])?)(weight|bias)_(ih|hh|hr)(?:_l([0-9]{1,4}))?(_reverse)?", re.ASCII | re.DOTALL
)
CELLS = {1: "elman", 3: "gru", 4: "lstm"}  # by the number of blocks of N rows
# What stands in a state_dict in the place of weight_hh_l0 when it is computed from something else.
COMPUTED = re.compile(r"parametrizations\.weight_hh|weight_hh(_l[0-9]+)?(_reverse)?_(orig|g|v|u)$")
QUANTISED = re.compile(r"_all_weight_values|_packed_params|\.(scale|zero_point)$")
PREFIX, READOUT, EMBEDDING = "rnn", "readout", "embedding"  # what `names` calls them


class Part(NamedTuple):
    """Which of PyTorch's parameters it is."""

    kind: str  # weight_ih, weight_hh, bias_ih, bias_hh, weight_hr
    layer: int
    reverse: bool


def find(
    tensors: Mapping[str, Tensor], activations: Mapping[str, str] | None = None
) -> list[Recurrent]:
    """The recurrent modules by their prefixes; activations: what modules say of themselves."""
    groups: dict[str, dict[Part, str]] = {}
    for name in tensors:
        if found := NAME.fullmatch(name):
            prefix, kind, side, layer, reverse = found.groups()
            part = Part(f"{kind}_{side}", int(layer or 0), bool(reverse))
            groups.setdefault(prefix, {})[part] = name
    said = activations or {}
    return [_recurrent(p[:-1], parts, tensors, said.get(p[:-1])) for p, parts in groups.items()]


def linears(
    tensors: Mapping[str, Tensor], embeddings: Collection[str] | None = None
) -> list[Linear]:
    """The linear layers, and the embeddings: by their names, or those that a module knows."""
    found = []
    for name, tensor in tensors.items():
        prefix, dot, last = name.rpartition(".")
        if last != "weight" or len(tensor.shape) != 2:
            continue
        bias = f"{prefix}{dot}bias"
        has_bias = bias in tensors and tensors[bias].shape == tensor.shape[:1]
        names = (name, bias) if has_bias else (name,)
        found.append(
            Linear(
                prefix,
                names,
                tensor.shape[1],
                tensor.shape[0],
                linear(tensors, names, is_transposed=False),
                not has_bias and _embeds(prefix, embeddings),
            )
        )
    return found


def _embeds(prefix: str, embeddings: Collection[str] | None) -> bool:
    if embeddings is not None:
        return prefix in embeddings
    return "emb" in prefix.rpartition(".")[2].lower()


def hint(tensors: Mapping[str, Tensor]) -> str:
    """What to do where no module was found, if its names tell."""
    if any(COMPUTED.search(name) for name in tensors):
        return (
            "its weight_hh is computed from other tensors (weight_norm, pruning): remove that first"
            ", by torch.nn.utils.parametrize.remove_parametrizations or prune.remove"
        )
    if any(QUANTISED.search(name) for name in tensors):
        return "it is quantised: save the float32 model from before"
    return ""


def names(cell: str, weights: Mapping[Key, np.ndarray]) -> dict[str, np.ndarray]:
    """{PyTorch's name: array}: a module's whose parts are called rnn and readout.

    A single b is bias_ih beside a bias_hh of -0.0: x + -0.0 is x to the bit, that of -0.0 too.
    """
    found = {}
    for key, array in weights.items():
        place = f"l{key.layer}{'_reverse' * key.reverse}"
        if key.letter in "Vc":
            found[f"{READOUT}.{'weight' if key.letter == 'V' else 'bias'}"] = array
            continue
        if key.letter == EMBEDDING:
            found[f"{EMBEDDING}.weight"] = array
            continue
        found[f"{PREFIX}.{_OURS[key.letter]}_{place}"] = array
        if key.letter == "b" and cell != "gru":
            found[f"{PREFIX}.bias_hh_{place}"] = np.full_like(array, -0.0)
    return found


_OURS = {"U": "weight_ih", "W": "weight_hh", "b": "bias_ih", "b_recurrent": "bias_hh"}


def _recurrent(
    name: str, parts: dict[Part, str], tensors: Mapping[str, Tensor], activation: str | None
) -> Recurrent:
    every = tuple(parts.values())
    if fault := _fault(parts, tensors):
        return Recurrent(name, every, refused=fault)
    rows, hidden = _shape(parts, tensors, Part("weight_hh", 0, False))
    cell = CELLS[rows // hidden]
    return Recurrent(
        name, every, cell=cell, hidden=hidden,
        inputs=_shape(parts, tensors, Part("weight_ih", 0, False))[1],
        layers=1 + max(part.layer for part in parts), ways=1 + any(p.reverse for p in parts),
        read=lambda: _weights(cell, parts, taken(tensors, every)),
        activation=(activation or None) if cell == "elman" else "tanh",
        biased=any(part.kind.startswith("bias") for part in parts),
    )  # fmt: skip


def _shape(parts: dict[Part, str], tensors: Mapping[str, Tensor], part: Part) -> tuple[int, ...]:
    return tensors[parts[part]].shape


def _fault(parts: dict[Part, str], tensors: Mapping[str, Tensor]) -> str:
    """Why a group of parameters is no recurrent module, nothing if it is one."""
    if any(part.kind == "weight_hr" for part in parts):
        return (
            "an LSTM with projections (proj_size, weight_hr) is another cell: train it without them"
        )
    first = Part("weight_hh", 0, False)
    if first not in parts or len(_shape(parts, tensors, first)) != 2:
        return hint(tensors) or "it lacks a weight_hh_l0 (G N, N)"
    rows, hidden = _shape(parts, tensors, first)
    if not hidden or rows % hidden or rows // hidden not in CELLS:
        right = "(N, N) of RNN, (3N, N) of GRU or (4N, N) of LSTM"
        return f"weight_hh_l0 has shape {(rows, hidden)}, not {right}"
    return _misfit(parts, tensors, rows, hidden)


def _misfit(parts: dict[Part, str], tensors: Mapping[str, Tensor], rows: int, hidden: int) -> str:
    """Which parameter is missing or of a shape that does not fit the others."""
    ways = (False, True) if any(part.reverse for part in parts) else (False,)
    kinds = ["weight_ih", "weight_hh"]
    kinds += ["bias_ih", "bias_hh"] if any(part.kind.startswith("bias") for part in parts) else []
    layers = 1 + max(part.layer for part in parts)
    if layers * len(ways) * len(kinds) != len(parts):
        return f"{len(parts)} parameters are no {layers} layers of {', '.join(kinds)}"
    below = _shape(parts, tensors, Part("weight_ih", 0, False))[1:]
    for part, name in parts.items():
        width = (hidden * len(ways),) if part.layer else below
        right = {"weight_ih": (rows, *width), "weight_hh": (rows, hidden)}.get(part.kind, (rows,))
        if tensors[name].shape != right or 0 in right:
            return f"{part.kind}_l{part.layer} has shape {tensors[name].shape}, not {right}"
    return ""


def _weights(cell: str, parts: dict[Part, str], arrays: dict[str, np.ndarray]) -> Weights:
    found: Weights = {}
    for part, name in parts.items():
        place = part[1:]
        if part.kind == "weight_ih":
            found[Key("U", *place)] = arrays[name]
        elif part.kind == "weight_hh":
            found[Key("W", *place)] = arrays[name]
            pair = [parts.get(Part(kind, *place)) for kind in ("bias_ih", "bias_hh")]
            none = np.zeros(len(arrays[name]), arrays[name].dtype)
            own, recurrent = (arrays[bias] if bias else none for bias in pair)
            found |= biases(cell, own, recurrent, *place)
    return found


def biases(cell: str, own: np.ndarray, recurrent: np.ndarray, layer: int, reverse: bool) -> Weights:
    """b and, for GRU alone, b_recurrent, of the bias beside U x and the one beside W h."""
    if cell == "gru":
        return {Key("b", layer, reverse): own, Key("b_recurrent", layer, reverse): recurrent.copy()}
    with np.errstate(invalid="ignore", over="ignore"):
        return {Key("b", layer, reverse): own + recurrent}
