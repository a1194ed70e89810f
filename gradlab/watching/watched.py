"""`gradlab.watch`: a log of gradient norms, and what it says."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from gradlab import given
from gradlab.errors import UserError, one_of
from gradlab.watching import log, report, sources, statistics, thresholds
from gradlab.watching.columns import chosen
from gradlab.watching.rows import Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


def watch(
    source: Any,
    *,
    threshold: float | Sequence[float] = (),
    norm: str | None = None,
    update: str | None = None,
    loss: str | None = None,
    reduction: str | None = None,
    steps: int | None = None,
    run: int | None = None,
) -> "Watched":
    """What a log of gradient norms says of a training, and what a clipping threshold is there.

    source       the path of a .csv, .jsonl or .parquet file or of a folder of TensorBoard's; a
                 table, DataFrame or {column: array}; the norms alone; or a `gradlab.Training`
    threshold    one, or several: the words are about the first one
    norm, update, loss   names of columns that are not found by themselves (watching/columns.py)
    reduction    of the loss over the steps, "sum" or "mean"; steps: their number T
    run          which one of several in the log, from 1; None: the last

        import numpy as np

        seen = gradlab.watch(np.random.default_rng(0).lognormal(size=1000), threshold=1.0)
        seen.advice[0]  # "A threshold of 1 is ..."
        seen.table      # a row an update

    Norms are taken before clipping. Definitions and sources: watching/statistics.py, thresholds.py.
    Raises UserError, one line, for what is no log.
    """
    how = How.of({"norm": norm, "update": update, "loss": loss}, threshold, reduction, steps, run)
    if isinstance(source, str | PathLike):
        return read(source, how)
    return Watched(_rows(source, how.asked), how.of_training(source))


def read(path, how):
    """What the log of a path says. Raises UserError, one line, where there is none."""
    found = sources.of(path, how.asked)
    if sources.is_nothing(found.path):
        raise UserError(f"no file {path}")
    found.poll(last=True)
    return Watched(found.rows, how)


class How:
    """How a log is read: what `watch` takes, but the source; checked."""

    def __init__(self, given, asked, reduction, steps, run):
        self.given, self.asked = given, asked
        self.reduction, self.steps, self.run = reduction, steps, run

    @classmethod
    def of(cls, asked, threshold, reduction, steps, run):
        """Checked; raises UserError, one line."""
        several = threshold if isinstance(threshold, list | tuple | np.ndarray) else [threshold]
        several = [] if threshold is None else several
        values = [_threshold(value) for value in several]
        if reduction is not None:
            one_of("reduction", reduction, report.REDUCTIONS)
        if steps is not None:
            steps = given.whole("steps", steps, "be a whole number from 1", 1)
        if run is not None:
            run = given.whole("run", run, "be a whole number from 1", 1)
        return cls(values, asked, reduction, steps, run)

    def of_training(self, source):
        """Of a training of gradlab's: its losses are sums over the steps."""
        plan = getattr(source, "plan", None)
        if plan is None:
            return self
        steps = plan.sequence_length if isinstance(plan.sequence_length, int) else None
        return How(self.given, self.asked, self.reduction or "sum", self.steps or steps, self.run)


class Watched:
    """A log, and what it says.

    table    a DataFrame, a row an update: update, norm, loss, threshold, usual (the running
             median), spike, finite
    text     one screen of plain words; advice: its sentences
    record   the same as plain values
    figure   norms over the updates, and their distribution; a notebook shows both
    """

    def __init__(self, rows, how):
        self.log, self.given = log.of(rows, how.run), how.given
        if not len(self.log.norm):
            raise UserError(f"{self.log.name} holds no norms{rows.why}")
        self.found = statistics.of(self.log)
        self.thresholds = thresholds.named(self.log, self.found, how.given)
        how = how.given, how.reduction, how.steps
        self.advice = report.advice(self.log, self.found, *how)

    @property
    def text(self) -> str:
        """The screen that `gradlab watch` prints."""
        return report.text(self)

    @property
    def record(self) -> dict:
        """What `gradlab watch --json` prints."""
        return report.record(self)

    @property
    def table(self) -> "DataFrame":
        """A row an update, as a DataFrame."""
        import pandas as pd

        own, spike = self.log, np.zeros(len(self.log.norm), bool)
        spike[self.found.spikes] = True
        return pd.DataFrame({
            "update": own.update, "norm": own.norm, "loss": own.loss, "threshold": own.threshold,
            "usual": self.found.usual, "spike": spike, "finite": self.found.finite,
        })  # fmt: skip

    def figure(self) -> "Figure":
        """Norms over the updates, with spikes and thresholds, and their distribution."""
        from gradlab.plots import watched

        own = thresholds.used(self.log, self.given)
        said = report.headline(self), report.caption(self)
        return watched.figure(self.table, own, thresholds.band(self.found), *said)

    def draw(self, path: str | PathLike) -> None:
        """Write the figure to a .png, .pdf or .svg."""
        from gradlab.plots import watched

        watched.write(self.figure(), path)

    def __repr__(self):
        return f"gradlab.watch: {report.line(self)}"

    def _repr_html_(self):
        from gradlab.plots import notebook

        return notebook.shown(self.text, self.figure(), "norms over the updates")


def _rows(source, asked):
    """The rows of a table, of norms, or of a training."""
    if hasattr(source, "norms"):  # a Training
        bound = getattr(source.plan, "clip_threshold", None)
        count = len(source.norms)
        source = {"update": np.arange(1, count + 1), "norm": source.norms, "loss": source.losses}
        source |= {"clip_threshold": np.full(count, bound)} if bound is not None else {}
        where = "training"
    else:
        where = "table"
    if not (isinstance(source, Mapping) or hasattr(source, "columns")):
        source = {"norm": source}
    rows = Rows(where)
    rows.names = chosen([str(name) for name in source], asked, where)
    named = {str(name): name for name in source}
    columns = {role: _column(name, source[named[name]]) for role, name in rows.names.items()}
    if len({len(column) for column in columns.values()}) > 1:
        sizes = ", ".join(f"{rows.names[role]} {len(column):,}" for role, column in columns.items())
        raise UserError(f"the columns of a table are as long as each other, not {sizes}")
    empty = hasattr(source, "columns") and np.isnan(columns["norm"])
    rows.add(columns, {"norm": empty} if np.any(empty) else {})
    return rows


def _column(name, values):
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    values = given.real(name, np.asarray(values) if isinstance(values, list | tuple) else values)
    if values.ndim != 1:
        raise UserError(f"{name} must be a column of numbers, not of shape {values.shape}")
    return values.astype(np.float64)


def _threshold(value):
    value = given.number("threshold", value)
    if value < 0:
        raise UserError(f"threshold={value:g}: must be a number >= 0")
    return value
