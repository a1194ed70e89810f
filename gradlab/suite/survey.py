"""What a sweep finds before it runs: its blocks, what is stored of them, and why the others run."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab.files import as_folder
from gradlab.suite import packs, reuse, sources, store
from gradlab.suite.done import Done, errors
from gradlab.suite.grid import Block, blocks

FRESH, DAMAGED, ERRORS = "--fresh is given", "damaged", "rows with status error, to try again"
NEW = "not run yet"


class Part(NamedTuple):
    """A block, the places of its points in the grid, its shard, and the sources it is of."""

    block: Block
    positions: np.ndarray
    path: Path
    files: dict

    @property
    def underway(self):
        """The folder where the block's work is kept until it is done."""
        return self.path.with_suffix(".underway")


class Survey(NamedTuple):
    """What a sweep finds: its blocks, what is stored of them, and why each other one runs."""

    parts: list
    done: Done
    why: dict  # path -> reason
    held: dict  # path -> (rows, origin) of a table that stands where no shards are

    @property
    def missing(self):
        """The parts that run."""
        return [part for part in self.parts if part.path in self.why]

    @property
    def points(self):
        """The number of points of the grid."""
        return sum(len(part.block) for part in self.parts)

    def errors(self):
        """(rows, blocks) that are stored with status error."""
        return sum(self.done.errors.values()), len(self.done.errors)


def survey(experiment, folder, fresh=False, retry_errors=False):
    """The Survey of a sweep; nothing runs and nothing is written."""
    as_folder(shards_of(experiment, folder), "blocks")
    found = Survey(blocks_of(experiment, folder), Done(), {}, {})
    if not (fresh or shards_of(experiment, folder).exists()):
        found.held.update(reuse.held(experiment, Path(folder), found.parts))
    stale, stored = {}, packs.names(shards_of(experiment, folder))
    for name in sorted(stored):
        stale.setdefault(name.partition("-")[0], []).append(name)
    for part in found.parts:
        if part.path in found.held:
            continue
        try:
            known = part.path.name in stored and not fresh  # else every block would list the folder
            shard = store.read_shard(part.path, part.block) if known else None
            reason = FRESH if fresh else _why(part, stale)
        except store.Damaged:
            shard, reason = None, DAMAGED
        if shard and retry_errors and errors(shard[0]):
            shard, reason = None, ERRORS
        if shard:
            rows, origin = shard
            found.done[part.path] = rows, {**origin, "sources": part.files}  # once in memory
        else:
            found.why[part.path] = reason
    return found


def blocks_of(experiment, folder):
    """The blocks, each with its shard POINTS-SOURCES.parquet."""
    common, parts = sources.of(experiment.measure), []
    for block, positions in blocks(experiment):
        own = sources.of_block(block)
        files = common | own if own else common  # one for all, where they can be many
        name = f"{sources.points_key(block)}-{sources.key(files)}.parquet"
        parts.append(Part(block, positions, shards_of(experiment, folder) / name, files))
    return parts


def shards_of(experiment, folder):
    """The folder of an experiment's shards."""
    return Path(folder) / f"{experiment.name}.shards"


def _why(part, stale):
    """Why a block that is not stored runs: it never did, or what is stored is of other sources."""
    others = stale.get(part.path.name.partition("-")[0], [])
    if others:
        apart = [
            sources.differing(part.files, store.sources(part.path.with_name(name)))
            for name in others
        ]
        files = min(apart, key=len)
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        return f"other sources than what is stored, which stays: {', '.join(files[:3])}{more}"
    return NEW
