"""The next chord of chorales: 88 sigmoids on a recurrent network, learnt on some, judged on others.

    L = -(1/S) sum over steps and pitches of y log p + (1 - y) log(1 - p)      (nats a step)

S steps have a next chord: a piece's first chord is not predicted, an empty one counts. Chords are
coded and scored as Boulanger-Lewandowski, Bengio and Vincent have it (ICML 2012), see
gradlab.text.chorales. The methods are those of Table 1 of Pascanu, Mikolov and Bengio (ICML 2013):
plain SGD, clipped, clipped with Omega; and Adam beside.
"""

import functools
import math

import numpy as np

from gradlab.errors import UserError
from gradlab.learning import fields
from gradlab.learning.plan import Plan
from gradlab.learning.sequences import Sequences
from gradlab.learning.training import Training
from gradlab.measures import pace
from gradlab.measures.learning import point_of, run, status_of
from gradlab.measures.setting import of_network
from gradlab.nets import draws, registry
from gradlab.nets.network import Network
from gradlab.text import chorales, samples
from gradlab.text.opened import stamp

LEARNT, JUDGED = "train", "valid"  # parts of the file
COLUMNS = {
    "corpus": "chorales as JSON, {'train': pieces, 'valid': pieces}, a piece a list of "
    "chords, a chord one of MIDI pitches; none: the eight that come with gradlab",
    "patience": "a training ends after so many rows without a smaller valid_nats; 0: never",
    "update": "number of the update; a row says what happened since the last one",
    "epoch": "how often each piece has been learnt from by then",
    "train_nats": "summed cross-entropy a step of the pieces that are learnt from, while they are "
    "learnt, mean since the last row (nats)",
    "valid_nats": "the same of the pieces that are judged, after the update (nats)",
    "frequencies": "valid_nats of each pitch's frequency in the pieces that are learnt from (nats)",
    "chains": "valid_nats of a Markov chain for each pitch, counted in them (nats)",
    "mean_norm": "norm of the gradient before clipping, mean since the last row",
    "share_clipped": "share of the updates since the last row whose gradient was clipped",
    "spectral_radius_now": "spectral radius of W after the update",
}
CURVES = {
    "train_nats": "mean_loss",
    "valid_nats": "evaluation_loss",
    "mean_norm": "mean_norm",
    "share_clipped": "share_clipped",
    "spectral_radius_now": "spectral_radius",
}
PLANNED = ("batch", "learning_rate", "optimizer", "schedule", "omega", "seed")
ROUNDING_DECIDES = True  # see gradlab.suite.reproduce: another machine trains otherwise


def measure(block):
    """One row an update of the block's training, its axis `update`: the columns of COLUMNS.

    What is of a training is nan in the rows after its end.
    """
    point = point_of(block, 0)
    wanted = block.points["update"]
    point["update"] = int(wanted.max())
    parts = corpus(point["corpus"])
    training = run(point, trained(point, parts, functools.reduce(math.gcd, wanted.tolist())))
    found = training.table().drop_duplicates("update", keep="last").set_index("update")
    found = found.reindex(wanted)
    columns = {name: found[own].to_numpy() for name, own in CURVES.items()}
    columns |= {k: np.full(len(wanted), v) for k, v in _counted(point["corpus"]).items()}
    columns["status"] = np.full(len(wanted), status_of(training))
    return columns | {"epoch": wanted / training.task.per_epoch(training.plan)}


def estimate(block):
    """(seconds, bytes) of one worker: see gradlab.measures.pace."""
    point = point_of(block, 0)
    if point["omega"] and not registry.find(point["cell"]).omega:
        raise UserError(f"omega={point['omega']:g}: is defined for cell elman, not {point['cell']}")
    parts, updates = corpus(point["corpus"]), int(block.points["update"].max())
    steps = max(map(len, parts[LEARNT])) - 1
    lanes, size = min(point["batch"], len(parts[LEARNT])), point["hidden_size"]
    load = pace.Load(point["cell"], steps, lanes, chorales.PITCHES, size, chorales.PITCHES)
    one = pace.MINIBATCH + pace.update(load, point["optimizer"], point["omega"])
    judged = load._replace(lanes=len(parts[JUDGED]), steps=max(map(len, parts[JUDGED])))
    looks = len(block) * (pace.look(judged) + pace.row(load))
    return updates * one + looks, 64 * steps * lanes * (size + 2 * chorales.PITCHES) + 2**24


def corpus(file):
    """{part: pieces} of a file, or of the one that comes with gradlab. Raises UserError, one line.

    Each of the parts that are learnt from and judged has pieces of two chords at least.
    """
    parts = chorales.read(samples.path("chorales.json") if file is None else file)
    for part in (LEARNT, JUDGED):
        if not parts.get(part):
            raise UserError(f"{file}: has no pieces in {part!r}; it has {', '.join(parts)}")
        for place, piece in enumerate(parts[part]):
            if len(piece) < 2:
                raise UserError(f"{file}: {part}, piece {place}: {len(piece)} chords; it needs two")
    return parts


def trained(point, parts, every):
    """The `Training` of a point, before its first update; it is looked at each `every` updates."""
    net = Network.draw(
        inputs=chorales.PITCHES, hidden=point["hidden_size"], outputs=chorales.PITCHES,
        init=point["init"], seed=point["seed"], **of_network(point),
    )  # fmt: skip
    plan = Plan(
        updates=point["update"], mean="steps", loss="binary_cross_entropy",
        clip_threshold=fields.unless_infinite(point["clip_threshold"]),
        log_every=every, evaluate_every=every, evaluation_size=len(parts[JUDGED]),
        patience=fields.whole("patience", point["patience"], 0) or None,
        **{name: point[name] for name in PLANNED},
    )  # fmt: skip
    return Training(net, _sequences(parts[LEARNT]), plan, _sequences(parts[JUDGED]))


def continued(net, opening, chords, seed=0):
    """A piece: some chords and what the network goes on with, `chords` of them in all.

    Each pitch sounds with its own probability, given all chords before: what the network's loss
    takes it to be.
    """
    stream, piece = draws.stream(seed=seed, purpose="continuation"), [tuple(c) for c in opening]
    passed = net.forward(chorales.roll(piece)[:, None])
    while len(piece) < chords:
        odds = np.clip(passed.outputs[-1, 0].astype(float), -700, 700)
        sounds = stream.random(chorales.PITCHES) < 1 / (1 + np.exp(-odds))
        piece += chorales.chords(sounds[None])
        passed = net.forward(chorales.roll(piece[-1:])[:, None], passed.ends())
    return piece


def _sequences(pieces):
    rolled = [chorales.roll(piece) for piece in pieces]
    return Sequences([one[:-1] for one in rolled], [one[1:] for one in rolled])


@functools.lru_cache(maxsize=4)
def _of_stamped(file, _):
    parts = corpus(file)
    return chorales.baselines(parts[LEARNT], parts[JUDGED])


def _counted(file):
    """The baselines of a file; of the same one they are counted once."""
    return _of_stamped(file, stamp(file))
