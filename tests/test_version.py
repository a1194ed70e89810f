"""One version: pyproject.toml's, in the package, on the command line and in CITATION.cff."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from sources import ROOT

import gradlab
from gradlab import version
from gradlab.cli import main
from gradlab.suite import provenance

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_all_say_the_same(capsys):
    assert gradlab.__version__ == version.version() == PROJECT["version"]
    assert provenance.origin()["versions"]["gradlab"] == PROJECT["version"]
    assert "__version__" in dir(gradlab)
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code in (0, None)
    assert capsys.readouterr().out == f"gradlab {PROJECT['version']}\n"


def test_the_version_is_looked_up_when_it_is_asked_for():
    code = (
        "import gradlab.cli, sys; print('tomllib' in sys.modules, 'gradlab.version' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize("text", [None, "[project]\nname = 'other'\nversion = '9'\n", "[project"])
def test_installed_it_is_the_metadata_s(tmp_path, monkeypatch, text):
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.setattr(version, "PROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(metadata, "version", lambda name: f"1.2.3 of {name}")
    assert version.version() == "1.2.3 of gradlab"

    def none(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", none)
    assert version.version() == "unknown"


def test_the_citation_file_is_valid_and_up_to_date():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    keys = dict(re.findall(r"^(\S+):(?: (.*))?$", text, re.MULTILINE))
    assert keys["cff-version"] == "1.2.0" and keys["type"] == "software"
    assert {"message", "title", "authors", "abstract"} <= set(keys)  # the first three are required
    assert keys["version"] == PROJECT["version"] and keys["license"] == PROJECT["license"]
    assert re.findall(r"^  - name: (.*)$", text, re.MULTILINE) == ["gradlab contributors"]
    words = re.findall(r"^  - (?!name)(.*)$", text, re.MULTILINE)
    assert words == PROJECT["keywords"]
