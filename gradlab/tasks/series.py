"""A column of the user's own CSV or Parquet file: from each value to the next."""

import csv
import functools
import os
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np

from gradlab.errors import UserError

INPUTS = 1
OUTPUTS = 1
LOSS = "squared_error"
AT = "every"
LENGTH_FREE = True
MISSING = {"", "nan", "na", "n/a", "#n/a", "<na>", "null", "none"}  # in any case
NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE
)


def sample(rng, length, batch=1, file=None, column=None, longest=None):
    """Windows of the standardised series (T, B, 1) and the same one step later (T, B, 1).

    The series has mean 0 and standard deviation 1 as a whole. rng draws each lane's start uniformly
    from those that leave room for `longest` (default: length) values and a target, so lengths up to
    one `longest` share their starts. `column` may be left out if only one holds numbers. A .csv has
    commas between its fields, points in its numbers and a header. Raises UserError for a file or
    column that cannot be used, and for a series that is too short.
    """
    values = _standardised(file, column)
    longest = length if longest is None else max(length, longest)
    if len(values) < longest + 1:
        raise UserError(
            f"{file} has {len(values)} values: sequence_length {longest} needs {longest + 1}"
        )
    starts = rng.integers(0, len(values) - longest, batch)
    windows = values[starts + np.arange(length + 1)[:, None], None]
    return windows[:-1], windows[1:]


def _standardised(file, column):
    path = Path(file) if isinstance(file, str | os.PathLike) else Path()
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise UserError(f"file={file}: task series reads a .csv or a .parquet file")
    if not isinstance(column, str | int | np.integer | None):
        raise UserError(f"column={column!r}: must be a column's name")
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UserError(f"no file {file}") from None
    except (OSError, ValueError) as error:  # a name too long, links in a circle, a null byte
        raise UserError(f"{file} cannot be read: {getattr(error, 'strerror', error)}") from None
    if not path.is_file():
        raise UserError(f"{file} is no file")
    return _cached(path, column, (status.st_mtime_ns, status.st_size))


# A sweep asks again for every block; the stamp changes with the file.
@functools.lru_cache(maxsize=8)
def _cached(path, column, stamp):
    table, places = _table(path)
    name = _chosen(table, column, path)
    where = f"column {name} of {path}"
    values = _standard(_numbers(table[name], where, places), where)
    values.setflags(write=False)
    return values


def _table(path):
    """(a DataFrame, where each of its rows stands: "line 2"); text, if it is a CSV file."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".csv":
            return _csv(path)
        table = pd.read_parquet(path)
    except UserError:
        raise
    except (ValueError, TypeError, LookupError, OSError, csv.Error) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = ": save it as UTF-8" if isinstance(error, UnicodeError) else ""
        raise UserError(f"{path} cannot be read as {path.suffix}: {reason}{hint}") from error
    if table.columns.nlevels > 1:
        raise UserError(f"{path}: {table.columns.nlevels} levels of column names: one is needed")
    table = table.rename(columns=str)
    _check_unequal(list(table.columns), path)
    return table, [f"row {row + 1}" for row in range(len(table))]


def _csv(path):
    import pandas as pd

    (first, header), *rows = list(_rows(path)) or [(1, [])]
    if not header:
        raise ValueError("No columns to parse from file")
    _check_header(header, f"{path}, line {first}")
    while rows and not rows[-1][1]:
        rows.pop()
    if len(header) == 1:  # a blank line is an empty cell
        rows = [(line, row or [""]) for line, row in rows]
    rows = [(line, row) for line, row in rows if row]
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: {_count(row, header)}")
    _check_nameless(header, rows, path)
    names = [name.strip() or f"Unnamed: {i}" for i, name in enumerate(header)]
    _check_unequal(names, path)
    table = pd.DataFrame([row for _, row in rows], columns=names, dtype=object)
    return table, [f"line {line}" for line, _ in rows]


def _rows(path):
    """(line, its fields) from the header on; none of a blank line, but one of a quoted \"\"."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader, line, begun = csv.reader(file, strict=True), 1, False
        for row in reader:
            blank = not row or (len(row) == 1 and row[0].isspace())
            begun = begun or not blank
            if begun:
                yield line, [] if blank else row
            line = reader.line_num + 1


def _check_header(header, where):
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if mark in header[0] or (mark in "".join(header) and mark == "\t"):
            right = "commas, and points in numbers"
            raise UserError(f"{where}: {name} between the fields: the file needs {right}")
    if all(NUMBER.fullmatch(name.strip()) for name in header):
        raise UserError(f"{where} holds {','.join(header)}: no header? It must name the columns")


def _check_nameless(header, rows, path):
    for i, name in enumerate(header[1:], 1):
        filled = [] if name.strip() else [at for at in rows if at[1][i].strip()]
        if filled:
            line, row = filled[0]
            hint = "decimal comma?" if row[i].strip().isdigit() else "name it in the header"
            raise UserError(f"{path}, line {line}: field {i + 1} = {row[i]} has no name: {hint}")


def _check_unequal(names, path):
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path} has {names.count(name)} columns named {name}: rename them")


def _count(row, header):
    plural = "s" if len(row) > 1 else ""
    text = f"{len(row)} field{plural} under a header of {len(header)}"
    if len(row) < len(header):
        return text
    if not row[-1].strip():
        return f"{text}: a comma at the line's end?"
    halves = [right for left, right in pairwise(row) if re.fullmatch(r"\s*[+-]?\d+", left)]
    if not any(re.fullmatch(r"\d+\s*", right) for right in halves):
        return f"{text}: quote a field that holds a comma"
    return f"{text}: decimal comma? (or one between thousands)"


def _chosen(table, column, path):
    listed = ", ".join(table.columns)
    if column is not None:
        if str(column) not in table.columns:
            raise UserError(f"{path} has no column {column}; it has {listed}")
        return str(column)
    numeric = [name for name in table.columns if _is_numeric(table[name])]
    if len(numeric) != 1:
        count = len(numeric) or "no"
        raise UserError(f"{path} has {count} columns of numbers: name one of {listed}")
    if path.suffix.lower() == ".csv" and NUMBER.fullmatch(numeric[0]):
        raise UserError(f"{path} has a column named {numeric[0]}: no header? If one, give column=")
    return numeric[0]


def _is_numeric(series):
    """Whether all that is there is numbers; an empty column of a type of numbers, too."""
    if series.dtype != object:
        return series.dtype.kind in "iuf"
    if not len(series):
        return True
    found = [value for value in map(_number, series) if not _is_missing(value)]
    return bool(found) and None not in found


def _number(value):
    """A number as a float, nan for a missing one, None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in MISSING:
            return np.nan
        return float(text) if NUMBER.fullmatch(text) else None
    if isinstance(value, Decimal):
        return float(value)
    return np.nan if value is None or value is np.nan else None


def _is_missing(value):
    return value is not None and np.isnan(value)


def _numbers(series, where, places):
    if series.empty:
        raise UserError(f"{where} is empty")
    if series.dtype.kind in "iuf":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = [_number(value) for value in series.astype(object)]
        if None in values:
            row = values.index(None)
            wrong = series.astype(object).tolist()[row]
            raise UserError(f"{where} is not numeric: {places[row]} holds {wrong!r}{_hint(wrong)}")
        values = np.array(values, np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        first = places[int(bad.argmax())]
        raise UserError(f"{where} has {bad.sum()} missing or infinite values, first in {first}")
    if values.min() == values.max():
        raise UserError(f"{where} is constant ({values[0]:g}): it needs values that vary")
    return values


def _hint(value):
    comma = isinstance(value, str) and re.fullmatch(r"\s*[+-]?[\d.]*,\d+\s*", value)
    return ": decimal comma? (or one between thousands)" if comma else ""


def _standard(values, where):
    """Mean 0 and standard deviation 1, by way of values below 1: their squares do not overflow."""
    top = np.abs(values).max()
    values = np.ldexp(values, -np.frexp(top)[1])
    values = values - values.mean()
    spread = values.std()
    if spread < 2.0**-40:  # some thousand roundings
        raise UserError(f"{where} varies by {spread:.0e} of its size {top:g}: subtract its mean")
    return values / spread
