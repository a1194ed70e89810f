"""Two processes and one results folder: the same sweep, another grid, or commands that read."""

import random
import shutil
import time

import gradlab
from faults import children, folders
from faults.crash import SEEDS, toy
from faults.tally import Tally, wrong
from gradlab.errors import UserError

WHAT = "two processes, one results folder"
HOW = "races of two runs, of the same grid and of others, beside `check`, `plot` and `read`"
RACES = (4, 50)
OTHER = ("--set", "weight=0.5,0.25,0.125")


def run(full, place):
    """Each race: two runs that start at nearly the same moment, and readers beside them."""
    tally, rng, shared, replaced = Tally(), random.Random(5), 0, 0
    children.run(*toy(place / "calm"))
    children.run(*toy(place / "other"), *OTHER)
    tables = {kind: (place / kind / "toy.parquet").read_bytes() for kind in ("calm", "other")}
    for race in range(RACES[full]):
        folder, same = place / f"race{race}", race % 2 == 0
        shutil.copytree(place / ("calm" if same else "other"), folder)
        if rng.random() < 0.7:  # the table of an earlier run is there, its shards are not
            shutil.rmtree(folder / "toy.shards")
            (folder / "toy.json").unlink()
            (folder / "toy.parquet").unlink()
        outs = [folder.with_suffix(f".{name}") for name in ("a", "b")]
        more = [(), () if same else OTHER]
        runs = []
        for out, words in zip(outs, more, strict=True):
            runs.append(children.command(*toy(folder), *words, "--fresh", out=out))
            time.sleep(rng.choice([0, 0.01, 0.1, 0.3]))
        breaches = list(_read_beside(folder, runs, tables, rng))
        codes = [children.ended(one) for one in runs]
        said = [out.read_text() for out in outs]
        shared += sum("another run is at work" in text for text in said)
        told = sum("in place of a table of another grid (weight)" in text for text in said)
        replaced += told
        at_least = 0 if same else 1  # the second to end tells it, the first one if there was one
        blocks = SEEDS if same else 2 * SEEDS
        there = folders.shards(folder)
        kept = (folder / "toy.parquet").read_bytes()
        tally.trial(
            *breaches,
            wrong(codes == [0, 0], f"exit codes {codes}: {said}"),
            wrong(at_least <= told <= 2 * at_least, f"{told} tables told as replaced: {said}"),
            wrong(_reads(folder) and kept in tables.values(), "the table is neither run's"),
            wrong(not folders.broken(folder), "a shard is not whole"),
            None if len(there) <= blocks else ("twice", f"{len(there)} shards of {blocks} blocks"),
            None if len(there) >= blocks else ("lost", f"{len(there)} shards of {blocks} blocks"),
            wrong(not folders.left(folder), f"left over: {folders.left(folder)[:2]}"),
        )
        shutil.rmtree(folder)
    tally.figures["runs that were told of the other"] = shared
    tally.figures["tables of another grid that were replaced, and told"] = replaced
    return tally


def _read_beside(folder, runs, tables, rng):
    """Commands that read while both runs are at work: an answer, or that there is no table yet."""
    readers = []
    while any(one.is_alive() for one in runs):
        if (folder / "toy.parquet").exists():
            try:
                gradlab.read("toy", folder)
                (folder / "toy.parquet").read_bytes()
            except UserError as error:
                yield "wrong", f"read: {error}"
        if len(readers) < 2:
            word = rng.choice(["check", "plot"])
            out = folder.with_suffix(f".{len(readers)}")
            words = [word, children.TOY, "--results", str(folder)]
            readers.append((word, out, children.command(*words, out=out)))
        time.sleep(0.005)
    for word, out, reader in readers:
        code, said = children.ended(reader), out.read_text()
        fine = code in (0, 1) or (code == 2 and "no table" in said)
        yield wrong(fine and "Traceback" not in said, f"{word} ended with {code}: {said}")


def _reads(folder):
    try:
        return not folders.twice(gradlab.read("toy", folder))
    except UserError:
        return False
