"""The commands: what they print, what they write, and their exit codes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import interruptible

import gradlab
from gradlab.cli import main
from gradlab.errors import UserError
from gradlab.suite import library, provenance

TESTS = Path(__file__).parent
TOY = str(TESTS / "toy.py")


@pytest.fixture(autouse=True)
def only_the_toy(tmp_path, monkeypatch):
    """A folder of experiments that holds the toy alone, and an empty working folder."""
    (tmp_path / "experiments").mkdir()
    shutil.copy(TOY, tmp_path / "experiments")
    monkeypatch.setattr(library, "folder", lambda: tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)


def test_run_writes_table_figure_and_provenance(capsys):
    assert main(["run", "toy"]) == 0
    assert sorted(path.name for path in Path("results").iterdir()) == [
        *("toy.json", "toy.parquet", "toy.png", "toy.shards"),
    ]
    out = capsys.readouterr().out
    assert "toy: 12 points in 4 blocks\n0 of 4 blocks are stored, 4 to run on" in out
    assert "toy: 1 of 1 claim holds\n" in out
    pd.testing.assert_frame_equal(gradlab.read("toy"), gradlab.run("toy"))


def test_provenance_names_no_host_and_no_path():
    main(["run", "toy", "--set", f"file={TOY}"])
    text = Path("results/toy.json").read_text(encoding="utf-8")
    assert '"file": "toy.py"' in text and str(TESTS) not in text
    assert os.uname().nodename not in text
    content = json.loads(text)
    assert content["grid"][0]["seed"] == content["seed"] == [0, 1, 2, 3]
    assert content["status"] == {"ok": 12}
    (made,) = content["computed_by"]
    assert made["versions"]["numpy"] == np.__version__ and made["blocks"] == 4


def test_set_and_quick_and_fresh(capsys):
    assert main(["run", TOY, "--quick", "--results", "r", "--workers", "1"]) == 0
    assert len(gradlab.read("toy", "r/quick")) == 1
    assert "  not measured  1 of them: needs rows with weight = 0.5\n" in capsys.readouterr().out
    assert main(["run", "toy", "--set", "weight=0.5:1.5:3", "--set", "seed=7", "--fresh"]) == 0
    assert gradlab.read("toy")["weight"].tolist() == [0.5, 1.0, 1.5]
    frame = gradlab.run("toy", set={"weight": [0.5], "length": 3}, quick=True)
    assert frame["length"].tolist() == [3]


def test_a_claim_that_falls_short_exits_with_one(capsys):
    assert main(["run", "toy", "--set", "length=9"]) == 1
    assert main(["check"]) == 1
    assert "FALLS SHORT   chain" in capsys.readouterr().out


def test_list_and_check_tell_what_ran(capsys):
    assert main(["list"]) == main(["check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy  How fast does the gradient of a chain of scalars vanish?  not run",
        "1 experiment: 1 not run",
        "toy: not run; `gradlab run toy`",
        "0 claims of 0 experiments: 0 hold; 1 experiment not run",
    ]
    main(["run", "toy"])
    capsys.readouterr()
    assert main(["list"]) == main(["check", "toy"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "toy  How fast does the gradient of a chain of scalars vanish?  results",
        "1 experiment: 1 with results",
        "toy: 1 of 1 claim holds",
        "1 claim of 1 experiment: 1 holds",
    ]


BAD = {
    "ends": ("import sys\nsys.exit(0)\nexperiment = 1\n", "ends.py:2: SystemExit: 0"),
    "stranger": ("import sys\nsys.exit(0)\n", "stranger.py has no line 'experiment = "),
    "asks": (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--rate', required=True)\n"
        "p.parse_args()\nexperiment = 1\n",
        "asks.py:4: SystemExit: 2",
    ),
    "raises": ("experiment = 1\nexperiment.nothing\n", "raises.py:2: AttributeError"),
    "bails": ("experiment = 1\nraise BaseException('x')\n", "bails.py:2: BaseException: x"),
    "number": ("experiment = 1\n", "number.py has no line 'experiment = "),
    "text": ("experiment = (\n", "text.py:1: SyntaxError"),
    "latin": (b"experiment = '\xe4'\n", "latin.py:"),
    "nul": (b"experiment = '\0'\n", "nul.py:"),
    "empty": ("", "empty.py has no line 'experiment = "),
}


@pytest.mark.parametrize("name", BAD)
def test_check_goes_on_past_a_bad_file_and_says_so(capsys, name):
    main(["run", "toy"])
    source, complaint = BAD[name]
    Path(f"experiments/{name}.py").write_bytes(
        source if isinstance(source, bytes) else source.encode()
    )
    capsys.readouterr()
    assert main(["check"]) == 2
    said = capsys.readouterr()
    assert "toy: 1 of 1 claim holds\n" in said.out
    assert said.err.startswith("gradlab: ") and complaint in said.err
    assert said.err.count("\n") == 1


def test_check_goes_on_past_a_folder_and_a_dead_link(capsys):
    Path("experiments/folder.py").mkdir()
    Path("experiments/dead.py").symlink_to("nowhere")
    for command in ("list", "check"):
        assert main([command]) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 2 and "dead.py: " in said.err and "toy" in said.out


def test_a_claim_that_falls_short_outweighs_a_bad_file():
    Path("experiments/empty.py").write_text("", encoding="utf-8")
    main(["run", "toy", "--set", "length=9"])
    assert main(["check"]) == 1


def test_list_runs_nothing(capsys):
    made = "open('was_run', 'w')\nfrom gradlab.suite import Experiment\n"
    call = "experiment = Experiment(question='Is it ' 'run?', grid=1 / 0)\n"
    Path("experiments/plain.py").write_text(f"{made}{call}", encoding="utf-8")
    Path("experiments/told.py").write_text(
        f'"""What is told?\n\nMuch."""\n{made}experiment = 1\n', encoding="utf-8"
    )
    for name in ("ends", "raises", "bails"):
        Path(f"experiments/{name}.py").write_text(BAD[name][0], encoding="utf-8")
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "plain Is it run? not run" in lines and "told What is told? not run" in lines
    assert not Path("was_run").exists()


def test_the_question_that_is_read_is_the_one_that_is_asked():
    files = list((TESTS.parent / "experiments").glob("*.py"))
    assert len(files) > 20
    for file in map(str, files):
        assert library.question(file) == library.load(file).question


def test_plot_draws_again_from_the_table_alone(monkeypatch):
    main(["run", "toy"])
    before = Path("results/toy.png").read_bytes()
    shutil.rmtree("results/toy.shards")
    Path("results/toy.png").unlink()
    assert main(["plot", "toy"]) == 0
    assert Path("results/toy.png").read_bytes() == before


def test_export(capsys):
    main(["run", "toy"])
    assert main(["export", "toy"]) == 0
    exported = pd.read_csv("results/toy.csv")
    assert np.array_equal(exported["mix"], gradlab.read("toy")["mix"])
    for kind in ("pdf", "svg"):
        assert main(["export", "toy", "--format", kind, "--output", f"out.{kind}"]) == 0
    assert Path("out.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in Path("out.svg").read_text(encoding="utf-8")
    assert main(["export", "toy", "--output", "by_name.PDF"]) == 0
    assert Path("by_name.PDF").read_bytes().startswith(b"%PDF")
    assert main(["export", "toy", "--format", "svg", "--output", "no_suffix"]) == 0
    assert "<svg" in Path("no_suffix").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["fly"], "no command fly; there are list, "),
        (["run", "nothing"], "no experiment nothing; there are toy, or give a FILE.py"),
        (["run", "nothing.py"], "no file nothing.py"),
        (["run", "toy", "--set", "wieght=1"], "toy has no wieght: did you mean weight?"),
        (["run", "toy", "--set", "=1"], "--set =1: not KEY=VALUE"),
        (["run", "toy", "--set", "weight"], "--set weight: not KEY=VALUE"),
        (["run", "toy", "--set", "length=x"], "length=x: not a whole number"),
        (["run", "toy", "--set", "length=0"], "length 0: not at least 1"),
        (["run", "toy", "--set", "gib=1e9"], "a block needs 1000000000.00 GiB"),
        (["run", "toy", "--set", "file=none"], "file=none: No such file"),
        (["run", "toy", "--workers", "0"], "0 is not a whole number above 0"),
        (["run", "toy", "--results", "experiments/toy.py"], "toy.py is a file, not a folder"),
        (["run", "toy", "--workers", "-1"], "-1 is not a whole number above 0"),
        (["run", "toy", "--workers", "x"], "x is not a whole number above 0"),
        (["run", "toy", "--set", "length=1e30"], "length=1e30: not a whole number of at most 2^53"),
        (["run", "toy", "--set", "length=-1e400"], "length=-1e400: not a whole number"),
        (["run", "toy", "--set", "weight=nan"], "weight=nan: not a number"),
        (["run", "toy", "--set", "weight=0:1e400:3"], "weight=0:1e400:3: not a range"),
        (
            ["run", "toy", "--set", "weight=0:1:1000000000000"],
            "weight has 1000000000000 values: at most",
        ),
        (["run", "toy", "--set", "gib=1e9"], "(weight up to 2, 3 values; seed up to"),
        (["export", "toy", "--output", "x.gif"], "x.gif: not a file .csv, .pdf, .svg or .mid"),
        (["export", "toy", "--format", "pdf", "--output", "x.svg"], "says svg; give one of them"),
        (["plot", "toy"], "no table results/toy.parquet; `gradlab run toy` makes it"),
        (["export", "toy", "--format", "gif"], "invalid choice: 'gif'"),
    ],
)
def test_wrong_use_is_one_line_and_exits_with_two(capsys, arguments, message):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("gradlab: ") and message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["run toy", "status", "check", "list", "plot toy"])
@pytest.mark.parametrize(
    ("results", "message"),
    [
        ("experiments/toy.py", "results=experiments/toy.py: experiments/toy.py is a file, not a"),
        ("experiments/toy.py/new", "experiments/toy.py is a file, not a folder"),
        ("", "results='': not the path of a folder"),
    ],
)
def test_results_that_are_no_folder(capsys, command, results, message):
    assert main([*command.split(), "--results", results]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["experiments"]


@pytest.mark.parametrize("results", [None, 1, ["results"]])
def test_results_that_are_no_path(results):
    for call in (gradlab.run, gradlab.read):
        with pytest.raises(UserError, match=r"results=.*: not the path of a folder"):
            call("toy", results=results)


@pytest.mark.parametrize("name", ["toy.parquet", "toy.png", "toy.json", "toy.shards"])
def test_a_folder_in_a_files_place_and_a_file_in_a_folders(capsys, name):
    Path("results").mkdir()
    place = Path("results", name)
    place.touch() if name == "toy.shards" else place.mkdir()
    assert main(["run", "toy"]) == 2
    out, err = capsys.readouterr()
    wrong = "is a file, not a folder" if name == "toy.shards" else "is a folder where a file is"
    assert f"results/{name} {wrong}" in err and err.count("\n") == 1 and not out
    assert list(Path("results").iterdir()) == [place]


def start(*arguments):
    with interruptible():
        return subprocess.Popen(
            [sys.executable, "toy.py", "--results", os.getcwd(), *arguments],
            cwd=TESTS,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def test_a_memory_at_its_end_is_one_line(capsys, monkeypatch):
    def full(_):
        raise MemoryError("Unable to allocate\n2.00 GiB")

    monkeypatch.setattr("gradlab.commands.list.command", full)
    assert main(["list"]) == 2
    assert capsys.readouterr().err == (
        "gradlab: the memory is at its end: Unable to allocate 2.00 GiB\n"
    )


def test_a_script_is_the_command():
    script = start("--set", "length=9")
    out, err = script.communicate(timeout=60)
    assert (script.returncode, err) == (1, "")
    assert "FALLS SHORT" in out


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interrupt_keeps_what_is_done(number, code):
    slow = ["--set", "pause=1.5", "--workers", "1"]
    script = start(*slow)
    deadline = time.monotonic() + 60
    while not list(Path("toy.shards").glob("[!.]*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    script.send_signal(number)
    out, err = script.communicate(timeout=60)
    assert (script.returncode, err) == (code, "")
    missing = int(re.search(r"the same command, without --fresh, runs the (\d) missing", out)[1])
    assert 1 <= missing <= 3 and not Path("toy.parquet").exists()
    script = start(*slow, "--workers", "4")
    assert f"{4 - missing} of 4 blocks are stored, " in script.communicate(timeout=60)[0]
    assert Path("toy.parquet").exists()


def test_the_public_names_are_lazy():
    assert {"run", "read", "Network"} <= set(dir(gradlab))
    with pytest.raises(AttributeError, match="no attribute 'walk'"):
        gradlab.walk  # noqa: B018
    with pytest.raises(UserError, match="no table"):
        gradlab.read("toy")


def test_results_in_the_home_folder_and_through_links(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    far = tmp_path / "home" / "r" / "far.parquet"
    far.parent.mkdir(parents=True)
    (far.parent / "toy.parquet").symlink_to("far.parquet")
    for command in (["run"], ["plot"], ["check"], ["export"]):
        assert main([*command, "toy", "--results", "~/r"]) == 0
    assert (far.parent / "toy.parquet").is_symlink() and far.is_file()
    assert len(gradlab.read("toy", "~/r")) == 12 and (far.parent / "toy.csv").exists()
    assert not Path("~").exists()


def test_a_run_sweeps_what_a_kill_left(tmp_path):
    for folder in ("results", "results/toy.shards"):
        Path(folder).mkdir()
        left = Path(folder, ".123-0123456789ab.toy.parquet")
        left.touch()
        os.utime(left, (0, 0))
    assert main(["run", "toy"]) == 0
    assert not list(Path("results").rglob(".*"))


@pytest.mark.parametrize("edit", [False, True])
def test_provenance_asks_the_right_repository(tmp_path, monkeypatch, edit):
    """Whatever GIT_DIR the caller has, and whoever owns the checkout."""
    checkout, other = tmp_path / "checkout", tmp_path / "other"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for folder in (checkout, other):
        (folder / "gradlab").mkdir(parents=True)
        (folder / "gradlab" / "a.py").write_text(folder.name)
        for words in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", folder.name],
        ):
            subprocess.run(["git", "-C", folder, *words], check=True)
    right = (checkout / ".git" / "refs" / "heads").glob("*")
    commit = next(right).read_text().strip()
    if edit:
        (checkout / "gradlab" / "b.py").touch()
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(provenance, "PACKAGE", checkout / "gradlab")
    assert provenance.origin()["commit"] == commit + ("+" if edit else "")
