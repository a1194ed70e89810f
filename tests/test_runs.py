"""Where runs stand: the user's own, the reference runs of a checkout, and none."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from sources import ROOT

import gradlab
from gradlab import runner
from gradlab.cli import main
from gradlab.errors import UserError
from gradlab.suite import library, runs, store

REFERENCE = Path("results/reference")


def drawn(experiment, frame, path, kind=None):
    """What is quicker than a figure, and another one for another table."""
    path.write_text(frame.to_csv())


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with the toy as its one experiment; its reference run has two seeds."""
    monkeypatch.setattr(runner, "drawing", lambda: SimpleNamespace(draw=drawn, NoRows=UserError))
    (tmp_path / "experiments").mkdir()
    shutil.copy(Path(__file__).parent / "toy.py", tmp_path / "experiments")
    monkeypatch.setattr(library, "folder", lambda: tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)
    gradlab.run("toy", set={"seed": [0, 1]}, results=REFERENCE)
    return tmp_path


def content(folder):
    return {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_reference_run_is_read_where_there_is_no_own_run(checkout, monkeypatch):
    assert len(gradlab.read("toy")) == 6
    with pytest.raises(UserError, match=r"no table elsewhere/toy.parquet; `gradlab run toy` makes"):
        gradlab.read("toy", "elsewhere")
    (checkout / "below").mkdir()
    monkeypatch.chdir("below")
    assert len(gradlab.read("toy")) == 6
    gradlab.run("toy")
    assert len(gradlab.read("toy")) == 12
    assert len(gradlab.read("toy", checkout / REFERENCE)) == 6


def test_an_installed_package_has_no_reference(checkout, monkeypatch):
    (checkout / "experiments").rename("_experiments")
    monkeypatch.setattr(library, "folder", lambda: checkout / "_experiments")
    assert runs.reference() is None
    with pytest.raises(UserError, match="makes it; an installed gradlab has no reference runs"):
        gradlab.read("toy")


def test_the_commands_say_that_it_is_the_reference_run(checkout, capsys):
    before = content(REFERENCE)
    assert (
        main(["list"]) == main(["check"]) == main(["plot", "toy"]) == main(["export", "toy"]) == 0
    )
    out = capsys.readouterr().out
    assert "vanish?  reference run\n" in out and out.count("toy: the reference run\n") == 2
    assert "toy (reference run): 1 of 1 claim holds\n" in out
    assert Path("results/toy.png").read_bytes() == (REFERENCE / "toy.png").read_bytes()
    assert len(Path("results/toy.csv").read_text(encoding="utf-8").splitlines()) == 7
    assert main(["check", "--results", "elsewhere"]) == 0
    assert "toy: not run; `gradlab run toy`\n" in capsys.readouterr().out
    assert main(["diff", "toy", str(REFERENCE / "toy.parquet")]) == 0
    gradlab.run("toy")
    assert main(["list"]) == main(["check"]) == main(["plot", "toy"]) == 0
    assert "reference" not in capsys.readouterr().out
    assert content(REFERENCE) == before


def test_the_reference_run_is_exported_where_there_is_no_folder_yet(checkout, monkeypatch):
    (checkout / "below").mkdir()
    monkeypatch.chdir("below")
    assert main(["export", "toy"]) == 0
    assert len(Path("results/toy.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_reproduce_compares_with_the_reference_run_or_with_the_folder_s(checkout, capsys):
    gradlab.run("toy", set={"length": 9})
    assert main(["reproduce", "--set", "seed=0,1"]) == 0
    assert re.search(r"\[1/1\] toy: about \d\.\d s left\n", capsys.readouterr().out)
    assert main(["reproduce", "--set", "seed=0,1", "--results", "results"]) == 1
    assert main(["reproduce", "--set", "length=9", "--results", "results"]) == 0
    for path in REFERENCE.glob("toy.*"):
        path.rename(path.name)
    assert main(["reproduce", "--set", "length=9"]) == 0


def test_run_all_foretells_by_the_reference_run(checkout, capsys):
    assert main(["run", "--all"]) == 0
    assert re.search(r"\[1/1\] toy: about \d\.\d s left\n", capsys.readouterr().out)
    assert main(["run", "--all", "--quick"]) == 0
    assert "and 1 of unknown length" in capsys.readouterr().out


def test_git_keeps_the_reference_runs_alone():
    def ignored(path):
        return not subprocess.run(["git", "-C", ROOT, "check-ignore", "-q", path]).returncode

    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    for path in ("a.parquet", "quick/a.png", "a.shards/b.parquet"):
        assert ignored(f"results/{path}")
        assert path == "a.parquet" or ignored(f"results/reference/{path}")
    assert not ignored("results/reference/a.parquet")


def test_a_run_with_a_name_is_kept_apart_and_found_by_it(checkout, capsys):
    gradlab.run("toy")
    before = content(Path("results"))
    assert main(["run", "toy", "--set", "weight=0.5", "--name", "half"]) == 0
    frame = gradlab.run("toy", set={"length": 9}, name="nine")
    assert {path: path.read_bytes() for path in before} == before
    pd.testing.assert_frame_equal(gradlab.read("nine"), frame)
    assert store.read_json("results/half.json")["experiment"] == "toy"
    picture = Path("results/half.png").read_bytes()
    Path("results/half.png").unlink()
    capsys.readouterr()
    assert main(["plot", "half"]) == main(["check", "half"]) == main(["export", "half"]) == 0
    assert Path("results/half.png").read_bytes() == picture
    assert len(Path("results/half.csv").read_text(encoding="utf-8").splitlines()) == 5
    assert "half: 1 of 1 claim holds\n" in capsys.readouterr().out
    assert main(["check", "nine"]) == 1
    assert main(["diff", "toy", "nine"]) == main(["diff", "results/nine.parquet", "half"]) == 1
    assert "no row stands in both" in capsys.readouterr().out
    assert main(["diff", "nine", "results/nine.parquet"]) == 0


def test_a_named_run_of_a_file_says_which(checkout, monkeypatch, capsys):
    (checkout / "mine").mkdir()
    (checkout / "experiments" / "toy.py").rename("mine/other.py")
    assert main(["run", "mine/other.py", "--name", "b"]) == 0
    assert store.read_json("results/b.json")["experiment"] == "mine/other.py"
    assert main(["check", "b"]) == 0
    (checkout / "below").mkdir()
    monkeypatch.chdir("below")
    assert main(["run", "../mine/other.py", "--name", "b"]) == 0
    assert main(["check", "b"]) == 0
    assert main(["run", str(checkout / "mine/other.py"), "--name", "b"]) == 0
    assert store.read_json("results/b.json")["experiment"] == "other.py"
    assert main(["plot", "b"]) == 2
    assert "no file other.py" in capsys.readouterr().err


def test_the_blocks_are_one_store_for_all_names(checkout, capsys):
    gradlab.run("toy")
    capsys.readouterr()
    assert main(["run", "toy", "--name", "again"]) == 0
    assert "4 of 4 blocks are stored, nothing to run" in capsys.readouterr().out


NAMES = ["toy", "TOY", "", "a/b", "../a", ".a", "a.py", "a.parquet", "a b", "-a", "a" * 101, "a\n"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cannot_be_is_refused_in_one_line(checkout, name, capsys):
    assert main(["run", "toy", f"--name={name}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("gradlab: a run cannot be named") and said.count("\n") == 1
    assert not list(Path("results").glob("*.parquet"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tyo", "no table results/tyo.parquet: did you mean toy?"),
        ("halff", "no table results/halff.parquet: did you mean half?"),
        ("mine", "no table results/mine.parquet; `gradlab run mine` makes it"),
        ("toy.parquet", "toy.parquet is a path: give the run's name, toy"),
        (
            "results/quick/toy.parquet",
            "results/quick/toy.parquet is a path: give the run's name, toy, and its folder, "
            "results=results/quick",
        ),
    ],
)
def test_what_is_not_there_says_what_is(checkout, name, message):
    gradlab.run("toy", set={"weight": 0.5}, name="half")
    with pytest.raises(UserError) as told:
        gradlab.read(name)
    assert str(told.value) == message


@pytest.mark.parametrize("name", ["mine", "few"])
def test_a_quick_run_is_pointed_at_where_there_is_no_other(checkout, name, capsys):
    shutil.copy("experiments/toy.py", "experiments/mine.py")
    gradlab.run("mine", quick=True, name=None if name == "mine" else name)
    assert main(["plot", name]) == 2
    hint = "; its quick run stands in results/quick: give that as results\n"
    assert capsys.readouterr().err == f"gradlab: no table results/{name}.parquet{hint}"
    assert main(["plot", name, "--results", "results/quick"]) == 0


def test_a_name_is_one_run_s_and_an_unknown_one_is_told(checkout, capsys):
    assert main(["run", "--all", "--name", "b"]) == main(["plot", "b"]) == 2
    said = capsys.readouterr().err
    assert "--all --name b: a name is one run's" in said and "no experiment b" in said
