"""SIGINT, SIGTERM and SIGHUP at random moments of a run."""

import os
import random
import shutil
import signal

from faults import children, folders
from faults.crash import SEEDS, Pace, toy, undisturbed
from faults.tally import Tally, wrong

WHAT, HOW = "signals", "SIGINT, SIGTERM and SIGHUP at random moments of a run, then a resume"
COUNT = (6, 100)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
GO_ON = "the same command, without --fresh, runs the"


def run(full, place):
    """Each of the three in turn, at moments that are spread over a run."""
    tally, rng = Tally(), random.Random(9)
    undisturbed(toy(place / "first"))
    pace = Pace(undisturbed(toy(place / "calm")))
    table = (place / "calm" / "toy.parquet").read_bytes()
    interrupted, told = 0, 0
    for trial in range(COUNT[full]):
        number = list(CODES)[trial % 3]
        folder, out = place / f"run{trial}", place / f"run{trial}.txt"
        process = children.start(_announced, toy(folder), folder, out=out)
        children.wait_for((place / f"run{trial}.started").exists)
        pace.wait(rng, process)
        if process.is_alive():
            os.kill(process.pid, number)
        code, said = children.ended(process), out.read_text(errors="replace")
        kept, broken = folders.shards(folder), folders.broken(folder)
        at_work = " to run" in said
        interrupted += code != 0
        told += GO_ON in said
        missing = len(kept) < SEEDS
        resumed, _ = children.run(*toy(folder))
        tally.trial(
            wrong(code in (CODES[number], 0), f"{number.name} ended it with {code}: {said}"),
            wrong("Traceback" not in said, f"{number.name}: {said[-300:]}"),
            wrong(GO_ON in said or code == 0 or not (at_work and missing),
                  f"{number.name}: how to go on is not said: {said!r}"),
            wrong(not broken, f"shards are not whole: {broken[:2]}"),
            wrong(resumed == 0, f"the resume ended with {resumed}"),
            *folders.after(folder, kept, SEEDS, table),
        )  # fmt: skip
        shutil.rmtree(folder)
    tally.figures |= {"interrupted": interrupted, "told how to go on": told}
    return tally


def _announced(words, folder):
    """A command that says when it begins."""
    from gradlab.cli import main

    folder.with_suffix(".started").touch()
    return main(list(words))
