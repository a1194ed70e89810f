"""A point that kills its process: a worker of an executor, or the whole run where threads work."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from toy import experiment as toy

import gradlab
from faults import children, folders
from faults.tally import Tally, wrong
from gradlab.suite import sweep
from gradlab.suite.grid import changed

WHAT = "a poisonous point"
HOW = "a point that kills its process: a worker's, or that of the whole run and then of its resume"
SEEDS = range(8)
OWN = """
import ctypes, matplotlib.pyplot as plt, numpy as np
from gradlab.suite import Experiment

def measure(block):
    if block.points["seed"][0] == {killed}:
        ctypes.string_at(0)  # a segmentation fault
    return {{"x": np.ones(len(block))}}

experiment = Experiment(question="?", grid={{"seed": range(8), "a": [1, 2]}}, split=["seed"],
                        measure=measure, figure=lambda frame: plt.figure())
"""


def run(full, place):
    """It is a row of status error, and all others are there; short: one, full: each place of it."""
    tally = Tally()
    fine = changed(toy, {"seed": list(SEEDS)})
    calm, _ = sweep.sweep(fine, place / "calm", 1)
    for killed in SEEDS if full else (2,):
        _worker(tally, killed, place / f"worker{killed}", calm)
        for name, text in (("toy", None), ("own", OWN)):
            _threads(tally, killed, place / f"{name}{killed}", text)
    tally.figures["runs that the point killed"] = 2 * (tally.trials // 3)
    return tally


def _worker(tally, killed, folder, calm):
    values = {"seed": list(SEEDS), "killed_seed": killed}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        frame, _ = sweep.sweep(changed(toy, values), folder, pool)
    others = calm[calm.seed != killed].mix.tolist()
    tally.trial(
        *_right(frame, killed), wrong(frame[frame.seed != killed].mix.tolist() == others, "mix")
    )


def _threads(tally, killed, folder, text):
    """The run dies, and what comes after it does not: its resume, a run of a finished sweep."""
    folder.mkdir()
    words = ["--results", str(folder), "--workers", "2"]
    file, name = children.TOY, "toy"
    if text:
        file, name = folder / "own.py", "own"
        file.write_text(text.format(killed=killed))
    else:
        words += ["--set", f"seed={','.join(map(str, SEEDS))}", "--set", f"killed_seed={killed}"]
    codes = [children.run("run", str(file), *words)[0] for _ in range(2)]
    frame, stored = gradlab.read(name, folder), folders.shards(folder, name)
    codes.append(children.run("run", str(file), *words)[0])
    claims = len(list(folder.rglob("*.claim")))
    tally.trial(
        wrong(codes[0] not in (0, 1) or name == "toy", f"the point did not kill the run: {codes}"),
        wrong(set(codes[1:]) <= {0, 1}, f"exit codes {codes}"),
        wrong(len(stored) == len(SEEDS) - 1, f"{len(stored)} blocks are stored"),
        wrong(folders.shards(folder, name) == stored, "a stored block ran again"),
        wrong(claims == 1, f"{claims} claims are left, not that of the point"),
        *_right(frame, killed),
        *_right(gradlab.read(name, folder), killed),
    )


def _right(frame, killed):
    failed = frame[frame.status == "error"]
    yield wrong(set(failed.seed) == {killed}, f"error rows of seeds {sorted(set(failed.seed))}")
    yield wrong(set(frame.seed) == set(SEEDS), "rows are missing")
    yield wrong(
        failed.message.str.contains("BrokenProcessPool: the block killed").all(), "no message"
    )
