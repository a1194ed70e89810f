"""A sweep on a cluster: a real scheduler and three workers, as processes on loopback."""

import argparse
import asyncio
import importlib
import math
import pickle
import re
import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest
from faults import children
from processes import interruptible
from toy import experiment as toy

import gradlab
from cluster import running
from gradlab import commands
from gradlab.cli import main
from gradlab.errors import UserError
from gradlab.runner import prepare
from gradlab.suite import cluster, elsewhere, flight, room, survey, sweep, tell
from gradlab.suite.grid import changed
from race.workers import simulated

pytest.importorskip("distributed", reason="Dask, the extra [cluster], is not installed")


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    with running(tmp_path_factory.mktemp("cluster"), 3) as processes:
        from distributed import Client

        with Client(processes.address, set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
        yield processes


@pytest.fixture(scope="module")
def pool(processes):
    with cluster.connected(processes.address) as pool:
        yield pool


def run(folder, pool, experiment=toy, **values):
    return sweep.sweep(changed(experiment, values), folder, pool)


def test_the_same_bits_and_each_block_of_the_machine_that_measured_it(tmp_path, pool):
    here, _ = run(tmp_path / "a", 1, seed="0:19:20")
    there, origins = run(tmp_path / "b", pool, seed="0:19:20")
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    assert len(origins) == 20 and set(there.blas_threads) == {1}
    again, _ = run(tmp_path / "b", pool, seed="0:19:20")  # from the store
    pd.testing.assert_frame_equal(here, again, check_exact=True)


def test_a_dask_client_is_an_executor(tmp_path, processes, undrawn):
    from distributed import Client

    with Client(processes.address, set_as_default=False) as client:
        frame = gradlab.run(toy, results=tmp_path, executor=client)
        pool = gradlab.run(toy, results=tmp_path / "b", executor=client.get_executor(pure=False))
    pd.testing.assert_frame_equal(frame, pool, check_exact=True)


def test_a_measure_that_stands_in_no_module_travels_with_its_blocks(tmp_path, pool):
    file = tmp_path / "mine.py"
    file.write_text(
        "from gradlab.suite import Experiment\n"
        "def measure(block):\n    return {'double': 2 * block.points['x']}\n"
        "experiment = Experiment(question='?', grid={'x': [1.0, 2.0]}, split=['x'],\n"
        "                        measure=measure, figure=lambda frame: None)\n"
    )
    frame, _ = sweep.sweep(prepare(file), tmp_path, pool)
    assert frame.double.tolist() == [2.0, 4.0] and set(frame.status) == {"ok"}


def test_a_worker_that_lacks_a_module_is_told_in_one_line(tmp_path, pool, monkeypatch):
    (tmp_path / "only_here.py").write_text("def measure(block):\n    return {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    other = replace(toy, measure=importlib.import_module("only_here").measure)
    with pytest.raises(UserError, match=r"cannot load the measure .* No module named 'only_here'"):
        run(tmp_path, pool, other)


def test_the_scheduler_need_not_know_what_it_hands_on(pool, monkeypatch):
    sent = []
    monkeypatch.setattr(pool, "_send", lambda future, left, call: sent.append(call))
    pool.submit(math.hypot, 3.0, 4.0)
    assert isinstance(sent[0], bytes)
    called = cluster._unpickled_and_called()
    assert called(sent[0]) == 5.0 and b"gradlab" not in pickle.dumps(called)


def test_a_worker_with_other_sources_is_refused_in_one_line(tmp_path, pool, monkeypatch):
    monkeypatch.setattr(elsewhere, "_package", lambda: "another")
    with pytest.raises(UserError, match="a worker has other sources than this process: gradlab;"):
        run(tmp_path, pool)
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_a_worker_does_not_have_is_named(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(elsewhere, "run_block", lambda *given: asked.append(given))
    part = survey.blocks_of(toy, tmp_path)[0]
    files = elsewhere.stamp(toy.measure, part.block)
    assert set(files) == {"gradlab", "toy_measure.py:decay"}
    keeping = elsewhere.Keeping(tmp_path, None, tmp_path / "mark")
    other = elsewhere.run_elsewhere(
        toy.measure, part.block, False, {**files, "mine.py": "1"}, keeping
    )
    with pytest.raises(UserError, match=r"sources than this process: mine\.py; install"):
        elsewhere.refuse({**files, "mine.py": "1"}, other)
    assert not asked


def test_what_fails_on_a_worker_alone_says_so(tmp_path, monkeypatch):
    def refuse(*_):
        raise UserError("file=series.csv: Permission denied")

    monkeypatch.setattr(elsewhere, "run_block", refuse)
    block = survey.blocks_of(toy, tmp_path)[0].block
    keeping = elsewhere.Keeping(tmp_path, None, tmp_path / "mark")
    given = toy.measure, block, False, elsewhere.stamp(toy.measure, block), keeping
    with pytest.raises(UserError, match=r"^on a worker: file=series\.csv: Permission denied$"):
        elsewhere.run_elsewhere(*given)


def test_a_file_that_a_worker_does_not_see_is_named(tmp_path, pool, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the workers stay where they are
    (tmp_path / "series.csv").write_text("1\n2\n")
    with pytest.raises(UserError, match=r"lacks what this process has: file=series\.csv: No such"):
        run(tmp_path, pool, file="series.csv")
    frame, _ = run(tmp_path, pool, file=str(tmp_path / "series.csv"))
    assert set(frame.status) == {"ok"}


def test_a_training_is_kept_where_the_worker_sees_the_folder(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(elsewhere, "run_block", lambda *given: kept.append(given[3:]))
    monkeypatch.setattr(elsewhere, "_origin", dict)
    block, mark = survey.blocks_of(toy, tmp_path)[0].block, tmp_path / "mark"
    given = toy.measure, block, False, elsewhere.stamp(toy.measure, block)
    keeping = elsewhere.Keeping(tmp_path / "place", 5.0, mark)
    elsewhere.run_elsewhere(*given, keeping)
    mark.touch()
    elsewhere.run_elsewhere(*given, keeping)
    monkeypatch.setattr(elsewhere.os, "access", lambda *_: False)  # read-only on the worker
    elsewhere.run_elsewhere(*given, keeping)
    assert kept == [(None, 5.0), (tmp_path / "place", 5.0), (None, 5.0)]


def test_the_command_says_who_works_and_where_to_watch(tmp_path, processes, capsys, undrawn):
    words = ["run", toy.file, "--results", str(tmp_path), "--cluster", processes.address]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert re.search(rf"cluster {processes.address}: 3 workers, 3 threads; dashboard http://", said)
    assert main([*words, "--workers", "2"]) == 2
    assert "--workers 2 and --cluster: give one of them" in capsys.readouterr().err
    assert main(["run", "cost", "--cluster", processes.address]) == 2
    assert "cost times this machine: it runs here, without --cluster" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["here", "http://127.0.0.1:8786", "tcp://127.0.0.1", ""])
def test_what_is_no_address_is_refused_at_once(address, capsys):
    assert main(["run", toy.file, "--cluster", address]) == 2
    assert "not the address of a scheduler, such as tcp://127.0.0.1:8786" in capsys.readouterr().err


def test_where_no_scheduler_answers_one_line_says_so(capsys, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    assert main(["run", toy.file, "--cluster", "tcp://127.0.0.1:9"]) == 2
    assert "cluster=tcp://127.0.0.1:9: no scheduler answers there" in capsys.readouterr().err


def test_a_port_that_only_listens_is_no_scheduler(capsys, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert main(["run", toy.file, "--cluster", address]) == 2
    assert "no scheduler answers there (nothing within 0.5 s)" in capsys.readouterr().err


def test_of_all_experiments_those_that_time_this_machine_run_on_it(capsys):
    options = argparse.Namespace(all=True, cluster="tcp://127.0.0.1:9", workers=None)
    with commands.run._workers(options, replace(toy, alone=True)) as workers:
        assert workers is None
    assert capsys.readouterr().out == "toy times this machine: it runs here\n"


def test_a_client_that_is_closed_takes_no_blocks(tmp_path, processes):
    from distributed import Client

    client = Client(processes.address, set_as_default=False)
    client.close()
    with pytest.raises(UserError, match="the executor takes no blocks: ClosedClientError"):
        gradlab.run(toy, results=tmp_path, executor=client)


def test_a_block_that_no_worker_can_hold_is_refused(pool):
    big = 2.0**50
    pool._workers, before = lambda: [{"nthreads": 1, "memory_limit": 2**30}], pool._workers
    try:
        with pytest.raises(UserError, match=r"and a worker has 1\.00 GiB: make it smaller"):
            pool.check([(1.0, big)])
    finally:
        pool._workers = before


def test_workers_that_die_in_a_block_are_told_in_one_line():
    killed = type("KilledWorker", (Exception,), {"allowed_failures": 3})()
    killed.last_worker = argparse.Namespace(address="tcp://127.0.0.1:5")
    future, sent = Future(), Future()
    sent.set_exception(killed)
    cluster.Cluster._receive(None, future, 0, b"", sent)
    said = str(future.exception())
    assert said.startswith("12 workers died in this block, the last at tcp://127.0.0.1:5, as where")


def test_blocks_that_do_not_fit_beside_each_other_take_turns():
    for size, together in ((60, 1), (50, 2)):
        at_work, most = [], []

        def work(i, size=size, at_work=at_work, most=most):
            with room.room(size, 100):
                at_work.append(i)
                most.append(len(at_work))
                time.sleep(0.02)
                at_work.remove(i)

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(work, range(6)))
        assert max(most) == together
    with room.room(1000, 100):  # alone: it takes what it needs
        pass


def test_a_worker_says_how_much_memory_blocks_may_take(pool, monkeypatch):
    assert room.of_worker() is None  # no worker
    assert pool.submit(room.of_worker).result() is None  # --memory-limit 0
    worker = argparse.Namespace(memory_manager=argparse.Namespace(memory_limit=1000))
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    assert room.of_worker() == 800


def test_a_scheduler_that_hangs_is_told_and_the_run_goes_on(
    tmp_path, processes, monkeypatch, capsys
):
    monkeypatch.setattr(cluster, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(cluster, "SILENT", 0.5)
    hung = threading.Event()

    def hang_for_a_while():
        hung.wait()
        processes.scheduler.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        processes.scheduler.send_signal(signal.SIGCONT)

    other = threading.Thread(target=hang_for_a_while)
    other.start()
    stored = sweep._stored
    monkeypatch.setattr(sweep, "_stored", lambda *given: (hung.set(), stored(*given))[1])
    with cluster.connected(processes.address) as pool, tell.aloud():
        frame, _ = run(tmp_path, pool, seed="0:19:20", pause=0.2)
    other.join()
    said = capsys.readouterr().out
    silence = f"the scheduler at {processes.address} has not answered for 0 s: the run waits for it"
    assert said.count(silence) == 1 and said.count(f"{processes.address} answers, and has") == 1
    assert len(frame) == 60 and set(frame.status) == {"ok"}


def test_a_cluster_whose_workers_are_gone_is_told_and_when_it_has_one(monkeypatch):
    monkeypatch.setattr(cluster, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(cluster, "SILENT", 0.05)
    workers, said, loop = {}, [], asyncio.new_event_loop()

    async def identity(n_workers):
        return {"workers": dict(workers)}

    client = argparse.Namespace(
        scheduler=argparse.Namespace(identity=identity, address="tcp://one:8786"),
        loop=argparse.Namespace(asyncio_loop=loop),
        get_executor=lambda **_: None,
    )
    answering = threading.Thread(target=loop.run_forever)
    answering.start()
    before = threading.active_count()
    with cluster.Cluster(client).watched(said.append):
        assert children.wait_for(lambda: said) and not children.wait_for(lambda: said[1:], 0.2)
        workers["tcp://two:1"] = {}
        assert children.wait_for(lambda: said[1:])
    assert children.wait_for(lambda: threading.active_count() <= before)  # it looks no more
    loop.call_soon_threadsafe(loop.stop)
    answering.join()
    loop.close()
    assert said == [
        "no worker at tcp://one:8786 for 0 s: `dask worker tcp://one:8786` starts one; blocks wait "
        "for it",
        "the scheduler at tcp://one:8786 answers, and has workers",
    ]


def test_ctrl_c_ends_a_run_whose_scheduler_hangs(tmp_path, processes, monkeypatch, capsys):
    def hang(*given):
        processes.scheduler.send_signal(signal.SIGSTOP)
        threading.Timer(0.3, signal.pthread_kill, [main_thread, signal.SIGINT]).start()
        return stored(*given)

    stored, main_thread = sweep._stored, threading.main_thread().ident
    monkeypatch.setattr(sweep, "_stored", hang)
    try:
        with (
            interruptible(),
            pytest.raises(KeyboardInterrupt),
            cluster.connected(processes.address) as pool,
            tell.aloud(),
        ):
            run(tmp_path, pool, seed="0:19:20", pause=0.5)
    finally:
        processes.scheduler.send_signal(signal.SIGCONT)
    assert "interrupted: the same command, without --fresh, runs" in capsys.readouterr().out


def test_a_scheduler_that_ends_ends_the_sweep_and_a_resume_finishes_it(tmp_path, capsys):
    (tmp_path / "cluster").mkdir()
    with running(tmp_path / "cluster", 1) as processes:
        seen = []

        def die(*_):
            seen.append(True)
            if len(seen) == 3:
                processes.kill(processes.scheduler)

        with cluster.connected(processes.address) as pool, pytest.MonkeyPatch.context() as patch:
            stored = sweep._stored
            patch.setattr(sweep, "_stored", lambda *given: (die(), stored(*given))[1])
            with pytest.raises(UserError, match="whose scheduler is gone: what was stored stays"):
                run(tmp_path, pool, seed="0:29:30", pause=0.02)
    assert 1 <= len(list(tmp_path.rglob("*.parquet"))) < 30
    frame, _ = run(tmp_path, 2, seed="0:29:30", pause=0.02)
    calm, _ = run(tmp_path / "calm", 2, seed="0:29:30", pause=0.02)
    pd.testing.assert_frame_equal(frame, calm, check_exact=True)


def test_a_bounded_number_of_blocks_is_on_its_way_and_each_is_let_go():
    alive, most = set(), []

    def submit(part):
        future = Future()
        alive.add(part)
        most.append(len(alive))
        future.set_result(part)
        return future

    def parts():
        yield from range(1000)

    for part, future in flight.in_flight(submit, parts(), lambda: 7, None):
        assert future.result() == part
        alive.discard(part)
    assert max(most) == 8 and not alive  # 7, and the one that is yielded


def test_what_is_on_its_way_when_the_caller_stops_is_cancelled_or_told():
    futures, left = [Future() for _ in range(3)], []
    futures[1].set_running_or_notify_cancel()
    ended = flight.in_flight(lambda i: futures[i], range(3), lambda: 3, left.append)
    futures[0].set_result(0)
    next(ended)
    ended.close()
    futures[1].set_result(1)
    assert futures[2].cancelled() and left == [futures[1]]


def test_save_every_belongs_to_every_experiment_and_changes_no_block(tmp_path):
    often = changed(toy, {"save_every": "5", "seed": "0"})
    assert often.save_every == 5.0 and changed(often, {"pause": 0.1}).save_every == 5.0
    paths = [
        survey.blocks_of(one, tmp_path)[0].path for one in (often, changed(toy, {"seed": "0"}))
    ]
    assert paths[0] == paths[1]
    for wrong, right in (("-1", "seconds, at least 0"), ("often", "not a number")):
        with pytest.raises(UserError, match=f"save_every={wrong}: {right}"):
            changed(toy, {"save_every": wrong})


@pytest.mark.parametrize("workers", [1, 7, 60])
@pytest.mark.parametrize("seconds", [0.01, 0.3, 20.0])
def test_the_simulated_driver_lets_through_what_it_can(workers, seconds):
    driver, scheduler = 0.004, 0.001
    a_block, busy = simulated(workers, seconds, driver, scheduler, blocks=200)
    law = min(1.0, seconds / (workers * driver))
    assert busy == pytest.approx(law, rel=0.06)
    assert a_block == pytest.approx(max(driver, seconds / workers), rel=0.06)
    slow = simulated(workers, seconds, scheduler, driver, blocks=200)[1]
    assert slow == pytest.approx(busy, rel=0.01)  # whoever of the two is the slower one


def test_too_few_blocks_on_their_way_leave_workers_waiting():
    assert simulated(10, 1.0, 0.0, 0.0, ahead=5, blocks=100)[1] == pytest.approx(0.5, rel=0.02)
    assert simulated(10, 1.0, 0.0, 0.0, ahead=20, blocks=100)[1] > 0.98


def test_no_machine_is_asked_for_a_thousand_workers(tmp_path):
    with pytest.raises(UserError, match=r"workers=1000: at most \d+ are started; what=simulated"):
        sweep.sweep(prepare("cluster", False, {"what": "overhead", "way": "cluster"}), tmp_path)
