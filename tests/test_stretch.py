"""Updates in one compiled call: to the bit those that are made one by one."""

import copy
import dataclasses
import itertools
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gradlab
from gradlab.kernels import updates
from gradlab.learning import stretch
from gradlab.learning.plan import Plan
from gradlab.learning.stretch import Stretches
from gradlab.learning.training import Training

SIZES = {"inputs": 3, "hidden": 4, "outputs": 2}
HISTORIES = ("losses", "norms", "shares", "lost")


def task_of(loss="cross_entropy", at="last", scale=None):
    """Minibatches of noise; scale(count) multiplies the x of minibatch number 1, 2, ..."""
    count = itertools.count(1)

    def sample(stream, length, batch):
        x = stream.standard_normal((length, batch, 3))
        if scale is not None:
            x = x * scale(next(count))
        shape = (length, batch) if at == "every" else (batch,)
        if loss == "cross_entropy":
            return x, stream.integers(0, 2, shape)
        return x, stream.random((*shape, 2))

    return SimpleNamespace(LOSS=loss, AT=at, sample=sample)


@pytest.fixture
def made(monkeypatch):
    """How many updates each call made."""
    counts, kernel = [], stretch.stretch

    def counted(*arguments):
        kernel(*arguments)
        counts.append(arguments[-1].count)

    monkeypatch.setattr(stretch, "stretch", counted)
    return counts


def trained(task=task_of, cell="elman", log_every=1000, net=None, **changes):
    """A training of 24 updates on a few short sequences."""
    options = {name: changes.pop(name) for name in ("dtype", "activation") if name in changes}
    net = net or gradlab.Network.draw(cell, **SIZES, **options, spectral_radius=0.8)
    own = {"sequence_length": 6, "batch": 3, "updates": 24, "learning_rate": 0.02}
    training = Training(net, task(), Plan(**own | {"log_every": log_every} | changes))
    with np.errstate(all="ignore"):
        training.run()
    return training


def same(one, other):
    for name in HISTORIES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    for name, array in one.net.weights.items():
        np.testing.assert_array_equal(array, other.net.weights[name], strict=True)
    np.testing.assert_array_equal(one._slots, other._slots)
    assert one.status == other.status and one.update == other.update


def check(made, count, **changes):
    """Hold a training of stretches against one without, and how many updates they made."""
    alone = trained(log_every=1, **changes)
    assert not made
    same(trained(**changes), alone)
    assert sum(made) == count
    return alone


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", "jordan"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("at", ["last", "every"])
def test_each_cell_and_loss(cell, loss, at, made):
    check(made, 22, cell=cell, task=lambda: task_of(loss, at), clip_threshold=0.3)


@pytest.mark.parametrize("style", updates.STYLES)
def test_each_style_of_clipping(style, made):
    alone = check(made, 22, clip_style=style, clip_threshold=0.25, schedule="cosine")
    assert np.mean(alone.shares) > 0


@pytest.mark.parametrize("optimizer", updates.OPTIMIZERS)
def test_each_optimizer_with_omega(optimizer, made):
    check(made, 22, optimizer=optimizer, omega=0.7, task=lambda: task_of(at="every"))


@pytest.mark.parametrize("omega", [0.0, 0.7])
def test_float32(omega, made):
    alone = check(made, 22, dtype="float32", omega=omega, optimizer="adam", clip_threshold=0.1)
    assert alone.net.dtype == np.float32 and alone.rows


def test_the_updates_of_a_stretch_are_those_of_numpy(made):
    """Two steps of tanh from zeros, squared error of o = c + V h_2; SGD, clipped by the norm."""
    training = trained(
        lambda: task_of("squared_error"), sequence_length=2, clip_threshold=1.5, learning_rate=0.1
    )
    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
    w, task = {k: array.copy() for k, array in net.weights.items()}, task_of("squared_error")
    stream = training._draw("training")
    for _ in range(24):
        x, y = task.sample(stream, 2, 3)
        first = np.tanh(x[0] @ w["U"].T + w["b"])
        last = np.tanh(x[1] @ w["U"].T + first @ w["W"].T + w["b"])
        up = 2 / 3 * (last @ w["V"].T + w["c"] - y)
        late = up @ w["V"] * (1 - last**2)
        early = late @ w["W"] * (1 - first**2)
        g = {
            "V": up.T @ last, "c": up.sum(0), "W": late.T @ first,
            "U": late.T @ x[1] + early.T @ x[0], "b": (late + early).sum(0),
        }  # fmt: skip
        norm = np.sqrt(sum(np.sum(one**2) for one in g.values()))
        for name, one in g.items():
            w[name] -= 0.1 * min(1, 1.5 / norm) * one
    for name, array in training.net.weights.items():
        np.testing.assert_allclose(array, w[name], rtol=1e-12, atol=1e-14)
    assert sum(made) == 22 and 0 < np.mean(training.shares) < 1


def test_what_needs_care_is_done_alone_and_the_others_go_on(made):
    """x of 1e160 leaves the range of a quick loss, of 1e-200 that of quick sums, of 0 neither."""
    sizes = {6: 1e160, 12: 0.0, 13: 1e-200}
    alone = check(
        made, 21, task=lambda: task_of("squared_error", "every", lambda k: sizes.get(k, 1.0)),
        activation="identity", clip_threshold=1.0, updates=25,
    )  # fmt: skip
    assert alone.norms[5] > 1e150 and alone.status == "finished"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_training_that_diverges(optimizer, made):
    alone = check(
        made, 8, task=lambda: task_of("squared_error", scale=lambda k: np.nan if k == 10 else 1.0),
        optimizer=optimizer,
    )  # fmt: skip
    assert alone.status == "diverged" and alone.update == 10


@pytest.mark.parametrize("optimizer", updates.OPTIMIZERS)
def test_a_step_that_is_not_finite_is_taken_back_and_made_alone(optimizer, made, monkeypatch):
    """Weights and slots are as before it, and so the row that says how it diverged."""
    monkeypatch.setattr(Training, "_rate", lambda self, n: np.inf if n == 10 else 0.02)
    alone = trained(log_every=1, optimizer=optimizer)
    stretched = trained(optimizer=optimizer)
    same(stretched, alone)
    assert alone.status == "diverged" and alone.update == 10 and sum(made) == 8
    told, wanted = stretched.rows[-1], alone.rows[-1]
    for name in ("loss", "norm_before", "horizon", "learning_rate", "status"):
        np.testing.assert_equal(told[name], wanted[name], err_msg=name)


def test_saving_copying_and_stopping_in_the_middle(made, tmp_path):
    alone = trained(log_every=1, optimizer="adam", updates=40)
    plan = Plan(**vars(alone.plan) | {"log_every": 1000})
    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
    training = Training(net, task_of(), plan)
    training.run(until=17, save=tmp_path / "a")
    assert training.update == 17 and sum(made) == 16
    loaded = Training.load(tmp_path / "a", task_of())
    copied = copy.deepcopy(training)
    for one in (training, loaded, copied):
        one.run()
        same(one, alone)


def test_minibatches_drawn_ahead_are_kept_where_a_stretch_ends_early(tmp_path, monkeypatch):
    """Also by a task that draws each once, in what is saved, and in what is pickled."""
    monkeypatch.setattr(stretch, "LONGEST", 1e9)
    sizes = lambda k: 1e160 if k == 12 else 1.0  # noqa: E731
    task = lambda: task_of("squared_error", scale=sizes)  # noqa: E731
    alone = trained(task, log_every=1, activation="identity")
    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8, activation="identity")
    training = Training(net, task(), Plan(**vars(alone.plan) | {"log_every": 1000}))
    training._one_update()
    while training.update < 11:
        training._stretch(24)
    assert training._ahead and training._ahead[0].minibatch[0].max() > 1e150
    training.save(tmp_path / "a")
    training.task, own = None, training.task
    again = pickle.loads(pickle.dumps(training))
    training.task = again.task = own
    state = Training.load(tmp_path / "a", own)._stream.bit_generator.state
    x, _ = task_of("squared_error").sample(training._draw("training"), 6, 3)
    stream = np.random.Generator(np.random.PCG64())
    stream.bit_generator.state = state
    following = task_of("squared_error").sample(stream, 6, 3)[0]
    np.testing.assert_array_equal(following * 1e160, training._ahead[0].minibatch[0])
    assert not np.array_equal(x, following)
    for one in (training, again):
        one.run()
    same(training, alone)
    assert again.losses[:12] == alone.losses[:12]


def test_an_error_of_a_task_comes_after_the_updates_before_it(made):
    def scale(count):
        if count > 15:
            raise RuntimeError("no more")
        return 1.0

    plan = Plan(sequence_length=6, batch=3, updates=30, log_every=1000)
    training = Training(
        gradlab.Network.draw("elman", **SIZES), task_of(scale=scale), plan
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="no more"):
        training.run()
    assert training.update == 15 and sum(made) == 14


def test_a_wrong_class_is_told_by_its_own_update(made):
    task = task_of()
    right, count = task.sample, itertools.count(1)

    def sample(*given):
        x, y = right(*given)
        return x, y + 5 * (next(count) == 12)

    task.sample = sample
    training = Training(
        gradlab.Network.draw("elman", **SIZES), task,
        Plan(sequence_length=6, batch=3, updates=30, log_every=1000),
    )  # fmt: skip
    with pytest.raises(gradlab.errors.UserError, match=r"y holds class \d at lane \d, not 0 to 1"):
        training.run()
    assert training.update == 11


def test_ctrl_c_leaves_a_training_whole(monkeypatch):
    alone, kernel = trained(log_every=1), stretch.stretch

    def interrupted(*arguments):
        kernel(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(stretch, "stretch", interrupted)
    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
    training = Training(net, task_of(), Plan(**vars(alone.plan) | {"log_every": 1000}))
    with pytest.raises(KeyboardInterrupt):
        training.run()
    assert 1 < training.update < 24
    monkeypatch.setattr(stretch, "stretch", kernel)
    training.run()
    same(training, alone)


def test_minibatches_of_changing_length_have_room_each(made):
    check(made, 22, sequence_length=(5, 7))
    assert len(made) > 4


def test_evaluations_and_rows_fall_where_they_did(made):
    changes = {"updates": 60, "evaluate_every": 13, "evaluation_size": 5}
    one, other = trained(log_every=1, **changes), trained(log_every=20, **changes)
    same(one, other)
    rows = {row["update"]: row for row in one.rows}
    assert [row["update"] for row in other.rows] == [1, 13, 20, 26, 39, 40, 52, 60]
    first = 0
    for row in other.rows:
        told = rows[row["update"]] | {
            "mean_loss": np.mean(one.losses[first : row["update"]]),
            "mean_norm": np.mean(one.norms[first : row["update"]]),
        }
        first = row["update"]
        for name in set(told) - {"updates_per_second"}:
            np.testing.assert_equal(row[name], told[name], err_msg=name)
    assert made and max(made) <= 12


def test_a_stretch_is_short_in_seconds_and_in_vain_ever_more_seldom():
    net, plan = gradlab.Network.draw("elman", **SIZES), Plan()
    stretches = Stretches()
    assert stretches.reach(stretch.SHORTEST - 1, net, plan) == 0
    stretches.alone(1e-4)
    assert stretches.reach(1000, net, plan) == stretch.MOST
    stretches.alone(0.05)
    assert stretches.reach(1000, net, plan) == stretch.LONGEST / 0.05
    waits = []
    for _ in range(4):
        stretches._tried = 9
        stretches.took(0.0, stretch.Told.of(9))
        wait = 0
        while not stretches.reach(1000, net, plan):
            stretches.alone(1e-4)
            wait += 1
        waits.append(wait)
    assert waits == [1, 3, 7, 15]
    for other in (Plan(truncate=("window", 2)), Plan(clip_per="lane", clip_threshold=1.0)):
        assert Stretches().reach(1000, net, other) == 0


def test_where_prepared_weights_come_from_is_found():
    for cell in ("elman", "lstm", "gru", "jordan"):
        net = gradlab.Network.draw(cell, **SIZES, dtype="float32", feedback="output")
        flat = gradlab.learning.gradient.vector(net.weights)
        packed, pair, views = stretch._packed(net, flat)
        assert packed.dtype == np.float32 and packed.ctypes.data % 64 == 0
        assert all(np.shares_memory(own, packed) for own in views.arrays if own.size)
        again = np.append(-flat, np.float32(0))
        packed[:] = again[pair[0]] + again[pair[1]]
        other = copy.copy(net)
        other.weights = {name: -array for name, array in net.weights.items()}
        for own, wanted in zip(views.prepared, other.prepared(), strict=True):
            np.testing.assert_array_equal(own, wanted)


EYE = np.eye(SIZES["hidden"])
PREPARED = {
    "itself": (lambda W: W, True), "masked": (lambda W: W * EYE, True),
    "a sum": (lambda W: W + W.T, True), "square": (np.square, False), "size": (np.abs, False),
    "clipped": (lambda W: W.clip(-9, 9), False), "shifted": (lambda W: W + 1, False),
    "by columns": (np.asfortranarray, False), "rounded": (lambda W: W.astype(np.float32), False),
}  # fmt: skip


@pytest.mark.parametrize(("change", "fits"), PREPARED.values(), ids=PREPARED)
def test_a_cell_that_computes_its_weights_is_trained_update_by_update(change, fits, monkeypatch):
    net, prepare = gradlab.Network.draw("elman", **SIZES), gradlab.Network.prepared
    flat = gradlab.learning.gradient.vector(net.weights)

    def prepared(net):
        made = prepare(net)
        return made._replace(recurrent=change(made.recurrent))

    monkeypatch.setattr(gradlab.Network, "prepared", prepared)
    if fits:
        packed, pair, views = stretch._packed(net, flat)
        packed[:] = (given := np.append(flat, 0.0))[pair[0]] + given[pair[1]]
        np.testing.assert_array_equal(views.prepared.recurrent, change(net.weights["W"]))
    else:
        with pytest.raises(stretch.Unfit):
            stretch._packed(net, flat)


def over(task, change):
    """A task whose sample is what `change` makes of the plain one's."""

    def made():
        own = task()
        return SimpleNamespace(LOSS=own.LOSS, AT=own.AT, sample=change(own.sample))

    return made


def in_one_buffer(sample):
    room = []

    def filled(stream, length, batch):
        x, y = sample(stream, length, batch)
        room.extend([x.copy(), y.copy()] if not room else [])
        room[0][:], room[1][:] = x, y
        return tuple(room)

    return filled


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (in_one_buffer, 22),
        (lambda sample: lambda *given: iter(sample(*given)), 0),
        (lambda sample: lambda *given: list(sample(*given)), 0),
        (lambda sample: lambda *given: tuple(own.tolist() for own in sample(*given)), 0),
    ],
)
def test_a_task_may_use_its_arrays_again_and_return_any_sequence(change, count, made):
    check(made, count, task=over(task_of, change))


def test_what_a_task_raises_is_raised_once_and_is_not_lost(made):
    count = itertools.count(1)

    def once(sample):
        def sometimes(*given):
            if next(count) == 12:
                raise ValueError("record 12 is broken")
            return sample(*given)

        return sometimes

    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
    plan = Plan(sequence_length=6, batch=3, updates=24, learning_rate=0.02, log_every=1000)
    training = Training(net, over(task_of, once)(), plan)
    with pytest.raises(ValueError, match="record 12 is broken"):
        training.run()
    assert training.update == 11
    training.run()
    assert training.update == 24 and sum(made) > 8


def test_a_plan_may_change_between_runs(made):
    ended = []
    for log_every in (1, 1000):
        net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
        own = {"sequence_length": 6, "batch": 3, "updates": 24, "learning_rate": 0.02}
        training = Training(net, task_of(), Plan(**own, log_every=log_every))
        training.run(12)
        training.plan = dataclasses.replace(training.plan, omega=1.0)
        training.run()
        ended.append(training)
    same(*ended)
    assert sum(made) > 12


def test_where_ctrl_c_comes_in_an_update_its_minibatch_is_the_next_one(monkeypatch):
    def interrupted(*given):
        monkeypatch.undo()
        raise KeyboardInterrupt

    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
    plan = Plan(sequence_length=6, batch=3, updates=6, learning_rate=0.02, log_every=1)
    whole, stopped = Training(net, task_of(), plan), Training(net, task_of(), plan)
    whole.run()
    stopped.run(3)
    monkeypatch.setattr("gradlab.learning.training.gradient", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    stopped.run()
    same(stopped, whole)


def test_a_users_cell_is_trained_update_by_update(made, tmp_path):
    """Its sources may compute, of x, what a stretch would take for a copy."""
    text = (Path(__file__).parent / "leaky.py").read_text()
    text += "\n\nplain = sources\n\ndef sources(trace, x):\n    own = plain(trace, x)\n"
    text += "    return own | {'U': own['U']._replace(values=x + 0.0)}\n"
    (tmp_path / "own.py").write_text(text)
    check(made, 0, cell=str(tmp_path / "own.py"))


def test_what_was_drawn_before_ctrl_c_is_not_written_over(monkeypatch):
    """By a task that fills one buffer, whose next minibatches are drawn ahead afterwards."""
    monkeypatch.setattr("gradlab.learning.training.gradient", _interrupt)
    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
    own = {"sequence_length": 6, "batch": 3, "updates": 24, "learning_rate": 0.02}
    training = Training(net, over(task_of, in_one_buffer)(), Plan(**own, log_every=1000))
    with pytest.raises(KeyboardInterrupt):
        training.run()
    monkeypatch.undo()
    training.run()
    same(training, trained(log_every=1))


def _interrupt(*given):
    raise KeyboardInterrupt


def test_a_long_way_to_the_next_row_is_not_looked_over_at_each_update(monkeypatch):
    looked = []

    def is_seen(training, number, plain=Training._is_seen):
        looked.append(number)
        return plain(training, number)

    monkeypatch.setattr(Training, "_is_seen", is_seen)
    net = gradlab.Network.draw("elman", **SIZES, spectral_radius=0.8)
    own = {"sequence_length": 6, "batch": 3, "updates": 10**6, "learning_rate": 0.02}
    Training(net, task_of(), Plan(**own, log_every=10**6)).run(130)
    assert len(looked) < 10 * 64
