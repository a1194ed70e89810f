"""What the files around the code promise: the README's commands, the lock, the changelog."""

import re
import tomllib

import pytest
from sources import ROOT

COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/gradlab run",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_gives_the_two_commands_alone_on_their_lines():
    assert [
        line for line in text("README.md").splitlines() if line.startswith("python3")
    ] == COMMANDS


def test_the_readme_links_to_files_that_exist():
    links = re.findall(r"\]\(([^):]+)\)", text("README.md"))
    links += re.findall(r'src="([^"]+)"', text("README.md"))
    assert "results/reference/spectral_radius.png" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.fixture(scope="module")
def lock():
    return tomllib.loads(text("uv.lock"))


def test_the_lock_names_one_index_and_no_folder(lock):
    assert set(re.findall(r'"(\w+)://', text("uv.lock"))) == {"https"}
    assert len({p["source"].get("registry") for p in lock["package"]} - {None}) == 1
    places = [p["source"] for p in lock["package"] if "registry" not in p["source"]]
    assert places == [{"editable": "."}]


def test_the_lock_knows_what_pyproject_asks_for(lock):
    project = tomllib.loads(text("pyproject.toml"))
    asked = set(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        asked |= set(extra)
    (own,) = [p for p in lock["package"] if p["name"] == "gradlab"]
    listed = {r["name"] + r.get("specifier", "") for r in own["metadata"]["requires-dist"]}
    assert listed == asked
    assert own["version"] == project["project"]["version"]
    assert lock["requires-python"].replace(" ", "") == project["project"]["requires-python"]
