"""Tagged sentences as what a training learns from, and how it reads them."""

import math

import numpy as np

from gradlab.learning import records
from gradlab.learning.sequences import Sequences, at_place, padded


def sequences(coded, word_dropout=0.0):
    """`Coded` sentences as `Sequences`; at each update a word is unknown with this probability."""
    return Sequences(coded.words, coded.tags, coded.unknown, word_dropout)


def classes_in_order(net, sentences, batch):
    """As `gradlab.tagging.tagger.classes`, the state carried from sentence to sentence.

    As a training with `carry` reads on: `batch` lanes, each of a part of the sentences.
    """
    every, found, start = len(sentences), {}, None
    for place in range(math.ceil(every / batch)):
        chosen = at_place(every, place, batch)
        own = [sentences[i] for i in chosen]
        lengths = np.array([len(words) for words in own])
        begun = None if start is None else records.first(start, len(chosen))
        states = net.forward(padded(own, 0), begun, lengths)
        start, largest = states.ends(lengths), states.outputs.argmax(-1)
        for lane, i in enumerate(chosen):
            found[i] = largest[: lengths[lane], lane]
    return [found[i] for i in range(every)]
