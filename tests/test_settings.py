"""Cell, dtype, layers and directions of a sweep: each point is a network built by hand."""

import math

import numpy as np
import pytest

from gradlab import tasks
from gradlab.errors import UserError
from gradlab.measures import last_step, setting
from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.suite.grid import Block

LOG10_2 = math.log10(2)
AXES = ("spectral_radius", "sequence_length", "input_scale")
SHARED = {
    "seed": 3, "task": "noise", "hidden_size": 3, "activation": "tanh", "init": "gaussian",
}  # fmt: skip
SETTINGS = {
    "lstm": {"cell": "lstm", "forget_bias": 1.0},
    "gru": {"cell": "gru"},
    "float32": {"dtype": "float32"},
    "gru, float32": {"cell": "gru", "dtype": "float32"},
    "layers": {"layers": 2},
    "both directions": {"bidirectional": True},
    "lstm, layers, both, float32": {
        "cell": "lstm", "layers": 2, "bidirectional": True, "dtype": "float32",
    },
}  # fmt: skip


def block(**settings):
    radius, length, scale = np.meshgrid([0.6, 1.3], [5, 12], [0.0, 0.5], indexing="ij")
    points = (radius.ravel(), length.ravel(), scale.ravel())
    return Block(dict(zip(AXES, points, strict=True)), SHARED | settings)


def by_hand(given, row):
    """(net, x, y, h0) of a point: Network.draw at radius 1, W times the radius, a part of x."""
    point = {name: values[row].item() for name, values in given.points.items()} | given.constants
    layers, both = point.get("layers", 1), point.get("bidirectional", False)
    net = Network.draw(
        point.get("cell", "elman"), inputs=1, hidden=3, outputs=1, spectral_radius=1.0,
        seed=3, layers=layers, bidirectional=both, forget_bias=point.get("forget_bias", 0.0),
    )  # fmt: skip
    stream = draws.stream(seed=3, init="gaussian", hidden_size=3)
    for name, array in net.weights.items():  # h_0 is what the stream goes on with
        if name[0] in "UVW":
            stream.standard_normal(array.size)
    chains = layers * (1 + both)
    parts = len(net.state_parts)
    start = 0.01 * stream.standard_normal((chains, parts, 3))
    h0 = tuple(start[:, i] if chains > 1 else start[0, i] for i in range(parts))
    dtype = point.get("dtype", "float64")
    for name, array in net.weights.items():
        factor = point["spectral_radius"] if name.startswith("W") else 1
        if name in ("U", "U_l0_reverse"):
            factor = point["input_scale"]
        net.weights[name] = (factor * array).astype(dtype)
    x, y = tasks.find("noise").sample(setting.task_stream(3, "noise"), point["sequence_length"])
    return net, x.astype(dtype), y[-1].astype(dtype), None if point["input_scale"] else h0


def log10_of(values):
    with np.errstate(divide="ignore"):
        return np.log10(values)


def wanted(net, x, y, h0):
    """The columns of a point by Network.gradients: plain norms, of sizes that float64 holds."""
    got = net.gradients(x, y, at="last", h0=h0)
    steps, units = len(x), net.hidden
    norms = {"h": np.linalg.norm(got.states[:, 0, :units], axis=1)}  # forward stands first
    if net.cell == "lstm":
        norms["c"] = np.linalg.norm(got.cell_states[:, 0, :units], axis=1)
    log10 = {part: log10_of(values) for part, values in norms.items()}
    found = {"loss": got.loss, "log10_gradient_ratio": log10["h"][0] - log10["h"][-1]}
    for lag in (1, 2, 5, 10):
        there = lag <= steps
        for part, name in (("h", "gradient"), ("c", "cell_gradient")):
            if part in log10:
                own = log10[part][steps - lag] - log10["h"][-1] if there else math.nan
                found[f"log10_{name}_lag_{lag}"] = own
    sizes = {name: np.linalg.norm(array) for name, array in got.weights.items()}
    found |= {f"log10_norm_{name}": log10_of(size) for name, size in sizes.items()}
    found["log10_norm_all"] = math.log10(math.hypot(*sizes.values()))
    early = np.linalg.norm(sum(got.term(k) for k in range(1, steps // 2 + 1)))
    return found | {"log10_norm_W_early": math.log10(early), "early_share": early / sizes["W"]}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_point_of_the_last_step_is_the_network_built_by_hand(name):
    given = block(**SETTINGS[name])
    table = last_step.measure(given)
    assert set(table["status"]) == {"ok"} and not table["first_bad_step"].any()
    near = {"rtol": 1e-9, "atol": 1e-11}
    if given.constants.get("dtype") == "float32":
        near = {"rtol": 2e-5, "atol": 2e-5}
    for row in range(len(given)):
        right = wanted(*by_hand(given, row))
        for column, value in right.items():
            np.testing.assert_allclose(table[column][row], value, **near, err_msg=column)


def test_a_float32_sweep_computes_in_float32(monkeypatch):
    seen, forward, net_forward = [], setting.chains.forward, Network.gradients
    monkeypatch.setattr(
        setting.chains, "forward",
        lambda *given, **more: seen.extend(forward(*given, **more)) or seen[-1:],
    )  # fmt: skip
    monkeypatch.setattr(
        Network, "gradients",
        lambda net, *given, **more: seen.append(net) or net_forward(net, *given, **more),
    )  # fmt: skip
    narrow, wide = (last_step.measure(block(dtype=dtype)) for dtype in ("float32", "float64"))
    last_step.measure(block(dtype="float32", layers=2))
    kinds = [
        str(one.passed.trace.state.dtype if hasattr(one, "passed") else one.dtype) for one in seen
    ]
    assert set(kinds[:1] + kinds[2:]) == {"float32"} and kinds[1] == "float64"
    assert narrow["loss"].dtype == float and 0 < abs(narrow["loss"] - wide["loss"]).max() < 1e-5
    for theory in ("eigenvalue_radius", "singular_value", "gain", "rate_mean_field"):
        np.testing.assert_array_equal(narrow[theory], wide[theory])


def test_columns_of_a_stack_are_those_of_its_top_layer():
    table = last_step.measure(block(layers=2))
    assert np.isnan(table["rate_mean_field"]).all() and {"log10_norm_W", "log10_norm_W_l1"} < set(
        table
    )
    net, *_ = by_hand(block(layers=2), 0)
    np.testing.assert_allclose(
        table["singular_value"][0], np.linalg.norm(net.weights["W_l1"], 2), rtol=1e-12
    )
    ways = [last_step.measure(block(bidirectional=both))["rate_mean_field"] for both in (0, 1)]
    driven = block().points["input_scale"] > 0
    np.testing.assert_array_equal(*(rates[driven] for rates in ways))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 0}, "layers=0: must be at least 1"),
        ({"dtype": "float16"}, "dtype must be one of float64, float32"),
        ({"cell": "jordan", "layers": 2}, "cell jordan brings its own readout"),
    ],
)
def test_settings_that_cannot_be_are_one_line(settings, message):
    with pytest.raises(UserError, match=message):
        last_step.measure(block(**settings))
