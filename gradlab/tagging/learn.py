"""How a tagger learns: what it is drawn and planned by, through the one training loop."""

import math

from gradlab.errors import UserError, did_you_mean
from gradlab.learning import fields
from gradlab.learning.plan import Plan
from gradlab.learning.training import DIVERGED, Training
from gradlab.nets.embedding import NAME as EMBEDDING
from gradlab.nets.network import Network
from gradlab.tagging.sentences import sequences
from gradlab.tagging.tagger import Tagger
from gradlab.text.conllu import TAGS

DRAWN = ("cell", "layers", "bidirectional", "dtype", "init", "forget_bias", "seed")
PLANNED = ("batch", "learning_rate", "schedule", "seed")
# UD English EWT, dev: 93.5 % in both directions after 4 epochs; an embedding that is drawn with
# standard deviation 1 in place of 0.3 has 90.6 %: the rows of rare words stay noise.
SETTINGS = {
    "layers": 1, "dtype": "float32", "init": "torch", "forget_bias": 0.0, "embedding": 64,
    "embedding_scale": 0.3, "hidden_size": 64, "word_dropout": 0.1, "carry": False, "batch": 32,
    "epochs": 4, "learning_rate": 0.01, "schedule": "linear", "clip_threshold": 5.0,
}  # fmt: skip


def training_of(point, corpus):
    """The `Training` on a `Corpus` before its first update.

    point   a mapping with the names of SETTINGS, cell, bidirectional and seed

    With Adam, the loss a mean over words, an evaluation an epoch. `carry` holds in one direction.
    """
    net = Network.draw(
        inputs=corpus.vocabulary.size, embedding=point["embedding"], hidden=point["hidden_size"],
        outputs=len(TAGS), **{name: point[name] for name in DRAWN},
    )  # fmt: skip
    scale = fields.finite("embedding_scale", point["embedding_scale"])
    net.weights[EMBEDDING] *= net.dtype.type(scale)
    epoch = per_epoch(point, corpus)
    plan = Plan(
        "tagger", updates=epoch * point["epochs"], optimizer="adam", mean="steps",
        clip_threshold=fields.unless_infinite(point["clip_threshold"]),
        carry=point["carry"] and not point["bidirectional"], log_every=epoch,
        evaluate_every=epoch, evaluation_size=len(corpus.dev),
        **{name: point[name] for name in PLANNED},
    )  # fmt: skip
    train, dev = corpus.numbers
    return Training(net, sequences(train, point["word_dropout"]), plan, sequences(dev))


def per_epoch(point, corpus):
    """How many updates an epoch has. Raises UserError for a batch and a number of epochs of none.

    The plan would tell of the updates that follow from both, which nobody has given.
    """
    fields.whole("epochs", point["epochs"], 1)
    return math.ceil(len(corpus.train) / fields.whole("batch", point["batch"], 1))


def learn(corpus, told=print, **settings):
    """A `Tagger` that has learnt a `Corpus`: an LSTM in both directions unless told otherwise.

    told       is called with a line after each epoch
    settings   in place of SETTINGS, cell="lstm", bidirectional=True, seed=0

    Raises UserError, one line, for a setting that is none of them, and where the training diverges.
    """
    known = {"cell": "lstm", "bidirectional": True, "seed": 0} | SETTINGS
    for name in settings.keys() - known:
        raise UserError(
            f"a tagger has no {name}: it has {', '.join(known)}{did_you_mean(name, known)}"
        )
    point = known | settings
    training = training_of(point, corpus)
    epoch = training.plan.updates // point["epochs"]
    for number in range(1, point["epochs"] + 1):
        training.run(until=number * epoch)
        if training.status == DIVERGED:
            rate = f"learning_rate={training.plan.learning_rate:g}"
            raise UserError(f"{rate}: diverged at update {training.update}: give a smaller one")
        right = 1 - training.rows[-1]["error"]
        told(f"epoch {number} of {point['epochs']}: {right:.1%} of dev's words are right")
    return Tagger(training.net, corpus.vocabulary)
