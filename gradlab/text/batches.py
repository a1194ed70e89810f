"""Sentences of unequal lengths as numbers, and which of them are best run side by side.

What is learnt from goes on as `gradlab.learning.sequences.Sequences`, which draws its minibatches.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError

IGNORED = -100  # the target of a step that has none, as in PyTorch's CrossEntropyLoss


class Coded(NamedTuple):
    """Sentences as numbers: lists of arrays (T,) of int64, one of each sentence.

    words     of the vocabulary
    unknown   what each word is where it is not known
    tags      class numbers; IGNORED where a word has none
    """

    words: list[np.ndarray]
    unknown: list[np.ndarray]
    tags: list[np.ndarray]


def coded(sentences, vocabulary, classes: Sequence[str]) -> Coded:
    """`Coded` of sentences (words, tags), `gradlab.text.conllu.Sentence`s.

    vocabulary   of the words
    classes      of the tags, whose place is the class number; a tag None is IGNORED

    Raises UserError for a tag that is none of them.
    """
    number: dict[str | None, int] = {name: place for place, name in enumerate(classes)}
    number[None] = IGNORED
    sentences = list(sentences)
    if wrong := {tag for _, tags in sentences for tag in tags} - number.keys():
        raise UserError(f"tag {min(wrong)!r}: must be one of {', '.join(classes)}")
    return Coded(
        [vocabulary.encode(words) for words, _ in sentences],
        [vocabulary.encode_unknown(words) for words, _ in sentences],
        [np.array([number[tag] for tag in tags], np.int64) for _, tags in sentences],
    )


def by_length(lengths, batch: int, steps: float = math.inf) -> list[np.ndarray]:
    """The places of sentences, at most `batch` in each array, of lengths as equal as can be.

    lengths   (n,) words of each sentence
    steps     of a batch of several sentences at most, each as long as its longest

    The shortest come first, within a batch the longest. Each place comes once. Raises UserError for
    a batch below 1.

    >>> [places.tolist() for places in by_length([3, 1, 3, 2, 1], 2)]
    [[1, 4], [0, 3], [2]]
    """
    given.whole("batch", batch, "be a whole number of sentences from 1 on", 1)
    lengths = np.asarray(lengths)
    order = np.argsort(lengths, kind="stable")
    edges = [0]
    for place, length in enumerate(lengths[order]):
        count = place - edges[-1]
        if count == batch or (count and (count + 1) * length > steps):
            edges.append(place)
    found = np.split(order, edges[1:]) if len(order) else []
    return [places[np.argsort(-lengths[places], kind="stable")] for places in found]
