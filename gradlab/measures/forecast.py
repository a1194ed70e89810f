"""The driven oscillator learnt from the first half of a motion and forecast over the other.

With F_t the force, s_t = (position, velocity), and steps of `interval`, a network learns s_{t+1}

    driven     from the forces up to step t, and from s_0, which is shown at the first step
    fed_back   from forces and states up to step t; in the forecast its own outputs take the place
               of states: an input like the force, or what the cell of `jordan` feeds back anyway

by a cell (elman, jordan, lstm, gru or a user's own), or by window: a feed-forward net, tanh units
and a linear readout on the last WINDOW inputs side by side, which is an elman cell that makes a
single step.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError, one_of
from gradlab.learning.plan import Plan
from gradlab.learning.training import Training
from gradlab.measures import pace
from gradlab.measures.setting import constant, dtype_of
from gradlab.nets import registry
from gradlab.nets.network import Network
from gradlab.tasks.oscillator import Oscillator

COLUMNS = {
    "model": "a cell, or window: a feed-forward net on the last 10 inputs",
    "mode": "driven: by the force; fed_back: in the forecast its own outputs are its inputs",
    "time": "time of the motion; from half of `until` on it is forecast (units of sqrt(m/k))",
    "until": "the end of the motion (units of sqrt(m/k))",
    "position": "the network's",
    "velocity": "the network's",
    "exact_position": "in closed form",
    "exact_velocity": "in closed form",
    "persistent_position": "the last position of the training's half, from then on",
    "eigenvalue_N_real": "N-th largest eigenvalue of dh_t/dh_{t-1} (jordan: dy_t/dy_{t-1}) at the "
    "mean f' of the training's half; nan for gates, window and layers",
    "eigenvalue_N_imag": "its imaginary part",
}
ROUNDING_DECIDES = True  # see gradlab.suite.reproduce: another machine trains otherwise
WINDOW = 10
EIGENVALUES = 4
MISSING = complex(np.nan, np.nan)
RNNS = ("elman", "jordan")
PLANNED = (
    "updates", "learning_rate", "optimizer", "schedule", "clip_threshold", "clip_style", "seed",
)  # fmt: skip


class Motion(NamedTuple):
    """forces (n, 1) at times 0, interval, ...; states (n + 1, 2) in closed form; seen: n/2."""

    forces: np.ndarray
    states: np.ndarray
    seen: int


def measure(block):
    """One row a time of a block that shares model, mode and seed: the columns of COLUMNS."""
    model = constant(block, "model")
    if not str(model).endswith(".py"):
        model = one_of("model", model, (*registry.names(), "window"))
    mode = one_of("mode", constant(block, "mode"), FORECASTS)
    interval, times = constant(block, "interval"), block.points["time"]
    index = _steps(times, interval)
    motion = _motion(int(_steps(np.array([constant(block, "until")]), interval)[0]), interval)
    inputs = _inputs(motion, mode, model)
    net = _trained(block, motion, inputs)
    outputs = np.vstack([motion.states[:1], FORECASTS[mode](net, motion, inputs, model)])
    columns = {
        "position": outputs[index, 0],
        "velocity": outputs[index, 1],
        "exact_position": motion.states[index, 0],
        "exact_velocity": motion.states[index, 1],
        "persistent_position": motion.states[np.minimum(index, motion.seen), 0],
    }
    spectrum = _spectrum(net, motion, inputs, model)
    for n in range(EIGENVALUES):
        columns[f"eigenvalue_{n + 1}_real"] = np.full(len(index), spectrum[n].real)
        columns[f"eigenvalue_{n + 1}_imag"] = np.full(len(index), spectrum[n].imag)
    return columns


def estimate(block):
    """(seconds, bytes) of one worker: see gradlab.measures.pace; the forecast itself is little."""
    model, hidden = constant(block, "model"), constant(block, "hidden_size")
    seen = int(constant(block, "until") / constant(block, "interval")) // 2
    load = pace.Load(model, seen, 1, 3, hidden, 2)
    if model == "window":
        load = pace.Load("elman", 1, seen, 3 * WINDOW, hidden, 2)
    one = pace.update(load, optimizer=constant(block, "optimizer"))
    return constant(block, "layers", 1) * constant(block, "updates") * one, 2**24


def _steps(times, interval):
    steps = np.rint(times / interval).astype(int)
    if not np.allclose(steps * interval, times):
        raise UserError(f"interval={interval:g}: must divide every time of the grid")
    return steps


def _motion(steps, interval):
    system = Oscillator()
    forces = system.force(interval * np.arange(steps))[:, None]
    return Motion(forces, system.motion(steps, interval), steps // 2)


def _inputs(motion, mode, model):
    """(n, 3): the force, and s_0 at the first step alone or s_t at every one."""
    shown = motion.states[:-1].copy()
    if mode == "driven" or model == "jordan":
        shown[1:] = 0
    return np.hstack([motion.forces, shown])


def _trained(block, motion, inputs):
    model, mode = constant(block, "model"), constant(block, "mode")
    x, y = inputs[: motion.seen, None], motion.states[1 : motion.seen + 1, None]
    if model == "window":
        x, y = _windows(inputs[: motion.seen])[None], y.transpose(1, 0, 2)
    cell = "elman" if model == "window" else model
    net = Network.draw(
        cell, inputs=x.shape[-1], hidden=constant(block, "hidden_size"), outputs=2,
        spectral_radius=None if registry.find(cell).gates else 0.9, seed=constant(block, "seed"),
        layers=constant(block, "layers", 1), dtype=dtype_of(block),
    )  # fmt: skip
    lesson = SimpleNamespace(LOSS="squared_error", AT="every", sample=lambda *_: (x, y))
    plan = Plan(
        "oscillator", len(x), batch=x.shape[1], log_every=constant(block, "updates"),
        teacher_forcing=model == "jordan" and mode == "fed_back",
        **{name: constant(block, name) for name in PLANNED},
    )  # fmt: skip
    training = Training(net, lesson, plan)
    training.run()
    return training.net


def _windows(inputs):
    """(n, WINDOW 3): each step's inputs beside those before it, zeros before the first."""
    padded = np.vstack([np.zeros((WINDOW - 1, inputs.shape[1])), inputs])
    return np.hstack([padded[lag : lag + len(inputs)] for lag in range(WINDOW)])


def _driven(net, motion, inputs, model):
    """Outputs (n, 2) under the forces alone."""
    if model == "window":
        return net.forward(_windows(inputs)[None]).outputs[0]
    return net.forward(inputs[:, None]).outputs[:, 0]


def _fed_back(net, motion, inputs, model):
    """Outputs (n, 2): one step ahead over the training's half, then from its own outputs."""
    inputs, seen = inputs.copy(), motion.seen
    if model == "jordan":
        taught = net.forward(inputs[:seen, None], teacher=motion.states[1 : seen + 1, None])
        free = net.forward(inputs[seen:, None], h0=motion.states[seen])
        return np.vstack([taught.outputs[:, 0], free.outputs[:, 0]])
    outputs = _driven(net, motion, inputs, model)
    passed = None if model == "window" else net.forward(inputs[:seen, None])
    for t in range(seen, len(inputs)):
        if t > seen:
            inputs[t, 1:] = outputs[t - 1]
        if model == "window":
            outputs[t] = net.forward(_windows(inputs[t + 1 - WINDOW : t + 1])[None, -1:]).outputs
        else:
            passed = net.forward(inputs[t : t + 1, None], h0=_last(passed))
            outputs[t] = passed.outputs[0, 0]
    return outputs


FORECASTS = {"driven": _driven, "fed_back": _fed_back}


def _last(passed):
    """What a pass ends with, as the next one's h0."""
    parts = [
        np.array([own[-1, 0] for own in every])
        for every in (passed.layers, passed.cell_layers)
        if every
    ]
    return tuple(part[0] if len(part) == 1 else part for part in parts)


def _spectrum(net, motion, inputs, model):
    if model not in RNNS or net.layers > 1:
        return np.full(EIGENVALUES, MISSING)
    x, own = inputs[: motion.seen], net.weights
    before = motion.states[: motion.seen]
    if model == "elman":
        before = net.forward(x[:, None]).states[:-1, 0]
    slope = 1 - np.tanh(before @ own["W"].T + x @ own["U"].T + own["b"]) ** 2
    jacobian = slope.mean(0)[:, None] * own["W"]
    if model == "jordan":
        jacobian = own["V"] @ jacobian
    found = np.linalg.eigvals(jacobian).astype(complex)
    found = found[np.lexsort((-found.imag, -abs(found).round(12)))]
    return np.append(found, np.full(EIGENVALUES, MISSING))[:EIGENVALUES]
