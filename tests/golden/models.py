"""Makes the golden files of other people's layouts beside it, which no test needs to make.

    python tests/golden/models.py      made with PyTorch 2.13.0, Keras 3.15.1 (on PyTorch),
                                       ONNX 1.23.2, ONNX Runtime 1.32.0, safetensors 0.8.0

A case is a kind (rnn, relu, lstm, gru) with one layer or two (_layers), in one direction or both
(_both). Weights are each library's own names; the answers, in NAME.npz, are by case:

    x, y                       inputs (T, B, D), targets (T, B, O), the same for all cases
    CASE/h, CASE/o             top layer's states (T, B, N or 2 N), outputs (T, B, O)
    CASE/dh                    dL/dh_t of every layer (layers, T, B, N or 2 N), by autograd
    CASE/loss                  L: mean over lanes of the sum over steps and outputs of (o - y)^2

torch.safetensors    modules CASE.rnn and CASE.readout, float64; answers torch.npz
keras.npz            layers CASE_0, CASE_1 and CASE_out, float64, with their answers
onnx/CASE.onnx       PyTorch's export, run by ONNX Runtime, all in float32, as its RNN and LSTM are;
                     onnx.npz, whose dh is PyTorch's, in float64
"""

import os
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import onnxruntime
import safetensors.torch
import torch
from keras.src.backend.common import dtypes
from torch import nn

keras.config.set_floatx("float64")
# But on TensorFlow Keras rounds each product to float32, as JAX does unless told.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
HERE = Path(__file__).parent
STEPS, LANES, INPUTS, HIDDEN, OUTPUTS = 4, 2, 2, 3, 2
KINDS = ("rnn", "relu", "lstm", "gru")
SHAPES = {"": (1, False), "_layers": (2, False), "_both": (1, True), "_layers_both": (2, True)}
CASES = {f"{kind}{suffix}": (kind, *shape) for kind in KINDS for suffix, shape in SHAPES.items()}
MODULES = {
    "rnn": (nn.RNN, nn.RNNCell, {}),
    "relu": (nn.RNN, nn.RNNCell, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, nn.LSTMCell, {}),
    "gru": (nn.GRU, nn.GRUCell, {}),
}
LAYERS = {
    "rnn": (keras.layers.SimpleRNN, {}),
    "relu": (keras.layers.SimpleRNN, {"activation": "relu"}),
    "lstm": (keras.layers.LSTM, {}),
    "gru": (keras.layers.GRU, {}),
}


class Both(nn.Module):
    """A recurrent module with its readout."""

    def __init__(self, kind, layers, both):
        super().__init__()
        module, _, options = MODULES[kind]
        self.rnn = module(INPUTS, HIDDEN, layers, bidirectional=both, **options)
        self.readout = nn.Linear(HIDDEN * (1 + both), OUTPUTS)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.6)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.readout(h), h


def walk(steps, x, y, readout):
    """All states and their gradients; steps[layer][way](x_t, state) -> h, state."""
    inputs, every = list(x), []
    for layer in steps:
        ways = []
        for reverse, step in enumerate(layer):
            states, state = [None] * len(x), None
            for t in reversed(range(len(x))) if reverse else range(len(x)):
                states[t], state = step(inputs[t], state)
                states[t].retain_grad()
            ways.append(states)
        inputs = [torch.cat(both, -1) for both in zip(*ways, strict=True)]
        every.append(ways)
    h = torch.stack(inputs)
    o = readout(h)
    loss = ((o - y) ** 2).sum() / len(x[0])
    loss.backward()
    dh = [
        torch.stack([torch.cat([h.grad for h in both], -1) for both in zip(*ways, strict=True)])
        for ways in every
    ]
    found = {"h": h, "o": o, "loss": loss, "dh": torch.stack(dh)}
    return {name: value.detach().numpy() for name, value in found.items()}


def torch_steps(net, kind, layers, both):
    """The same module as PyTorch's cells."""
    _, cell, options = MODULES[kind]

    def step_of(place, size):
        own = cell(size, HIDDEN, dtype=torch.float64, **options)
        named = dict(net.rnn.named_parameters())
        own.load_state_dict({name: named[f"{name}_{place}"] for name in own.state_dict()})

        def step(x, state):
            state = own(x, state)
            return (state[0], state) if kind == "lstm" else (state, state)

        return step

    sizes = [INPUTS, *[HIDDEN * (1 + both)] * (layers - 1)]
    return [
        [step_of(f"l{i}{'_reverse' * way}", size) for way in range(1 + both)]
        for i, size in enumerate(sizes)
    ]


def keras_steps(layers):
    """Keras's own cells, called step by step."""

    def step_of(cell):
        def step(x, state):
            start = cell.get_initial_state(batch_size=len(x))
            start = start if isinstance(start, list) else [start]
            return cell(x, start if state is None else state)

        return step

    def ways(layer):
        return [layer.forward_layer, layer.backward_layer] if is_both(layer) else [layer]

    return [[step_of(way.cell) for way in ways(layer)] for layer in layers]


def is_both(layer):
    return isinstance(layer, keras.layers.Bidirectional)


def batch():
    shape = STEPS, LANES
    return [torch.randn(*shape, n, dtype=torch.float64) for n in (INPUTS, OUTPUTS)]


def same(a, b, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance)


def make_torch(x, y):
    weights, answers = {}, {"x": x.numpy(), "y": y.numpy()}
    for case, (kind, layers, both) in CASES.items():
        net = Both(kind, layers, both).double()
        found = walk(torch_steps(net, kind, layers, both), x, y, net.readout)
        same(found["h"], net(x)[1].detach())
        answers |= {f"{case}/{name}": value for name, value in found.items()}
        weights |= {f"{case}.{name}": value for name, value in net.state_dict().items()}
    safetensors.torch.save_file(weights, HERE / "torch.safetensors")
    np.savez_compressed(HERE / "torch.npz", **answers)


def make_keras(x, y):
    content = {"x": x.numpy(), "y": y.numpy()}
    for case, (kind, count, both) in CASES.items():
        layers = [keras_layer(kind, both, f"{case}_{i}") for i in range(count)]
        readout = keras.layers.Dense(OUTPUTS, name=f"{case}_out", dtype="float64")
        model = keras.Sequential([*layers, readout])
        lanes_first = x.transpose(0, 1)
        model(lanes_first)
        for variable in model.weights:
            variable.assign(0.6 * torch.randn(*variable.shape, dtype=torch.float64))
        found = walk(keras_steps(layers), x, y, readout)
        same(found["o"], model(lanes_first).detach().transpose(0, 1))
        content |= {f"{case}/{name}": value for name, value in found.items()}
        content |= {v.path: v.numpy() for v in model.weights}
    np.savez_compressed(HERE / "keras.npz", **content)


def keras_layer(kind, both, name):
    layer, options = LAYERS[kind]
    own = layer(
        HIDDEN, return_sequences=True, dtype="float64", name=None if both else name, **options
    )
    return keras.layers.Bidirectional(own, name=name, dtype="float64") if both else own


def make_onnx(x, y):
    (HERE / "onnx").mkdir(exist_ok=True)
    answers = {"x": x.numpy(), "y": y.numpy()}
    for case, (kind, layers, both) in CASES.items():
        net, path = Both(kind, layers, both), HERE / "onnx" / f"{case}.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net, (x.float(),), path, input_names=["x"], output_names=["o", "h"], dynamo=False
            )
        o, h = onnxruntime.InferenceSession(path).run(None, {"x": x.float().numpy()})
        net = net.double()
        found = walk(torch_steps(net, kind, layers, both), x, y, net.readout)
        same(found["h"], h, 1e-5)
        found |= {"h": h, "o": o}
        answers |= {f"{case}/{name}": value for name, value in found.items()}
    np.savez_compressed(HERE / "onnx.npz", **answers)


if __name__ == "__main__":
    torch.manual_seed(0)
    make_torch(*batch())
    make_keras(*batch())
    make_onnx(*batch())
