"""Readings: one number read from a table, which can say in words what it read.

    median("log10_norm_W", spectral_radius=0.8, sequence_length=500)
    abs(mean("slope", cell="lstm") - mean("slope", cell="gru")) / 2

Each takes a column, by name, as an expression such as "abs(exponent - log_radius)" or as a function
frame -> values, and the rows to read as `rows` does.
A reading is called with a table; it raises NotMeasured where the table lacks the rows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

from gradlab.suite.frames import NotMeasured, column_name, described, read_column, rows


@dataclass(frozen=True)
class Reading:
    """A number that is read from a table: `words` says which, `read(frame)` reads it."""

    words: str
    read: Callable

    def __call__(self, frame) -> float:
        return float(self.read(frame))

    def __str__(self):
        return self.words

    def __neg__(self):
        return Reading(f"-({self})", lambda frame: -self(frame))

    def __abs__(self):
        return Reading(f"|{self}|", lambda frame: abs(self(frame)))

    def __add__(self, other):
        return _joined(self, "+", other, lambda a, b: a + b)

    def __sub__(self, other):
        return _joined(self, "-", other, lambda a, b: a - b)

    def __mul__(self, other):
        return _joined(self, "*", other, lambda a, b: a * b)

    def __truediv__(self, other):
        return _joined(self, "/", other, _ratio)


def median(column, **where):
    """The median of a column."""
    return _of("median", column, where, lambda values: values.median())


def mean(column, **where):
    """The mean of a column."""
    return _of("mean", column, where, lambda values: values.mean())


def largest(column, **where):
    """The largest value of a column; nan where one is nan."""
    return _of("largest", column, where, lambda values: values.max(skipna=False))


def smallest(column, **where):
    """The smallest value of a column; nan where one is nan."""
    return _of("smallest", column, where, lambda values: values.min(skipna=False))


def worst(column, **where):
    """The largest absolute value of a column; nan where one is nan."""
    return _of("largest size of", column, where, lambda values: values.abs().max(skipna=False))


def share(column, **where):
    """The share of rows where a column of zeros and ones, or of truths, is 1.

    Rows where it is nan do not count. Raises NotMeasured if none counts.
    """

    def of_known(values):
        known = values.dropna()
        if known.empty:
            raise NotMeasured(f"needs rows with {column_name(column)}")
        return known.astype(float).mean()

    return _of("share of", column, where, of_known)


def slope(column, over, **where):
    """The slope of the straight line through a column's medians over an axis (least squares).

    Raises NotMeasured if the axis has fewer than two values.
    """

    def read(frame):
        medians = _medians(column, over, rows(frame, **where))
        x, y = medians.index.to_numpy(float), medians.to_numpy(float)
        if len(x) < 2:
            raise NotMeasured(f"needs two values of {column_name(over)}")
        x = x - x.mean()
        return (x * y).sum() / (x * x).sum()

    return Reading(_words("slope of", column, where, over), read)


def crossing(column, over, **where):
    """Where on an axis a column's median passes upwards through 0, by linear interpolation.

    Medians: near an edge a few seeds settle on a fixed point and pull a mean far away. Raises
    NotMeasured if the table does not hold both sides.
    """

    def read(frame):
        medians = _medians(column, over, rows(frame, **where))
        above = next((i for i, value in enumerate(medians) if value > 0), 0)
        if not above:
            names = column_name(over), column_name(column)
            raise NotMeasured("needs values of {} on both sides of {} = 0".format(*names))
        (low, high), (x, y) = (part[above - 1 :][:2] for part in (medians.array, medians.index))
        return x + (y - x) * low / (low - high)

    return Reading(_words("zero of", column, where, over), read)


def most(*readings):
    """The largest of several readings; nan where one is nan."""
    words = f"the largest of ({'; '.join(map(str, readings))})"

    def read(frame):
        values = [reading(frame) for reading in readings]
        return math.nan if any(map(math.isnan, values)) else max(values)

    return Reading(words, read)


def _of(word, column, where, reduce):
    def read(frame):
        return reduce(read_column(column, rows(frame, **where)))

    return Reading(_words(word, column, where), read)


def _medians(column, over, frame):
    """Value on an axis, by name or as a function of the table -> the column's median there."""
    return read_column(column, frame).groupby(read_column(over, frame)).median()


def _words(word, column, where, over=None):
    of = f"{word} {column_name(column)}" + (f" over {column_name(over)}" if over else "")
    return f"{of} ({described(where)})" if where else of


def _joined(one, sign, other, compute):
    if not isinstance(other, Real | Reading):
        return NotImplemented
    words = f"{other:g}" if isinstance(other, Real) else f"({other})"
    return Reading(
        f"({one}) {sign} {words}",
        lambda frame: compute(one(frame), other if isinstance(other, Real) else other(frame)),
    )


def _ratio(one, other):
    return one / other if other else math.nan
