"""What a tagger learns: its accuracy, what it takes for what, how far back its gradient reaches.

One training a block. The axes inside it ask for one thing a row:

    part                            of the epochs: accuracy after them, the horizon at 0 and 1
    tag, taken_for                  at the end: of the words with that tag, how many got that one
    word                            the gradient in a word of `sentence`, at 0 and 1

`all`, and word 0, are not to ask for it.
"""

import copy
import functools
import math

import numpy as np

from gradlab.errors import UserError, one_of
from gradlab.measures import pace
from gradlab.measures.learning import columns_of, point_of, run, status_of
from gradlab.tagging.corpus import Corpus
from gradlab.tagging.learn import per_epoch, training_of
from gradlab.tagging.reach import by_word
from gradlab.tagging.sentences import classes_in_order
from gradlab.tagging.tagger import classes
from gradlab.text.conllu import TAGS
from gradlab.text.opened import stamp
from gradlab.text.scores import Commonest, score

ALL = "all"
ASKED = ("part", "tag", "taken_for", "word")
WORDS = 24  # of a piece of text in which the horizon is measured
PIECES = 500  # of it, at most
FAR = 8  # words, over which the fall is measured
SEEN = -2.0  # log10 of the share of its own word's gradient that still counts
COLUMNS = {
    "corpus": "a treebank in CoNLL-U to learn from (its path); none: the one that comes along",
    "dev_corpus": "a treebank to be judged on (its path); none: that of the corpus that comes "
    "along, or every tenth sentence of `corpus`, which is not learnt from",
    "embedding": "values D that stand for each word",
    "embedding_scale": "standard deviation with which they are drawn",
    "epochs": "how often the training has every sentence",
    "suffix": "last letters that name the class of an unknown word; 0: one class",
    "lower": "whether a capital is its small letter",
    "word_dropout": "share of words that are taken for unknown ones at each update",
    "carry": "whether the state is carried from sentence to sentence, in one direction; in both "
    "each sentence starts from zero",
    "sentence": "words between spaces, in which the gradient is measured",
    "asked": "the word of `sentence` whose tag is the loss, 1 the first",
    "part": "share of the epochs that are done; where none ends just then, nothing is known",
    "tag": "the words' own tag; all: all words",
    "taken_for": "the tag that they got; all: whichever",
    "word": "the word of `sentence`, 1 the first; 0: none",
    "accuracy": "share of the words that got their tag",
    "unknown_accuracy": "the same of words that the training has not seen, at the end",
    "table_accuracy": "share of the words that get theirs from the table of commonest tags",
    "table_unknown_accuracy": "the same of words that the training has not seen",
    "unknown_share": "share of words that the training has not seen",
    "taken": "share of the words with `tag` that got `taken_for`",
    "last_loss": "mean loss a word of the last epoch",
    "log10_gradient": "log10 of ||dL/de_word|| / ||dL/de_asked||, e the words' embeddings, L the "
    "cross-entropy of the asked word's likeliest tag (decades)",
    "horizon": "words back to the first whose gradient is below a hundredth of the asked word's, "
    "mean over pieces of 24 words of the dev text, whose last word is asked (words)",
    "decades_per_word": "of ||dL/de|| from one word back to nine back, over eight, mean over them",
}
MEASURED = (
    "accuracy", "unknown_accuracy", "table_accuracy", "table_unknown_accuracy", "unknown_share",
    "taken", "last_loss", "log10_gradient", "horizon", "decades_per_word",
)  # fmt: skip
ROUNDING_DECIDES = True  # see gradlab.suite.reproduce: another machine trains otherwise


def learnt(block):
    """The columns of COLUMNS, a row for each part, pair of tags and word that is asked for."""
    points = [point_of(block, i) for i in range(len(block))]
    asked = [tuple(point.pop(name) for name in ASKED) for point in points]
    if any(point != points[0] for point in points):
        raise UserError(f"one training a block: split the grid by all axes but {', '.join(ASKED)}")
    for one in asked:
        _check_asked(*one)
    seen = Seen(points[0])
    rows = [seen.row(*one) for one in asked]
    return columns_of(rows) | {"status": np.full(len(rows), seen.status)}


def _check_asked(part, tag, taken_for, word):
    if not 0 <= part <= 1:
        raise UserError(f"part={part}: must be a share of the epochs, from 0 to 1")
    for name, value in (("tag", tag), ("taken_for", taken_for)):
        one_of(name, value, (ALL, *TAGS))
    if word < 0:
        raise UserError(f"word={word}: must be a word of `sentence`, 1 the first, or 0 for none")


class Seen:
    """A training from its start to its end, and what it is asked about."""

    def __init__(self, point):
        words = point["sentence"].split()
        if not 1 <= point["asked"] <= len(words):
            raise UserError(f"asked={point['asked']}: `sentence` has words 1 to {len(words)}")
        self.corpus = _corpus(point)
        self.epochs, self.training = point["epochs"], training_of(point, self.corpus)
        self.nets = {0.0: copy.deepcopy(self.training.net)}
        self.training = run(point, self.training)
        self.nets[1.0] = self.training.net
        self.course = {row["update"]: 1 - row["error"] for row in self.training.rows}
        self.score, self.table = self._scores()
        self.status = status_of(self.training)
        self._is_lost = self.status != "ok"  # nan has no largest output
        self._words = {part: self._by_word(point, net) for part, net in self.nets.items()}
        self._reach = {part: self._fall(net) for part, net in self.nets.items()}

    def row(self, part, tag, taken_for, word):
        """One row; nan where it is not asked for, or not known."""
        found = dict.fromkeys(MEASURED, math.nan)
        if word:
            along = self._words.get(part, ())
            if word <= len(along):
                found["log10_gradient"] = along[word - 1]
            return found
        if tag == taken_for == ALL:
            return found | self._of_all(part)
        return found | (self._of_tags(tag, taken_for) if part == 1 else {})

    def _of_all(self, part):
        found = {"accuracy": self._accuracy(part)}
        if part in self._reach:
            found["horizon"], found["decades_per_word"] = self._reach[part]
        if part != 1:
            return found
        losses = np.array(self.training.losses[-self._epoch :])
        return found | {
            "unknown_accuracy": math.nan if self._is_lost else self.score.unknown_accuracy,
            "table_accuracy": self.table.accuracy,
            "table_unknown_accuracy": self.table.unknown_accuracy,
            "unknown_share": self.score.unknown_share,
            "last_loss": losses.mean(),
        }

    def _of_tags(self, tag, taken_for):
        if self._is_lost:
            return {"table_accuracy": self.table.by_tag()[tag]} if tag == taken_for else {}
        counts = self.score.confusion
        own = counts if tag == ALL else counts[[TAGS.index(tag)]]
        got = own.sum() if taken_for == ALL else own[:, TAGS.index(taken_for)].sum()
        found = {"taken": got / own.sum() if own.any() else math.nan}
        if tag != taken_for:
            return found
        return found | {
            "accuracy": self.score.by_tag()[tag], "table_accuracy": self.table.by_tag()[tag],
        }  # fmt: skip

    @property
    def _epoch(self):
        return self.training.plan.updates // self.epochs

    def _accuracy(self, part):
        """nan where no epoch ends, and of a training that ended before."""
        if part:
            return self.course.get(round(part * self.epochs, 9) * self._epoch, math.nan)
        dev = self.corpus.numbers[1]
        found = _classes_of(self.nets[0.0], dev.words, self.training.plan)
        return float(np.mean(np.concatenate(found) == np.concatenate(dev.tags)))

    def _scores(self):
        """The `Score`s of the training's end and of the table of commonest tags."""
        dev = self.corpus.numbers[1]
        net, plan, known = self.training.net, self.training.plan, self.corpus.known
        found = _classes_of(net, dev.words, plan)
        table = Commonest.of(self.corpus.train)
        tags = ([TAGS[k] for k in own] for own in found)
        return (
            score(self.corpus.dev, tags, known),
            score(self.corpus.dev, [table.tags(s.words) for s in self.corpus.dev], known),
        )

    def _by_word(self, point, net):
        """log10_gradient of each word of the sentence."""
        numbers = self.corpus.vocabulary.encode(point["sentence"].split())
        return by_word(net, numbers[:, None], point["asked"] - 1)[:, 0]

    def _fall(self, net):
        """(horizon, decades_per_word): means over pieces of the text to be judged on."""
        text = np.concatenate(self.corpus.numbers[1].words)
        count = min(len(text) // WORDS, PIECES)
        if not count:
            return math.nan, math.nan
        back = by_word(net, text[: count * WORDS].reshape(count, WORDS).T, WORDS - 1)[::-1]
        below = np.vstack([back < SEEN, np.ones(back.shape[1], bool)])
        return below.argmax(0).mean(), ((back[1 + FAR] - back[1]) / FAR).mean()


def _corpus(point):
    files = point.get("corpus"), point.get("dev_corpus")
    return _read(files, tuple(map(stamp, files)), point["lower"], point["suffix"])


@functools.lru_cache(maxsize=4)  # UD English EWT takes 1.4 s; each block asks twice
def _read(files, _, lower, suffix):
    return Corpus.read(*files, lower=lower, suffix=suffix)


def _classes_of(net, sentences, plan):
    """The numbers of their tags, as the training reads them."""
    if plan.carry:
        return classes_in_order(net, sentences, plan.batch)
    return classes(net, sentences)


def estimate(block):
    """(seconds, bytes) of one worker: its updates and an evaluation an epoch."""
    point = point_of(block, 0)
    corpus = _corpus(point)
    train, dev, vocabulary, _ = corpus
    words = [sum(len(sentence.words) for sentence in part) for part in (train, dev)]
    updates = point["epochs"] * per_epoch(point, corpus)
    lanes = point["batch"]
    load = pace.Load(
        point["cell"], max(1, words[0] // len(train)), lanes, point["embedding"],
        point["hidden_size"], len(TAGS),
    )  # fmt: skip
    chains = point["layers"] * (1 + point["bidirectional"])
    seconds = updates * chains * (pace.MINIBATCH + pace.update(load, "adam"))
    judged = load._replace(lanes=max(1, words[1] // load.steps))
    seconds += point["epochs"] * chains * pace.look(judged)
    seconds += 3.1e-8 * updates * vocabulary.size * point["embedding"]
    return seconds, 64 * chains * load.steps * judged.lanes * load.hidden + 2**24
