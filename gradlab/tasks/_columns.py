"""Columns of numbers from a user's own CSV or Parquet file, or one line that says why not."""

import csv
import os
import re
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np

from gradlab.errors import UserError

MOST = 10_000  # columns
MISSING = {"", "nan", "na", "n/a", "#n/a", "<na>", "null", "none"}  # in any case
NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE
)


def found(file):
    """(the file's path, its stamp, which changes with it)."""
    path = Path(file) if isinstance(file, str | os.PathLike) else Path()
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise UserError(f"file={file}: task series reads a .csv or a .parquet file")
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UserError(f"no file {file}") from None
    except (OSError, ValueError) as error:  # a name too long, links in a circle, a null byte
        raise UserError(f"{file} cannot be read: {getattr(error, 'strerror', error)}") from None
    if not path.is_file():
        raise UserError(f"{file} is no file")
    return path, (status.st_mtime_ns, status.st_size)


def table(path):
    """(a DataFrame, where each of its rows stands: "line 2"); text, if it is a CSV file."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".csv":
            return _csv(path)
        frame = pd.read_parquet(path)
    except UserError:
        raise
    except (ValueError, TypeError, LookupError, OSError, csv.Error) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        hint = ": save it as UTF-8" if isinstance(error, UnicodeError) else ""
        raise UserError(f"{path} cannot be read as {path.suffix}: {reason}{hint}") from error
    if frame.columns.nlevels > 1:
        raise UserError(f"{path}: {frame.columns.nlevels} levels of column names: one is needed")
    frame = frame.rename(columns=str)
    _check_unequal(list(frame.columns), path)
    return frame, [f"row {row + 1}" for row in range(len(frame))]


def _csv(path):
    import pandas as pd

    (first, header), *rows = list(_rows(path)) or [(1, [])]
    if not header:
        raise ValueError("No columns to parse from file")
    if len(header) > MOST:  # pandas would take minutes over a megabyte of commas
        raise UserError(f"{path}, line {first}: {len(header):,} columns, at most {MOST:,} are read")
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
    frame = pd.DataFrame([row for _, row in rows], columns=names, dtype=object)
    return frame, [f"line {line}" for line, _ in rows]


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
    counts = Counter(names)
    for name in names:
        if counts[name] > 1:
            raise UserError(f"{path} has {counts[name]} columns named {name}: rename them")


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


def chosen(frame, given, path):
    """The names that `given` means: one, several joined by +, * for all of numbers, None for one.

    A column whose own name holds a + is meant by its name.
    """
    listed = ", ".join(frame.columns)
    if given is None:
        return [_only(frame, path, listed)]
    if str(given) in frame.columns:
        return [str(given)]
    if given == "*":
        names = [name for name in frame.columns if _is_numeric(frame[name])]
        if not names:
            raise UserError(f"{path} has no columns of numbers; it has {listed}")
        return names
    names = [name.strip() for name in str(given).split("+")]
    if "" in names:
        raise UserError(f"column={given}: names no column beside a +; {path} has {listed}")
    for name in names:
        if name not in frame.columns:
            several = "; several are joined by +" if "," in name else ""
            raise UserError(f"{path} has no column {name}; it has {listed}{several}")
        if names.count(name) > 1:
            raise UserError(f"column={given}: names {name} twice")
    return names


def _only(frame, path, listed):
    numeric = [name for name in frame.columns if _is_numeric(frame[name])]
    if len(numeric) != 1:
        if not numeric:
            raise UserError(f"{path} has no columns of numbers; it has {listed}")
        names = ", ".join(numeric)
        raise UserError(f"{path} has {len(numeric)} columns of numbers: name one of {names}")
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


def numbers(series, where, places):
    """A column's values, nan where one is missing. Raises UserError for text and inf."""
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
    infinite = np.isinf(values)
    if infinite.any():
        bad = ~np.isfinite(values)
        raise UserError(_lacking(bad, where, places))
    return values


def filled(values, fill, where, places):
    """The values without gaps, None: there are none; linear: between a gap's two ends by the row
    number; hold: the last value before it. Raises UserError for a gap that this cannot fill.
    """
    gaps = np.isnan(values)
    if not gaps.any():
        return values
    if fill is None:
        hint = "" if gaps.all() else ": fill=linear or fill=hold fills them"
        raise UserError(_lacking(gaps, where, places) + hint)
    known = np.flatnonzero(~gaps)
    if not known.size:
        raise UserError(f"{where} has no value from {places[0]} to {places[-1]}")
    if known[0] > 0:
        raise UserError(f"{where} has no value before {places[known[0]]}: fill={fill} needs one")
    if fill == "hold":
        return values[known[np.searchsorted(known, np.arange(len(values)), "right") - 1]]
    if known[-1] < len(values) - 1:
        raise UserError(f"{where} has no value after {places[known[-1]]}: fill=linear needs one")
    return np.interp(np.arange(len(values)), known, values[known])


def _lacking(bad, where, places):
    first = places[int(bad.argmax())]
    return f"{where} has {bad.sum()} missing or infinite values, first in {first}"


def _hint(value):
    comma = isinstance(value, str) and re.fullmatch(r"\s*[+-]?[\d.]*,\d+\s*", value)
    return ": decimal comma? (or one between thousands)" if comma else ""
