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
from gradlab.measures.learning import columns_of, end_loss, point_of, run
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
    fresh = _sentences(point, "agreement, fresh", point["evaluation_size"])
    training = _training(point, fresh)
    before = _reach(training.net, fresh)
    training = run(point, training)
    errors = training.table().error.dropna()
    return {
        "solved": float(training.status == "solved"),
        "updates_done": training.update,
        "diverged": float(training.status == DIVERGED),
        "accuracy": 1 - errors.iloc[-1] if len(errors) else math.nan,
        "relative_loss": end_loss(np.array(training.losses)) / math.log(2),
        "gradient_before": before,
        "gradient_after": _reach(training.net, fresh),
    }


def _training(point, fresh):
    own = _sentences(point, "agreement", point["sentences"])
    words = agreement.vocabulary().size
    net = Network.draw(
        inputs=words, embedding=point["embedding"], hidden=point["hidden_size"], outputs=2,
        **{name: point[name] for name in DRAWN},
    )  # fmt: skip
    plan = Plan(
        "agreement", log_every=point["updates"],
        clip_threshold=fields.unless_infinite(point["clip_threshold"]),
        **{name: point[name] for name in PLANNED},
    )  # fmt: skip
    return Training(net, _sequences(own), plan, _sequences(fresh))


def _sentences(point, purpose, count):
    stream = draws.stream(seed=point["seed"], purpose=purpose, between=point["between"])
    return agreement.sample(stream, point["between"], count, point["attractors"])


def _sequences(sentences):
    return Sequences(_numbers(sentences), [np.int64(one.number) for one in sentences])


def _numbers(sentences):
    """Those of each sentence's words before the verb."""
    words = agreement.vocabulary()
    return [words.encode(one.before) for one in sentences]


def _reach(net, sentences):
    """log10 of the gradient in the noun over that in the last word, median over sentences."""
    x = np.stack(_numbers(sentences), 1)
    return float(np.median(by_word(net, x, len(x) - 1)[sentences[0].noun]))


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
