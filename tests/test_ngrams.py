"""Running texts, n-grams, and sentences whose verb agrees with a noun far away."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.errors import UserError
from gradlab.text import agreement, batches, running, samples
from gradlab.text.ngrams import KneserNey, perplexity
from gradlab.text.vocabulary import Folding, Vocabulary

# Running text


def test_the_shipped_text_as_words_and_as_characters():
    text = samples.path("opticks.txt").read_text("utf-8")
    characters = running.read(samples.path("opticks.txt"), "character")
    assert "".join(characters) == text == running.joined(characters, "character")
    assert text.isascii() and len(text) == 103_715
    words = running.read(samples.path("opticks.txt"))
    assert "".join(words) == re.sub(r"\s", "", text)
    train, test = running.parts(words, 0.1)
    assert [*train, *test] == words and len(test) == round(0.1 * len(words))


def test_words_keep_what_joins_them():
    text = "Don\u2019t (she said): 1,000 twenty-one a_b caf\u00e9!"
    words = ["Don\u2019t", "(", "she", "said", ")", ":", "1,000", "twenty-one"]
    assert running.pieces(text) == [*words, "a", "_", "b", "caf\u00e9", "!"]
    assert running.joined(running.pieces("It is (so) fine.")) == "It is (so) fine."


def test_what_stands_on_a_letter_is_of_its_word():
    words = [
        "\u0928\u092e\u0938\u094d\u0924\u0947",  # Hindi: namaste, vowels and a virama
        "cafe\u0301s",  # an accent apart, as macOS has it
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, a joiner within
        "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",  # Hebrew with points
        "-",
        "\u0301",
    ]
    assert running.pieces(" ".join(words)) == words


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no word in it"),
        (b" \n", "no word in it"),
        (b"good\nb\xffd", ":2: not in UTF-8"),
        (b"\x1f\x8b", "compressed by gzip"),
        ("text".encode("utf-16"), "in UTF-16"),
    ],
)
def test_a_text_of_another_kind_is_told(tmp_path, content, said):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        running.read(path)


def test_a_mark_and_line_ends_do_not_count(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("\ufeffa\r\nb".encode())
    assert running.read(path, "character") == ["a", "\n", "b"]


def test_wrong_units_and_shares_are_told():
    with pytest.raises(UserError, match="unit must be one of word, character"):
        running.pieces("a", "syllable")
    for share in (0, 1, -1, "half", 0.001):
        with pytest.raises(UserError, match="held_out="):
            running.parts(["a", "b"], share)


# n-grams


def naive(text, context, word, order, size):
    """p(w | h) by the page: counts by searching the text, Chen and Goodman 1999, section 2.7."""
    grams = [tuple(text[k : k + order]) for k in range(len(text) - order + 1)]

    def counts(n):
        """{n-gram: its count}: of the highest order in the text, else of distinct words before."""
        if n == order:
            return {gram: grams.count(gram) for gram in {*grams}}
        longer = [gram[1:] for gram in counts(n + 1)]
        return {gram: longer.count(gram) for gram in {*longer}}

    def p(n, h):
        if n == 0:
            return 1 / size
        known = counts(n)
        values = [*known.values()]
        once, twice = values.count(1), values.count(2)
        discount = once / (once + 2 * twice) if once else 0.5
        after = {gram[-1]: count for gram, count in known.items() if gram[:-1] == h}
        lower = p(n - 1, h[1:])
        if not after:
            return lower
        total = sum(after.values())
        own = max(after.get(word, 0) - discount, 0) / total
        return own + discount * len(after) / total * lower

    return p(min(order, len(context) + 1), tuple(context[-(order - 1) :] if order > 1 else ()))


@given(
    st.lists(st.integers(0, 3), min_size=4, max_size=14),
    st.lists(st.integers(0, 4), max_size=4),
    st.integers(1, 4),
)
def test_probabilities_are_those_of_the_page_and_add_up(text, context, order):
    model = KneserNey(text, order, 5)
    found = model.distribution(context)
    right = [naive(text, context, word, order, 5) for word in range(5)]
    assert np.allclose(found, right, rtol=1e-12, atol=0) and math.isclose(found.sum(), 1)
    assert (found > 0).all()
    one = [model.log_probabilities([word], context)[0] for word in range(5)]
    assert np.allclose(np.exp(one), found, rtol=1e-12, atol=0)


def test_a_context_is_carried_from_word_to_word():
    model = KneserNey([0, 1, 2, 0, 1, 3, 0, 1, 2], 3, 4)
    whole = model.log_probabilities([0, 1, 2, 0])
    parts = [model.log_probabilities([0, 1]), model.log_probabilities([2, 0], [0, 1])]
    assert np.array_equal(whole, np.concatenate(parts))
    assert np.isclose(perplexity(whole), np.exp(-whole.mean()))


def test_longer_contexts_help_and_nonsense_does_not():
    words = running.read(samples.path("opticks.txt"))
    train, test = running.parts(words)
    vocabulary = Vocabulary.of([train], Folding(lower=True), least=2)
    numbers, judged = vocabulary.encode(train), vocabulary.encode(test)
    found = [
        perplexity(KneserNey(numbers, order, vocabulary.size).log_probabilities(judged))
        for order in (1, 2, 3)
    ]
    assert found[2] < found[1] < 0.7 * found[0]
    assert found[0] < vocabulary.size / 4
    shuffled = np.random.default_rng(0).permutation(judged)
    model = KneserNey(numbers, 2, vocabulary.size)
    assert perplexity(model.log_probabilities(shuffled)) > 3 * found[1]


def test_a_text_shorter_than_an_n_gram_still_counts():
    assert KneserNey([1, 1], 3, 2).distribution([]).argmax() == 1
    with pytest.raises(UserError, match="no words"):
        KneserNey([], 1, 2)
    with pytest.raises(UserError, match="word number 2: the vocabulary has 0 to 1"):
        KneserNey([2], 1, 2)
    with pytest.raises(UserError, match="order must"):
        KneserNey([0], 0, 2)


# Agreement

PLURAL = {forms[number]: number for forms in agreement.VERBS for number in (0, 1)}
NOUN = {noun[number]: number for noun in agreement.NOUNS for number in (0, 1)}


@pytest.mark.parametrize("between", [0, 1, 2, 3, 4, 5, 6, 11, 30])
def test_as_many_words_stand_between_and_the_verb_agrees(between):
    found = agreement.sample(np.random.default_rng(between), between, 50)
    for one in found:
        words, tags = one.sentence
        assert one.verb - one.noun - 1 == between and len(words) == len(tags)
        assert NOUN[words[one.noun]] == one.number == PLURAL[words[one.verb]]
        assert one.forms[one.number] == words[one.verb]
        assert one.before == words[: one.verb]
        assert one.targets == (None,) * (one.verb - 1) + (agreement.NUMBERS[one.number],)
        nouns = [NOUN[word] for word in words[: one.verb] if word in NOUN]
        assert nouns[0] == one.number and nouns[-1] == one.nearest
        assert len(nouns) == 1 + between // 3 and (tags[one.noun], tags[one.verb]) == (
            "NOUN",
            "AUX",
        )
    assert 10 < sum(one.number for one in found) < 40


def test_the_number_is_asked_for_at_the_last_word_before_the_verb():
    vocabulary = agreement.vocabulary()
    found = [one for k in range(9) for one in agreement.sample(np.random.default_rng(k), k, 9)]
    assert all(vocabulary.knows(word) for one in found for word in one.sentence.words)
    pairs = [(one.before, one.targets) for one in found]
    coded = batches.coded(pairs, vocabulary, agreement.NUMBERS)
    assert [len(words) for words in coded.words] == [one.verb for one in found]
    for one, tags in zip(found, coded.tags, strict=True):
        assert tags[-1] == one.number and (tags[:-1] == batches.IGNORED).all()


def test_nouns_between_mislead_as_asked():
    rng = np.random.default_rng(0)
    assert all(one.nearest == one.number for one in agreement.sample(rng, 9, 40, "same"))
    assert all(one.nearest != one.number for one in agreement.sample(rng, 9, 40, "other"))
    share = np.mean([one.nearest == one.number for one in agreement.sample(rng, 9, 400)])
    assert 0.4 < share < 0.6
    with pytest.raises(UserError, match="attractors must be one of any, same, other"):
        agreement.sample(rng, 3, 1, "near")
    with pytest.raises(UserError, match="between must"):
        agreement.sample(rng, -1, 1)


def test_the_clouds_are_in_the_sky():
    words = agreement.text(np.random.default_rng(0), 300)
    assert words.count(".") == 300
    vocabulary = Vocabulary.of([words])
    model = KneserNey(vocabulary.encode(words), 5, vocabulary.size)
    next_word = model.distribution(vocabulary.encode(["the", "clouds", "are", "in", "the"]))
    assert vocabulary.decode([next_word.argmax()]) == ["sky"]
