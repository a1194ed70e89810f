"""What a training on many lengths knows at others: the measure against a training by hand."""

import math

import numpy as np
import pytest

from gradlab import tasks
from gradlab.learning import presets
from gradlab.learning.training import Training
from gradlab.measures import learning
from gradlab.nets import draws
from gradlab.suite import library
from gradlab.suite.grid import blocks, changed

ORDER = tasks.find("temporal_order")
SMALL = {
    "seed": [4], "update": [10, 20, 30], "shortest": 10, "longest": 12, "evaluate_every": 10,
    "evaluation_size": 25,
}  # fmt: skip


def measured(**changes):
    """{(update, test_length): {column: value}} of one small training."""
    experiment = changed(library.load("length_generalisation"), SMALL | changes)
    ((block, _),) = blocks(experiment)
    columns = learning.generalised(block)
    at = zip(block.points["update"].tolist(), block.points["test_length"].tolist(), strict=True)
    return {key: {k: v[i] for k, v in columns.items()} for i, key in enumerate(at)}


def by_hand(updates, **changes):
    plan = presets.plan(
        "code", "temporal_order", (10, 13), updates=updates, log_every=10, evaluate_every=10,
        evaluation_size=25, seed=4, **changes,
    )  # fmt: skip
    training = Training(presets.start("basic_tanh", "code", (6, 50, 4), 4), ORDER, plan)
    training.run()
    return training


def wrong(net, length, sizes):
    """Share of fresh sequences that a plain loop over the steps gets wrong."""
    stream = draws.stream(seed=4, purpose="generalisation", test_length=length)
    missed = []
    for size in sizes:
        x, classes = ORDER.sample(stream, length, size)
        h = np.zeros((size, 50))
        W, U, V, b, c = (net.weights[name] for name in "WUVbc")
        for step in x:
            h = np.tanh(b + h @ W.T + step @ U.T)
        missed.extend((h @ V.T + c).argmax(1) != classes)
    return np.mean(missed)


def test_the_course_and_the_end_are_those_of_a_training_by_hand(monkeypatch):
    monkeypatch.setattr(learning, "AT_ONCE", 1000)  # 500 steps: two sequences at a time
    found = measured(stop_below=0.0)
    training = by_hand(30, stop_below=0.0)
    table = training.table().set_index("update")
    for update in (10, 20, 30):
        row, own = found[update, 0], table.loc[update]
        assert row["error"] == own.error and row["mean_norm"] == own.mean_norm
        assert row["spectral_radius_now"] == own.spectral_radius and row["status"] == "ok"
        assert math.isnan(found[update, 500]["error"]) == (update < 30)
    assert found[30, 50]["error"] == wrong(training.net, 50, [20, 5])
    assert found[30, 500]["error"] == pytest.approx(wrong(training.net, 500, [2] * 12 + [1]))
    assert math.isnan(found[30, 50]["mean_norm"])


def test_what_is_solved_early_is_judged_as_it_ended():
    found = measured(stop_below=1.0)
    training = by_hand(10)
    assert {row["status"] for row in found.values()} == {"solved"}
    assert math.isfinite(found[10, 0]["error"]) and math.isnan(found[20, 0]["error"])
    assert found[30, 100]["error"] == wrong(training.net, 100, [25])
