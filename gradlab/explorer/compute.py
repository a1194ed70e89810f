"""What follows from the controls, through the engine: arrays, and no word of how they are drawn.

look(state)     one network and its gradient on the way back
spread(state)   the norms of many networks, one a seed, before and after clipping
regimes(state)  the gradient over the radius and the length, of this draw
surface(state)  one unit's error over its weight and bias, and a descent on it
"""

import contextlib
import functools
import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab import tasks, theory
from gradlab.errors import UserError
from gradlab.explorer.state import SERIES
from gradlab.learning.clipping import clip
from gradlab.measures import cliff, last_step, setting
from gradlab.measures.norms import log2_norms
from gradlab.measures.predicted import INDEPENDENT
from gradlab.nets import many, weights
from gradlab.nets.network import Network
from gradlab.theory.mean_field import activation_of

LOG10_2 = math.log10(2)
FELT = -4.0  # decades: a gradient of less than 1/10,000 of the last one is not felt
RADII = np.linspace(0.1, 3.0, 30)
LENGTHS = (10, 20, 35, 50, 75, 100, 150, 200, 300, 400, 500)
WORK = 2e10  # multiplications of all networks of a spread: some 20 s on one core
LARGE = 128  # hidden units; an LSTM of 512 has 8 MB
MOST_BYTES = 16_000_000  # of a file of the user's: a CSV is read at some MB a second
REFERENCE = str(Path(__file__).parents[2] / "results" / "reference")
UNIT_STEPS, UNIT_START, DESCENT = 50, 0.5, 200  # Pascanu, Mikolov, Bengio (2013), Fig. 6
UNIT_W, UNIT_B = np.linspace(4, 6.5, 101), np.linspace(-3.6, -1.2, 97)


class Block(NamedTuple):
    """A point or a grid, as `gradlab.measures` takes it."""

    points: dict
    constants: dict

    def __len__(self):
        return len(next(iter(self.points.values())))


class Look(NamedTuple):
    """One network and the gradient of a loss at its last step.

    lag 0..T; log10, cell_log10   log10 of ||dL/dh_{T-lag}|| (of an LSTM ||dL/dc_{T-lag}||) over
                                  ||dL/dh_T||
    horizon    the smallest lag at which it has changed tenfold, or nan; felt: the largest at which
               it is at least 1/10,000, or nan if that is the whole sequence
    lines      what theory says of log10: {mean field, radius^lag or bound: (T+1,)}
    spectra    {gate, or W: (eigenvalues, singular values)}
    states     h_t (T+1, N)
    """

    state: object
    net: Network
    lag: np.ndarray
    log10: np.ndarray
    cell_log10: np.ndarray | None
    lines: dict[str, np.ndarray]
    horizon: float
    felt: float
    spectra: dict
    states: np.ndarray
    loss: float
    log10_norm: float
    status: str
    bad_step: int


class Spread(NamedTuple):
    """log10 of the norm of all weights' gradients of each network, before and after clipping."""

    before: np.ndarray
    after: np.ndarray
    threshold: float


class Regimes(NamedTuple):
    """log10 of ||dL/dh_0|| / ||dL/dh_T|| over lengths (rows) and radii (columns)."""

    radii: np.ndarray
    lengths: np.ndarray
    log10: np.ndarray


class Committed(NamedTuple):
    """A map of the committed reference run, and the words that say whose it is."""

    regimes: Regimes
    words: str


class Surface(NamedTuple):
    """log10 E over b (rows) and w (columns); descents: {threshold: (w, b)} of its updates."""

    w: np.ndarray
    b: np.ndarray
    log10: np.ndarray
    descents: dict


def look(state):
    """The `Look` of a state; the draw and its spectra are kept from the last ones."""
    own, spectra = drawn(state), _spectra(*_key(state, state.seed))
    net, h0, loss = own.of_size(state), _start(state), tasks.find(state.task).LOSS
    with np.errstate(all="ignore"):
        found = net.gradients(own.x, own.y, loss, "last", h0=h0)
        log10 = (found.lag_log2[:, 0] * LOG10_2)[::-1]
        relative = log10 - log10[0]
        cell = None
        if len(net.state_parts) > 1:
            cell = (found.cell_lag_log2[:, 0] * LOG10_2)[::-1] - log10[0]
        lines = _lines(state, own, net, spectra)
    radius = state.spectral_radius
    return Look(
        state,
        net,
        np.arange(len(log10)),
        relative,
        cell,
        lines,
        _horizon(relative),
        _felt(relative),
        {name: (radius * e, radius * s) for name, (e, s) in spectra.items()},
        found.passed[:, 0],
        found.loss,
        found.log2_norm * LOG10_2,
        str(found.status[0]),
        int(found.bad_step[0]),
    )


def spread(state):
    """The `Spread` of state.seeds networks from state.seed on, all on the same sequence."""
    _check_work(state)
    seeds = range(state.seed, state.seed + state.seeds)
    draws, loss = [drawn(state, seed) for seed in seeds], tasks.find(state.task).LOSS
    threshold = state.clip_threshold
    nets, (_, x, y) = [one.of_size(state) for one in draws], draws[0]
    with np.errstate(all="ignore"):
        if state.input_scale and nets[0].module.compiled:
            before = _log10_norms(many.gradients_of(nets, x, y, loss, "last"))
        else:
            starts = [_start(state, seed) for seed in seeds]
            pairs = zip(nets, starts, strict=True)
            log2 = [net.gradients(x, y, loss, "last", h0=h0).log2_norm for net, h0 in pairs]
            before = np.array(log2) * LOG10_2
        return Spread(before, np.minimum(before, np.log10(threshold)), threshold)


def _check_work(state):
    """Raises UserError for networks whose draws (eigenvalues) and passes take too long."""
    one = state.hidden_size**2 * (state.sequence_length + 4 * state.hidden_size)
    one *= state.gates
    if state.seeds * one > WORK:
        raise UserError(
            f"seeds={state.seeds}: so many networks of this size take too long: up to "
            f"{max(1, int(WORK / one))} do not"
        )


def regimes(state):
    """The `Regimes` of the draw of a state, up to the longest of LENGTHS that is quick enough."""
    most = max(50, 50_000_000 / state.hidden_size**2 / len(RADII))
    lengths = np.array([T for T in LENGTHS if most >= T and _is_long_enough(state, T)])
    if not lengths.size:
        _sequence_of(state, LENGTHS[0])  # says why
    radii, steps = (grid.ravel() for grid in np.meshgrid(RADII, lengths))
    block = Block({"spectral_radius": radii, "sequence_length": steps}, _constants(state))
    columns = last_step.measure(block)
    log10 = columns["log10_gradient_ratio"].reshape(len(lengths), len(RADII))
    return Regimes(RADII, lengths, log10)


@functools.cache
def committed():
    """The map of the reference run of `spectral_radius`, medians over its seeds; None without it.

    An installed wheel has no reference runs: then the first map is the network's own.
    """
    from gradlab import runner  # here: no other part of the page reads a table

    try:
        table = runner.read("spectral_radius", REFERENCE)
    except (UserError, OSError):
        return None
    scale = 0.1
    chosen = table[table.input_scale == scale]
    grid = chosen.pivot_table(
        "log10_gradient_ratio", "sequence_length", "spectral_radius", "median"
    )
    own = chosen.iloc[0]
    words = (
        f"from the reference run of spectral_radius ({own.cell}, {own.activation}, {own.init}, "
        f"{own.hidden_size} units, input scale {scale}) until this network's own is computed"
    )
    found = Regimes(grid.columns.to_numpy(float), grid.index.to_numpy(), grid.to_numpy())
    return Committed(found, words)


def surface(state):
    """The `Surface` of a unit x' = w sigmoid(x) + b after 50 steps, and two descents on it."""
    return Surface(UNIT_W, UNIT_B, _errors(), {
        threshold: _descent(threshold, state.learning_rate)
        for threshold in dict.fromkeys((math.inf, state.clip_threshold))
    })  # fmt: skip


@functools.cache
def _errors():
    w, b = (grid.ravel() for grid in np.meshgrid(UNIT_W, UNIT_B))
    found = cliff.at(w, b, np.full(len(w), UNIT_START), UNIT_STEPS)["error"]
    return np.log10(np.maximum(found, 1e-12)).reshape(len(UNIT_B), len(UNIT_W))


@functools.lru_cache(maxsize=64)
def _descent(threshold, rate, w=5.6, b=-2.6):
    """(w, b) of DESCENT updates of gradient descent, clipped by its norm."""
    path = [(w, b)]
    for _ in range(DESCENT):
        at = np.array([w]), np.array([b])
        found = cliff.at(*at, np.array([UNIT_START]), UNIT_STEPS)
        slopes = np.stack([found["slope_w"], found["slope_b"]], axis=1)
        w, b = np.array([w, b]) - rate * clip(slopes, threshold, per="lane").gradients[0]
        if not (np.isfinite(w) and abs(w) < 1e3 and abs(b) < 1e3):
            break
        path.append((w, b))
    return np.array(path).T


class Drawn(NamedTuple):
    """A network of radius 1 and scale 1, its task's sequence x (T, 1, D), and the last target."""

    net: Network
    x: np.ndarray
    y: np.ndarray

    def of_size(self, state):
        """The network of a state's radius and scale."""
        return setting.of_size(self.net, state.spectral_radius, state.input_scale)


def drawn(state, seed=None) -> Drawn:
    """The network of a state at radius and scale 1 (of another seed), and the state's sequence."""
    seed = state.seed if seed is None else seed
    task = tasks.find(state.task)
    x, y = _sequence_of(state, state.sequence_length)
    return Drawn(_net(*_key(state, seed)), x, y[-1] if task.AT == "every" else y)


def _options(state):
    return tuple((name, value) for name, value in state.options.items() if value)


def _sequence_of(state, length):
    """(x, y); a file is looked at each time, for it may have changed."""
    options = _options(state)
    if state.task != SERIES:
        return _sequence(state.task, options, state.seed, length)
    file, size = dict(options).get("file", ""), 0
    with contextlib.suppress(OSError, ValueError):  # the task says why
        size = os.stat(file).st_size
    if size > MOST_BYTES:
        raise UserError(f"{file} has {size} bytes: the page reads up to {MOST_BYTES}")
    return _sequence.__wrapped__(state.task, options, state.seed, length)


@functools.lru_cache(maxsize=64)
def _sequence(task, options, seed, length):
    stream = setting.task_stream(seed, task)
    x, y = tasks.find(task).sample(stream, length, **dict(options))
    return np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y)


def _is_long_enough(state, length):
    try:
        _sequence_of(state, length)
    except UserError:
        return False
    return True


def _key(state, seed):
    """What a network of radius and scale 1 follows from."""
    sizes = tasks.sizes(state.task, dict(_options(state)))
    network = state.cell, state.activation, state.init, state.hidden_size, state.forget_bias
    return sizes, network, seed


def _net(sizes, network, seed):
    """The draw, kept: of large networks, which have megabytes, a few."""
    return (_large if network[3] > LARGE else _small)(sizes, network, seed)


def _draw(sizes, network, seed):
    (inputs, outputs), (cell, activation, init, hidden, forget_bias) = sizes, network
    return Network.draw(
        cell, inputs=inputs, hidden=hidden, outputs=outputs, activation=activation, init=init,
        spectral_radius=1.0, forget_bias=forget_bias, seed=seed,
    )  # fmt: skip


_small, _large = functools.lru_cache(512)(_draw), functools.lru_cache(32)(_draw)


@functools.lru_cache(maxsize=64)
def _spectra(*key):
    """{gate, or W: (eigenvalues, singular values)} at radius 1."""
    net = _net(*key)
    return {
        name: (np.linalg.eigvals(W), np.linalg.svd(W, compute_uv=False))
        for name, W in weights.square(net.module, net.weights).items()
    }


def _start(state, seed=None):
    """What a network that no input drives starts from, as `gradlab.measures` draws it; else None.

    A pair (h, c) of an LSTM.
    """
    if state.input_scale:
        return None
    constants = _constants(state) | {"seed": state.seed if seed is None else seed}
    start = _drawn_start(tuple(constants.items()), state.sequence_length)
    parts = np.split(start, len(_net(*_key(state, state.seed)).state_parts), axis=-1)
    return tuple(parts) if len(parts) > 1 else parts[0]


@functools.lru_cache(maxsize=512)
def _drawn_start(constants, length):
    return setting.draw(Block({}, dict(constants)), length).start


def _constants(state):
    """The constants of `gradlab.measures.last_step`."""
    names = ("cell", "activation", "init", "hidden_size", "input_scale", "task", "forget_bias")
    found = {name: getattr(state, name) for name in names} | {"seed": state.seed}
    return found | dict(_options(state))


def _lines(state, own, net, spectra):
    """Theory's lines of a plain cell: of gates it says nothing simple."""
    if net.module.gates:
        return {}
    lag = np.arange(len(own.x) + 1)
    (eigenvalues, singular), *_ = spectra.values()
    largest = state.spectral_radius * np.abs(eigenvalues).max()
    bound = activation_of(state.activation).steepest * state.spectral_radius * singular[0]
    lines = {"radius^lag": lag * np.log10(largest), "bound": lag * np.log10(bound)}
    if state.cell == "elman" and state.init in INDEPENDENT:
        lines["mean field"] = _mean_field(state, own, net)
    return lines


def _mean_field(state, own, net):
    gain = theory.weight_gain(net.weights["W"])
    drives = np.square(own.x[:, 0] @ net.weights["U"].T).mean(1)
    begin = 0.0 if state.input_scale else np.square(_start(state)).mean()
    rates = theory.exponents(gain, drives, state.activation, begin) / math.log(10)
    return np.concatenate([[0.0], np.cumsum(rates[::-1])])


def _horizon(relative):
    far = np.abs(relative) >= 1
    return float(far.argmax()) if far.any() else math.nan


def _felt(relative):
    """The largest lag at which it is at least FELT; nan if that is the last one."""
    heard = np.flatnonzero(relative >= FELT)
    return float(heard[-1]) if heard.size and heard[-1] < len(relative) - 1 else math.nan


def _log10_norms(found):
    """log10 of the norm of all weights' gradients of each network of a `Many`."""
    squares = [
        2 * log2_norms(array.reshape(len(array), -1), found.exponents[name])
        for name, array in found.weights.items()
    ]
    return np.logaddexp2.reduce(squares) / 2 * LOG10_2
