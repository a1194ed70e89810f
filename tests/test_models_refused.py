"""Foreign files and objects: what is not read is told in one line, and nothing is believed."""

import doctest
import io
import json
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.models import opened, own, safetensors, tensors
from gradlab.models.contents import Key
from gradlab.nets import network

N, D = 3, 2


def torch_names(gates=4, prefix="", reverse="", layer=0, width=D, bias=True):
    rng = np.random.default_rng(0)
    shapes = {"weight_ih": (gates * N, width), "weight_hh": (gates * N, N)}
    shapes |= {"bias_ih": (gates * N,), "bias_hh": (gates * N,)} if bias else {}
    return {
        f"{prefix}{name}_l{layer}{reverse}": rng.standard_normal(shape)
        for name, shape in shapes.items()
    }


def keras_names(gates=4, path="lstm/lstm_cell", width=D, bias=(4 * N,)):
    rng = np.random.default_rng(0)
    shapes = {"kernel": (width, gates * N), "recurrent_kernel": (N, gates * N), "bias": bias}
    return {f"{path}/{name}": rng.standard_normal(shape) for name, shape in shapes.items() if shape}


def model(thing, **choice):
    return opened.of_object(thing).model(**choice)


def told(thing, **choice):
    with pytest.raises(UserError) as caught:
        model(thing, **choice)
    assert str(caught.value).isprintable()
    return str(caught.value)


def told_of(path, **choice):
    with pytest.raises(UserError) as caught:
        opened.of_file(path).model(**choice)
    assert str(caught.value).isprintable()
    return str(caught.value)


LSTM = torch_names()
WRONG = {
    "projections": (LSTM | {"weight_hr_l0": np.ones((2, N))}, "projections"),
    "gates": (torch_names(gates=2), "not .N, N. of RNN"),
    "half a bias": ({k: v for k, v in LSTM.items() if k != "bias_hh_l0"}, "3 parameters are no"),
    "a layer missing": (LSTM | torch_names(layer=2, width=N), "no 3 layers"),
    "a wide layer": (LSTM | torch_names(layer=1, width=N + 1), r"weight_ih_l1 has shape \(12, 4\)"),
    "no recurrence": ({"weight_ih_l0": np.ones((12, 2))}, "lacks a weight_hh_l0"),
    "vector": (LSTM | {"weight_hh_l0": np.ones(12)}, "lacks a weight_hh_l0"),
    "empty": (LSTM | {"weight_ih_l0": np.ones((12, 0))}, "has shape"),
    "whole numbers": (LSTM | {"weight_hh_l0": np.ones((12, 3), np.int8)}, "int8, which is not"),
    "complex": (LSTM | {"weight_hh_l0": np.ones((12, 3), complex)}, "complex128, which is not"),
    "texts": (LSTM | {"weight_hh_l0": np.full((12, 3), "a")}, "which is not widened"),
    "pruned": (
        {"weight_ih_l0": LSTM["weight_ih_l0"], "weight_hh_l0_orig": LSTM["weight_hh_l0"]},
        "computed from other tensors",
    ),
    "quantised": ({"rnn._all_weight_values.0.param": np.ones(3)}, "it is quantised"),
    "checkpoint": ({"epoch": 3, "model": LSTM}, "its entry 'model' is a dict"),
    "nothing": ({"fc.weight": np.ones((2, 2))}, r"no recurrent layer in fc\.weight; read are"),
    "none at all": ({}, "no recurrent layer in it"),
    "odd name": ({"a\n\x1b[2J": np.ones(2)}, r"a\\n\\x1b\[2J"),
    "not reset after": (keras_names(3, "gru/gru_cell", bias=(3 * N,)), "reset_after=False"),
    "peepholes": (
        keras_names() | {"lstm/lstm_cell/forget_gate_peephole_weights": np.ones(N)}, "peepholes",
    ),
    "convolutional": (
        {"c/kernel": np.ones((3, 3, 2, 12)), "c/recurrent_kernel": np.ones((3, 3, 3, 12))},
        "is convolutional",
    ),
    "kernel": (keras_names() | {"lstm/lstm_cell/kernel": np.ones((2, 9))}, r"not \(D, 12\)"),
    "bias": (keras_names(bias=(2, 4 * N)), r"bias has shape \(2, 12\), not \(12,\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_weights_that_are_no_network_of_ours_are_told(case):
    import re

    thing, said = WRONG[case]
    assert re.search(said, told(thing))


def test_objects_without_weights_are_told():
    assert "gradlab.Network.load" in told("model.safetensors")
    assert "int holds no weights" in told(3)
    with pytest.raises(UserError, match="is no path"):
        opened.of_file({})


def test_several_networks_are_chosen_by_name_and_stacked():
    both = torch_names(prefix="a.") | torch_names(prefix="b.c.", width=N)
    said = told(both)
    assert "2 recurrent networks, a (lstm, 2 -> 3), b.c (lstm, 3 -> 3): choose" in said
    assert "layer='d': it holds" in told(both, layer="d")
    one = model(both, layer="c")
    assert one.name == "b.c" and "a.weight_ih_l0" in one.ignored
    stack = model(both, layer=["a", "b.c"])
    np.testing.assert_array_equal(stack.weights[Key("W", 1)], both["b.c.weight_hh_l0"])
    np.testing.assert_array_equal(stack.weights[Key("W")], both["a.weight_hh_l0"])
    assert "no stack of" in told(both, layer=["a", "a"])
    assert "name one or more" in told(both, layer=[])


def test_a_readout_is_taken_where_it_is_unmistakable_or_named():
    fits = {"fc.weight": np.ones((5, N)), "fc.bias": np.arange(5.0)}
    found = model(LSTM | fits | {"in.weight": np.ones((D, 7)), "norm.weight": np.ones(N)})
    np.testing.assert_array_equal(found.weights[Key("V")], fits["fc.weight"])
    np.testing.assert_array_equal(found.weights[Key("c")], fits["fc.bias"])
    assert found.notes[0] == "readout: fc (5), the only linear layer that fits"
    assert found.ignored == ("in.weight", "norm.weight")
    two = LSTM | fits | {"emb.weight": np.ones((9, N))}
    unsure = model(two)
    assert "fc, emb would fit" in unsure.notes[0]
    np.testing.assert_array_equal(unsure.weights[Key("V")], np.eye(N))
    assert model(two, readout="emb").weights[Key("V")].shape == (9, N)
    assert "the states are" not in model(LSTM | fits, readout=False).notes[0]
    assert "its linear layers are fc" in told(LSTM | fits, readout="head")
    assert "takes 7 values, the states 3" in told(LSTM | {"a.weight": np.ones((2, 7))}, readout="a")


def test_an_activation_is_assumed_aloud_and_not_against_what_is_said():
    rnn = torch_names(1)
    assert "activation tanh, which" in model(rnn).notes[0] and model(rnn).activation == "tanh"
    assert not any("activation" in note for note in model(rnn, activation="relu").notes)
    assert "its lstm has tanh" in told(LSTM, activation="relu")


class Named:
    """A Keras variable."""

    def __init__(self, path, array):
        self.path, self.shape, self.dtype = path, array.shape, str(array.dtype)
        self._array = array

    def numpy(self):
        return self._array

    def __array__(self, dtype=None, copy=None):
        return self._array


class Layer:
    """What a Keras layer shows of itself."""

    cell = object()

    def __init__(self, named, **config):
        self.weights = [Named(*pair) for pair in named.items()]
        self.config = {"activation": "tanh", "recurrent_activation": "sigmoid"} | config

    def get_config(self):
        return self.config

    def get_weights(self):
        return [variable.numpy() for variable in self.weights]


SAID = {
    "activation": ({"activation": "relu"}, "activation relu: only tanh"),
    "custom": ({"activation": {"class_name": "f"}}, "activation {"),
    "gate": ({"recurrent_activation": "hard_sigmoid"}, "recurrent_activation hard_sigmoid"),
    "backwards": ({"go_backwards": True}, "go_backwards=False"),
}


@pytest.mark.parametrize("case", SAID)
def test_what_a_keras_layer_says_of_itself_is_heard(case):
    config, said = SAID[case]
    assert said in told(Layer(keras_names(), **config))


def test_a_keras_layer_is_known_by_its_settings():
    assert model(Layer(keras_names())).notes == ("no readout, the outputs are the states",)
    rnn = keras_names(1, "rnn/simple_rnn_cell", bias=(N,))
    assert model(Layer(rnn, activation="linear")).activation == "identity"
    gru = keras_names(3, "gru/gru_cell", bias=None)
    assert "reset_after=False" in told(Layer(gru, reset_after=False))
    assert "as Keras has them" in model(gru).notes[0]


@pytest.mark.parametrize("path", ["", "sequential/bidirectional/"])
def test_directions_are_paired_by_their_names(path):
    """As a Keras model is called when it is made, and, without a path, when it was loaded."""
    ways = [f"{path}{way}_gru" for way in ("forward", "backward")]
    more = [f"{way}_gru_1" for way in ("forward", "backward")]
    named = {}
    for i, layer in enumerate([*ways, *more]):
        own = keras_names(3, f"{layer}/gru_cell", bias=(2, 3 * N), width=D if i < 2 else 2 * N)
        named |= {name: array + i for name, array in own.items()}
    found = model(named, layer=[path.rstrip("/") or "gru", "gru_1"])
    for i, key in enumerate([Key("W"), Key("W", 0, True), Key("W", 1), Key("W", 1, True)]):
        z, r, h = np.split(named[f"{[*ways, *more][i]}/gru_cell/recurrent_kernel"].T, 3)
        np.testing.assert_array_equal(found.weights[key], np.concatenate([r, z, h]))


LINES = {
    "model.pt": (pickle.dumps({}), "torch.load('"),
    "model.bin": (b"\x80\x02\x8a\nl\xfc\x9cF", "weights_only=True"),
    "model.pkl": (pickle.dumps({}), "pickle.load(open("),
    "model": (pickle.dumps([1] * 99), "a pickle, which could run any program"),
    "model.safetensors": (pickle.dumps({}), "a pickle"),
    "model.h5": (b"\x89HDF\r\n\x1a\n", "keras.saving.load_model"),
    "model.npy": (b"\x93NUMPY\x01\0", "numpy.savez("),
    "model.gguf": (b"GGUF" + bytes(12), "quantised"),
    "model.tar.gz": (b"\x1f\x8b" + bytes(12), "unpack it first"),
    "model.txt": (b"hello", r"no .safetensors, .npz or .onnx file"),
    "empty.safetensors": (b"", "its header is cut off"),
    "empty.npz": (b"", "no whole .npz file"),
    "half.npz": (b"PK\x03\x04", "no whole archive"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_file_of_another_kind_is_told_with_the_line_that_converts_it(tmp_path, name):
    content, said = LINES[name]
    (tmp_path / name).write_bytes(content)
    assert said in told_of(tmp_path / name)


ARCHIVES = {
    "archive/data.pkl": "weights_only=True",
    "archive/constants.pkl": "torch.jit.load",
    "model.weights.h5": "keras.saving.load_model",
    "readme.txt": "an archive without arrays",
}


@pytest.mark.parametrize("entry", ARCHIVES)
def test_an_archive_is_known_by_what_is_in_it(tmp_path, entry):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr(entry, b"")
    assert ARCHIVES[entry] in told_of(tmp_path / "model.pt")


def test_places_that_are_no_files_are_told(tmp_path):
    assert "is a folder" in told_of(tmp_path)
    assert "No such file" in told_of(tmp_path / "model.npz")
    assert "no regular file" in told_of("/dev/zero")


def npy(array_header, data=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, array_header)
    return file.getvalue() + data


def header(shape, descr="<f8"):
    return {"descr": descr, "fortran_order": False, "shape": shape}


def archived(path, entries, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in entries:
            archive.writestr(name, content)


def test_ten_gigabytes_of_zeros_are_refused_before_they_are_taken(tmp_path):
    path, rows = tmp_path / "bomb.npz", 4 * 18_000  # 72,000 x 18,000 doubles, 10.4 GB
    shapes = {"ih": (rows, 1), "hh": (rows, rows // 4)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for side, shape in shapes.items():
            with archive.open(f"weight_{side}_l0.npy", "w", force_zip64=True) as file:
                file.write(npy(header(shape)))
                if side == "ih":
                    file.write(bytes(8 * rows))
    content = bytearray(path.read_bytes())
    short, size = len(npy(header(shapes["hh"]))), 8 * rows * rows // 4
    place = content.rindex(b"PK\x01\x02")
    assert int.from_bytes(content[place + 24 : place + 28], "little") == short
    content[place + 24 : place + 28] = (min(short + size, 2**32 - 2)).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    said = told_of(path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert "for float64 of shape (72000, 18000)" in said


def test_more_than_two_gigabytes_are_not_taken(tmp_path):
    huge = np.broadcast_to(np.float32(0), (4 * 16_384, 16_384))
    assert "at most 2 GiB" in told(
        {"weight_ih_l0": np.zeros((4 * 16_384, 1), np.float32), "weight_hh_l0": huge}
    )


ENTRIES = {
    "short": ([("a.npy", npy(header((4,)), bytes(8)))], "for float64 of shape"),
    "long": ([("a.npy", npy(header((4,)), bytes(64)))], "for float64 of shape"),
    "negative": ([("a.npy", npy(header((-1, -1)), bytes(8)))], "shape"),
    "twice": ([("a.npy", npy(header((0,))))] * 2, "a comes twice"),
    "code": ([("a.npy", b"\x93NUMPY\x01\0\x10\0__import__('os')")], "no whole .npz"),
    "no array": ([("a.npy", b"hello")], "no whole .npz"),
    "new": ([("a.npy", b"\x93NUMPY\x03\0" + bytes(99))], "format (3, 0)"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", ENTRIES)
def test_an_entry_that_lies_is_told(tmp_path, case):
    entries, said = ENTRIES[case]
    archived(tmp_path / "a.npz", entries)
    assert said in told_of(tmp_path / "a.npz")


def test_an_array_of_objects_is_no_pickle_that_is_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    objects = np.empty((4 * N, N), object)
    objects[:] = Bomb()
    np.savez(tmp_path / "a.npz", **LSTM | {"weight_hh_l0": objects})
    assert "object (a pickle), which is not widened" in told_of(tmp_path / "a.npz")


def test_names_lead_nowhere(tmp_path):
    prefix = "../../../etc/"
    archived(tmp_path / "a.npz", [(f"{prefix}{k}.npy", _npy_of(v)) for k, v in LSTM.items()])
    found = opened.of_file(tmp_path / "a.npz").model()
    assert found.name == "../../../etc" and [*tmp_path.iterdir()] == [tmp_path / "a.npz"]


def _npy_of(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_an_encrypted_archive_is_told(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **LSTM)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    assert "is encrypted" in told_of(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_npz_that_is_cut_or_flipped_is_told_or_the_same(tmp_path, compressed):
    path = tmp_path / "a.npz"
    (np.savez_compressed if compressed else np.savez)(path, **torch_names(1))
    whole = path.read_bytes()
    right = opened.of_file(path).model().weights
    rng, told = np.random.default_rng(0), 0
    cut = [whole[:i] for i in range(0, len(whole), 7)]
    bits = rng.choice(8 * len(whole), 400, replace=False)
    flips = [
        whole[: b // 8] + bytes([whole[b // 8] ^ 1 << b % 8]) + whole[b // 8 + 1 :] for b in bits
    ]
    for content in cut + flips:
        path.write_bytes(content)
        try:
            found = opened.of_file(path).model().weights
        except UserError as error:
            told += 1
            assert str(error).isprintable()
        else:
            assert all(np.array_equal(found[key], array) for key, array in right.items())
    assert told > len(cut)


@pytest.mark.parametrize("said", ["{", "[]", '{"cell": 3}', '{"cell": "../x.py"}'])
def test_metadata_that_name_a_file_are_refused(tmp_path, said):
    if "cell" in said:
        said = json.dumps({"activation": "tanh", "feedback": "output"} | json.loads(said))
    path = tmp_path / "a.safetensors"
    safetensors.write(path, {"weights.U": np.eye(2)}, {own.NETWORK: said})
    assert "metadata are not" in (text := told_of(path)) or "may not name another file" in text


def onnx_file(path, op="GRU", gates=3, initial=(), **said):
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    shapes = {"W": (1, gates * N, D), "R": (1, gates * N, N), "B": (1, 2 * gates * N)}
    arrays = {k: rng.standard_normal(s).astype(np.float32) for k, s in shapes.items()}
    names = [*initial] or ["x", "W", "R", "B"]
    node = onnx.helper.make_node(op, names, ["y"], hidden_size=N, **said)
    graph = onnx.helper.make_graph(
        [node], "g", [], [], [onnx.numpy_helper.from_array(v, k) for k, v in arrays.items()]
    )
    onnx.save(onnx.helper.make_model(graph), path)
    return arrays


NODES = {
    "before": ({}, "linear_before_reset=0"),
    "clip": ({"linear_before_reset": 1, "clip": 3.0}, "at 3: export it without clip"),
    "reverse": ({"linear_before_reset": 1, "direction": "reverse"}, "direction reverse"),
    "coupled": ({"op": "LSTM", "gates": 4, "input_forget": 1}, "input_forget"),
    "activation": ({"op": "RNN", "gates": 1, "activations": ["Affine"]}, "activations affine"),
    "gate": (
        {"op": "LSTM", "gates": 4, "activations": ["HardSigmoid", "Tanh", "Tanh"]}, "hardsigmoid",
    ),
    "peepholes": (
        {"op": "LSTM", "gates": 4, "initial": ["x", "W", "R", "B", "", "", "", "B"]}, "peepholes",
    ),
    "computed": ({"op": "RNN", "gates": 1, "initial": ["x", "W", "r", "B"]}, "fold its constants"),
    "shapes": ({"op": "RNN", "gates": 3}, "W, R, B have shapes"),
}  # fmt: skip


@pytest.mark.parametrize("case", NODES)
def test_a_node_that_is_another_cell_is_told(tmp_path, case):
    said, message = NODES[case]
    onnx_file(tmp_path / "a.onnx", **said)
    assert message in told_of(tmp_path / "a.onnx")


def test_a_node_of_onnx_has_its_gates_in_order(tmp_path):
    arrays = onnx_file(tmp_path / "a.onnx", "LSTM", 4)
    found = opened.of_file(tmp_path / "a.onnx").model().weights
    i, o, f, g = np.split(arrays["R"][0], 4)
    np.testing.assert_array_equal(found[Key("W")], np.concatenate([i, f, g, o]))


def test_an_onnx_file_that_is_cut_or_flipped_gives_one_line_at_most(tmp_path):
    path = tmp_path / "a.onnx"
    onnx_file(path, linear_before_reset=1)
    whole = path.read_bytes()
    bits = range(0, 8 * len(whole), 5)
    flips = [
        whole[: b // 8] + bytes([whole[b // 8] ^ 1 << b % 8]) + whole[b // 8 + 1 :] for b in bits
    ]
    for content in [whole[:i] for i in range(0, len(whole), 3)] + flips:
        path.write_bytes(content)
        try:
            opened.of_file(path).model()
        except UserError as error:
            assert str(error).isprintable()


def test_the_examples_in_the_docstrings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner, finder = doctest.DocTestRunner(), doctest.DocTestFinder(recurse=False)
    for thing in (network.Network.load, network.Network.of, tensors.shown, own.key_of):
        names = vars(network) | vars(tensors) | vars(own)
        (found,) = finder.find(thing, thing.__name__, globs=dict(names))
        assert runner.run(found).attempted and not runner.failures
