"""What a training is said to cost: more for more work; how well it holds, tests/pace.py prints."""

import numpy as np
import pytest
from networks import CELLS

from gradlab.errors import UserError
from gradlab.measures import forecast, learning, pace
from gradlab.suite.grid import Block

LOAD = pace.Load("elman", 30, 20, 6, 50, 4)
POINT = {
    "task": "temporal_order", "cell": "elman", "sequence_length": 30, "batch": 20, "seed": 0,
    "hidden_size": 50, "optimizer": "sgd", "clip_per": "mean", "omega": 0.0, "updates": 1000,
    "evaluate_every": 100, "evaluation_size": 500, "stop_below": None, "clip_threshold": 1.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_machine(monkeypatch):
    monkeypatch.setattr(pace, "slowness", lambda: 1.0)


def cost(points=None, **changes):
    constants = {k: v for k, v in (POINT | changes).items() if k not in (points or {})}
    return learning.estimate(Block(points or {"x": np.zeros(1)}, constants))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", ["steps", "lanes", "inputs", "hidden", "outputs"])
def test_an_update_costs_more_the_larger_it_is(cell, size):
    loads = [LOAD._replace(cell=cell, **{size: value}) for value in (1, 2, 5, 10, 100, 1000)]
    for options in ({}, {"omega": 1.0}, {"clip_per": "lane"}, {"clip_per": "step"}):
        seconds = [pace.update(load, **options) for load in loads]
        assert (np.diff(seconds) > 0).all()
    if size in ("steps", "lanes", "hidden"):
        assert (np.diff([pace.look(load) for load in loads]) > 0).all()


def test_what_is_added_to_an_update_costs():
    plain = pace.update(LOAD)
    for more in ({"optimizer": "adam"}, {"omega": 2.0}, {"clip_per": "lane"}, {"clip_per": "step"}):
        assert pace.update(LOAD, **more) > plain
    cells = [pace.update(LOAD._replace(cell=cell)) for cell in ("elman", "gru", "lstm")]
    assert plain == cells[0] < cells[1] < cells[2]


def test_all_weights_are_counted():
    assert LOAD.size == 50 * (6 + 50 + 1) + 4 * (50 + 1)
    assert LOAD._replace(cell="lstm").size == 4 * 50 * (6 + 50 + 1) + 4 * (50 + 1)


def test_a_training_costs_its_updates_and_evaluations():
    base, _ = cost()
    without, _ = cost(evaluate_every=0)
    evaluation = pace.look(LOAD._replace(lanes=500))
    assert base - without == pytest.approx(10 * evaluation, rel=1e-9)
    twice, _ = cost(updates=2000)
    rows = 2 * pace.row(LOAD)
    assert twice - rows == pytest.approx(2 * (base - rows), rel=1e-9)
    early, _ = cost(stop_below=0.01)
    assert early - rows == pytest.approx(0.8 * (base - rows), rel=1e-9)
    three, _ = cost({"clip_threshold": np.array([0.1, 1.0, np.inf])})
    assert three == pytest.approx(3 * base, rel=1e-12)


def test_a_block_of_updates_is_one_training():
    few, _ = cost({"update": np.array([1, 1000])}, evaluate_every=0)
    assert few == pytest.approx(cost(evaluate_every=0)[0], rel=1e-12)
    many, _ = cost({"update": np.arange(1, 1001)}, evaluate_every=0)
    by_lag, _ = cost({"update": np.array([1, 1000]), "lag": np.array([0, 5])}, evaluate_every=0)
    assert many > few < by_lag


@pytest.mark.parametrize("size", ["batch", "sequence_length", "hidden_size"])
def test_more_takes_more_memory(size):
    assert cost()[1] < cost(**{size: 2 * POINT[size]})[1]


def test_wrong_input_is_one_line():
    with pytest.raises(UserError, match="no task nosuch"):
        cost(task="nosuch")
    with pytest.raises(UserError, match="no cell nosuch"):
        cost(cell="nosuch")


def test_a_forecast_costs_its_training():
    constants = {"mode": "driven", "seed": 0, "interval": 0.2, "until": 40.0, "hidden_size": 32,
                 "updates": 2000, "optimizer": "adam"}  # fmt: skip
    costs = [
        forecast.estimate(Block({"time": np.zeros(1)}, constants | {"model": model}))[0]
        for model in ("window", "elman", "lstm")
    ]
    assert costs[0] > 0 and costs[1] < costs[2]
    one = pace.update(pace.Load("elman", 100, 1, 3, 32, 2), "adam")
    assert costs[1] == pytest.approx(2000 * one, rel=1e-12)
