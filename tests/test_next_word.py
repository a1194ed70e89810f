"""The next word: what a model of so many words sees, and the rows of n-grams and of a training."""

import math

import numpy as np
import pytest

from gradlab import Network
from gradlab.errors import UserError
from gradlab.measures import next_word
from gradlab.suite.grid import Block
from gradlab.text import ngrams

POINT = {
    "text_file": None, "words": 600, "unit": "word", "held_out": 0.1, "least": 1, "sentences": 20,
    "hidden_size": 6, "embedding": 4, "layers": 1, "init": "orthogonal", "batch": 4,
    "optimizer": "adam", "schedule": "constant", "learning_rate": 0.003,
}  # fmt: skip


def block(contexts, model="elman", **values):
    axes = {"model": model, "window": 5, "clip_threshold": 1.0, "epochs": 1, "seed": 0} | values
    constants = POINT | {name: axes.pop(name) for name in [*axes] if name in POINT}
    points = {name: np.array([value] * len(contexts)) for name, value in axes.items()}
    return Block(points | {"context": np.array(contexts)}, constants)


@pytest.fixture(scope="module")
def net():
    return Network.draw(inputs=9, embedding=3, hidden=4, outputs=9, seed=1)


@pytest.fixture(scope="module")
def text():
    return np.random.default_rng(0).integers(0, 9, 16)


def by_hand(net, seen, word):
    outputs = net.forward(np.array(seen)[:, None]).outputs[-1, 0]
    return outputs[word] - np.log(np.exp(outputs).sum())


@pytest.mark.parametrize("context", [1, 3, 0])
def test_a_word_is_predicted_from_the_last_ones_alone(net, text, monkeypatch, context):
    monkeypatch.setattr(next_word, "LANES", 4)  # several parts, the last one shorter
    check_by_hand(net, text, context)


def test_so_it_is_where_the_outputs_are_fed_back(text):
    check_by_hand(Network.draw("jordan", inputs=9, embedding=3, hidden=4, outputs=9), text, 3)


def check_by_hand(net, text, context):
    found = next_word.log_probabilities(net, text[:5], text[5:], context)
    expected = [
        by_hand(net, text[i - context if context else 0 : i], text[i]) for i in range(5, len(text))
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rows_of_a_training():
    columns = next_word.measure(block([2, 0]))
    text = next_word.text_of(POINT)
    assert columns["vocabulary"].tolist() == [text.vocabulary.size] * 2
    assert (columns["perplexity"] > 1).all() and columns["perplexity"][0] != columns["perplexity"][
        1
    ]
    assert math.isfinite(columns["learnt_perplexity"][0]) and set(columns["status"]) == {"ok"}
    point = POINT | {"cell": "elman", "window": 5, "clip_threshold": 1.0, "epochs": 1, "seed": 0}
    training = next_word.trained(point, text)
    training.run()
    logs = next_word.log_probabilities(training.net, text.learnt, text.judged, 2)
    assert columns["perplexity"][0] == ngrams.perplexity(logs)
    assert training.update == math.ceil(math.ceil((len(text.learnt) - 1) / 5) / 4)


def test_what_predicts_beyond_all_bounds_has_diverged():
    with np.errstate(over="ignore"):  # as in a sweep
        columns = next_word.measure(block([2], learning_rate=1e30))
    assert np.isinf(columns["perplexity"]) and columns["status"] == ["diverged"]


def test_rows_of_n_grams():
    columns = next_word.measure(block([1, 2], "n_gram"))
    text = next_word.text_of(POINT)
    model = ngrams.KneserNey(text.learnt, 3, text.vocabulary.size)
    logs = model.log_probabilities(text.judged, text.learnt[-2:])
    assert columns["perplexity"][1] == ngrams.perplexity(logs)
    assert np.isnan(columns["mean_norm"]).all()
    with pytest.raises(UserError, match="context=0: model n_gram sees a number of words"):
        next_word.measure(block([0], "n_gram"))


@pytest.mark.parametrize(
    ("contexts", "values", "said"),
    [
        ([-1], {}, "context=-1: must be a whole number from 0"),
        ([1], {"words": -5}, "words=-5: must be a whole number from 0"),
        ([1], {"window": 0}, "window=0: must be a whole number from 1"),
        ([1], {"batch": 0}, "batch=0: must be a whole number from 1"),
        ([1], {"sentences": 10**9}, "sentences must be a whole number from 0 to 1000000"),
    ],
)
def test_what_cannot_be_run_is_told_before_it_does(contexts, values, said):
    with pytest.raises(UserError, match=said):
        next_word.estimate(block(contexts, **values))


def test_letters_go_on_with_the_letters_of_the_clouds(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("the clouds are in the sky .\n" * 20)
    columns = next_word.measure(
        block([6], "n_gram", text_file=str(path), unit="character", words=0)
    )
    assert columns["completion"] == ["s"]


def test_letters_of_a_file_of_ones_own(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("abab" * 50)
    columns = next_word.measure(
        block([1], "n_gram", text_file=str(path), unit="character", words=0)
    )
    assert columns["perplexity"][0] < 1.1 and np.isnan(columns["sky"][0])
    path.write_text("Abab" * 2)
    with pytest.raises(UserError, match="batch=4: the text has 2 windows of 5 words"):
        next_word.measure(block([1], text_file=str(path), unit="character", words=0))
