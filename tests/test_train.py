"""gradlab.train: tasks by name, one's own arrays, lengths, and what is wrong in one line."""

import pickle

import numpy as np
import pandas as pd
import pytest

import gradlab
from gradlab import tasks
from gradlab.errors import UserError
from gradlab.learning import records

RNG = np.random.default_rng(5)
T, B, D, O = 7, 9, 2, 3  # noqa: E741
X, Y, LENGTHS = RNG.standard_normal((T, B, D)), RNG.random((T, B, O)), RNG.integers(1, T + 1, B)
LAST, CLASSES = Y[0], RNG.integers(0, O, (T, B))
USERS = """
from gradlab.tasks.temporal_order import AT, INPUTS, LENGTH_FREE, LOSS, OUTPUTS, sample, wrong
"""


def network(**options):
    sizes = {"inputs": D, "hidden": 4, "outputs": O}
    return gradlab.Network.draw(**sizes | options)


def order_network():
    return network(inputs=6, hidden=5, outputs=4)


def same(one, other):
    """Whether two trainings have the same numbers, bit by bit."""
    assert (one.losses, one.norms, one.update) == (other.losses, other.norms, other.update)
    for name, array in one.net.weights.items():
        np.testing.assert_array_equal(array, other.net.weights[name])
    tables = (t.table().drop(columns="updates_per_second") for t in (one, other))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_task_is_found_by_its_name_its_file_and_itself(tmp_path):
    (tmp_path / "temporal_order.py").write_text(USERS, "utf-8")
    plan = gradlab.Plan(sequence_length=12, updates=5, batch=4, evaluate_every=2, log_every=2)
    net = order_network()
    first = gradlab.train(net, "temporal_order", plan)
    assert (first.status, first.update, first.plan.task) == ("finished", 5, "temporal_order")
    assert first.table()["update"].tolist() == [1, 2, 4, 5]
    assert first.table().error.notna().sum() == 2
    same(gradlab.train(net, tasks.find("temporal_order"), plan), first)
    same(gradlab.train(net, tmp_path / "temporal_order.py", plan), first)  # streams have its name
    assert repr(first) == "Training(temporal_order, 5 of 5 updates, finished)"


def minibatches(training, updates):
    """The lanes of each update, told by the first entry of x."""
    found = [training.task.minibatch(n, training.plan)[0][0, :, 0] for n in range(1, updates + 1)]
    return [[int(np.flatnonzero(X[0, :, 0] == value)[0]) for value in row] for row in found]


def test_each_sequence_is_taken_once_in_an_epoch_and_epochs_differ():
    plan = gradlab.Plan(updates=9, batch=4, seed=3)
    drawn = minibatches(gradlab.train(network(), (X, Y), plan), 9)
    assert [len(row) for row in drawn] == [4] * 9  # 36 = 4 epochs of 9
    epochs = np.reshape(drawn, (4, 9))
    assert (np.sort(epochs, axis=1) == np.arange(9)).all()
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 4
    other = minibatches(gradlab.train(network(), (X, Y), gradlab.Plan(updates=9, batch=4)), 9)
    assert other != drawn


def test_a_batch_larger_than_the_data_is_all_of_it():
    training = gradlab.train(network(), (X, Y), gradlab.Plan(updates=3))
    assert (training.plan.batch, training.plan.sequence_length) == (B, T)
    assert [sorted(row) for row in minibatches(training, 3)] == [[*range(B)]] * 3


LOOKS = {  # y, what is said: the loss and where it is taken
    "numbers at every step": (Y, {}, ("squared_error", "every")),
    "numbers at the last": (LAST, {}, ("squared_error", "last")),
    "classes at every step": (CLASSES, {}, ("cross_entropy", "every")),
    "classes at the last": (CLASSES[0], {}, ("cross_entropy", "last")),
    "whole numbers, an axis more": (np.ones((T, B, O), int), {}, ("squared_error", "every")),
    "said otherwise": (Y, {"loss": "binary_cross_entropy"}, ("binary_cross_entropy", "every")),
    "said so": (LAST, {"loss": "squared_error", "at": "last"}, ("squared_error", "last")),
}


@pytest.mark.parametrize("case", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("lengths", [(), (LENGTHS,)], ids=["", "lengths"])
def test_what_y_looks_like_is_the_loss(case, lengths):
    y, said, (loss, at) = case
    net, plan = network(), gradlab.Plan(updates=1, learning_rate=0.5, **said)
    training = gradlab.train(net, (X, y, *lengths), plan)
    given = {"loss": loss, "at": at, "lengths": lengths[0] if lengths else None}
    found = net.gradients(X, y, **given)
    assert training.losses[0] == pytest.approx(found.loss, rel=1e-13)
    for name, array in net.weights.items():
        step = array - 0.5 * found.weights[name]
        np.testing.assert_allclose(training.net.weights[name], step, atol=1e-13)


def test_an_evaluation_is_of_the_test_arrays():
    net, plan = network(), gradlab.Plan(updates=1, learning_rate=0.0)
    x, y, lengths = X[:, :5], CLASSES[:, :5], LENGTHS[:5]
    training = gradlab.train(net, (X, CLASSES), plan, test=(x, y, lengths))
    error, loss = training.evaluate()
    outputs = net.forward(x, lengths=lengths).outputs
    within = np.arange(T)[:, None] < lengths
    wrong = ((outputs.argmax(-1) != y) & within).any(0)
    assert wrong.mean() > 0 and error == wrong.mean()
    own = net.gradients(x, y, loss="cross_entropy", lengths=lengths)
    assert loss == pytest.approx(own.loss, rel=1e-13)
    few = {training.evaluate(2) for _ in range(3)}
    assert len(few) == 1 and few != {(error, loss)}


def test_without_them_it_is_of_the_training_s_own():
    net = network()
    training = gradlab.train(net, (X, LAST), gradlab.Plan(updates=1, learning_rate=0.0))
    error, loss = training.evaluate()
    assert np.isnan(error) and loss == pytest.approx(net.gradients(X, LAST, at="last").loss)
    x, y = training.fresh(np.random.default_rng(0), 100)
    assert x.shape == X.shape and y.shape == LAST.shape


def test_a_loss_at_each_lane_s_own_last_step_is_judged_there():
    net = network()
    training = gradlab.train(net, (X, LAST, LENGTHS), gradlab.Plan(updates=1, learning_rate=0.0))
    wanted = net.gradients(X, LAST, at="last", lengths=LENGTHS).loss
    assert training.evaluate()[1] == pytest.approx(wanted, rel=1e-13)


class Ragged:
    """A task that gives lengths, and says what is wrong by them."""

    LOSS, AT, INPUTS, OUTPUTS = "squared_error", "last", D, O

    def sample(self, stream, length, batch):
        return X, LAST, LENGTHS

    def wrong(self, outputs, targets, lengths):
        return lengths > 3


def test_a_task_may_give_lengths():
    net = network()
    plan = gradlab.Plan(updates=1, learning_rate=0.5)
    training = gradlab.train(net, Ragged(), plan)
    found = net.gradients(X, LAST, at="last", lengths=LENGTHS)
    step = net.weights["W"] - 0.5 * found.weights["W"]
    np.testing.assert_allclose(training.net.weights["W"], step, atol=1e-14)
    assert training.evaluate(B)[0] == (LENGTHS > 3).mean()


STATES = {
    "lengths": ((X, Y, LENGTHS), {}, {}),
    "classes, chunks": ((X, CLASSES), {"truncate": ("chunk", 3), "clip_per": "lane"}, {}),
    "a stack": ((X, CLASSES[0]), {}, {"cell": "gru", "layers": 2, "bidirectional": True}),
    "float32": ((X, Y), {}, {"dtype": "float32", "cell": "lstm"}),
}


@pytest.mark.parametrize("case", STATES.values(), ids=STATES)
def test_a_break_changes_no_bit(case, tmp_path):
    data, changes, options = case
    plan = {"updates": 8, "batch": 4, "log_every": 2, "evaluate_every": 3, "clip_threshold": 0.3}
    plan = gradlab.Plan(**plan | {"optimizer": "adam"} | changes)
    net, test = network(**options), tuple(array[..., :4, :] if array.ndim > 2 else array[..., :4]
                                          for array in data)  # fmt: skip
    if data[1].ndim == 1:
        test = data[0][:, :4], data[1][:4]
    whole = gradlab.train(net, data, plan, test=test)
    path = tmp_path / "a.safetensors"
    first = gradlab.Training(net, data, plan, test)
    first.run(until=3, save=path)
    loaded = gradlab.Training.load(path, data, test)
    pickled = pickle.loads(pickle.dumps(first))
    assert loaded.plan == whole.plan
    for again in (first, loaded, pickled):
        assert again.update == 3
        again.run()
        same(again, whole)


def test_the_worst_chain_is_on_record():
    net = network(cell="lstm", layers=2, bidirectional=True, spectral_radius=0.5)
    for i, place in enumerate(net.places):
        net.weights[f"W{place.suffix}"] *= (1, 3, 4, 2)[i]
    found = records.of_weights(net)
    assert found["spectral_radius"] == pytest.approx(2.0)
    worst = np.linalg.svd(net.weights["W_l1"], compute_uv=False)[0]
    assert found["singular_value"] == pytest.approx(worst)


def test_lags_on_record_are_the_top_layer_s_to_each_lane_s_own_end():
    net, plan = network(layers=2, bidirectional=True), gradlab.Plan(updates=1)
    row = gradlab.train(net, (X, Y, LENGTHS), plan).table().iloc[0]
    lags = net.gradients(X, Y, lengths=LENGTHS).lag_log2
    first_to_last = [lags[0, i] - lags[end, i] for i, end in enumerate(LENGTHS)]
    assert row.log10_gradient_ratio == pytest.approx(np.median(first_to_last) * np.log10(2))
    assert row.horizon == pytest.approx(LENGTHS.mean()) and np.isnan(row.omega)


WRONG = {
    "no task": (5, {}, r"task must be a name, a FILE.py, .*, or Sequences: int lacks LOSS, AT"),
    "no name": ("temporal", {}, "no task temporal: did you mean temporal_order"),
    "another plan's": ("adding", {"task": "copying"}, "task=adding: the plan is for task=copying"),
    "option": ("temporal_order", {"task_options": {"n": 1}}, "temporal_order has no option n"),
    "its own loss": ("adding", {"loss": "squared_error"}, "loss=squared_error: goes with arrays"),
    "one array": ((X,), {}, r"task must be arrays \(x, y\) or \(x, y, lengths\), not 1 of them"),
    "x": ((X[..., :1], Y), {}, r"x must have shape \(T, B, 2\), not \(7, 9, 1\)"),
    "y": ((X, Y[:, :4]), {}, r"y must have shape \(9, 3\) for loss='squared_error'"),
    "text": ((X, [["a"]]), {}, "y must hold real numbers"),
    "class": ((X, CLASSES + 1), {}, "y holds class 3 at step"),
    "loss": ((X, Y), {"loss": "cross_entropy"}, "y must have shape .* for loss='cross_entropy'"),
    "lengths": ((X, Y, LENGTHS + T), {}, "lengths must lie between 1 and T = 7"),
    "window": ((X, Y), {"truncate": ("window", 2)}, "needs layers=1, or the loss at='last'"),
    "omega": ((X, Y), {"omega": 1.0}, "omega is defined for one layer and one direction"),
    "steps": (
        (X, Y), {"clip_per": "step", "clip_threshold": 1.0}, "clip_per=step needs one layer"
    ),
    "teacher": ((X, Y), {"teacher_forcing": True}, "teacher: cell elman feeds no output back"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line(case):
    task, plan, message = case
    with pytest.raises(UserError, match=message) as caught:
        gradlab.train(network(layers=2), task, gradlab.Plan(updates=2, **plan))
    assert "\n" not in str(caught.value)


def test_test_arrays_go_with_arrays():
    plan = gradlab.Plan(updates=2)
    with pytest.raises(UserError, match="test: goes with arrays"):
        gradlab.train(order_network(), "temporal_order", plan, test=(X, Y))
    with pytest.raises(UserError, match=r"test must be arrays .*, not ndarray"):
        gradlab.train(network(), (X, Y), plan, test=X)
    with pytest.raises(UserError, match="plan must be a Plan, not dict"):
        gradlab.train(network(), (X, Y), {})
