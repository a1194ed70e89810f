"""Words as whole numbers: the unknown word first, its classes, then the words by frequency.

A word that the training has not seen is the unknown word; with `suffix` letters it is one of its
classes instead, which keep what its end and its first letter tell of its part of speech (Brants,
TnT - a statistical part-of-speech tagger, ANLP 2000, section 2.3).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError

UNKNOWN = "<unknown>"
LEAST_IN_CLASS = 3  # distinct words of the training; a class of fewer is learnt from too little
DIGIT = re.compile(r"\d")


class Folding(NamedTuple):
    """What of a word's spelling counts.

    lower    a capital is its small letter
    digits   every digit is a 0, so that 1998 and 2007 are one word (Collobert et al., Natural
             language processing (almost) from scratch, JMLR 2011, section 6.3)
    suffix   of an unknown word, how many last letters name its class; 0 for one class
    """

    lower: bool = False
    digits: bool = True
    suffix: int = 0

    def word(self, word: str) -> str:
        """What is looked up: 1998 -> 0000.

        >>> Folding(lower=True).word("May-1998")
        'may-0000'
        """
        word = word.lower() if self.lower else word
        return DIGIT.sub("0", word) if self.digits else word

    def unknown(self, word: str) -> tuple[str, ...]:
        """The classes that a word may be taken for where it is not known, the nearest first.

        >>> Folding(suffix=3).unknown("Washington"), Folding().unknown("Washington")
        (('A~ton', 'A~'), ())
        """
        if not self.suffix:
            return ()
        digit = DIGIT.search(word)
        kind = "0" if digit else "A" if word[:1].isupper() else "a" if word.islower() else "-"
        end = DIGIT.sub("0", word.lower())[-self.suffix :]
        return f"{kind}~{end}", f"{kind}~"


class Vocabulary:
    """Words and their numbers 0 ... size - 1: the unknown word, its classes, the words.

    words     known words as they are looked up, the commonest first, equally common ones in order
              of their letters
    classes   of unknown words, in the same order; () without suffixes
    folding   what of the spelling counts

    >>> vocabulary = Vocabulary.of(["the cat saw the dog".split()])
    >>> vocabulary.words
    ('the', 'cat', 'dog', 'saw')
    >>> vocabulary.encode(["the", "dog", "barked"]).tolist(), vocabulary.decode([1, 3, 0])
    ([1, 3, 0], ['the', 'dog', '<unknown>'])
    """

    def __init__(
        self, words: Sequence[str], classes: Sequence[str] = (), folding: Folding | None = None
    ) -> None:
        self.words, self.classes = tuple(words), tuple(classes)
        self.folding = folding or Folding()
        first = 1 + len(self.classes)
        self._class = {name: number for number, name in enumerate(self.classes, 1)}
        self._word = {name: number for number, name in enumerate(self.words, first)}
        if len(self._word) < len(self.words) or len(self._class) < len(self.classes):
            raise UserError("a vocabulary has every word once: one comes twice")

    @classmethod
    def of(
        cls,
        texts: Iterable[Sequence[str]],
        folding: Folding | None = None,
        least: int = 1,
        most: int | None = None,
    ) -> "Vocabulary":
        """The vocabulary of a training's words.

        texts   sentences or whole texts, each a list of words
        least   how often a word must occur to be known
        most    how many words are known, the commonest; None for all

        Its classes are those that at least LEAST_IN_CLASS distinct words belong to. Raises
        UserError, one line, for a limit that is none.
        """
        folding = folding or Folding()
        given.whole("least", least, "be a whole number from 1 on", 1)
        given.whole("suffix", folding.suffix, "be a number of letters from 0 to 9", 0, 9)
        if most is not None:
            given.whole("most", most, "be a whole number from 1 on, or None", 1)
        seen = Counter(word for text in texts for word in text)
        count: Counter[str] = Counter()
        for word, times in seen.items():
            count[folding.word(word)] += times
        classes = Counter(name for word in seen for name in folding.unknown(word))
        return cls(
            [word for word in _ordered(count) if count[word] >= least][:most],
            [name for name in _ordered(classes) if classes[name] >= LEAST_IN_CLASS],
            folding,
        )

    @property
    def size(self) -> int:
        """How many numbers there are: the rows of an embedding."""
        return 1 + len(self.classes) + len(self.words)

    def knows(self, word: str) -> bool:
        """Whether the word has a number of its own."""
        return self.folding.word(word) in self._word

    def encode(self, words: Iterable[str]) -> np.ndarray:
        """The numbers of words, int64 (n,); an unknown word has that of its class."""
        known, folded = self._word, self.folding.word
        found = ((known.get(folded(word)), word) for word in words)
        numbers = [self._unknown(word) if one is None else one for one, word in found]
        return np.array(numbers, np.int64)

    def encode_unknown(self, words: Iterable[str]) -> np.ndarray:
        """The numbers (n,) that words have where none of them is known: for dropout."""
        return np.array([self._unknown(word) for word in words], np.int64)

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The words of numbers, as they are looked up. Raises UserError for a number of none."""
        names = (UNKNOWN, *self.classes, *self.words)
        found = [int(number) for number in numbers]
        if wrong := [number for number in found if not 0 <= number < len(names)]:
            raise UserError(f"word number {wrong[0]}: the vocabulary has 0 to {len(names) - 1}")
        return [names[number] for number in found]

    def to_json(self) -> dict[str, Any]:
        """What a saved model keeps: `from_json` makes the same vocabulary of it."""
        return {
            "words": [*self.words], "classes": [*self.classes], "folding": self.folding._asdict(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, found: Any) -> "Vocabulary":
        """The vocabulary of `to_json`. Raises UserError, one line, for anything else."""
        try:
            folding = Folding(**found["folding"])
            words, classes = found["words"], found["classes"]
        except (TypeError, KeyError, IndexError) as error:
            raise UserError(f"no vocabulary: {type(error).__name__} {error}") from None
        if not all(_are_texts(names) for names in (words, classes)):
            raise UserError("no vocabulary: words and classes must be lists of texts")
        if (type(folding.lower), type(folding.digits)) != (bool, bool):
            raise UserError("no vocabulary: lower and digits must be true or false")
        given.whole("suffix", folding.suffix, "be a number of letters from 0 to 9", 0, 9)
        return cls(words, classes, folding)

    def _unknown(self, word: str) -> int:
        classes = self._class
        for name in self.folding.unknown(word) if classes else ():
            if name in classes:
                return classes[name]
        return 0


def _ordered(count: Counter[str]) -> list[str]:
    """The commonest first, equally common ones in order of their letters."""
    return sorted(count, key=lambda name: (-count[name], name))


def _are_texts(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
