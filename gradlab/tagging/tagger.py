"""A tagger: numbers of words -> embedding -> RNN, LSTM or GRU -> linear -> the largest of 17.

Of the log-softmax over the tags the largest is the largest output, so tagging needs no softmax.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab import files
from gradlab.errors import UserError
from gradlab.learning.sequences import padded
from gradlab.models import own, safetensors
from gradlab.nets.network import Network
from gradlab.text.batches import by_length
from gradlab.text.conllu import TAGS
from gradlab.text.vocabulary import Vocabulary

METADATA = "gradlab.vocabulary"
BATCH = 256  # sentences that are tagged at a time
STEPS = 2**14  # of them with their padding: a page without an end among lines took 7 GB


class Tagger(NamedTuple):
    """A network with an embedding of a vocabulary's words, and an output for each of TAGS.

    net          a `gradlab.Network`
    vocabulary   a `gradlab.text.vocabulary.Vocabulary`: number i is row i of the embedding

    >>> vocabulary = Vocabulary.of([["Rain", "falls", "."]])
    >>> net = Network.draw("lstm", inputs=vocabulary.size, embedding=4, hidden=8, outputs=17)
    >>> [len(tags) for tags in Tagger(net, vocabulary).tags([["Rain"], ["Snow", "falls"]])]
    [1, 2]
    """

    net: Network
    vocabulary: Vocabulary

    def tags(self, sentences: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
        """A tag for each word of each sentence, a list of words as a treebank cuts them.

        Raises UserError for a text, whose letters would be taken for words.
        """
        sentences = [sentences] if isinstance(sentences, str) else list(sentences)
        if texts := [one for one in sentences if isinstance(one, str)]:
            right = "must be a list of words: gradlab.text.english.words cuts a text"
            raise UserError(f"sentence {texts[0]!r} {right}")
        coded = [self.vocabulary.encode(words) for words in sentences]
        return [tuple(TAGS[number] for number in found) for found in classes(self.net, coded)]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .safetensors file: what `Network.save` writes, and the vocabulary beside it.

        Raises UserError, one line, for a path that cannot be written.
        """
        self.net.save(path)
        place = files.expanded(path)
        arrays, metadata = safetensors.read(place)
        kept = {own.NETWORK: metadata[own.NETWORK]}
        said = json.dumps(self.vocabulary.to_json(), ensure_ascii=False)
        safetensors.write(place, arrays, kept | {METADATA: said})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Tagger":
        """The tagger in a file that `save` wrote.

        Raises UserError, one line, for every other file, also one whose vocabulary and network do
        not fit together.
        """
        place = files.expanded(path)
        metadata = safetensors.look(place)[1]
        if METADATA not in metadata:
            raise UserError(f"{path} holds no tagger: its metadata have no vocabulary")
        try:
            vocabulary = Vocabulary.from_json(json.loads(metadata[METADATA]))
        except (ValueError, RecursionError, UserError) as error:
            raise UserError(f"{path} holds no tagger: {error}") from None
        net = Network.load(place)
        sizes = len(net.weights.get("embedding", ())), len(net.weights["c"])
        if sizes != (vocabulary.size, len(TAGS)):
            raise UserError(
                f"{path} holds no tagger: {sizes[0]} words and {sizes[1]} outputs, not "
                f"{vocabulary.size} and {len(TAGS)}"
            )
        if not all(np.isfinite(own).all() for own in net.weights.values()):
            raise UserError(f"{path} holds no tagger: weights that are not finite")
        return cls(net, vocabulary)


def classes(net: Network, sentences: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of each sentence, an array of word numbers (T,), the numbers of its tags (T,)."""
    found = [np.zeros(0, np.int64)] * len(sentences)
    lengths = np.array([len(words) for words in sentences])
    there = np.flatnonzero(lengths)
    for places in by_length(lengths[there], BATCH, STEPS):
        tags = _classes(net, [sentences[i] for i in there[places]])
        for place, one in zip(there[places], tags, strict=True):
            found[place] = one
    return found


def _classes(net, sentences):
    """The same of sentences that run side by side."""
    lengths = np.array([len(words) for words in sentences])
    largest = net.forward(padded(sentences, 0), lengths=lengths).outputs.argmax(-1)
    return [largest[:length, lane] for lane, length in enumerate(lengths)]


def shipped() -> Path:
    """The file of the tagger that comes with gradlab, an LSTM in both directions.

    What made it, from the sentences that come along:

        cd gradlab; gradlab tag --learn text/data/train.conllu --dev text/data/dev.conllu \
            --lower --epochs 20 --batch 8 --hidden 32 --model tagging/english.safetensors
    """
    return Path(__file__).with_name("english.safetensors")
