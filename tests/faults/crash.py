"""kill -9 at a random moment of a running sweep, or of a training, and a resume after each.

Every second sweep puts its shards into packs of three, so that many a kill falls into a packing.
"""

import pathlib
import random
import shutil
import time

import gradlab
from faults import children, folders
from faults.tally import Tally, wrong
from gradlab.errors import UserError
from gradlab.suite import packs

WHAT, HOW = "crash", "`kill -9` at a random moment of a sweep or training, then a resume"
SEEDS = 12
SWEEPS, TRAININGS = (6, 500), (2, 100)  # short and full
GRID = ("--set", f"seed={','.join(map(str, range(SEEDS)))}", "--set", "pause=0.02",
        "--workers", "2")  # fmt: skip


def run(full, place):
    """500 kills of a sweep, 100 of a training."""
    tally, rng = Tally(), random.Random(16)
    _sweeps(tally, rng, SWEEPS[full], place)
    _trainings(tally, rng, TRAININGS[full], place)
    return tally


def toy(folder):
    """The command of the sweep into a folder."""
    return ("run", children.TOY, "--results", str(folder), *GRID)


def _sweeps(tally, rng, count, place):
    before, calm = place / "before", place / "calm"
    for _ in range(2):  # the first one waits for the server to load its modules
        children.run("run", children.TOY, "--results", str(before), "--set", "weight=3")
    shutil.copytree(before, calm)
    pace = Pace(undisturbed(toy(calm)))
    table, old = (calm / "toy.parquet").read_bytes(), (before / "toy.parquet").read_bytes()
    committed = amid = 0
    for trial in range(count):
        folder = place / f"sweep{trial}"
        shutil.copytree(before, folder)
        own = folders.shards(folder)
        process = children.start(packing if trial % 2 else children.main, toy(folder))
        if trial % 3:  # among the blocks; else anywhere, at the figure too
            wanted = len(own) + rng.randrange(SEEDS)
            children.wait_for(lambda f=folder, n=wanted: len(packs.names(f / "toy.shards")) >= n)
            time.sleep(rng.uniform(0, 0.03))
        else:
            pace.wait(rng, process)
        process.kill()
        process.join()
        kept, broken = folders.shards(folder), folders.broken(folder)
        amid += folders.copies(folder) > len(kept)
        committed += len(kept) - len(own)
        readable = _reads(folder) and (folder / "toy.parquet").read_bytes() in (table, old)
        folders.aged(folder)
        code, _ = children.run(*toy(folder))
        tally.trial(
            wrong(readable, "the table that was there does not read after the kill"),
            wrong(not broken, f"shards are not whole: {broken[:2]}"),
            wrong(code == 0, f"the resume ended with {code}"),
            *folders.after(folder, kept, SEEDS + len(own), table),
        )
        shutil.rmtree(folder)
    tally.figures |= {"kills of a sweep": count, "blocks committed before a kill": committed}
    tally.figures["kills between a pack and the end of its files"] = amid


def packing(words):
    """A command that puts each three shards into a pack, each three packs too, and is slow."""
    packs.FULL, removing = 3, pathlib.Path.unlink

    def slowly(path, **how):
        time.sleep(0.004)
        removing(path, **how)

    pathlib.Path.unlink = slowly
    return children.main(words)


class Pace:
    """How long a run takes, as far as it is known: the machine may have other work.

    A run that was over before its moment came shortens it by more than one that was not makes it
    longer: one in ten is over.
    """

    def __init__(self, seconds):
        self.seconds = seconds

    def wait(self, rng, process):
        """Until a random moment of a run that has just begun, which may be over by then."""
        time.sleep(rng.uniform(0, 1) * self.seconds)
        self.seconds *= 1.02 if process.is_alive() else 0.8


def undisturbed(words):
    """The seconds of a command that nothing disturbs, its process's start included."""
    started = time.monotonic()
    code, _ = children.run(*words)
    assert code == 0
    return time.monotonic() - started


def _reads(folder):
    try:
        gradlab.read("toy", folder)
    except UserError:
        return False
    return True


def _trainings(tally, rng, count, place):
    calm = place / "training"
    children.ended(children.start(train, place / "first"))
    started = time.monotonic()
    children.ended(children.start(train, calm))
    pace = Pace(time.monotonic() - started)
    table = (calm / "small.parquet").read_bytes()
    kept = 0
    for trial in range(count):
        folder = place / f"training{trial}"
        process = children.start(train, folder)
        if trial % 3:
            children.wait_for(lambda f=folder: any(f.rglob("*.safetensors")))
            time.sleep(rng.uniform(0, 0.5))
        else:
            pace.wait(rng, process)
        process.kill()
        process.join()
        committed = folders.shards(folder, "small")
        kept += len(list(folder.rglob("*.safetensors")))
        folders.aged(folder)
        code = children.ended(children.start(train, folder))
        tally.trial(
            wrong(code == 0, f"the resumed training ended with {code}"),
            *folders.after(folder, committed, 2, table, "small"),
        )
        shutil.rmtree(folder)
    tally.figures |= {"kills of a training": count, "states kept at a kill": kept}


def train(folder):
    """A sweep of four small trainings that keep their state at each stride."""
    import test_underway

    from gradlab import underway
    from gradlab.suite import store

    underway.KEEP_EVERY = 0.0
    frame, _ = test_underway.small(folder, 1000)
    store.write(frame, folder / "small.parquet")
    return 0
