"""Agreement at a distance, held against a way back in plain NumPy."""

import numpy as np
import pytest
from sources import ROOT
from test_experiments import REFERENCE

from gradlab.errors import UserError
from gradlab.measures import agreement as measure
from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.suite import library, store
from gradlab.suite.grid import blocks, changed
from gradlab.text import agreement

SMALL = {
    "cell": ["elman"], "learning_rate": [0.03], "between": [1], "seed": [3], "sentences": 200,
    "updates": 200, "hidden_size": 8, "embedding": 6, "evaluation_size": 50, "evaluate_every": 50,
}  # fmt: skip


def small(**changes):
    """The block of one training."""
    own = changed(library.load("agreement"), SMALL | changes)
    return next(iter(blocks(own)))[0]


def test_the_gradient_before_is_that_of_plain_numpy():
    found = measure.outcome(small(updates=50))
    stream = draws.stream(seed=3, purpose="agreement, fresh", between=1)
    sentences, words = agreement.sample(stream, 1, 50, "any"), agreement.vocabulary()
    net = Network.draw(
        "elman", inputs=words.size, embedding=6, hidden=8, outputs=2, init="torch", seed=3
    )
    ratios = [_ratio(net.weights, words.encode(one.before), one.noun) for one in sentences]
    np.testing.assert_allclose(found["gradient_before"], np.median(ratios), rtol=1e-9)


def _ratio(w, numbers, noun):
    """log10 of ||dL/de_noun|| / ||dL/de_last||, L = -log p of the likelier number."""
    states = [np.zeros(len(w["W"]))]
    for number in numbers:
        pre = w["W"] @ states[-1] + w["U"] @ w["embedding"][number] + w["b"]
        states.append(np.tanh(pre))
    outputs = w["V"] @ states[-1] + w["c"]
    p = np.exp(outputs - outputs.max())
    slope = p / p.sum()
    slope[outputs.argmax()] -= 1
    delta, found = (w["V"].T @ slope) * (1 - states[-1] ** 2), {}
    for t in range(len(numbers) - 1, -1, -1):
        found[t] = np.linalg.norm(w["U"].T @ delta)
        delta = (w["W"].T @ delta) * (1 - states[t] ** 2)
    return np.log10(found[noun] / found[len(numbers) - 1])


def test_one_word_between_is_learnt_and_told():
    found = measure.outcome(small())
    assert found["solved"] == 1 and 0.95 < found["accuracy"] <= 1
    assert found["updates_done"] in range(50, 201, 50)
    still = measure.outcome(small(learning_rate=[1e-12], updates=50))
    np.testing.assert_allclose(still["gradient_after"], still["gradient_before"], rtol=1e-6)
    assert abs(found["gradient_after"] - found["gradient_before"]) > 1e-3


def test_a_training_without_updates_enough_is_not_solved():
    found = measure.outcome(small(between=[12], updates=50))
    assert found["solved"] == 0 and found["updates_done"] == 50
    assert 0.3 < found["accuracy"] < 0.7 and 0.5 < found["relative_loss"] < 2


def test_a_training_that_diverges_before_its_first_evaluation_is_a_row():
    found = measure.outcome(small(learning_rate=[1e308], updates=50))
    assert found["diverged"] == 1 and found["updates_done"] < 50 and np.isnan(found["accuracy"])
    with pytest.raises(UserError, match="evaluate_every=0: must be a whole number from 1"):
        measure.estimate(small(evaluate_every=0))


def test_the_readme_has_the_medians_of_the_table():
    table = store.read_table(REFERENCE, "agreement")
    own = table[(table.between == 18) & (table.seed < 10)]
    medians = own.groupby("cell").updates_done.median()
    lstm, gru = (f"{medians[cell]:,.0f}" for cell in ("lstm", "gru"))
    said = (
        f"across 18 the RNN guesses, the LSTM has it after {lstm} updates and the GRU after {gru}"
    )
    assert said in " ".join((ROOT / "README.md").read_text("utf-8").split())
    rnn = own[own.cell == "elman"]
    assert len(rnn) == 10 and not rnn.solved.any() and (abs(rnn.accuracy - 0.5) < 0.1).all()
