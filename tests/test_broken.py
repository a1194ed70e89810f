"""Experiment files that are wrong in every way: one line, the right exit code, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from gradlab.cli import main
from gradlab.suite import library

TOY = """
import sys
import numpy as np
from gradlab.suite import Claim, Experiment

class Mute(Exception):
    def __str__(self):
        raise ValueError

def fail(error):
    raise error

def measure(block):
    return {"a": np.ones(len(block))}

def figure(frame):
    from gradlab.plots import style
    drawing, panel = style.panels(1, 1)
    panel.plot(frame.index, frame.a)
    return drawing

claim = dict(name="c", statement="s", source="x", measured=lambda f: f.a.mean(), equals=1.0,
             within=0.1, why="w", control=lambda f: f)
right = dict(question="q", grid={"seed": [0, 1]}, split=["seed"], measure=measure, figure=figure)
experiment = Experiment(**right | %s)
"""


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """An empty current folder where mine.py is the only experiment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADLAB_PATH", raising=False)
    monkeypatch.setattr(library, "folder", lambda: tmp_path / "none")
    Path("experiments").mkdir()


def run(change, capsys):
    Path("experiments/mine.py").write_text(TOY % change, encoding="utf-8")
    code = main(["run", "mine", "--workers", "1"])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit(3)", "mine.py:2: SystemExit: 3"),
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E: (it cannot say what)"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion"),
        ("x = (", "SyntaxError"),
        ("raise GeneratorExit", "mine.py:1: GeneratorExit"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    ],
)
def test_a_file_that_ends_python_is_one_line(text, message, capsys):
    Path("experiments/mine.py").write_text(f"{text}\nexperiment = Experiment()\n", encoding="utf-8")
    assert main(["run", "mine"]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{'measure': 3}", "measure 3, not a function or its name"),
        ("{'measure': lambda b: 3}", "the measure returned int, not a dict"),
        ("{'measure': lambda b: {3: np.ones(1)}}", "column 3 of float64: not a name"),
        ("{'measure': lambda b: {'a': [object()]}}", "column a of object: not a name"),
        ("{'measure': lambda b: {'a': [1j]}}", "column a of complex128: not a name"),
        ("{'measure': lambda b: sys.exit(3)}", "SystemExit: 3"),
        ("{'measure': lambda b: fail(Mute())}", "Mute: (it cannot say what)"),
        ("{'figure': 3}", "figure 3, not a function"),
        ("{'claims': [3]}", "claims hold 3, not a Claim"),
        ("{'claims': [Claim(**claim | {'measured': 3})]}", "measured, control and also must be"),
        ("{'claims': [Claim(**claim | {'equals': 'x'})]}", "equals 'x', not a number"),
        ("{'claims': [Claim(**claim | {'seeds': 'x'})]}", "seeds 'x', not a number"),
        ("{'grid': {'seed': [0, 'a']}}", "axis seed is [0, 'a'], not numbers or text"),
        ("{'grid': {'seed': [[1]]}}", "axis seed is [[1]], not numbers or text"),
        ("{'grid': {'seed': [2**63]}}", "axis seed is [9223372036854775808], not numbers"),
        ("{'grid': {'seed': [0], 3: [0]}}", "3 names an axis or constant, not text"),
        ("{'constants': {'z': {1: 2}}}", "constant z is {1: 2}, not numbers or text"),
        ("{'constants': {'z': 1j}}", "constant z is 1j, not numbers or text"),
    ],
)
def test_a_wrong_experiment_is_one_line(change, message, capsys):
    code, _, err = run(change, capsys)
    assert code == 2 and message in err and err.count("\n") == 1


@pytest.mark.parametrize("measured", ["lambda f: 1 / 0", "lambda f: 'abc'", "lambda f: f.none"])
def test_a_broken_claim_falls_short_and_says_why(measured, capsys):
    code, out, err = run(f"{{'claims': [Claim(**claim | {{'measured': {measured}}})]}}", capsys)
    assert (code, err) == (1, "") and "FALLS SHORT   c: s (" in out and "Error: " in out


def test_what_a_measure_divides_by_zero_warns_of_nothing(capsys):
    code, _, err = run("{'measure': lambda b: {'a': np.ones(1) / np.zeros(1)}}", capsys)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("value", ["9223372036854775808", "1e300", "0,1e308", "0:inf:3", "nan"])
def test_a_seed_that_no_table_holds_is_refused(value, capsys):
    Path("experiments/mine.py").write_text(TOY % "{}", encoding="utf-8")
    assert main(["run", "mine", "--set", f"seed={value}"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gradlab: seed=") and err.count("\n") == 1


def test_python_m_gradlab_is_the_command():
    call = [sys.executable, "-m", "gradlab"]
    done = subprocess.run([*call, "new", "1"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("gradlab: '1' is no name")
