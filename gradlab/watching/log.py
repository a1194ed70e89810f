"""One training's updates in their order, out of a log that may hold several, or tell some twice."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.watching.rows import rows as rows_of

SHUFFLED = 4  # where more than one row in so many is before its predecessor, it is no new run


class Log(NamedTuple):
    """Columns of float64, a row an update, in rising order of the updates.

    update      its number
    norm        of the gradient before clipping, >= 0; inf and nan as the log has them
    loss        nan where the log has none
    threshold   of clipping, nan where the log has none
    name        what it is of
    names       {role: the log's own name of the column}
    run, runs   which training of how many this is, from 1
    medians     median norm of each run
    notes       what was left out, or put in order
    """

    update: np.ndarray
    norm: np.ndarray
    loss: np.ndarray
    threshold: np.ndarray
    name: str
    names: dict
    run: int
    runs: int
    medians: tuple
    notes: tuple


def of(rows, run=None):
    """The log of `Rows`: the last run, or the one of that number.

    Another run begins where the updates fall back to where the run began. Within a run, updates
    that fall back (a training that went on from a checkpoint) take the place of those that were.
    Raises UserError for a run that is not there, and for a norm below 0.
    """
    columns = rows.columns()
    starts = _starts(columns["update"])
    edges = [*starts, len(columns["update"])]
    run = len(starts) if run is None else run
    if not 1 <= run <= len(starts):
        held = f"{len(starts)} run{'s' * (len(starts) != 1)}"
        raise UserError(f"--run {run}: {rows.where} holds {held}")
    own = slice(edges[run - 1], edges[run])
    values, notes = _ordered({role: column[own] for role, column in columns.items()})
    _check(values, rows)
    values, none = _without_none(values)
    medians = [columns["norm"][first:end] for first, end in pairwise(edges)]
    left = [
        f"{rows_of(count)} {why} {'is' if count == 1 else 'are'} left out"
        for why, count in rows.left.items() if count
    ]  # fmt: skip
    return Log(
        **values, name=rows.where, names=dict(rows.names), run=run, runs=len(starts),
        medians=tuple(map(_median, medians)), notes=(*left, *notes, *none),
    )  # fmt: skip


def _starts(update):
    """Where each run begins."""
    back = np.flatnonzero(update[1:] < update[:-1]) + 1
    if len(back) * SHUFFLED > len(update):
        return [0]
    starts = [0]
    for row in back.tolist():
        first = starts[-1]
        gap = update[first + 1] - update[first] if first + 1 < len(update) else 0.0
        if update[row] <= update[first] + max(gap, 0.0):
            starts.append(row)
    return starts


def _ordered(values):
    """By update, the last row of each; and what was done for it."""
    update, notes = values["update"], []
    if (update[1:] > update[:-1]).all():
        return values, notes
    if (update[1:] < update[:-1]).any():
        order = np.argsort(update, kind="stable")
        values = {role: column[order] for role, column in values.items()}
        update = values["update"]
        notes.append("the rows are put in the order of their updates")
    last = np.append(update[1:] != update[:-1], True)
    if twice := int((~last).sum()):
        tell = "tells" if twice == 1 else "tell"
        notes.append(f"{rows_of(twice)} {tell} an update again: the last row of each counts")
    return {role: column[last] for role, column in values.items()}, notes


def _check(values, rows):
    below = values["norm"] < 0
    if below.any():
        row = int(below.argmax())
        where = f"{rows.names.get('norm', 'norm')} is {values['norm'][row]:g}"
        update = number(values["update"][row])
        raise UserError(
            f"{rows.where}: {where} at update {update}, a norm is never below 0; is it a logarithm?"
        )


def _without_none(values):
    """Thresholds below 0, by which loops say that they do not clip, as none; and a note."""
    none = values["threshold"] < 0
    if not none.any():
        return values, []
    return values | {"threshold": np.where(none, np.nan, values["threshold"])}, [
        "a threshold below 0 is taken for none"
    ]


def _median(norms):
    norms = norms[np.isfinite(norms)]
    return float(np.quantile(norms, 0.5)) if norms.size else np.nan  # 1e308 has no mean of two


def number(update):
    """An update's number as people write it: 1,204."""
    return f"{int(update):,}" if float(update).is_integer() else f"{update:g}"
