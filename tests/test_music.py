"""The chords that follow: nats a step by hand, the end of a training, a MIDI file."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from gradlab import suite
from gradlab.cli import main
from gradlab.commands import continued
from gradlab.errors import UserError
from gradlab.measures import music
from gradlab.suite.grid import Block
from gradlab.text import chorales

POINT = {
    "cell": "elman", "optimizer": "sgd", "learning_rate": 0.1, "clip_threshold": 1.0, "seed": 0,
    "corpus": None, "hidden_size": 8, "layers": 1, "dtype": "float64", "init": "orthogonal",
    "batch": 20, "schedule": "constant", "omega": 0.0, "patience": 0,
}  # fmt: skip
AXES = ("cell", "optimizer", "learning_rate", "clip_threshold", "seed")


def block(updates, **values):
    point = POINT | values
    points = {name: np.array([point.pop(name)] * len(updates)) for name in AXES}
    return Block(points | {"update": np.array(updates)}, point)


def test_a_row_has_the_papers_score_of_the_network_at_its_update():
    columns = music.measure(block([2, 4]))
    parts = music.corpus(None)
    training = music.trained(POINT | {"update": 4}, parts, 2)
    for row, update in enumerate((2, 4)):
        training.run(until=update)
        score = chorales.nats(parts["valid"], lambda x: odds(training.net, x))
        assert math.isclose(columns["valid_nats"][row], score, rel_tol=1e-12)
    learnt = chorales.nats(parts["train"], lambda x: odds(music.trained(
        POINT | {"update": 4}, parts, 2).net, x))  # fmt: skip
    assert math.isclose(training.losses[0], learnt, rel_tol=1e-12)
    assert columns["epoch"].tolist() == [2, 4] and set(columns["status"]) == {"ok"}
    counted = chorales.baselines(parts["train"], parts["valid"])
    assert counted == {name: columns[name][0] for name in counted}


def odds(net, x):
    return 1 / (1 + np.exp(-net.forward(x[:, None]).outputs[:, 0]))


def test_patience_ends_a_training_and_the_rows_after_it_are_nan():
    columns = music.measure(block(list(range(1, 9)), learning_rate=0.0, patience=2))
    known = np.isfinite(columns["valid_nats"])
    assert known.tolist() == [True] * 3 + [False] * 5
    assert np.isfinite(columns["chains"]).all()
    with pytest.raises(UserError, match="patience=-1: must be a whole number from 0"):
        music.measure(block([1], patience=-1))


def test_a_file_of_ones_own_and_what_it_must_hold(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"train": [[[60], [], [62, 64]]], "valid": [[[60], []]]}))
    columns = music.measure(block([1], corpus=str(path)))
    counted = chorales.baselines(*(music.corpus(path)[part] for part in ("train", "valid")))
    assert columns["frequencies"][0] == counted["frequencies"]
    path.write_text(json.dumps({"train": [[[60], []]], "test": []}))
    with pytest.raises(UserError, match=r"own.json: has no pieces in 'valid'; it has train, test"):
        music.corpus(path)
    path.write_text(json.dumps({"train": [[[60], []]], "valid": [[[60]]]}))
    with pytest.raises(UserError, match=r"own.json: valid, piece 0: 1 chords; it needs two"):
        music.corpus(path)


def test_omega_is_of_the_elman_cell():
    with pytest.raises(UserError, match="omega=1: is defined for cell elman, not lstm"):
        music.estimate(block([1], cell="lstm", omega=1.0))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with the run of a small music."""
    monkeypatch.chdir(tmp_path)
    small = [f"--set={k}={POINT[k]}" for k in (*AXES, "hidden_size")] + ["--set=update=1,3"]
    assert main(["run", "music", *small]) == 0


def test_a_chorale_goes_on_as_a_midi_file(run, capsys):
    assert main(["export", "music", "--format", "midi"]) == 0
    assert main(["export", "music", "--output", "again.mid"]) == 0
    content = Path("results/music.mid").read_bytes()
    assert content == Path("again.mid").read_bytes()
    chords = played(content)
    assert len(chords) == 64
    assert tuple(chords[:8]) == music.corpus(None)["valid"][0][:8]
    assert len(set(chords[8:])) > 8
    assert main(["export", "music", "--format", "midi", "--corpus", "x.json"]) == 2
    assert "--corpus x.json: this table needs none" in capsys.readouterr().err


def played(content):
    """The chords of a file by the ticks of their notes, read without the code that wrote it."""
    kind, tracks, ticks = struct.unpack(">HHH", content[8:14])
    assert (content[:4], kind, tracks, content[14:18]) == (b"MThd", 0, 1, b"MTrk")
    track, at, now, sounding = content[22:], 0, 0, {}
    assert struct.unpack(">I", content[18:22])[0] == len(track)
    while at < len(track):
        ticks_since = 0
        while True:
            byte, at = track[at], at + 1
            ticks_since = ticks_since << 7 | byte & 0x7F
            if byte < 0x80:
                break
        now += ticks_since
        status = track[at]
        if status == 0xFF:
            at += 3 + track[at + 2]
        elif status >> 4 == 0xC:
            at += 2
        else:
            if status >> 4 == 9:
                sounding.setdefault(now // ticks, []).append(track[at + 1])
            at += 3
    return [tuple(sounding.get(quarter, ())) for quarter in range(now // ticks)]


def test_another_file_of_the_tables_name_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    own = Path("own.json")
    own.write_text(json.dumps({"train": [[[60], [62]]], "valid": [[[60], [62]]]}), encoding="utf-8")
    small = [f"--set={k}={POINT[k]}" for k in (*AXES, "hidden_size")] + ["--set=update=1"]
    assert main(["run", "music", *small, f"--set=corpus={own}"]) == 0
    assert main(["export", "music", "--format", "midi", "--corpus", "own.json"]) == 0
    assert main(["export", "music", "--format", "csv", "--corpus", "own.json"]) == 2
    assert "--corpus goes with --format midi" in capsys.readouterr().err
    own.write_text(json.dumps({"train": [[[60], [62]]], "valid": [[[60], []]]}), encoding="utf-8")
    assert main(["export", "music", "--format", "midi", "--corpus", "own.json"]) == 2
    assert "own.json: another file than the table's of that name" in capsys.readouterr().err


def test_other_experiments_have_no_chorale():
    other = suite.library.load("cliff")
    with pytest.raises(UserError, match="--format midi: goes with music, not with cliff"):
        continued.content(other, None, None)
