"""What explodes says so by a status: no warning of NumPy's leaves a public call."""

import numpy as np
import pytest
from networks import CELLS, LOSSES, activations, batch, network

from gradlab.learning.clipping import clip
from gradlab.learning.gradient import Back
from gradlab.measures import highway, last_step, recall, sequence_length, setting, truncation
from gradlab.nets import many
from gradlab.suite.grid import Block

SIZE = {"steps": 40, "lanes": 3, "hidden": 4, "inputs": 2, "outputs": 3, "seed": 8}


def exploding(cell="elman", factor=1e40, **options):
    net = network(SIZE, cell=cell, **options)
    for array in net.weights.values():
        array *= factor
    return net


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cell", CELLS)
def test_an_exploding_network_warns_of_nothing(cell, loss, at, dtype):
    x, y, _, lengths = batch(SIZE, loss, at)
    for name in {"tanh", "identity", "relu"} & set(activations(cell)):
        factor = 1e160 if dtype == "float64" else 1e25
        net = exploding(cell, factor, activation=name, dtype=dtype)
        net.forward(1e30 * x, lengths=lengths)
        got = net.gradients(1e30 * x, y, loss, at, lengths=lengths)
        assert {"ok", "overflow", "zero"} >= set(got.status)
        assert (got.status == "overflow").any() or np.isfinite(got.loss)
        for read in ("states", "terms", "outputs", "reach", "log2_norm"):
            getattr(got, read)
        got.term(1)
        assert repr(got) and got._repr_html_()
        clip(got, 1.0)


@pytest.mark.parametrize("readout", ["identity", "softmax", "sigmoid"])
def test_each_readout_and_stack_is_as_quiet(readout):
    x, y, _, lengths = batch(SIZE)
    net = exploding(activation="identity", layers=2, bidirectional=True)
    got = net.gradients(x, y, readout=readout, lengths=lengths)
    assert set(got.status) == {"overflow"} and got.layer_lag_log2(0).shape == (41, 3)


def test_others_that_run_networks_are_as_quiet():
    x, y, *_ = batch(SIZE)
    net = exploding(activation="identity")
    assert not np.isfinite(many.gradients_of([net, net], x, y).loss).any()
    for asked in (False, True):
        back = Back.of(net, (x, y), "squared_error", "every", omega=asked)
    back.by_lane()
    back.clipped_steps(1.0, "norm")


LINEAR = {
    "task": "oscillator", "hidden_size": 4, "init": "gaussian", "interval": 0.1, "seed": 3,
    "sequence_length": 700, "input_scale": 0.5, "activation": "identity", "cell": "elman",
}  # fmt: skip


@pytest.mark.parametrize("activation", ["identity", "relu"])
@pytest.mark.parametrize("measure", [last_step, sequence_length, highway, recall])
def test_an_exploding_sweep_warns_of_nothing(measure, activation):
    options = {"activation": activation} | ({"outputs": 1} if measure is recall else {})
    block = Block({"spectral_radius": np.array([0.5, 1e3, 1e200])}, LINEAR | options)
    dead = measure is recall and activation == "relu"
    status = measure.measure(block)["status"].tolist()
    assert status == ["zero" if dead else "ok", "overflow", "overflow"]


def test_an_exploding_truncation_warns_of_nothing():
    point = {"truncation": "window", "steps": 3, "spectral_radius": 1e200, "batch_size": 2}
    named = {**LINEAR, **point}
    named.pop("cell")
    axes = ("truncation", "steps", "spectral_radius", "sequence_length", "hidden_size")
    block = Block({k: np.array([named.pop(k)]) for k in axes}, named)
    assert truncation.measure(block)["status"].tolist() == ["overflow"]


@pytest.mark.parametrize(("value", "status"), [(1e200, "overflow"), (np.nan, "nan")])
def test_a_sweep_says_what_became_of_its_loss(monkeypatch, value, status):
    block = Block({"spectral_radius": np.array([0.5, 0.9])}, LINEAR | {"sequence_length": 9})
    drawn = setting.draw(block, 9)
    drawn.targets[:] = value
    monkeypatch.setattr(last_step, "draw", lambda *_: drawn)
    table = last_step.measure(block)
    assert table["status"].tolist() == [status] * 2 and table["first_bad_step"].tolist() == [9, 9]
