"""nan, inf, overflow and underflow at every step and unit: the status and the first bad step."""

from itertools import product

import numpy as np
import test_health
from networks import CELLS

import gradlab
from faults.tally import Tally, wrong
from gradlab.measures import last_step, setting
from gradlab.nets.network import Network
from gradlab.suite.grid import Block

WHAT = "non-finite"
HOW = "nan, inf, overflow and underflow at every (step, unit): passes, stacks, sweeps, trainings"
STEPS, LANES, D, N, OUT = 6, 3, 2, 4, 3
LENGTHS = np.array([4, 6, 5])
LINEAR = {"task": "oscillator", "hidden_size": 4, "activation": "tanh", "init": "gaussian",
          "interval": 0.1, "seed": 3, "input_scale": 0.5}  # fmt: skip


def run(full, place):
    """Short: one cell, one dtype; full: all."""
    tally = Tally()
    for cell, dtype, layers in product(
        CELLS if full else ("elman",), ("float64", "float32") if full else ("float64",),
        (1, 2) if full else (1,),
    ):  # fmt: skip
        if cell == "jordan" and layers > 1:
            continue  # it has one layer
        net = Network.draw(cell, inputs=D, hidden=N, outputs=OUT, layers=layers, dtype=dtype,
                           spectral_radius=0.8, seed=1)  # fmt: skip
        _given(tally, net, f"{cell} {dtype} {layers}")
        _made(tally, net, f"{cell} {dtype} {layers}")
    for cell, dtype in product(("elman", "jordan") if full else ("elman",), ("float64", "float32")):
        _overflowing(tally, cell, dtype)
    for dtype in ("float32", "float64"):
        test_health.test_underflow_is_where_the_format_ends(dtype)
        tally.trial()
    _sweeps(tally, range(1, 10) if full else (1, 9))
    _trainings(tally, full)
    return tally


def _sample(net):
    rng = np.random.default_rng(0)
    kind = net.weights["W"].dtype
    return (0.5 * rng.standard_normal(shape).astype(kind) for shape in
            ((STEPS, LANES, D), (STEPS, LANES, OUT), (LANES, N)))  # fmt: skip


def _held(tally, got, lane, status, step, where):
    expected = ["ok"] * LANES, [0] * LANES
    if lane is not None:
        expected[0][lane], expected[1][lane] = status, step
    found = got.status.tolist(), got.bad_step.tolist()
    tally.trial(wrong(found == expected, f"{where}: {found}, not {expected}"))


def _given(tally, net, name):
    """What is handed in at a step counts there, for its lane alone, and not after its end."""
    for value, what in product((np.nan, np.inf, -np.inf), ("x", "y")):
        x, y, _ = _sample(net)
        array = {"x": x, "y": y}[what]
        for t, lane, unit in np.ndindex(array.shape):
            before, array[t, lane, unit] = array[t, lane, unit].copy(), value
            counts = t < LENGTHS[lane]
            where = f"{name}: {what}[{t}, {lane}, {unit}] = {value}"
            _held(tally, net.gradients(x, y, lengths=LENGTHS), lane if counts else None,
                  "nan", t + 1, where)  # fmt: skip
            array[t, lane, unit] = before


def _made(tally, net, name):
    """A target whose squared error leaves the range is an overflow of its step."""
    x, y, _ = _sample(net)
    # a float32's loss is added up in float64, or not: what is beyond both is beyond any
    for t, lane, unit in np.ndindex(y.shape):
        before, y[t, lane, unit] = y[t, lane, unit].copy(), np.finfo(y.dtype).max
        got = net.gradients(x, y, lengths=LENGTHS)
        _ = got.status, got.bad_step  # which look at y
        y[t, lane, unit] = before
        counts = t < LENGTHS[lane]
        if y.dtype == np.float64:
            where = f"{name}: target {t}, {lane}, {unit} overflows"
            _held(tally, got, lane if counts else None, "overflow", t + 1, where)
        else:
            others = [got.status[k] for k in range(LANES) if k != lane]
            tally.trial(wrong(others == ["ok"] * (LANES - 1), f"{name}: other lanes {others}"))


def _overflowing(tally, cell, dtype):
    """A state that leaves the range at a step, through each input and unit."""
    net = Network.draw(cell, inputs=D, hidden=N, outputs=OUT, activation="identity", dtype=dtype,
                       spectral_radius=0.8, seed=1)  # fmt: skip
    huge = np.sqrt(np.finfo(dtype).max) * 4
    for unit, entry in product(range(N), range(D)):
        U = net.weights["U"]
        before, U[unit, entry] = U[unit, entry].copy(), huge
        for t, lane in product(range(STEPS), range(LANES)):
            x, y, _ = _sample(net)
            x[:, :, entry] = 0  # the huge weight meets nothing else
            x[t, lane, entry] = huge
            counts = t < LENGTHS[lane]
            where = f"{cell} {dtype}: unit {unit} overflows at {t}, lane {lane}"
            _held(tally, net.gradients(x, y, lengths=LENGTHS), lane if counts else None,
                  "overflow", t + 1, where)  # fmt: skip
        U[unit, entry] = before


def _sweeps(tally, steps):
    """An input of a sweep that is spoilt at a step: longer rows say so, shorter ones do not."""
    lengths = np.array([3, 6, 9])
    block = Block({"sequence_length": lengths, "spectral_radius": np.full(3, 0.9)}, LINEAR)
    draw = last_step.draw
    for step, value in product(steps, (np.nan, np.inf)):
        drawn = setting.draw(block, 9)
        drawn.inputs[step - 1] = value
        try:
            last_step.draw = lambda *_, drawn=drawn: drawn
            with np.errstate(all="ignore"):  # as a worker measures
                found = last_step.measure(block)
        finally:
            last_step.draw = draw
        right = ["nan" if step <= length else "ok" for length in lengths]
        first = [step if step <= length else 0 for length in lengths]
        got = list(found["status"]), list(found["first_bad_step"])
        tally.trial(wrong(got == (right, first), f"a sweep, step {step} = {value}: {got}"))


def _trainings(tally, full):
    """A sequence that is not finite at one place: the update that meets it ends the training."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((STEPS, 8, D)), rng.standard_normal((STEPS, 8, OUT))
    kinds = product(("sgd", "adam"), (None, 1.0)) if full else [("sgd", None)]
    for (optimizer, threshold), value in product(kinds, (np.nan, np.inf)):
        for t, unit in np.ndindex(STEPS, D):
            spoilt = x.copy()
            spoilt[t, 5, unit] = value
            net = gradlab.Network.draw(inputs=D, hidden=N, outputs=OUT)
            plan = gradlab.Plan(updates=8, batch=1, optimizer=optimizer, learning_rate=0.01,
                                clip_threshold=threshold, seed=4)  # fmt: skip
            training = gradlab.Training(net, (spoilt, y), plan)
            training.run()
            met = _update_of(plan, 5)
            clean = np.isfinite(training.losses[: met - 1]).all()
            right = training.status == "diverged" and training.update == met and clean
            where = f"a training, {optimizer}, {value} at {t}, {unit}"
            tally.trial(wrong(right, f"{where}: {training.status} at {training.update}, not {met}"))


def _update_of(plan, sequence):
    """The update whose minibatch has that sequence: found by a target that only it has."""
    x, y = np.zeros((1, 8, 1)), np.zeros((1, 8, 1))
    y[:, sequence] = 1.0
    net = gradlab.Network.draw(inputs=1, hidden=1, outputs=1)
    for array in net.weights.values():
        array[:] = 0
    probe = gradlab.Training(net, (x, y), gradlab.Plan(
        updates=plan.updates, batch=plan.batch, learning_rate=0.0, seed=plan.seed))  # fmt: skip
    probe.run()
    return int(np.flatnonzero(np.array(probe.losses) > 0.5)[0]) + 1
