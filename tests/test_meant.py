"""Misspelt names: one line that says what was meant, wherever a name is looked up."""

import pytest

from gradlab import errors, found, tasks
from gradlab.cli import main
from gradlab.errors import UserError, nearest, one_of
from gradlab.nets import draws, registry
from gradlab.suite import library

SETTINGS = ("spectral_radius", "sequence_length", "hidden_size", "seed", "clip_threshold")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("radius", "spectral_radius"), ("Rho", "spectral_radius"), ("T", "sequence_length"),
        ("N", "hidden_size"), ("threshold", "clip_threshold"), ("spectral_radios",
        "spectral_radius"), ("Seed", "seed"), ("SEQUENCE_LENGHT", "sequence_length"),
        ("lr", None), ("x", None), ("", None), (["seed"], "seed"),
    ],
)  # fmt: skip
def test_the_nearest_name(given, meant):
    assert nearest(given, SETTINGS) == meant


def test_a_synonym_that_is_not_there_is_not_meant():
    assert nearest("lr", ("learning_rate", "seed")) == "learning_rate"
    assert nearest("N", ("seed",)) is None


def test_every_synonym_means_something_that_there_is():
    from gradlab import words
    from gradlab.suite import library

    known = {*words.glossary()[words.SETTINGS], *words.values()}
    known |= {axis for name in library.names() for axis in library.load(name).axes}
    assert set(errors.SYNONYMS.values()) <= known
    assert not set(errors.SYNONYMS) & {*words.glossary()[words.SETTINGS]} - {
        "steps",
        "rate",
        "cell",
    }


def test_one_of_is_one_line():
    assert one_of("init", "gaussian", draws.INITS) == "gaussian"
    with pytest.raises(UserError, match=r"^per must be one of mean, lane, not 'lan': did you mean"):
        one_of("per", "lan", ("mean", "lane"))
    for wrong in (["mean"], None, 3, "elsewhere"):
        with pytest.raises(UserError, match=r"^per must be one of mean, lane, not [^:]*$"):
            one_of("per", wrong, ("mean", "lane"))


@pytest.mark.parametrize(
    ("find", "given", "message"),
    [
        (registry.find, "lsmt", "no cell lsmt: did you mean lstm?"),
        (tasks.find, "ading", "no task ading: did you mean adding?"),
        (library.load, "speedy", "no experiment speedy: did you mean speed?"),
        (library.load, "radius", "no experiment radius: did you mean spectral_radius?"),
        (library.question, "radius", "no experiment radius: did you mean spectral_radius?"),
    ],
)
def test_a_name_that_is_looked_up(find, given, message):
    with pytest.raises(UserError) as error:
        find(given)
    assert str(error.value) == message


COMMANDS = {
    "lst": "no command lst: did you mean list?",
    "cost": "no command cost: did you mean `gradlab run cost`?",
    "zzz": "no command zzz; there are list, ",
    "run lstm": "no experiment lstm: did you mean `gradlab run --set cell=lstm`?",
    "run lsmt": "no experiment lsmt: did you mean `gradlab run --set cell=lstm`?",
    "run copying": "no experiment copying: did you mean `gradlab run --set task=copying`?",
    "run adam": "no experiment adam: did you mean `gradlab run adding --set optimizer=adam`?",
    "run --set radius=1": "spectral_radius has no radius: did you mean spectral_radius?",
    "run training_map --set lr=1": "training_map has no lr: did you mean learning_rate?",
    "run training_map --set zzz=1": "training_map has no zzz; it has spectral_radius, ",
    "run --set lstm": "--set lstm: not KEY=VALUE: did you mean --set cell=lstm?",
    "run nope": "no experiment nope; there are ",
    "reproduce nope": "no experiment nope; there are ",
    "reproduce spectral_radus": "no experiment spectral_radus: did you mean spectral_radius?",
    "run --dry-run --set init=TORCH": "'TORCH': did you mean torch?",
    "run --dry-run --set activation=tahn": "'tahn': did you mean tanh?",
    "run --dry-run --set hidden_size=0": "hidden_size=0: must be at least 1",
    "run --dry-run --set sequence_length=10,0": "sequence_length=0: must be at least 1",
    "run --dry-run --set seed=-1": "seed=-1: must be at least 0",
    "run --quik": "gradlab run takes no --quik: did you mean --quick?",
    "run cost speed": "gradlab run takes no speed (see `gradlab run --help`)",
    "run cost --set call=btch": "call must be one of batch, sweep, not 'btch': did you mean batch?",
    "run --set activation=tahn --quick": "not 'tahn': did you mean tanh?",
    "run --set init=gausian --quick": "not 'gausian': did you mean gaussian?",
}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_line(capsys, line):
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert "left" not in out
    assert not ("--dry-run" in line and out)  # no plan of what is refused
    assert err.startswith("gradlab: ") and COMMANDS[line] in err and err.count("\n") == 1


def test_what_is_no_name_is_told():
    for given in (None, 1, ["speed"]):
        with pytest.raises(UserError, match=r"^experiment=.*: not a name, the path of a FILE.py"):
            library.load(given)


def test_what_is_meant_in_a_users_own_folder(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "doubling.py").touch()
    assert "doubling" in found.files("task")
    assert main(["run", "dubling"]) == 2
    assert "did you mean `gradlab run --set task=doubling`?" in capsys.readouterr().err
