"""Every column of a training's table, and its weights, against a loop of plain NumPy."""

import itertools
import math

import numpy as np
import pytest
import twin

import gradlab
from gradlab import tasks
from gradlab.learning import records
from gradlab.learning.plan import Plan
from gradlab.learning.training import Training

PLANS = {
    "sgd, norm, Omega": {
        "clip_threshold": 1.15, "omega": 1.5, "learning_rate": 0.3, "evaluate_every": 5,
    },
    "momentum, lanes, linear": {
        "optimizer": "momentum", "clip_threshold": 1.6, "clip_per": "lane", "schedule": "linear",
    },
    "adam, value, cosine, lengths": {
        "optimizer": "adam", "clip_threshold": 0.2, "clip_style": "value", "schedule": "cosine",
        "sequence_length": (10, 14), "evaluate_every": 4, "seed": 3,
    },
    "rmsprop, exponential": {"optimizer": "rmsprop", "schedule": "exponential"},
}  # fmt: skip
SHORT = {
    "task": "temporal_order", "sequence_length": 12, "batch": 5, "updates": 11, "log_every": 3,
    "evaluation_size": 7,
}  # fmt: skip
MEANS = {
    "mean_loss": "loss", "mean_norm": "norm_before", "share_clipped": "clipped",
    "share_not_finite": "not_finite",
}  # fmt: skip


def both(task, changes, **options):
    """(the training, its table, the twin's rows and weights)."""
    plan = Plan(**SHORT | {"task": task.__name__.split(".")[-1]} | changes)
    nets = [
        gradlab.Network.draw(
            inputs=task.INPUTS, outputs=task.OUTPUTS, hidden=7,
            **{"spectral_radius": 0.9} | options,
        )
        for _ in range(2)
    ]  # fmt: skip
    training = Training(nets[0], task, plan)
    return training, training.run(), *twin.train(nets[1], task, plan)


def check(training, table, rows, after):
    """Hold a table and the last weights against the twin's."""
    last = 0
    for row in table.to_dict("records"):
        wanted = dict(rows[row["update"] - 1])
        since = rows[last : row["update"]]
        wanted |= {name: np.mean([r[own] for r in since]) for name, own in MEANS.items()}
        for name in set(records.COLUMNS) - {"status", "updates_per_second"}:
            value = wanted.get(name, math.nan)
            assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-13, nan_ok=True), name
        last = row["update"]
    for name, array in training.net.weights.items():
        np.testing.assert_allclose(array, after[-1][name], rtol=1e-10, atol=1e-12)
    for history, name in zip(("losses", "norms", "shares", "lost"), MEANS.values(), strict=True):
        assert getattr(training, history) == pytest.approx([row[name] for row in rows], rel=1e-9)


@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS)
def test_a_table_is_that_of_a_plain_loop(changes):
    training, table, rows, after = both(tasks.find("temporal_order"), changes)
    check(training, table, rows, after)
    every = changes.get("evaluate_every", 100)
    looked = [n for n in range(1, 12) if n in (1, 11) or n % 3 == 0 or n % every == 0]
    assert table["update"].tolist() == looked
    assert table.status.tolist() == ["ok"] * (len(looked) - 1) + ["finished"]
    assert 0 < table.share_clipped.mean() < 1 or "clip_threshold" not in changes


def test_so_it_is_for_a_loss_at_every_step():
    task = tasks.find("copying")
    changes = {"clip_threshold": 2.0, "omega": 0.5, "learning_rate": 0.02, "sequence_length": 21,
               "evaluate_every": 6}  # fmt: skip
    check(*both(task, changes, activation="sigmoid"))


def test_the_horizon_ends_where_the_squared_gradient_falls_below_1e_20():
    changes = {"sequence_length": 60, "updates": 2, "log_every": 1, "learning_rate": 0.0}
    training, table, rows, after = both(
        tasks.find("temporal_order"), changes, spectral_radius=0.4
    )  # fmt: skip
    check(training, table, rows, after)
    assert 5 < table.horizon.iloc[0] < 45  # of 60; without the square it were some twice as long


def test_the_speed_is_that_of_the_updates_alone(monkeypatch):
    clock = itertools.count(100.0, 0.5)  # an update looks twice, at its beginning and end
    monkeypatch.setattr("gradlab.learning.training.time.perf_counter", lambda: next(clock))
    _, table, _, _ = both(tasks.find("temporal_order"), {"updates": 4, "log_every": 2})
    assert table.updates_per_second.tolist() == [2.0] * 3


# Stacks, directions, lengths, truncation, teacher forcing: on arrays, all lanes in each update

RNG = np.random.default_rng(11)
STEPS, LANES = 6, 3
X, Y = RNG.standard_normal((STEPS, LANES, 2)), RNG.random((STEPS, LANES, 2))
CLASSES, LENGTHS = RNG.integers(0, 2, LANES), np.array([4, 6, 1])
OTHERS = {  # cell and its options, arrays, plan
    "two layers, lanes": ({"layers": 2}, (X, Y), {"clip_per": "lane"}),
    "both directions, lengths": ({"bidirectional": True}, (X, Y, LENGTHS), {}),
    "both, lengths, lanes": (
        {"layers": 2, "bidirectional": True, "hidden": 2}, (X, CLASSES, LENGTHS),
        {"optimizer": "adam", "clip_per": "lane", "updates": 2},
    ),
    "lstm both ways, a step": (
        {"cell": "lstm", "bidirectional": True, "hidden": 2}, (X, Y), {"updates": 1},
    ),
    "gru, lengths": (
        {"cell": "gru"}, (X, CLASSES, LENGTHS), {"optimizer": "momentum", "clip_threshold": 0.1},
    ),
    "lstm, window": ({"cell": "lstm"}, (X, Y), {"truncate": ("window", 2)}),
    "chunks, lengths, lanes": ({}, (X, Y, LENGTHS), {"truncate": ("chunk", 4), "clip_per": "lane"}),
    "jordan, teacher": ({"cell": "jordan"}, (X, Y), {"teacher_forcing": True}),
    "float32": ({"layers": 2, "dtype": "float32"}, (X, Y), {"optimizer": "rmsprop"}),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_what_gradients_take_is_trained(case):
    options, data, changes = case
    plan = {"updates": 3, "learning_rate": 0.1, "clip_threshold": 0.9}
    plan = Plan(**plan | changes)
    net = gradlab.Network.draw(inputs=2, outputs=2, **{"hidden": 3} | options)
    training = gradlab.train(net, data, plan)
    losses, shares = twin.train_on(net, data, plan)
    exact = net.dtype == np.float64
    assert training.losses == pytest.approx(losses, rel=1e-11 if exact else 1e-5)
    assert list(training.shares) == shares and np.mean(shares) > 0
    for name, array in training.net.weights.items():
        wanted = net.weights[name]
        assert array.dtype == wanted.dtype == net.dtype
        tolerance = {"rtol": 1e-9, "atol": 1e-12} if exact else {"rtol": 1e-3, "atol": 1e-5}
        np.testing.assert_allclose(array, wanted, **tolerance)


def test_steps_are_clipped_within_each_lane_s_own_length():
    net = gradlab.Network.draw(inputs=2, hidden=3, outputs=2, cell="lstm")
    plan = Plan(updates=1, learning_rate=1.0, clip_per="step", clip_threshold=1.2)
    training = gradlab.train(net, (X, Y, LENGTHS), plan)
    alone = []
    for lane, length in enumerate(LENGTHS):
        own = gradlab.train(net, (X[:length, [lane]], Y[:length, [lane]]), plan)
        step = {name: own.net.weights[name] - array for name, array in net.weights.items()}
        alone.append((step, own.shares[0] * length))
    for name, array in net.weights.items():
        mean = np.mean([step[name] for step, _ in alone], axis=0)
        np.testing.assert_allclose(training.net.weights[name] - array, mean, atol=1e-14)
    share = sum(hits for _, hits in alone) / LENGTHS.sum()
    assert 0 < share < 1 and training.shares[0] == pytest.approx(share)
