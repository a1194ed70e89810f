"""The contract of a cell: gradlab's own files fulfil it, and a user's has the same rights."""

import pickle
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import gradlab.cells
from gradlab.cells import elman
from gradlab.cells.cell import Cell
from gradlab.errors import UserError
from gradlab.kernels import jit, passes
from gradlab.kernels.elementwise import ACTIVATIONS
from gradlab.nets import many, registry, weights
from gradlab.nets.network import Network
from gradlab.nets.untied import Untied

FOLDER = Path(gradlab.cells.__file__).parent
SIZES = {"inputs": 2, "hidden": 5, "outputs": 3}
LEAKY_FILE = str(Path(__file__).with_name("leaky.py"))  # compiled in this place, and kept
LEAKY = Path(LEAKY_FILE).read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """An empty current folder, and no other place to look in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADLAB_PATH", raising=False)


def put(text, name="mine"):
    file = Path("cells", f"{name}.py")
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def like(cell, *lines):
    """A user's file that takes all of one of gradlab's cells, and says more."""
    return put("\n".join([f"from gradlab.cells.{cell} import *", *lines]) + "\n")


def test_every_file_of_the_folder_is_a_cell():
    files = {file.stem for file in FOLDER.glob("*.py")} - {"__init__", "cell"}
    assert set(registry.names()) == files
    put(LEAKY, "leaky")
    put("", "_helper")
    assert set(registry.names()) == files | {"leaky"}


@pytest.mark.parametrize("name", registry.names())
def test_a_cell_of_gradlab_fulfils_the_contract(name):
    cell = registry.find(name)
    assert cell is registry.find(name) and cell.name == name and cell.compiled
    inputs, hidden, outputs = SIZES.values()
    shapes = cell.shapes(inputs, hidden, outputs)
    rng = np.random.default_rng(0)
    made = cell.prepare({k: rng.standard_normal(s) for k, s in shapes.items()}, "tanh", "float64")
    assert type(made).__module__ == f"gradlab.cells.{name}"
    parts = len(cell.state_parts) * (outputs if cell.reads_out else hidden)
    assert cell.state_size(made) == parts
    assert shapes["W"][0] == hidden * max(1, len(cell.gates)) and shapes["U"][1] == inputs
    assert cell.reads_out == cell.fed == ({"V", "c"} <= {*shapes}) == (name == "jordan")
    assert {"feedback", "teacher"} <= {*made._fields} or not cell.fed
    assert {*cell.activations} <= {*ACTIVATIONS} and cell.omega == (name == "elman")


def test_a_minimal_cell_gets_the_defaults():
    cell = Cell.load(Path(LEAKY_FILE))
    assert cell.name == "leaky" and not cell.reads_out
    assert cell.state_parts == ("h",) and cell.forget is None and len(cell.gates) == 0
    assert cell.feedbacks == {"output": 0} and not cell.fed and not cell.omega
    assert cell.activations == ACTIVATIONS


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["del forward, sources"], "is no cell: it lacks sources, forward"),
        (["backward = 3"], ": backward must be a function, not 3"),
        (["STATE = 'h'"], r": STATE must be names, as in \('h', 'c'\), not 'h'"),
        (["STATE = ('h', 'h')"], r": STATE must be names, .* not \('h', 'h'\)"),
        (["GATES = 4"], ": GATES must be names, as in 'ifgo', not 4"),
        (["GATES = 'ab'"], ": 2 GATES of 3 units need 6 rows of W"),
        (["FORGET = 'f'"], ": FORGET must be one of GATES = '', not 'f'"),
        (["GATES, FORGET = 'a', 2"], ": FORGET must be the name of a gate, not 2"),
        (["FEEDBACKS = ['output']"], r": FEEDBACKS must be {name: whole number}, not \['output'\]"),
        (["ACTIVATIONS = {}"], ": ACTIVATIONS must be {name: whole number}, not {}"),
        (["OMEGA = 'yes'"], ": OMEGA must be True or False, not 'yes'"),
        (["shapes = lambda inputs, hidden, outputs: {'W': (hidden, hidden)}"], ": shapes lack U"),
        (["def shapes(n):", "    return {}"], r": shapes\(2, 3, 4\) raises TypeError: .*shapes"),
    ],
)
def test_what_does_not_fit_is_one_line(lines, message):
    file = like("elman", *lines)
    with pytest.raises(UserError, match=rf"^{file}\b.*{message}") as error:
        Cell.load(file)
    assert "\n" not in str(error.value)


def test_a_cell_that_is_fed_has_the_fields_for_it():
    file = like("elman", "FEEDBACKS = {'output': 0}")
    with pytest.raises(UserError, match=r"fails its check: .* FEEDBACKS need .* feedback, teacher"):
        registry.find("mine")
    assert Cell.load(file).fed


def test_a_users_cell_is_fed_as_jordan_is(monkeypatch):
    monkeypatch.setattr(registry, "check_cell", lambda *_: None)  # compiles both loops
    like("jordan", "FEEDBACKS = {'output': 0, 'mixed': 5}")
    net = Network.draw("mine", **SIZES, feedback="mixed", spectral_radius=0.7)
    assert net.prepared().feedback == 5 and net.prepared().teacher.size == 0
    product = net.weights["W"] @ net.weights["V"]
    assert np.abs(np.linalg.eigvals(product)).max() == pytest.approx(0.7)
    with pytest.raises(UserError, match="feedback must be one of output, mixed, not 'outputs'"):
        Network(net.weights, "mine", feedback="outputs")
    with pytest.raises(UserError, match="cell mine brings its own readout"):
        Network.draw("mine", **SIZES, layers=2)


def test_a_users_gates_are_treated_as_gradlabs_own(monkeypatch):
    monkeypatch.setattr(registry, "check_cell", lambda *_: None)  # compiles both loops
    like("gru", "GATES = ['reset', 'update', 'new']", "FORGET = 'update'")
    options = {**SIZES, "spectral_radius": 0.8, "forget_bias": 1.5, "seed": 3}
    mine, own = (Network.draw(cell, **options) for cell in ("mine", "gru"))
    assert {k: v.tolist() for k, v in mine.weights.items()} == {
        k: v.tolist() for k, v in own.weights.items()
    }
    assert mine.weights["b"].tolist() == [0.0] * 5 + [1.5] * 5 + [0.0] * 5
    blocks = weights.square(mine.module, mine.weights)
    assert list(blocks) == ["reset", "update", "new"]
    for block in blocks.values():
        assert np.abs(np.linalg.eigvals(block)).max() == pytest.approx(0.8)
    assert "reset" in mine._repr_html_()


def same_bits(got, expected):
    assert got.loss == expected.loss
    assert got.lag_log2.tolist() == expected.lag_log2.tolist()
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(got.weights[name], array)


def test_a_compiled_pass_of_a_users_cell_is_that_of_its_slices(monkeypatch):
    nets = [Network.draw(LEAKY_FILE, **SIZES, seed=seed) for seed in (1, 2)]
    x, y = np.random.default_rng(0).standard_normal((40, 3, 2)), np.ones((40, 3, 3))
    assert nets[0].module.compiled
    whole = nets[0].gradients(x, y, lengths=[40, 40, 7])
    monkeypatch.setattr(Cell, "compiled", False)
    slices = nets[0].gradients(x, y, lengths=[40, 40, 7])
    for name, own in whole.weights.items():  # to rounding: slices are added up with more care
        np.testing.assert_allclose(slices.weights[name], own, rtol=1e-12, atol=1e-14)
    with pytest.raises(UserError, match="has loops in Python: take Network"):
        many.gradients_of(nets, x, y)


def test_weights_taken_from_another_cell_are_of_a_class_of_the_users_own():
    own, mine = (Network.draw(cell, **SIZES, seed=1) for cell in ("elman", LEAKY_FILE))
    made = mine.prepared()
    assert isinstance(made, elman.ElmanWeights) and type(made).__module__ == mine.module.module
    assert type(made).__name__ != type(own.prepared()).__name__  # Numba goes by it
    x, y = np.random.default_rng(0).standard_normal((9, 3, 2)), np.zeros((9, 3, 3))
    before = own.gradients(x, y)
    mine.gradients(x, y)
    same_bits(own.gradients(x, y), before)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_what_is_compiled_for_a_users_cell_is_cached_by_itself():
    cell = registry.find(LEAKY_FILE)
    Network.draw(LEAKY_FILE, **SIZES).gradients(np.zeros((3, 2, 2)), np.zeros((3, 2, 3)))
    kept = {file.name.partition(".")[0] for file in (jit._FOLDER / cell.module).rglob("*.nbc")}
    assert kept == {"leaky", "passes"}
    for one in vars(passes).values():
        if jit.is_compiled(one):
            assert cell.module not in repr(one._cache._cache_file._load_index())


def test_a_users_cell_is_pickled_by_its_file(monkeypatch):
    cell = Cell.load(put(f"{LEAKY}# another", "leaky"))
    assert pickle.loads(pickle.dumps(cell)) is cell
    untied = pickle.loads(pickle.dumps(Untied(cell, 3)))
    assert untied.cell is cell and untied.steps == 3 and not untied.compiled
    text = pickle.dumps(cell)
    monkeypatch.delitem(sys.modules, cell.module)  # as in another process
    assert pickle.loads(text).module == cell.module
    monkeypatch.delitem(sys.modules, cell.module)
    put(LEAKY.replace("0.3", "0.31"), "leaky")
    with pytest.raises(UserError, match=r"leaky\.py was edited since its cell was pickled"):
        pickle.loads(text)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_cells_whose_weights_look_alike_run_their_own_loops(tmp_path):
    """Numba tells NamedTuples apart by their bare name: both files' are called the same."""
    text = Path(LEAKY_FILE).read_text("utf-8")
    states = []
    for leak in (0.3, 0.4):
        file = tmp_path / f"leak{leak:g}".replace(".", "_")
        file.with_suffix(".py").write_text(text.replace("LEAK = 0.3", f"LEAK = {leak}"))
        net = Network.draw(str(file.with_suffix(".py")), **SIZES, seed=1)
        x = np.ones((1, 1, 2))
        states.append(net.forward(x).states[1, 0])
        right = leak * np.tanh(net.weights["b"] + net.weights["U"] @ x[0, 0])
        np.testing.assert_allclose(states[-1], right, rtol=1e-14)
