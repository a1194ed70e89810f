"""The blocks of a sweep that are through: what computed them, and their rows while these are few.

The rows of a large sweep stay in their shards until the table is made: as frames in memory those of
a million points took 110 MB while the others were still measured.
"""

from gradlab.errors import UserError
from gradlab.suite import store, table

CELLS = 1_000_000  # rows times columns that are kept: 8 MB and more


def errors(rows):
    """How many rows have status error."""
    return int((rows["status"] == "error").sum()) if "status" in rows else 0


class Done:
    """path -> (rows, origin) of blocks; an origin of None is a failed one's, which has no shard."""

    def __init__(self):
        self.origins, self.errors, self._rows, self._room = {}, {}, {}, CELLS

    def __contains__(self, path):
        return path in self.origins

    def __len__(self):
        return len(self.origins)

    def __setitem__(self, path, found):
        rows, origin = found
        self.origins[path] = origin
        if count := errors(rows):
            self.errors[path] = count
        if origin is None:
            self._rows[path] = rows["message"].iloc[0]
        elif rows.size <= self._room:
            self._room -= rows.size
            self._rows[path] = rows

    def rows(self, part):
        """A block's rows. Raises UserError if somebody removed or broke what was stored."""
        kept = self._rows.get(part.path)
        if isinstance(kept, str):
            return table.of_block(part.block, None, kept)
        if kept is not None:
            return kept
        try:
            if found := store.read_shard(part.path, part.block):
                return found[0]
        except store.Damaged:
            pass
        raise UserError(f"{part.path} was removed or damaged meanwhile: the same command mends it")

    def failed(self):
        """The messages of the failed blocks."""
        return [self._rows[path] for path, origin in self.origins.items() if origin is None]
