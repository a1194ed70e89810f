"""A column of the user's own CSV or Parquet file: from each value to the next."""

import functools
from pathlib import Path

import numpy as np

from gradlab.errors import UserError

INPUTS = 1
OUTPUTS = 1
LOSS = "squared_error"
AT = "every"
LENGTH_FREE = True


def sample(rng, length, batch=1, file=None, column=None, longest=None):
    """Windows of the standardised series (T, B, 1) and the same one step later (T, B, 1).

    The series has mean 0 and standard deviation 1 as a whole. rng draws each lane's start uniformly
    from those that leave room for `longest` (default: length) values and a target, so lengths up to
    one `longest` share their starts. `column` may be left out if only one holds numbers. Raises
    UserError for a file or column that cannot be used, and for a series that is too short.
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
    path = Path(file or "")
    if file is None or path.suffix.lower() not in (".csv", ".parquet"):
        raise UserError(f"file={file}: task series reads a .csv or a .parquet file")
    if not path.is_file():
        raise UserError(f"no file {file}")
    status = path.stat()
    return _cached(path, column, (status.st_mtime_ns, status.st_size))


# A sweep asks again for every block; the stamp changes with the file.
@functools.lru_cache(maxsize=8)
def _cached(path, column, stamp):
    table = _read(path)
    name = _chosen(table, column, path)
    values = _numbers(table[name], f"column {name} of {path}")
    values = (values - values.mean()) / values.std()
    values.setflags(write=False)
    return values


def _read(path):
    import pandas as pd

    csv = path.suffix.lower() == ".csv"
    try:
        table = pd.read_csv(path, low_memory=False) if csv else pd.read_parquet(path)
        return table.rename(columns=str)
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as {path.suffix}: {reason}") from error


def _chosen(table, column, path):
    listed = ", ".join(table.columns)
    if column is None:
        numeric = list(table.select_dtypes("number").columns)
        if len(numeric) != 1:
            count = len(numeric) or "no"
            raise UserError(f"{path} has {count} columns of numbers: name one of {listed}")
        return numeric[0]
    if str(column) not in table.columns:
        raise UserError(f"{path} has no column {column}; it has {listed}")
    return str(column)


def _numbers(series, where):
    import pandas as pd

    if series.empty:
        raise UserError(f"{where} is empty")
    if not pd.api.types.is_numeric_dtype(series):
        wrong = pd.to_numeric(series.astype(str), errors="coerce").isna() & series.notna()
        row = int(wrong.argmax())
        raise UserError(f"{where} is not numeric: row {row + 1} holds {series.iloc[row]!r}")
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(bad.argmax()) + 1
        raise UserError(f"{where} has {bad.sum()} missing or infinite values, first in row {row}")
    if values.min() == values.max():
        raise UserError(f"{where} is constant ({values[0]:g}): it needs values that vary")
    return values
