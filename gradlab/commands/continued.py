"""gradlab export music --format midi: a chorale that a trained network goes on with."""

import math
from pathlib import Path

from gradlab.errors import UserError

EXPERIMENT = "music"
OPENING, CHORDS = 8, 64  # chords that are given, and of the whole piece


def content(experiment, frame, corpus):
    """The bytes of a MIDI file: a judged chorale's opening, and what the best network makes of it.

    The network is that of the table's smallest valid_nats, trained again to that update: the same
    bits on the same machine. Raises UserError, one line, for a table of another experiment or of
    another corpus.
    """
    from gradlab.measures import music
    from gradlab.text import midi

    if experiment.name != EXPERIMENT:
        raise UserError(f"--format midi: goes with {EXPERIMENT}, not with {experiment.name}")
    point = _best(experiment, frame)
    point["corpus"] = _corpus(point["corpus"], corpus)
    parts = music.corpus(point["corpus"])
    _check_counts(frame, parts, corpus)
    end = int(frame["update"].max())
    training = music.trained(point | {"update": end}, parts, every=end)
    training.run(until=point["update"])
    opening = parts[music.JUDGED][0][:OPENING]
    return midi.content(music.continued(training.net, opening, CHORDS, point["seed"]))


def _best(experiment, frame):
    """The row of the smallest valid_nats, as a measure's point."""
    known = experiment.completed(frame[frame.valid_nats.notna()])
    if known.empty:
        raise UserError(f"{experiment.name}: no row has valid_nats, so no network to go on with")
    row = known.loc[known.valid_nats.idxmin()]
    names = (*experiment.axes, *experiment.constants)
    found = {name: row[name] if name in row else experiment.constants[name] for name in names}
    return {name: _plain(value) for name, value in found.items()}


def _plain(value):
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _check_counts(frame, parts, given):
    """Raise UserError for another file of that name: what is counted in it would be the table's."""
    from gradlab.measures import music
    from gradlab.text import chorales

    counted = chorales.baselines(parts[music.LEARNT], parts[music.JUDGED])
    for name, nats in counted.items():
        told = float(frame[name].iloc[0])
        if not math.isclose(nats, told, rel_tol=1e-9):
            said = f"--corpus {given}: another file than the table's of that name"
            raise UserError(f"{said}: {name} have {nats:.6g} nats a chord in it, not {told:.6g}")


def _corpus(named, given):
    """The corpus of a table, which knows its name only."""
    if named is None and given is None:
        return None
    if given is None or Path(given).name != named:
        said = f"--corpus {given}" if given else "no --corpus"
        right = f"--corpus FOLDER/{named}" if named else "none: it learnt those of gradlab"
        raise UserError(f"{said}: this table needs {right}")
    return given
