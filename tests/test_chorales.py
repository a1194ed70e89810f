"""Chorales: reading, coding, what counting predicts of them; and the MIDI file of one."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.errors import UserError
from gradlab.text import chorales, midi, samples

SHIPPED = chorales.read(samples.path("chorales.json"))
PIECE = ((60, 64, 67), (), (60,), (60, 65))


def test_the_shipped_chorales_are_in_four_parts_and_singable():
    assert [len(SHIPPED[part]) for part in ("train", "valid")] == [6, 2]
    for piece in SHIPPED["train"] + SHIPPED["valid"]:
        assert all(1 < len(chord) <= 4 for chord in piece)
        assert all(40 <= chord[0] <= chord[-1] <= 79 for chord in piece)
        assert all(len({pitch % 12 for pitch in chord}) >= 2 for chord in piece)


def test_a_piece_comes_back_from_its_roll():
    rolled = chorales.roll(PIECE)
    assert rolled.shape == (4, 88) and rolled.sum(1).tolist() == [3, 0, 1, 2]
    assert chorales.chords(rolled) == PIECE and chorales.chords(rolled > 0) == PIECE


WRONG = [
    ("[", "no JSON"),
    ("[]", "must hold parts by name"),
    ("{}", "must hold parts by name"),
    ('{"train": 3}', "train: must be a list of pieces, not int"),
    ('{"train": [{}]}', "train, piece 0: must be a list of chords, not dict"),
    ('{"train": [[], [[60], 60]]}', "train, piece 1, chord 1: must be a list of pitches, not 60"),
    ('{"valid": [[[20]]]}', "valid, piece 0, chord 0: 20 must be a MIDI pitch from 21 to 108"),
    ('{"valid": [[[true]]]}', "True must be a MIDI pitch"),
    ('{"valid": [[[60.0]]]}', "60.0 must be a MIDI pitch"),
    ("[" * 100_000, "no JSON"),
    (b"\xff\xfe\x00", "no JSON"),
]


@pytest.mark.parametrize(("content", "said"), WRONG)
def test_a_file_of_another_kind_is_told(tmp_path, content, said):
    path = tmp_path / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=said) as error:
        chorales.read(path)
    assert str(path) in str(error.value)


def test_the_score_leaves_the_first_chord_out_and_keeps_empty_ones():
    half = chorales.nats([PIECE], lambda x: np.full_like(x, 0.5))
    assert np.isclose(half, 88 * np.log(2))
    knows = chorales.nats([PIECE], lambda x: chorales.roll(PIECE)[1:])
    assert knows == 0
    longer = chorales.nats([PIECE, PIECE[:1]], lambda x: np.full_like(x, 0.5))
    assert np.isclose(longer, half)  # a piece of one chord predicts none
    assert chorales.nats([PIECE], lambda x: 1 - chorales.roll(PIECE)[1:]) == np.inf


def test_counts_are_those_of_the_pieces():
    c = 60 - chorales.LOWEST
    assert np.isclose(chorales.frequencies([PIECE])[c], 3.5 / 5)
    chain = chorales.chains([PIECE])
    assert np.isclose(chain[0, c], 1.5 / 2) and np.isclose(chain[1, c], 1.5 / 3)
    assert np.isclose(chorales.frequencies([])[0], 0.5)


def test_the_baselines_of_the_shipped_chorales():
    found = chorales.baselines(SHIPPED["train"], SHIPPED["valid"])
    assert found["chains"] < found["frequencies"] < 88 * np.log(2) / 3


def test_the_baselines_of_the_real_ones(shared_data):
    found = chorales.read(shared_data / "jsb_chorales.json")
    plain = json.loads((shared_data / "jsb_chorales.json").read_text())
    assert {name: len(part) for name, part in found.items()} == {"train": 229, "valid": 76}
    chords = [len(chord) for part in plain.values() for piece in part for chord in piece]
    assert chords == [len(chord) for part in found.values() for piece in part for chord in piece]
    baselines = chorales.baselines(found["train"], found["valid"])
    assert {name: round(value, 2) for name, value in baselines.items()} == {
        "frequencies": 10.98,
        "chains": 10.15,
    }


# MIDI


def parsed(content):
    """(ticks a quarter, [(tick, event, first byte, second or None)]) of a file of format 0."""
    kind, size, form, tracks, ticks = struct.unpack(">4sIHHH", content[:14])
    assert (kind, size, form, tracks) == (b"MThd", 6, 0, 1)
    kind, size = struct.unpack(">4sI", content[14:22])
    track = content[22:]
    assert kind == b"MTrk" and size == len(track)
    at, now, events = 0, 0, []
    while at < len(track):
        wait = 0
        while True:
            wait, more, at = wait << 7 | track[at] & 0x7F, track[at] & 0x80, at + 1
            if not more:
                break
        now += wait
        status = track[at]
        if status == 0xFF:
            length = track[at + 2]
            events.append((now, "meta", track[at + 1], track[at + 3 : at + 3 + length]))
            at += 3 + length
        else:
            values = 1 if status & 0xF0 == 0xC0 else 2
            events.append((now, status & 0xF0, *track[at + 1 : at + 1 + values]))
            at += 1 + values
    return ticks, events


def sounding(events, ticks, quarters):
    """The chord in the middle of each quarter."""
    chords = []
    for quarter in range(quarters):
        middle, on = quarter * ticks + ticks // 2, set()
        for now, kind, *values in events:
            if now <= middle and kind == 0x90:
                on.add(values[0])
            if now <= middle and kind == 0x80:
                on.remove(values[0])
        chords.append(tuple(sorted(on)))
    return tuple(chords)


chord = st.lists(st.integers(21, 108), max_size=4, unique=True).map(lambda p: tuple(sorted(p)))


@given(st.lists(chord, max_size=40).map(tuple))
def test_what_a_player_hears_are_the_chords(piece):
    ticks, events = parsed(midi.content(piece))
    assert sounding(events, ticks, len(piece)) == piece
    assert events[-1] == (len(piece) * ticks, "meta", 0x2F, b"")
    assert [kind for _, kind, *_ in events].count("meta") == 2


@pytest.mark.parametrize("pitch", [-1, 128, 60.5, True, "C4"])
def test_what_is_no_pitch_is_told(pitch):
    with pytest.raises(UserError, match="pitch must be from 0 to 127"):
        midi.content([[60, pitch]])


@pytest.mark.parametrize("pitch", [20, 109, 60.0])
def test_a_pitch_beside_the_keys_is_told(pitch):
    with pytest.raises(UserError, match="pitch must be a MIDI pitch from 21 to 108"):
        chorales.roll([[60, pitch]])


def test_the_tempo_is_what_is_asked_for():
    for tempo in (4, 72, 90.5, 1000):
        _, events = parsed(midi.content(PIECE, tempo))
        assert abs(60e6 / int.from_bytes(events[0][3], "big") / tempo - 1) < 1e-4
    for tempo in (0, 3.9, 1001, "fast", float("nan")):
        with pytest.raises(UserError, match="tempo"):
            midi.content(PIECE, tempo)
    for pitch in (-1, 128, 60.0):
        with pytest.raises(UserError, match="pitch must be from 0 to 127"):
            midi.content([[pitch]])
