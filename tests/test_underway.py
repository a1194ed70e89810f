"""Long trainings go on where they were stopped, and say how many updates they make."""

import math

import pytest

from gradlab import underway
from gradlab.measures import learning
from gradlab.suite import progress, provenance, store, tell
from gradlab.suite.experiment import Experiment
from gradlab.suite.grid import changed
from gradlab.suite.sweep import sweep

POINT = {
    "task": "temporal_order", "cell": "elman", "hidden_size": 8, "spectral_radius": 1.0,
    "sequence_length": 10,
    "optimizer": "sgd", "learning_rate": 0.1, "batch": 4, "updates": 600, "clip_threshold": 1.0,
    "clip_style": "norm", "clip_per": "mean", "omega": 0.0, "evaluate_every": 100,
    "evaluation_size": 20, "stop_below": None, "seed": 3, "init": "gaussian", "activation": "tanh",
}  # fmt: skip


class Stopped(Exception):
    """Stands for the end of a process."""


@pytest.fixture
def often(monkeypatch):
    """State is kept after each stride."""
    monkeypatch.setattr(underway, "KEEP_EVERY", 0.0)


def stop_at(monkeypatch, update):
    """Let a training stop dead where it would count this update."""
    counted = underway.did

    def did(updates):
        counted(updates)
        did.done += updates
        if did.done >= update:
            raise Stopped

    did.done = 0
    monkeypatch.setattr(underway, "did", did)


def test_a_training_that_was_stopped_ends_with_the_same_bits(tmp_path, monkeypatch, often):
    whole = learning._outcome(POINT)
    with underway.at(tmp_path), monkeypatch.context() as patched:
        stop_at(patched, 400)
        with pytest.raises(Stopped):
            learning._outcome(POINT)
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]
    before = underway.updates()
    with underway.at(tmp_path):
        again = learning._outcome(POINT)
    assert underway.updates() - before == 400  # of 600: 200 were kept
    assert again == pytest.approx(whole, rel=0, abs=0, nan_ok=True)


def test_a_file_of_another_plan_or_a_damaged_one_is_not_taken(tmp_path, often):
    with underway.at(tmp_path):
        learning._outcome(POINT)
        (file,) = tmp_path.iterdir()
        other = underway.file(POINT | {"learning_rate": 0.2})
        file.rename(other)
        before = underway.updates()
        learning._outcome(POINT | {"learning_rate": 0.2})
        assert underway.updates() - before == 600
        underway.file(POINT).write_bytes(other.read_bytes()[:100])
        learning._outcome(POINT)
        assert underway.updates() - before == 1200


def test_nothing_is_kept_where_there_is_no_place(tmp_path):
    assert underway.file(POINT) is None
    with underway.at(tmp_path):
        assert underway.file(POINT).parent == tmp_path
    assert underway.file(POINT) is None


def experiment(**values):
    return Experiment(
        question="?", name="small", grid={"seed": [0, 1], "clip_threshold": [1.0, math.inf]},
        split=["seed"], measure="gradlab.measures.learning:outcome", figure=None,
        constants={k: v for k, v in POINT.items() if k not in ("seed", "clip_threshold")} | values,
    )  # fmt: skip


def small(folder, updates, **values):
    return sweep(changed(experiment(updates=updates), values), folder, 1)


def test_a_sweep_removes_what_a_block_kept(tmp_path, often):
    small(tmp_path, updates=400)
    assert not list(tmp_path.glob("*.shards/*.underway"))


def test_the_bar_tells_updates_a_second(capsys, monkeypatch):
    monkeypatch.setattr(progress, "TICK", 0.01)
    monkeypatch.setattr(progress, "LONGEST", 0.02)
    with tell.aloud(), progress.Lines(3, 0.0, 60.0) as bar:
        for _ in range(100):
            underway.did(50)
            bar._ended.wait(0.002)
    said = capsys.readouterr().out
    assert "0 of 3 points" in said and "updates/s" in said and "left" in said


def test_a_new_checkout_takes_blocks_from_the_table(tmp_path, capsys):
    frame, origins = small(tmp_path, updates=200)
    store_as_reference(
        tmp_path, frame, provenance.describe(experiment(updates=200), frame, origins)
    )
    before = underway.updates()
    again, origins = small(tmp_path, updates=200)
    assert underway.updates() == before
    assert again.equals(frame) and len(origins) == 2
    assert len(list(tmp_path.glob("small.shards/*.parquet"))) == 2
    remove(tmp_path)
    more, _ = small(tmp_path, updates=200, seed="0,1,2")
    assert more[more.seed < 2].reset_index(drop=True).equals(frame)
    remove(tmp_path)
    before = underway.updates()
    small(tmp_path, updates=400)  # another constant: nothing of the table is used
    assert underway.updates() > before


def store_as_reference(folder, frame, said):
    """A committed table without its shards."""
    digest = store.write(frame, folder / "small.parquet")
    store.write_json({**said, store.TABLE: digest}, folder / "small.json")
    remove(folder)


def remove(folder):
    """The shards are in no repository."""
    underway.forget(folder / "small.shards")
