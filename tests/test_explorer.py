"""The page's state, what is computed for it, its sentence, views and files, without a browser."""

import dataclasses
import math
import signal
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import browser
import numpy as np
import pytest

import gradlab
from gradlab.errors import UserError
from gradlab.explorer import compute, copied, tour, views
from gradlab.explorer.fields import applies, written
from gradlab.explorer.lesson import Lesson
from gradlab.explorer.sentence import sentence
from gradlab.explorer.state import CONTROLS, PRODUCTS, State
from gradlab.measures import last_step

SMALL = State(hidden_size=12, sequence_length=30, seeds=5)
CELLS = [
    SMALL,
    SMALL.changed(cell="lstm", forget_bias=1.0),
    SMALL.changed(cell="gru", task="adding"),
    SMALL.changed(cell="jordan", task="oscillator"),
    SMALL.changed(activation="relu", input_scale=1.0),
    SMALL.changed(input_scale=0.0),
    SMALL.changed(cell="lstm", input_scale=0.0),
]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"spectral_radius": "x"}, "spectral_radius=x: must be a number from 0 to 100"),
        ({"spectral_radius": -1}, "spectral_radius=-1: must be a number from 0 to 100"),
        ({"spectral_radius": "nan"}, "spectral_radius=nan: must be a number from 0 to 100"),
        ({"spectral_radius": "1e400"}, "spectral_radius=1e400: must be a number from 0 to 100"),
        ({"seed": 10**400}, ": must be a number from 0 to 1e+09"),
        ({"spectral_radius": "none"}, "spectral_radius=none: must be a number from 0 to 100"),
        ({"hidden_size": 1.5}, "hidden_size=1.5: must be a whole number from 1 to 512"),
        ({"sequence_length": 0}, "sequence_length=0: must be a number from 1 to 2000"),
        ({"clip_threshold": 0}, "clip_threshold=0: must be a number above 0, or none"),
        ({"learning_rate": "inf"}, "learning_rate=inf: must be a number from 0 on"),
        ({"task": "ading"}, "did you mean adding?"),
        ({"forget_bias": 1}, "forget_bias=1: cell elman has no gate that forgets"),
        ({"cell": "lstm", "activation": "relu"}, "activation must be one of tanh"),
        ({"cell": "jordan", "init": "orthogonal"}, "the W of fed-back outputs is no square"),
    ],
)
def test_a_value_that_is_none_is_one_line(values, said):
    with pytest.raises(UserError, match=r"^[^\n]*$") as error:
        State(**values)
    assert said in str(error.value)


def test_a_network_that_would_freeze_a_slider_says_what_would_not():
    with pytest.raises(UserError, match="a sequence_length up to 1144 is not") as error:
        State(hidden_size=512, sequence_length=2000)
    assert "hidden_size=512 with sequence_length=2000" in str(error.value)
    assert 512**2 * 1144 <= PRODUCTS < 512**2 * 1145
    State(hidden_size=512, sequence_length=1144)


def test_a_new_cell_keeps_what_it_has_and_drops_what_it_has_not():
    state = State(activation="relu", init="orthogonal").changed(cell="lstm", forget_bias=2.0)
    assert (state.activation, state.init, state.forget_bias) == ("tanh", "orthogonal", 2.0)
    state = state.changed(cell="jordan")
    assert (state.init, state.forget_bias) == ("gaussian", 0.0)


def test_a_link_holds_the_state():
    state = State(
        cell="lstm", spectral_radius=1.37, clip_threshold=math.inf, forget_bias=-0.1,
        task="series", file="/a b/ä&c.csv", column="x+y", seed=7,
    )  # fmt: skip
    assert State.of_query(state.query()) == state
    exact = State(spectral_radius=1 / 3, input_scale=1e-9, seed=123_456_789, clip_threshold=0.7)
    assert State.of_query(exact.query()) == exact
    assert State(spectral_radius=-0.0, file=None).query() == "spectral_radius=0"
    assert State().query() == "" and State.of_query("") == State()
    with pytest.raises(UserError, match="did you mean spectral_radius"):
        State.of_query("spectral_radis=1")


@pytest.mark.parametrize("state", [State(), State(clip_threshold=math.inf, seed=123_456_789)])
def test_every_field_of_the_state_is_a_control_and_every_number_can_be_typed(state):
    assert [field.name for field in dataclasses.fields(State)] == list(CONTROLS)
    for name in CONTROLS:
        value = getattr(state, name)
        assert getattr(State().changed(**{name: written(value)}), name) == value


def test_the_activations_are_the_kernels_and_a_first_page_needs_no_compiler():
    from gradlab.explorer.state import ACTIVATIONS, CELLS
    from gradlab.kernels import elementwise
    from gradlab.nets import registry

    assert set(ACTIVATIONS) == set(elementwise.ACTIVATIONS) and registry.names() == CELLS
    code = (
        "import sys; from bokeh.document import Document; from gradlab.explorer.page import Page; "
        "from gradlab.explorer.state import State; Page(Document(), State()); "
        "sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_control_that_does_nothing_is_grey():
    assert not applies("forget_bias", State()) and applies("forget_bias", State(cell="gru"))
    assert not applies("file", State()) and applies("file", State(task="series"))
    assert not applies("init", State(cell="jordan")) and not applies(
        "activation", State(cell="lstm")
    )


@pytest.mark.parametrize("state", CELLS, ids=lambda state: f"{state.cell} {state.task}")
def test_a_look_is_what_the_experiments_measure(state):
    """The same draw, sequence and loss as a row of `gradlab run spectral_radius`."""
    constants = {
        name: getattr(state, name)
        for name in ("cell", "activation", "init", "hidden_size", "task", "forget_bias", "seed")
    }
    points = {
        "spectral_radius": np.array([state.spectral_radius]),
        "input_scale": np.array([state.input_scale]),
        "sequence_length": np.array([state.sequence_length]),
    }
    row = last_step.measure(compute.Block(points, constants))
    look = compute.look(state)
    assert look.log10[0] == 0
    assert look.log10[-1] == pytest.approx(row["log10_gradient_ratio"][0], rel=1e-9)
    assert look.loss == pytest.approx(row["loss"][0], rel=1e-9)
    assert look.horizon == row["horizon"][0] or np.isnan([look.horizon, row["horizon"][0]]).all()
    assert look.status == row["status"][0]
    largest = max(s[0] for _, s in look.spectra.values())
    if not look.net.module.gates:  # there the row has that of all gates' blocks together
        assert largest == pytest.approx(row["singular_value"][0])


def test_the_gradient_by_lag_is_the_plain_product_of_jacobians():
    look = compute.look(SMALL.changed(spectral_radius=1.3))
    W, V = look.net.weights["W"], look.net.weights["V"]
    y = compute.drawn(SMALL).y
    o = V @ look.states[-1] + look.net.weights["c"]
    slope = np.exp(o - o.max())
    slope /= slope.sum()
    slope[int(y[0])] -= 1
    back, norms = V.T @ slope, []
    for state in look.states[:0:-1]:
        norms.append(np.linalg.norm(back))
        back = W.T @ ((1 - state**2) * back)
    norms.append(np.linalg.norm(back))
    assert look.log10 == pytest.approx(np.log10(np.array(norms) / norms[0]), abs=1e-9)


def test_doubling_the_radius_moves_the_line_up_by_log10_2_a_step_where_nothing_bends():
    calm = SMALL.changed(activation="identity", init="orthogonal", input_scale=0.0)
    low, high = (compute.look(calm.changed(spectral_radius=radius)) for radius in (0.5, 1.0))
    assert high.log10 - low.log10 == pytest.approx(math.log10(2) * low.lag, abs=1e-9)
    for line in low.lines.values():  # an orthogonal matrix: radius^lag and the bound are exact
        assert line == pytest.approx(low.log10, abs=1e-9)


def test_mean_fields_line_is_the_product_of_its_chi():
    state = State(hidden_size=200, sequence_length=40, spectral_radius=0.7, input_scale=0.3)
    look = compute.look(state)
    line = look.lines["mean field"]
    W, U = look.net.weights["W"], look.net.weights["U"]
    gain = np.linalg.norm(W) / math.sqrt(len(W))
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    q, logs = 0.0, []
    for x in compute.drawn(state).x[:, 0]:
        square = weight @ np.tanh(math.sqrt(q) * z) ** 2 if logs else 0.0
        q = gain**2 * square + np.mean((U @ x) ** 2)
        chi = gain**2 * (weight @ (1 - np.tanh(math.sqrt(q) * z) ** 2) ** 2)
        logs.append(math.log10(chi) / 2)
    assert line[1:] == pytest.approx(np.cumsum(logs[::-1]), abs=1e-6)


@pytest.mark.parametrize("state", CELLS, ids=lambda state: f"{state.cell} {state.task}")
def test_the_spread_is_each_seeds_own_norm_cut_at_the_threshold(state):
    state = state.changed(clip_threshold=0.01)
    spread = compute.spread(state)
    looks = [compute.look(state.changed(seed=seed)) for seed in range(state.seeds)]
    assert len(spread.before) == state.seeds
    assert spread.before[0] == pytest.approx(looks[0].log10_norm, abs=1e-9)
    assert len(set(spread.before.round(6))) == state.seeds  # another network each
    assert spread.after == pytest.approx(np.minimum(spread.before, -2))


def test_the_map_is_a_look_at_each_place():
    regimes = compute.regimes(SMALL)
    for row, column in ((0, 3), (3, 20), (5, 9)):
        state = SMALL.changed(
            sequence_length=regimes.lengths[row], spectral_radius=regimes.radii[column]
        )
        assert regimes.log10[row, column] == pytest.approx(compute.look(state).log10[-1], rel=1e-7)


def test_the_first_map_is_the_committed_tables():
    known = compute.committed()
    table = gradlab.read("spectral_radius", compute.REFERENCE)
    here = table[(table.input_scale == 0.1) & (table.sequence_length == 100)]
    middle = here[here.spectral_radius == 1.5].log10_gradient_ratio.median()
    row = list(known.regimes.lengths).index(100)
    assert known.regimes.log10[row, list(known.regimes.radii).index(1.5)] == middle
    assert "64 units" in known.words


ONCE = State(
    activation="identity", init="orthogonal", input_scale=0.0, sequence_length=1, task="noise"
)
STILL = State(activation="identity", init="orthogonal", input_scale=0.0, sequence_length=40)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (STILL.changed(spectral_radius=0.5), "vanishing: radius 0.5; a signal halves every 1 step, "
         "nothing older than 13 steps is felt"),
        (STILL.changed(spectral_radius=0.8), "a signal halves every 3.1 steps, nothing older than "
         "41 steps is felt"),
        (STILL.changed(spectral_radius=1.0), "at the edge: radius 1; over 40 steps a signal keeps "
         "its size"),
        (STILL.changed(spectral_radius=2.0, sequence_length=20), "exploding: radius 2; a signal "
         "doubles every 1 step and grows 1.05e+06 times on its way"),
        (STILL.changed(spectral_radius=0.0), "dead: radius 0; the gradient is exactly 0 from lag 1 "
         "on"),
        (State(spectral_radius=100, activation="identity", sequence_length=300), "overflow: radius "
         "100; the states leave float64's range at step"),
        (ONCE.changed(spectral_radius=1.0), "over 1 step a signal keeps its"),
        (ONCE.changed(spectral_radius=0.5), "vanishing: radius 0.5; a signal "
         "halves every 1 step"),
        (STILL.changed(spectral_radius=0.0625), "a signal shrinks 16 times each step, nothing "
         "older than 3 steps is felt"),
        (ONCE.changed(spectral_radius=0.02, sequence_length=3), "older than 2 steps is felt"),
        (STILL.changed(spectral_radius=1e-5), "each step, nothing but the last step is felt"),
        (State(activation="relu"), "and relu shuts "),
        (State(activation="sigmoid", spectral_radius=0.5), "vanishing: radius 0.5, and sigmoid's "
         "slope is 0.25"),
        (State(cell="lstm", forget_bias=2.0), "radius 0.8 in each gate and forget bias 2"),
        (State(spectral_radius=2.0, input_scale=1.0), "the states flatten tanh to"),
    ],
)  # fmt: skip
def test_the_sentence_names_the_regime_and_why(state, said):
    if state.sequence_length == 40 and state.spectral_radius == 0.8:
        state = state.changed(sequence_length=60)
    assert said in sentence(compute.look(state))


def seen(state, log10):
    """A look at another gradient by lag."""
    log10 = np.asarray(log10, float)
    look, lag = compute.look(state), np.arange(len(log10))
    return look._replace(lag=lag, log10=log10, felt=compute._felt(log10))


def test_what_is_felt_is_the_last_lag_above_the_limit_wherever_it_was_below():
    state = State(
        activation="identity", spectral_radius=0.9, input_scale=0.0, hidden_size=20,
        sequence_length=80, task="oscillator", seed=1,
    )  # fmt: skip
    log10 = compute.look(state).log10
    below = np.flatnonzero(log10 < -4)[0]
    last = max(lag for lag in range(81) if log10[lag] >= -4)
    assert below < last < 80
    assert f"nothing older than {last} steps is felt" in sentence(compute.look(state))
    assert math.isnan(compute._felt(np.array([0.0, -5.0, -3.0])))


def test_a_gradient_that_turns_is_said_to_turn():
    grows = sentence(seen(STILL, [0, -1, -2, -2, 0, 2, 4]))
    assert "it first shrinks 100 times, up to lag 2; a signal grows 4.64 times each" in grows
    assert "on average and grows 1e+04 times" in grows
    falls = sentence(seen(STILL, [0, 1, 400, 2, -1, -3, -9]))
    assert "it first grows by 400 decades, up to lag 2; a signal" in falls
    assert "on average, nothing older than 5 steps is felt" in falls
    assert "first" not in sentence(compute.look(STILL.changed(spectral_radius=0.5)))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "identity"])
def test_the_slope_of_the_sentence_is_the_activations(activation):
    from gradlab.explorer.sentence import SLOPES
    from gradlab.kernels import elementwise

    a = np.array([-1.5, -0.2, 0.3, 2.0])
    value = {"tanh": np.tanh, "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
             "relu": lambda a: np.maximum(a, 0), "identity": lambda a: a}[activation]  # fmt: skip
    measured = (value(a + 1e-6) - value(a - 1e-6)) / 2e-6
    assert SLOPES[activation](value(a)) == pytest.approx(measured, abs=1e-8)
    assert set(SLOPES) == set(elementwise.ACTIVATIONS)


def test_networks_that_take_too_long_together_say_how_many_do_not():
    state = State(cell="lstm", hidden_size=512, sequence_length=10, seeds=32)
    with pytest.raises(UserError, match=r"seeds=32: .* up to 9 do not"):
        compute.spread(state)
    one = 4 * 512**2 * (10 + 4 * 512)
    assert 9 * one <= compute.WORK < 10 * one


def test_large_networks_are_not_kept_by_the_hundred():
    for seed in range(40):
        compute.drawn(State(hidden_size=compute.LARGE + 1, sequence_length=10, seed=seed))
    assert compute._large.cache_info().currsize <= 32


def series(path, count):
    values = np.random.default_rng(0).normal(size=count).round(3)
    path.write_text("a\n" + "\n".join(map(str, values)) + "\n")
    return SMALL.changed(task="series", file=str(path))


def test_a_file_that_cannot_be_used_is_one_line_in_each_view(tmp_path, monkeypatch):
    short = series(tmp_path / "short.csv", 8)
    for find in (compute.look, compute.spread, compute.regimes, Lesson):
        with pytest.raises(UserError, match=r"short.csv has 8 values: sequence_length \d+ needs"):
            find(short)
    monkeypatch.setattr(compute, "MOST_BYTES", 20)
    with pytest.raises(UserError, match=r"has \d+ bytes: the page reads up to 20"):
        compute.look(short)


def test_a_file_that_is_written_anew_is_read_anew(tmp_path):
    state = series(tmp_path / "own.csv", 100)
    before = compute.look(state).loss
    (tmp_path / "own.csv").write_text("a\n" + "\n".join(str(k % 7) for k in range(101)))
    assert compute.look(state).loss != before


@pytest.mark.parametrize("state", [*CELLS, STILL.changed(spectral_radius=0.0)], ids=repr)
def test_every_view_draws_into_its_own_figure_columns_of_one_length(state):
    lesson = Lesson(state.changed(input_scale=state.input_scale or 0.1))
    lesson.step(3)
    results = {
        "look": compute.look(state),
        "spread": compute.spread(state),
        "regimes": compute.Regimes(np.array([0.5, 1.0]), np.array([10, 20]), np.eye(2)),
        "surface": compute.surface(state),
        "training": lesson.progress(),
    }
    for name, module in views.every().items():
        view = module.View()
        own = {model.id for model in view.figure.references()}
        updates = view.draw(results[module.NEEDS])
        assert updates, name
        for model, values in updates:
            assert model.id in own, name
            if "data" in values:
                assert len({len(column) for column in values["data"].values()}) == 1, name
                assert set(values["data"]) == set(model.data), name


def test_a_lesson_is_the_training_that_a_plan_makes():
    state = SMALL.changed(spectral_radius=1.5, clip_threshold=0.5, learning_rate=0.3)
    lesson = Lesson(state)
    start = lesson.progress()
    assert start.update == 0 and start.at.size == 0
    assert start.now == pytest.approx(start.before)
    lesson.step(4)
    found = lesson.step(3)
    plan = gradlab.Plan(
        "temporal_order", 30, updates=7, batch=20, learning_rate=0.3, seed=0, clip_threshold=0.5
    )
    net = compute.drawn(state).of_size(state)
    twin = gradlab.train(net, "temporal_order", plan)
    assert found.loss.tolist() == list(twin.losses) and found.norm.tolist() == list(twin.norms)
    assert found.clipped.tolist() == [norm >= 0.5 for norm in twin.norms]
    assert found.radius[-1] == pytest.approx(np.abs(np.linalg.eigvals(twin.net.weights["W"])).max())
    assert found.radius_at.tolist() == [0, 4, 7]


@pytest.mark.filterwarnings("error")
def test_a_training_that_diverges_is_drawn_without_infinities_and_says_so():
    state = SMALL.changed(
        activation="identity", task="noise", spectral_radius=3, clip_threshold=math.inf,
        learning_rate=3.0, sequence_length=60,
    )  # fmt: skip
    made = page(**vars(state))
    assert made._has_lesson()
    found = made.lesson.step(50)
    assert np.nanmax(np.abs(found.loss)) > np.finfo(np.float32).max
    for name in views.TRAINING[:-1]:
        for model, values in made.views[name].draw(found):
            for column in values.get("data", values).values():
                kind = getattr(column, "dtype", np.dtype(int)).kind
                assert kind != "f" or not np.isinf(column).any(), (name, model)
    made._say_moved()
    assert made.errors["loss"].text == f"The training ended at update {found.update}: diverged."


def test_long_curves_are_thinned():
    lesson = Lesson(State(hidden_size=2, sequence_length=10))
    found = lesson.step(4000)
    assert len(found.at) == len(found.loss) == len(found.norm) <= 1500
    assert found.at[:3].tolist() == [1, 4, 7]
    assert found.loss[1] == lesson.training.losses[3]


def test_a_descent_is_clipped_where_it_is_steep():
    wild, clipped = compute.surface(State(clip_threshold=0.5, learning_rate=0.3)).descents.values()
    steps = np.hypot(*np.diff(clipped, axis=1))
    assert steps.max() <= 0.3 * 0.5 * (1 + 1e-9)
    assert np.hypot(*np.diff(wild, axis=1)).max() > 10 * steps.max()


def test_the_copied_experiment_sweeps_what_is_on_the_screen(tmp_path):
    state = State(
        cell="lstm", hidden_size=6, sequence_length=12, spectral_radius=0.9, forget_bias=1.0,
        seeds=2, seed=3, task="adding", input_scale=0.2,
    )  # fmt: skip
    file = tmp_path / "mine.py"
    file.write_text(copied.experiment(state))
    table = gradlab.run(file, results=tmp_path)
    assert sorted(set(table.seed)) == [3, 4] and 0.9 in set(table.spectral_radius)
    row = table[(table.spectral_radius == 0.9) & (table.seed == 3)].iloc[0]
    assert row.log10_gradient_ratio == pytest.approx(compute.look(state).log10[-1], rel=1e-9)
    assert (tmp_path / "mine.png").stat().st_size > 10_000


def test_the_copied_experiment_has_the_very_radius_and_the_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = series(tmp_path / "a 'b' \"c\"{d}\n.csv", 100)
    state = own.changed(file="a 'b' \"c\"{d}\n.csv", spectral_radius=1 / 3, seeds=2)
    file = tmp_path / "mine.py"
    file.write_text(copied.experiment(state))
    found = compute.look(state).log10[-1]
    monkeypatch.chdir("/")
    table = gradlab.run(file, results=tmp_path)
    row = table[(table.spectral_radius == 1 / 3) & (table.seed == 0)].iloc[0]
    assert row.log10_gradient_ratio == pytest.approx(found, rel=1e-9)


def test_the_tour_has_six_stops_and_each_shows_what_it_says():
    fades, grows, vanishes, explodes, clips, keeps = (
        compute.look(stop.state.changed(seeds=2)) for stop in tour.STOPS
    )
    assert np.linalg.norm(fades.states[-1]) < 0.1 * np.linalg.norm(fades.states[0])
    assert np.linalg.norm(grows.states[-1]) > 5 * np.linalg.norm(grows.states[0])
    assert sentence(vanishes).startswith("vanishing") and sentence(explodes).startswith("exploding")
    spread = compute.spread(tour.STOPS[4].state)
    assert np.median(spread.before) > 2 and spread.after.max() <= 0
    assert clips.log10[-1] > 1
    shut = compute.look(tour.STOPS[5].state.changed(forget_bias=0.0))
    assert keeps.cell_log10[50] > shut.cell_log10[50] + 3


def test_unknown_controls_and_a_missing_library_are_one_line(monkeypatch, capsys):
    from gradlab.cli import main

    assert main(["explore", "--set", "radius=2"]) == 2
    assert "did you mean spectral_radius" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "bokeh.server.server", None)
    monkeypatch.delitem(sys.modules, "gradlab.explorer.server", raising=False)
    monkeypatch.delattr(gradlab.explorer, "server", raising=False)
    assert main(["explore"]) == 2
    assert "pip install 'gradlab[explore]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("port", "said"),
    [(70_000, "port=70000: must be a number from 1 to 65535"),
     (65_535, "port=65535: no port from 65535 to 65535 is free")],
)  # fmt: skip
def test_a_port_that_is_none_is_one_line(port, said, monkeypatch):
    from gradlab.explorer import server

    monkeypatch.setattr(server, "_is_free", lambda port: False)
    with pytest.raises(UserError, match=said):
        server.Explorer(port=port)


def test_only_a_page_that_ran_is_a_tab_and_the_last_one_ends_it(monkeypatch):
    from gradlab.explorer import server

    monkeypatch.setattr(server, "GRACE", 0)
    explorer = server.in_background()
    with urllib.request.urlopen(explorer.url, timeout=60):
        pass  # as a preview of a link does
    time.sleep(4)
    assert not explorer._ended.is_set() and not explorer._tabs
    loop = explorer._server.io_loop
    loop.add_callback(explorer._arrived, "a tab", None)
    loop.add_callback(explorer._left, SimpleNamespace(id="a tab"))
    time.sleep(0.5)
    assert not explorer._ended.is_set()  # in a notebook it stays
    explorer.wait()  # they are closed by now
    assert explorer._ended.is_set()


def page(problem="", **values):
    """A page without a browser, whose workers are kept still."""
    from bokeh.document import Document

    from gradlab.explorer.page import Page

    made = Page(Document(), SMALL.changed(**values), problem)
    made._submit = lambda worker, need, job, state: made.jobs.append((need, job))
    made.jobs = []
    return made


def test_a_step_and_a_reset_that_come_while_it_computes_are_not_lost():
    made = page()
    made._busy = True
    made._step()
    made._reset()
    made._busy = False
    made._done = {"look": made.state, "surface": made.state}
    made._wake()
    assert [(need, job.__name__) for need, job in made.jobs] == [("training", "progress")]
    assert made._busy and made.lesson.training.update == 0


def test_a_training_goes_on_as_it_began_and_says_so():
    made = page()
    made._has_lesson()
    made._settle()
    assert made.errors["loss"].text == ""
    made.tell("seeds", 9)  # of the distribution alone
    assert made.errors["loss"].text == "" and not made._has_moved()
    made.tell("learning_rate", 0.3)
    assert made.errors["loss"].text.startswith("The controls have moved")
    lesson = made.lesson
    made._reset()
    made._busy = False
    made._done = {"look": made.state, "surface": made.state}
    made._wake()
    assert made.lesson is not lesson and made.lesson.state.learning_rate == 0.3


def test_a_page_that_is_gone_is_told_nothing():
    made = page()
    made.doc.callbacks.destroy()  # as the server does it, before it tells the page
    made._later(lambda: None)
    made.close()
    made._later(lambda: None)


def test_the_sentence_follows_while_the_training_is_looked_at():
    made = page()
    made.tab.active = 1
    made.jobs, made._busy = [], False
    made.tell("spectral_radius", 1.2)
    assert [need for need, _ in made.jobs] == ["look"]


def test_a_click_on_the_map_where_no_network_may_stand_is_one_line_beside_it():
    made = page(cell="lstm", hidden_size=512, sequence_length=10)
    before = made.state
    for radius, length, said in ((500, 10, "spectral_radius=500"), (1, 500, "sequence_length=500")):
        made._tapped(radius, length)
        assert said in made.errors["regimes"].text and made.state is before


def test_the_map_is_not_computed_anew_for_what_it_does_not_show():
    made = page()
    for name, value in (("clip_threshold", 3.0), ("learning_rate", 0.3), ("spectral_radius", 1.2)):
        other = made.state.changed(**{name: value})
        assert made._followed("regimes", other) == made._followed("regimes", made.state)
    other = made.state.changed(input_scale=0.3)
    assert made._followed("regimes", other) != made._followed("regimes", made.state)


def test_in_a_notebook_the_page_is_a_frame_and_in_a_script_the_browser_opens(monkeypatch):
    went = []
    monkeypatch.setattr("webbrowser.open", went.append)
    shown = gradlab.explore(spectral_radius=1.2, cell="gru")
    assert went == [shown.url] and shown.url.startswith("http://127.0.0.1:")
    assert shown.url.endswith("?cell=gru&spectral_radius=1.2")
    with urllib.request.urlopen(shown.url, timeout=60) as answer:
        assert "gradlab explore" in answer.read().decode()
    assert f'<iframe src="{shown.url.replace("&", "&amp;")}"' in shown._repr_html_()
    monkeypatch.setattr("gradlab.explorer.opened._is_notebook", lambda: True)
    other = gradlab.explore()
    assert len(went) == 1 and other.url != shown.url
    for one in (shown, other):
        one.stop()
        one.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_without_a_trace(number):
    with browser.explorer("--port", "5230") as (process, address):
        assert address.startswith("http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""
