"""Every file that gradlab writes: cut at every byte, every bit flipped."""

import random
import shutil

import numpy as np
import pandas as pd
from test_store import FRAME, bits, flipped
from toy import experiment as toy

import gradlab
from faults import inline
from faults.tally import Tally, wrong
from gradlab.errors import UserError
from gradlab.suite import packs, store, survey, sweep

WHAT = "damage"
HOW = "each file that is read again: cut at every byte; up to 10,000 of its bits flipped"
FLIPS, CUTS, BLOCKS = (250, 10_000), (60, 100_000), (6, 200)


def run(full, place):
    """Tables, what is said of them, shards, networks and trainings."""
    tally = Tally()
    for path, read in _files(place):
        _one(tally, path, read, full)
    _one_block_runs_again(tally, place / "again", BLOCKS[full])
    return tally


def _files(place):
    """(path, what reads it and raises if it is damaged) of each kind."""
    digest = store.write(FRAME, place / "t.parquet")
    store.write_json({"question": "Why?", store.TABLE: digest}, place / "t.json")
    for name in ("t.parquet", "t.json"):
        yield place / name, lambda path: store.read_table(place, "t")
    inline.main(*inline.toy(), folder=place / "toy")
    part = survey.blocks_of(toy, place / "toy")[0]
    yield part.path, lambda path: store.read_shard(path, part.block)
    packs.together([one.path for one in survey.blocks_of(toy, place / "toy")[1:3]])
    yield next((place / "toy" / "toy.shards").glob("*.pack")), lambda path: _packed(place / "toy")
    large = place / "large.parquet"
    store.write(pd.DataFrame(np.random.default_rng(0).standard_normal((2000, 5))), large)
    yield large, store.read
    net = gradlab.Network.draw(inputs=1, hidden=3, outputs=1)
    net.save(place / "net.safetensors")
    yield place / "net.safetensors", gradlab.Network.load
    x = np.zeros((3, 4, 1))
    gradlab.train(net, (x, x), gradlab.Plan(updates=3), save=place / "training.safetensors")
    yield place / "training.safetensors", lambda path: gradlab.Training.load(path, (x, x))


def _packed(folder):
    """The two blocks of a pack, of which damage costs one."""
    parts, lost = survey.blocks_of(toy, folder)[1:3], []
    for part in parts:
        try:
            if store.read_shard(part.path, part.block) is None:
                lost.append(f"{part.path.name} is gone from {[*part.path.parent.glob('*.pack')]}")
        except store.Damaged as error:
            lost.append(str(error))
    if lost:
        raise store.Damaged(", ".join(lost))


def _one(tally, path, read, full):
    whole, name = path.read_bytes(), path.name
    read(path)
    for _ in flipped(path, bits(path, FLIPS[full])):
        tally.trial(*_refused(path, read, "a flipped bit"))
    places = list(range(len(whole)))
    if len(places) > CUTS[full]:
        places = random.Random(0).sample(places, CUTS[full])
    for size in places:
        path.write_bytes(whole[:size])
        tally.trial(*_refused(path, read, f"cut at {size}"))
    path.write_bytes(whole)
    read(path)
    what = "pack" if path.suffix == ".pack" else "shard" if len(name) > 30 else name
    tally.figures[what] = len(whole)


def _refused(path, read, what):
    try:
        read(path)
    except (UserError, store.Damaged) as error:
        yield wrong(path.stem in str(error), f"{what}: {error} does not name {path.name}")
    except Exception as error:
        yield "wrong", f"{path.name}, {what}: {error!r}"
    else:
        yield "wrong", f"{path.name}, {what}: it was read"


def _one_block_runs_again(tally, folder, count):
    """Of a damaged folder of shards the damaged one runs again, and no other."""
    rng = random.Random(1)
    parts = survey.blocks_of(toy, folder)
    before, _ = sweep.sweep(toy, folder, 1)
    for _ in range(count):
        part = rng.choice(parts)
        content = bytearray(part.path.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        part.path.write_bytes(content[: rng.choice([None, rng.randrange(len(content))])])
        why = survey.survey(toy, folder).why
        after, _ = sweep.sweep(toy, folder, 1)
        tally.trial(
            wrong(why == {part.path: survey.DAMAGED}, f"would run: {why}"),
            wrong(after.equals(before), "the table is another one"),
        )
    shutil.rmtree(folder)
