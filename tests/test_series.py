"""What other people's files hold: the right series from them, or one line that says why not."""

from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest

from gradlab.errors import UserError
from gradlab.measures import setting
from gradlab.suite.grid import Block
from gradlab.tasks import series


def whole(file, count, column=None):
    """All values of the standardised series but the last, and all but the first."""
    inputs, targets = series.sample(np.random.default_rng(0), count - 1, 1, file, column)
    return np.append(inputs[:, 0, 0], targets[-1, 0, 0])


def standard(values):
    """(value - mean) / standard deviation in 60 decimal digits, which hold any exponent."""
    with localcontext(prec=60):
        values = [value if isinstance(value, Decimal) else Decimal(value) for value in values]
        mean = sum(values) / len(values)
        spread = (sum((value - mean) ** 2 for value in values) / len(values)).sqrt()
        return [float((value - mean) / spread) for value in values]


VALUES = [20.1, 21.9, 19.5, 20.25]
READ = {
    "plain": (b"t,temp\n0,20.1\n1,21.9\n2,19.5\n3,20.25\n", "temp"),
    "byte order mark, CRLF": (b"\xef\xbb\xbftemp\r\n20.1\r\n21.9\r\n19.5\r\n20.25\r\n", "temp"),
    "old Macintosh": (b"temp\r20.1\r21.9\r19.5\r20.25\r", None),
    "quotes": (b'"t","temp"\n"a, b","20.1"\n"c\nd","21.9"\n"e","19.5"\n"f","20.25"\n', None),
    "spaces": (b"t, temp\n0, 20.1\n1, 21.9 \n2, 19.5\n3, 20.25\n", "temp"),
    "blank lines": (b"\nt,temp\n\n0,20.1\n1,21.9\n   \n2,19.5\n3,20.25\n\n\n", "temp"),
    "a comma at each line's end": (b"day,temp,\na,20.1,\nb,21.9,\nc,19.5,\nd,20.25,\n", None),
    "an index without a name": (b",temp\n0,20.1\n1,21.9\n2,19.5\n3,20.25\n", "temp"),
    "an empty column": (b"temp,note\n20.1,\n21.9,\n19.5,\n20.25,\n", None),
    "exponents": (b"temp\n2.01e1\n+219E-1\n19.50\n.2025e+02\n", None),
    "years as names": (b"day,2019\na,20.1\nb,21.9\nc,19.5\nd,20.25\n", 2019),
    "no line end": (b"temp\n20.1\n21.9\n19.5\n20.25", None),
}


@pytest.mark.parametrize("name", READ)
def test_a_csv_file_is_read(tmp_path, name):
    content, column = READ[name]
    file = tmp_path / "data.csv"
    file.write_bytes(content)
    np.testing.assert_allclose(whole(file, 4, column), standard(VALUES), rtol=1e-12)


REFUSED = {
    "decimal commas": ("temp\n20,1\n21,9\n", None, "line 2: 2 fields under .* 1: decimal comma"),
    "one comma at a line's end": ("time,temp,hum\n0,20.1,3,\n1,21.9,4,\n", "temp",
                                  "line 2: 4 fields under .* 3: a comma at the line's end"),
    "thousands": ("day,x\na,1,234\nb,1,300\n", "x", "line 2: 3 .* of 2: decimal comma.*thou"),
    "quoted decimal commas": ('x\n"20,1"\n"21,9"\n', "x", "line 2 holds '20,1': decimal comma"),
    "semicolons": ("t;temp\n0;20,1\n1;21,9\n", "temp", "line 1: semicolons between the fields"),
    "tabs": ("t\ttemp\n0\t20,1\n1\t21,9\n", "temp", "line 1: tabs between the fields"),
    "a nameless decimal": ("temp,\n20,1\n21,9\n", "temp", "line 2: field 2 = 1 has no name: dec"),
    "no header": ("20.1\n21.9\n19.5\n", None, r"line 1 holds 20\.1: no header"),
    "no header, named": ("1,20.1\n2,21.9\n", "20.1", r"line 1 holds 1,20\.1: no header"),
    "no header, a day": ("mon,20.1\ntue,21.9\n", None, r"a column named 20\.1: no header"),
    "equal names": ("x,x\n1,2\n3,4\n", "x", "2 columns named x"),
    "too few": ("a,b\n1,2\n3\n", "b", "line 3: 1 field under a header of 2"),
    "a blank cell": ("x\n1\n\n3\n", "x", "1 missing or infinite values, first in line 3"),
    "an empty cell": ("a,x\n1,2\n2,\n3,4\n", "x", "1 missing or infinite values, first in line 3"),
    "nan": ("x\n1\nNaN\n2\n", "x", "1 missing or infinite values, first in line 3"),
    "inf": ("x\n1\n2\n-inf\n", "x", "1 missing or infinite values, first in line 4"),
    "overflow": ("x\n1\n1e400\n2\n", "x", "1 missing or infinite values, first in line 3"),
    "complex": ("x\n1\n2+1j\n", "x", r"line 3 holds '2\+1j'"),
    "bools": ("x\nTrue\nFalse\n", "x", "line 2 holds 'True'"),
    "underscores": ("x\n1\n1_000\n", "x", "line 3 holds '1_000'"),
    "hexadecimal": ("x\n1\n0x10\n", "x", "line 3 holds '0x10'"),
    "a comment": ("# station 5\nt,x\n0,1\n", "x", "line 2: 2 fields under a header of 1"),
    "a comment below": ("x\n1\n# moved\n2\n", "x", "line 3 holds '# moved'"),
    "a line in quotes": ('d,x\n"a\nb",1\nc,y\n', "x", "line 4 holds 'y'"),
    "an open quote": ('x\n1\n"2\n3\n', "x", "cannot be read as .csv: unexpected end"),
    "constant": ("x\n7\n7\n", "x", "is constant"),
    "hidden by rounding": ("x\n1e15\n1000000000000001\n", "x", "varies by 4e-16 of its size 1e"),
    "nothing": ("", None, "No columns"),
    "a header": ("x\n", "x", "column x of .* is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_csv_file_is_refused_in_one_line(tmp_path, name):
    content, column, message = REFUSED[name]
    file = tmp_path / "data.csv"
    file.write_bytes(content.encode())
    with pytest.raises(UserError, match=message) as found:
        series.sample(np.random.default_rng(0), 1, file=file, column=column)
    assert "\n" not in str(found.value) and str(file) in str(found.value)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused(tmp_path, encoding):
    file = tmp_path / "data.csv"
    file.write_bytes("temp in \N{DEGREE SIGN}C\n1\n2\n".encode(encoding))
    with pytest.raises(UserError, match=r"decode.*: save it as UTF-8"):
        series.sample(np.random.default_rng(0), 1, file=file)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "data.csv").mkdir()
    with pytest.raises(UserError, match=r"data\.csv is no file"):
        series.sample(np.random.default_rng(0), 1, file=tmp_path / "data.csv")


@pytest.mark.parametrize(
    "values",
    [[1e308, -1e308, 0.5e308], [1e-320, 3e-320, 2e-320], [2**60, 2**62, 3 * 2**60, -(2**61)],
     [1e200, -1, 1], [1e-200, 3e-200, 7e-200]],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_spread_beyond_float64_is_standardised(tmp_path, values, suffix):
    file, frame = tmp_path / f"data.{suffix}", pd.DataFrame({"x": values})
    frame.to_csv(file, index=False) if suffix == "csv" else frame.to_parquet(file)
    np.testing.assert_allclose(whole(file, len(values)), standard(values), rtol=1e-12, atol=1e-15)


NUMBERS = {
    "decimals": [Decimal("20.10"), Decimal("21.90"), Decimal("19.50"), Decimal("20.25")],
    "float32": np.array(VALUES, np.float32),
    "unsigned": np.array([1, 2, 2**63, 5], np.uint64),
    "nullable": pd.array([1, 2, 5, 3], "Int64"),
    "small": np.array([1, -2, 5, 3], np.int8),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_any_type_are_read_from_parquet(tmp_path, name):
    file, note = tmp_path / "data.parquet", ["a", "b", "c", "d"]
    pd.DataFrame({"note": note, "x": NUMBERS[name]}).to_parquet(file)
    values = list(NUMBERS[name])
    values = values if name == "decimals" else [value.item() for value in values]
    np.testing.assert_allclose(whole(file, 4), standard(values), rtol=1e-12, atol=1e-15)


WRONG = {
    "bools": ([True, False, True], "row 1 holds True"),
    "times": (pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-05"]), "row 1 holds Timestamp"),
    "lists": ([[1], [2], [3]], "row 1 holds array"),
    "nullable": (pd.array([1, None, 3], "Int64"), "1 missing or infinite values, first in row 2"),
    "missing decimals": ([Decimal(1), None, Decimal(2)], "1 missing .* first in row 2"),
    "decimal commas": (["1,5", "2,5", "3,5"], "row 1 holds '1,5': decimal comma"),
    "nothing": ([None, None, None], "3 missing or infinite values, first in row 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_types_of_parquet_are_refused(tmp_path, name):
    values, message = WRONG[name]
    file = tmp_path / "data.parquet"
    pd.DataFrame({"x": values}).to_parquet(file)
    with pytest.raises(UserError, match=message):
        series.sample(np.random.default_rng(0), 1, file=file, column="x")


def test_columns_of_two_levels_are_refused(tmp_path):
    file = tmp_path / "data.parquet"
    columns = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])
    pd.DataFrame([[1, 2], [3, 5]], columns=columns).to_parquet(file)
    with pytest.raises(UserError, match="2 levels of column names: one is needed"):
        series.sample(np.random.default_rng(0), 1, file=file)


@pytest.mark.parametrize("name", ["file", "column"])
def test_a_file_needs_the_task_that_reads_it(name):
    constants = {"task": "oscillator", "hidden_size": 3, "init": "gaussian", "activation": "tanh",
                 "seed": 0, name: "data.csv"}  # fmt: skip
    block = Block({"spectral_radius": np.ones(1)}, constants)
    with pytest.raises(UserError, match=f"{name}=data.csv: needs task=series, task=oscillator"):
        setting.draw(block, 5)


@pytest.mark.parametrize(
    ("file", "column", "message"),
    [
        (3, None, r"file=3: task series reads a \.csv or a \.parquet file"),
        (["a.csv"], None, r"file=\['a.csv'\]: task series reads"),
        (b"a.csv", None, "task series reads"),
        ("a" * 5000 + ".csv", None, "cannot be read: File name too long"),
        ("a\0.csv", None, "cannot be read: "),
        ("a.csv", ["a"], r"column=\['a'\]: must be a column's name"),
    ],
)
def test_what_is_no_path_or_name_is_one_line(file, column, message):
    with pytest.raises(UserError, match=message):
        series.sample(np.random.default_rng(0), 2, file=file, column=column)


def test_parquet_whose_notes_name_a_column_that_it_has_not_is_one_line(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    notes = '{"index_columns": ["b"], "columns": [], "column_indexes": []}'
    table = pyarrow.table({"a": [1.0, 2.0]}).replace_schema_metadata({"pandas": notes})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"cannot be read as \.parquet: 'b'"):
        series.sample(np.random.default_rng(0), 1, file=tmp_path / "a.parquet")
