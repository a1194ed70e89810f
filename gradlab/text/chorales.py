"""Chorales: a chord a step, a chord a set of pitches, and what counting predicts of the next one.

As Boulanger-Lewandowski, Bengio and Vincent code them (Modeling temporal dependencies in
high-dimensional sequences, ICML 2012): 88 zeros and ones a step, and the score is the cross-entropy
summed over the 88, in nats, over all steps but each piece's first, divided by how many those are.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gradlab import given
from gradlab.errors import UserError
from gradlab.text.opened import opened

LOWEST, HIGHEST = 21, 108  # MIDI pitches of a piano's keys
PITCHES = HIGHEST - LOWEST + 1
RANGE = f"be a MIDI pitch from {LOWEST} to {HIGHEST}"

Piece = tuple[tuple[int, ...], ...]  # chords, each its MIDI pitches, rising; () is a rest


def read(path: str | os.PathLike[str]) -> dict[str, list[Piece]]:
    """{part: pieces} of a JSON file {"train": [piece, ...], "valid": ...}.

    A piece is a list of chords, a chord one of MIDI pitches from 21 to 108; an empty one is a rest.
    Raises UserError, one line that names the place, for a file that is none.

    >>> from gradlab.text import samples
    >>> read(samples.path("chorales.json"))["train"][0][:2]
    ((43, 59, 62, 67), (48, 60, 64, 67))
    """
    with opened(path) as file:
        content = file.read()
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:  # ValueError: also of bytes that are no text
        raise UserError(f"{path}: no JSON: {error}") from None
    if not (isinstance(found, dict) and found):
        raise UserError(f"{path}: must hold parts by name: {{'train': [...], 'valid': [...]}}")
    return {name: _part(f"{path}: {name}", part) for name, part in found.items()}


def roll(piece: Sequence[Sequence[int]]) -> np.ndarray:
    """(T, 88) float64: 1 where a pitch sounds, the lowest first. Raises UserError for one of none.

    >>> roll([[60, 64], []]).sum(1).tolist()
    [2.0, 0.0]
    """
    found = np.zeros((len(piece), PITCHES))
    for step, chord in enumerate(piece):
        pitches = [given.whole("pitch", p, RANGE, LOWEST, HIGHEST) for p in chord]
        found[step, [pitch - LOWEST for pitch in pitches]] = 1.0
    return found


def chords(found: np.ndarray) -> Piece:
    """The piece of a (T, 88) array: pitches where it is not 0.

    >>> chords(roll([[60, 64], []]))
    ((60, 64), ())
    """
    return tuple(tuple((np.flatnonzero(step) + LOWEST).tolist()) for step in np.asarray(found))


def nats(pieces: Iterable[Piece], predict: Callable[[np.ndarray], np.ndarray]) -> float:
    """Summed cross-entropy a predicted step, in nats: the score of the published tables.

    predict   from the chords (T, 88) before them the probabilities (T, 88) of the next ones

    >>> two = ((60,), (62,), ())
    >>> round(nats([two], lambda x: np.full_like(x, 0.5)) / float(np.log(2)), 12)
    88.0
    """
    total, steps = 0.0, 0
    for piece in pieces:
        rolled = roll(piece)
        found, y = predict(rolled[:-1]), rolled[1:]
        with np.errstate(divide="ignore"):
            total -= np.log(np.where(y == 1, found, 1 - found)).sum()
        steps += len(y)
    return float(total / steps) if steps else float("nan")


def frequencies(pieces: Iterable[Piece]) -> np.ndarray:
    """(88,) how often each pitch sounds, as a probability.

    Of k in n it is (k + 1/2) / (n + 1), so that none is impossible (Krichevsky and Trofimov, The
    performance of universal encoding, IEEE Transactions on Information Theory 27, 1981).
    """
    rolled = np.concatenate([np.zeros((0, PITCHES)), *map(roll, pieces)])
    return (rolled.sum(0) + 0.5) / (len(rolled) + 1)


def chains(pieces: Iterable[Piece]) -> np.ndarray:
    """(2, 88) how often each pitch sounds after a step in which it does not, and in which it does.

    Each pitch is its own Markov chain; the estimate is that of `frequencies`.
    """
    sounds, counts = np.zeros((2, PITCHES)), np.zeros((2, PITCHES))
    for piece in pieces:
        rolled = roll(piece)
        for before in (0, 1):
            at = rolled[:-1] == before
            counts[before] += at.sum(0)
            sounds[before] += (at * rolled[1:]).sum(0)
    return (sounds + 0.5) / (counts + 1)


def baselines(train: Sequence[Piece], test: Sequence[Piece]) -> dict[str, float]:
    """Nats a step of the test pieces by what was counted in the others.

    {"frequencies": ..., "chains": ...}; 10.98 and 10.15 on the JSB chorales' validation part.
    """
    often, chain = frequencies(train), chains(train)
    return {
        "frequencies": nats(test, lambda x: np.broadcast_to(often, x.shape)),
        "chains": nats(test, lambda x: np.where(x == 1, chain[1], chain[0])),
    }


def _part(where: str, part: object) -> list[Piece]:
    if not isinstance(part, list):
        raise UserError(f"{where}: must be a list of pieces, not {type(part).__name__}")
    return [_piece(f"{where}, piece {place}", piece) for place, piece in enumerate(part)]


def _piece(where: str, piece: object) -> Piece:
    if not isinstance(piece, list):
        raise UserError(f"{where}: must be a list of chords, not {type(piece).__name__}")
    for step, chord in enumerate(piece):
        if not isinstance(chord, list):
            raise UserError(f"{where}, chord {step}: must be a list of pitches, not {chord!r}")
        for pitch in chord:
            if type(pitch) is not int or not LOWEST <= pitch <= HIGHEST:
                raise UserError(f"{where}, chord {step}: {pitch!r} must {RANGE}")
    return tuple(tuple(sorted({*chord})) for chord in piece)
