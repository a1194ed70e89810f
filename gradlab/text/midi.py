"""Chords as a Standard MIDI File of format 0: one track, which every player reads.

Source: The complete MIDI 1.0 detailed specification, MIDI Manufacturers Association 1996: Standard
MIDI Files 1.0.
"""

import struct
from collections.abc import Sequence

from gradlab import given
from gradlab.errors import UserError

TICKS = 480  # a quarter note
ORGAN = 19  # church organ, counted from 0 (General MIDI)
VELOCITY = 80
NOTE_ON, NOTE_OFF, PROGRAM = 0x90, 0x80, 0xC0  # on channel 0
FASTEST, SLOWEST = 1000.0, 4.0  # quarters a minute; a tempo has three bytes of microseconds


def content(chords: Sequence[Sequence[int]], tempo: float = 72.0) -> bytes:
    """The bytes of a file in which each chord sounds for a quarter; an empty one is a rest.

    chords   MIDI pitches, 0 to 127
    tempo    quarters a minute

    Raises UserError for a pitch or a tempo that is none.

    >>> content([[60]])[:14].hex(" ")
    '4d 54 68 64 00 00 00 06 00 00 00 01 01 e0'
    """
    tempo = given.number("tempo", tempo)
    if not SLOWEST <= tempo <= FASTEST:
        raise UserError(f"tempo={tempo:g}: must be from {SLOWEST:g} to {FASTEST:g} a minute")
    track = _event(0, 0xFF, 0x51, 3, *round(60e6 / tempo).to_bytes(3, "big"))
    track += _event(0, PROGRAM, ORGAN)
    rest = 0  # ticks since the last event
    for chord in chords:
        pitches = sorted({given.whole("pitch", p, "be from 0 to 127", 0, 127) for p in chord})
        for place, pitch in enumerate(pitches):
            track += _event(0 if place else rest, NOTE_ON, pitch, VELOCITY)
        for place, pitch in enumerate(pitches):
            track += _event(0 if place else TICKS, NOTE_OFF, pitch, 0)
        rest = 0 if pitches else rest + TICKS
    track += _event(rest, 0xFF, 0x2F, 0)
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track


def _event(ticks: int, *message: int) -> bytes:
    """A message so many ticks after the last one, in groups of seven bits, the last one marked."""
    groups = [ticks & 0x7F]
    while ticks := ticks >> 7:
        groups.append(ticks & 0x7F | 0x80)
    return bytes([*reversed(groups), *message])
