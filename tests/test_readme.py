"""Every command of the README is one that there is; those that take no time are run."""

import re
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import raced
from sources import ROOT

import speed
from gradlab import cli, runner
from gradlab.text import samples

TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
PROGRAM = ".venv/bin/gradlab "
COMMANDS = [
    part.strip().removeprefix(PROGRAM)
    for block in BLOCKS
    for part in re.split(r"\n|&&", block)
    if part.strip().startswith(PROGRAM)
]
CHEAP = ("list", "show", "status", "new", "run")  # run: --dry-run
INLINE = re.findall(r"`gradlab (\w+)[^`]*`", TEXT)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("train", "dev"):
        Path(f"{part}.conllu").write_bytes(samples.path(f"{part}.conllu").read_bytes())
    for file, sample in (("jsb_chorales.json", "chorales.json"), ("text.txt", "opticks.txt")):
        Path(file).write_bytes(samples.path(sample).read_bytes())
    Path("measurements.csv").write_text(
        "temperature,humidity\n" + "1.5,3\n2,1\n3,5\n4,2\n" * 300, encoding="utf-8"
    )


def test_the_commands_are_found():
    assert len(COMMANDS) == len(set(COMMANDS)) > 12
    assert {"list", "show", "run", "status", "check", "plot", "export", "reproduce", "new"} <= {
        command.split()[0] for command in COMMANDS
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_there_is(command):
    words = shlex.split(command)
    assert cli._parsed(words).command is cli.COMMANDS[words[0]].command


def test_a_command_in_the_text_is_one_that_there_is():
    assert set(INLINE) <= set(cli.COMMANDS) and "explore" not in INLINE


@pytest.mark.parametrize(
    "command",  # test_cluster.py runs one on a cluster
    [c for c in COMMANDS if c.split()[0] in CHEAP and "--cluster" not in c],
)
def test_a_command_that_takes_no_time_is_run(command, capsys):
    words = shlex.split(command)
    if "mine" in words[1:] and words[0] == "run":
        cli.main(["new", "mine"])
    dry = ["--dry-run"] if words[0] == "run" else []
    assert cli.main([*words, *dry]) == 0
    said = capsys.readouterr()
    assert said.out and not said.err


@pytest.fixture
def slurm(monkeypatch):
    """Slurm's cluster is one of threads here."""
    from distributed import LocalCluster

    def cluster(**asked):
        assert {*asked} == {"cores", "memory", "walltime"}
        return stack.enter_context(LocalCluster(1, processes=False, dashboard_address=":0"))

    with ExitStack() as stack:
        monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=cluster))
        yield


def test_the_python_lines_of_the_readme(slurm):
    scope, smaller = {}, {
        "cluster.scale(100)": "",
        "executor=Client(cluster), progress=True": "quick=True, executor=Client(cluster)",
        "quick=True": "quick=True, set={'seed': 0, 'hidden_size': 8, 'sequence_length': [10, 20]}",
        "updates=2000": "updates=200", "evaluate_every=500": "evaluate_every=100",
        "updates=100": "updates=3",
    }  # fmt: skip
    for lines in re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        for said, less in smaller.items():
            lines = lines.replace(said, less)
        exec(lines, scope)
        if "frame" in lines:
            assert len(scope["frame"]) == 60 and scope["net"].hidden == 64
        if "temporal_order" in lines:
            assert scope["training"].table()["update"].tolist() == [1, 100, 200]
        if "bidirectional=True" in lines:
            assert scope["training"].status == "finished" and scope["training"].net.bidirectional
    assert scope["training"].plan.carry and 0 < scope["nats_a_word"] < 4.5


def test_what_is_said_of_speed_is_what_the_table_of_the_reference_run_says():
    said = raced.paragraph(runner.read("speed", raced.REFERENCE))
    assert said in TEXT, f"README.md, 'How fast': paste what `python tests/raced.py` prints: {said}"


def test_a_faster_peer_reached_goals_and_kernels_are_said():
    frame = runner.read("speed", raced.REFERENCE)
    for goal in [one.goal for one in speed.standings(frame) if one.verdict == "reached"]:
        there = (frame.work == goal.work) & frame.contender.isin(goal.against)
        frame.loc[there, "ratio"] = 0.95 * goal.goal
    here = (frame.work == "minibatch") & (frame.precision == "float64")
    frame.loc[here & (frame.contender == "jax by hand"), "ratio"] = 0.664
    frame.loc[(frame.work == "Jordan") & (frame.contender != "ours"), "ratio"] = 3.5
    frame.loc[frame.precision == "float32", "ratio"] = 1.2
    frame["blas"], frame["blas_warning"] = "OpenBLAS 0.3.30 Haswell", "better ones are there"
    said = " ".join(raced.paragraph(frame).split())
    assert "JAX by hand took 0.66 of our time for minibatch; in float32 none was either." in said
    assert "none was faster" not in said and said.endswith("drawn too, one is reached.")
    assert "products by OpenBLAS 0.3.30 Haswell: better ones are there)" in said
