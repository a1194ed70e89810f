"""Does a verb get its noun's number across so many words, and does its gradient reach the noun?

Sentences with `between` words between noun and verb: the words before the verb, and at the last of
them the number. A block has a network's trainings on them, one for each `part` of the budget of
updates; 0 is before any.
"""

import math

import numpy as np

from gradlab.learning.plan import Plan
from gradlab.learning.sequences import Sequences
from gradlab.learning.training import Training
from gradlab.measures import pace
from gradlab.measures.learning import columns_of, point_of, run
from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.tagging.reach import by_word
from gradlab.text import agreement

DRAWN = ("cell", "layers", "dtype", "init", "forget_bias", "seed")
PLANNED = ("batch", "learning_rate", "schedule", "seed")
COLUMNS = {
    "shortest": "fewest words between noun and verb in the training's sentences",
    "between": "words between noun and verb",
    "part": "share of the updates that the training has; 0: before it",
    "sentences": "sentences of the training",
    "attractors": "number of the nouns between: any; same as the first one's; other",
    "embedding": "values D that stand for each word, N(0, 1)",
    "evaluation_size": "fresh sentences",
    "accuracy": "share of them whose verb got its noun's number",
    "log10_gradient": "log10 of ||dL/de_noun|| / ||dL/de_last||, e the embeddings, last the word "
    "before the verb, L the cross-entropy of the likelier number; median (decades)",
}
ROUNDING_DECIDES = True  # see gradlab.suite.reproduce: another machine trains otherwise


def learnt(block):
    """accuracy and log10_gradient, a row for each part."""
    rows, ended = [], []
    for i in range(len(block)):
        point = point_of(block, i)
        part = point.pop("part")
        point["updates"] = max(1, round(part * point["updates"]))
        training = _training(point)
        if part:
            training = run(point, training)
        rows.append(_looked_at(point, training.net))
        ended.append("ok" if training.status in ("ok", "finished") else training.status)
    return columns_of(rows) | {"status": np.array(ended)}


def _training(point):
    stream = draws.stream(seed=point["seed"], purpose="agreement", between=point["between"])
    found = agreement.sample(stream, point["between"], point["sentences"], point["attractors"])
    words = agreement.vocabulary()
    net = Network.draw(
        inputs=words.size, embedding=point["embedding"], hidden=point["hidden_size"], outputs=2,
        **{name: point[name] for name in DRAWN},
    )  # fmt: skip
    threshold = point["clip_threshold"]
    plan = Plan(
        "agreement", optimizer="adam", updates=point["updates"], log_every=point["updates"],
        clip_threshold=None if math.isinf(threshold) else threshold,
        **{name: point[name] for name in PLANNED},
    )  # fmt: skip
    numbers = [np.int64(one.number) for one in found]
    return Training(net, Sequences([words.encode(one.before) for one in found], numbers), plan)


def _looked_at(point, net):
    """The columns on fresh sentences, the same for every network of a seed."""
    between, count = point["between"], point["evaluation_size"]
    stream = draws.stream(seed=point["seed"], purpose="agreement, fresh", between=between)
    found = agreement.sample(stream, between, count, point["attractors"])
    words = agreement.vocabulary()
    x = np.stack([words.encode(one.before) for one in found], 1)
    right = net.forward(x).outputs[-1].argmax(-1) == [one.number for one in found]
    back = by_word(net, x, len(x) - 1)[found[0].noun]
    return {"accuracy": right.mean(), "log10_gradient": np.median(back)}


def estimate(block):
    """(seconds, bytes) of one worker."""
    point = point_of(block, 0)
    steps = 2 + int(np.max(block.points["between"]))
    load = pace.Load(
        point["cell"], steps, point["batch"], point["embedding"], point["hidden_size"], 2
    )
    updates = point["updates"] * float(np.sum(block.points["part"]))
    seconds = updates * (pace.MINIBATCH + pace.update(load, "adam"))
    fresh = load._replace(lanes=point["evaluation_size"])
    seconds += len(block) * (pace.look(fresh) + pace.update(fresh))
    return point["layers"] * seconds, 64 * load.steps * fresh.lanes * load.hidden + 2**24
