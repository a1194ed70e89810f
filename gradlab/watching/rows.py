"""The rows of a log as they are read: columns of float64 that grow, and what was left out."""

from collections import Counter

import numpy as np

from gradlab.errors import UserError
from gradlab.watching.columns import ROLES

MOST = 50_000_000  # rows: 1.6 GB of columns, and as much again to sort them


def rows(count):
    """ "1 row", "5 rows"."""
    return f"{count:,} row{'s' * (count != 1)}"


class Rows:
    """Columns update, norm, loss and threshold, by role; nan in loss and threshold: not there.

    names   {role: the log's own name}
    left    how many rows were left out, by the reason
    """

    def __init__(self, where):
        self.where, self.names, self.left = where, {}, Counter()
        self._parts, self._count = {role: [] for role in ROLES}, 0

    def __len__(self):
        return self._count

    def add(self, columns, missing):
        """Add rows: {role: float64 array}, and {role: where nothing stands}.

        A row without a norm or an update is left out. Without a column of updates, rows count.
        """
        norm = columns["norm"]
        if "update" not in columns:
            columns = columns | {"update": np.arange(1.0, len(norm) + 1) + self._count}
        no_norm = missing.get("norm", np.zeros(len(norm), bool))
        no_update = ~np.isfinite(columns["update"]) & ~no_norm
        self.left["without a norm"] += int(no_norm.sum())
        self.left["without an update"] += int(no_update.sum())
        keep = ~(no_norm | no_update)
        self._count += int(keep.sum())
        if self._count > MOST:
            raise UserError(f"{self.where} has more than {MOST:,} rows: keep every tenth of them")
        for role in self._parts:
            values = columns.get(role)
            if values is None:
                values = np.full(len(norm), np.nan)
            self._parts[role].append(values[keep])

    @property
    def why(self):
        """ ": 5 rows without an update", what there is instead of norms."""
        told = [f"{rows(count)} {reason}" for reason, count in self.left.items() if count]
        return f": {', '.join(told)}" if told else ""

    def columns(self):
        """{role: array of all rows}."""
        for role, parts in self._parts.items():
            if len(parts) != 1:
                self._parts[role] = [np.concatenate(parts) if parts else np.zeros(0)]
        return {role: parts[0] for role, parts in self._parts.items()}
