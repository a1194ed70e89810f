"""ONNX's layout: the nodes RNN, LSTM and GRU with their initialisers, in a .onnx file.

    W [dir, G N, D], R [dir, G N, N], B [dir, 2 G N] = [Wb, Rb]

The gates stand i, o, f, c in an LSTM, which is our i, f, g, o, and z, r, h in a GRU, our r, z, n.
A GRU needs linear_before_reset=1, PyTorch's equation. A node whose input is another's output, by
way of what changes its shape alone, is the layer above it. A Gemm or MatMul with a constant matrix
is a linear layer. Refused: peepholes, clip, input_forget, the reverse direction alone, other
activations, weights that the graph computes or that stand in other files.
Source: https://onnx.ai/onnx/operators/onnx__LSTM.html, and __GRU, __RNN. Needs `onnx`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.errors import UserError
from gradlab.models.contents import Contents, Key, Linear, Recurrent, Weights, stacked
from gradlab.models.pytorch import biases
from gradlab.models.tensors import MOST, Tensor, linear, ordered, shown, taken

CELLS = {"RNN": "elman", "LSTM": "lstm", "GRU": "gru"}
ORDER = {"elman": [0], "lstm": [0, 2, 3, 1], "gru": [1, 0, 2]}  # our gates among ONNX's
ACTIVATIONS = {"elman": ["Tanh"], "lstm": ["Sigmoid", "Tanh", "Tanh"], "gru": ["Sigmoid", "Tanh"]}
ELMAN = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid"}
ITS_OWN = ("", "ai.onnx")  # domains
RESHAPING = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast")
OTHERS = ("DynamicQuantizeLSTM", "AttnLSTM", "Scan", "Loop")
PEEPHOLES, INITIAL = 7, 5  # the inputs P and initial_h
# TensorProto's numbers.
EXTERNAL = 1
KINDS = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 10: "float16",
         11: "float64", 16: "bfloat16"}  # fmt: skip


def contents(path: Path) -> Contents:
    """What a .onnx file holds. Raises UserError, one line, without `onnx`, and for what is none."""
    try:
        import onnx
        from onnx.numpy_helper import to_array
    except ImportError:
        raise UserError(f"{path} needs onnx: pip install 'gradlab[models]'") from None
    if path.stat().st_size > MOST:
        raise UserError(f"{path} has {path.stat().st_size} bytes, at most {MOST} are read")
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except Exception as error:  # protobuf has exceptions of its own, and not always the same
        raise UserError(f"{path} is no .onnx file: {type(error).__name__}") from None
    return _Graph(model.graph, to_array).contents(str(path))


@dataclass(frozen=True)
class Node:
    """A node RNN, LSTM or GRU, its attributes by their names."""

    name: str
    cell: str
    inputs: list[str]
    said: dict[str, Any]

    def input(self, i: int) -> str:
        """The name of an input, nothing where it has none."""
        return self.inputs[i] if i < len(self.inputs) else ""


class _Graph:
    """The constants of a graph by their names, and what makes each value."""

    def __init__(self, graph: Any, to_array: Callable[[Any], np.ndarray]) -> None:
        self._to_array = to_array
        self.tensors = {one.name: self._tensor(one) for one in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.output:
                for said in node.attribute:
                    if said.name == "value":
                        self.tensors[node.output[0]] = self._tensor(said.t)
        self._nodes = list(graph.node)
        self._maker = {name: node for node in self._nodes for name in node.output if name}

    def contents(self, source: str) -> Contents:
        """The stacks of recurrent nodes, and the linear layers."""
        found: dict[str, Recurrent] = {}
        owner: dict[int, str] = {}  # id of a node -> the stack that it is the top of
        for i, node in enumerate(self._nodes):
            if node.domain not in ITS_OWN or node.op_type not in CELLS:
                continue
            name = node.name or (node.output[0] if node.output else "") or node.op_type
            net = self._recurrent(_read(node, f"{name}#{i}" if name in found else name))
            top = id(self._below(node))
            joined = _over(found.get(owner.get(top, "")), net)
            if joined is not None:
                owner.pop(top)
            owner[id(node)] = (joined or net).name
            found[owner[id(node)]] = joined or net
        others = sorted({node.op_type for node in self._nodes if node.op_type in OTHERS})
        hint = f"it has {', '.join(others)}, which are not read" if others else ""
        return Contents(source, "ONNX", self.tensors, [*found.values()], self._linears(), hint)

    def _tensor(self, one: Any) -> Tensor:
        kind = KINDS.get(one.data_type, f"data of ONNX's type {one.data_type}")
        kind = "data of another file" if one.data_location == EXTERNAL else kind
        return Tensor(tuple(one.dims), kind, lambda: self._array(one))

    def _array(self, one: Any) -> np.ndarray:
        try:
            array = self._to_array(one)
            return array if array.dtype == np.float64 else array.astype(np.float32)
        except Exception as error:
            raise UserError(f"{shown(one.name)} is broken: {shown(error)}") from None

    def _below(self, node: Any) -> Any:
        """The node whose output this one's input is, but for its shape."""
        seen: set[int] = set()
        while node is not None and node.input and id(node) not in seen:
            seen.add(id(node))
            node = self._maker.get(node.input[0])
            if node is not None and node.op_type not in RESHAPING:
                return node
        return None

    def _recurrent(self, node: Node) -> Recurrent:
        names = tuple(name for name in node.inputs[1:4] if name)
        fault = _fault(node) or self._tensor_fault(node)
        if fault:
            return Recurrent(node.name, names, refused=fault)
        ways, _, inputs = self.tensors[node.input(1)].shape
        notes = []
        if any(node.input(i) in self.tensors for i in (INITIAL, INITIAL + 1)):
            notes.append("its initial states are not taken, give them as h0")
        return Recurrent(
            node.name, names, cell=node.cell, inputs=inputs, ways=ways, notes=tuple(notes),
            hidden=self.tensors[node.input(2)].shape[2], read=lambda: self._weights(node, names),
            activation=_activations(node)[0].lower() if node.cell == "elman" else "tanh",
            biased=bool(node.input(3)),
        )  # fmt: skip

    def _tensor_fault(self, node: Node) -> str:
        """What is missing of W, R and B, or does not fit; nothing if all is well."""
        W, R, B, P = (node.input(i) for i in (1, 2, 3, PEEPHOLES))
        for name in filter(None, (W, R, B)):
            if name not in self.tensors:
                return f"the graph computes its weights ({shown(name)}): fold its constants first"
        if P and not (P in self.tensors and not self._values(P).any()):
            return "an LSTM with peepholes is another cell: train it without them"
        ways, gates = 1 + (node.said.get("direction") == "bidirectional"), len(ORDER[node.cell])
        w, r = (self.tensors[name].shape if name in self.tensors else () for name in (W, R))
        if len(w) != 3 or len(r) != 3 or 0 in (*w, *r):
            return f"W and R have shapes {w} and {r}, not (dir, {gates}N, D) and (dir, {gates}N, N)"
        hidden = r[2]
        rows = gates * hidden
        right = [(ways, rows, w[2]), (ways, rows, hidden), (ways, 2 * rows)]
        found = [w, r, self.tensors[B].shape if B else right[2]]
        return "" if found == right else f"W, R, B have shapes {found}, not {right}"

    def _values(self, name: str) -> np.ndarray:
        return taken(self.tensors, [name])[name]

    def _weights(self, node: Node, names: tuple[str, ...]) -> Weights:
        arrays = taken(self.tensors, names)
        W, R = (arrays[node.input(i)] for i in (1, 2))
        B = arrays[node.input(3)] if node.input(3) else np.zeros((len(W), 2 * W.shape[1]), W.dtype)
        found: Weights = {}
        order = ORDER[node.cell]
        for way in range(len(W)):
            b, recurrent = (ordered(half, order) for half in np.split(B[way], 2))
            found[Key("U", 0, way == 1)] = ordered(W[way], order)
            found[Key("W", 0, way == 1)] = ordered(R[way], order)
            found |= biases(node.cell, b, recurrent, 0, way == 1)
        return found

    def _linears(self) -> list[Linear]:
        """Gemm and MatMul by a constant matrix, with the Add of a constant after it."""
        adds = {
            name: other
            for node in self._nodes
            if node.op_type == "Add" and len(node.input) == 2
            for name, other in (tuple(node.input), tuple(node.input)[::-1])
        }
        found = []
        for node in self._nodes:
            if node.op_type not in ("Gemm", "MatMul") or len(node.input) < 2 or not node.output:
                continue
            if (matrix := node.input[1]) not in self.tensors:
                continue
            said = _said(node)
            if len(shape := self.tensors[matrix].shape) != 2 or {*_PLAIN} & {*said} - _plain(said):
                continue
            bias = node.input[2] if len(node.input) > 2 else adds.get(node.output[0], "")
            turned = bool(said.get("transB"))
            outputs, inputs = shape if turned else shape[::-1]
            has_bias = bias in self.tensors and self.tensors[bias].shape == (outputs,)
            names = (matrix, bias) if has_bias else (matrix,)
            name = node.name or matrix
            found.append(
                Linear(
                    name,
                    names,
                    inputs,
                    outputs,
                    linear(self.tensors, names, is_transposed=not turned),
                )
            )
        return found


_PLAIN = {"alpha": 1.0, "beta": 1.0, "transA": 0}  # Gemm without them is a linear layer


def _plain(said: dict[str, Any]) -> set[str]:
    return {name for name, value in _PLAIN.items() if said.get(name, value) == value}


def _said(node: Any) -> dict[str, Any]:
    """Attributes by their names: floats, whole numbers, texts and lists of texts."""
    found: dict[str, Any] = {}
    for one in node.attribute:
        texts = [text.decode("ascii", "replace") for text in one.strings]
        kinds = {1: one.f, 2: one.i, 3: one.s.decode("ascii", "replace"), 8: texts}
        found[one.name] = kinds.get(one.type)
    return found


def _read(node: Any, name: str) -> Node:
    return Node(name, CELLS[node.op_type], list(node.input), _said(node))


def _activations(node: Node) -> list[str]:
    given = node.said.get("activations") or ACTIVATIONS[node.cell]
    return [str(name) for name in given]


def _fault(node: Node) -> str:
    """Why a node's settings cannot be computed, nothing if they can."""
    said, cell = node.said, node.cell
    if said.get("clip"):
        return f"clips its pre-activations at {said['clip']:g}: export it without clip"
    if said.get("input_forget"):
        return "couples i and f (input_forget): export it without"
    if cell == "gru" and said.get("linear_before_reset", 0) != 1:
        return (
            "a GRU with linear_before_reset=0 is another cell: train one that resets after the "
            "product (reset_after=True in Keras; PyTorch's is)"
        )
    if (way := said.get("direction", "forward")) not in ("forward", "bidirectional"):
        return f"runs in direction {shown(way)}: export it as forward, and reverse its inputs"
    given, known = [name.lower() for name in _activations(node)], ACTIVATIONS[cell]
    size = len(known)
    every = [given[i : i + size] for i in range(0, len(given), size)]
    right = [[name.lower() for name in known]] if cell != "elman" else [[f] for f in ELMAN]
    if any(one not in right for one in every) or any(one != every[0] for one in every):
        able = "Tanh, Relu, Sigmoid" if cell == "elman" else ", ".join(known)
        return f"has activations {', '.join(map(shown, given))}: only {able} can be computed"
    return ""


def _over(below: Recurrent | None, net: Recurrent) -> Recurrent | None:
    """Both as one network, if they are layers of one kind."""
    if below is None or below.refused or net.refused:
        return None
    try:
        return replace(stacked([below, net]), name=below.name)
    except UserError:
        return None
