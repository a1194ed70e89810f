"""Agreement at a distance: a verb has its noun's number, whatever stands between them.

    the keys near the old cabinet are in the drawer .

With k words between the noun and its verb, what decides the verb lies k + 1 steps before it. The
nouns in between have numbers of their own and mislead whoever goes by the nearest one. Source:
Linzen, Dupoux and Goldberg, Assessing the ability of LSTMs to learn syntax-sensitive dependencies,
TACL 4, 2016: number prediction, the words before a verb and its number as the target.
"""

from typing import NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import one_of
from gradlab.text.conllu import Sentence
from gradlab.text.vocabulary import Vocabulary

# A noun, more of it, and where it is found: (preposition, place).
NOUNS = (
    ("cloud", "clouds", "in", "sky"),
    ("star", "stars", "in", "sky"),
    ("ship", "ships", "on", "sea"),
    ("boat", "boats", "on", "river"),
    ("key", "keys", "in", "drawer"),
    ("book", "books", "on", "shelf"),
    ("flower", "flowers", "in", "garden"),
    ("tree", "trees", "in", "park"),
    ("child", "children", "at", "school"),
    ("teacher", "teachers", "at", "school"),
    ("car", "cars", "in", "street"),
    ("house", "houses", "on", "hill"),
    ("cow", "cows", "in", "field"),
    ("mouse", "mice", "in", "cellar"),
    ("farmer", "farmers", "at", "market"),
    ("picture", "pictures", "on", "wall"),
)
VERBS = (("is", "are"), ("was", "were"))  # one, more than one
ADJECTIVES = ("old", "new", "small", "large", "dark", "white", "quiet", "distant")
PREPOSITIONS = ("near", "behind", "beside", "above", "beyond")
PLACES = ("here", "there", "outside", "nearby")  # between them where k = 1
NAMES = ("London", "Paris", "Spain", "Canada")  # from Spain: where k = 2
MOST = 10**6  # sentences of a running text: 7.5 million words, half a minute
BETWEEN = ("any", "same", "other")
NUMBERS = ("singular", "plural")  # the classes 0 and 1


class Agreement(NamedTuple):
    """A sentence, and what of it agrees.

    sentence   its words, in small letters but for names, and their tags
    noun       the place of the noun among them
    verb       the place of the verb
    number     0 for a singular, 1 for a plural
    forms      the verb's form in the singular and in the plural
    nearest    the number of the last noun before the verb
    """

    sentence: Sentence
    noun: int
    verb: int
    number: int
    forms: tuple[str, str]
    nearest: int

    @property
    def before(self) -> tuple[str, ...]:
        """The words before the verb: at the last of them its number is to be told."""
        return self.sentence.words[: self.verb]

    @property
    def targets(self) -> tuple[str | None, ...]:
        """For `before`: None, but the verb's number at the last word, one of NUMBERS."""
        return (None,) * (self.verb - 1) + (NUMBERS[self.number],)


def vocabulary() -> Vocabulary:
    """The words of all these sentences, also of distances that a training does not see.

    >>> vocabulary().size
    78
    """
    nouns = [word for noun in NOUNS for word in noun]
    verbs = [form for forms in VERBS for form in forms]
    rest = ("the", ".", "from", *ADJECTIVES, *PREPOSITIONS, *PLACES, *NAMES)
    return Vocabulary.of([nouns, verbs, rest])


def sample(
    rng: np.random.Generator, between: int, count: int, attractors: str = "any"
) -> list[Agreement]:
    """Sentences with `between` words from the noun to its verb, with either number as likely.

    between      k; from 3 on nouns stand among them, and adjectives where k is no multiple of 3
    count        how many sentences
    attractors   the number of those nouns: drawn (any), the first one's (same) or not (other)

    Raises UserError, one line, for what is none of these.

    >>> (one,) = sample(np.random.default_rng(1), between=4, count=1, attractors="other")
    >>> " ".join(one.sentence.words)
    'the child beyond the old ships was at the school .'
    >>> one.noun, one.verb, one.targets[-2:]
    (1, 6, (None, 'singular'))
    """
    given.whole("between", between, "be a whole number of words from 0 on", 0)
    given.whole("count", count, "be a whole number of sentences from 0 on", 0)
    one_of("attractors", attractors, BETWEEN)
    return [_one(rng, between, attractors) for _ in range(count)]


def text(rng: np.random.Generator, sentences: int, between: int = 4) -> list[str]:
    """The words of a running text of such sentences, with 0 to `between` words between.

    >>> " ".join(text(np.random.default_rng(3), 2))
    'the ship beside the quiet mouse is on the sea . the book is on the shelf .'
    """
    given.whole("between", between, "be a whole number of words from 0 on", 0)
    given.whole("sentences", sentences, f"be a whole number from 0 to {MOST}", 0, MOST)
    found = [_one(rng, int(rng.integers(between + 1)), "any") for _ in range(sentences)]
    return [word for one in found for word in one.sentence.words]


def _one(rng: np.random.Generator, between: int, attractors: str) -> Agreement:
    number = int(rng.integers(2))
    noun = NOUNS[rng.integers(len(NOUNS))]
    forms = VERBS[rng.integers(len(VERBS))]
    middle, nearest = _middle(rng, between, number, attractors)
    words = [("the", "DET"), (noun[number], "NOUN"), *middle, (forms[number], "AUX")]
    where = [(noun[2], "ADP"), ("the", "DET"), (noun[3], "NOUN"), (".", "PUNCT")]
    spelt, tags = zip(*words, *where, strict=True)
    return Agreement(Sentence(spelt, tags), 1, len(words) - 1, number, forms, nearest)


def _middle(rng, between, number, attractors):
    """(words with tags, the number of the last noun) of what stands between."""
    if between == 1:
        return [(_of(rng, PLACES), "ADV")], number
    if between == 2:
        return [("from", "ADP"), (_of(rng, NAMES), "PROPN")], number
    phrases = between // 3
    extra = [between % 3 if phrase == phrases - 1 else 0 for phrase in range(phrases)]
    words, nearest = [], number
    for adjectives in extra:
        nearest = {"any": int(rng.integers(2)), "same": number, "other": 1 - number}[attractors]
        kinds = [(_of(rng, ADJECTIVES), "ADJ") for _ in range(adjectives)]
        noun = NOUNS[rng.integers(len(NOUNS))][nearest]
        words += [(_of(rng, PREPOSITIONS), "ADP"), ("the", "DET"), *kinds, (noun, "NOUN")]
    return words, nearest


def _of(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[rng.integers(len(words))]
