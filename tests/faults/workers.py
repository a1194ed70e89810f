"""Workers of a cluster that die, its scheduler, and a training whose worker dies."""

import os
import random
import signal
import threading

import pandas as pd
from toy import experiment as toy
from toy_kept import experiment as kept

from cluster import running
from faults import children, folders
from faults.tally import Tally, wrong
from gradlab.suite import cluster, sweep
from gradlab.suite.grid import changed

WHAT = "workers die"
HOW = "one of three Dask workers killed every 2 s; the one at work on a training; the scheduler"
BLOCKS, PAUSE, EVERY, KILLS = (24, 200), 0.5, 2.0, (3, 100)


def run(full, place):
    """The sweep ends whole and with the same bits; after the scheduler's end a resume ends it."""
    tally = Tally()
    values = {"seed": list(range(BLOCKS[full])), "pause": PAUSE}
    calm, _ = sweep.sweep(changed(toy, values), place / "calm", 8)
    tally.figures["kills of workers"] = _workers(tally, place, values, calm, KILLS[full])
    _training(tally, place)
    _scheduler(tally, place)
    return tally


def _workers(tally, place, values, calm, most):
    """How many were killed."""
    with _cluster(place / "one", 3) as processes, cluster.connected(processes.address) as pool:
        ended, kills = threading.Event(), []

        def kill():
            rng = random.Random(4)
            while not ended.wait(EVERY) and len(kills) < most:
                kills.append(processes.workers.pop(rng.randrange(3)))
                processes.kill(kills[-1])
                processes.add()

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            frame, _ = sweep.sweep(changed(toy, values), place / "torn", pool)
        finally:
            ended.set()
            killer.join()
    stored = folders.shards(place / "torn")
    tally.trial(
        wrong(len(kills) >= 2, f"only {len(kills)} kills"),
        wrong(len(stored) == len(values["seed"]), f"{len(stored)} blocks are stored"),
        _same(frame, calm, "workers that died"),
    )
    tally.trials += len(kills) - 1
    return len(kills)


def _training(tally, place):
    """Work that is kept as it goes is taken up by another worker."""
    steady = changed(kept, {"save_every": 0})
    with _cluster(place / "two", 2) as processes, cluster.connected(processes.address) as pool:

        def kill():
            if children.wait_for(lambda: _worker(place / "kept")):
                os.kill(_worker(place / "kept"), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        frame, _ = sweep.sweep(steady, place / "kept", pool)
        killer.join()
    tally.trial(
        wrong((frame["first"] > 0).all(), "a training began anew though it was kept"),
        wrong(set(frame.last) == {kept.constants["steps"]}, "a training did not end"),
        wrong(not list(place.rglob("*.underway")), "what was kept stays though it is done"),
    )


def _worker(folder):
    """The process that has kept work there, None if none has."""
    texts = [file.read_text().split() for file in folder.rglob("*.underway/[!.]*")]
    return next((int(text[1]) for text in texts if len(text) == 2), None)


def _scheduler(tally, place):
    values = {"seed": "0:39:40", "pause": "0.2"}
    words = [word for name in values for word in ("--set", f"{name}={values[name]}")]
    words = ["run", children.TOY, "--results", str(place / "left"), *words]
    with _cluster(place / "three", 2) as processes:
        out = place / "left.txt"
        command = children.command(*words, "--cluster", processes.address, out=out)
        children.wait_for(lambda: len(folders.shards(place / "left")) > 4)
        processes.kill(processes.scheduler)
        code, before = children.ended(command), folders.shards(place / "left")
    said = out.read_text(errors="replace")
    with _cluster(place / "four", 2) as processes:
        again, told = children.run(*words, "--cluster", processes.address, out=place / "again.txt")
    calm, _ = sweep.sweep(changed(toy, values), place / "calm2", 8)
    tally.trial(
        wrong(code == 2 and "whose scheduler is gone" in said, f"exit {code}: {said[-300:]}"),
        wrong("Traceback" not in said + told, f"a traceback: {said[-300:]}"),
        wrong(again == 0 and f"{len(before)} of 40 blocks are stored" in told, told[-300:]),
        _same(pd.read_parquet(place / "left" / "toy.parquet"), calm, "a scheduler that died"),
    )


def _cluster(folder, workers):
    folder.mkdir()
    return running(folder, workers)


def _same(frame, calm, after):
    """Lost rows, rows that are there twice, and other numbers."""
    if len(frame) < len(calm):
        return "lost", f"{len(calm) - len(frame)} rows after {after}"
    if len(frame) > len(calm):
        return "twice", f"{len(frame) - len(calm)} rows after {after}"
    return wrong(frame.equals(calm), f"other numbers after {after}")
