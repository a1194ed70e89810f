"""What counting predicts: n-grams with interpolated Kneser-Ney smoothing.

The highest order has the counts of the text, c(h w). In each lower one a word counts as often as
there are distinct words before it, so that Francisco is likely after San alone. Of the order whose
context h has n words

    p_n(w | h) = max(c(h w) - D, 0) / c(h .) + D N(h .) / c(h .)  p_{n-1}(w | h without its first)

N(h .) distinct words follow h, D = n_1 / (n_1 + 2 n_2) with n_k the number of n-grams that count k,
and below the single words stands 1/size. Source: Kneser and Ney, Improved backing-off for m-gram
language modeling, ICASSP 1995, as interpolated in Chen and Goodman, An empirical study of smoothing
techniques for language modeling, Computer Speech and Language 13, 1999, section 2.7.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError

Followers = dict[tuple[int, ...], dict[int, int]]  # {context: {word: count}}


class Level(NamedTuple):
    """One order: what follows each context, {context: {word: count}}, and its discount D."""

    followers: Followers
    discount: float


class KneserNey:
    """A language model of numbers 0 ... size - 1 that looks at the last order - 1 of them.

    >>> model = KneserNey([0, 1, 0, 1, 0, 2], order=2, size=3)
    >>> model.distribution([0]).round(3).tolist()
    [0.044, 0.644, 0.311]
    """

    def __init__(self, numbers: Sequence[int] | np.ndarray, order: int, size: int) -> None:
        """Count a text.

        numbers   (n,) the words of the training
        order     words of an n-gram: 1 looks at no context, 3 at two words
        size      of the vocabulary

        Raises UserError for a text without words, and for a number that is no word.
        """
        self.order = given.whole("order", order, "be a whole number of words from 1 on", 1)
        self.size = given.whole("size", size, "be a whole number from 1 on", 1)
        text = self._checked(numbers)
        if not text:
            raise UserError("no words: n-grams are counted in a text")
        self.levels = [_level(followers) for followers in _counted(text, self.order)]

    def distribution(self, context: Sequence[int] | np.ndarray) -> np.ndarray:
        """(size,) the probability of each next word; of the context the last order - 1 count."""
        found = np.full(self.size, 1 / self.size)
        for followers, discount in self._seen(self._checked(context)):
            total = sum(followers.values())
            found *= discount * len(followers) / total
            for word, count in followers.items():
                found[word] += (count - discount) / total
        return found

    def log_probabilities(
        self, numbers: Sequence[int] | np.ndarray, context: Sequence[int] | np.ndarray = ()
    ) -> np.ndarray:
        """(n,) natural logarithms of each word's probability after all words before it.

        context   words that stand before the first one
        """
        before = self._checked(context)
        text = before + self._checked(numbers)
        first = len(before)
        return np.log([self._probability(text, at) for at in range(first, len(text))])

    def _probability(self, text: list[int], at: int) -> float:
        found = 1 / self.size
        for followers, discount in self._seen(text[max(0, at - self.order + 1) : at]):
            total = sum(followers.values())
            count = followers.get(text[at], 0)
            found = max(count - discount, 0) / total + discount * len(followers) / total * found
        return found

    def _seen(self, context: list[int]):
        """(what follows, D) of the context's ends that were seen, the shortest first."""
        for length, (followers, discount) in enumerate(self.levels):
            if length > len(context):
                return
            known = followers.get(tuple(context[len(context) - length :]))
            if known is None:  # then no longer one was seen
                return
            yield known, discount

    def _checked(self, numbers: Sequence[int] | np.ndarray) -> list[int]:
        found = np.asarray(numbers, np.int64).tolist()
        if wrong := [number for number in found if not 0 <= number < self.size]:
            raise UserError(f"word number {wrong[0]}: the vocabulary has 0 to {self.size - 1}")
        return found


def perplexity(log_probabilities: np.ndarray) -> float:
    """exp(-mean of natural logarithms): among how many equally likely words it is to choose.

    >>> round(perplexity(np.log([0.5, 0.125])), 12)
    4.0
    """
    return float(np.exp(-np.mean(log_probabilities)))


def _counted(text: list[int], order: int) -> list[Followers]:
    """Followers of contexts of 0, 1, ..., order - 1 words; of each shorter one distinct ones."""
    levels: list[Followers] = [{} for _ in range(order)]
    for end in range(order, len(text) + 1):
        _add(levels[-1], tuple(text[end - order : end - 1]), text[end - 1])
    for length in range(order - 1, 0, -1):
        for context, followers in levels[length].items():
            for word in followers:
                _add(levels[length - 1], context[1:], word)
    if not levels[0]:  # a text that is shorter than an n-gram
        for word in text:
            _add(levels[0], (), word)
    return levels


def _add(followers: Followers, context: tuple[int, ...], word: int) -> None:
    known = followers.setdefault(context, {})
    known[word] = known.get(word, 0) + 1


def _level(followers: Followers) -> Level:
    counts = [count for known in followers.values() for count in known.values()]
    once, twice = counts.count(1), counts.count(2)
    # Where nothing was seen once, as among letters, D would be 0 and the unseen impossible.
    return Level(followers, once / (once + 2 * twice) if once else 0.5)
