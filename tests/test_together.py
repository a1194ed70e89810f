"""Two runs and one folder: they share the blocks, and a reader between two files waits."""

import threading
from dataclasses import replace

import pandas as pd
import pytest
import toy_measure
from toy import experiment as toy

from gradlab import files
from gradlab.suite import running, store, survey, sweep, tell
from gradlab.suite.grid import changed

EIGHT = {"seed": "0,1,2,3,4,5,6,7", "pause": 0.05}


def test_two_runs_of_one_sweep_share_its_blocks(tmp_path, monkeypatch, capsys):
    seeds, decay, both = [], toy_measure.decay, threading.Barrier(2)

    def counted(block):
        seeds.append(int(block.points["seed"][0]))
        if len(seeds) == 1:  # the second run begins while the first is at work
            both.wait(30)
        return decay(block)

    monkeypatch.setattr(toy_measure, "decay", counted)
    tables = []

    def run():
        with tell.aloud():
            tables.append(sweep.sweep(changed(toy, EIGHT), tmp_path, 1)[0])

    first = threading.Thread(target=run)
    first.start()
    both.wait(30)
    run()
    first.join()
    assert sorted(seeds) == list(range(8)) and seeds != sorted(seeds)
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert capsys.readouterr().out.count("another run is at work here (process ") == 1
    assert not list(tmp_path.rglob("*.claim"))


def test_a_dead_run_s_claims_hold_nobody_up(tmp_path):
    folder = tmp_path / "toy.shards"
    folder.mkdir()
    for part in survey.blocks_of(toy, tmp_path):
        part.path.with_suffix(".claim").touch()
    with running.mark(folder):
        assert not list(folder.glob("*.claim"))
    assert len(sweep.sweep(toy, tmp_path, 2)[0]) == 12
    (folder / "1-00000000.running").touch()  # killed after its last block
    stored = survey.blocks_of(toy, tmp_path)[0].underway
    for kept in (stored, folder / "another.underway"):
        kept.mkdir()
    sweep.sweep(toy, tmp_path, 2)
    assert not list(folder.glob("*.running"))
    assert list(folder.glob("*.underway")) == [folder / "another.underway"]


def test_what_a_disk_refuses_first_is_told(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError("the mark stays")

    monkeypatch.setattr("pathlib.Path.unlink", refused)
    with pytest.raises(OSError, match="of the block"), running.mark(tmp_path / "toy.shards"):
        raise OSError("of the block")


def test_a_block_in_which_a_run_died_runs_apart_and_the_others_here(tmp_path, calls, capsys):
    parts = survey.blocks_of(toy, tmp_path)
    parts[0].path.parent.mkdir()
    claims = [part.path.with_suffix(".claim") for part in parts]
    claims[1].write_bytes(b"0")  # as a dead run leaves it
    claims[2].write_bytes(b"")
    with tell.aloud():
        frame, _ = sweep.sweep(toy, tmp_path, 2)
    assert (
        "1: at work when a run died; each runs in a process of its own" in capsys.readouterr().out
    )
    assert set(calls) == {0, 2, 3} and not any(claim.exists() for claim in claims)
    pd.testing.assert_frame_equal(frame, sweep.sweep(toy, tmp_path / "calm", 1)[0])


def test_a_block_that_kills_each_process_is_an_error_row_and_its_claim_stays(tmp_path):
    poisoned = changed(toy, {"killed_seed": 2})
    part = survey.blocks_of(poisoned, tmp_path)[2]
    part.path.parent.mkdir()
    claim = part.path.with_suffix(".claim")
    claim.write_bytes(b"0")
    for deaths in (2, 3):
        frame, _ = sweep.sweep(poisoned, tmp_path, 2, fresh=deaths == 3)
        failed = frame[frame["status"] == "error"]
        assert set(failed["seed"]) == {2} and len(frame) == 12
        assert failed["message"].str.startswith("BrokenProcessPool: the block killed its").all()
        assert claim.stat().st_size == deaths


def test_a_block_that_no_other_process_can_run_is_given_up_after_two_deaths(tmp_path):
    calls = []

    def measure(block):
        calls.append(int(block.points["seed"][0]))
        return {"x": block.points["weight"]}

    own = replace(toy, measure=measure)
    for deaths, runs, errors in ((1, [0, 1, 2, 3], 0), (2, [0, 2, 3], 3)):
        calls.clear()
        claim = survey.blocks_of(own, tmp_path / str(deaths))[1].path.with_suffix(".claim")
        claim.parent.mkdir(parents=True)
        claim.write_bytes(b"0" * deaths)
        frame, _ = sweep.sweep(own, tmp_path / str(deaths), 1)
        assert calls == runs and (frame["status"] == "error").sum() == errors
    message = f"2 processes died in this block; it runs again once its {claim.name} is removed"
    assert set(frame["message"]) == {"", message}


def test_a_run_that_is_given_up_leaves_no_block_under_suspicion(tmp_path, monkeypatch):
    begun, ended, let_go = threading.Event(), threading.Event(), threading.Event()

    def held(block):
        begun.set()
        assert ended.wait(30)
        return {"x": block.points["weight"]}

    def interrupted(submit, parts, _, abandoned):
        future = submit(parts[0])
        future.add_done_callback(abandoned)
        future.add_done_callback(lambda _: let_go.set())
        assert begun.wait(30)
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(toy_measure, "decay", held)
    monkeypatch.setattr(sweep, "in_flight", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep(toy, tmp_path, 1)
    (claim,) = (tmp_path / "toy.shards").glob("*.claim")
    assert claim.stat().st_size == 0
    ended.set()
    assert let_go.wait(30) and not claim.exists()


def test_who_reads_between_the_two_files_of_a_run_waits_for_the_second(tmp_path):
    frames = [pd.DataFrame({"a": [float(number)], "status": "ok"}) for number in (1, 2)]
    table, beside = tmp_path / "t.parquet", tmp_path / "t.json"
    store.write_run(frames[0], {}, table, beside)
    (tmp_path / "new").mkdir()
    store.write_run(frames[1], {}, tmp_path / "new" / "t.parquet", tmp_path / "new" / "t.json")
    found = []
    with files.alone(tmp_path):
        (tmp_path / "new" / "t.parquet").replace(table)
        reader = threading.Thread(target=lambda: found.append(store.read_table(tmp_path, "t")))
        reader.start()
        reader.join(0.2)
        assert not found and reader.is_alive()
        (tmp_path / "new" / "t.json").replace(beside)
    reader.join()
    pd.testing.assert_frame_equal(found[0], frames[1], check_exact=True)
