"""A point that kills its process."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from toy import experiment as toy

from faults.tally import Tally, wrong
from gradlab.suite import sweep
from gradlab.suite.grid import changed

WHAT, HOW = "a poisonous point", "a point that kills its worker process"


def run(full, place):
    """It is a row of status error, and all others are there; short: one, full: each place of it."""
    tally = Tally()
    for killed in range(8) if full else (2,):
        values = {"seed": ",".join(map(str, range(8))), "killed_seed": killed}
        folder = place / str(killed)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            frame, _ = sweep.sweep(changed(toy, values), folder, pool)
        failed = frame[frame.status == "error"]
        fine = changed(toy, {"seed": values["seed"]})
        tally.trial(
            wrong(set(failed.seed) == {killed}, f"error rows of seeds {sorted(set(failed.seed))}"),
            wrong(len(frame) == len(sweep.sweep(fine, place / "calm", 1)[0]), "rows are missing"),
            wrong(failed.message.str.contains("Broken").all(), "the message says nothing"),
        )
    return tally
