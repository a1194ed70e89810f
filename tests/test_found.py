"""A user's own experiments, tasks and cells: found by name, hashed by content, cells checked."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import gradlab
from gradlab import found, tasks, template
from gradlab.cli import main
from gradlab.errors import UserError
from gradlab.nets import registry
from gradlab.suite import library, sources
from gradlab.suite.grid import Block

TESTS = Path(__file__).parent
TASK = """
import numpy as np

INPUTS = OUTPUTS = 1
LOSS, AT, LENGTH_FREE = "squared_error", "every", True


def sample(rng, length, batch=1):
    x = rng.standard_normal((length, batch, 1))
    return x, 2.0 * x
"""
RIGHT = "carry[:] = (1 - LEAK) * carry + product"


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """An empty current folder, and no other place to look in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADLAB_PATH", raising=False)


def put(text, path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def leaky(path="cells/leaky.py", old="", new=""):
    return put((TESTS / "leaky.py").read_text().replace(old, new, 1), path)


def leak(name):
    return sys.modules[registry.find(name).module].LEAK


def test_the_current_folder_comes_before_those_of_gradlab_path(monkeypatch):
    far = [put(TASK, f"{place}/tasks/{n}.py") for place, n in (("a", "one"), ("b", "two"))]
    monkeypatch.setenv("GRADLAB_PATH", os.pathsep.join(("a", "", "b", "nowhere")))
    assert found.files("task") == {"one": far[0], "two": far[1]}
    put(TASK, "b/tasks/one.py")
    put(TASK, "tasks/_helper.py")
    near = put(TASK, "tasks/two.py")
    assert found.files("task") == {"one": far[0], "two": near}
    assert {"one", "two", "noise"} < set(tasks.names()) and "_helper" not in tasks.names()


def test_an_experiment_a_task_and_a_cell_are_found_alike():
    put((TESTS / "toy.py").read_text(), "experiments/mine.py")
    put(TASK, "tasks/double.py")
    leaky()
    assert "mine" in library.names() and library.load("mine").name == "mine"
    x, y = tasks.find("double").sample(np.random.default_rng(0), 4)
    assert (y == 2 * x).all()
    assert leak("leaky") == leak("cells/leaky.py") == 0.3


@pytest.mark.parametrize(
    ("kind", "name", "find"),
    [
        ("experiment", "mean_field", library.load),
        ("task", "noise", tasks.find),
        ("cell", "elman", registry.find),
    ],
)
def test_gradlabs_own_names_are_not_hidden(kind, name, find):
    file = put("", f"{kind}s/{name}.py")
    with pytest.raises(UserError, match=rf"{name}\.py has the name of gradlab's own {kind}"):
        find(name)
    with pytest.raises(UserError, match=rf"no {kind} other; there are .*{name}.*, or give a FILE"):
        find("other")
    own = {"experiment": library.folder(), "task": Path(tasks.__file__).parent}
    folder = own.get(kind, Path(gradlab.__file__).parent / "cells")
    shutil.copy(folder / f"{name}.py", file)  # a copy of the same hides nothing
    assert find(name)


def test_a_file_that_cannot_be_run_is_named_with_its_line():
    put("INPUTS = 1\nOUTPUTS = nothing\n", "tasks/broken.py")
    with pytest.raises(UserError, match=r"^tasks/broken\.py:2: NameError: "):
        tasks.find("broken")


def key(value, name="task", axis=False):
    points = {"seed": np.arange(2)} | ({name: np.array([value] * 2)} if axis else {})
    block = Block(points, {} if axis else {name: value})
    return sources.points_key(block), sources.key(sources.of_block(block))


@pytest.mark.parametrize("axis", [True, False])
@pytest.mark.parametrize("name", ["task", "cell"])
def test_a_users_file_counts_by_its_content(name, axis):
    file = put("A = 1", f"{name}s/mine.py")
    before = key("mine", name, axis)
    assert key(str(file), name, axis) == key(str(file.resolve()), name, axis) == before
    shutil.copy(put("A = 1", "elsewhere/mine.py"), "mine.py")
    assert key("mine.py", name, axis) == before
    put("A = 2", file)
    assert key("mine", name, axis) != before and key("noise", name, axis) != before
    with pytest.raises(UserError, match=r"none\.py: No such file"):
        key("none.py", name, axis)


def test_an_edited_task_runs_again_and_a_moved_one_does_not(capsys):
    given = {"hidden_size": 8, "sequence_length": [10], "spectral_radius": [0.5], "seed": 3}

    def loss(task):
        values = given | {"task": str(task)}
        frame = gradlab.run("spectral_radius", quick=True, set=values, progress=True)
        assert set(frame.task) == {Path(task).name}
        return frame.loss.tolist()

    file = put(TASK, "tasks/double.py").resolve()
    first = loss(file)
    shutil.move(file, "double.py")
    assert loss("double.py") == first
    assert "3 of 3 blocks are stored, nothing to run" in capsys.readouterr().out
    put(TASK.replace("2.0", "3.0"), "double.py")
    assert loss("double.py") != first
    assert "3: other sources than what is stored, which stays: task double.py" in (
        capsys.readouterr().out
    )


def test_a_right_cell_is_a_network_at_once():
    leaky()
    net = gradlab.Network.draw("leaky", inputs=2, hidden=5, outputs=1, activation="sigmoid")
    x, e = np.random.default_rng(0).standard_normal((9, 3, 2)), 1e-6
    slope = net.gradients(x, np.zeros((9, 3, 1))).weights["W"][1, 2]
    losses = []
    for step in (e, -2 * e):
        net.weights["W"][1, 2] += step
        losses.append(net.gradients(x, np.zeros((9, 3, 1))).loss)
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * e), rel=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            RIGHT,
            "carry[:] = product",
            r"dL/dU differs from numerical .*, relative error 0",
        ),
        (
            "delta *= LEAK",
            "delta *= 1.00001 * LEAK",
            r"dL/dU differs .* relative error [\d.]+e-0[56]",
        ),
        ("scale_rows(product, gain)", "pass", r"dL/d\(state\) with a gain differs"),
        ("saved_size(weights):", "saved_sizes(weights):", r"no cell: it lacks saved_size$"),
        ("weights.recurrent,", "weights.recurent,", r"fails its check: .*recurent"),
    ],
)
def test_a_wrong_cell_is_refused_in_one_line(old, new, message):
    file = leaky(old=old, new=new)
    with pytest.raises(UserError, match=message) as error:
        gradlab.Network.draw("leaky", inputs=1, hidden=4, outputs=1)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)


def test_an_edited_cell_is_loaded_and_checked_again():
    leaky(old="LEAK = 0.3", new="LEAK = 0.4")
    assert leak("leaky") == 0.4
    leaky(old="delta *= LEAK", new="delta *= 2")
    with pytest.raises(UserError, match="differs"):
        registry.find("leaky")
    assert any(name.startswith("gradlab_cell_leaky_") for name in sys.modules)


def test_new_writes_an_experiment_that_runs_at_once(capsys):
    assert main(["new", "first"]) == main(["list"]) == 0
    out = capsys.readouterr().out
    assert "wrote experiments/first.py; try `gradlab run first --quick`" in out
    assert "first  " in out and "How does" in out
    assert main(["run", "first"]) == main(["run", "first", "--quick"]) == main(["check"]) == 0
    assert capsys.readouterr().out.count("first: 1 of 1 claim holds\n") == 3
    assert Path("results/first.png").exists() and Path("results/quick/first.png").exists()
    assert len(gradlab.read("first")) == 15 and len(gradlab.read("first", "results/quick")) == 5
    claim = library.load("first").claims[0]
    assert "FALLS SHORT" in str(claim.judge(claim.control(gradlab.read("first"))))


def test_what_new_writes_is_short():
    assert len(Path(template.__file__).read_text(encoding="utf-8").splitlines()) < 100


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine", "there is an experiment mine already"),
        ("mean_field", "there is an experiment mean_field already"),
        ("a/b", "'a/b' is no name"),
        ("_x", "'_x' is no name"),
        ("2nd", "'2nd' is no name"),
        ("x.py", "'x.py' is no name"),
    ],
)
def test_new_never_overwrites(name, message, capsys):
    file = put("# mine", "experiments/mine.py")
    assert main(["new", name]) == 2
    assert capsys.readouterr().err.startswith(f"gradlab: {message}")
    assert file.read_text() == "# mine" and len(list(file.parent.iterdir())) == 1
