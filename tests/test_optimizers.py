"""Optimizers and schedules against their published rules, written out number by number."""

import math
from itertools import pairwise

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.learning.optimizers import OPTIMIZERS, optimizer
from gradlab.learning.schedules import SCHEDULES, factor

GRADIENTS = [0.3, -1.2, 0.0, 5.0, 0.01]
RATE = 0.1


def sgd(w):
    for g in GRADIENTS:
        w -= RATE * g
        yield w


def momentum(w):
    v = 0.0
    for g in GRADIENTS:
        v = 0.9 * v + g
        w -= RATE * v
        yield w


def adam(w):
    """Kingma and Ba 2015, Algorithm 1, with its default constants."""
    m = v = 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g * g
        w -= RATE * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield w


def rmsprop(w):
    s = 0.0
    for g in GRADIENTS:
        s = 0.9 * s + 0.1 * g * g
        w -= RATE * g / (math.sqrt(s) + 1e-8)
        yield w


PUBLISHED = {"sgd": sgd, "momentum": momentum, "adam": adam, "rmsprop": rmsprop}


def walk(kind, w, gradients=GRADIENTS):
    slots = np.zeros((len(kind.slots), w.size), w.dtype)
    for count, g in enumerate(gradients, start=1):
        w = w - kind.step(g * np.ones_like(w), slots, RATE, count)
        yield w


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_follows_its_published_rule(name):
    starts = np.array([2.0, -1.0])
    found = np.array(list(walk(optimizer(name), starts)))
    for i, start in enumerate(starts):
        np.testing.assert_allclose(found[:, i], list(PUBLISHED[name](start)), rtol=1e-14)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_stays_float32(name):
    for w in walk(optimizer(name), np.ones(3, np.float32), [np.float32(0.5)] * 3):
        assert w.dtype == np.float32


def test_known_sizes_of_steps():
    # A constant gradient: Adam's step is the rate at once, momentum's goes to rate/(1 - momentum).
    steps = -np.diff([0.0, *(w[0] for w in walk(optimizer("adam"), np.zeros(1), [3.0] * 50))])
    np.testing.assert_allclose(steps, RATE, rtol=1e-6)
    heavy = list(walk(optimizer("momentum", {"momentum": 0.5}), np.zeros(1), [3.0] * 80))
    assert heavy[-2] - heavy[-1] == pytest.approx(2 * RATE * 3.0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_start_at_one_and_fall(name):
    factors = [factor(name, update, 100) for update in range(1, 101)]
    assert factors[0] == 1
    assert all(0 < b <= a for a, b in pairwise(factors))


def test_schedules_half_way():
    found = {name: factor(name, 51, 100) for name in SCHEDULES}
    assert found == pytest.approx(
        {"constant": 1, "linear": 0.5, "cosine": 0.5, "exponential": 2**-5}
    )


OPTIONS = {
    "momentum": ({"momentum": 0.5}, [0.1 * 2, 0.1 * (1 + 1)]),
    "adam": (
        {"beta1": 0.5, "beta2": 0.75, "epsilon": 0.5},
        [0.1 * 2 / (2 + 0.5), 0.1 * (4 / 3) / (4 / math.sqrt(7) + 0.5)],
    ),
    "rmsprop": ({"decay": 0.75, "epsilon": 0.5}, [0.1 * 2 / (1 + 0.5), 0.1 * 1 / (1 + 0.5)]),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_take_their_places(name):
    # Gradients 2 and 1, by hand. Adam: m = 1, 1, v = 1, 1, m^ = 2, 4/3, v^ = 4, 16/7.
    options, steps = OPTIONS[name]
    found = np.diff([0.0, *(w[0] for w in walk(optimizer(name, options), np.zeros(1), [2.0, 1.0]))])
    np.testing.assert_allclose(-found, steps, rtol=1e-14)


def test_schedules_end_one_part_before_their_end():
    found = {name: factor(name, 4, 4) for name in SCHEDULES}
    wanted = {"constant": 1, "linear": 1 / 4, "cosine": (1 - math.sqrt(0.5)) / 2}
    assert found == pytest.approx(wanted | {"exponential": 2**-7.5}, rel=1e-14)
    assert {factor(name, 1, 1) for name in SCHEDULES} == {1.0}


def test_wrong_use_is_one_line():
    with pytest.raises(UserError, match="optimizer must be one of sgd, momentum, adam, rmsprop"):
        optimizer("lion")
    with pytest.raises(UserError, match="optimizer sgd has no option momentum; it has none"):
        optimizer("sgd", {"momentum": 0.9})
    with pytest.raises(UserError, match="schedule must be one of constant"):
        factor("steps", 1, 10)
