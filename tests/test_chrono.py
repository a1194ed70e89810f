"""The chrono start: biases of gates for memories of U(1, T - 1) steps (Tallec, Ollivier 2018)."""

import numpy as np
import pytest
from scipy import stats

from gradlab import Network
from gradlab.errors import UserError

UNITS = 2000
SIZES = {"inputs": 1, "hidden": UNITS, "outputs": 1, "seed": 2}


def biases(cell, **options):
    """{gate: its biases} of a network whose W is 0: it takes no time to draw."""
    b = Network.draw(cell, spectral_radius=0.0, **(SIZES | options)).weights["b"]
    return dict(
        zip({"lstm": "ifgo", "gru": "rzn"}[cell], np.split(b, len(b) // UNITS), strict=True)
    )


@pytest.mark.parametrize("steps", [10, 400])
def test_the_lstm_s_forget_gate_has_logarithms_of_uniform_numbers(steps):
    own = biases("lstm", hidden=UNITS, chrono=steps)
    kept = np.exp(own["f"])
    assert stats.kstest(kept, stats.uniform(1, steps - 2).cdf).pvalue > 0.01
    assert stats.kstest(kept, stats.uniform(1, steps - 1).cdf).pvalue < 1e-3 or steps > 100
    assert (own["i"] == -own["f"]).all()
    assert not own["g"].any() and not own["o"].any()


def test_a_unit_keeps_its_memory_for_so_many_steps():
    own = biases("lstm", chrono=50)
    time = 1 / (1 - 1 / (1 + np.exp(-own["f"])))  # steps in which f^t falls by e, f = sigmoid(b)
    assert time.min() >= 2 and time.max() <= 50 and time.mean() == pytest.approx(26, abs=1)


def test_a_gru_keeps_by_z_alone_and_a_forget_bias_is_added():
    own = biases("gru", chrono=20)
    assert (own["z"] > 0).all() and not own["r"].any() and not own["n"].any()
    more = biases("gru", chrono=20, forget_bias=1.5)
    assert more["z"] == pytest.approx(own["z"] + 1.5)


def test_all_other_weights_are_as_they_were():
    with_it, without = (
        Network.draw("lstm", inputs=2, hidden=6, outputs=3, layers=2, seed=5, chrono=steps).weights
        for steps in (30, 0)
    )
    for name, own in without.items():
        same = (own == with_it[name]).all()
        assert same == (name not in ("b", "b_l1")), name
    assert (with_it["b"] != with_it["b_l1"]).any()


WRONG = {
    "chrono=2: must be a whole number of steps from 3": {"cell": "lstm", "chrono": 2},
    "chrono must be a whole number of steps from 3, or 0, not -1": {"cell": "lstm", "chrono": -1},
    "chrono=9: cell elman has no gate that forgets": {"chrono": 9},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_input_is_one_line(message):
    with pytest.raises(UserError, match=message):
        Network.draw(inputs=1, hidden=2, outputs=1, **WRONG[message])
