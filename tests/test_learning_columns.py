"""Every column of the learning and forecast measures, against the plain loop in tests/twin.py."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import twin

import gradlab
from gradlab import tasks
from gradlab.learning.plan import Plan
from gradlab.measures import forecast, learning
from gradlab.nets import draws
from gradlab.suite import library
from gradlab.suite.grid import blocks, changed

ORDER = tasks.find("temporal_order")
SMALL = {
    "spectral_radius": [1.1], "sequence_length": [10], "seed": [3], "hidden_size": 6, "batch": 4,
}  # fmt: skip


def block_of(name, grid):
    ((block, _),) = blocks(changed(library.load(name), grid))
    return block


def by_hand(block, updates, **changes):
    """(rows, weights after each) of the plain loop, and the network as it starts."""
    known = block.constants | {name: v[0].item() for name, v in block.points.items()}
    net = gradlab.Network.draw(
        inputs=6, hidden=6, outputs=4, seed=3, spectral_radius=known["spectral_radius"],
        activation=known["activation"], init=known["init"],
    )  # fmt: skip
    names = ("batch", "learning_rate", "optimizer", "omega", "seed")
    plan = {name: known[name] for name in names if name in known}
    return twin.train(net, ORDER, Plan("temporal_order", 10, updates, **plan | changes)), net


def test_the_outcome_of_a_training():
    grid = SMALL | {
        "clip_threshold": [1.2], "updates": 25, "evaluate_every": 10, "evaluation_size": 20,
        "stop_below": 0.0, "learning_rate": [0.1],
    }  # fmt: skip
    block = block_of("training_map", grid)
    found = {name: values[0] for name, values in learning.outcome(block).items()}
    changes = {"clip_threshold": 1.2, "evaluate_every": 10, "evaluation_size": 20}
    (rows, _), _ = by_hand(block, 25, **changes)
    losses, norms = ([row[name] for row in rows] for name in ("loss", "norm_before"))
    end = (losses[-1] + losses[-2]) / 2  # of 25: the last two
    wanted = {
        "solved": 0, "updates_done": 25, "diverged": 0, "relative_loss": end / math.log(4),
        "share_clipped": sum(row["clipped"] for row in rows) / 25, "share_not_finite": 0,
        "mean_norm": sum(norms) / 25, "median_norm": sorted(norms)[12],
        "largest_norm": max(norms), "decades_per_step": rows[0]["log10_gradient_ratio"] / 10,
        "first_radius": rows[0]["spectral_radius"], "last_radius": rows[-1]["spectral_radius"],
        "last_loss": end, "error": rows[19]["error"],
    }  # fmt: skip
    assert found == pytest.approx(wanted, rel=1e-8)
    assert 0 < found["share_clipped"] < 1


def test_a_training_above_twice_chance_is_thrown_off_not_one_at_it(monkeypatch):
    block = block_of("training_map", SMALL | {"clip_threshold": [1.2], "updates": 3})
    point = learning.point_of(block, 0)
    end = learning._outcome(point)["last_loss"]
    for relative, lost in ((2.0, 0.0), (2.5, 1.0)):
        monkeypatch.setattr(learning, "_chance", lambda *_, r=relative: end / r)
        assert learning._outcome(point)["diverged"] == lost


def test_only_a_norm_below_the_threshold_spares_a_training():
    point = {"clip_style": "norm", "clip_per": "mean", "clip_threshold": 5.0}
    assert learning._spared(point, {"largest_norm": np.nextafter(5.0, 0)})
    assert not learning._spared(point, {"largest_norm": 5.0})  # at it the rule takes hold
    assert not learning._spared(point, {"largest_norm": math.nan})
    for change in ({"clip_style": "torch"}, {"clip_per": "lane"}):
        assert not learning._spared(point | change, {"largest_norm": 1.0})


CURVE = SMALL | {"sequence_length": 10, "clip_style": ["norm"], "clip_per": ["mean"]}
SINCE = {"mean_loss": "loss", "mean_norm": "norm_before", "share_clipped": "clipped"}


def test_the_curves_of_a_training():
    block = block_of("clipping", CURVE | {"clip_threshold": [1.2], "update": [1, 4, 12]})
    found = learning.curves(block)
    (rows, _), _ = by_hand(block, 12, clip_threshold=1.2)
    first = {1: 0, 4: 1, 12: 8}  # a row at 1, 4, 8, 12: all since the row before
    renamed = {"spectral_radius_now": "spectral_radius", "omega_value": "omega"}
    for i, update in enumerate(first):
        row = rows[update - 1]
        since = rows[first[update] : update]
        for name in learning.CURVES:
            wanted = row.get(renamed.get(name, name), 0.0)
            if name in SINCE:
                wanted = np.mean([r[SINCE[name]] for r in since])
            if name == "error":
                wanted = math.nan
            assert found[name][i] == pytest.approx(wanted, rel=1e-8, nan_ok=True), name
    assert found["status"].tolist() == ["ok"] * 3


def test_the_gradient_by_lag_of_a_training():
    grid = SMALL | {"sequence_length": 10, "omega": [2.0], "update": [0, 5], "lag": [0, 4, 10, 11]}
    block = block_of("omega", grid)
    found = learning.lags(block)
    known = block.constants
    threshold = known["clip_threshold"]
    (_, after), net = by_hand(block, 5, omega=2.0, clip_threshold=threshold)
    start = gradlab.Network.draw(
        inputs=6, hidden=6, outputs=4, seed=3, spectral_radius=1.1,
        activation=known["activation"], init=known["init"],
    )  # fmt: skip
    x, y = ORDER.sample(draws.stream(seed=3, purpose="gradient by lag"), 10, 200)
    for update, weights in ((0, start.weights), (5, after[-1])):
        net.weights = weights
        lanes = [twin.Lane(net, ORDER, x[:, i], {10: y[i]}) for i in range(200)]
        norms = np.array([np.sqrt((lane.adjoint**2).sum(1)) for lane in lanes])
        last = [reference.states(net, x[:, i], np.zeros(6))[0][-1] for i in range(200)]
        outputs = np.array([reference.outputs(net, h) for h in last])
        wanted = {
            "loss": np.mean([lane.loss for lane in lanes]),
            "error": np.mean(outputs.argmax(1) != y),
            "omega_value": twin.omega(weights["W"], lanes)[0],
            "spectral_radius_now": abs(np.linalg.eigvals(weights["W"])).max(),
            "singular_value": np.linalg.svd(weights["W"])[1][0],
        }
        for i in np.flatnonzero(block.points["update"] == update):
            lag = block.points["lag"][i]
            if lag > 10:
                assert math.isnan(found["log10_gradient"][i])
                continue
            ratio = np.median(np.log10(norms[:, 10 - lag] / norms[:, 10]))
            assert found["log10_gradient"][i] == pytest.approx(ratio, rel=1e-8, abs=1e-12)
            for name, value in wanted.items():
                assert found[name][i] == pytest.approx(value, rel=1e-8), name


# The forecast

TIMES = [0.0, 0.4, 2.0, 2.4, 4.0]
FORECAST = {"seed": [1], "time": TIMES, "until": 4.0, "hidden_size": 5, "updates": 4}


def exact(t):
    """Position and velocity of s'' + .4 s' + s = cos(.5 t) from (1, 0), solved by hand."""
    turn = math.sqrt(0.96)
    a, b = 0.75 / (0.75**2 + 0.2**2), 0.2 / (0.75**2 + 0.2**2)  # a cos(t/2) + b sin(t/2)
    p = 1 - a
    q = (0.2 * p - 0.5 * b) / turn
    c, s, fall = np.cos(turn * t), np.sin(turn * t), np.exp(-0.2 * t)
    position = a * np.cos(t / 2) + b * np.sin(t / 2) + fall * (p * c + q * s)
    velocity = 0.5 * (b * np.cos(t / 2) - a * np.sin(t / 2))
    velocity += fall * ((turn * q - 0.2 * p) * c - (turn * p + 0.2 * q) * s)
    return np.stack([position, velocity], -1)


def taught(block, x, y):
    """An elman network that the plain loop has taught x (T, B, D), y (T, B, 2)."""
    net = gradlab.Network.draw(
        inputs=x.shape[-1], hidden=5, outputs=2, spectral_radius=0.9, seed=1
    )  # fmt: skip
    task = SimpleNamespace(LOSS="squared_error", AT="every", sample=lambda *_: (x, y))
    names = ("learning_rate", "optimizer", "schedule", "clip_threshold", "clip_style")
    plan = {name: block.constants[name] for name in names}
    twin.train(net, task, Plan("oscillator", len(x), 4, batch=x.shape[1], **plan))
    return net


@pytest.mark.parametrize("model", ["elman", "window"])
@pytest.mark.parametrize("mode", ["driven", "fed_back"])
def test_the_columns_of_a_forecast(model, mode):
    block = block_of("oscillator_forecast", FORECAST | {"model": [model], "mode": [mode]})
    found = forecast.measure(block)
    s, force = exact(0.2 * np.arange(21)), np.cos(0.1 * np.arange(20))
    rows = [[f, *(s[t] if mode == "fed_back" or t == 0 else (0, 0))] for t, f in enumerate(force)]
    wide = 10 if model == "window" else 1

    def inputs(t):
        return np.concatenate(
            [rows[u] if u >= 0 else [0.0] * 3 for u in range(t - wide + 1, t + 1)]
        )

    x = np.array([inputs(t) for t in range(10)])
    shape = (1, 10, -1) if model == "window" else (10, 1, -1)
    net = taught(block, x.reshape(shape), s[1:11].reshape(shape))
    h, outputs, hidden = np.zeros(5), [s[0]], [np.zeros(5)]
    for t in range(20):
        if mode == "fed_back" and t > 10:
            rows[t] = [force[t], *outputs[t]]
        before = np.zeros(5) if model == "window" else h
        h, _ = reference.Elman.step(net.weights, inputs(t), before, np.tanh)
        hidden.append(h)
        outputs.append(net.weights["c"] + net.weights["V"] @ h)
    index = [0, 2, 10, 12, 20]
    wanted = {
        "position": np.array(outputs)[index, 0], "velocity": np.array(outputs)[index, 1],
        "exact_position": s[index, 0], "exact_velocity": s[index, 1],
        "persistent_position": s[[0, 2, 10, 10, 10], 0],
    }  # fmt: skip
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-7, atol=1e-9, err_msg=name)
    slopes = np.mean([1 - h**2 for h in hidden[1:11]], axis=0)
    spectrum = np.linalg.eigvals(np.diag(slopes) @ net.weights["W"]).astype(complex)
    check_spectrum(found, spectrum if model == "elman" else [complex(np.nan, np.nan)] * 4)


def check_spectrum(found, spectrum):
    """Hold the first four eigenvalues, largest first, a pair with its positive one first."""
    order = sorted(spectrum, key=lambda z: (-round(abs(z), 9), -z.imag))[:4]
    order += [complex(np.nan, np.nan)] * (4 - len(order))
    for n, value in enumerate(order, start=1):
        assert found[f"eigenvalue_{n}_real"] == pytest.approx(value.real, rel=1e-6, nan_ok=True)
        assert found[f"eigenvalue_{n}_imag"] == pytest.approx(
            value.imag, rel=1e-6, abs=1e-9, nan_ok=True
        )


def test_jordan_s_eigenvalues_are_of_its_outputs():
    block = block_of("oscillator_forecast", FORECAST | {"model": ["jordan"], "mode": ["fed_back"]})
    found = forecast.measure(block)
    motion = forecast._motion(20, 0.2)
    net = forecast._trained(block, motion, forecast._inputs(motion, "fed_back", "jordan"))
    w, s = net.weights, exact(0.2 * np.arange(21))
    total = np.zeros((5, 5))
    for t in range(10):
        x = [math.cos(0.1 * t), *(s[0] if t == 0 else (0, 0))]
        h = np.tanh(w["b"] + w["W"] @ s[t] + w["U"] @ x)
        total += np.diag(1 - h**2) / 10
    check_spectrum(found, np.linalg.eigvals(w["V"] @ total @ w["W"]).astype(complex))


def test_times_between_the_steps_are_refused():
    with pytest.raises(ValueError, match=r"interval=0\.2: must divide every time"):
        forecast._steps(np.array([0.2, 0.5]), 0.2)
