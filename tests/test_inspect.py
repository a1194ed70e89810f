"""`gradlab inspect` as a user meets it: what it takes, says, writes and refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gradlab
from gradlab.cli import main
from gradlab.errors import UserError
from gradlab.inspecting import inputs, inspected, remedies, report, rules

STEPS, LANES = 24, 5


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def drawn(cell="elman", **options):
    return gradlab.Network.draw(cell, inputs=2, hidden=4, outputs=1, **options)


def data(steps=STEPS, lanes=LANES):
    x = np.random.default_rng(0).standard_normal((steps, lanes, 2))
    return x, x.sum(2, keepdims=True)


def told(seen):
    return " ".join(seen.text.split())


def test_every_way_in_gives_the_same(tmp_path):
    net, (x, y) = drawn("lstm", dtype="float32"), data()
    net.save("net.safetensors")
    W = net.weights
    named = {
        "rnn.weight_ih_l0": W["U"], "rnn.weight_hh_l0": W["W"], "rnn.bias_ih_l0": W["b"],
        "rnn.bias_hh_l0": np.zeros_like(W["b"]), "fc.weight": W["V"], "fc.bias": W["c"],
        "embedding.weight": np.zeros((3, 2), np.float32),
    }  # fmt: skip
    np.savez("net.npz", **named)
    np.save("x.npy", x)
    np.save("y.npy", y)
    seen = [
        gradlab.inspect(net, x, y), gradlab.inspect("net.safetensors", "x.npy", "y.npy"),
        gradlab.inspect(Path("net.npz"), x, y), gradlab.inspect(named, x, y.tolist()),
        gradlab.inspect(named, x.swapaxes(0, 1), y.swapaxes(0, 1), batch_first=True),
    ]  # fmt: skip
    for other in seen[1:]:
        pd.testing.assert_frame_equal(other.layers, seen[0].layers)
        assert other.loss == "squared_error"
    assert "ignored: embedding.weight" in told(seen[2])
    assert "readout: fc (1), the only linear layer that fits" in told(seen[3])


def test_the_screen_fits_a_screen_whatever_the_model():
    x, y = data()
    for net in (drawn(), drawn("gru"), drawn("lstm", layers=3, bidirectional=True)):
        lines = gradlab.inspect(net, x, y, needs=10, rate=0.1).text.split("\n")
        assert max(map(len, lines)) <= 100 and len(lines) <= 45


def test_a_gradient_that_vanishes_is_told_where_and_why():
    seen = gradlab.inspect(drawn("lstm", forget_bias=-3.0), steps=60, needs=20)
    said = " ".join(seen.advice)
    assert "Layer 0: the gradient vanishes. Beyond" in said
    assert "gate f, 0.0" in said and "a bias of 1 on it would keep 73 %" in said
    assert "The horizon is shorter than the dependency: the task needs 20 steps" in said
    assert "Give targets" in said and "noise of unit variance" in seen.text
    assert seen.rules[0].verdict == rules.VANISHES


def test_a_gradient_that_explodes_is_told_and_one_that_flows():
    W = 1.5 * np.eye(4)
    net = drawn(activation="identity")
    net.weights["W"] = W
    seen = gradlab.inspect(net, steps=50)
    said = " ".join(seen.advice)
    assert "the gradient explodes. 11 steps back it is 70 times" in said  # 1.5^11 = 86
    assert "multiplies it by 1.5 in the long run: W has a spectral radius of 1.5" in said
    assert "no window is known to be enough" in said
    net.weights["W"] = np.eye(4)
    seen = gradlab.inspect(net, steps=50, needs=50)
    assert "there it is" not in told(seen) and "gets to the start" in seen.advice[0]
    assert "and the gradient reaches 50: enough" in told(seen)
    assert ">= 50" in seen.text and seen.found.layers[0].horizon["h"] == 50


def test_targets_of_every_step_of_the_last_one_and_classes():
    x, y = data()
    every = gradlab.inspect(drawn(), x, y)
    last = gradlab.inspect(drawn(), x, y[-1])
    np.testing.assert_allclose(every.table.log10_gradient_h, last.table.log10_gradient_h)
    assert every.found.gradient.loss > last.found.gradient.loss
    net = gradlab.Network.draw(inputs=2, hidden=4, outputs=3)
    classes = np.random.default_rng(0).integers(0, 3, (STEPS, LANES))
    seen = gradlab.inspect(net, x, classes)
    assert seen.loss == "cross_entropy" and "dL/dh_k of the last step's cross entropy" in told(seen)
    own = net.gradients(x, classes[-1], "cross_entropy", "last").lag_log2
    mean = np.log10(np.square(np.exp2(own[::-1])).mean(1)) / 2
    np.testing.assert_allclose(seen.table.log10_gradient_h, mean)


def test_a_threshold_fits_the_norms_of_minibatches():
    net, (x, y) = drawn(), data(lanes=16)
    seen = gradlab.inspect(net, x, y)
    norms = [
        2 ** net.gradients(x[:, i : i + 2], y[:, i : i + 2]).log2_norm for i in range(0, 16, 2)
    ]
    low, high = seen.record["threshold"]
    assert low == pytest.approx(np.mean(norms) / 2) and high == pytest.approx(10 * np.mean(norms))
    assert "8 minibatches of 2" in told(seen)


def test_rules_of_thumb_say_what_they_are_over():
    net, (x, y) = drawn(), data()
    found = gradlab.inspect(net, x, y, rate=0.5)
    over_layers, over_steps, update, saturated = found.rules
    grads = net.gradients(x, y).log2_norms
    assert over_layers.log10 == pytest.approx((grads["U"] - grads["V"]) * np.log10(2))
    assert over_steps.log10 == pytest.approx(found.found.layers[0].whole[-1])
    sizes = [0.5 * 2 ** grads[k] / np.linalg.norm(net.weights[k]) / 1e-3 for k in ("U", "W", "V")]
    assert 10**update.log10 / 1e-3 in [pytest.approx(size) for size in sizes]
    assert update.verdict == "large" and saturated.is_share
    without = gradlab.inspect(net, x, y).rules[2]
    assert 10**without.log10 * max(sizes) * 1e-3 / 0.5 == pytest.approx(1e-3)
    assert [rules.by_ratio(v) for v in (-3.1, -2.9, 1.8, 1.9, np.nan)] == [
        rules.VANISHES, rules.FLOWS, rules.FLOWS, rules.EXPLODES, rules.UNKNOWN,
    ]  # fmt: skip


def test_remedies_change_what_they_say_and_nothing_else():
    net, (x, y) = drawn("lstm", forget_bias=-3.0), data(60)
    seen = gradlab.inspect(net, x, y[-1], needs=50).attempt()
    found = {one.name.split()[0]: one for one in seen.remedies}
    assert set(found) == {"forget", "chrono", "orthogonal", "gain", "threshold", "window"}
    bias = found["forget"].net.weights
    assert (bias["b"][4:8] == 1).all() and (bias["W"] == net.weights["W"]).all()
    assert found["forget"].horizons[1] > found["forget"].horizons[0] < 50
    again = gradlab.inspect(found["forget"].net, x, y[-1]).found.layers[0]
    assert again.reach == found["forget"].horizons[1]
    for block in np.split(found["orthogonal"].net.weights["W"], 4):
        np.testing.assert_allclose(block @ block.T, np.eye(4), atol=1e-12)
    assert max(map(len, seen.text.split("\n"))) <= 100
    assert "Of these" in seen.remedy and seen.text.endswith("train again from there.")


def test_the_gain_is_the_one_that_keeps_the_gradients_size():
    net = drawn(activation="identity", spectral_radius=0.4)
    seen = gradlab.inspect(net, steps=200).attempt()
    (gain,) = [one for one in seen.remedies if one.name.startswith("gain")]
    factor = gain.net.weights["W"] / net.weights["W"]
    assert factor.min() == pytest.approx(factor.max()) and factor.max() == pytest.approx(2.5, 0.03)
    assert gain.horizons[1] == 200
    smart = gradlab.inspect(drawn(), steps=30).attempt().remedies
    radius = max(abs(np.linalg.eigvals(_named(smart, "smart").net.weights["W"])))
    assert radius == pytest.approx(0.95)


def _named(found, name):
    return next(one for one in found if one.name.startswith(name))


def test_the_bias_of_a_window_is_that_of_truncated_gradients():
    net, (x, y) = drawn(spectral_radius=0.9), data()
    full = net.gradients(x, y[-1], at="last").weights["W"]
    cut = net.gradients(x, y[-1], at="last", truncate=("window", 3)).weights["W"]
    found = remedies.relative_bias(net, x, y[-1], "squared_error", 3)
    assert found == pytest.approx(np.linalg.norm(full - cut) / np.linalg.norm(full))


def test_a_threshold_and_a_window_are_measured_too():
    net, (x, y) = drawn(spectral_radius=0.5), data(60, 8)
    seen = gradlab.inspect(net, x, y).attempt()
    window, threshold = _named(seen.remedies, "window"), _named(seen.remedies, "threshold")
    steps = int(seen.found.layers[0].window)
    bias = remedies.relative_bias(net, x, y[-1], "squared_error", steps)
    assert window.name == f"window of {steps} steps" and window.after == report.percent(bias)
    assert bias < 0.3
    assert float(threshold.after) <= float(threshold.before)
    assert np.isnan(threshold.horizons).all() and "clipped" in threshold.what


def test_a_large_model_is_sampled_and_says_so(monkeypatch):
    monkeypatch.setattr(inputs, "BYTES", 30_000)
    seen = gradlab.inspect(drawn("lstm"), *data())
    assert seen.lanes < LANES and seen.found.layers[0].steps == seen.steps
    assert f"{seen.lanes} of 5 sequences, {seen.steps} of 24 steps" in told(seen)


def test_a_large_model_has_a_bar_where_one_is_asked_for(monkeypatch, capsys):
    from gradlab.suite import progress

    counted = []
    monkeypatch.setattr(inspected, "SECONDS", 1)
    monkeypatch.setattr(progress.NoBar, "update", lambda _, points: counted.append(points))
    monkeypatch.setattr(progress, "bar", lambda total: counted.append(total) or progress.NoBar())
    gradlab.inspect(drawn("lstm", layers=2), *data(), progress=True).attempt()
    assert counted == [6, *[1] * 6, 7, *[1] * 7]
    gradlab.inspect(drawn(), *data())
    assert len(counted) == 15 and not capsys.readouterr().out


def test_what_does_not_fit_is_one_line():
    net, (x, y) = drawn(), data()
    for message, wrong in [
        ("inputs have shape (24, 5): the model takes (T, B, D), D = 2", lambda: (x[..., 0],)),
        ("give a .npy, .csv or .parquet file", lambda: ("x.txt",)),
        ("no file x.npy", lambda: ("x.npy",)),
        ("targets without inputs", lambda: (None, y)),
        ("targets have shape (7,): give (24, 5, 1) or (5, 1)", lambda: (x, np.ones(7))),
        ("inputs hold 1 value that is nan or inf", lambda: (np.where(x == x.max(), np.nan, x),)),
        ("loss must be one of squared_error", lambda: (x, y, "mse")),
        ("loss='squared_error' without targets", lambda: (x, None, "squared_error")),
    ]:
        with pytest.raises(UserError) as caught:
            gradlab.inspect(net, *wrong())
        assert message in str(caught.value) and "\n" not in str(caught.value)
    for message, options in [
        ("bias=2: must be above 0 and below 1", {"bias": 2}),
        ("needs must be a whole number from 1", {"needs": 0}),
        ("rate=0: must be a number above 0", {"rate": 0}),
        ("layer: a Network says it itself", {"layer": "rnn"}),
    ]:
        with pytest.raises(UserError, match=message):
            gradlab.inspect(net, **options)


def test_a_pickled_array_is_not_opened():
    np.save("x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="file of plain numbers"):
        gradlab.inspect(drawn(), "x.npy")


def test_columns_of_a_file_are_inputs():
    x, _ = data(30, 1)
    pd.DataFrame(x[:, 0], columns=["a", "b"]).to_csv("x.csv", index=False)
    pd.DataFrame(x[:, 0], columns=["a", "b"]).to_parquet("x.parquet")
    for name in ("x.csv", "x.parquet"):
        seen = gradlab.inspect(drawn(), name)
        np.testing.assert_allclose(seen.inputs.x, x)


def test_the_command_writes_a_run_that_plot_and_export_take(capsys):
    drawn("lstm", layers=2).save("net.safetensors")
    x, y = data()
    np.save("x.npy", x)
    np.save("y.npy", y[-1])
    words = ["inspect", "net.safetensors", "--inputs", "x.npy", "--targets", "y.npy"]
    assert main([*words, "--results", "r"]) == 0
    out = capsys.readouterr().out
    assert "net.safetensors: lstm, 2 -> 4 -> 1, 2 layers, float64" in out
    assert out.endswith("wrote r/net.parquet\nwrote r/net.png\n")
    first = Path("r/net.png").read_bytes()
    assert main(["plot", "net", "--results", "r"]) == 0
    assert Path("r/net.png").read_bytes() == first
    assert main(["export", "net", "--results", "r"]) == 0
    assert len(pd.read_csv("r/net.csv")) == 2 * (STEPS + 1)
    said = json.loads(Path("r/net.json").read_text(encoding="utf-8"))
    assert said["experiment"] == "inspect" and said["constants"]["model"] == "net.safetensors"
    assert len(said["constants"]["inputs_sha256"]) == 64 and said["rows"] == 50
    assert str(Path.cwd()) not in Path("r/net.json").read_text(encoding="utf-8")
    assert main(["inspect", "net.safetensors", "--results", "r", "--name", "lyapunov"]) == 2
    assert "that is an experiment" in capsys.readouterr().err


def test_a_notebook_sees_the_screen_and_the_figure():
    seen = gradlab.inspect(drawn("gru"), *data())
    page = seen._repr_html_()
    assert "<pre>" in page and "data:image/png;base64," in page and str(seen) == seen.text
    figure = seen.figure()
    assert len(figure.axes) == 3 and all(panel.lines for panel in figure.axes)


def test_the_screen_in_the_readme_is_what_the_command_prints():
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    shown = text.partition("## Your own model\n")[2].partition("```text\n")[2].partition("```")[0]
    made = text.partition("## Your own model\n")[2].partition("```python\n")[2].partition("```")[0]
    exec(made.replace("print(seen)", ""), scope := {"gradlab": gradlab})
    seen = scope["seen"]
    assert shown == f"{seen}\n", f"README.md, 'Your own model': put there\n{seen}"


def test_norms_are_of_weights_that_the_model_has():
    from gradlab.inspecting import slopes

    (x, _), net = data(), drawn("lstm")
    y = np.random.default_rng(1).standard_normal((LANES, 4))
    named = {"rnn.weight_ih_l0": net.weights["U"], "rnn.weight_hh_l0": net.weights["W"]}
    bare = gradlab.Network.of(named)
    assert bare.lacks == ("b", "b_recurrent", "V", "c")
    seen = gradlab.inspect(named, x, y)
    norms = bare.gradients(x, y, at="last").log2_norms
    found = seen.found.gradient.norms
    assert 2 ** found["all"] == pytest.approx(np.hypot(2 ** norms["U"], 2 ** norms["W"]))
    assert set(found) == {"U", "W", "all"} and "||dL/dV||" not in seen.text
    low, _ = seen.record["threshold"]
    parts = [bare.gradients(x[:, [i]], y[[i]], at="last").log2_norms for i in range(LANES)]
    sizes = [np.hypot(2 ** own["U"], 2 ** own["W"]) for own in parts]
    assert low == pytest.approx(np.mean(sizes) / 2)
    assert slopes.own(gradlab.Network.of(named | {"fc.weight": np.ones((1, 4))})) == ["U", "W", "V"]


def two_layers(below, above):
    net = drawn("lstm", layers=2)
    for name, bias in (("b", below), ("b_l1", above)):
        net.weights[name][4:8] = bias
    return net


def test_what_one_layer_forgets_another_may_carry():
    (x, y), options = data(40), {"steps": 40, "needs": 30}
    for net, carries in ((two_layers(6.0, -3.0), 0), (two_layers(-3.0, 6.0), 1)):
        seen = gradlab.inspect(net, **options)
        assert seen.found.layers[1 - carries].reach < 10
        assert "The task needs 30 steps, and the gradient reaches 40: enough" in told(seen)
        assert f"further back is left to layer {carries}: at least 40 steps" in told(seen)
        assert "enough as it is" in seen.attempt().remedy
        with_targets = gradlab.inspect(net, x, y[-1], needs=30)
        assert with_targets.found.layers[0].reach == 40  # all ways through the stack
        assert "reaches 40: enough" in told(with_targets)


def test_inputs_shorter_than_the_dependency_are_no_verdict():
    net = drawn(activation="identity")
    net.weights["W"] = np.eye(4)
    seen = gradlab.inspect(net, data(20)[0], needs=50)
    assert "needs 50 steps, of which the inputs have 20" in told(seen)
    assert "shorter than" not in told(seen)
    assert gradlab.inspect(net, needs=150).steps == 150  # noise is as long as it takes


def test_a_remedy_for_what_explodes_keeps_its_size():
    net = drawn(activation="identity")
    net.weights["W"] = 1.5 * np.eye(4)
    seen = gradlab.inspect(net, steps=40).attempt()
    assert (
        "Of these orthogonal W is the first that keeps the gradient from exploding" in seen.remedy
    )
    assert seen.remedies[0].starts == pytest.approx((40 * np.log10(1.5), 0), abs=1e-9)
    assert json.loads(json.dumps(seen.record))["remedies"][0]["starts"][1] == pytest.approx(0)


def test_a_gradient_that_grows_and_then_dies_is_told_both():
    net = gradlab.Network.draw(inputs=2, hidden=8, outputs=1, activation="identity")
    net.weights["W"] = 3 * np.eye(8, k=1) + 0.1 * np.eye(8)
    said = gradlab.inspect(net, steps=40).advice[0]
    assert "vanishes" in said and "Before it falls it grows to" in said and "7 steps back" in said


def test_what_is_zero_or_not_finite_is_not_explained_away():
    (x, _), nothing = data(), drawn("gru")
    nothing.weights.update({name: 0 * own for name, own in nothing.weights.items()})
    seen = gradlab.inspect(nothing, x, np.ones((LANES, 1))).attempt()
    assert "exactly 0 at the last step" in seen.advice[0] and "not finite" not in told(seen)
    assert seen.text.endswith("Nothing is tried: there is no gradient that a remedy could be held "
                              "against.")  # fmt: skip
    broken = drawn()
    broken.weights["W"][0, 0] = np.nan
    seen = gradlab.inspect(broken, x).attempt()
    assert "W hold nan or inf: take a checkpoint from before" in told(seen)
    assert "no window" not in told(seen) and not seen.remedies
    assert [rule.verdict for rule in seen.rules] == [rules.UNKNOWN] * 2


def test_a_relu_at_rest_is_not_called_a_saturated_tanh():
    net, (x, _) = drawn(activation="relu"), data()
    assert "dead units (ReLU, 0 all along), layer 0: above 50% (Lu" in told(gradlab.inspect(net, x))
    net.weights["b"] = net.weights["b"] - 50
    seen = gradlab.inspect(net, x)
    assert seen.rules[-1].verdict == "many" and "where a ReLU has no slope" in told(seen)
    assert "1 step is enough" in told(seen)


class Module:
    """What a torch.nn.LSTM shows of itself."""

    def __init__(self, named, batch_first):
        self._named, self.batch_first = named, batch_first
        self.weight_hh_l0 = named["weight_hh_l0"]

    def state_dict(self):
        return self._named

    def named_modules(self):
        return [("", self)]


def test_a_module_says_whether_sequences_come_first():
    (x, _), W = data(), drawn("lstm").weights
    named = {"weight_ih_l0": W["U"], "weight_hh_l0": W["W"]}
    right = gradlab.inspect(named, x)
    seen = gradlab.inspect(Module(named, batch_first=True), x.swapaxes(0, 1))
    pd.testing.assert_frame_equal(seen.layers, right.layers)
    assert "inputs are (B, T, D), as the module takes them: batch_first=False if not" in told(seen)
    for other in (
        gradlab.inspect(Module(named, batch_first=True), x, batch_first=False),
        gradlab.inspect(Module(named, batch_first=False), x),
    ):
        pd.testing.assert_frame_equal(other.layers, right.layers)
        assert "as the module" not in told(other)


class Packed:
    batch_sizes = (3, 2)


def test_targets_and_inputs_of_another_kind_are_told_as_what_they_are():
    net, (x, _) = gradlab.Network.draw(inputs=2, hidden=4, outputs=3), data()
    floats = np.arange(LANES) % 3 + 0.0
    for message, wrong in [
        ("inputs are a packed sequence: pad it", (Packed(),)),
        ("inputs is no array of numbers", ([[1.0, 2.0], [3.0]],)),
        ("targets hold 15 values that are nan or inf", (x, np.full((LANES, 3), np.nan))),
        ("float64 of shape (5,): classes are whole numbers, (24, 5) or (5,)", (x, floats)),
        ("classes are whole numbers", (x, np.eye(3)[[0, 1, 2, 0, 1]], "cross_entropy")),
    ]:  # fmt: skip
        with pytest.raises(UserError) as caught:
            gradlab.inspect(net, *wrong)
        assert message in str(caught.value)


def test_the_command_line_speaks_of_flags(capsys):
    net = drawn(dtype="float32")
    named = {"weight_ih_l0": net.weights["U"], "weight_hh_l0": net.weights["W"]}
    np.savez("one.npz", **named)
    np.savez("two.npz", **{f"{k}.{name}": own for k in "ab" for name, own in named.items()})
    np.savez("bad.npz", weight_hh_l0=np.zeros((5, 2)))
    for message, words in [
        ("choose one by --layer, or several from below as one stack, --layer a --layer b", ["two"]),
        ("one.npz: --layer c: it holds 1 recurrent network, ''", ["one", "--layer", "c"]),
        ("--readout fc: its linear layers are none", ["one", "--readout", "fc"]),
        ("--rate -1: must be a number above 0", ["one", "--rate", "-1"]),
        ("--loss squared_error without targets", ["one", "--loss", "squared_error"]),
        ("gradlab: bad.npz: weight_hh_l0 has shape (5, 2)", ["bad"]),
    ]:
        assert main(["inspect", f"{words[0]}.npz", *words[1:]]) == 2
        assert message in capsys.readouterr().err
    np.save("x.npy", data()[0])
    assert main(["inspect", "one.npz", "--inputs", "x.npy"]) == 0
    assert "--activation relu if not" in capsys.readouterr().out
