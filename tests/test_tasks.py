"""Tasks: the contract that each keeps, the oscillator's motion, what a user's file may do wrong."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp

from gradlab import tasks
from gradlab.errors import UserError
from gradlab.tasks import noise, oscillator, series


@pytest.fixture
def csv(tmp_path):
    """Writes a table; returns its path."""

    def write(name="data.csv", **columns):
        file = tmp_path / name
        frame = pd.DataFrame(columns)
        frame.to_csv(file, index=False) if file.suffix == ".csv" else frame.to_parquet(file)
        return file

    return write


@pytest.fixture
def options(csv):
    """What each task needs to be told; lengths up to 60 share their windows."""
    values = np.random.default_rng(0).normal(5, 3, 100)
    return {"series": {"file": csv(value=values), "longest": 60}}


FREE = [name for name in tasks.names() if tasks.find(name).LENGTH_FREE]


def test_names_are_the_files():
    assert {"noise", "oscillator", "series"} == set(FREE)
    assert tasks.find("noise") is noise
    assert not any(name.startswith("_") for name in tasks.names())


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize(("length", "batch"), [(1, 1), (1, 3), (20, 1), (20, 4)])
def test_shapes_are_as_declared(options, name, length, batch):
    task = tasks.find(name)
    given = options.get(name, {})
    inputs, targets = task.sample(np.random.default_rng(1), length, batch, **given)
    assert inputs.shape == (length, batch, task.INPUTS)
    assert targets.shape == (length, batch, task.OUTPUTS)
    assert inputs.dtype == targets.dtype == np.float64
    assert task.LOSS == "squared_error"
    assert task.AT == "every"


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_shorter_sample_is_a_prefix_bit_for_bit(options, name, batch):
    draw = tasks.find(name).sample
    given = options.get(name, {})
    longest = draw(np.random.default_rng(5), 60, batch, **given)
    for length in (1, 2, 17):
        shorter = draw(np.random.default_rng(5), length, batch, **given)
        for short, long in zip(shorter, longest, strict=True):
            np.testing.assert_array_equal(short, long[:length])


def test_a_users_own_file_is_a_task(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("INPUTS = OUTPUTS = 1\nLOSS, AT, LENGTH_FREE = 'squared_error', 'last', True\n")
    with pytest.raises(UserError, match=r"mine\.py is no task: it lacks sample$"):
        tasks.find(str(file))
    with file.open("a") as more:
        more.write("def sample(rng, length, batch=1):\n    return 'its own'\n")
    assert tasks.find(file).sample(None, 3) == "its own"


def test_an_unknown_task_lists_the_known():
    with pytest.raises(UserError, match=r"^no task pendulum; there are .*noise, oscillator, "):
        tasks.find("pendulum")
    with pytest.raises(UserError, match=r"no file nowhere\.py"):
        tasks.find("nowhere.py")


# Under-, over- and critically damped, undamped at resonance and off it, unstable, k = 0.
SYSTEMS = [
    {},
    {"damping": 3.0},
    {"damping": 2.0},
    {"damping": 0.0, "frequency": 1.0},
    {"damping": 0.0},
    {"damping": -0.1, "velocity": 0.5},
    {"stiffness": 0.0, "mass": 2.0, "amplitude": 0.3},
]


@pytest.mark.parametrize("given", SYSTEMS)
def test_motion_solves_the_equation(given):
    system = oscillator.Oscillator(**given)

    def motion(t, state):
        x, v = state
        pull = system.force(t) - system.damping * v - system.stiffness * x
        return [v, pull / system.mass]

    times = 0.1 * np.arange(201)
    start = [system.position, system.velocity]
    expected = solve_ivp(
        motion, (0, times[-1]), start, "DOP853", t_eval=times, rtol=1e-13, atol=1e-13
    )
    # 200 steps of an adaptive solver at 1e-13 leave some 1e-12.
    np.testing.assert_allclose(system.motion(200, 0.1), expected.y.T, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("given", SYSTEMS)
def test_velocity_is_the_derivative_of_position(given):
    interval = 1e-3
    x, v = oscillator.Oscillator(**given).motion(5000, interval).T
    # the central difference is off by x''' interval^2/6, about 1e-6
    np.testing.assert_allclose((x[2:] - x[:-2]) / (2 * interval), v[1:-1], atol=2e-6)


def test_free_decay_and_resonance_have_their_textbook_forms():
    t = 0.1 * np.arange(1001)
    x, _ = oscillator.Oscillator(amplitude=0.0).motion(1000, 0.1).T
    turn = np.sqrt(1 - 0.2**2)
    expected = np.exp(-0.2 * t) * (np.cos(turn * t) + 0.2 / turn * np.sin(turn * t))
    np.testing.assert_allclose(x, expected, atol=1e-13)
    x, _ = oscillator.Oscillator(damping=0.0, frequency=1.0, position=0.0).motion(1000, 0.1).T
    np.testing.assert_allclose(x, t / 2 * np.sin(t), atol=1e-10)


def test_oscillator_targets_are_one_interval_ahead():
    inputs, targets = oscillator.sample(None, 50, batch=2, interval=0.2, frequency=0.7)
    motion = oscillator.Oscillator(frequency=0.7).motion(50, 0.2)
    np.testing.assert_array_equal(inputs[:, 1, 0], np.cos(0.7 * (0.2 * np.arange(50))))
    np.testing.assert_array_equal(targets[:, 1], motion[1:])
    np.testing.assert_array_equal(motion[0], [1, 0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"interval": 0}, "interval=0: must be > 0"),
        ({"mass": -1.0}, r"mass=-1.0: must be > 0"),
        ({"weight": 2}, "task oscillator has no option weight; it has interval, mass, damping"),
    ],
)
def test_oscillator_says_what_is_wrong(given, message):
    with pytest.raises(UserError, match=message):
        oscillator.sample(None, 5, **given)


def test_noise_is_white_and_recalled_after_the_delay():
    inputs, targets = noise.sample(np.random.default_rng(2), 20000, batch=2, delay=3)
    np.testing.assert_array_equal(targets[3:], inputs[:-3])
    assert not targets[:3].any()
    flat = inputs[:, 0, 0]
    # means of 20,000 terms: standard error 0.007 (0.01 for the variance), five of them allowed
    assert abs(flat.mean()) < 0.035
    assert abs(flat.var() - 1) < 0.05
    assert abs(np.mean(flat[1:] * flat[:-1])) < 0.035
    assert abs(np.mean(flat * inputs[:, 1, 0])) < 0.035


@pytest.mark.parametrize("delay", [0, 4, 5, 9])
def test_noise_at_extreme_delays(delay):
    inputs, targets = noise.sample(np.random.default_rng(2), 5, delay=delay)
    kept = max(5 - delay, 0)
    np.testing.assert_array_equal(targets[delay:], inputs[:kept])
    assert not targets[:delay].any()


@pytest.mark.parametrize("delay", [-1, 1.5])
def test_noise_refuses_a_delay_that_is_no_number_of_steps(delay):
    with pytest.raises(UserError, match=f"delay={delay}: must be a whole number >= 0"):
        noise.sample(np.random.default_rng(2), 5, delay=delay)


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_series_windows_are_cut_from_the_standardised_series(csv, name):
    values = np.random.default_rng(0).normal(5, 3, 40)
    file = csv(name, day=[f"d{i}" for i in range(40)], price=values, other=1.0)
    inputs, targets = series.sample(np.random.default_rng(1), 30, 200, file, "price")
    standard = (values - values.mean()) / values.std()
    starts = [int(np.flatnonzero(standard == first)[0]) for first in inputs[0, :, 0]]
    assert set(starts) == set(range(10))
    for lane, start in enumerate(starts):
        np.testing.assert_array_equal(inputs[:, lane, 0], standard[start : start + 30])
        np.testing.assert_array_equal(targets[:, lane, 0], standard[start + 1 : start + 31])


def test_series_takes_the_only_column_of_numbers_and_numbers_as_names(csv):
    only = series.sample(np.random.default_rng(1), 3, file=csv(day=["a", "b"] * 4, x=range(8)))
    named = csv("named.parquet", **{"7": np.arange(8.0), "8": np.arange(8.0) ** 2})
    by_number = series.sample(np.random.default_rng(1), 3, file=named, column=7)
    np.testing.assert_array_equal(only, by_number)


def test_series_follows_an_edit_of_the_file(csv):
    before, _ = series.sample(np.random.default_rng(1), 3, file=csv(x=[1.0, 2, 3, 4]))
    after, _ = series.sample(np.random.default_rng(1), 3, file=csv(x=[10.0, 5, 30, 4, 9.5]))
    assert not np.array_equal(before, after)


def test_the_longest_window_just_fits(csv):
    file = csv(x=[1.0, 3.0, 2.0, 5.0])
    inputs, targets = series.sample(np.random.default_rng(1), 3, 2, file)
    np.testing.assert_array_equal(inputs[1:], targets[:-1])
    with pytest.raises(UserError, match=r"has 4 values: sequence_length 4 needs 5$"):
        series.sample(np.random.default_rng(1), 4, 2, file)
    with pytest.raises(UserError, match="sequence_length 6 needs 7"):
        series.sample(np.random.default_rng(1), 2, 2, file, longest=6)


WRONG = [
    ({"x": [1, 2, 3], "y": ["a", "b", "c"]}, "z", "has no column z; it has x, y$"),
    ({"x": ["1", "2", "b3"]}, "x", "column x of .* is not numeric: (row 3|line 4) holds 'b3'$"),
    ({"x": [1, None, 3, None]}, "x", "2 missing .* in (row 2|line 3): fill=linear or fill=hold"),
    ({"x": [1, np.inf, 3]}, "x", "has 1 missing or infinite values, first in (row 2|line 3)$"),
    ({"x": [2.5, 2.5, 2.5]}, "x", r"is constant \(2\.5\)"),
    ({"x": np.zeros(0)}, "x", "column x of .* is empty$"),
    ({"x": [1, 2], "y": [1, 2]}, None, "has 2 columns of numbers: name one of x, y$"),
    ({"t": ["a", "b"], "x": [1, 2], "y": [1, 2]}, None, "2 columns of numbers: name one of x, y$"),
    ({"x": [1, 2], "y": [1, 2]}, "x+", "column=x[+]: names no column beside a [+]; .* has x, y$"),
    ({"x": ["a", "b"]}, None, "has no columns of numbers; it has x$"),
]


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
@pytest.mark.parametrize(("columns", "column", "message"), WRONG)
def test_series_says_what_is_wrong_with_a_column(csv, name, columns, column, message):
    file = csv(name, **columns)
    with pytest.raises(UserError, match=message) as found:
        series.sample(np.random.default_rng(1), 2, file=file, column=column)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, r"no file .*gone\.csv"),
        ("data.xlsx", b"x", r"reads a \.csv or a \.parquet file"),
        ("empty.csv", b"", r"cannot be read as \.csv: No columns"),
        ("ragged.csv", b"a,b\n1,2\n3,4,5,6\n", r"line 3: 4 fields under a header of 2"),
        ("text.csv", b"a\n\xff\xfe\n", r"cannot be read as \.csv: .*decode"),
        ("torn.parquet", b"PAR1 torn", r"cannot be read as \.parquet"),
    ],
)
def test_series_says_what_is_wrong_with_a_file(tmp_path, name, content, message):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=message) as found:
        series.sample(np.random.default_rng(1), 2, file=str(file))
    assert "\n" not in str(found.value)


def test_series_needs_a_file():
    with pytest.raises(UserError, match=r"file=None: task series reads a \.csv"):
        series.sample(np.random.default_rng(1), 2)
