"""Which files a block depends on, and which edits make it run again."""

import ast
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import toy_measure
from sources import ROOT
from toy import experiment as toy

from gradlab.errors import UserError
from gradlab.measures import last_step
from gradlab.suite import library, sources
from gradlab.suite.grid import Block, blocks

MEASURE = "gradlab.measures.last_step:measure"
COST = library.load("cost").measure


def label(file):
    return file.relative_to(sources.PACKAGE.parent).as_posix()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, whose files a test may edit."""
    folder = tmp_path / "gradlab"
    shutil.copytree(ROOT / "gradlab", folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sources, "PACKAGE", folder)
    return folder


def without_words(text):
    """The same program with neither comments nor layout, and with other docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and node.body:
            said = ast.get_docstring(node) is not None
            node.body[:said] = [ast.Expr(ast.Constant("Other words."))]
    return ast.unparse(ast.fix_missing_locations(tree))


def with_another_number(text):
    """The same program where the first number is another, None if it has none."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            node.value += 1
            return ast.unparse(tree)
    return None


def test_a_number_in_a_reached_file_counts_and_words_do_not(package):
    before = sources.of(MEASURE)
    reached = [file for file in before if file.startswith("gradlab/") and ":" not in file]
    assert len(reached) > 40
    for file in map(package.parent.joinpath, reached):
        file.write_text(without_words(file.read_text()))
    assert sources.of(MEASURE) == before
    for name in reached[::3]:
        file = package.parent / name
        text = file.read_text()
        if changed := with_another_number(text):
            file.write_text(changed)
            assert sources.differing(before, sources.of(MEASURE)) == [name]
            file.write_text(text)


def test_a_file_that_is_not_reached_does_not_count(package):
    before = sources.of(MEASURE)
    others = [file for file in package.rglob("*.py") if label(file) not in before]
    assert {"training.py", "sweep.py", "recall.py", "run.py"} <= {file.name for file in others}
    for file in others:
        if file.name != "last_step.py":
            file.write_text("import gradlab.theory.dynamics\n")
    assert sources.of(MEASURE) == before


@pytest.mark.parametrize("room", ["tasks", "cells"])
def test_every_file_of_a_room_whose_files_are_found_by_name_counts(package, room):
    before = sources.of(MEASURE)
    (package / room / "new.py").write_text("x = 1\n")
    assert sources.differing(before, sources.of(MEASURE)) == [f"gradlab/{room}/new.py"]


def edited(package, old, new):
    file = package / "measures" / "last_step.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return sources.of(MEASURE)


def test_of_the_measures_file_what_the_measure_reaches_counts(package):
    before, cost = sources.of(MEASURE), sources.of(COST)
    assert edited(package, '"loss": "', '"loss": "other words of ') == before
    assert edited(package, "\ndef estimate(block):", "\ndef estimate(block, more=1):") == before
    assert edited(package, "\ndef measure(", "\nOTHER = 1\n\n\ndef measure(") == before
    assert sources.of(COST) != cost  # it imports all of this file
    edited(package, "\nOTHER = 1\n\n\ndef measure(", "\ndef measure(")
    assert edited(package, "estimate(block, more=1)", "estimate(block, more=2)") == before
    assert sources.of(COST) == cost
    after = edited(package, "LAGS = (1,", "LAGS = (3,")
    assert sources.differing(before, after) == ["gradlab/measures/last_step.py:measure"]


RUN = """
import json, sys
import numpy as np
from gradlab.suite import library, work
from gradlab.suite.grid import Block, blocks, changed
experiment = library.load(sys.argv[1])
small = changed(changed(experiment, experiment.quick), json.loads(sys.argv[2]))
before = set(sys.modules)
block = blocks(small)[0][0]
block = Block({name: values[:1] for name, values in block.points.items()}, block.constants)
columns, message, _ = work.run_block(small.measure, block)
assert columns, message
found = set(sys.modules) - before  # an experiment's figure and claims import for themselves
print(json.dumps(sorted(name for name in found if name.startswith("gradlab"))))
"""
SMALL = {
    "spectral_radius": {"cell": "lstm", "sequence_length": [5], "task": "noise"},
    "training_map": {"updates": 10, "evaluate_every": 10, "evaluation_size": 4, "batch": 2},
    "untied": {},
    "activations": {},
}


@pytest.mark.parametrize("name", SMALL)
def test_all_that_a_measure_loads_is_among_its_sources(name):
    call = [sys.executable, "-c", RUN, name, json.dumps(SMALL[name])]
    plain = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(call, capture_output=True, text=True, env=plain, cwd=ROOT)
    assert not done.returncode, done.stderr
    files = {file.partition(":")[0] for file in sources.of(library.load(name).measure)}
    loaded = [n for n in json.loads(done.stdout) if n.split(".")[1:2] not in NO_SOURCES]
    wanted = {label(file) for name in loaded if (file := sources._file(name))}
    assert wanted and not wanted - files


NO_SOURCES = [[name] for name in sources.NO_SOURCES]


def write(folder, **texts):
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def test_what_a_users_measure_imports_of_its_own_folder_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(
        tmp_path,
        mine_one="import mine_two\nimport json\ndef measure(block):\n    import mine_three",
        mine_two="from gradlab.theory import dynamics",
        mine_three="x = 1",
        mine_four="x = 1",
    )
    files = sources.of("mine_one:measure")
    assert {"mine_one.py:measure", "mine_two.py", "mine_three.py"} < set(files)
    assert "gradlab/theory/dynamics.py" in files and "mine_four.py" not in files


def test_a_package_of_the_users_counts_by_its_own_imports_alone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(
        tmp_path,
        pack_a__first="from . import second\nimport other_b\ndef measure(block):\n    pass",
        pack_a__second="from pack_a.third import x",
        pack_a__third="x = 1",
        other_b="x = 1",
    )
    assert set(sources.of("pack_a.first:measure")) == {
        *("pack_a/first.py:measure", "pack_a/second.py", "pack_a/third.py"),
    }
    import pack_a.first

    assert sources.of(pack_a.first.measure) == sources.of("pack_a.first:measure")


def test_a_function_and_its_name_are_of_the_same_sources():
    assert sources.of("toy_measure:decay") == sources.of(toy_measure.decay)
    assert sources.of(MEASURE) == sources.of(last_step.measure)
    assert sources.of(toy_measure.decay) != sources.of(toy_measure.blas_threads)
    typed = {}
    exec("def measure(block):\n    return {}", typed)
    for measure, words in (
        (typed["measure"], "measure measure: its source is not known; write it in a file"),
        (partial(toy_measure.decay), "not a function: write one with def"),
    ):
        with pytest.raises(UserError, match=words):
            sources.of(measure)


@pytest.mark.parametrize("name", ["nowhere:f", "gradlab.nowhere:f", "os.nowhere.f:f"])
def test_an_unknown_measure_is_named(name):
    with pytest.raises(UserError, match=f"measure {name}: no such module"):
        sources.of(name)


def test_a_users_file_is_named_and_counts_by_its_content(tmp_path):
    block = blocks(toy)[0][0]
    found = []
    for place, text in (("a", "x,y"), ("b", "x,y"), ("b", "x,z")):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "data.csv").write_text(text)
        given = {**block.constants, "file": str(tmp_path / place / "data.csv")}
        named = Block(block.points, given)
        found.append((sources.points_key(named), sources.of_block(named)))
    assert found[0] == found[1] and found[1][0] == found[2][0]
    assert sources.differing(found[1][1], found[2][1]) == ["file data.csv"]


def test_a_users_task_counts_by_its_syntax_tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, tasks__mine="x = 1\n")
    block = Block({"task": np.array(["mine", "noise"])}, {})
    before = sources.of_block(block)
    assert list(before) == ["task mine.py"]
    Path("tasks/mine.py").write_text('"""Words."""\nx = 1  # one\n', encoding="utf-8")
    assert sources.of_block(block) == before
    Path("tasks/mine.py").write_text("x = 2\n", encoding="utf-8")
    assert sources.of_block(block) != before
