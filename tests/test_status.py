"""What `gradlab status` and `gradlab run --dry-run` say of a results folder."""

import json
import shutil
from pathlib import Path

import pytest

import gradlab
from gradlab.cli import main
from gradlab.suite import library, running

TOY = Path(__file__).parent / "toy.py"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, undrawn):
    """A working folder with the toy as its one experiment, whose figure is not drawn."""
    (tmp_path / "experiments").mkdir()
    shutil.copy(TOY, tmp_path / "experiments")
    monkeypatch.setattr(library, "folder", lambda: tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)


def said(capsys, *arguments):
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_status_says_what_is_stored_and_what_is_missing(capsys):
    assert said(capsys, "status") == "nothing in results\n"
    assert said(capsys, "status", "toy") == "toy: no table; 0 of 4 blocks stored, 4 missing\n"
    assert main(["status", "nothing"]) == 2
    assert "no experiment nothing" in capsys.readouterr().err
    gradlab.run("toy", set={"seed": [0, 1, 7], "broken_seed": 7})
    assert said(capsys, "status") == (
        "toy: table of 9 rows, 3 of them with status error; 0 of 4 blocks stored, 4 missing; "
        "2 stored blocks of other points or sources\n"
    )
    gradlab.run("toy")
    gradlab.run("toy", set={"weight": 0.5, "seed": 0}, name="half")
    Path("results/toy.parquet").unlink()
    next(iter(Path("results/toy.shards").glob("*.parquet"))).touch()
    assert said(capsys, "status") == (
        "half: table of 1 rows; a run of toy\n"
        "toy: no table; 4 of 4 blocks stored; 3 stored blocks of other points or sources\n"
    )
    assert said(capsys, "status", "half") == "half: table of 1 rows; a run of toy\n"
    gradlab.run("toy", results="results/reference")
    shutil.rmtree("results/reference/toy.shards")
    assert said(capsys, "status", "--results", "results/reference") == "toy: table of 12 rows\n"
    gradlab.run("toy", quick=True)
    assert said(capsys, "status", "--results", "results/quick") == (
        "toy: table of 1 rows; 1 of 1 blocks stored\n"
    )
    hint = "quick runs: `gradlab status --results results/quick`\n"
    assert said(capsys, "status").endswith(f"\n{hint}")


def test_blocks_of_a_killed_run_of_a_file_say_what_is_not_known(capsys):
    gradlab.run("toy")
    Path("results/toy.shards").rename("results/slow.shards")
    out = said(capsys, "status", "--results", "results")
    right = "slow: no table; of an experiment's file that is not known until a run has ended; 4 "
    assert right in out and "no experiment" not in out


def test_status_says_who_is_at_work_and_passes_over_the_dead(capsys):
    gradlab.run("toy")
    folder = Path("results/toy.shards")
    (folder / "2-00000000.running").write_text('{"pid": 2, "started": "then"}')
    with running.mark(folder):
        out = said(capsys, "status")
        (one,) = json.loads(said(capsys, "status", "--json"))
    assert "4 of 4 blocks stored; running since 2" in out and out.count("running") == 1
    assert one["running"] == [{"pid": one["running"][0]["pid"], "started": out.split()[-3][:-1]}]
    assert (one["name"], one["rows"], one["blocks"], one["stored"], one["missing"]) == (
        *("toy", 12, 4, 4, 0),
    )
    assert "running" not in said(capsys, "status")


def test_status_of_a_file_that_is_gone_says_so(capsys):
    gradlab.run("toy")
    Path("experiments/toy.py").rename("toy.py")
    gradlab.run("toy.py", name="apart")
    Path("toy.py").unlink()
    out = said(capsys, "status")
    assert "toy: table of 12 rows; no experiment toy" in out
    assert "apart: table of 12 rows; a run of toy.py\n" in out


def test_a_dry_run_writes_nothing(capsys):
    expected = (
        "toy: 12 points in 4 blocks\n"
        "0 of 4 blocks are stored, 4 would run on 1 thread: about 0.0 s, 1 MiB\n"
        "  4: not run yet\n"
    )
    assert said(capsys, "run", "toy", "--dry-run", "--workers", "1") == expected
    assert said(capsys, "run", "--all", "--dry-run", "--workers", "1") == expected
    assert not Path("results").exists()
    gradlab.run("toy")
    assert "nothing would run" in said(capsys, "run", "toy", "--dry-run")
    assert main(["run", "toy", "--dry-run", "--name", "a/b"]) == 2


def test_stored_errors_are_told_and_tried_again_on_request(capsys):
    assert "would run" in said(capsys, "run", "toy", "--dry-run", "--retry-errors")
    assert "nothing to run" not in said(capsys, "run", "toy", "--retry-errors")
    assert "nothing to run" in said(capsys, "run", "toy", "--retry-errors")
