"""How dL_T/dh_0 depends on the length T, and the Lyapunov exponents along the same states."""

import math

import numpy as np

from gradlab.measures.setting import (
    Lanes,
    bad_steps,
    cell_of,
    check,
    constant,
    draw,
    dtype_of,
    passed,
    places_of,
    scaled,
)
from gradlab.nets import bptt, lyapunov, registry, statuses
from gradlab.nets.batch import part_of

SLOPES = {  # f' from f
    "tanh": lambda h: 1 - h * h,
    "sigmoid": lambda h: h * (1 - h),
    "relu": lambda h: (h > 0) * 1.0,
    "identity": np.ones_like,
}
SETTLE = 100  # steps in which perturbations turn into the directions that grow fastest
EVERY = 5  # steps a QR, or fewer
COLUMNS = {
    "log10_gradient": "log10 of ||dL_T/dh_0||, L_T = v . h_T with one v for all T (decades)",
    "log10_product": "the same by NumPy alone: J_1^T ... J_T^T v with J_t = diag(f'(a_t)) W of the "
    "states as they are; nan but for an elman of one layer (decades)",
    "lyapunov_N": "N-th largest Lyapunov exponent, nan for T <= 100 (natural logarithms a step)",
}


def measure(block):
    """One row a point of a block that shares its seed, init, activation, hidden_size and task.

    Of a stack h is the top layer's, and the Jacobians are those of its own state alone.
    The loss is linear, L_T = v . h_T with one v for all T, so that all change with T is the work
    of the Jacobians: dL_T/dh_0 = J_1^T ... J_T^T v. The Lyapunov exponents of COLUMNS are by QR of
    forward perturbations along the same states, means over the steps from SETTLE to T. status: ok,
    zero, overflow, nan.
    """
    lanes = Lanes.of(block)
    check(lanes)
    shared = draw(block, lanes.lengths.max()).cast(dtype_of(block))
    start = np.repeat(np.atleast_2d(shared.start)[:, None], len(lanes.radius), axis=1)
    run = passed(shared.net, lanes.radius, scaled(shared, lanes), start)
    columns = {"log10_gradient": _gradients(run, shared, lanes)}
    columns["log10_product"] = _products(run, shared.net, lanes)
    logs = np.concatenate([_growth(run, lane, lanes.lengths) for lane in range(len(lanes.radius))])
    for i in (0, 1):
        columns[f"lyapunov_{i + 1}"] = logs[:, :, i].T.ravel()
    columns["status"] = _status(run, shared, lanes, columns["log10_gradient"])
    return {name: column[lanes.places] for name, column in columns.items()}


def estimate(block):
    """(seconds, bytes) of one worker: the Jacobians' products, at 20 GFlop/s, and their QR."""
    lanes = Lanes.of(block)
    check(lanes)
    hidden, steps = constant(block, "hidden_size"), int(lanes.lengths.max()) * len(lanes.radius)
    cell = registry.find(cell_of(block))
    size, state = math.prod(cell.shapes(1, hidden, 1)["W"]), hidden * len(cell.state_parts)
    seconds = steps * (2 * size * state / 20e9 + 20e-6)
    return seconds, 8 * steps * (len(places_of(block)) * state + 6 * len(lanes.lengths))


def _gradients(run, shared, lanes):
    lengths = lanes.all_lengths
    head = np.zeros((len(lengths), run.trace.state.shape[2]), run.trace.state.dtype)
    part_of(shared.net, head, 0)[:] = shared.net.readout_matrix[0]
    adjoint = bptt.back(run, lengths, head)
    return bptt.log2_norms(adjoint)[0] * math.log10(2)


def _products(run, net, lanes):
    """log10 ||J_1^T ... J_T^T v|| of all lengths, a factor at a time; knows no kernel of ours."""
    lengths = lanes.all_lengths
    if net.cell != "elman" or net.layers > 1:
        return np.full(len(lengths), np.nan)
    radius = np.tile(lanes.radius, len(lanes.lengths))[:, None]
    W, slope = net.weights["W"], SLOPES[net.activation]
    row = np.tile(net.readout_matrix[0], (len(lengths), 1))
    logs = np.zeros(len(lengths))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a status says so
        for t in range(lengths.max(), 0, -1):
            active = np.flatnonzero(lengths >= t)
            states = run.trace.state[t, active % len(lanes.radius)]
            grown = (row[active] * slope(states)) @ W * radius[active]
            size = np.linalg.norm(grown, axis=1)
            logs[active] += np.log10(size)
            row[active] = grown / size[:, None]
    return logs


def _growth(run, lane, lengths):
    """(1, lengths, 2): the two exponents of one forward lane, up to each length."""
    rates, far = np.full((len(lengths), 2), np.nan), lengths[lengths > SETTLE]
    if len(far):
        alone = lyapunov.lane(run, lane)
        _, logs = lyapunov.growth(alone, 2, EVERY, far[::-1], SETTLE)
        rates[: len(far)] = logs[::-1] / (far - SETTLE)[:, None]  # one unit has one exponent
    return rates[None]


def _status(run, shared, lanes, log10_gradient):
    return statuses.status_of(*bad_steps(run, shared, lanes), np.isneginf(log10_gradient))
