"""A treebank to learn from and one to be judged on, and the words between them."""

from typing import NamedTuple

from gradlab.errors import UserError
from gradlab.text import conllu, samples
from gradlab.text.batches import coded
from gradlab.text.conllu import TAGS
from gradlab.text.vocabulary import Folding, Vocabulary

HELD_OUT = 10  # of a corpus that has no dev file every tenth sentence is judged on


class Corpus(NamedTuple):
    """Sentences to learn from and to be judged on, the vocabulary, and both as numbers."""

    train: list
    dev: list
    vocabulary: Vocabulary
    numbers: tuple

    @classmethod
    def read(cls, corpus=None, dev_corpus=None, *, lower=False, suffix=3):
        """What two files in CoNLL-U hold.

        corpus         a path; None: the sentences that come with gradlab
        dev_corpus     a path; None: those that come along, or of a `corpus` every tenth sentence,
                       which is then not learnt from
        lower, suffix  see `gradlab.text.vocabulary.Folding`

        Raises UserError, one line, for a file that is none.

        >>> corpus = Corpus.read(lower=True)
        >>> len(corpus.train), len(corpus.dev), corpus.vocabulary.size
        (319, 63, 866)
        """
        train, dev = _read(corpus, dev_corpus)
        folding = Folding(lower=lower, suffix=suffix)
        vocabulary = Vocabulary.of([sentence.words for sentence in train], folding)
        numbers = tuple(coded(part, vocabulary, TAGS) for part in (train, dev))
        return cls(train, dev, vocabulary, numbers)

    @property
    def known(self) -> set:
        """The words that the training sees."""
        return {word for sentence in self.train for word in sentence.words}


def _read(corpus, dev_corpus):
    """(sentences to learn from, sentences to be judged on)."""
    every = conllu.read(samples.path("train.conllu") if corpus is None else corpus)
    if dev_corpus is not None or corpus is None:
        dev = samples.path("dev.conllu") if dev_corpus is None else dev_corpus
        return every, conllu.read(dev)
    dev = every[HELD_OUT - 1 :: HELD_OUT]
    if not dev:
        raise UserError(f"corpus={corpus}: {len(every)} sentences, {HELD_OUT} are needed for dev")
    return [s for i, s in enumerate(every) if i % HELD_OUT != HELD_OUT - 1], dev
