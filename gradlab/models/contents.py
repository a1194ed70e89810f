"""What a file or an object holds: its recurrent networks and linear layers, and the one of them
that is chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError, did_you_mean
from gradlab.models.tensors import Tensor, listed, shown

OWN = "gradlab"  # the layout of what was saved here
LISTED = 12  # networks that a message lists
READ = (
    "read are PyTorch's names (rnn.weight_hh_l0), Keras's (lstm/lstm_cell/recurrent_kernel) and "
    "ONNX's RNN, LSTM and GRU"
)


class Key(NamedTuple):
    """Which weight: U, W, b, b_recurrent, V, c or embedding; of which layer and direction."""

    letter: str
    layer: int = 0
    reverse: bool = False


Weights = dict[Key, np.ndarray]
Choice = str | Sequence[str] | None


@dataclass(frozen=True)
class Recurrent:
    """One recurrent network, found but not read.

    name: what `layer=` chooses it by; tensors: the names that it is made of; activation: None where
    its weights do not say it; refused: why it cannot be taken, if so; biased: has it biases?
    """

    name: str
    tensors: tuple[str, ...]
    cell: str = ""
    inputs: int = 0
    hidden: int = 0
    layers: int = 1
    ways: int = 1
    read: Callable[[], Weights] = dict
    activation: str | None = None
    feedback: str = "output"
    notes: tuple[str, ...] = ()
    refused: str = ""
    biased: bool = True

    def __str__(self) -> str:
        """Its name, cell, sizes, layers and directions, or why it is refused."""
        name = shown(self.name) or "''"
        if self.refused:
            return f"{name} ({self.refused})"
        layers = f", {self.layers} layers" if self.layers > 1 else ""
        ways = ", both directions" if self.ways > 1 else ""
        return f"{name} ({self.cell}, {self.inputs} -> {self.hidden}{layers}{ways})"


@dataclass(frozen=True)
class Linear:
    """A linear layer, o = c + V h: inputs -> outputs; or an embedding of so many `outputs`."""

    name: str
    tensors: tuple[str, ...]
    inputs: int
    outputs: int
    read: Callable[[], tuple[np.ndarray, np.ndarray]]
    embeds: bool = False


@dataclass(frozen=True)
class Model:
    """A recurrent network out of somebody's weights, in gradlab's letters.

    weights    {Key: array}, V and c among them
    notes      lines: what was assumed, and what was left
    ignored    names of the tensors that are no part of it
    lacks      letters of the weights that only stand in for what it does not have: b where it has
               no biases, V and c where nothing reads its states
    """

    name: str
    cell: str
    activation: str
    feedback: str
    weights: Weights
    notes: tuple[str, ...]
    ignored: tuple[str, ...]
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """All that was found. source: how messages call it; layout: whose names and shapes they are."""

    source: str
    layout: str
    tensors: Mapping[str, Tensor]
    recurrents: Sequence[Recurrent]
    linears: Sequence[Linear] = field(default=())
    hint: str = ""

    def model(
        self, layer: Choice = None, activation: str | None = None,
        readout: str | bool | None = None, embedding: str | bool | None = None,
    ) -> Model:  # fmt: skip
        """The network that `layer` chooses: a name, or several that are stacked, the lowest first.

        Without it there must be one alone. activation: of an RNN whose weights do not say it, tanh
        unless given. readout: the linear layer that becomes V and c by its name; False for none;
        unless given the only one that fits. Without one the outputs are the states, o = h.
        embedding: likewise what its inputs are rows of, unless given the only one that is known as
        an embedding, by its kind or its name, and fits.
        Raises UserError, one line, for what is not there, not clear, or cannot be computed.
        """
        try:
            return self._model(layer, activation, readout, embedding)
        except UserError as error:
            raise UserError(f"{self.source}: {error}") from None

    def _model(
        self, layer: Choice, activation: str | None, readout: str | bool | None,
        embedding: str | bool | None,
    ) -> Model:  # fmt: skip
        net = stacked(self._chosen(layer))
        if activation and net.activation and activation != net.activation:
            said = f"its {net.cell} has {net.activation}"
            raise UserError(f"activation={activation!r}: {said}, leave activation out")
        f = activation or net.activation or "tanh"
        notes = list(net.notes)
        if net.cell == "elman" and not (activation or net.activation):
            notes.append("activation tanh, which its weights do not say: activation='relu' if not")
        weights, used = net.read(), set(net.tensors)
        lacks: tuple[str, ...] = () if net.biased else ("b", "b_recurrent")
        table = self._embedding(net, embedding)
        if embedding is False:
            weights.pop(Key("embedding"), None)
        if table is not None:
            weights[Key("embedding")] = table.read()[0]
            used |= set(table.tensors)
            if self.layout != OWN:
                notes.append(f"embedding: {shown(table.name)}, rows of {table.inputs} values")
        if Key("V") not in weights:
            linear = self._readout(net, readout, table)
            weights |= _read_out(linear, net, weights[Key("W")].dtype)
            used |= set(linear.tensors if linear else ())
            lacks += ("V", "c")[len(linear.tensors) if linear else 0 :]
            if not linear or self.layout != OWN:
                notes.append(self._of_readout(linear, net, readout, table))
        ignored = tuple(name for name in self.tensors if name not in used)
        if ignored:
            notes.append(f"ignored: {listed(ignored)}")
        return Model(net.name, net.cell, f, net.feedback, weights, tuple(notes), ignored, lacks)

    def _chosen(self, layer: Choice) -> list[Recurrent]:
        if not self.recurrents:
            raise UserError(f"no recurrent layer in {listed(self.tensors) or 'it'}; {self._right}")
        if layer is not None:
            names = [layer] if isinstance(layer, str) else list(layer)
            return [self._named(name) for name in names]
        if len(self.recurrents) > 1:
            told = listed_nets(self.recurrents)
            several = "or several from below as one stack, layer=['a', 'b']"
            raise UserError(f"holds {told}: choose one by layer=, {several}")
        return [self.recurrents[0]]

    @property
    def _right(self) -> str:
        return self.hint or READ

    def _named(self, name: str) -> Recurrent:
        found = _match([net.name for net in self.recurrents], name)
        if found is None:
            hint = did_you_mean(name, [net.name for net in self.recurrents])
            raise UserError(f"layer={name!r}: it holds {listed_nets(self.recurrents)}{hint}")
        return self.recurrents[found]

    def _fitting(self, net: Recurrent, table: Linear | None) -> list[Linear]:
        width = net.hidden * net.ways
        return [one for one in self.linears if one.inputs == width and one is not table]

    def _embedding(self, net: Recurrent, embedding: str | bool | None) -> Linear | None:
        bare = [one for one in self.linears if len(one.tensors) == 1]
        if embedding in (None, True):
            fitting = [one for one in bare if one.embeds and one.inputs == net.inputs]
            return fitting[0] if len(fitting) == 1 else None
        if embedding is False:
            return None
        found = _match([one.name for one in bare], str(embedding))
        if found is None:
            told = listed(one.name for one in bare)
            raise UserError(f"embedding={embedding!r}: its tables are {told or 'none'}")
        if (width := bare[found].inputs) != net.inputs:
            raise UserError(f"embedding={embedding!r} has {width} values, the input {net.inputs}")
        return bare[found]

    def _readout(
        self, net: Recurrent, readout: str | bool | None, table: Linear | None
    ) -> Linear | None:
        if readout is False:
            return None
        if readout in (None, True):
            fitting = self._fitting(net, table)
            return fitting[0] if len(fitting) == 1 else None
        found = _match([linear.name for linear in self.linears], str(readout))
        if found is None:
            told = listed(linear.name for linear in self.linears)
            raise UserError(f"readout={readout!r}: its linear layers are {told or 'none'}")
        linear, width = self.linears[found], net.hidden * net.ways
        if linear.inputs != width:
            raise UserError(f"readout={readout!r} takes {linear.inputs} values, the states {width}")
        return linear

    def _of_readout(
        self, linear: Linear | None, net: Recurrent, readout: object, table: Linear | None
    ) -> str:
        if linear:
            why = "" if isinstance(readout, str) else ", the only linear layer that fits"
            return f"readout: {shown(linear.name) or 'the bare weight'} ({linear.outputs}){why}"
        fitting = [] if readout is False else self._fitting(net, table)
        names = listed(one.name for one in fitting)
        why = f": {names} would fit, choose one by readout=" if fitting else ""
        return f"no readout, the outputs are the states{why}"


def stacked(parts: Sequence[Recurrent]) -> Recurrent:
    """Networks as the layers of one, the lowest first. Raises UserError where they do not fit."""
    for part in parts:
        if part.refused:
            raise UserError(f"{shown(part.name)}: {part.refused}" if part.name else part.refused)
    if len(parts) == 1:
        return parts[0]
    if not parts:
        raise UserError("layer=[]: name one or more")
    first = parts[0]
    kinds = {(part.cell, part.hidden, part.ways, part.activation) for part in parts}
    width = first.hidden * first.ways
    if len(kinds) > 1 or any(part.inputs != width for part in parts[1:]):
        told = listed_nets(parts)
        raise UserError(f"no stack of {told}: a layer takes what the one below has, of one kind")
    return Recurrent(
        name="+".join(part.name for part in parts),
        tensors=tuple(name for part in parts for name in part.tensors),
        cell=first.cell, inputs=first.inputs, hidden=first.hidden,
        layers=sum(part.layers for part in parts), ways=first.ways,
        read=lambda: _one_over_the_other(parts), activation=first.activation,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        biased=any(part.biased for part in parts),
    )  # fmt: skip


def listed_nets(parts: Sequence[Recurrent]) -> str:
    """ "2 recurrent networks, a (lstm, 3 -> 8), b (lstm, 8 -> 8)"."""
    more = ", ..." if len(parts) > LISTED else ""
    told = ", ".join(map(str, parts[:LISTED]))
    return f"{len(parts)} recurrent network{'s' * (len(parts) > 1)}, {told}{more}"


def _one_over_the_other(parts: Sequence[Recurrent]) -> Weights:
    found: Weights = {}
    below = 0
    for part in parts:
        found |= {key._replace(layer=key.layer + below): own for key, own in part.read().items()}
        below += part.layers
    return found


def _match(names: Sequence[str], name: str) -> int | None:
    """Where a name stands: in full, or as the end of one alone."""
    if name in names:
        return list(names).index(name)
    ends = [i for i, one in enumerate(names) if one.endswith((f".{name}", f"/{name}"))]
    return ends[0] if len(ends) == 1 else None


def _read_out(linear: Linear | None, net: Recurrent, dtype: np.dtype) -> Weights:
    width = net.hidden * net.ways
    V, c = linear.read() if linear else (np.eye(width, dtype=dtype), np.zeros(width, dtype))
    return {Key("V"): V, Key("c"): c}
