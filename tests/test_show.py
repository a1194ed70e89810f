"""gradlab show: every experiment's page holds all that it should, in 100 columns, also as JSON."""

import json
from pathlib import Path

import pytest

from gradlab import words
from gradlab.cli import main
from gradlab.suite import library, runs

NAMES = sorted(library.found.stems(library.folder()))
TESTS = Path(__file__).parent


def shown(capsys, *arguments):
    assert main(["show", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_all_parts_and_is_narrow(capsys, name):
    page = shown(capsys, name)
    experiment = library.load(name)
    lines = page.splitlines()
    assert lines[0] == f"{name}: {experiment.question}"
    assert max(map(len, lines)) <= 100
    claims = "Benchmarks" if experiment.benchmark else "Claims"
    for title in ("Axes: ", "Columns of the table", "Panels of the figure", claims, "Time on"):
        assert sum(line.startswith(title) for line in lines) == 1
    for setting in (*experiment.axes, *experiment.constants):
        assert f"\n  {setting} = " in page
    flat = " ".join(page.split())
    for claim in experiment.claims:
        assert " ".join(f"{claim.name}: {claim.statement}".split()) in flat


@pytest.mark.parametrize("name", ["spectral_radius", "trainability", "clipping"])
def test_json_says_the_same(capsys, name):
    content = json.loads(shown(capsys, name, "--json"), parse_constant=lambda text: 1 / 0)
    experiment = library.load(name)
    assert list(content) == [
        "name", "question", "text", "points", "blocks", "quick", "axes", "constants", "columns",
        "panels", "benchmark", "claims", "seconds", "words",
    ]  # fmt: skip
    table = runs.find(name).read()
    assert content["points"] == len(table)
    assert [axis["name"] for axis in content["axes"]] == list(experiment.axes)
    assert {c["name"]: c["value"] for c in content["constants"]} == experiment.constants
    columns = [column for group in content["columns"] for column in group["columns"]]
    assert {*columns, *experiment.axes, *experiment.constants} >= set(table)
    assert all(group["meaning"] for group in content["columns"])
    by_name = {axis["name"]: axis for axis in content["axes"]}
    for axis in experiment.axes:
        values = sorted({value for part in experiment.grid for value in part[axis]}, key=str)
        assert sorted(by_name[axis]["values"], key=str) == [
            str(value) if value == float("inf") else value for value in values
        ]
    assert content["seconds"]["last_run"] > 0 and content["seconds"]["estimate"] > 0


def test_what_a_setting_may_be_and_its_quick_values(capsys):
    content = json.loads(shown(capsys, "spectral_radius", "--json"))
    settings = {each["name"]: each for each in (*content["axes"], *content["constants"])}
    assert settings["cell"]["choices"] == ["elman", "gru", "jordan", "lstm"]
    assert settings["seed"]["quick"] == list(range(10))
    assert settings["sequence_length"]["quick"] is None
    assert settings["input_scale"]["type"] == "a number"
    page = " ".join(shown(capsys, "spectral_radius").split())
    assert "the recurrent cell; one of elman, gru, jordan, lstm, or a FILE.py" in page
    assert "spectral_radius = 0.5 to 2.5 (41 values); quick: 0.5 to 2.5 (10 values)" in page
    assert "seed = 0 to 19 (20 values)" in page and "file = none" in page
    assert "nan beyond T (decades); N = 1, 2, 5, 10," in page


def test_a_file_that_has_not_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(TESTS)
    page = shown(capsys, str(TESTS / "toy.py"))
    assert "Axes: 12 points in 4 blocks; --quick: 1 in 1" in page
    assert "  weight = 0.5, 1, 2; quick: 1\n" in page
    assert "half a weight loses log10 2 decades a step" in page


def test_words(capsys):
    assert shown(capsys, "chi").startswith("chi\n    mean field's factor")
    assert shown(capsys, "batch_element").startswith("lane, batch element\n")
    assert shown(capsys, "T") == "T (letters and shapes)\n    steps of a sequence.\n"
    assert shown(capsys, "wilson").startswith("Wilson's interval\n")
    assert "one of sgd, momentum, adam, rmsprop" in shown(capsys, "optimizer")
    assert shown(capsys, "omega").startswith("omega: What does Pascanu's regulariser do")
    assert "In the glossary\n  Omega\n" in shown(capsys, "omega")
    (entry,) = json.loads(shown(capsys, "edge", "--json"))["words"]
    assert entry["section"] == "Words" and entry["name"] == "edge"
    every = " ".join(shown(capsys, "glossary").split())
    assert all(text in every for part in words.glossary().values() for text in part.values())


def test_a_word_that_there_is_not(capsys):
    assert main(["show", "horizn"]) == 2
    assert capsys.readouterr().err == "gradlab: no word horizn: did you mean horizon?\n"
    assert main(["show", "zzzz"]) == 2
    assert "no experiment zzzz; there are " in capsys.readouterr().err


def test_titles_of_panels_follow_the_table(capsys, tmp_path):
    panels = json.loads(shown(capsys, "training_map", "--json"))["panels"]
    solved = runs.find("training_map").read().query("clip_threshold == 0.1").solved
    assert panels[1]["title"] == f"threshold 0.1: {solved.sum():.0f} of {len(solved)} solved"
    nowhere = json.loads(shown(capsys, "training_map", "--json", "--results", str(tmp_path)))
    assert nowhere["panels"][1]["title"] == "" and nowhere["seconds"]["last_run"] is None
    assert nowhere["panels"][1]["text"].startswith("Median updates until solved over")
    assert "{" not in json.dumps([panel["title"] for panel in nowhere["panels"]])
