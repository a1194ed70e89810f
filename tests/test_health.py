"""Zero, underflow and not connected are three things, and a table tells them apart."""

import numpy as np
import pytest
from networks import batch, network

from gradlab.measures import last_step, setting
from gradlab.nets import statuses
from gradlab.nets.network import Network
from gradlab.suite.grid import Block


def gradients(steps=30, at="last", dtype="float64", **options):
    """A network, and what takes the gradients of two lanes under a constant input."""
    options = {"spectral_radius": 0.8} | options
    net = Network.draw(inputs=1, hidden=6, outputs=2, dtype=dtype, **options)
    x = np.full((steps, 2, 1), 0.3)
    y = np.ones((2, 2)) if at == "last" else np.ones((steps, 2, 2))
    return net, lambda: net.gradients(x, y, at=at)


def test_a_gradient_that_arrives_is_ok():
    _, run = gradients()
    assert run().reach.tolist() == run().status.tolist() == ["ok", "ok"]


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("at", ["last", "every"])
def test_a_readout_of_zeros_is_not_connected(cell, at):
    net, run = gradients(cell=cell, at=at)
    net.weights["V"][:] = 0
    got = run()
    assert got.reach.tolist() == got.status.tolist() == ["not_connected"] * 2
    assert got.loss > 0 and np.abs(got.weights["c"]).max() > 0


def test_radius_zero_is_zero():
    _, run = gradients(spectral_radius=0.0)
    got = run()
    assert got.reach.tolist() == got.status.tolist() == ["zero", "zero"]
    assert np.isfinite(got.lag_log2[-1]).all()  # the last state lies on the loss's path


def test_a_dead_relu_is_zero():
    net, run = gradients(activation="relu")
    net.weights["b"][:] = -10
    got = run()
    assert got.reach.tolist() == ["zero", "zero"] and np.isfinite(got.lag_log2[-1]).all()


def test_a_loss_without_slope_is_zero():
    net, _ = gradients()
    x = np.full((9, 1, 1), 0.3)
    got = net.gradients(x, net.forward(x).outputs[-1], at="last")
    assert got.loss == 0 and got.reach.tolist() == got.status.tolist() == ["zero"]


def test_lanes_are_judged_one_by_one():
    net, _ = gradients(spectral_radius=0.5)
    x = np.full((3000, 2, 1), 0.3)
    got = net.gradients(x, np.ones((2, 2)), at="last", lengths=np.array([20, 3000]))
    assert got.reach.tolist() == ["ok", "underflow"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_underflow_is_where_the_format_ends(dtype):
    """A plain loop in that format shows an exact zero just where it says underflow."""
    net, _ = gradients(dtype=dtype, spectral_radius=0.5, activation="identity", init="orthogonal")
    steps = np.arange(130, 170) if dtype == "float32" else np.arange(1050, 1100)
    x = np.zeros((steps[-1], 1, 1), dtype)
    found, plain = [], []
    for length in steps:
        got = net.gradients(x[:length], np.ones((1, 2)), at="last")
        found.append(got.reach[0])
        size = np.exp2(got.lag_log2[0, 0]).astype(dtype)
        plain.append("underflow" if size == 0 else "ok")
        assert np.isfinite(got.lag_log2[0, 0]) and got.status[0] == "ok"
    assert found == plain and set(found) == {"ok", "underflow"}


def test_a_copy_of_the_states_is_not_connected():
    """The failure of others: dL/dh taken of states that the loss is not made of."""
    slope, log2 = np.ones((5, 1, 2)), np.full((6, 1), -np.inf)
    assert statuses.reach(slope, log2).tolist() == ["not_connected"]


def test_a_sweep_tells_them_apart():
    constants = {"task": "oscillator", "hidden_size": 4, "activation": "tanh", "init": "gaussian",
                 "interval": 0.1, "seed": 3, "sequence_length": 9, "input_scale": 0.5}  # fmt: skip
    block = Block({"spectral_radius": np.array([0.0, 0.9])}, constants)
    assert last_step.measure(block)["status"].tolist() == ["zero", "ok"]


def test_a_sweep_whose_readout_is_zero_says_so(monkeypatch):
    constants = {"task": "oscillator", "hidden_size": 4, "activation": "tanh", "init": "gaussian",
                 "interval": 0.1, "seed": 3, "sequence_length": 9, "input_scale": 0.5}  # fmt: skip
    block = Block({"spectral_radius": np.array([0.5, 0.9])}, constants)
    drawn = setting.draw(block, 9)
    drawn.net.weights["V"][:] = 0
    monkeypatch.setattr(last_step, "draw", lambda *_: drawn)
    assert last_step.measure(block)["status"].tolist() == ["not_connected"] * 2


# What was handed in, and what came out

SIZE = {"steps": 6, "lanes": 3, "hidden": 4, "inputs": 2, "outputs": 3, "seed": 4}


def spoilt(what, value, loss="squared_error", at="every", **options):
    """The gradients of three lanes (the first of 4 steps) with one number of lane 1 replaced."""
    net = network(SIZE, **options)
    x, y, h0, _ = batch(SIZE, loss, at)
    arrays = net.weights | {"x": x, "y": y, "h0": h0}
    lane = {"x": (2, 1, 0), "y": (2, 1, 0) if at == "every" else (1, 0), "h0": (1, 0)}
    arrays[what][lane.get(what, (0,) * arrays[what].ndim)] = value
    lengths = np.array([4, 6, 5])
    start = None if options else h0
    return net.gradients(x, y, loss, at, h0=start, lengths=lengths)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("what", ["x", "y", "h0"])
def test_what_was_handed_in_for_a_lane_is_said_of_that_lane(what, loss, at, value):
    got = spoilt(what, value, loss, at)
    assert got.status.tolist() == ["ok", "nan", "ok"]
    step = {"x": 3, "y": 3 if at == "every" else 6, "h0": 1}[what]
    assert got.bad_step.tolist() == [0, step, 0]


@pytest.mark.parametrize("options", [{}, {"cell": "lstm"}, {"cell": "jordan"}, {"layers": 2}])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["U", "W", "b", "V", "c"])
def test_a_weight_that_is_not_finite_is_nan_in_every_lane(what, value, options):
    got = spoilt(what, value, **options)
    assert got.status.tolist() == ["nan"] * 3 and (got.bad_step > 0).all()


def test_what_stands_after_a_lane_s_end_does_not_count():
    net = network(SIZE)
    x, y, *_ = batch(SIZE)
    x[4:, 0] = y[4:, 0] = np.nan
    got = net.gradients(x, y, lengths=np.array([4, 6, 5]))
    assert got.status.tolist() == ["ok"] * 3 and np.isfinite(got.loss)


@pytest.mark.parametrize("at", ["every", "last"])
def test_a_loss_that_overflows_over_finite_states_is_overflow(at):
    net = network(SIZE)
    net.weights["c"][:] = 0
    x, y, *_ = batch(SIZE, at=at)
    y[(2, 1) if at == "every" else 1] = 1e200  # its square is beyond float64
    got = net.gradients(x, y, at=at)
    assert got.loss == np.inf and np.isfinite(net.forward(x).states).all()
    assert got.status.tolist() == ["ok", "overflow", "ok"]
    assert got.bad_step.tolist() == [0, 3 if at == "every" else 6, 0]


def test_a_sum_of_finite_losses_that_overflows_is_overflow():
    net = network(SIZE)
    x, y, *_ = batch(SIZE)
    y[:] = 7e153  # each loss is 1.5e308
    got = net.gradients(x, y)
    assert got.loss == np.inf and got.status.tolist() == ["overflow"] * 3
