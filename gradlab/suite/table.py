"""The rows of a sweep: parameters by value, then measurements, then status and message."""

import numpy as np
import pandas as pd

from gradlab.suite.grid import shown

LAST = ("status", "message")


def of_block(block, columns, message):
    """A block's rows; without columns they have the status "error" and its message."""
    constants = {k: [v] * len(block) for k, v in shown(block.constants).items() if v is not None}
    columns = {"status": "error", "message": message} if columns is None else columns
    return _status_last(pd.DataFrame({**block.points, **constants, "status": "ok", **columns}))


def in_order(tables, positions):
    """All blocks' rows in the order of the grid, which `positions` gives for each block."""
    frame = pd.concat(list(tables), ignore_index=True)
    frame = frame.iloc[np.argsort(np.concatenate(positions))].reset_index(drop=True)
    if "message" in frame:
        frame["message"] = frame["message"].fillna("")
    return _status_last(frame)


def _status_last(frame):
    last = [name for name in LAST if name in frame]
    return frame[[name for name in frame if name not in LAST] + last]
