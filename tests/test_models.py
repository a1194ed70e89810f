"""Other people's weights against what PyTorch, Keras and ONNX Runtime gave (golden/models.py)."""

from pathlib import Path

import numpy as np
import pytest
from networks import network

import gradlab
from gradlab.errors import UserError
from gradlab.models import safetensors
from gradlab.nets import registry
from gradlab.nets.network import Network

GOLDEN = Path(__file__).parent / "golden"
KINDS = {"rnn": "tanh", "relu": "relu", "lstm": "tanh", "gru": "tanh"}
SUFFIXES = ("", "_layers", "_both", "_layers_both")
CASES = [f"{kind}{suffix}" for kind in KINDS for suffix in SUFFIXES]


def answers(name):
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def activation(case):
    """What a file of an RNN does not say."""
    return KINDS[case.split("_")[0]]


def layers(case, name):
    """Keras's layers from below."""
    return [f"{case}_{i}" for i in range(2 if "layers" in case else 1)] if name == "keras" else None


def from_torch(case):
    options = {"layer": f"{case}.rnn", "readout": f"{case}.readout"}
    return Network.load(GOLDEN / "torch.safetensors", activation=activation(case), **options)


def from_keras(case):
    options = {"layer": layers(case, "keras"), "readout": f"{case}_out"}
    return Network.load(GOLDEN / "keras.npz", activation=activation(case), **options)


def from_onnx(case):
    pytest.importorskip("onnx")
    return Network.load(GOLDEN / "onnx" / f"{case}.onnx")


def check(net, right, case, tolerance):
    """Outputs, states, the loss and dL/dh of every layer."""

    def near(got, name):
        np.testing.assert_allclose(got, right[f"{case}/{name}"], rtol=0, atol=tolerance)

    x, y = (right[name].astype(net.dtype) for name in "xy")
    out, got = net.forward(x), net.gradients(x, y)
    near(out.states[1:], "h")
    near(out.outputs, "o")
    scale = max(1, right[f"{case}/loss"])
    np.testing.assert_allclose(got.loss, right[f"{case}/loss"], atol=tolerance * scale)
    for layer in range(net.layers):
        dh = right[f"{case}/dh"][layer]
        atol = tolerance * max(1, np.abs(dh).max())
        np.testing.assert_allclose(got.layer_states(layer)[1:], dh, rtol=0, atol=atol)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["torch", "keras"])
def test_outputs_and_gradients_are_the_library_s(name, case):
    net, right = {"torch": from_torch, "keras": from_keras}[name](case), answers(name)
    assert net.dtype == np.float64 and net.activation == activation(case)
    check(net, right, case, 1e-9)
    single = {key: array.astype(np.float32) for key, array in net.weights.items()}
    check(Network(single, net.cell, net.activation), right, case, 1e-5)


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_onnx_runtime_s(case):
    net = from_onnx(case)
    assert net.dtype == np.float32 and net.activation == activation(case)
    assert net.layers == 1 + ("layers" in case) and net.bidirectional == ("both" in case)
    check(net, answers("onnx"), case, 1e-5)


@pytest.mark.parametrize("cell", registry.names())
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("stack", [{}, {"layers": 2, "bidirectional": True}])
def test_what_is_saved_is_loaded_to_the_bit(tmp_path, cell, dtype, stack):
    size = {"inputs": 2, "hidden": 3, "outputs": 2, "seed": 1}
    for name in registry.find(cell).activations:
        if cell == "jordan" and stack:
            continue
        net = network(size, name, cell=cell, dtype=dtype, **stack)
        net.weights = {key: array.astype(dtype) for key, array in net.weights.items()}
        net.weights["b"][:2] = -0.0, np.inf
        net.save(tmp_path / "net.safetensors")
        again = Network.load(tmp_path / "net.safetensors")
        assert repr(again) == repr(net) and again.feedback == net.feedback and not again.notes
        assert again.weights.keys() == net.weights.keys()
        for key, array in net.weights.items():
            assert again.weights[key].tobytes() == array.tobytes()
            assert again.weights[key].shape == array.shape


def test_a_saved_network_has_the_names_and_shapes_of_a_module_in_pytorch(tmp_path):
    net = Network.draw(
        "gru", inputs=2, hidden=3, outputs=1, layers=2, bidirectional=True, dtype="float32"
    )
    net.save(tmp_path / "net.safetensors")
    found, _ = safetensors.read(tmp_path / "net.safetensors")
    golden, _ = safetensors.read(GOLDEN / "torch.safetensors")
    names = {name.partition(".")[2] for name in golden if name.startswith("gru_layers_both.")}
    assert found.keys() == names and found["rnn.weight_ih_l1_reverse"].shape == (9, 6)
    np.testing.assert_array_equal(found["rnn.bias_hh_l0"], net.weights["b_recurrent"])


def test_a_module_in_pytorch_takes_a_saved_network_and_gives_it_back(tmp_path):
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("safetensors.torch")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.RNN(2, 3, 2, nonlinearity="relu", bidirectional=True)
            self.readout = torch.nn.Linear(6, 1)

    net = Network.draw(
        inputs=2, hidden=3, outputs=1, activation="relu", layers=2, bidirectional=True,
        dtype="float32",
    )  # fmt: skip
    net.save(tmp_path / "net.safetensors")
    model = Model()
    model.load_state_dict(package.load_file(tmp_path / "net.safetensors"))
    for again in (Network.of(model), Network.of(model.state_dict(), activation="relu")):
        assert again.activation == "relu"
        for name, array in net.weights.items():
            assert again.weights[name].tobytes() == array.tobytes()
        again.weights["W"][:] = 0
    assert model.rnn.weight_hh_l0.abs().sum() > 0
    half = Network.of(model.bfloat16())
    assert half.dtype == np.float32
    np.testing.assert_allclose(half.weights["V"], net.weights["V"], rtol=2**-8)


def test_a_training_s_file_gives_its_network(tmp_path):
    net = Network.draw("gru", inputs=2, hidden=3, outputs=1)
    plan = gradlab.Plan(updates=2, sequence_length=5, batch=2)
    training = gradlab.train(net, "adding", plan, save=tmp_path / "t.safetensors")
    again = Network.load(tmp_path / "t.safetensors")
    assert repr(again) == repr(training.net)
    for name, array in training.net.weights.items():
        assert again.weights[name].tobytes() == array.tobytes()


def test_what_cannot_be_saved_is_told(tmp_path):
    net = Network.draw(inputs=1, hidden=2, outputs=1)
    with pytest.raises(UserError, match=r"give a path that ends in \.safetensors"):
        net.save(tmp_path / "net.pt")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        net.save(tmp_path / "file" / "net.safetensors")
    own = Path(__file__).with_name("leaky.py")
    net = Network.draw(str(own), inputs=1, hidden=2, outputs=1)
    with pytest.raises(UserError, match=r"leaky\.py is a file.*numpy\.savez"):
        net.save(tmp_path / "net.safetensors")
