"""The loop: what one update does, bits, breaks, ends, and that it learns."""

import copy
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import gradlab
from gradlab import tasks
from gradlab.errors import UserError
from gradlab.learning import presets, records
from gradlab.learning.gradient import Found
from gradlab.learning.omega import omega
from gradlab.learning.plan import Plan
from gradlab.learning.training import Training
from gradlab.models import safetensors
from gradlab.nets import draws

ORDER = tasks.find("temporal_order")
SHORT = {"task": "temporal_order", "sequence_length": 12, "batch": 5, "log_every": 4}
LONG = SHORT | {"sequence_length": 100}


def network(task=ORDER, **options):
    options = {"hidden": 12, "spectral_radius": 1.0} | options
    return gradlab.Network.draw(inputs=task.INPUTS, outputs=task.OUTPUTS, **options)


def first_batch(plan, task=ORDER):
    stream = draws.stream(seed=plan.seed, task=plan.task, purpose="training")
    return task.sample(stream, plan.sequence_length, plan.batch)


def one_update(**changes):
    """(weights before and after, the training) of one update under SHORT and changes."""
    net = network()
    training = Training(net, ORDER, Plan(**(SHORT | {"updates": 1} | changes)))
    training.run()
    return net, training.net.weights, training


def lane_gradients(net, x, y):
    every = [net.gradients(x[:, [i]], y[[i]], ORDER.LOSS, ORDER.AT) for i in range(len(y))]
    return {name: np.array([found.weights[name] for found in every]) for name in net.weights}


@pytest.mark.parametrize("style", ["norm", "torch", "value", "per_array", "pascanu"])
@pytest.mark.parametrize("per", ["mean", "lane"])
def test_an_update_of_sgd_is_the_clipped_gradient_times_the_rate(style, per):
    plan = {"clip_threshold": 0.3, "clip_style": style, "clip_per": per, "learning_rate": 0.1}
    net, after, training = one_update(**plan)
    x, y = first_batch(training.plan)
    gradients = lane_gradients(net, x, y)
    if per == "mean":
        gradients = {name: array.mean(0) for name, array in gradients.items()}
    clipped = gradlab.clip(gradients, 0.3, style, per).gradients
    for name, array in net.weights.items():
        step = clipped[name].mean(0) if per == "lane" else clipped[name]
        np.testing.assert_allclose(after[name], array - 0.1 * step, atol=1e-14)
    row = training.rows[0]
    assert row["clipped"] > 0 and row["norm_after"] < row["norm_before"]


def test_a_row_says_what_happened():
    net, after, training = one_update(omega=2.0, clip_threshold=0.5)
    x, y = first_batch(training.plan)
    row, found = training.rows[0], net.gradients(x, y, ORDER.LOSS, ORDER.AT)
    penalty = omega(net, x, y, ORDER.LOSS, ORDER.AT)
    wanted = found.weights | {"W": found.weights["W"] + 2.0 * penalty.gradient}
    assert row["loss"] == pytest.approx(found.loss, rel=1e-14)
    assert row["norm_before"] == pytest.approx(gradlab.clip(wanted, 1.0).norm, rel=1e-13)
    assert row["norm_after"] == pytest.approx(0.5, rel=1e-13)
    assert (row["clipped"], row["update"], row["status"]) == (1.0, 1, "finished")
    assert row["cosine"] == pytest.approx(1, abs=1e-14)
    assert row["step"] == pytest.approx(0.01 * 0.5, rel=1e-12)
    assert row["omega"] == pytest.approx(penalty.value, rel=1e-12)
    assert row["horizon"] == penalty.steps
    assert row["spectral_radius"] == draws.spectral_radius(after["W"])
    assert row["singular_value"] == pytest.approx(np.linalg.norm(after["W"], 2))
    ratio = (found.lag_log2[0] - found.lag_log2[-1]) * np.log10(2)
    assert row["log10_gradient_ratio"] == pytest.approx(np.median(ratio))


def test_clipping_by_value_and_adam_turn_the_step():
    turned = [one_update(clip_threshold=0.01, clip_style="value"), one_update(optimizer="adam")]
    for _, _, training in turned:
        assert 0 < training.rows[0]["cosine"] < 0.99


def test_clipped_steps_are_one_of_the_ways():
    _, loose, training = one_update(clip_threshold=1e6, clip_per="step")
    _, plain, _ = one_update()
    _, tight, clipped = one_update(clip_threshold=1e-3, clip_per="step")
    assert training.rows[0]["clipped"] == 0 and clipped.rows[0]["clipped"] > 0
    np.testing.assert_allclose(loose["W"], plain["W"], atol=1e-16)
    assert np.abs(tight["W"] - plain["W"]).max() > 1e-6


def test_what_a_row_says_of_lags_is_of_the_gradient_that_is_not_clipped():
    net, rows = network(activation="relu", spectral_radius=3.0), []
    for per in ("mean", "step"):
        plan = SHORT | {"updates": 1, "clip_threshold": 1e-3, "clip_per": per}
        training = Training(net, ORDER, Plan(**plan))
        training.run()
        rows.append(training.rows[0])
    assert rows[1]["clipped"] > 0.3  # at many steps of each lane
    for name in ("horizon", "log10_gradient_ratio"):
        assert rows[0][name] == rows[1][name]


# Bits

PLANS = {
    "sgd, Omega": {"omega": 1.0, "clip_threshold": 1.0, "evaluate_every": 6},
    "momentum, lanes": {"optimizer": "momentum", "clip_threshold": 0.5, "clip_per": "lane"},
    "adam, cosine": {"optimizer": "adam", "schedule": "cosine", "sequence_length": (10, 14)},
    "rmsprop, steps": {"optimizer": "rmsprop", "clip_threshold": 0.1, "clip_per": "step"},
}


@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("stop", [1, 7])
def test_a_break_changes_no_bit(changes, stop, tmp_path):
    plan = Plan(**(SHORT | {"updates": 14, "evaluation_size": 20} | changes))
    whole = Training(network(), ORDER, plan)
    table = whole.run()
    broken = Training(network(), ORDER, plan)
    broken.run(until=stop)
    broken.save(tmp_path / "state.safetensors")
    resumed = Training.load(tmp_path / "state.safetensors", ORDER)
    assert resumed.update == stop and resumed.plan == plan
    again = resumed.run()
    pd.testing.assert_frame_equal(
        table.drop(columns="updates_per_second"), again.drop(columns="updates_per_second"),
        check_exact=True,
    )  # fmt: skip
    assert whole.losses == resumed.losses and whole.norms == resumed.norms
    for name, array in whole.net.weights.items():
        np.testing.assert_array_equal(array, resumed.net.weights[name])


def test_the_same_seed_gives_the_same_bits_however_often_one_looks():
    # some slices long, which Omega must not cut in another way
    runs = [Training(network(), ORDER, Plan(**(LONG | {"updates": 9, "log_every": n})))
            for n in (1, 100)]  # fmt: skip
    for training in runs:
        training.run()
    np.testing.assert_array_equal(*(training.net.weights["W"] for training in runs))
    other = Training(network(), ORDER, Plan(**(LONG | {"updates": 9, "seed": 1})))
    other.run()
    assert runs[0].losses == runs[1].losses != other.losses
    assert runs[0].norms == runs[1].norms


def test_the_user_s_network_stays_as_it_is():
    net, after, _ = one_update()
    assert not np.array_equal(net.weights["W"], after["W"])
    assert np.array_equal(net.weights["W"], network().weights["W"])


# Ends


def test_divergence_is_a_row_with_its_update():
    plan = Plan(**(SHORT | {"updates": 500, "learning_rate": 1e3, "sequence_length": 60}))
    net = network(activation="identity", spectral_radius=2.0)
    training = Training(net, ORDER, plan)
    last = training.run().iloc[-1]
    assert last.status == training.status == "diverged"
    assert last["update"] == training.update < 500
    assert len(training.run()) == len(training.rows)  # it stays where it ended


def test_the_authors_code_shrinks_w_and_goes_on_where_the_norm_is_lost():
    net = network(activation="identity", spectral_radius=2.0)
    plan = {"clip_threshold": 1.0, "clip_style": "pascanu", "sequence_length": 60}
    training = Training(net, ORDER, Plan(**(SHORT | {"updates": 3} | plan)))
    training.run()
    assert training.norms[0] > 1e10 and training.status == "finished"
    shrunk = (1 - 0.01 * 0.02) ** 3 * net.weights["W"]
    np.testing.assert_allclose(training.net.weights["W"], shrunk, rtol=1e-12)


def test_patience_ends_a_training_that_does_not_get_better():
    plan = SHORT | {"updates": 50, "learning_rate": 0.0, "evaluate_every": 2, "patience": 3}
    training = Training(network(), ORDER, Plan(**plan))
    training.run()
    assert training.status == "stopped" and 6 <= training.update < 50


def test_fresh_sequences_are_fresh_and_do_not_touch_the_training():
    plan = Plan(**(SHORT | {"updates": 6}))
    quiet, asked = (Training(network(), ORDER, plan) for _ in range(2))
    quiet.run()
    asked.run(until=3)
    first = asked.evaluate()
    assert first == asked.evaluate()
    asked.run()
    assert asked.evaluate() != first
    assert quiet.losses == asked.losses


# Learning


def test_temporal_order_is_learnt():
    plan = Plan(
        "temporal_order", 20, updates=1000, learning_rate=0.05, clip_threshold=1.0,
        evaluate_every=100, stop_below=0.01, log_every=100,
    )  # fmt: skip
    training = Training(network(hidden=50), ORDER, plan)
    table = training.run()
    assert training.status == "solved" and table.error.iloc[-1] < 0.01


def test_adding_beats_its_baseline():
    task = tasks.find("adding")
    plan = Plan("adding", 10, updates=600, optimizer="adam", clip_threshold=1.0, seed=2)
    training = Training(network(task, hidden=30), task, plan)
    training.run()
    _, loss = training.evaluate()
    assert loss < 0.3 * task.baseline(10)


def test_a_loss_at_every_step_is_learnt():
    task = tasks.find("oscillator")
    plan = Plan("oscillator", 40, updates=300, batch=1, optimizer="adam", log_every=300)
    training = Training(network(task), task, plan)
    training.run()
    assert np.mean(training.losses[-10:]) < 0.1 * training.losses[0]


CELLS = ["jordan", "lstm", "gru", str(Path(__file__).with_name("leaky.py"))]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: Path(cell).stem)
@pytest.mark.parametrize("per", ["mean", "lane", "step"])
def test_any_cell_is_trained(cell, per, tmp_path):
    feedback = "probability" if cell == "jordan" else "output"
    net = network(cell=cell, feedback=feedback)
    plan = SHORT | {"updates": 8, "optimizer": "adam", "clip_per": per}
    loose = Training(net, ORDER, Plan(**plan | {"clip_threshold": 1e6}))
    loose.run()
    bare = Training(net, ORDER, Plan(**plan))
    assert bare.run().spectral_radius.notna().all()
    for name, array in bare.net.weights.items():
        np.testing.assert_allclose(loose.net.weights[name], array, atol=1e-9)
    bare.save(tmp_path / "state.safetensors")
    again = Training.load(tmp_path / "state.safetensors", ORDER)
    assert (again.net.cell, again.net.feedback) == (cell, feedback)
    assert again.evaluate(20) == bare.evaluate(20)


def test_omega_is_for_elman_s_cell():
    net, plan = network(cell="lstm"), SHORT | {"updates": 1}
    with pytest.raises(UserError, match="omega is defined for cell elman"):
        Training(net, ORDER, Plan(**plan, omega=1.0))


@pytest.mark.parametrize("version", presets.VERSIONS)
@pytest.mark.parametrize("start", presets.STARTS)
def test_the_papers_presets_start_as_they_say(version, start):
    net = presets.start(start, version, (6, 50, 4))
    W, deviation = net.weights["W"], presets.STARTS[start][1]
    assert net.weights["U"].std() == pytest.approx(deviation, rel=0.2)
    if start == "smart_tanh":
        assert draws.spectral_radius(W) == pytest.approx(0.95)
        assert (np.count_nonzero(W, axis=0 if version == "code" else 1) == 15).all()
    else:
        assert W.std() == pytest.approx(deviation, rel=0.1)
    plan = presets.plan(version, "temporal_order", (50, 200), updates=2, log_every=1)
    training = Training(net, ORDER, plan)
    table = training.run()
    assert (table.norm_after <= plan.clip_threshold * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"updates": 0}, "updates=0: must be a whole number from 1"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0: must be a finite number >= 0"),
        ({"clip_style": "l2"}, "clip_style must be one of norm"),
        ({"clip_threshold": -1.0}, "clip_threshold=-1.0: must be a number >= 0"),
        ({"omega": 1.0, "clip_per": "lane"}, "omega needs clip_per=mean, not lane"),
        (
            {"sequence_length": (20, 20)},
            "must be a length, or .low, high. that rise",
        ),
        ({"stop_below": 0.1}, "stop_below=0.1: needs evaluate_every"),
        ({"optimizer": "lion"}, "optimizer must be one of sgd"),
        ({"schedule": "steps"}, "schedule must be one of constant"),
    ],
)
def test_wrong_plans_are_one_line(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        Plan(**(SHORT | {"updates": 1} | changes))
    assert "\n" not in str(caught.value)


def test_another_file_is_no_training(tmp_path):
    safetensors.write(tmp_path / "a.safetensors", {"W": np.eye(2)})
    with pytest.raises(UserError, match="holds no training of gradlab's format"):
        Training.load(tmp_path / "a.safetensors", ORDER)


# Kept and copied


def same_run(one, other):
    """Whether two trainings, run to their ends, are the same bit by bit."""
    for training in (one, other):
        training.run()
    weights = (training.net.weights for training in (one, other))
    np.testing.assert_equal(*weights)
    assert one.losses == other.losses and one.update == other.update


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_a_copy_is_a_training_of_its_own(way):
    plan = Plan(**SHORT | {"updates": 9, "optimizer": "adam"})
    first = Training(network(), ORDER, plan)
    first.run(until=4)
    second, third = way(first), way(first)
    assert second.task is ORDER
    same_run(first, second)
    third.run(until=5)
    assert (third.update, len(third.losses), first.update) == (5, 5, 9)
    assert not np.shares_memory(first.net.weights["W"], third.net.weights["W"])


USERS = """
from gradlab.tasks.temporal_order import AT, INPUTS, LENGTH_FREE, LOSS, OUTPUTS, sample, wrong
"""


def test_pickle_keeps_a_training_and_finds_its_task(tmp_path):
    (tmp_path / "own.py").write_text(USERS, "utf-8")
    for name in ("temporal_order", str(tmp_path / "own.py")):
        task = tasks.find(name)
        first = Training(network(), task, Plan(**SHORT | {"updates": 9, "task": name}))
        first.run(until=4)
        second = pickle.loads(pickle.dumps(first))
        assert second.task.__name__ == task.__name__
        same_run(first, second)


def test_a_path_that_cannot_be_written_is_told_before_the_first_update(tmp_path):
    training = Training(network(), ORDER, Plan(**SHORT | {"updates": 3}))
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "file" / "a"):
        with pytest.raises(UserError, match=r"cannot be written|is a folder") as caught:
            training.run(save=path)
        assert "\n" not in str(caught.value) and training.update == 0
        with pytest.raises(UserError, match=r"cannot be written|is a folder"):
            training.save(path)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}
    training.run(save=tmp_path / "made" / "a.safetensors")  # nothing is lost; its folder is made
    assert training.status == "finished" and (tmp_path / "made" / "a.safetensors").exists()


def test_a_run_saves_its_end_also_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    training = Training(network(), ORDER, Plan(**SHORT | {"updates": 6}))
    training.run(until=4, save="~/a.safetensors")
    loaded = Training.load("~/a.safetensors", ORDER)
    assert loaded.update == training.update == 4
    assert (tmp_path / "a.safetensors").is_file()
    same_run(loaded, training)
    with pytest.raises(UserError, match="No such file"):
        Training.load("~/b.safetensors", ORDER)


def test_numpy_s_numbers_and_float32_are_saved(tmp_path):
    plan = {
        "updates": np.int64(3), "learning_rate": np.float32(0.01), "clip_threshold": np.float32(1),
        "sequence_length": (np.int64(10), np.int64(13)), "seed": np.int64(1), "omega": np.int8(1),
    }  # fmt: skip
    training = Training(network(dtype="float32"), ORDER, Plan(**SHORT | plan))
    training.run(until=np.int64(2), save=tmp_path / "a")
    again = Training.load(tmp_path / "a", ORDER)
    assert again.plan == training.plan and again.net.weights["W"].dtype == np.float32
    same_run(again, training)


def test_how_far_and_on_how_many_are_whole_numbers():
    training = Training(network(), ORDER, Plan(**SHORT | {"updates": 5}))
    assert training.run(until=0).empty and training.update == 0
    for until in (-1, True, 2.0, "3"):
        with pytest.raises(UserError, match=r"until=.*: must be a whole number from 0"):
            training.run(until=until)
    for size in (0, -1, 2.5):
        with pytest.raises(UserError, match=r"size=.*: must be a whole number from 1"):
            training.evaluate(size)
    training.run(until=100)
    assert training.update == 5


def test_a_dict_is_no_plan():
    with pytest.raises(UserError, match="plan must be a Plan, not dict"):
        Training(network(), ORDER, SHORT)


# The rules that end a training, at their edges


class Told:
    """A task whose evaluations have these shares of wrong sequences and losses, one after another.

    The network's weights are all 0 and the rate is 0, so its outputs o are 0; squared error makes
    the loss of a target y from it: y^2.
    """

    LOSS, AT, INPUTS, OUTPUTS = "squared_error", "last", 1, 1

    def __init__(self, errors, losses):
        self.errors, self.losses, self.evaluations = iter(errors), iter(losses), 0

    def sample(self, stream, length, batch):
        y = np.ones((batch, 1))
        if batch == 10:  # an evaluation, not a minibatch
            self.evaluations += 1
            y *= np.sqrt(next(self.losses))
        return np.zeros((length, batch, 1)), y

    def wrong(self, outputs, targets):
        return np.arange(len(targets)) < next(self.errors) * len(targets)


def told(errors, losses, **changes):
    """The training of a network that is told its evaluations, one every second update."""
    net = gradlab.Network.draw(inputs=1, hidden=2, outputs=1)
    for array in net.weights.values():
        array[:] = 0
    plan = {
        "task": "told", "sequence_length": 2, "updates": 2 * len(losses), "batch": 3,
        "learning_rate": 0.0, "evaluate_every": 2, "evaluation_size": 10,
    }  # fmt: skip
    training = Training(net, Told(errors, losses), Plan(**plan | changes))
    training.run()
    return training


def test_stop_below_asks_for_less_than_it():
    training = told([0.5, 0.3, 0.2, 0.1], [1.0] * 4, stop_below=0.2)
    assert (training.status, training.update) == ("solved", 8)  # not at 0.2 itself
    assert training.table().error.dropna().tolist() == [0.5, 0.3, 0.2, 0.1]
    training = told([0.0] * 3, [1.0] * 3, stop_below=0)
    assert (training.status, training.update) == ("finished", 6)
    assert told([0.1] * 3, [1.0] * 3, stop_below=1).update == 2


WAITED = {
    "the same loss is no smaller one": ([4.0, 4.0, 4.0, 4.0], 2, "stopped", 6),
    "a smaller one begins anew": ([4.0, 4.0, 3.0, 3.0, 3.0, 1.0], 2, "stopped", 10),
    "smaller than the last, not than the best": ([1.0, 9.0, 4.0, 2.0, 0.5], 3, "stopped", 8),
    "one": ([4.0, 3.0, 3.5, 1.0], 1, "stopped", 6),
    "nan is no smaller one": ([4.0, np.nan, np.nan, 1.0], 2, "stopped", 6),
    "the best outlives a nan": ([4.0, np.nan, 1.0, 1.0, 1.0, 1.0, 0.5], 3, "stopped", 12),
    "never": ([4.0, 3.0, 3.0, 2.0, 2.0, 1.0], 2, "finished", 12),
    "None waits for ever": ([4.0] * 6, None, "finished", 12),
}


@pytest.mark.parametrize("case", WAITED.values(), ids=WAITED)
def test_patience_counts_evaluations_in_a_row_without_a_smaller_loss(case):
    losses, patience, status, update = case
    training = told([1.0] * len(losses), losses, patience=patience)
    assert (training.status, training.update) == (status, update)
    assert training.rows[-1]["status"] == status
    known = training.table().evaluation_loss.dropna().to_numpy()
    wanted = [loss for loss in losses[: update // 2] if not np.isnan(loss)]
    assert known == pytest.approx(wanted)


def test_solved_goes_before_stopped_and_stopped_before_finished():
    assert told([0.5, 0.0], [1.0, 1.0], stop_below=0.1, patience=1).status == "solved"
    assert told([0.5, 0.5], [1.0, 1.0], stop_below=0.1, patience=1).status == "stopped"
    assert told([0.5, 0.0], [1.0, 1.0], stop_below=0.1, updates=4).status == "solved"


def test_patience_goes_on_counting_after_a_break(tmp_path):
    losses = [4.0, 4.0, 4.0, 4.0, 1.0]
    whole = told([1.0] * 5, losses, patience=3)
    for stop in range(1, 8):
        first = Training(whole.net, Told([1.0] * 5, losses), whole.plan)
        first.run(until=stop, save=tmp_path / "a")
        task = Told([1.0] * 5, losses[first.task.evaluations :])
        second = Training.load(tmp_path / "a", task)
        second.run()
        assert (second.update, second.status) == (whole.update, whole.status) == (8, "stopped")
        assert second.table().evaluation_loss.dropna().tolist() == pytest.approx([4.0] * 4)


@pytest.mark.parametrize("every", [1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("stop", [None, 1, 3, 5])
def test_rows_stand_at_the_first_the_last_and_each_log_every(every, stop):
    training = Training(
        network(hidden=3), ORDER, Plan(**SHORT | {"updates": 6, "log_every": every})
    )
    training.run(until=stop)
    table = training.run()
    wanted = [n for n in range(1, 7) if n in (1, 6) or n % every == 0]
    assert table["update"].tolist() == wanted
    assert table.status.tolist() == ["ok"] * (len(wanted) - 1) + ["finished"]
    edges = [0, *wanted]
    for i, row in enumerate(table.itertuples()):
        since = slice(edges[i], edges[i + 1])
        assert row.loss == training.losses[row.update - 1]
        assert row.mean_loss == np.mean(training.losses[since])
        assert row.mean_norm == np.mean(training.norms[since])


def test_lengths_are_drawn_up_to_the_last_but_one():
    seen = []
    training = Training(network(hidden=3), ORDER, Plan(**SHORT | {"updates": 1}))
    for wanted in ((10, 13), (10, 11)):
        plan = Plan(**SHORT | {"updates": 1, "sequence_length": wanted})
        training = Training(network(hidden=3), ORDER, plan)
        stream = np.random.default_rng(0)
        seen.append({len(training._drawn(training.task.sample, stream, 1)[0]) for _ in range(60)})
    assert seen == [{10, 11, 12}, {10}]


@pytest.mark.parametrize("size", [499, 500, 501, 1001])
def test_an_evaluation_has_as_many_sequences_as_were_asked_for(size):
    asked = []

    def sample(stream, length, batch):
        asked.append(batch)
        return np.zeros((length, batch, 1)), np.full((batch, 1), 1.0 * len(asked))

    task = SimpleNamespace(LOSS="squared_error", AT="last", sample=sample)
    net = gradlab.Network.draw(inputs=1, hidden=2, outputs=1)
    error, loss = Training(net, task, Plan("own", 2, 1)).evaluate(size)
    assert sum(asked) == size and max(asked) <= 500
    assert loss == pytest.approx(sum(n * (i + 1) ** 2 for i, n in enumerate(asked)) / size)
    assert np.isnan(error)  # the task does not say what is wrong


def test_task_options_reach_the_task():
    seen = {}
    task = SimpleNamespace(LOSS="squared_error", AT="last", sample=lambda *_, **more: (
        seen.update(more), (np.zeros((2, 1, 1)), np.zeros((1, 1))))[1])  # fmt: skip
    net = gradlab.Network.draw(inputs=1, hidden=2, outputs=1)
    Training(net, task, Plan("own", 2, 1, task_options={"file": "a", "n": 3})).run()
    assert seen == {"file": "a", "n": 3}


# What is not finite


def thrown(x, y, updates=3, **changes):
    """The training of an identity network on the same minibatch again and again."""
    task = SimpleNamespace(LOSS="squared_error", AT="last", sample=lambda *_: (x, y))
    net = gradlab.Network.draw(inputs=1, hidden=2, outputs=1, activation="identity")
    training = Training(net, task, Plan("own", len(x), updates, log_every=1, **changes))
    return training, training.run()


ONE = np.ones((3, 2, 1))


def test_nan_in_a_minibatch_and_an_overflow_end_as_diverged():
    for x, y in ((ONE, ONE[0] * np.nan), (ONE, ONE[0] * 1e200), (1e200 * ONE, ONE[0])):
        training, table = thrown(x, y)
        assert training.status == table.status.iloc[-1] == "diverged"
        assert training.update <= 2 and not np.isfinite(table.loss).any()


def test_a_row_says_that_its_loss_overflowed_and_the_training_goes_on():
    training, table = thrown(ONE, 1e200 * ONE[0], clip_threshold=1.0)
    assert table.status.tolist() == ["overflow"] * 3 and training.status == "finished"
    assert np.isinf(table.loss).all() and (table.norm_before > 1e150).all()
    assert table.not_finite.tolist() == [0, 0, 0]  # the gradient is within range
    for name, array in training.net.weights.items():
        assert np.isfinite(array).all(), name


def test_what_is_not_finite_is_not_counted_as_not_clipped():
    y = np.array([[np.inf], [1.0]])  # of the first lane alone
    for per, share in (("mean", 1.0), ("lane", 0.5)):
        _, table = thrown(ONE, y, clip_threshold=1e-3, clip_per=per, learning_rate=0.0)
        first = table.iloc[0]
        assert (first.not_finite, first.share_not_finite) == (share, share), per
        assert first.clipped == 1 - share
    # dL/dV of 2e316 is beyond float64, and clipped by its exponent
    for x, y in ((ONE, ONE[0]), (1e10 * ONE, np.array([[1e306], [1.0]]))):
        _, table = thrown(x, y, clip_threshold=1e-3)
        assert (table.not_finite == 0).all() and (table.clipped == 1).all()


def test_of_the_steps_too_those_that_are_not_finite_are_counted():
    y = np.array([[np.nan], [1.0]])
    _, table = thrown(ONE, y, clip_threshold=1e-9, clip_per="step", updates=1)
    net = gradlab.Network.draw(inputs=1, hidden=2, outputs=1, activation="identity")
    g, hits = 1e9 * net.weights["V"][0], 0  # far above the threshold, which is 1 here
    for _ in range(3):
        size = np.linalg.norm(g)
        hits += size >= 1
        g = g / max(size, 1) @ net.weights["W"]
    assert (table.not_finite[0], table.clipped[0]) == (0.5, hits / 6)
    training, table = thrown(ONE, y, clip_threshold=1.0, clip_style="pascanu", updates=2)
    assert table.status.tolist() == ["nan", "nan"] and training.status == "finished"
    assert list(training.lost) == [1, 1]


def test_an_evaluation_of_a_network_that_is_thrown_off_warns_of_nothing():
    net = network(activation="identity", spectral_radius=1e9)
    training = Training(net, ORDER, Plan(**LONG | {"updates": 1}))
    error, loss = training.evaluate(20)
    assert 0 <= error <= 1 and not np.isfinite(loss)


def test_a_step_and_a_clipped_gradient_have_norms_beyond_their_squares():
    one = SimpleNamespace(lags=lambda: np.zeros((3, 1)), lengths=np.array([2]), rows=None)
    for size in (1e-200, 1e200):
        vector = np.array([3.0, -4.0]) * size
        found = Found(0.0, vector, vector, 5 * size, 0.0, 0.0, np.nan, one)
        row = records.of_update(found, 2 * vector)
        assert row["norm_after"] == pytest.approx(5 * size, abs=0)
        assert row["step"] == pytest.approx(10 * size, abs=0)
        assert row["cosine"] == pytest.approx(1)
