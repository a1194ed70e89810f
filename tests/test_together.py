"""Two runs and one folder: they share the blocks, and a reader between two files waits."""

import threading

import pandas as pd
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
