"""Tagged sentences as what a training learns from, and how it reads them."""

import math
from typing import NamedTuple

import numpy as np

from gradlab.learning import records
from gradlab.learning.sequences import Sequences
from gradlab.tagging.tagger import beside
from gradlab.text.batches import coded
from gradlab.text.conllu import TAGS


class Numbers(NamedTuple):
    """Of each sentence the numbers (T,) of its words, of each as an unknown word, of its tags."""

    words: list
    unknown: list
    tags: list

    @classmethod
    def of(cls, sentences, vocabulary):
        """Of `gradlab.text.conllu.Sentence`s."""
        found = coded(sentences, vocabulary, TAGS)
        parts = (found.words, found.unknown, found.targets)
        return cls(*(np.split(part, found.starts[1:-1]) for part in parts))

    def sequences(self, word_dropout=0.0):
        """As `Sequences`: at each update each word is its unknown one with this probability."""
        return Sequences(self.words, self.tags, self.unknown, word_dropout)


def classes_in_order(net, sentences, batch):
    """As `gradlab.tagging.tagger.classes`, the state carried from sentence to sentence.

    As a training with `carry` reads on: `batch` lanes, each of a part of the sentences.
    """
    every, found, start = len(sentences), {}, None
    steps = math.ceil(every / batch)
    for place in range(steps):
        chosen = np.arange(min(batch, every)) * steps + place
        chosen = chosen[chosen < every]
        x, lengths = beside([sentences[i] for i in chosen])
        begun = None if start is None else records.first(start, len(chosen))
        states = net.forward(x, begun, lengths)
        start, largest = states.ends(lengths), states.outputs.argmax(-1)
        for lane, i in enumerate(chosen):
            found[i] = largest[: lengths[lane], lane]
    return [found[i] for i in range(every)]
