"""One unit that keeps a bit: theory by simulation, the measure by hand and by differences."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import gradlab
from gradlab.errors import UserError
from gradlab.measures import latch as measure
from gradlab.theory import latch as theory

SIMULATED = 40_000
SMALL = {
    "weight": [0.7, 2.0], "sequence_length": [6], "seed": [0], "updates": 20, "evaluate_every": 10,
    "sequences": 50, "batch": 8,
}  # fmt: skip


@pytest.mark.parametrize(("w", "noise", "steps"), [(1.4, 0.2, 40), (0.8, 0.3, 3), (2.5, 0.6, 20)])
def test_theory_is_what_a_simulation_finds(w, noise, steps):
    rng = np.random.default_rng(1)
    h, logs = np.full(SIMULATED, 0.8), 0.0
    for _ in range(steps):
        h = np.tanh(w * h + noise * rng.standard_normal(SIMULATED))
        logs = logs + np.log10(w * (1 - h**2)) / steps
    share = (h > 0).mean()
    slack = 4 * math.sqrt(0.25 / SIMULATED)
    assert 0.55 < share < 0.999 and theory.kept(w, noise, steps) == pytest.approx(share, abs=slack)
    slack = 4 * logs.std() / math.sqrt(SIMULATED)
    assert theory.decades(w, noise, steps) == pytest.approx(logs.mean(), abs=slack)


@pytest.mark.parametrize(("w", "noise"), [(0.5, 0.003), (3.0, 0.02), (6.0, 0.1)])
def test_theory_of_little_noise_follows_the_state_without_it(w, noise):
    h, logs = 0.8, []
    for _ in range(100):
        h = math.tanh(w * h)
        logs.append(math.log10(w * (1 - h**2)))
    for steps in (2, 20, 100):
        assert theory.kept(w, noise, steps) == pytest.approx(1, abs=1e-9) or w < 1
        mean = np.mean(logs[:steps])  # off by some curvature times the variance
        assert theory.decades(w, noise, steps) == pytest.approx(mean, abs=3 * noise**2)
    if w < 1:  # a_t is linear where it is small: gaussian, of mean w^t h_0, but the first steps
        spread = noise * math.sqrt((1 - w**40) / (1 - w**2))
        assert theory.kept(w, noise, 20) == pytest.approx(normal(h_after(w, 20) / spread), abs=1e-4)


def test_without_noise_there_is_no_density():
    with np.errstate(all="ignore"):
        assert math.isnan(theory.kept(2.0, 0.0, 5)) and math.isnan(theory.decades(2.0, 0.0, 5))


def h_after(w, steps):
    h = 0.8
    for _ in range(steps):
        h = math.tanh(w * h)
    return h


def normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def test_theory_where_it_is_known():
    exact = 0.5 * math.erfc(-1.5 * 0.8 / 0.3 / math.sqrt(2))  # one step: P(w h_0 + e > 0)
    assert theory.kept(1.5, 0.3, 1) == pytest.approx(exact, abs=1e-10)
    assert theory.kept(1e-9, 0.3, 5) == pytest.approx(0.5, abs=1e-6)
    assert theory.kept(0.9, 0.2, 2000) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("w", [1.1, 2.0, 5.0])
def test_more_than_the_bearable_noise_takes_the_bit(w):
    def end(e):
        h = 1.0
        for _ in range(20_000):
            h = math.tanh(w * h - e)
        return h

    limit = theory.bearable(w)
    assert end(0.99 * limit) > 0 > end(1.01 * limit)
    turn = brentq(lambda a: w / math.cosh(a) ** 2 - 1, 0, 20)  # where the slope of the map is 1
    assert limit == pytest.approx(w * math.tanh(turn) - turn, rel=1e-9)
    assert theory.bearable(0.8) == 0 == theory.bearable(1.0)


def loss(w, u, noise):
    """E by hand, sequence by sequence."""
    found = []
    for b in range(noise.shape[1]):
        h, c = 0.0, 1 - 2 * (b % 2)
        for t in range(len(noise)):
            h = math.tanh(w * h + (c * u[t] if t < len(u) else noise[t, b]))
        found.append((h - 0.8 * c) ** 2)
    return np.mean(found)


def test_the_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    w, u, noise = np.array([0.7, 2.2]), rng.standard_normal((2, 3)), rng.standard_normal((9, 5))
    slopes, errors = measure.gradient(w, u, noise)
    for g in range(2):
        assert errors[g] == pytest.approx(loss(w[g], u[g], noise), rel=1e-12)
        for k in range(4):
            ends = []
            for step in (1e-5, -1e-5):
                moved = np.array([w[g], *u[g]])
                moved[k] += step
                ends.append(loss(moved[0], moved[1:], noise))
            assert slopes[g, k] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-9)


def test_a_row_is_one_unit_by_itself(tmp_path):
    both = gradlab.run("latch", set=SMALL, results=tmp_path / "a", workers=1)
    alone = gradlab.run("latch", set=SMALL | {"weight": [2.0]}, results=tmp_path / "b", workers=1)
    for name in ("kept", "decades_per_step", "last_weight", "error", "updates_done"):
        assert both[name].iloc[1] == pytest.approx(alone[name].iloc[0], rel=1e-12), name
    assert (both.last_weight != both.weight).all()


def test_wrong_input_is_one_line(tmp_path):
    with pytest.raises(UserError, match="sequence_length=3: must be at least 4"):
        gradlab.run("latch", set=SMALL | {"sequence_length": [3]}, results=tmp_path)
