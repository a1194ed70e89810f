"""Columns of the user's own CSV or Parquet file: from each step's values to those of the next.

Nothing that a training sees knows the part that is held out: not the scale, which is that of the
values before it, no window, and no gap, for each part is filled by itself. Within a part
fill=linear draws a line to a later value, which a forecast from inside the gap then knows of:
fill=hold does not.
"""

import functools
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.tasks import _columns

INPUTS = 1  # of one column; `sizes` tells it of several
OUTPUTS = 1
LOSS = "squared_error"
AT = "every"
LENGTH_FREE = True
FILLS = ("linear", "hold")


class More(NamedTuple):
    """What else can be told, by name.

    target     what is predicted, written as `column` is; the inputs themselves if it is left out
    fill       linear or hold fill gaps (see `_columns.filled`), by the rows as they follow one
               another; without it a gap is an error
    held_out   share of the rows, the last ones, that `unseen` draws from and `sample` does not
    longest    lengths up to it share their starts
    """

    target: str | None = None
    fill: str | None = None
    held_out: float = 0.0
    longest: int | None = None


OPTIONS = ("file", "column", "target", "fill", "held_out")


def sample(rng, length, batch=1, file=None, column=None, **more):
    """Windows of the standardised columns (T, B, D) and the target's next values (T, B, O).

    rng draws each lane's start uniformly from those that leave room for `longest` (default: length)
    values and a target. A .csv has commas between its fields, points in its numbers and a header.
    column: the inputs, a name, several as "a+b", "*" for all columns of numbers; may be left out if
    only one holds numbers. more: see `More`. Each column has mean 0 and standard deviation 1, over
    the rows that are not held out.

    Raises UserError, one line, for a file, column or gap that cannot be used, and for a part that
    is too short.
    """
    found, more = _read(file, column, more)
    return _windows(rng, found, found.values[: found.cut], (length, more.longest), batch)


def unseen(rng, length, batch=1, file=None, column=None, **more):
    """As `sample`, from the rows that are held out; from all of them if none is."""
    found, more = _read(file, column, more)
    part = found.values[found.cut :] if more.held_out else found.values
    return _windows(rng, found, part, (length, more.longest), batch)


def sizes(file=None, column=None, **more):
    """(D, O): how many columns are inputs, and how many are predicted."""
    found, _ = _read(file, column, more)
    return len(found.inputs), len(found.targets)


def baseline(length, outputs=1):
    """1 a step and output: the variance, which predicting the mean costs."""
    return float(length * outputs)


def wrong(outputs, targets):
    """Lanes (B,) that the last value again (persistence), or the mean 0, predicts as well.

    outputs, targets (T, B, O); by the squared error summed over steps but the first, whose last
    value is no target. A single step is always wrong.
    """
    guesses = targets[:-1], 0.0
    rivals = [((targets[1:] - guess) ** 2).sum((0, 2)) for guess in guesses]
    return ~(((outputs[1:] - targets[1:]) ** 2).sum((0, 2)) < np.minimum(*rivals))


class Columns(NamedTuple):
    """values (n, K), standardised by the rows before `cut`; which of the K are what; whose."""

    values: np.ndarray
    inputs: list
    targets: list
    cut: int
    path: object


def _windows(rng, found, part, lengths, batch):
    length, longest = lengths
    longest = length if longest is None else max(length, longest)
    if len(part) < longest + 1:
        whole = len(part) == len(found.values)
        which = "" if whole else f" of its {len(found.values)} in this part (see held_out)"
        needed = f"sequence_length {longest} needs {longest + 1}"
        raise UserError(f"{found.path} has {len(part)} values{which}: {needed}")
    starts = rng.integers(0, len(part) - longest, batch)
    times = starts + np.arange(length + 1)[:, None]
    return part[:, found.inputs][times[:-1]], part[:, found.targets][times[1:]]


def _read(file, column, more):
    """(`Columns`, `More`), checked."""
    if unknown := more.keys() - set(More._fields):
        known = ", ".join((*OPTIONS, "longest"))
        raise UserError(f"task series has no option {min(unknown)}; it has {known}")
    more = More(**more)
    for name, value in (("column", column), ("target", more.target)):
        if not isinstance(value, str | int | np.integer | None):
            raise UserError(f"{name}={value!r}: must be a column's name, or several: a+b")
    if more.fill not in (None, *FILLS):
        raise UserError(f"fill={more.fill}: must be {' or '.join(FILLS)}")
    share = more.held_out
    if not (isinstance(share, int | float) and 0 <= share < 1):
        raise UserError(f"held_out={share}: must be a share from 0 to below 1")
    path, stamp = _columns.found(file)
    return _cached(path, (column, more.target), more.fill, float(share), stamp), more


# A sweep asks again for every block; the stamp changes with the file.
@functools.lru_cache(maxsize=8)
def _cached(path, asked, fill, held_out, stamp):
    frame, places = _columns.table(path)
    column, target = asked
    inputs = _columns.chosen(frame, column, path)
    targets = inputs if target is None else _columns.chosen(frame, target, path)
    names = list(dict.fromkeys([*inputs, *targets]))
    cut = len(frame) - round(held_out * len(frame))
    columns = [
        _column(frame[name], f"column {name} of {path}", places, cut, fill) for name in names
    ]
    values = np.stack(columns, axis=1)
    values.setflags(write=False)
    inputs, targets = ([names.index(name) for name in part] for part in (inputs, targets))
    return Columns(values, inputs, targets, cut, path)


def _column(series, where, places, cut, fill):
    values = _columns.numbers(series, where, places)
    apart = fill is not None and cut < len(values)
    parts = [slice(0, cut), slice(cut, None)] if apart else [slice(None)]
    filled = [_columns.filled(values[part], fill, where, places[part]) for part in parts]
    return _standard(np.concatenate(filled), cut, where)


def _standard(values, cut, where):
    """Mean 0 and standard deviation 1 of the rows before `cut`, by way of values below 1.

    Their squares do not overflow.
    """
    seen = values[:cut]
    if not seen.size or seen.min() == seen.max():
        constant = f"constant ({seen[0]:g})" if seen.size else "empty"
        before = " before what is held out" if cut < len(values) else ""
        raise UserError(f"{where} is {constant}{before}: it needs values that vary")
    top = np.abs(values).max()
    values = np.ldexp(values, -np.frexp(top)[1])
    values = values - values[:cut].mean()
    spread = values[:cut].std()
    if spread < 2.0**-40:  # some thousand roundings
        raise UserError(f"{where} varies by {spread:.0e} of its size {top:g}: subtract its mean")
    return values / spread
