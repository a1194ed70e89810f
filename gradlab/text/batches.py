"""Sentences of unequal lengths as batches, time first, and a running text as parallel streams.

What a random generator is given for follows from it alone: one of its own for each epoch gives
other batches in each, and the same ones when a training is resumed.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError

IGNORED = -100  # the target of a step that has none, as in PyTorch's CrossEntropyLoss


class Coded(NamedTuple):
    """Sentences as numbers, one after the other, int64 (all words,).

    words     of the vocabulary
    unknown   what each word is where it is not known
    targets   class numbers; IGNORED where a word has none
    starts    (sentences + 1,) where each begins, and where the last one ends
    """

    words: np.ndarray
    unknown: np.ndarray
    targets: np.ndarray
    starts: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """(sentences,) how many words each has."""
        return np.diff(self.starts)


class Minibatch(NamedTuple):
    """x, y (T, B) int64, and lengths (B,), falling: after a lane's own end x is 0, y IGNORED."""

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray


def coded(sentences, vocabulary, classes: Sequence[str]) -> Coded:
    """`Coded` of sentences (words, tags), `gradlab.text.conllu.Sentence`s.

    vocabulary   of the words
    classes      of the tags, whose place is the class number; a tag None is IGNORED

    Raises UserError for a tag that is none of them.
    """
    number: dict[str | None, int] = {name: place for place, name in enumerate(classes)}
    number[None] = IGNORED
    sentences = list(sentences)
    words = [word for sentence in sentences for word in sentence[0]]
    tags = [tag for sentence in sentences for tag in sentence[1]]
    if wrong := {*tags} - number.keys():
        raise UserError(f"tag {min(wrong)!r}: must be one of {', '.join(classes)}")
    return Coded(
        vocabulary.encode(words),
        vocabulary.encode_unknown(words),
        np.array([number[tag] for tag in tags], np.int64),
        np.cumsum([0, *(len(sentence[0]) for sentence in sentences)]),
    )


def by_length(lengths, batch: int, rng: np.random.Generator | None = None) -> list[np.ndarray]:
    """The places of sentences, at most `batch` in each array, of lengths as equal as can be.

    lengths   (n,) words of each sentence
    rng       shuffles sentences of one length, and then the batches; None: the shortest first

    Within a batch the longest comes first. Each place comes once. Raises UserError for a batch
    below 1.

    >>> [places.tolist() for places in by_length([3, 1, 3, 2, 1], 2)]
    [[1, 4], [0, 3], [2]]
    """
    given.whole("batch", batch, "be a whole number of sentences from 1 on", 1)
    lengths = np.asarray(lengths)
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    found = [order[start : start + batch] for start in range(0, len(order), batch)]
    found = [places[np.argsort(-lengths[places], kind="stable")] for places in found]
    return found if rng is None else [found[k] for k in rng.permutation(len(found))]


def minibatch(
    sentences: Coded, places, rng: np.random.Generator | None = None, dropout: float = 0.0
) -> Minibatch:
    """The sentences at `places` (B,), in their order.

    rng, dropout   each word is the unknown one with this probability, drawn anew; 0: none is

    Raises UserError for a dropout that is no probability below 1, and for one without rng.
    """
    starts, ends = sentences.starts[:-1][places], sentences.starts[1:][places]
    at = starts + np.arange((ends - starts).max())[:, None]
    within = at < ends
    at = np.where(within, at, 0)
    words = dropped(sentences.words[at], sentences.unknown[at], rng, dropout)
    x, y = np.where(within, words, 0), np.where(within, sentences.targets[at], IGNORED)
    return Minibatch(x, y, ends - starts)


def dropped(
    words: np.ndarray, unknown: np.ndarray, rng: np.random.Generator | None, dropout: float
) -> np.ndarray:
    """Words of which each is the unknown one with a probability, drawn from rng.

    words, unknown   numbers of one shape, as in `Coded`
    dropout          the probability, below 1

    Raises UserError as `minibatch` does.
    """
    rate = given.number("dropout", dropout)
    if not 0 <= rate < 1:
        raise UserError(f"dropout={dropout}: must be a probability from 0 to below 1")
    if not rate:
        return words
    if rng is None:
        raise UserError(f"dropout={dropout}: needs a random generator, rng")
    return np.where(rng.random(words.shape) < rate, unknown, words)


def streams(numbers, batch: int) -> np.ndarray:
    """A running text (n,) as `batch` streams of one length: (n // batch, B), time first.

    Lane b holds the b-th part of the text. What is left over at the end, fewer than B words, is
    dropped: with B = 1 nothing is. Raises UserError for a text that is shorter than two words a
    stream.

    >>> streams([1, 2, 3, 4, 5, 6, 7], 2).tolist()
    [[1, 4], [2, 5], [3, 6]]
    """
    given.whole("batch", batch, "be a whole number of streams from 1 on", 1)
    numbers = np.asarray(numbers)
    steps = len(numbers) // batch
    if steps < 2:
        raise UserError(f"a text of {len(numbers)} words: {batch} streams need {2 * batch}")
    return np.ascontiguousarray(numbers[: steps * batch].reshape(batch, steps).T)


def windows(
    words: np.ndarray, length: int, targets: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Streams (n, B) cut in windows (x, y) of `length` steps, in order, the last one shorter.

    targets   (n, B) of each step; None: the next word, and the last step has none

    A hidden state that is carried from one to the next reads the streams as if they were whole.

    >>> [(x[:, 0].tolist(), y[:, 0].tolist()) for x, y in windows(streams(range(6), 1), 3)]
    [([0, 1, 2], [1, 2, 3]), ([3, 4], [4, 5])]
    """
    given.whole("length", length, "be a whole number of steps from 1 on", 1)
    if targets is None:
        words, targets = words[:-1], words[1:]
    for start in range(0, len(words), length):
        yield words[start : start + length], targets[start : start + length]
