"""Tasks that can be solved: where symbols, marks and cues are drawn, and what cannot be drawn."""

import math

import numpy as np
import pytest

from gradlab import tasks
from gradlab.errors import UserError

LEAST = {
    "temporal_order": 10, "temporal_order_3bit": 10, "adding": 2, "addition": 10,
    "multiplication": 10, "random_permutation": 2, "copying": 21, "memorization": 20,
}  # fmt: skip


def sample(name, length, batch, seed=3):
    return tasks.find(name).sample(np.random.default_rng(seed), length, batch)


TENTHS = {"temporal_order": (1, 5), "temporal_order_3bit": (1, 3, 6)}


@pytest.mark.parametrize("name", TENTHS)
@pytest.mark.parametrize("length", [10, 40, 70, 95])
def test_the_symbols_to_order_fill_their_tenths(name, length):
    inputs, _ = sample(name, length, 2000)
    counted = (inputs.argmax(2) < 2).sum(1)
    expected = [n * length // 10 + k for n in TENTHS[name] for k in range(length // 10)]
    assert np.flatnonzero(counted).tolist() == expected
    # each step is hit 2000/(length // 10) times: five standard deviations at most
    share = 1 / (length // 10)
    near = 5 * math.sqrt(2000 * share * (1 - share))
    assert np.abs(counted[expected] - 2000 * share).max() <= near
    others = inputs[:, :, 2:].sum((0, 1))
    assert np.abs(others / others.sum() - 0.25).max() < 5 * math.sqrt(0.1875 / others.sum())


def test_marks_of_adding_fill_the_two_halves():
    inputs, _ = sample("adding", 9, 2000)
    marks = inputs[..., 1]
    assert (marks[:4].sum(0) == 1).all()
    assert (marks[4:].sum(0) == 1).all()
    assert marks.any(1).all()
    assert set(np.unique(marks)) == {0, 1}


@pytest.mark.parametrize("name", ["addition", "multiplication"])
def test_marks_and_length_are_drawn_as_in_the_authors_code(name):
    lengths = set()
    for seed in range(200):
        inputs, _ = sample(name, 50, 100, seed)
        steps = len(inputs)
        lengths.add(steps)
        marks = inputs[..., 1]
        first = steps // 10
        assert (marks[:first].sum(0) == 1).all()
        assert (marks[first : first + 4 * steps // 10].sum(0) == 1).all()
        assert not marks[first + 4 * steps // 10 :].any()
    assert lengths == {50, 51, 52, 53, 54}


@pytest.mark.parametrize(("name", "blank", "cue"), [("copying", 8, -11), ("memorization", 5, -10)])
def test_the_cue_stands_where_it_should(name, blank, cue):
    inputs, targets = sample(name, 37, 50)
    symbols = inputs.argmax(2)
    assert (symbols[cue] == blank + 1).all()
    assert ((symbols[10:] == blank).sum(0) == 26).all()
    assert set(np.unique(symbols[:10])) == set(range(blank))
    np.testing.assert_array_equal(targets[-10:], symbols[:10])


def test_random_permutation_shows_what_it_asks_for_once():
    inputs, classes_ = sample("random_permutation", 50, 500)
    symbols = inputs.argmax(2)
    assert set(classes_) == {0, 1}
    assert symbols[1:].min() == 2
    assert symbols[1:].max() == 99


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("length", [0, 1, 30.5, 30.0, float("nan")])
def test_a_length_that_cannot_be_is_one_line(name, length):
    least = LEAST[name]
    message = f"^sequence_length={length}: task {name} needs a whole number from {least}$"
    with pytest.raises(UserError, match=message):
        sample(name, length, 2)
    with pytest.raises(UserError, match=f"from {least}$"):
        sample(name, least - 1, 2)
    assert len(sample(name, least, 2)[0]) == least


@pytest.mark.parametrize("batch", [0, -1, 2.5])
def test_a_batch_without_lanes_is_one_line(batch):
    with pytest.raises(UserError, match=f"^batch={batch}: must be a whole number from 1$"):
        sample("adding", 20, batch)
