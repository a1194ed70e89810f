"""Vocabulary, batches and the table of commonest tags: words as integers and back."""

import doctest
import importlib
import itertools
import json
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab import text
from gradlab.errors import UserError
from gradlab.text import batches, conllu, english, samples, scores
from gradlab.text.batches import IGNORED
from gradlab.text.conllu import TAGS, Sentence
from gradlab.text.vocabulary import LEAST_IN_CLASS, Folding, Vocabulary

MODULES = [f"gradlab.text.{module.name}" for module in pkgutil.iter_modules(text.__path__)]
TRAIN = conllu.read(samples.path("train.conllu"))
DEV = conllu.read(samples.path("dev.conllu"))
FOLDING = Folding(suffix=3)
VOCABULARY = Vocabulary.of([sentence.words for sentence in TRAIN], FOLDING)
CODED = batches.coded(TRAIN, VOCABULARY, TAGS)
LENGTHS = np.array([len(sentence.words) for sentence in TRAIN])


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_documentation_run(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert not failed


# English


@pytest.mark.parametrize("name", ["train.conllu", "dev.conllu"])
def test_a_text_is_cut_as_its_treebank_has_it(name):
    lines = samples.path(name).read_text("utf-8").splitlines()
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text")]
    for line, sentence in zip(texts, conllu.read(samples.path(name)), strict=True):
        assert english.words(line) == [*sentence.words]
        assert english.words(" ".join(sentence.words)) == [*sentence.words]


@pytest.mark.parametrize(
    ("spelt", "words"),
    [
        ("", ""),
        ("(", "("),
        ('"Really?!", he asked...', '" Really ? ! " , he asked ...'),
        ("We can't, won't, cannot", "We ca n't , wo n't , can not"),
        ("It\u2019s $20 or 40%.", "It \u2019s $ 20 or 40 % ."),
        ("Mr. J. Smith (U.S.), etc.", "Mr. J. Smith ( U.S. ) , etc."),
        ("twenty-one 3.14 9:30", "twenty-one 3.14 9:30"),
        ("." * 10_000, "." * 10_000),
    ],
)
def test_marks_and_contractions_are_words(spelt, words):
    assert english.words(spelt) == words.split()


# Vocabulary


def test_the_commonest_word_comes_first_and_the_order_is_stable():
    texts = [["b", "a", "c", "a"], ["c", "d", "a", "b"]]
    assert Vocabulary.of(texts).words == ("a", "b", "c", "d")
    assert Vocabulary.of(texts[::-1]).words == ("a", "b", "c", "d")
    assert Vocabulary.of(texts, least=2).words == ("a", "b", "c")
    assert Vocabulary.of(texts, most=1).words == ("a",)
    assert Vocabulary.of(texts, most=1).encode("abd").tolist() == [1, 0, 0]


def test_what_is_folded_is_one_word():
    folded = Vocabulary.of([["The", "the", "1998", "2007"]], Folding(lower=True))
    assert folded.words == ("0000", "the") and folded.knows("THE") and folded.knows("1234")
    exact = Vocabulary.of([["The", "the", "1998"]], Folding(digits=False))
    assert exact.words == ("1998", "The", "the") and not exact.knows("2007")


def test_an_unknown_word_keeps_its_end_and_its_first_letter():
    words = ["walking", "talking", "sing", "Berlin", "Turin", "Dublin", "x1", "y2", "z3"]
    vocabulary = Vocabulary.of([words], FOLDING)
    assert vocabulary.classes == ("0~", "A~", "a~", "a~ing")
    numbers = vocabulary.encode(["jogging", "Rome", "jumped", "k9", "!", "sing"])
    classes = ["a~ing", "A~", "a~", "0~", "<unknown>", "sing"]
    assert vocabulary.decode(numbers) == classes
    assert vocabulary.decode(vocabulary.encode_unknown(["sing", "Berlin"])) == ["a~ing", "A~"]
    assert len([word for word in words if word.endswith("ing")]) == LEAST_IN_CLASS


@given(st.lists(st.text(max_size=5), max_size=20), st.booleans(), st.booleans(), st.integers(0, 3))
def test_a_vocabulary_comes_back_from_json(words, lower, digits, suffix):
    folding = Folding(lower, digits, suffix)
    vocabulary = Vocabulary.of([words], folding)
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert again.folding == folding
    assert (again.words, again.classes) == (vocabulary.words, vocabulary.classes)
    assert np.array_equal(again.encode([*words, "new"]), vocabulary.encode([*words, "new"]))
    assert vocabulary.decode(vocabulary.encode(words)) == [folding.word(word) for word in words]
    numbers = np.arange(vocabulary.size)
    first = 1 + len(vocabulary.classes)
    assert len(vocabulary.decode(numbers)) == vocabulary.size
    assert np.array_equal(vocabulary.encode(vocabulary.words), numbers[first:])


@pytest.mark.parametrize(
    "found",
    [
        None, [], {}, {"words": [], "classes": []},
        {"words": "ab", "classes": [], "folding": {}}, {"words": [1], "classes": [], "folding": {}},
        {"words": [], "classes": [], "folding": {"other": 1}},
        {"words": [], "classes": [], "folding": {"lower": "no"}},
        {"words": [], "classes": [], "folding": {"suffix": -1}},
        {"words": ["a", "a"], "classes": [], "folding": {}},
    ],
)  # fmt: skip
def test_what_is_no_vocabulary_is_told(found):
    with pytest.raises(UserError):
        Vocabulary.from_json(found)


def test_wrong_limits_and_numbers_are_told():
    with pytest.raises(UserError, match="least must be a whole number from 1 on, not 0"):
        Vocabulary.of([["a"]], least=0)
    with pytest.raises(UserError, match="most must"):
        Vocabulary.of([["a"]], most=0)
    with pytest.raises(UserError, match="suffix must"):
        Vocabulary.of([["a"]], Folding(suffix=-1))
    with pytest.raises(UserError, match="word number -1: the vocabulary has 0 to 1"):
        Vocabulary.of([["a"]]).decode([-1])


# Batches


@pytest.mark.parametrize("batch", [1, 7, 32, 1000])
def test_every_sentence_stands_once_in_batches_of_like_length(batch):
    found = batches.by_length(LENGTHS, batch)
    assert sorted(np.concatenate(found)) == [*range(len(TRAIN))]
    assert max(map(len, found)) == min(batch, len(TRAIN))
    lengths = [LENGTHS[places] for places in found]
    assert all((np.diff(one) <= 0).all() for one in lengths)
    spans = [(one.min(), one.max()) for one in lengths]
    assert all(first[1] <= then[0] for first, then in itertools.pairwise(spans))
    padded = sum(one.max() * len(one) for one in lengths)
    assert batch > 32 or padded < 1.1 * LENGTHS.sum()


def test_a_long_sentence_has_a_batch_of_its_own():
    found = batches.by_length([2, 1, 100, 3, 2], 4, steps=9)
    assert [one.tolist() for one in found] == [[0, 4, 1], [3], [2]]
    assert batches.by_length([], 4, steps=9) == []


def test_coded_sentences_are_their_words_and_tags():
    for place in (0, 50, 300):
        sentence = TRAIN[place]
        words = VOCABULARY.decode(CODED.words[place])
        assert words == [FOLDING.word(word) for word in sentence.words]
        assert [TAGS[number] for number in CODED.tags[place]] == [*sentence.tags]
        unknown = VOCABULARY.encode_unknown(sentence.words)
        assert np.array_equal(CODED.unknown[place], unknown)
    assert all([*map(len, part)] == LENGTHS.tolist() for part in CODED)


def test_a_tag_may_lack_and_an_unknown_one_is_told():
    sentence = Sentence(("rain", "falls"), (None, "VERB"))
    assert batches.coded([sentence], VOCABULARY, TAGS).tags[0].tolist() == [IGNORED, 15]
    with pytest.raises(UserError, match="tag 'NN': must be one of ADJ"):
        batches.coded([Sentence(("rain",), ("NN",))], VOCABULARY, TAGS)


# Scores


def test_the_commonest_tags_of_the_shipped_sentences():
    table = scores.Commonest.of(TRAIN)
    one = scores.score(DEV, [table.tags(s.words) for s in DEV], table.table)
    words = [(w, t) for s in DEV for w, t in zip(*s, strict=True)]
    right = sum(table.table.get(w, "PROPN") == t for w, t in words)
    assert one.accuracy == right / len(words)
    assert one.unknown_share == np.mean([w not in table.table for w, _ in words])
    assert one.by_tag()["DET"] > 0.9 and np.isnan(one.by_tag()["X"])
    assert 0.7 < one.accuracy < 0.9
    alike = scores.Commonest.of([Sentence(("a", "a"), ("NOUN", "ADJ"))], "NOUN")
    assert alike.tags(["a", "b"]) == ("ADJ", "NOUN")


def test_scores_of_nothing_and_of_what_does_not_fit():
    nothing = scores.score([], [], set())
    assert np.isnan(nothing.accuracy) and np.isnan(nothing.unknown_share)
    with pytest.raises(UserError, match="1 tags for 2 words"):
        scores.score([Sentence(("a", "b"), ("X", "X"))], [("X",)], set())
    with pytest.raises(UserError, match="tag 'NN'"):
        scores.score([Sentence(("a",), ("X",))], [("NN",)], set())
    with pytest.raises(UserError, match="no words"):
        scores.Commonest.of([])
    with pytest.raises(UserError, match="unknown must be one of"):
        scores.Commonest.of(TRAIN, "NN")


def test_the_commonest_tags_of_a_real_treebank(shared_data):
    train, dev = (
        conllu.read(shared_data / "ud_english_ewt" / f"en_ewt-ud-{part}.conllu")
        for part in ("train", "dev")
    )
    table = scores.Commonest.of(train)
    one = scores.score(dev, [table.tags(sentence.words) for sentence in dev], table.table)
    assert round(100 * one.accuracy, 1) == 86.9 and round(100 * one.unknown_share, 1) == 8.3
    nouns = scores.Commonest.of(train, "NOUN")
    other = scores.score(dev, [nouns.tags(sentence.words) for sentence in dev], table.table)
    assert round(100 * other.accuracy, 1) == 86.1
