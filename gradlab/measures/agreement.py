"""Does a verb get its noun's number across so many words, and does its gradient reach the noun?

Sentences with `between` words between noun and verb: the words before the verb, and at the last of
them the number. One row a training, which ends when it is solved.
"""

import math

import numpy as np

from gradlab.learning import fields
from gradlab.learning.plan import Plan
from gradlab.learning.sequences import Sequences
from gradlab.learning.training import DIVERGED, Training
from gradlab.measures import pace
from gradlab.measures.learning import columns_of, point_of, run
from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.tagging.reach import by_word
from gradlab.text import agreement

DRAWN = ("cell", "layers", "dtype", "init", "forget_bias", "seed")
PLANNED = (
    "updates", "batch", "learning_rate", "optimizer", "schedule", "evaluate_every",
    "evaluation_size", "stop_below", "seed",
)  # fmt: skip
COLUMNS = {
    "between": "words between noun and verb",
    "sentences": "sentences of the training",
    "attractors": "number of the nouns between: any; same as the first one's; other",
    "embedding": "values D that stand for each word, N(0, 1)",
    "evaluation_size": "fresh sentences, the same for every network of a seed",
    "solved": "1 if an evaluation had less than stop_below wrong, else 0",
    "updates_done": "updates until it was solved, diverged, or its budget was spent",
    "accuracy": "share of them whose verb got its noun's number, at the last evaluation",
    "relative_loss": "mean loss of the last tenth of the updates over that of a guess, ln 2",
    "gradient_before": "log10 of ||dL/de_noun|| / ||dL/de_last|| before the training, e the "
    "embeddings, last the word before the verb, L the cross-entropy of the likelier number; "
    "median over fresh sentences (decades)",
    "gradient_after": "the same at the end (decades)",
}
ROUNDING_DECIDES = True  # see gradlab.suite.reproduce: another machine trains otherwise


def outcome(block):
    """One row a training: solved, updates_done, diverged and the columns of COLUMNS."""
    return columns_of([_outcome(point_of(block, i)) for i in range(len(block))])


def _outcome(point):
    training = _training(point)
    x, nouns = _asked(point)
    before = _reach(training.net, x, nouns)
    training = run(point, training)
    losses, errors = np.array(training.losses), training.table().error.dropna()
    return {
        "solved": float(training.status == "solved"),
        "updates_done": training.update,
        "diverged": float(training.status == DIVERGED),
        "accuracy": 1 - errors.iloc[-1] if len(errors) else math.nan,
        "relative_loss": losses[-max(1, len(losses) // 10) :].mean() / math.log(2),
        "gradient_before": before,
        "gradient_after": _reach(training.net, x, nouns),
    }


def _training(point):
    words = agreement.vocabulary()
    net = Network.draw(
        inputs=words.size, embedding=point["embedding"], hidden=point["hidden_size"], outputs=2,
        **{name: point[name] for name in DRAWN},
    )  # fmt: skip
    plan = Plan(
        "agreement", log_every=point["updates"],
        clip_threshold=fields.unless_infinite(point["clip_threshold"]),
        **{name: point[name] for name in PLANNED},
    )  # fmt: skip
    own, fresh = (_sequences(_sentences(point, fresh), words) for fresh in (False, True))
    return Training(net, own, plan, fresh)


def _sentences(point, fresh):
    """Those that are learnt from, or those that are not."""
    purpose = "agreement, fresh" if fresh else "agreement"
    count = point["evaluation_size" if fresh else "sentences"]
    stream = draws.stream(seed=point["seed"], purpose=purpose, between=point["between"])
    return agreement.sample(stream, point["between"], count, point["attractors"])


def _sequences(found, words):
    numbers = [np.int64(one.number) for one in found]
    return Sequences([words.encode(one.before) for one in found], numbers)


def _asked(point):
    """(x (T, B), the noun's place) of the fresh sentences."""
    found, words = _sentences(point, True), agreement.vocabulary()
    return np.stack([words.encode(one.before) for one in found], 1), found[0].noun


def _reach(net, x, noun):
    return float(np.median(by_word(net, x, len(x) - 1)[noun]))


def estimate(block):
    """(seconds, bytes) of one worker; a training that may stop is taken for part of its budget."""
    point = point_of(block, 0)
    steps, updates = 2 + int(np.max(block.points["between"])), point["updates"]
    every = fields.whole("evaluate_every", point["evaluate_every"], 1)
    load = pace.Load(
        point["cell"], steps, point["batch"], point["embedding"], point["hidden_size"], 2
    )
    seconds = updates * (pace.MINIBATCH + pace.update(load, point["optimizer"]))
    fresh = load._replace(lanes=point["evaluation_size"])
    seconds += updates // every * pace.look(fresh)
    seconds = len(block) * (pace.SOLVED_EARLY * seconds + 2 * pace.update(fresh))
    return point["layers"] * seconds, 64 * steps * fresh.lanes * load.hidden + 2**24
