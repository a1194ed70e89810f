"""A sweep gives the same bits however it is run, goes on where it stopped, and survives errors."""

import contextvars
import os
import random
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
import toy_measure
from toy import experiment as toy

import gradlab
from gradlab.errors import UserError
from gradlab.suite import (
    Experiment,
    flight,
    machine,
    plan,
    progress,
    running,
    survey,
    sweep,
    table,
    tell,
    work,
)
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


@pytest.fixture(autouse=True)
def told():
    """What a sweep says is printed."""
    with tell.aloud():
        yield


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


def test_threads_measure_no_more_than_a_few_blocks_ahead_of_the_disk(tmp_path, calls, monkeypatch):
    monkeypatch.setattr(flight, "PER_THREAD", 3)
    ahead, of_block = [], table.of_block

    def slow(*what):
        time.sleep(0.01)
        ahead.append(len(calls) - len(ahead))
        return of_block(*what)

    monkeypatch.setattr(table, "of_block", slow)
    run(tmp_path, 1, seed=list(range(20)))
    assert len(ahead) == 20 and 2 <= max(ahead) <= 3 + 1


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


def test_a_block_of_other_points_is_not_run_yet(tmp_path, calls, capsys):
    run(tmp_path)
    run(tmp_path, weight="0.5,1")
    assert len(calls) == 8
    out = capsys.readouterr().out
    assert "0 of 4 blocks are stored, 4 to run on 2 threads" in out
    assert "stays" not in out  # of other points is not of other sources


def test_what_a_killed_run_left_undone_is_not_run_yet(tmp_path, calls, capsys):
    run(tmp_path)
    for shard in shards(tmp_path)[2:]:
        shard.unlink()
    assert foretold(tmp_path)[2:] == ["  2: not run yet"]
    capsys.readouterr()
    run(tmp_path)
    assert "than what is stored" not in capsys.readouterr().out


def test_a_damaged_shard_is_told_and_run_again(tmp_path, calls, capsys):
    before = run(tmp_path)
    shard = shards(tmp_path)[1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 3] ^= 1
    shard.write_bytes(data)
    after = run(tmp_path)
    assert "3 of 4 blocks are stored, 1 to run" in (out := capsys.readouterr().out)
    assert "\n  1: damaged\n" in out
    assert len(calls) == 5
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_a_users_file_that_is_edited_meanwhile_ends_the_sweep(tmp_path, monkeypatch):
    file, stored = tmp_path / "series.csv", sweep._stored
    file.write_text("1\n2\n")

    def edited(outcome, *what):
        file.write_text("3\n4\n" if list(tmp_path.rglob("*.parquet")) else "1\n2\n")
        return stored(outcome, *what)

    monkeypatch.setattr(sweep, "_stored", edited)
    with pytest.raises(UserError, match=r"file series\.csv was changed while the run was at work"):
        sweep.sweep(changed(toy, {"file": str(file)}), tmp_path, 1)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


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
    assert set(failed["seed"]) == {2}  # those beside it run again, in processes of their own
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
    assert "4 to run on 2 threads: about 0.0 s, 2.8 GiB" in capsys.readouterr().out
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


def edited(monkeypatch, name="toy_measure.py:decay"):
    """Pretend that a source has been edited since."""
    of = survey.sources.of
    monkeypatch.setattr(survey.sources, "of", lambda measure: of(measure) | {name: "edited"})


def foretold(folder, workers=2, fresh=False, retry_errors=False, **values):
    return sweep.foretell(changed(toy, values), folder, workers, fresh, retry_errors)


def everything(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_a_dry_run_says_what_would_run_and_why_and_writes_nothing(tmp_path, calls, monkeypatch):
    first = "toy: 12 points in 4 blocks"
    unknown = "nobody can tell how long"  # the counted measure has no estimate beside it
    assert foretold(tmp_path) == [
        first, f"0 of 4 blocks are stored, 4 would run on 2 threads: {unknown}", "  4: not run yet",
    ]  # fmt: skip
    assert not everything(tmp_path)
    run(tmp_path)
    before, ran = everything(tmp_path), len(calls)
    assert foretold(tmp_path) == [first, "4 of 4 blocks are stored, nothing would run"]
    assert foretold(tmp_path, seed="3,4")[1:] == [
        "1 of 2 blocks are stored, 1 would run on 1 thread: nobody can tell how long",
        "  1: not run yet",
    ]
    assert foretold(tmp_path, fresh=True)[2:] == ["  4: --fresh is given"]
    edited(monkeypatch)
    edited(monkeypatch, "gradlab/nets/new.py")
    assert foretold(tmp_path, seed="3,4")[2:] == [
        "  1: other sources than what is stored, which stays: "
        "gradlab/nets/new.py, toy_measure.py:decay",
        "  1: not run yet",
    ]
    assert everything(tmp_path) == before and len(calls) == ran


def test_a_dry_run_foretells_time_and_memory_and_refuses_what_the_run_would(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "available", lambda: 3 * 2**30)
    assert foretold(tmp_path, None, gib=1.4)[1].endswith("on 2 threads: about 0.0 s, 2.8 GiB")
    with pytest.raises(UserError, match=r"a block needs 3.50 GiB and 3.00 GiB are free"):
        foretold(tmp_path, gib=3.5)


def test_blocks_of_other_sources_run_again_and_stay(tmp_path, calls, monkeypatch, capsys):
    run(tmp_path)
    with monkeypatch.context() as patched:
        edited(patched)
        run(tmp_path)
        assert "\n  4: other sources than what is stored, which stays: toy_measure.py:decay\n" in (
            capsys.readouterr().out
        )
    assert len(calls) == len(shards(tmp_path)) == 8
    run(tmp_path)
    assert len(calls) == 8 and "4 of 4 blocks are stored, nothing to run" in capsys.readouterr().out


def test_stored_rows_of_status_error_are_counted_and_run_again_on_request(
    tmp_path, monkeypatch, capsys
):
    def half(block):
        status = np.where(block.points["weight"] > 1, "error", "ok")
        return {"x": block.points["weight"], "status": status}

    with monkeypatch.context() as patched:
        patched.setattr(toy_measure, "decay", half)
        run(tmp_path, seed="0,1")
    assert set(run(tmp_path, seed="0,1")["status"]) == {"ok", "error"}
    words = "2 rows of 2 stored blocks have status error; --retry-errors runs these"
    assert words in capsys.readouterr().out
    assert foretold(tmp_path, retry_errors=True, seed="0,1")[2:] == [
        "  2: rows with status error, to try again"
    ]
    frame = sweep.sweep(changed(toy, {"seed": "0,1"}), tmp_path, retry_errors=True)[0]
    assert set(frame["status"]) == {"ok"}
    assert "status error; " not in capsys.readouterr().out


def test_a_run_at_work_says_so_and_a_dead_one_is_told_from_it(tmp_path, monkeypatch):
    found = []
    decay = toy_measure.decay
    folder = tmp_path / "toy.shards"
    folder.mkdir()
    (folder / "1-00000000.running").write_text('{"pid": 1, "started": "then"}')
    assert running.at_work(folder) == []

    def watched(block):
        found.append(running.at_work(folder))
        return decay(block)

    monkeypatch.setattr(toy_measure, "decay", watched)
    run(tmp_path)
    assert [[one["pid"] for one in who] for who in found] == [[os.getpid()]] * 4
    assert running.at_work(folder) == [] and not list(folder.glob("*.running"))


def lines(monkeypatch, capsys, total, steps, expected=0.0, wait=0.0):
    """What is said: steps are (seconds after the last one, points done, seconds expected)."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar(total, expected, wait) as bar:
        for later, points, *seconds in steps:
            now[0] += later
            bar.update(points, *seconds)
    return capsys.readouterr().out.splitlines()


def test_without_a_terminal_a_line_says_how_far_it_is(monkeypatch, capsys):
    said = lines(monkeypatch, capsys, 100, [(10.0, 10)] * 10)
    assert len(said) == 9 and said[0] == "10 of 100 points, 10.0 s gone, time left not known yet"
    assert said[1] == "20 of 100 points, 20.0 s gone, about 80.0 s left"
    quick = lines(monkeypatch, capsys, 100, [(1.0, 10)] * 10)
    assert quick == ["50 of 100 points, 5.0 s gone, time left not known yet"]
    slow = lines(monkeypatch, capsys, 1000, [(16.0, 1)] * 4)
    assert slow[0] == "2 of 1000 points, 32.0 s gone, about 4.4 h left" and len(slow) == 2


def test_what_is_left_minds_uneven_blocks_and_no_compiler(monkeypatch, capsys):
    steps = [(40.0, 10, 1.0), (20.0, 10, 20.0), (30.0, 10, 30.0), (10.0, 70, 10.0)]
    assert lines(monkeypatch, capsys, 100, steps, 61.0, 30.5) == [
        "10 of 100 points, 40.0 s gone, about 30.0 s left",
        "20 of 100 points, 60.0 s gone, about 40.0 s left",
        "30 of 100 points, 90.0 s gone, about 10.0 s left",
    ]


def test_nobody_who_does_not_listen_hears_a_word(tmp_path, capsys, undrawn):
    def quiet():
        gradlab.run(changed(toy, {"broken_seed": 0}), results=tmp_path / "quiet")

    thread = threading.Thread(target=quiet)
    with tell.aloud():
        thread.start()
        thread.join()
    assert capsys.readouterr() == ("", "")
    gradlab.run(toy, results=tmp_path, progress=True)
    assert "toy: 12 points in 4 blocks" in capsys.readouterr().out


def test_a_library_call_prints_nothing(tmp_path, capsys, undrawn):
    contextvars.Context().run(gradlab.run, toy, results=tmp_path)
    contextvars.Context().run(gradlab.run, toy, results=tmp_path, progress=True)
    assert capsys.readouterr().out.count("4 of 4 blocks are stored, nothing to run") == 1


class Odd(Executor):
    """Takes some blocks, and then does what it is told."""

    def __init__(self, then, blocks=0):
        self.then, self.blocks = then, blocks

    def submit(self, function, /, *arguments):
        """A future, or what `then` gives."""
        self.blocks -= 1
        if self.blocks < 0:
            return self.then()
        future = Future()
        future.set_result(function(*arguments))
        return future


def test_an_executor_that_takes_no_blocks_ends_the_sweep_in_one_line(tmp_path, undrawn):
    def none():
        future = Future()
        future.set_result(None)
        return future

    shut = ThreadPoolExecutor(1)
    shut.shutdown()
    for executor, words in (
        (shut, "takes no blocks: RuntimeError: cannot schedule new futures after shutdown; what"),
        (Odd(dict), "takes no blocks: TypeError: its submit returned dict, not a Future; what was"),
        (Odd(lambda: 1 / 0), "ZeroDivisionError: division by zero; what was stored stays"),
        (Odd(none), "the executor returned None, not what the block came to"),
    ):
        with pytest.raises(UserError, match=words):
            gradlab.run(toy, results=tmp_path, executor=executor)


def test_workers_are_a_number_or_an_executor(tmp_path, capsys, undrawn):
    def call(**how):
        return gradlab.run(toy, results=tmp_path, fresh=True, progress=True, **how)

    call(workers=1)
    assert "to run on 1 thread:" in capsys.readouterr().out
    pd.testing.assert_frame_equal(call(executor=Shuffled(0)), call(), check_exact=True)
    for how, words in (
        ({"workers": 1, "executor": Shuffled(0)}, "workers=1 and an executor: give one of them"),
        ({"executor": 2}, r"executor=2: not an executor, as Dask's Client\(ADDRESS\) is one; "),
        ({"executor": Shuffled}, "not an executor, as Dask's"),
        ({"workers": 0}, "workers=0: not a whole number above 0"),
        ({"workers": True}, "workers=True: not a whole number above 0"),
        ({"workers": 1.5}, "workers=1.5: not a whole number above 0"),
    ):
        with pytest.raises(UserError, match=words):
            call(**how)


def test_what_is_refused_leaves_no_block_claimed(tmp_path):
    """The other block ends when nobody stores it any more."""
    refused, ended = threading.Event(), threading.Event()

    def measure(block):
        if block.points["seed"][0] == 1:
            raise UserError("seed=1: refused")
        refused.wait(20)
        ended.set()
        return {"y": block.points["seed"]}

    wrong = Experiment("?", {"seed": [0, 1]}, ["seed"], measure, None, name="wrong")
    with pytest.raises(UserError, match="refused"):
        sweep.sweep(wrong, tmp_path, 2)
    assert len(list(tmp_path.rglob("*.claim"))) == 1
    refused.set()
    assert ended.wait(20)
    until = time.monotonic() + 20
    while list(tmp_path.rglob("*.claim")):
        assert time.monotonic() < until, "its claim outlives the sweep"
        time.sleep(0.01)
