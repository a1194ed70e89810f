"""Trainings of Pascanu, Mikolov and Bengio's versions: each method leaves out what it says."""

import numpy as np
import pytest

from gradlab.learning import presets
from gradlab.measures import learning

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


def test_at_ten_times_the_rate_clipping_learns_from_the_sigmoid_start_too_after_omega():
    """`temporal_order` compares them at the paper's rate: another one must not turn it round."""
    point = POINT | {"start": "sigmoid", "learning_rate": 0.1}
    point |= {"updates": 40_000, "evaluate_every": 1000, "evaluation_size": 1000}
    slow, fast = (
        learning._outcome(point | {"method": method}) for method in ("clipped", "regularised")
    )
    assert slow["solved"] and fast["solved"]
    assert slow["updates_done"] > 3 * fast["updates_done"]
