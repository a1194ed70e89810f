"""The next word of a text by a recurrent network and by n-grams, with so many words before it.

    perplexity = exp(-(1/n) sum over the n words of the held-out end of ln p(word | those before))

A network reads the text on in windows: its state is carried from one to the next, its gradient is
cut there (truncated BPTT, Williams and Peng 1990). Judged, it sees the last `context` words from a
state of zeros, as an n-gram of context + 1 words does; 0: all words before, from the text's start.
A word that is too rare to be known is the unknown word, in the text and as what is to be predicted.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError, one_of
from gradlab.learning import fields
from gradlab.learning.plan import Plan
from gradlab.learning.sequences import Sequences
from gradlab.learning.training import DIVERGED, Training
from gradlab.measures import pace
from gradlab.measures.learning import columns_of, point_of, run, status_of
from gradlab.measures.setting import of_network
from gradlab.nets import draws, registry
from gradlab.nets.network import Network
from gradlab.text import agreement, ngrams, running, samples
from gradlab.text.opened import stamp
from gradlab.text.vocabulary import Folding, Vocabulary

COUNTED = "n_gram"
CLOZE = "the clouds are in the "  # and, the lecture hopes, sky
BETWEEN = 1  # words between a noun and its verb in the generated sentences, at most
LANES = 500  # words that are judged at a time
COLUMNS = {
    "model": "elman, lstm, gru or a user's own cell; or n_gram, interpolated Kneser-Ney",
    "window": "words of a truncated BPTT's window; n_gram has none: 0",
    "context": "words before the one that is predicted that a model sees; 0: all",
    "text_file": "any text in UTF-8; none: Newton's Queries, which come with gradlab",
    "words": "words of the text that are read, from its start; 0: all",
    "unit": "what is predicted: word or character",
    "held_out": "share of the text, its end, that is judged and not learnt from",
    "least": "how often a word must stand in what is learnt from to be known",
    "sentences": "generated sentences such as 'the clouds are in the sky .' that are learnt before "
    "the text; of unit word",
    "epochs": "how often the text is read",
    "embedding": "inputs of the network that a word becomes",
    "vocabulary": "words that are known, with the unknown one",
    "perplexity": "of the held-out end: exp of the mean -ln p of its words, that see `context` "
    "words; at least 1, of a guess the vocabulary",
    "learnt_perplexity": "exp of the mean loss of the updates of the last epoch",
    "sky": "probability of 'sky' after 'the clouds are in the', seeing `context` words",
    "completion": "the most probable word, or character, there",
    "mean_norm": "norm of the gradient before clipping, mean over all updates",
    "share_clipped": "share of the updates whose gradient was clipped",
}
ROUNDING_DECIDES = True  # see gradlab.suite.reproduce: another machine trains otherwise
UNMEASURED = dict.fromkeys(("learnt_perplexity", "mean_norm", "share_clipped"), math.nan)


class Text(NamedTuple):
    """What is learnt from and what is judged, as numbers (n,), their words, and what these are."""

    learnt: np.ndarray
    judged: np.ndarray
    vocabulary: Vocabulary
    unit: str = "word"


def measure(block):
    """One row a context of one model: the columns of COLUMNS. A block has one training at most."""
    point = point_of(block, 0)
    contexts, text = [int(k) for k in block.points["context"]], text_of(point)
    model = point.pop("model")
    if model == COUNTED:
        found, status = [_counted(text, context) for context in contexts], "ok"
    else:
        point |= {"context": 0, "cell": model}  # its place on disk, too
        training = run(point, trained(point, text))
        own, status = _of_training(training), status_of(training)
        found = [own | _judged(training.net, text, context) for context in contexts]
    columns = columns_of(found)
    columns["vocabulary"] = np.full(len(found), text.vocabulary.size)
    # weights may be finite, and what they predict so wrong that its perplexity is not
    is_known = np.isfinite(columns["perplexity"])
    return columns | {"status": np.where(is_known, status, DIVERGED)}


def estimate(block):
    """(seconds, bytes) of one worker: see gradlab.measures.pace."""
    point = point_of(block, 0)
    for context in block.points["context"]:
        fields.whole("context", context, 0)
    text, size, model = text_of(point), point["hidden_size"], point["model"]
    if model == COUNTED:
        return 1e-5 * len(text.learnt) * max(block.points["context"]), 2**24
    if not str(model).endswith(".py"):
        one_of("model", model, (*registry.names(), COUNTED))
    for name in ("batch", "window"):
        fields.whole(name, point[name], 1)
    lanes, words = point["batch"], text.vocabulary.size
    load = pace.Load(model, point["window"], lanes, point["embedding"], size, words)
    updates = point["epochs"] * len(text.learnt) / (lanes * point["window"])
    readout = 6 * lanes * point["window"] * size * words / pace.RATE
    steps = len(text.judged) * (1 + int(block.points["context"].sum()))
    judged = pace.look(load._replace(lanes=1, steps=steps, outputs=1))
    return updates * (pace.update(load, point["optimizer"]) + readout) + judged, 2**28


def text_of(point):
    """The `Text` of a point's file and settings. Raises UserError, one line, for what is none."""
    fields.whole("words", point["words"], 0)
    file, names = point["text_file"], ("unit", "words", "held_out", "least", "sentences")
    return _text(file, stamp(file), tuple(point[name] for name in names))


@functools.lru_cache(maxsize=4)
def _text(file, _, settings):
    unit, words, held_out, least, sentences = settings
    pieces = running.read(samples.path("opticks.txt") if file is None else file, unit)
    learnt, judged = running.parts(pieces[: words or None], held_out)
    if unit == "word":
        stream = draws.stream(seed=0, purpose="agreement")
        learnt = [*agreement.text(stream, sentences, BETWEEN), *learnt]
    known = Vocabulary.of([learnt], Folding(lower=unit == "word", digits=unit == "word"), least)
    return Text(known.encode(learnt), known.encode(judged), known, unit)


def trained(point, text):
    """The `Training` of a point, before its first update."""
    size = text.vocabulary.size
    net = Network.draw(
        inputs=size, embedding=point["embedding"], hidden=point["hidden_size"], outputs=size,
        init=point["init"], seed=point["seed"], **of_network(point),
    )  # fmt: skip
    pieces = Sequences.cut(text.learnt[:-1], text.learnt[1:], point["window"])
    batch = point["batch"]
    if len(pieces.x) < batch:
        has = f"the text has {len(pieces.x)} windows of {point['window']} words"
        raise UserError(f"batch={batch}: {has}: it must have as many as a minibatch")
    updates = point["epochs"] * math.ceil(len(pieces.x) / batch)
    plan = Plan(
        updates=updates, batch=batch, mean="steps", carry=True, seed=point["seed"],
        clip_threshold=fields.unless_infinite(point["clip_threshold"]), log_every=updates,
        learning_rate=point["learning_rate"], optimizer=point["optimizer"],
        schedule=point["schedule"],
    )  # fmt: skip
    return Training(net, pieces, plan)


def _of_training(training):
    last = training.task.per_epoch(training.plan)
    return {
        "learnt_perplexity": float(np.exp(np.mean(training.losses[-last:]))),
        "mean_norm": float(np.mean(training.norms)),
        "share_clipped": float(np.mean(training.shares)),
    }


def _counted(text, context):
    """A row of n-grams of context + 1 words."""
    if not context:
        raise UserError(f"context=0: model {COUNTED} sees a number of words, from 1 on")
    model = ngrams.KneserNey(text.learnt, context + 1, text.vocabulary.size)
    logs = model.log_probabilities(text.judged, text.learnt[-context:])
    return UNMEASURED | _row(text, logs, model.distribution(_cloze(text)[-context:]))


def _judged(net, text, context):
    """A row of a network that sees so many words."""
    logs, cloze = log_probabilities(net, text.learnt, text.judged, context), _cloze(text)
    passed = net.forward(cloze[-context:, None])
    return _row(text, logs, np.exp(_log_softmax(passed.outputs[-1, 0])))


def _row(text, logs, odds):
    sky = text.vocabulary.encode(["sky"])[0]
    return {
        "perplexity": ngrams.perplexity(logs),
        "sky": float(odds[sky]) if text.vocabulary.knows("sky") else math.nan,
        "completion": text.vocabulary.decode([odds.argmax()])[0],
    }


def _cloze(text):
    return text.vocabulary.encode(running.pieces(CLOZE, text.unit))


def log_probabilities(net, before, words, context):
    """(n,) ln p of each word, of which the net sees the last `context` words, or all if 0.

    before   (m,) the words that stand before the first one
    """
    whole, first = np.concatenate([before, words])[:-1], len(before) - 1
    parts = _windowed(net, whole, first, context) if context else _carried(net, whole, first)
    found, at = [], 0
    for outputs in parts:  # all of them at once are n by the vocabulary
        lanes = np.arange(len(outputs))
        found.append(_log_softmax(outputs)[lanes, words[at + lanes]])
        at += len(outputs)
    return np.concatenate(found)


def _windowed(net, text, first, context):
    """Outputs (B, O) after each word from a place on, of which the net sees the last ones."""
    context = min(context, first + 1)
    seen = np.lib.stride_tricks.sliding_window_view(text[first + 1 - context :], context)
    for i in range(0, len(seen), LANES):
        yield net.readout(_last_state(net, seen[i : i + LANES].T))


def _last_state(net, x):
    """(B, N) after x (T, B): through a net of one output, for those of other steps go unread."""
    if not net.reads_out:  # else the outputs are fed back
        thin = net.weights | {name: net.weights[name][:1] for name in ("V", "c")}
        net = Network(thin, net.cell, net.activation)
    return net.forward(x).states[-1]


def _carried(net, text, first):
    """Outputs (B, O) after each word from a place on, of which the net sees all before."""
    start = None
    for i in range(0, len(text), LANES):
        passed = net.forward(text[i : i + LANES, None], start)
        start = passed.ends()
        if i + LANES > first:
            yield passed.outputs[max(0, first - i) :, 0]


def _log_softmax(outputs):
    shifted = outputs - outputs.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
