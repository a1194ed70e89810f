"""Cell, dtype, layers and directions of a sweep: each point is a network built by hand."""

import math

import numpy as np
import pandas as pd
import pytest

import gradlab
from gradlab import tasks
from gradlab.errors import UserError
from gradlab.learning.plan import Plan
from gradlab.learning.training import Training
from gradlab.measures import (
    highway,
    initialisation,
    last_step,
    recall,
    sequence_length,
    setting,
    truncation,
)
from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.suite import library
from gradlab.suite.grid import Block, changed

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


LONG = 130  # steps, of which the exponents see the last 30
STACK = {"cell": "gru", "layers": 2}


def points_of(length, **settings):
    """Two radii of one length under input, and the networks that they are, from their start."""
    axes = {"spectral_radius": np.array([0.6, 1.3]), "sequence_length": np.full(2, length)}
    return Block(axes, SHARED | {"input_scale": 0.5} | settings)


def gradient_of(net, x, h0, V):
    """log10 ||dL_T/dh_t|| (T+1,) of the top layer, L = V h_T, by the square of V h_T - y."""
    net.weights["V"], far = V.astype(net.dtype), np.full((1, 1), 10.0, net.dtype)
    got = net.gradients(x, far, at="last", h0=h0)
    slope = 2 * abs(net.forward(x, h0).outputs[-1, 0, 0] - 10)
    return got.lag_log2[:, 0] * LOG10_2 - math.log10(slope)


@pytest.mark.parametrize("settings", [{"cell": "lstm"}, STACK, {"dtype": "float32", "layers": 2}])
def test_gradients_over_the_length_are_those_of_the_network(settings):
    given = points_of(9, **settings)
    table = sequence_length.measure(given)
    start = block(**settings)  # its first row has no input, and the state that it starts from
    h0 = by_hand(start, 0)[3]
    for row in range(2):
        net, x, _, _ = by_hand(given, row)
        right = gradient_of(net, x, h0, net.weights["V"])[0]
        assert table["log10_gradient"][row] == pytest.approx(right, abs=2e-5)


@pytest.mark.parametrize("settings", [{}, {"layers": 2}])
def test_the_exponent_of_one_unit_is_its_gradient_by_lag(settings):
    given = points_of(LONG, hidden_size=1, init="orthogonal", **settings)
    table = sequence_length.measure(given)
    shared = setting.draw(given, LONG)
    start = np.atleast_2d(shared.start)
    for row, radius in enumerate(given.points["spectral_radius"]):
        net = setting.of_size(shared.net, radius, 0.5)
        logs = gradient_of(net, shared.inputs, start[0] if len(start) == 1 else start,
                           net.weights["V"]) * math.log(10)  # fmt: skip
        assert table["lyapunov_1"][row] == pytest.approx((logs[100] - logs[-1]) / 30, abs=1e-9)


@pytest.mark.parametrize("settings", [STACK, {"dtype": "float32"}])
def test_memory_of_a_stack_is_the_jacobian_of_its_top_layer(settings):
    given = points_of(highway.SETTLE + max(highway.LAGS), **settings)
    table = highway.measure(given)
    for row in range(2):
        net, x, _, _ = by_hand(given, row)
        logs = [gradient_of(net, x, None, unit[None]) for unit in np.eye(3)]
        for lag in (1, 3, 10):
            size = math.sqrt(sum(10 ** (2 * own[-1 - lag]) for own in logs) / 3)
            found = table[f"log10_memory_lag_{lag}"][row]
            assert found == pytest.approx(math.log10(size), abs=2e-5)
        v = draws.stream(seed=3, direction=3).standard_normal(3)
        right = gradient_of(net, x, None, v[None])
        found = table["log10_gradient_lag_5"][row]
        assert found == pytest.approx(right[-6] - right[-1], abs=2e-5)


def test_recall_in_float32_is_that_of_float64_to_its_rounding():
    constants = {"cell": "elman", "outputs": 1, "seed": 1, "hidden_size": 4, "input_scale": 0.1,
                 "activation": "tanh", "sequence_length": 600}  # fmt: skip
    narrow, wide = (
        recall.measure(Block({"spectral_radius": np.array([0.5])}, constants | {"dtype": dtype}))
        for dtype in ("float32", "float64")
    )
    for name in ("memory_lag_1", "capacity", "log10_gradient_lag_10"):
        assert narrow[name] == pytest.approx(wide[name], abs=1e-3) and narrow[name] != wide[name]


@pytest.mark.parametrize(
    "settings", [STACK, {"cell": "lstm", "bidirectional": True, "dtype": "float32"}]
)
def test_a_draw_of_several_matrices_is_all_of_them(settings):
    constants = {"task": "noise", "hidden_size": 4, "sequence_length": 12, "input_scale": 0.5}
    axes = {"init": np.array(["gaussian"]), "rescaled": np.array([True]),
            "activation": np.array(["tanh"]), "seed": np.array([2])}  # fmt: skip
    table = initialisation.measure(Block(axes, constants | settings))
    net = Network.draw(inputs=1, hidden=4, outputs=1, spectral_radius=1.0, input_scale=0.5, seed=2,
                       **settings)  # fmt: skip
    every = [W.reshape(-1, 4, 4) for name, W in net.weights.items() if name.startswith("W")]
    blocks = np.concatenate(every).astype(float)
    values = np.linalg.svd(blocks, compute_uv=False)
    assert table["singular_value"][0] == pytest.approx(values.max())
    assert table["singular_value_p50"][0] == pytest.approx(np.median(values))
    radius = np.abs(np.linalg.eigvals(blocks)).max()
    assert table["eigenvalue_radius"][0] == pytest.approx(radius)
    x, y = tasks.find("noise").sample(setting.task_stream(2, "noise"), 12)
    states = net.gradients(x.astype(net.dtype), y[-1].astype(net.dtype), at="last").states[:, 0, :4]
    sizes = np.log10(np.linalg.norm(states, axis=1))
    for lag in (1, 3, 10):
        found = table[f"log10_gradient_lag_{lag}"][0]
        assert found == pytest.approx(sizes[-1 - lag] - sizes[-1], abs=1e-5)


@pytest.mark.parametrize(
    "settings", [STACK, {"cell": "gru", "bidirectional": True}, {"dtype": "float32"}]
)
def test_truncation_of_a_stack_is_of_all_its_recurrent_weights(settings):
    constants = {"task": "noise", "init": "gaussian", "batch_size": 2, "input_scale": 0.5,
                 "activation": "tanh", "delay": 3}  # fmt: skip
    axes = {"hidden_size": 3, "sequence_length": 8, "seed": 1, "spectral_radius": 0.9,
            "truncation": "chunk", "steps": 3}  # fmt: skip
    given = Block({k: np.array([v]) for k, v in axes.items()}, constants | settings)
    table = truncation.measure(given)
    net = Network.draw(inputs=1, hidden=3, outputs=1, spectral_radius=0.9, input_scale=0.5, seed=1,
                       **settings)  # fmt: skip
    x, y = tasks.find("noise").sample(setting.task_stream(1, "noise"), 8, 2, delay=3)
    x, y = x.astype(net.dtype), y.astype(net.dtype)
    cut, full = (
        np.concatenate([np.ravel(v) for k, v in got.weights.items() if k.startswith("W")])
        for got in (net.gradients(x, y, truncate=("chunk", 3)), net.gradients(x, y))
    )
    cosine = cut @ full / np.linalg.norm(cut) / np.linalg.norm(full)
    assert math.cos(math.radians(table["angle"][0])) == pytest.approx(cosine, abs=1e-5)
    ratio = math.log10(np.linalg.norm(cut) / np.linalg.norm(full))
    assert table["log10_ratio"][0] == pytest.approx(ratio, abs=1e-5)
    assert np.isnan(table["gain"][0]) == ("cell" in settings)


TRAINED = {
    "spectral_radius": [1.0], "sequence_length": [10], "clip_threshold": [1.0], "seed": [0],
    "hidden_size": 4, "updates": 3, "batch": 2, "evaluate_every": 3, "evaluation_size": 4,
    "learning_rate": [0.1],
}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [{"cell": "gru", "layers": 2, "bidirectional": True}, {"dtype": "float32"}],
)
def test_a_map_trains_the_network_that_is_asked_for(settings, tmp_path):
    row = gradlab.run("training_map", set=TRAINED | settings, results=tmp_path).iloc[0]
    task = tasks.find("temporal_order")
    net = Network.draw(inputs=task.INPUTS, hidden=4, outputs=task.OUTPUTS, spectral_radius=1.0,
                       seed=0, **settings)  # fmt: skip
    plan = Plan("temporal_order", 10, updates=3, batch=2, learning_rate=0.1, clip_threshold=1.0)
    training = Training(net, task, plan)
    training.run()
    assert row.mean_norm == np.mean(training.norms) and row.last_loss == training.losses[-1]
    assert str(training.net.dtype) == settings.get("dtype", "float64")


def test_a_forecast_by_a_stack_of_grus_in_float32(tmp_path):
    given = {"model": ["gru"], "seed": [0], "updates": 5, "hidden_size": 4, "until": 8.0,
             "time": [0.0, 2.0, 6.0]}  # fmt: skip
    frames = [
        gradlab.run("oscillator_forecast", set=given | more, results=tmp_path)
        for more in ({}, {"layers": 2}, {"dtype": "float32"})
    ]
    one, two, narrow = (frame.position.to_numpy() for frame in frames)
    assert np.isfinite([one, two, narrow]).all() and frames[0]["mode"].nunique() == 2
    assert (abs(one - two)[[1, 2, 4, 5]] > 1e-6).all()
    np.testing.assert_allclose(narrow, one, atol=1e-3)
    assert (narrow != one).any()


def test_a_setting_as_an_axis_gives_the_rows_of_each_value_alone(tmp_path):
    few = {"spectral_radius": [0.8, 1.2], "sequence_length": [5], "input_scale": [0.5],
           "seed": [0, 1], "hidden_size": 3}  # fmt: skip
    for name, values in (("cell", ["elman", "gru"]), ("layers", [1, 2])):
        both = gradlab.run("spectral_radius", set=few | {name: values}, results=tmp_path)
        assert both[name].tolist() == [value for value in values for _ in range(4)]
        for value in values:
            alone = gradlab.run("spectral_radius", set=few | {name: value}, results=tmp_path)
            own = both[both[name] == value].reset_index(drop=True)
            pd.testing.assert_frame_equal(own[list(alone)], alone, check_exact=True)
    assert (tmp_path / "spectral_radius.png").exists()


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("oscillator_forecast", "cell", "has no cell: did you mean model[?]"),
        ("euler", "layers", "euler has no layers; it has scheme, system, interval, time"),
        ("mean_field", "cell", "mean_field has no cell; it has init, activation"),
        ("spectral_radius", "layer", "has no layer: did you mean layers[?]"),
    ],
)
def test_what_has_no_meaning_for_a_question_is_no_setting_of_it(name, setting, message):
    with pytest.raises(UserError, match=message):
        changed(library.load(name), {setting: "2"})


@pytest.mark.parametrize("name", ["dtype", "layers", "bidirectional"])
def test_settings_are_checked_before_anything_runs(name):
    wrong = {"dtype": "float64,float16", "layers": "1,0", "bidirectional": "True,maybe"}
    with pytest.raises(UserError, match=name):
        changed(library.load("spectral_radius"), {name: wrong[name]})
