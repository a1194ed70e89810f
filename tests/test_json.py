"""--json: the keys that `--help` names are those that come out, of every command that has it."""

import json
import re
from pathlib import Path

import pytest

import gradlab
from gradlab import cli

COMMANDS = {
    "list": [],
    "show": ["spectral_radius"],
    "check": ["spectral_radius"],
    "status": ["spectral_radius"],
    "watch": ["norms.csv"],
    "inspect": ["net.safetensors", "--try"],
    "tag": ["the clouds are in the sky"],
}


def keys(content):
    """All keys of a document."""
    if isinstance(content, dict):
        return set(content).union(*map(keys, content.values()))
    return set().union(*map(keys, content)) if isinstance(content, list) else set()


def named(text):
    """The names before a semicolon that KEYS lists."""
    text = text.removeprefix("--json: ").partition(";")[0]
    return set(re.findall(r"\w+", text)) - {"the", "same", "with"}


def test_these_are_all_that_have_it():
    assert set(COMMANDS) == {name for name, own in cli.COMMANDS.items() if hasattr(own, "KEYS")}
    for name in cli.COMMANDS:
        words = [
            name,
            *{"diff": ["a", "b"]}.get(name, ["x"][: name not in ("list", "status", "explore")]),
        ]
        assert hasattr(cli._parsed(words), "json") == (name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_keys_are_those_that_help_names(name, capsys, tmp_path, monkeypatch):
    if name == "watch":
        monkeypatch.chdir(tmp_path)
        norms = [f"{i},{1 + i % 7 / 10}" for i in range(1, 60)]
        Path("norms.csv").write_text(
            "\n".join(["update,norm", *norms, "60,nan", "61,9000"]), encoding="utf-8"
        )
    if name == "inspect":
        monkeypatch.chdir(tmp_path)
        gradlab.Network.draw("lstm", inputs=1, hidden=2, outputs=1).save("net.safetensors")
    assert cli.main([name, *COMMANDS[name], "--json"]) == 0
    found = keys(json.loads(capsys.readouterr().out))
    expected = named(cli.COMMANDS[name].KEYS)
    if name == "status":
        expected -= {"pid", "started"}  # nobody runs it now
    if name == "inspect":
        expected |= set("ifgo")  # gates by their names
    assert found == expected
