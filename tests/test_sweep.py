"""A sweep gives the same bits however it is run, goes on where it stopped, and survives errors."""

import random
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context

import pandas as pd
import pytest
import toy_measure
from toy import experiment as toy

from gradlab.errors import UserError
from gradlab.suite import machine, plan, sweep, work
from gradlab.suite.grid import changed


class Shuffled(Executor):
    """Runs its four blocks in a random order, when it has them all."""

    def __init__(self, seed):
        self.random, self.waiting = random.Random(seed), []

    def submit(self, *call):
        self.waiting.append((Future(), call))
        future = self.waiting[-1][0]
        if len(self.waiting) == 4:
            self.random.shuffle(self.waiting)
            for one, (function, *arguments) in self.waiting:
                one.set_result(function(*arguments))
        return future


def run(folder, executor=None, fresh=False, **values):
    return sweep.sweep(changed(toy, values), folder, executor, fresh)[0]


def shards(folder):
    return sorted((folder / "toy.shards").glob("*.parquet"))


@pytest.fixture
def calls(monkeypatch):
    """The seeds of the blocks that were measured."""
    seeds, decay = [], toy_measure.decay

    def counted(block):
        seeds.append(int(block.points["seed"][0]))
        return decay(block)

    monkeypatch.setattr(toy_measure, "decay", counted)
    return seeds


def test_rows_stand_in_the_grids_order(tmp_path):
    frame = run(tmp_path)
    assert list(frame) == [
        *("weight", "seed", "length", "pause", "broken_seed", "killed_seed", "gib"),
        *("decades", "mix", "blas_threads", "status"),
    ]
    assert frame["weight"].tolist() == [0.5] * 4 + [1.0] * 4 + [2.0] * 4
    assert frame["seed"].tolist() == [0, 1, 2, 3] * 3
    assert set(frame["status"]) == {"ok"}


@pytest.mark.parametrize(
    "executor", [2, 4, Shuffled(0), Shuffled(1)], ids=["2", "4", "shuffled", "shuffled otherwise"]
)
def test_the_same_bits_whatever_the_workers_and_their_order(tmp_path, executor):
    pd.testing.assert_frame_equal(
        run(tmp_path / "a", 1), run(tmp_path / "b", executor), check_exact=True
    )


def test_the_same_bits_from_processes_and_from_the_store(tmp_path):
    here = run(tmp_path / "a")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        there = run(tmp_path / "b", pool)
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    pd.testing.assert_frame_equal(here, run(tmp_path / "a"), check_exact=True)


def test_blas_is_held_to_one_thread_and_let_go(tmp_path):
    import scipy.linalg.cython_blas  # noqa: F401

    before = toy_measure.blas_threads()
    assert set(run(tmp_path)["blas_threads"]) == {1}
    assert toy_measure.blas_threads() == before


def test_a_block_that_runs_alone_has_the_whole_machine(tmp_path, monkeypatch):
    import scipy.linalg.cython_blas  # noqa: F401

    before = toy_measure.blas_threads()
    monkeypatch.setattr(toy, "alone", True)
    frame = run(tmp_path, 2, pause=0.01)
    assert set(frame["blas_threads"]) == {max(before)}


def test_only_what_is_missing_runs(tmp_path, calls):
    run(tmp_path)
    shards(tmp_path)[0].unlink()
    assert sorted(calls) == [0, 1, 2, 3]
    run(tmp_path)
    assert len(calls) == 5
    run(tmp_path, seed="3,4")
    assert calls[5:] == [4]
    run(tmp_path, fresh=True)
    assert len(calls) == 10


def test_a_changed_block_runs_again_and_a_line_says_so(tmp_path, calls, capsys):
    run(tmp_path)
    run(tmp_path, weight="0.5,1")
    assert len(calls) == 8
    assert "4 stored blocks belong to another grid or to older sources; 4 blocks" in (
        capsys.readouterr().out
    )


def test_a_damaged_shard_is_told_and_run_again(tmp_path, calls, capsys):
    before = run(tmp_path)
    shard = shards(tmp_path)[1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 3] ^= 1
    shard.write_bytes(data)
    after = run(tmp_path)
    assert f"stored block {shard.stem} is damaged: it runs again" in capsys.readouterr().out
    assert len(calls) == 5
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_the_content_of_a_users_file_counts(tmp_path, calls):
    file = tmp_path / "data.csv"
    for content, count in (("1", 4), ("1", 4), ("2", 8)):
        file.write_text(content)
        assert set(run(tmp_path, file=str(file))["file"]) == {"data.csv"}
        assert len(calls) == count
    with pytest.raises(UserError, match="No such file"):
        run(tmp_path, file="nowhere.csv")


def test_a_failed_block_is_rows_and_runs_again(tmp_path, calls, capsys):
    frame = run(tmp_path, broken_seed=0)
    failed = frame[frame["status"] == "error"]
    assert set(failed["seed"]) == {0}
    assert (
        failed["message"].str.match(r"ValueError: this seed is broken \(toy_measure.py:\d+\)").all()
    )
    assert list(frame)[-2:] == ["status", "message"]
    assert set(frame.loc[frame["seed"] > 0, "message"]) == {""}
    assert "1 blocks failed" in capsys.readouterr().out
    assert len(shards(tmp_path)) == 3
    run(tmp_path, broken_seed=0)
    assert sorted(calls) == [0, 0, 1, 2, 3]


def test_a_killed_worker_is_rows(tmp_path):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        frame = run(tmp_path, pool, killed_seed=2)
    failed = frame[frame["status"] == "error"]
    assert {2} <= set(failed["seed"]) < {0, 1, 2, 3}
    assert failed["message"].str.startswith("BrokenProcessPool").all()


def test_wrong_input_and_total_failure_are_raised(tmp_path):
    with pytest.raises(UserError, match="length 0: not at least 1"):
        run(tmp_path, length=0)
    with pytest.raises(UserError, match="every block failed, the first with ValueError"):
        run(tmp_path, seed=1, broken_seed=1)
    assert not shards(tmp_path)


@pytest.mark.parametrize(
    "wrong", [lambda b: {"x": [1.0]}, lambda b: {"weight": b.points["weight"]}]
)
def test_wrong_columns_are_errors(tmp_path, monkeypatch, wrong):
    monkeypatch.setattr(toy_measure, "decay", wrong)
    with pytest.raises(UserError, match=r"ValueError: column (x|weight) "):
        run(tmp_path)


def test_memory_is_minded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(machine, "available", lambda: 3 * 2**30)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    run(tmp_path, gib=1.4)
    assert "4 blocks to run on 2 threads: about 0.0 s, 2.8 GiB" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"a block needs 3.50 GiB and 3.00 GiB are free"):
        run(tmp_path, gib=3.5)


def test_flushed_subnormals_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "SMALLEST", 0.0)
    with pytest.raises(UserError, match="flushes small numbers to zero"):
        run(tmp_path)


def test_a_container_bounds_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    for name, text in {"max": "5000", "current": "3000", "stat": "anon 2000\nfile 1000"}.items():
        (tmp_path / f"memory.{name}").write_text(f"{text}\n")
    assert machine.available() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available() > 3000


def test_estimates_that_refuse_are_wrong_use_and_none_is_none():
    def measure(block):
        return {}

    measure.estimate = lambda block: int("x")
    with pytest.raises(UserError, match="invalid literal"):
        plan.estimates(measure, [None])
    assert plan.estimates(len, [None, None]) == [(0.0, 0), (0.0, 0)]
    assert plan.describe([(0.0, 0)], 1) == " on 1 thread"
    assert plan.describe([(9000.0, 2**30)] * 2, None) == ": about 5.0 h of one worker, 1.0 GiB each"
