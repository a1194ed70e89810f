"""What explodes says so by a status: no warning of NumPy's leaves a public call."""

import numpy as np
import pytest
from networks import CELLS, LOSSES, activations, batch, network

from gradlab.learning.backprop import Backprop
from gradlab.learning.clipping import clip
from gradlab.nets import many

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
    back = Backprop(net, x, y, "squared_error", "every")
    for call in (back.sums, back.by_lane, lambda: back.clipped_steps(1.0, "norm")):
        call()
    back.sums(omega=True)
