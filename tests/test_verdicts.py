"""gradlab check: groups by experiment, what falls short in full, all else in a line, a total."""

import json
import shutil
from pathlib import Path

import pytest

from gradlab.cli import main
from gradlab.suite import Claim, library, mean, verdicts
from gradlab.suite.claims import Verdict

TOY = Path(__file__).parent / "toy.py"


@pytest.fixture(autouse=True)
def only_the_toy(tmp_path, monkeypatch):
    (tmp_path / "experiments").mkdir()
    shutil.copy(TOY, tmp_path / "experiments")
    monkeypatch.setattr(library, "folder", lambda: tmp_path / "experiments")
    monkeypatch.chdir(tmp_path)


def claim(name):
    return Claim(
        name, f"of {name}", source="arithmetic", measured=mean("x", seed=1), equals=1.0, within=0.1
    )


def verdict(name, outcome, reason=""):
    return Verdict(claim(name), outcome, 2.0, 1.0, reason)


MIXED = [
    verdict("a", "ok"),
    verdict("b", "FALLS SHORT"),
    verdict("c", "not measured", "needs 10 seeds"),
    verdict("d", "not measured", "needs 10 seeds"),
    verdict("e", "not measured", "is about cell=elman, not lstm"),
]


def test_what_falls_short_has_a_line_and_what_is_not_measured_one_for_all():
    assert verdicts.lines("x", MIXED) == [
        "x: 1 of 5 claims hold",
        "  FALLS SHORT   b: of b: measured 2, expected 1 within 0.1 (arithmetic)",
        "  not measured  3 of them: needs 10 seeds; is about cell=elman, not lstm",
    ]
    assert verdicts.lines("x", MIXED[:1]) == ["x: 1 of 1 claim holds"]
    assert verdicts.lines("x", []) == ["x: no claims"]


def test_many_reasons_are_cut():
    found = [verdict(str(i), "not measured", f"needs {i}") for i in range(9)]
    assert verdicts.lines("x", found)[1] == (
        "  not measured  9 of them: needs 0; needs 1; needs 2; and others"
    )


def test_verbose_says_what_each_read():
    lines = verdicts.lines("x", MIXED, verbose=True)
    assert len(lines) == 1 + 2 * len(MIXED)
    assert lines[1].startswith("  ok            a: of a: measured 2, ")
    assert lines[2] == "                reads mean x (seed=1)"
    assert lines[5] == "  not measured  c: of c (needs 10 seeds)"


def test_the_total():
    groups = {"x": MIXED, "y": MIXED[:1], "z": []}
    assert verdicts.total(groups, 2) == (
        "6 claims of 3 experiments: 2 hold, 1 falls short, 3 not measured; 2 experiments not run"
    )
    assert verdicts.total({"y": MIXED[:1]}) == "1 claim of 1 experiment: 1 holds"


def test_benchmarks_are_called_so():
    assert verdicts.lines("x", MIXED[:1], what="benchmark") == ["x: 1 of 1 benchmark holds"]
    assert verdicts.lines("x", [], what="benchmark") == ["x: no benchmarks"]
    assert verdicts.total({"x": MIXED[:1]}, 1, "benchmark") == (
        "1 benchmark of 1 experiment: 1 holds; 1 experiment not run"
    )


def checked(capsys, *arguments, code=0):
    capsys.readouterr()
    assert main(["check", *arguments]) == code
    return capsys.readouterr().out


def test_check_in_a_few_lines_in_all_and_as_json(capsys):
    main(["run", "toy", "--set", "length=9"])
    short = "  FALLS SHORT   chain: half a weight loses log10 2 decades a step: measured -2.70927"
    lines = checked(capsys, code=1).splitlines()
    assert lines[0] == "toy: 0 of 1 claim holds" and lines[1].startswith(short)
    assert lines[2:] == ["1 claim of 1 experiment: 0 hold, 1 falls short"]
    every = checked(capsys, "-v", code=1).splitlines()
    assert every[1].startswith(short) and every[2].strip().startswith("reads ")
    content = json.loads(checked(capsys, "--json", code=1))
    assert content["total"] == {"hold": 0, "fall_short": 1, "not_measured": 0}
    (toy,), (one,) = content["experiments"], content["experiments"][0]["claims"]
    assert (toy["name"], toy["state"], content["errors"]) == ("toy", "results", [])
    assert (one["name"], one["outcome"], one["asked"]) == (
        *("chain", "FALLS SHORT"),
        "equals -3.0103 within 1e-12",
    )
    assert one["measured"] == pytest.approx(-2.70927) and one["expected"] < one["measured"]


def test_benchmarks_are_listed_and_counted_apart(capsys):
    toy = Path("experiments/toy.py").read_text(encoding="utf-8")
    Path("experiments/clock.py").write_text(
        toy.replace(" claims=[", " alone=True, claims=["), encoding="utf-8"
    )
    main(["run", "clock", "--set", "length=9"])
    main(["run", "toy"])
    assert "clock: 0 of 1 benchmark holds" in checked(capsys, "clock", code=1).splitlines()
    lines = checked(capsys, code=1).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "toy", "1 claim of 1 experiment", "clock", "  FALLS SHORT   chain",
        "1 benchmark of 1 experiment",
    ]  # fmt: skip
    content = json.loads(checked(capsys, "--json", code=1))
    assert content["total"] == {"hold": 1, "fall_short": 0, "not_measured": 0}
    assert content["benchmarks"] == {"hold": 0, "fall_short": 1, "not_measured": 0}
    apart = {each["name"]: each["benchmark"] for each in content["experiments"]}
    assert apart == {"clock": True, "toy": False}


def test_json_of_what_has_not_run_and_of_a_bad_file(capsys):
    Path("experiments/bad.py").write_text("", encoding="utf-8")
    content = json.loads(checked(capsys, "--json", code=2))
    (toy,) = content["experiments"]
    assert toy == {"name": "toy", "state": "not run", "benchmark": False, "claims": None}
    assert "bad.py has no line" in content["errors"][0]
    assert main(["list", "--json"]) == 2
    content = json.loads(capsys.readouterr().out)
    question = "How fast does the gradient of a chain of scalars vanish?"
    assert content["experiments"] == [{"name": "toy", "question": question, "state": "not run"}]
    assert "bad.py has no line" in content["errors"][0]


def test_a_terminal_cuts_the_questions(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["list"])
    line = capsys.readouterr().out.splitlines()[0]
    assert line == "toy  How fast does the gradient of a...   not run" and len(line) < 50
