"""The sweep's measure: every row is what one network, taken by itself, has."""

import itertools
import math

import numpy as np
import pytest
from networks import CELLS, as_h0

from gradlab.errors import UserError
from gradlab.measures import last_step, setting
from gradlab.nets import registry
from gradlab.nets.network import Network
from gradlab.suite.grid import Block

CONSTANTS = {
    "task": "oscillator", "hidden_size": 12, "activation": "tanh", "init": "gaussian",
    "interval": 0.1, "seed": 3,
}  # fmt: skip


def block(radii=(0.7, 1.4), lengths=(1, 7, 30), scales=(0.0, 0.5), **constants):
    """A block whose points are a product, as a sweep hands it over."""
    points = list(itertools.product(radii, lengths, scales))
    names = ("spectral_radius", "sequence_length", "input_scale")
    columns = (np.array(column) for column in zip(*points, strict=True))
    return Block(dict(zip(names, columns, strict=True)), CONSTANTS | constants)


def alone(given, row):
    """One point's network, its inputs and target, its start: no lanes, no gain, no scaled input."""
    radius, length, scale = (given.points[axis][row] for axis in given.points)
    shared = setting.draw(given, 30)
    own = shared.net.weights
    weights = {**own, "U": scale * own["U"], "W": radius * own["W"]}
    start = shared.start if scale == 0 else np.zeros_like(shared.start)
    net = Network(weights, shared.net.cell)
    return net, shared.inputs[:length], shared.targets[length - 1], as_h0(net, start)


@pytest.mark.parametrize("cell", CELLS)
def test_every_row_is_one_networks_own(cell):
    given = block(cell=cell, forget_bias=0.5 if registry.find(cell).forget else 0.0)
    table = last_step.measure(given)
    for row in range(len(given)):
        net, x, y, h0 = alone(given, row)
        got = net.gradients(x, y, at="last", h0=h0)
        near = {"rtol": 1e-10, "atol": 1e-12}
        np.testing.assert_allclose(table["loss"][row], got.loss, **near)
        lags = got.lag_log2[:, 0] * math.log10(2)
        np.testing.assert_allclose(table["log10_gradient_ratio"][row], lags[0] - lags[-1], **near)
        for name, gradient in got.weights.items():
            with np.errstate(divide="ignore"):  # dL/dW is 0 where T = 1 and h_0 = 0
                norm = np.log10(np.linalg.norm(gradient))
            np.testing.assert_allclose(table[f"log10_norm_{name}"][row], norm, **near)
        every = got.log2_norm * math.log10(2)
        np.testing.assert_allclose(table["log10_norm_all"][row], every, **near)
        early = sum((got.term(k) for k in range(1, len(x) // 2 + 1)), 0 * got.weights["W"])
        with np.errstate(invalid="ignore"):
            share = np.linalg.norm(early) / np.linalg.norm(got.weights["W"])
        np.testing.assert_allclose(table["early_share"][row], share, **near)
        W = net.weights["W"] @ net.weights["V"] if net.reads_out else net.weights["W"]
        radius = np.abs(np.linalg.eigvals(W[:12])).max()
        np.testing.assert_allclose(table["eigenvalue_radius"][row], radius, **near)
        singular = np.linalg.svd(W, compute_uv=False)[0]
        np.testing.assert_allclose(table["singular_value"][row], singular, **near)


def test_horizon_and_lags_read_the_same_curve():
    table = last_step.measure(block(radii=(0.5,), lengths=(30,), scales=(0.5,)))
    horizon = table["horizon"][0]
    # at radius 0.5 and this input the gradient loses a tenth of its size in some 3 steps
    assert 2 <= horizon <= 4
    curve = [table[f"log10_gradient_lag_{lag}"][0] for lag in (1, 2, 5)]
    assert curve[0] > -1 and curve[2] < -1 and np.isnan(table["log10_gradient_lag_35"][0])


def test_plain_norms_show_what_a_format_can_hold():
    table = last_step.measure(
        block(radii=(0.05, 3.0), lengths=(800,), scales=(0.0,), activation="identity")
    )
    assert table["status"].tolist() == ["ok", "overflow"]
    assert table["first_bad_step"][1] > 600
    assert table["float32_norm_state"][0] == 0 and table["float64_norm_state"][0] == 0
    np.testing.assert_allclose(
        table["log10_gradient_ratio"][0], 800 * math.log10(0.05), atol=3
    )  # the logarithm goes on where both formats have ended
    assert np.isnan(table["loss"][1])


def test_radius_zero_is_a_status_of_its_own():
    table = last_step.measure(block(radii=(0.0,), lengths=(4,), scales=(0.5,)))
    assert table["status"][0] == "zero" and table["log10_gradient_ratio"][0] == -np.inf


def test_lengths_may_be_measured_together_or_alone():
    together = last_step.measure(block())
    apart = last_step.measure(block(lengths=(7,)))
    rows = np.flatnonzero(block().points["sequence_length"] == 7)
    for name, column in apart.items():
        if column.dtype.kind == "f":
            np.testing.assert_allclose(together[name][rows], column, rtol=1e-11, err_msg=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radii": (-1.0,)}, "spectral_radius=-1: must be a finite number >= 0"),
        ({"scales": (np.inf,)}, "input_scale=inf: must be a finite number >= 0"),
        ({"lengths": (0,)}, "sequence_length=0: must be at least 1"),
        ({"hidden_size": 0}, "hidden_size=0: must be at least 1"),
        ({"activation": "gelu"}, "activation must be one of tanh, relu, sigmoid, identity"),
        ({"task": "osc"}, "no task osc; there are"),
    ],
)
def test_a_wrong_point_is_one_line(change, message):
    with pytest.raises(UserError, match=message):
        last_step.measure(block(**change))


def test_the_estimate_grows_with_the_work():
    small, large = (last_step.estimate(block(lengths=lengths)) for lengths in ((3000,), (30000,)))
    assert 5 < large[0] / small[0] < 15 and large[1] > small[1] > 0
