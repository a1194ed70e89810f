"""The training sweeps as a user runs them: what a row says, other tasks, wrong input."""

import math

import numpy as np
import pandas as pd
import pytest

import gradlab
from gradlab.errors import UserError

TINY = {
    "spectral_radius": [1.0], "sequence_length": [10], "clip_threshold": [1.0, math.inf],
    "seed": [0], "hidden_size": 12, "updates": 30, "evaluate_every": 10, "evaluation_size": 20,
    "learning_rate": 0.1,
}  # fmt: skip
CURVE = {
    "spectral_radius": [1.0], "clip_threshold": [0.5], "clip_style": ["norm"], "clip_per": ["mean"],
    "seed": [0], "update": [1, 10, 20], "sequence_length": 10, "hidden_size": 12,
}  # fmt: skip


def test_a_map_is_one_row_a_training_and_the_same_bits_again(tmp_path):
    first = gradlab.run("training_map", set=TINY, results=tmp_path / "a", workers=1)
    again = gradlab.run("training_map", set=TINY, results=tmp_path / "b", workers=2)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert len(first) == 2 and set(first.status) == {"ok"}
    clipped, free = first.share_clipped
    assert clipped > 0 == free
    assert first.updates_done.between(1, 30).all()
    assert set(first.solved) <= {0.0, 1.0}


def test_what_is_solved_and_what_is_thrown_off(tmp_path):
    learns = {"updates": 400, "hidden_size": 30, "seed": [0], "clip_threshold": [1.0]}
    row = gradlab.run("training_map", set=TINY | learns, results=tmp_path).iloc[0]
    assert row.solved == 1 and row.updates_done < 400 and row.error < 0.01
    wild = {"learning_rate": 50.0, "clip_threshold": [math.inf]}
    row = gradlab.run("training_map", set=TINY | wild, results=tmp_path).iloc[0]
    assert (row.solved, row.diverged) == (0, 1)


@pytest.mark.parametrize("task", ["adding", "copying", "oscillator"])
def test_other_tasks_take_its_place(task, tmp_path):
    other = {"task": task, "sequence_length": [30], "learning_rate": 0.01, "updates": 10}
    frame = gradlab.run("training_map", set=TINY | other, results=tmp_path)
    assert np.isfinite(frame.last_loss).all() and set(frame.status) == {"ok"}


def test_curves_are_the_rows_of_one_training(tmp_path):
    frame = gradlab.run("clipping", set=CURVE, results=tmp_path)
    assert frame["update"].tolist() == [1, 10, 20] and set(frame.status) == {"ok"}
    assert (frame.norm_after <= 0.5 * (1 + 1e-12)).all()
    assert frame.cosine.to_numpy() == pytest.approx(1)


def test_a_diverged_curve_says_so_and_ends(tmp_path):
    wild = {"activation": "identity", "learning_rate": 1e6, "clip_threshold": [math.inf]}
    frame = gradlab.run("clipping", set=CURVE | wild | {"update": [1, 200, 400]}, results=tmp_path)
    assert frame.status.tolist()[1:] == ["diverged"] * 2
    assert frame.loss.isna().tolist()[1:] == [True, True]


def test_wrong_input_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"learning_rate=-1\.0: must be a finite number >= 0"):
        gradlab.run("training_map", set=TINY | {"learning_rate": -1.0}, results=tmp_path)
    with pytest.raises(UserError, match="optimizer must be one of sgd"):
        gradlab.run("training_map", set=TINY | {"optimizer": "lion"}, results=tmp_path)


def test_a_threshold_that_no_norm_reaches_is_spared_and_changes_no_bit():
    from gradlab.measures import learning
    from gradlab.suite import library
    from gradlab.suite.grid import blocks, changed

    grid = TINY | {"clip_threshold": [0.5, 50.0, math.inf]}
    ((block, _),) = blocks(changed(library.load("training_map"), grid))
    together = learning.outcome(block)
    for i in range(len(block)):
        alone = learning._outcome(learning.point_of(block, i))
        assert {name: values[i] for name, values in together.items()} == pytest.approx(
            alone, rel=0, abs=0, nan_ok=True
        )
    assert together["largest_norm"][2] < 50 and together["share_clipped"][0] > 0


def test_a_teacher_takes_the_place_of_the_outputs_in_training():
    from types import SimpleNamespace

    from gradlab.learning.plan import Plan
    from gradlab.learning.training import Training

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3, 2)), rng.standard_normal((7, 3, 1))
    net = gradlab.Network.draw("jordan", inputs=2, hidden=5, outputs=1)
    wanted = net.gradients(x, y, teacher=y)
    lesson = SimpleNamespace(LOSS="squared_error", AT="every", sample=lambda *_: (x, y))
    plan = Plan("oscillator", 7, 1, batch=3, learning_rate=1.0, teacher_forcing=True)
    training = Training(net, lesson, plan)
    assert training.run().loss.iloc[0] == pytest.approx(wanted.loss, rel=1e-14)
    for name, old in net.weights.items():
        step = old - training.net.weights[name]
        assert step == pytest.approx(wanted.weights[name], abs=1e-13), name
    with pytest.raises(UserError, match="only jordan does"):
        Training(gradlab.Network.draw(inputs=2, hidden=5, outputs=1), lesson, plan).run()


def test_a_forecast_feeds_back_its_own_outputs_and_never_sees_the_second_half():
    from gradlab.measures import forecast

    motion = forecast._motion(20, 0.2)
    other = motion._replace(states=np.where(np.arange(21)[:, None] > 10, np.nan, motion.states))
    nets = {
        "elman": gradlab.Network.draw(inputs=3, hidden=4, outputs=2),
        "lstm": gradlab.Network.draw("lstm", inputs=3, hidden=4, outputs=2),
        "jordan": gradlab.Network.draw("jordan", inputs=3, hidden=4, outputs=2),
        "window": gradlab.Network.draw(inputs=3 * forecast.WINDOW, hidden=4, outputs=2),
    }
    for model, net in nets.items():
        x = forecast._inputs(motion, "fed_back", model)
        outputs = forecast._fed_back(net, motion, x, model)
        blind = np.where(np.arange(20)[:, None] > 10, [1, np.nan, np.nan], 1) * x
        blind[:, 1:] = np.nan_to_num(blind[:, 1:])
        unseen = forecast._fed_back(net, other._replace(states=np.nan_to_num(other.states)), blind,
                                    model)  # fmt: skip
        assert outputs == pytest.approx(unseen, abs=1e-14), model
        if model in ("elman", "lstm"):
            by_hand = x.copy()
            by_hand[11:, 1:] = outputs[10:-1]
            again = net.forward(by_hand[:, None]).outputs[:, 0]
            assert outputs == pytest.approx(again, abs=1e-13), model


def test_the_gradient_by_lag_is_that_of_the_network_in_training(tmp_path):
    grid = {
        "omega": [0.0, 2.0], "spectral_radius": [0.6], "seed": [0], "update": [0, 30],
        "lag": [0, 1, 12], "hidden_size": 12, "sequence_length": 12,
    }  # fmt: skip
    frame = gradlab.run("omega", set=grid, results=tmp_path)
    by = frame.set_index(["omega", "update", "lag"]).log10_gradient
    assert (by[:, :, 0] == 0).all() and set(frame.status) == {"ok"}
    assert by[0.0, 0, 12] == by[2.0, 0, 12] < -2
    assert by[2.0, 30, 12] > by[0.0, 30, 12] + 1
    omegas = frame[frame["update"] == 30].groupby("omega").omega_value.first()
    assert omegas[2.0] < omegas[0.0]
