"""What stands beside an experiment's file: it imports it, measures with it, and so do workers."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from sources import ROOT

import gradlab
from gradlab.errors import UserError
from gradlab.suite import library, sources, work

EXPERIMENT = """
from helpers.sizes import SIZES

from gradlab.cli import script
from gradlab.plots import style
from gradlab.suite import Experiment


def figure(frame):
    drawn, panel = style.panels(1, 1)
    panel.plot(frame.length, frame.steps)
    return drawn


experiment = Experiment(
    question="How long is it?", grid={"length": SIZES, "seed": [0, 1]}, split=["seed"],
    measure="helpers.measure:measure", figure=figure,
)
if __name__ == "__main__":
    script(experiment)
"""
HELPERS = {
    "sizes": "SIZES = [3, 4]",
    "measure": """
from helpers import sizes

COLUMNS = {"steps": "how many"}
estimate = None


def measure(block):
    import lazily_beside

    return {"steps": lazily_beside.FACTOR * block.points["length"] + len(sizes.SIZES)}
""",
    "unused": "x = 1",
}
RIGHT = [32, 32, 42, 42]  # 10 length + 2


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The path of an experiment with helpers beside it; the current folder is another one."""
    folder = tmp_path / "place"
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").touch()
    for name, text in HELPERS.items():
        (folder / "helpers" / f"{name}.py").write_text(text)
    (folder / "lazily_beside.py").write_text("FACTOR = 10")
    (folder / "mine.py").write_text(EXPERIMENT)
    monkeypatch.syspath_prepend(tmp_path / "nothing")  # which gives sys.path back at the end
    monkeypatch.chdir(tmp_path)
    yield folder / "mine.py"
    for name in [n for n in sys.modules if n.partition(".")[0] in ("helpers", "lazily_beside")]:
        del sys.modules[name]


def test_an_experiment_measures_with_what_stands_beside_it(mine):
    frame = gradlab.run(mine)
    assert frame.steps.tolist() == RIGHT
    assert work.columns(library.load(mine).measure) == {"steps": "how many"}


def test_a_worker_finds_it_too(mine):
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=forget) as pool:
        frame = gradlab.run(mine, executor=pool)
    assert frame.steps.tolist() == RIGHT and set(frame.status) == {"ok"}


def forget():
    """As on another machine, whose Python has not looked into the experiment's folder."""
    sys.path[:] = [place for place in sys.path if not place.endswith("place")]


def test_a_script_and_the_command_mean_the_same_blocks(mine):
    gradlab.run(mine)
    for command in ([str(mine)], ["-m", "gradlab", "run", str(mine)]):
        done = called([*command, "--dry-run"], mine.parents[1])
        assert not done.returncode, done.stderr
        assert "2 of 2 blocks are stored" in done.stdout


def called(words, cwd, **more):
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", **more}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=cwd, env=env
    )


def test_what_it_imports_counts_under_names_that_are_no_place(mine):
    before = sources.of(library.load(mine).measure)
    own = {file for file in before if not file.startswith("gradlab/")}
    assert own == {
        *("helpers/measure.py:measure", "helpers/__init__.py", "helpers/sizes.py"),
        "lazily_beside.py",
    }
    (mine.parent / "lazily_beside.py").write_text("FACTOR = 11")
    after = sources.of(library.load(mine).measure)
    assert sources.differing(before, after) == ["lazily_beside.py"]


def test_another_module_of_that_name_is_not_taken_for_it(mine, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "place"
    shutil.copytree(mine.parent, elsewhere)
    gradlab.run(mine)
    with pytest.raises(
        UserError, match=r"measure helpers\.measure:measure: Python knows another h"
    ):
        gradlab.run(elsewhere / "mine.py", results="others")


def test_a_measure_that_is_not_there_is_named(mine):
    for name, words in (("nowhere", "no such module"), ("measure", "no such function")):
        text = EXPERIMENT.replace("helpers.measure:measure", f"helpers.{name}:other")
        mine.write_text(text)
        with pytest.raises(UserError, match=f"measure helpers.{name}:other: .*{words}"):
            gradlab.run(mine)


@pytest.mark.parametrize("measure", ["gradlab.measures.last_step:measure", "os.path:join"])
def test_what_is_not_beside_is_as_python_finds_it(measure):
    assert work.placed_beside(measure, ROOT / "mine.py") == measure
    assert work.placed_beside(measure, __file__) == measure


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder as a wheel leaves it, with the experiments inside the package, and an empty one."""
    site, empty = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    hidden = shutil.ignore_patterns("__pycache__", "results")
    shutil.copytree(ROOT / "gradlab", site / "gradlab", ignore=hidden)
    shutil.copytree(ROOT / "experiments", site / "gradlab" / "_experiments", ignore=hidden)
    return site, empty


WHERE = """
import json, sys
import gradlab
from gradlab.suite import library, sources, work
measure = library.load(sys.argv[1]).measure
function, _ = work.resolve(measure)
if hasattr(sys.modules[function.__module__], "CHILD"):
    exec(sys.modules[function.__module__].CHILD.partition(";")[0])
print(json.dumps([gradlab.__file__, function.__code__.co_filename, sources.of(measure)]))
"""


@pytest.mark.parametrize("name", ["speed", "cost"])
def test_the_race_is_found_from_a_wheel_and_is_of_the_same_sources(installed, name):
    site, empty = installed
    done = called(["-c", WHERE, name], empty, PYTHONPATH=str(site))
    assert not done.returncode, done.stderr
    package, file, files = json.loads(done.stdout)
    assert Path(package).is_relative_to(site)
    assert Path(file).parent == site / "gradlab" / "_experiments" / "race"
    assert files == sources.of(library.load(name).measure)
    assert any(label.startswith("race/") for label in files)
