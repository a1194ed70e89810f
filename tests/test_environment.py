"""What gradlab finds around it: settings, folders, streams and displays; seldom as we like them."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numba
import pytest
import seaborn as sns
from toy import experiment as toy

from gradlab.cli import main
from gradlab.kernels import jit
from gradlab.plots.draw import draw
from gradlab.runner import run
from gradlab.suite import library

TESTS = Path(__file__).parent
UNSET = ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")


def child(*command, cwd, code=0, **environment):
    """(stdout, stderr) of a command without a display; a variable that is None is not set."""
    given = {**os.environ, **dict.fromkeys(UNSET), **environment}
    given = {name: str(value) for name, value in given.items() if value is not None}
    done = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def test_the_module_is_the_command(tmp_path):
    out, err = child(sys.executable, "-m", "gradlab", "list", cwd=tmp_path)
    *lines, last = out.splitlines()
    assert [line.split()[0] for line in lines] == library.names()
    assert all(line.endswith("  reference run") for line in lines) and err == ""
    assert last == f"{len(lines)} experiments: {len(lines)} with the reference run alone"


def test_a_reader_that_leaves_early_ends_it_silently(tmp_path):
    command = [sys.executable, "-m", "gradlab", "list"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as running:
        running.stdout.close()  # long before the first word; `head -1` may be slower than that
        assert running.stderr.read() == b""
    assert running.returncode == 128 + 13


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def frame(results):
    return run(toy, results=results)


@pytest.fixture(scope="module")
def plain(results, frame):
    return (results / "toy.png").read_bytes()


DRAW = """
import sys
import gradlab
from toy import experiment as toy
from gradlab.plots.draw import draw
draw(toy, gradlab.read("toy", sys.argv[1]), "toy.png")
import matplotlib
print(matplotlib.rcParams["font.size"], matplotlib.rcParams["text.usetex"])
"""
LARGE = "text.usetex: True\nsavefig.bbox: tight\nfont.size: 40\n"


def test_a_figure_is_the_same_whatever_the_user_set(tmp_path, results, plain):
    (tmp_path / "matplotlibrc").write_text(LARGE)
    given = {"MATPLOTLIBRC": tmp_path, "MPLBACKEND": "module://nonsense", "PYTHONPATH": TESTS}
    out, err = child(sys.executable, "-c", DRAW, str(results), cwd=tmp_path, **given)
    assert out.splitlines() == ["40.0 True"]
    assert err == "" and (tmp_path / "toy.png").read_bytes() == plain


def test_a_theme_is_undone_and_comes_back(tmp_path, frame, plain):
    with matplotlib.rc_context():
        sns.set_theme("poster", "darkgrid", "bright", font_scale=3, rc={"savefig.bbox": "tight"})
        before = dict(matplotlib.rcParams)
        draw(toy, frame, tmp_path / "toy.png")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "toy.png").read_bytes() == plain


# Where kernels go, from a home folder H and other folders X and N.
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the places of Linux")
@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"HOME": "/H"}, "/H/.cache/gradlab"),
        ({"HOME": "/H", "XDG_CACHE_HOME": ""}, "/H/.cache/gradlab"),
        ({"HOME": "/H", "XDG_CACHE_HOME": "X"}, "/H/.cache/gradlab"),
        ({"HOME": "/H", "XDG_CACHE_HOME": "/X"}, "/X/gradlab"),
        ({"HOME": "/H", "XDG_CACHE_HOME": "/X", "NUMBA_CACHE_DIR": ""}, "/X/gradlab"),
        ({"HOME": "/H", "XDG_CACHE_HOME": "/X", "NUMBA_CACHE_DIR": "/N"}, "/N/gradlab"),
        ({"NUMBA_CACHE_DIR": "N"}, "N/gradlab"),
        ({"HOME": "H"}, None),
    ],
)
def test_the_place_of_compiled_kernels(monkeypatch, variables, place):
    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    folder = jit.cache_folder()
    assert folder is place is None or folder.parent == Path(place).absolute()


PROBE = """
import os, pwd
if "HOME" not in os.environ:
    pwd.getpwuid = {}.__getitem__
from gradlab.kernels.jit import kernel
@kernel
def more(x):
    return x + 1.0
print(more(1.0))
"""
ONCE = "once on this machine (5 to 20 s; the first cell 10 to 30 s)\n"
COMPILING = f"gradlab: compiling what all cells share, {ONCE}"
compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


def probe(folder, shell='exec "$0" probe.py', **places):
    """(stdout, stderr) of a session that compiles one small kernel."""
    (folder / "probe.py").write_text(PROBE)
    places = {"HOME": None, "XDG_CACHE_HOME": None, "NUMBA_CACHE_DIR": None} | places
    return child("sh", "-c", shell, sys.executable, cwd=folder, **places)


def kernels(folder):
    return [path.relative_to(folder).parts[0] for path in folder.rglob("*.nbc")]


@compiled
def test_a_kernel_is_compiled_once(tmp_path):
    given = {"XDG_CACHE_HOME": "relative", "HOME": tmp_path / "home"}
    assert probe(tmp_path, **given) == ("2.0\n", COMPILING)
    assert probe(tmp_path, **given) == ("2.0\n", "")
    assert kernels(tmp_path) == ["home"]


class Lstm:
    """What Numba knows of a call with a cell's weights: a tuple of them and of something else."""

    class Weights:
        __module__ = "gradlab.cells.lstm"

    class Own:
        __module__ = "gradlab_cell_my_own_0123456789ab"

    Own.__name__ = "Weights"

    class Kind:
        def __init__(self, **names):
            vars(self).update(names)

    @classmethod
    def call(cls, made, *more):
        return (float, cls.Kind(types=(int, cls.Kind(instance_class=made))), *more)


def test_what_is_compiled_is_said_once_a_cell_and_loop(monkeypatch, capsys):
    monkeypatch.setattr(jit, "_told", {})
    own, other, shared = Lstm.call(Lstm.Weights), Lstm.call(Lstm.Own), (float, int)
    calls = [("forward", own), ("tanh", shared), ("way_back", own), ("backward", own)]
    calls += [("forward", other), ("way_back", own), ("add", shared)]
    calls += [("way_back", Lstm.call(Lstm.Weights, int))] * 3  # it cannot be compiled
    for call in calls:
        jit._say(*call)
    said = [f"gradlab: compiling {cell}, {ONCE}" for cell in
            ("cell lstm", "cell my_own", "more of cell lstm")]  # fmt: skip
    assert capsys.readouterr().err == "".join(said)


@compiled
@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ({}, "no cache (no home folder: set NUMBA_CACHE_DIR)"),
        ({"HOME": "/dev/null"}, "(cannot write there: set NUMBA_CACHE_DIR)"),
    ],
)
def test_without_a_place_kernels_work_and_one_warning_says_so(tmp_path, places, reason):
    out, err = probe(tmp_path, **places)
    assert out == "2.0\n" and err.count("Warning") == 1 and reason in err
    assert not kernels(tmp_path)


@compiled
def test_without_stderr_nothing_goes_to_stdout(tmp_path):
    closed = 'exec "$0" probe.py 2>&-'
    assert probe(tmp_path, closed, NUMBA_CACHE_DIR="place") == ("2.0\n", "")
    assert kernels(tmp_path) == ["place"]


def test_a_command_without_streams(tmp_path):
    wrong = 'exec "$0" -m gradlab run nosuch 2>&-'
    assert child("sh", "-c", wrong, sys.executable, cwd=tmp_path, code=2) == ("", "")
    fine = 'exec "$0" -m gradlab list >&- 2>&-'
    assert child("sh", "-c", fine, sys.executable, cwd=tmp_path) == ("", "")


class Logger:
    """What some programs put in the place of a stream: it can write, and no more."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def run_with(stdout, stderr, monkeypatch):
    """The exit codes of a fine and of a wrong command."""
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stdout)
        patched.setattr(sys, "stderr", stderr)
        return main(["run", str(TESTS / "toy.py")]), main(["run", "nosuch"])


def test_streams_that_can_only_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, err = Logger(), Logger()
    assert run_with(out, err, monkeypatch) == (0, 2)
    assert "12 points" in out.text and "toy: 1 of 1 claim holds" in out.text
    assert err.text.startswith("gradlab: no experiment nosuch") and err.text.count("\n") == 1


def test_no_streams(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = Logger()
    assert run_with(None, None, monkeypatch) == run_with(out, None, monkeypatch) == (0, 2)
    assert (tmp_path / "results" / "toy.png").exists()
    assert "nosuch" not in out.text
