"""How many words got their tag: by tag, for unknown words apart, and what was taken for what."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError, one_of
from gradlab.text.conllu import TAGS, Sentence


class Score(NamedTuple):
    """Counts (17, 17) of words whose tag is the row and that got the column, in the order of TAGS.

    known     words that the training has seen
    unknown   all others
    """

    known: np.ndarray
    unknown: np.ndarray

    @property
    def confusion(self) -> np.ndarray:
        """(17, 17) of all words."""
        return self.known + self.unknown

    @property
    def accuracy(self) -> float:
        """Share of all words that got their tag; nan of none."""
        return _share(self.confusion)

    @property
    def unknown_accuracy(self) -> float:
        """The same of unknown words."""
        return _share(self.unknown)

    @property
    def unknown_share(self) -> float:
        """Share of words that are unknown; nan of none."""
        every = self.confusion.sum()
        return float(self.unknown.sum() / every) if every else float("nan")

    def by_tag(self) -> dict[str, float]:
        """Of the words with each tag the share that got it (recall); nan where none has it."""
        return {tag: _share(self.confusion[k], k) for k, tag in enumerate(TAGS)}


def score(
    sentences: Iterable[Sentence], found: Iterable[Sequence[str]], known: Collection[str]
) -> Score:
    """The `Score` of the tags that were found for sentences.

    found   of each sentence a tag for each word
    known   the words of the training, as they are spelt

    Raises UserError where they are not as many, and for a tag that is none.

    >>> rain = Sentence(("Rain", "falls"), ("NOUN", "VERB"))
    >>> one = score([rain], [("NOUN", "NOUN")], known={"Rain"})
    >>> one.accuracy, one.unknown_accuracy, one.by_tag()["NOUN"]
    (0.5, 0.0, 1.0)
    """
    place = {tag: k for k, tag in enumerate(TAGS)}
    counts = np.zeros((2, len(TAGS), len(TAGS)), np.int64)
    for sentence, tags in zip(sentences, found, strict=True):
        if len(tags) != len(sentence.words):
            raise UserError(f"{len(tags)} tags for {len(sentence.words)} words")
        for word, right, tag in zip(*sentence, tags, strict=True):
            if tag not in place:
                raise UserError(f"tag {tag!r}: must be one of {', '.join(TAGS)}")
            counts[int(word not in known), place[right], place[tag]] += 1
    return Score(*counts)


class Commonest(NamedTuple):
    """The baseline of taggers: each word has its commonest tag, whatever stands around it.

    table     {word: tag}, words as they are spelt; of equally common tags the first in TAGS
    unknown   the tag of all other words. As a name is what is met for the first time most often,
              PROPN: 86.9 % of the words of UD English EWT's dev part are right, 86.1 % with NOUN,
              which is the commonest tag of words that the training has once
    """

    table: dict[str, str]
    unknown: str = "PROPN"

    @classmethod
    def of(cls, sentences: Iterable[Sentence], unknown: str = "PROPN") -> "Commonest":
        """The table of a training's sentences. Raises UserError where there is no word."""
        count: dict[str, Counter[str]] = {}
        for sentence in sentences:
            for word, tag in zip(*sentence, strict=True):
                count.setdefault(word, Counter())[tag] += 1
        if not count:
            raise UserError("no words: a table of commonest tags needs some")
        table = {word: max(TAGS, key=tags.__getitem__) for word, tags in count.items()}
        return cls(table, one_of("unknown", unknown, TAGS))

    def tags(self, words: Iterable[str]) -> tuple[str, ...]:
        """A tag for each word.

        >>> Commonest({"the": "DET"}, "NOUN").tags(["the", "cat"])
        ('DET', 'NOUN')
        """
        return tuple(self.table.get(word, self.unknown) for word in words)


def _share(counts: np.ndarray, right: int | None = None) -> float:
    hits = np.trace(counts) if right is None else counts[right]
    every = counts.sum()
    return float(hits / every) if every else float("nan")
