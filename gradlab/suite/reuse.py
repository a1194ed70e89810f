"""Blocks out of a finished table, where its shards are not: a new checkout goes on from what was
committed.

A table is taken where NAME.json names one kind of sources, that of the blocks, and the same
constants; a block of it where the table holds all of its points.
"""

from typing import NamedTuple

from gradlab.errors import UserError
from gradlab.suite import sources, store
from gradlab.suite.grid import shown


class Held(NamedTuple):
    """A finished table: its rows, where each point's stands, and who computed so many blocks."""

    frame: object
    places: dict
    origins: list

    def block(self, block):
        """(rows, origin) of a block, None if the table lacks a point of it or has an error."""
        wanted = zip(*(values.tolist() for values in block.points.values()), strict=True)
        places = [self.places.get(point) for point in wanted]
        if None in places:
            return None
        rows = self.frame.iloc[places].reset_index(drop=True)
        if (rows["status"] == "error").any():
            return None
        return rows, self._origin()

    def _origin(self):
        """That of the next block: where several machines took part, each has its share of them."""
        while len(self.origins) > 1 and not self.origins[0]["left"]:
            self.origins.pop(0)
        first = self.origins[0]
        first["left"] -= 1
        return {k: v for k, v in first.items() if k != "left"}


def held(experiment, folder, parts):
    """{path: (rows, origin)} of the blocks that the table NAME in the folder holds; often {}."""
    keys = {sources.key(part.files) for part in parts}
    found = _table(experiment, folder, keys)
    if found is None:
        return {}
    blocks = {part.path: found.block(part.block) for part in parts}
    return {path: block for path, block in blocks.items() if block}


def _table(experiment, folder, keys):
    try:
        said = store.read_json(folder / f"{experiment.name}.json")
        if {*said.get("sources", ())} != keys or len(keys) != 1:
            return None
        if said["constants"] != shown(experiment.constants) or experiment.opened:
            return None
        frame = store.read_table(folder, experiment.name)
        axes = (frame[axis].tolist() for axis in experiment.axes)
        places = {point: place for place, point in enumerate(zip(*axes, strict=True))}
        return Held(frame, places, [_each(who) for who in said["computed_by"]])
    except (OSError, UserError, store.Damaged, KeyError, TypeError, ValueError):
        return None


def _each(who):
    """The origin of each of the blocks that were counted together, and how many they are."""
    origin = {k: v for k, v in who.items() if k != "blocks"}
    return origin | {"seconds": who["seconds"] / who["blocks"], "left": who["blocks"]}
