"""`training_map` takes its rates from the table of `learning_rate`; both train as they say."""

import numpy as np
import pytest
from test_experiments import REFERENCE

from gradlab.learning import presets
from gradlab.measures import learning
from gradlab.suite import library, store
from gradlab.suite.survival import fastest


def test_the_maps_rates_are_the_fastest_of_the_pilot():
    pilot = store.read_table(REFERENCE, "learning_rate")
    grid = library.load("training_map").grid
    used = {
        (part["sequence_length"][0], part["clip_threshold"][0]): part["learning_rate"][0]
        for part in grid
    }
    assert used == fastest(pilot, "learning_rate", ["sequence_length", "clip_threshold"])
    seeds = {seed for part in grid for seed in part["seed"]}
    assert not seeds & set(pilot.seed)


POINT = {
    "version": "icml2013", "task": "temporal_order", "sequence_length": 10, "seed": 1,
    "updates": 60, "evaluate_every": 20, "evaluation_size": 50, "stop_below": 0.01,
}  # fmt: skip


@pytest.mark.parametrize("method", ["sgd", "clipped", "regularised"])
@pytest.mark.parametrize("start", presets.STARTS)
def test_a_methods_plan_is_the_versions_without_what_it_leaves_out(method, start):
    training = learning._training(POINT | {"method": method, "start": start}, log_every=60)
    plan, own = training.plan, presets.VERSIONS["icml2013"]
    assert plan.learning_rate == own["learning_rate"]
    assert plan.clip_threshold == (None if method == "sgd" else own["clip_threshold"])
    assert plan.omega == (own["omega"] if method == "regularised" else 0.0)
    assert (plan.updates, plan.evaluate_every, plan.evaluation_size) == (60, 20, 50)
    weights = presets.start(start, "icml2013", (6, 50, 4), 1).weights
    assert training.net.activation == ("sigmoid" if start == "sigmoid" else "tanh")
    for name, value in training.net.weights.items():
        np.testing.assert_array_equal(value, weights[name])
