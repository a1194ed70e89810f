"""Tasks that can be solved: what they ask, by a plain reading of each lane; what blindness costs.

`Shown.read` answers a task from the inputs of one lane, the obvious way; `Shown.blind` is the best
outputs of a network that looks at nothing, and `Shown.cost` what they cost, in closed form.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from gradlab import tasks
from gradlab.measures import last_step
from gradlab.nets.losses import loss_of
from gradlab.nets.network import Network
from gradlab.suite.grid import Block

LANES = 4000
NEVER = -1e3  # an output whose class has probability 0 in float64


class Shown(NamedTuple):
    """A task seen from outside; error is the share of blind answers that are wrong."""

    read: Callable
    blind: Callable
    cost: float
    error: float


def order(x):
    symbols = x.argmax(1)
    return sum(int(symbol) << bit for bit, symbol in enumerate(symbols[symbols < 2]))


def marked(combine):
    return lambda x: [combine(x[x[:, 1] == 1, 0])]


def recalled(blank):
    def read(x):
        steps = list(x.argmax(1))
        return [blank] * (len(steps) - 10) + steps[:10]

    return read


def classes(kinds, used):
    """Outputs at the last step: the first `used` of the classes alike, the others never."""
    return lambda length: np.where(np.arange(kinds) < used, 0.0, NEVER)


def blanks_then_any(kinds):
    """Outputs (T, 1, kinds + 1): the blank, and at the last ten steps any of the others."""

    def outputs(length):
        answer = (np.arange(length) >= length - 10)[:, None, None]
        return np.where((np.arange(kinds + 1) < kinds) == answer, 0.0, NEVER)

    return outputs


def below(p):
    """P(x y < p) for x, y from U[0, 1)."""
    return p - p * math.log(p)


# Of |x + y - 1| with density 2 (1 - d): the sum is off by more than 0.2, the mean by 0.4/2.
SHOWN = {
    "temporal_order": Shown(order, classes(4, 4), math.log(4), 3 / 4),
    "temporal_order_3bit": Shown(order, classes(8, 8), math.log(8), 7 / 8),
    "adding": Shown(marked(sum), lambda _: np.ones(1), 1 / 6, 0.8**2),
    "addition": Shown(marked(np.mean), lambda _: np.full(1, 0.5), 1 / 24, 0.6**2),
    "multiplication": Shown(
        marked(np.prod), lambda _: np.full(1, 0.25), 7 / 144, 1 - below(0.45) + below(0.05)
    ),
    "random_permutation": Shown(lambda x: x[0].argmax(), classes(100, 2), math.log(2), 1 / 2),
    "copying": Shown(recalled(8), blanks_then_any(8), 10 * math.log(8), 1 - 8**-10),
    "memorization": Shown(recalled(5), blanks_then_any(5), 10 * math.log(5), 1 - 5**-10),
}
EVERY = pytest.mark.parametrize("name", SHOWN)


def sample(name, length, batch, seed=3):
    return tasks.find(name).sample(np.random.default_rng(seed), length, batch)


def blind_outputs(name, x):
    """The best blind outputs for every lane of x, where the task has its loss."""
    outputs = SHOWN[name].blind(len(x))
    lanes = (len(x), x.shape[1]) if outputs.ndim == 3 else (x.shape[1],)
    return np.broadcast_to(outputs, (*lanes, outputs.shape[-1]))


def test_every_solvable_task_is_here():
    solvable = {n for n in tasks.names() if hasattr(tasks.find(n), "baseline")}
    assert solvable == {*SHOWN, "series"}  # whose baseline is held in test_series.py
    assert all(hasattr(tasks.find(name), "wrong") for name in SHOWN)
    assert not any(tasks.find(name).LENGTH_FREE for name in SHOWN)


@EVERY
def test_the_targets_are_what_the_inputs_say(name):
    for length in (21, 23, 57, 104):
        inputs, targets = sample(name, length, 20)
        task = tasks.find(name)
        assert inputs.shape == (len(inputs), 20, task.INPUTS)
        assert inputs.dtype == np.float64
        assert length <= len(inputs) < max(1.1 * length, length + 1)
        read = [SHOWN[name].read(inputs[:, lane]) for lane in range(20)]
        lanes = targets.T if task.AT == "every" else targets
        np.testing.assert_allclose(lanes, read, rtol=1e-15)


@EVERY
def test_the_same_stream_gives_the_same_sample(name):
    for first, second in zip(sample(name, 40, 3), sample(name, 40, 3), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(sample(name, 40, 3, seed=4)[0][:40], sample(name, 40, 3)[0][:40])


@EVERY
def test_the_baseline_is_its_closed_form_and_costs_that(name):
    task, shown = tasks.find(name), SHOWN[name]
    assert task.baseline(40) == pytest.approx(shown.cost, rel=1e-15)
    inputs, targets = sample(name, 40, LANES)
    loss, _ = loss_of(blind_outputs(name, inputs), targets, task.LOSS)
    loss = loss.reshape(-1, LANES).sum(0)
    # five standard errors; where all classes are alike every lane costs the same
    assert abs(loss.mean() - shown.cost) <= 5 * loss.std() / math.sqrt(LANES) + 1e-12


@EVERY
def test_no_blind_prediction_is_better(name):
    """Fitted to a sample, the best blind one gains what chance gives it and no more."""
    task = tasks.find(name)
    targets = sample(name, 40, LANES)[1]
    if task.LOSS == "squared_error":
        best = targets.var()
        allowed = 5 * ((targets - targets.mean()) ** 2).std() / math.sqrt(LANES)
    else:
        rows = targets.reshape(-1, LANES)
        shares = np.array([np.bincount(row, minlength=task.OUTPUTS) for row in rows]) / LANES
        best = -np.sum(shares * np.log(np.where(shares > 0, shares, 1)))
        # twice the entropy's deficit times the sample is chi-square, kinds - 1 a step
        freedom = np.sum((shares > 0).sum(1) - 1)
        allowed = (freedom + 5 * math.sqrt(2 * freedom)) / (2 * LANES)
    assert abs(best - task.baseline(40)) <= allowed


@EVERY
def test_blindness_is_wrong_as_often_as_it_must_be(name):
    inputs, targets = sample(name, 40, LANES)
    wrong = tasks.find(name).wrong(blind_outputs(name, inputs), targets)
    assert wrong.shape == (LANES,)
    error = SHOWN[name].error
    assert abs(wrong.mean() - error) <= 5 * math.sqrt(error * (1 - error) / LANES) + 1e-12


@EVERY
def test_a_network_takes_the_batch_as_it_is(name):
    """All weights 0: the loss is that of the outputs c at every step that is scored."""
    task = tasks.find(name)
    x, y = sample(name, 33, 5)
    last = task.AT == "last"
    c = SHOWN[name].blind(33) if last else np.zeros(task.OUTPUTS)
    zero = {"U": (2, task.INPUTS), "W": (2, 2), "b": 2, "V": (task.OUTPUTS, 2)}
    net = Network({k: np.zeros(shape) for k, shape in zero.items()} | {"c": c})
    found = net.gradients(x, y, task.LOSS, task.AT)
    if last:
        expected = loss_of(blind_outputs(name, x), y, task.LOSS)[0].mean()
    else:
        expected = 33 * math.log(task.OUTPUTS)
    assert found.loss == pytest.approx(expected, rel=1e-12)
    outputs = net.forward(x).outputs
    assert task.wrong(outputs[-1] if last else outputs, y).shape == (5,)


@EVERY
def test_a_sweep_measures_it(name):
    constants = {
        "task": name, "hidden_size": 4, "activation": "tanh", "init": "gaussian",
        "input_scale": 1.0, "seed": 1,
    }  # fmt: skip
    points = {"spectral_radius": np.array([0.9, 0.9]), "sequence_length": np.array([30, 21])}
    table = last_step.measure(Block(points, constants))
    assert list(table["status"]) == ["ok", "ok"]
    assert np.isfinite(table["loss"]).all()
