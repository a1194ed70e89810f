"""What other people's files hold: the right series from them, or one line that says why not."""

import time
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest

import gradlab
from gradlab.errors import UserError
from gradlab.measures import setting
from gradlab.suite.grid import Block
from gradlab.tasks import series


def whole(file, count, column=None, **more):
    """All values of the standardised series."""
    inputs, targets = series.sample(np.random.default_rng(0), count - 1, 1, file, column, **more)
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


def test_a_header_of_rubbish_is_refused_at_once(tmp_path):
    """Counting each of its names among all took minutes."""
    file = tmp_path / "rubbish.csv"
    file.write_text("," * 100_000)
    started = time.process_time()
    with pytest.raises(UserError, match=r"rubbish\.csv, line 1: 100,001 columns, at most 10,000"):
        whole(file, 3, "a")
    assert time.process_time() - started < 20


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


ROWS = 40
RNG = np.random.default_rng(5)
WEATHER = pd.DataFrame(
    {
        "day": [f"d{i}" for i in range(ROWS)],
        "temp": RNG.normal(15, 4, ROWS).cumsum(),
        "hum": RNG.normal(60, 9, ROWS),
        "a+b": RNG.random(ROWS),
    }
)


@pytest.fixture
def weather(tmp_path):
    """Writes the weather, changed by a function; returns its file."""

    def write(change=lambda frame: None):
        frame = WEATHER.copy()
        change(frame)
        frame.to_csv(tmp_path / "weather.csv", index=False)
        return tmp_path / "weather.csv"

    return write


def gap(*places):
    def change(frame):
        for row, column in places:
            frame.loc[row, column] = np.nan

    return change


def windows(file, draw=series.sample, lanes=300, length=5, **options):
    return draw(np.random.default_rng(2), length, lanes, file, **options)


@pytest.mark.parametrize(
    ("column", "target", "inputs", "outputs"),
    [
        ("temp+hum", None, ["temp", "hum"], ["temp", "hum"]),
        ("hum + temp", "temp", ["hum", "temp"], ["temp"]),
        ("temp", "hum", ["temp"], ["hum"]),
        ("a+b", None, ["a+b"], ["a+b"]),
        ("*", "temp+hum", ["temp", "hum", "a+b"], ["temp", "hum"]),
    ],
)
def test_several_columns_are_inputs_and_targets_a_step_later(
    weather, column, target, inputs, outputs
):
    file = weather()
    x, y = windows(file, column=column, target=target)
    numbers = WEATHER.drop(columns="day")
    scaled = (numbers - numbers.mean()) / numbers.std(ddof=0)
    assert series.sizes(file, column, target=target) == (len(inputs), len(outputs))
    assert x.shape == (5, 300, len(inputs)) and y.shape == (5, 300, len(outputs))
    for lane in range(300):
        start = int(np.abs(scaled[inputs[0]] - x[0, lane, 0]).argmin())
        now, later = scaled.iloc[start : start + 5], scaled.iloc[start + 1 : start + 6]
        np.testing.assert_allclose(x[:, lane], now[inputs], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(y[:, lane], later[outputs], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("fill", "by_pandas"), [
    ("linear", lambda one: one.interpolate("linear")),
    ("hold", lambda one: one.ffill()),
])  # fmt: skip
def test_gaps_are_filled_as_pandas_does(weather, fill, by_pandas):
    change = gap((3, "temp"), (7, "temp"), (8, "temp"), (9, "temp"), (20, "temp"))
    found = whole(weather(change), ROWS, "temp", fill=fill)
    frame = WEATHER.copy()
    change(frame)
    expected = by_pandas(frame.temp)
    expected = (expected - expected.mean()) / expected.std(ddof=0)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_what_is_held_out_is_unknown_to_a_training(weather):
    options = {"column": "temp+hum", "target": "temp", "held_out": 0.25}
    x, y = windows(weather(), **options)

    def other_end(frame):
        frame.loc[30:, ["temp", "hum"]] = frame.loc[30:, ["temp", "hum"]] * -700 + 3

    for before, after in zip((x, y), windows(weather(other_end), **options), strict=True):
        np.testing.assert_array_equal(before, after)
    part = WEATHER.temp[:30]
    scaled = ((WEATHER.temp - part.mean()) / part.std(ddof=0)).to_numpy()
    assert np.isclose(x[..., :1, None], scaled[:29]).any(-1).all()
    assert not np.isclose(y[..., None], scaled[30:]).any()
    x, y = windows(weather(), series.unseen, **options)
    assert np.isclose(x[..., :1, None], scaled[30:-1]).any(-1).all()
    assert np.isclose(y[..., None], scaled[31:]).any(-1).all()


def test_without_a_held_out_part_all_rows_are_for_both(weather):
    ours, theirs = (
        windows(weather(), draw, column="hum") for draw in (series.sample, series.unseen)
    )
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


UNUSABLE = {
    "a comma": ({"column": "temp,hum"}, "no column temp,hum; it has .*; several are joined by [+]"),
    "unknown": ({"column": "temp+wind"}, "no column wind; it has day, temp, hum, a[+]b$"),
    "twice": ({"column": "temp+temp"}, "column=temp[+]temp: names temp twice"),
    "an unknown target": ({"target": "wind"}, "no column wind"),
    "text": ({"column": "temp+day"}, "column day of .* is not numeric: line 2 holds 'd0'"),
    "a fill": ({"fill": "cubic"}, "fill=cubic: must be linear or hold"),
    "a share": ({"held_out": 1.0}, "held_out=1.0: must be a share from 0 to below 1"),
    "an option": ({"colour": "red"}, "task series has no option colour; it has file, column"),
    "a small part": ({"held_out": 0.1}, "has 4 values of its 40 in this part .see held_out"),
    "a target that is a list": ({"target": ["hum"]}, "target=.*: must be a column's name"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_is_one_line(weather, name):
    options, message = UNUSABLE[name]
    with pytest.raises(UserError, match=message) as found:
        windows(weather(), series.unseen, **{"column": "temp"} | options)
    assert "\n" not in str(found.value)


GAPS = {
    "none is asked for": ([3], None, 0.0, "1 missing .* line 5: fill=linear or fill=hold"),
    "a start, linear": ([0, 1], "linear", 0.0, "no value before line 4: fill=linear needs one"),
    "a start, hold": ([0], "hold", 0.0, "no value before line 3: fill=hold needs one"),
    "an end": ([39], "linear", 0.0, "no value after line 40: fill=linear needs one"),
    "a training's end": ([29], "linear", 0.25, "no value after line 30: fill=linear needs one"),
    "over the cut": ([29, 30], "hold", 0.25, "no value before line 33: fill=hold needs one"),
    "a whole part": (range(30, 40), "linear", 0.25, "no value from line 32 to line 41"),
}


@pytest.mark.parametrize("name", GAPS)
def test_a_gap_without_both_ends_is_refused(weather, name):
    missing, fill, held_out, message = GAPS[name]
    file = weather(gap(*((row, "temp") for row in missing)))
    with pytest.raises(UserError, match=message) as found:
        windows(file, column="temp", fill=fill, held_out=held_out, length=3)
    assert "\n" not in str(found.value)


def test_infinite_values_are_not_filled(weather):
    def change(frame):
        frame.loc[3, "temp"] = np.inf

    with pytest.raises(UserError, match=r"1 missing or infinite values, first in line 5$"):
        windows(weather(change), column="temp", fill="linear")


def test_wrong_is_what_persistence_or_the_mean_predicts_as_well():
    # persistence 4 + 1 and 0 + 1, the mean 9 + 16 and 1 + 4; of the third lane 4 + 4 and 1 + 1
    targets = np.array([[1.0, 1.0, -1.0], [3.0, 1.0, 1.0], [4.0, 2.0, -1.0]])[..., None]
    off = np.array([[9.0, 0.0, 0.0], [2.0, 1.0, 1.1], [0.9, 0.0, 0.9]])[..., None]
    assert series.wrong(targets + off, targets).tolist() == [False, True, True]
    off[1:, 2] = 0.99
    assert series.wrong(targets + off, targets).tolist() == [False, True, False]
    off[2, 0] = np.nan
    assert series.wrong(targets + off, targets).tolist() == [True, True, False]
    assert series.wrong(targets[:1], targets[:1]).all()


def test_the_baseline_is_the_cost_of_the_mean(weather):
    _, y = windows(weather(), lanes=20_000, column="temp+hum")
    cost = float((y**2).sum((0, 2)).mean())
    assert series.baseline(5, outputs=2) == 10 and cost == pytest.approx(10, rel=0.2)


SWEPT = {
    "task": "series", "spectral_radius": [0.8, 1.6], "sequence_length": [5, 20], "seed": [0],
    "input_scale": [0.0, 0.5], "hidden_size": 12,
}  # fmt: skip


def test_several_columns_drive_the_main_job(weather, tmp_path):
    change = gap((3, "temp"), (20, "hum"))
    own = {"file": str(weather(change)), "column": "temp+hum", "fill": "hold"}
    frame = gradlab.run("spectral_radius", set=SWEPT | own, results=tmp_path)
    assert set(frame.status) == {"ok"} and set(frame.fill) == {"hold"}
    point = {"sequence_length": 20, "spectral_radius": 0.8, "input_scale": 0.5}
    (row,) = frame[(frame[list(point)] == pd.Series(point)).all(axis=1)].itertuples()
    block = Block({"seed": np.zeros(1, int)}, {
        "task": "series", "hidden_size": 12, "init": "gaussian", "activation": "tanh",
        "cell": "elman", **own,
    })  # fmt: skip
    drawn = setting.draw(block, 20)
    drawn.net.weights["W"] *= 0.8
    got = drawn.net.gradients(0.5 * drawn.inputs, drawn.targets[-1], at="last")
    assert drawn.inputs.shape == (20, 1, 2) and row.loss == pytest.approx(got.loss, rel=1e-9)
    norm = np.log10(np.linalg.norm(got.weights["W"]))
    assert row.log10_norm_W == pytest.approx(norm, abs=1e-9)


def test_a_users_task_may_lay_its_arrays_as_it_likes(tmp_path):
    text = "import numpy as np\nINPUTS, OUTPUTS, LOSS, AT, LENGTH_FREE = 2, 1, 'squared_error', "
    text += "'every', True\ndef sample(rng, length, batch=1):\n"
    text += "    values = np.arange(2 * length * batch) % 3\n"
    text += "    x = values.reshape(2, batch, length).T\n    return x, x[..., :1] / 2\n"
    (tmp_path / "mine.py").write_text(text)
    own = {"task": str(tmp_path / "mine.py")}
    frame = gradlab.run("spectral_radius", set=SWEPT | own, results=tmp_path)
    assert set(frame.status) == {"ok"}


TRAINED = {
    "task": "series", "spectral_radius": [0.9], "sequence_length": [12], "clip_threshold": [1.0],
    "seed": [0], "hidden_size": 12, "updates": 400, "evaluate_every": 100, "evaluation_size": 50,
    "optimizer": "adam", "learning_rate": 0.01, "stop_below": 0.05,
}  # fmt: skip


def test_a_training_learns_to_predict_what_it_has_not_seen(tmp_path):
    steps = np.arange(200)
    wave = pd.DataFrame({"x": np.sin(0.7 * steps), "y": np.cos(0.7 * steps) + 3})
    wave.loc[[20, 21], "y"] = np.nan
    wave.to_csv(tmp_path / "wave.csv", index=False)
    own = {"file": str(tmp_path / "wave.csv"), "column": "x+y", "target": "x", "fill": "linear"}
    row = gradlab.run("training_map", set=TRAINED | own, results=tmp_path).iloc[0]
    assert (row.status, row.solved, row.diverged) == ("ok", 1, 0) and row.error < 0.05
    assert row.relative_loss < 0.1
    assert (row["column"], row.target, row.fill, row.held_out) == ("x+y", "x", "linear", 0.25)


def test_noise_is_not_predicted_and_other_tasks_read_no_file(tmp_path):
    pd.DataFrame({"x": RNG.random(200)}).to_csv(tmp_path / "noise.csv", index=False)
    own = {"file": str(tmp_path / "noise.csv"), "updates": 100}
    row = gradlab.run("training_map", set=TRAINED | own, results=tmp_path).iloc[0]
    assert row.solved == 0 and row.error > 0.3
    for name, value in (("file", own["file"]), ("target", "x"), ("fill", "hold")):
        with pytest.raises(UserError, match=f"{name}=.*: needs task=series, task=adding has none"):
            other = {"task": "adding", name: value}
            gradlab.run("training_map", set=TRAINED | other, results=tmp_path)
