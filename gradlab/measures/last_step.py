"""The gradients of a loss at the last step, for all radii, input scales and lengths of a draw.

Of a stack, what is said of h and c is the top layer's; in both directions it is the forward one's:
the reverse one begins at the last step, and its gradient has no way to go.
"""

import math
from typing import NamedTuple

import numpy as np

from gradlab import tasks
from gradlab.measures import predicted
from gradlab.measures.norms import add, log2_norms
from gradlab.measures.rate import slowness
from gradlab.measures.setting import (
    Lanes,
    bad_steps,
    cell_of,
    check,
    constant,
    draw,
    dtype_of,
    of_size,
    passed,
    places_of,
    scaled,
)
from gradlab.nets import bptt, registry, statuses
from gradlab.nets.batch import part_of
from gradlab.nets.exponents import log2_norm
from gradlab.nets.losses import loss_of

LAGS = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 400, 500)
ORDER = ("U", "W", "b", "b_recurrent", "V", "c")
LOG10_2 = math.log10(2)
COLUMNS = {
    "loss": "L = ||o_T - y_T||^2, at the last step",
    "log10_gradient_ratio": "log10 of ||dL/dh_0|| / ||dL/dh_T||, of layers the top one's, in both "
    "directions the forward one's (decades)",
    "decades_per_step": "log10_gradient_ratio over T (decades a step)",
    "log10_cell_gradient_lag_N": "an LSTM's log10 of ||dL/dc_{T-N}|| / ||dL/dh_T|| (decades)",
    "horizon": "smallest lag at which the gradient has changed tenfold; nan if none (steps)",
    "log10_norm_U": "log10 of ||dL/d(input_scale U)||, of stacks in the lowest layer: the scale "
    "counts as part of U, and dL/dU of the drawn U is input_scale times as large",
    "log10_norm_W": "log10 of ||dL/dW||",
    "log10_norm_b": "log10 of ||dL/db||",
    "log10_norm_b_recurrent": "log10 of the norm of the gradient in a GRU's second bias",
    "log10_norm_V": "log10 of ||dL/dV||",
    "log10_norm_c": "log10 of ||dL/dc||, c the readout's bias",
    "log10_norm_all": "log10 of the norm of all weights' gradients together, U's as said there",
    "log10_norm_W_early": "log10 of the norm of the terms k <= T/2 of dL/dW, the lowest layer's",
    "early_share": "norm of the terms k <= T/2 of dL/dW over that of dL/dW",
    "float32_norm_state": "||dL/dh_0|| as a float32 root of a sum of squares shows it: 0 or inf",
    "float32_norm_all": "the norm of all weights' gradients, likewise",
    "float64_norm_state": "||dL/dh_0|| as a float64 root of a sum of squares shows it",
    "float64_norm_all": "the norm of all weights' gradients, likewise",
    "eigenvalue_radius": "largest |eigenvalue| of W (jordan: of W V; gates: of each one's block; "
    "layers: of each one's W)",
    "singular_value": "largest singular value of W (jordan: of W V; layers: of the top one's)",
    "rate_eigenvalue": "log10 of eigenvalue_radius; nan for gates (decades a step)",
    "rate_singular": "the most that singular_value allows; nan for gates (decades a step)",
    "rate_mean_field": "mean field's prediction; nan where it has none (decades a step)",
}


def measure(block):
    """One row a point of a block that shares its seed, init, hidden_size, task and cell.

    A network of one sequence, L = ||o_T - y_T||^2, o = V h_T (elman unless `cell` says otherwise; a
    cell with gates has the radius in each of them, and forget_bias; Jordan's h is its output), of
    so many `layers`, each with the radius, `bidirectional`, computed in `dtype`. Its columns are
    those of COLUMNS, and status: ok, zero (dL/dh_0), not_connected (V = 0), overflow, nan.

    The network of a point has the weights rho W and s U, rho its spectral_radius and s its
    input_scale, and its gradients are in these: dL/d(s U) = sum over t of delta_t x_t^T, with the
    task's x, whatever s is. So at scale 0 it is not zero, and dL/dU = s dL/d(s U).
    """
    lanes = Lanes.of(block)
    check(lanes)
    task = tasks.find(constant(block, "task"))
    if len(places_of(block)) > 1:
        parts = [
            _measure_each(block, task, lanes._replace(lengths=n)) for n in lanes.lengths[:, None]
        ]
    elif task.LENGTH_FREE:  # shorter sequences are prefixes: one forward pass serves all lengths
        parts = [_measure(block, task, lanes)]
    else:
        parts = [_measure(block, task, lanes._replace(lengths=n)) for n in lanes.lengths[:, None]]
    return {name: np.concatenate([part[name] for part in parts])[lanes.places] for name in parts[0]}


def estimate(block):
    """(seconds, bytes) of one worker; the constants' fit is held by the experiment `cost`.

    As every core works on a block: what Python does, of a block and of a step, waits for the other
    blocks'. A fixed part; the spectra of W, N^3; a step, with theory's, which reads W; products at
    26 GFlop/s; what is elementwise, and what is recorded, of a step and lane.
    """
    lanes = Lanes.of(block)
    check(lanes)
    hidden, columns = constant(block, "hidden_size"), len(lanes.radius)
    size = math.prod(registry.find(cell_of(block)).shapes(1, hidden, 1)["W"])
    steps, entries = int(lanes.lengths.max()), columns * len(lanes.lengths)
    forward, back = steps * columns, int(lanes.lengths.sum()) * columns
    if (chains := len(places_of(block))) > 1:  # network by network
        points, both = len(lanes.lengths) * columns, forward + 2 * back
        seconds = points * 3e-3 + chains * back * (30e-6 + 1e-9 * size)
        return slowness() * seconds, 64 * chains * steps * (hidden + both // points)
    seconds = 8e-3 + 2.3e-9 * hidden**3 + steps * (33e-6 + 0.23e-9 * size)
    seconds += 2 * size * (forward + 2 * back) / 26e9 + 0.45e-6 * back + 4e-8 * steps * entries
    sums, records = 2 * entries * size, 6 * steps * entries
    return slowness() * seconds, 8 * (forward * (hidden + 2) + sums + records)


def _measure(block, task, lanes):
    """The columns for every lane, in the order of lanes.all_lengths."""
    exact = draw(block, lanes.lengths.max())
    shared = exact.cast(dtype_of(block))
    # all radii and scales are lanes of one W: the radius is the lane's gain, the scale is in x
    initial = np.where(lanes.scale[:, None] == 0, shared.start, 0.0)
    run = passed(shared.net, lanes.radius, scaled(shared, lanes), initial)
    end = _End(run.trace, shared, task, lanes)
    sums, adjoint = _backward(run, shared, lanes, end.head)
    parts = [bptt.log2_norms(adjoint, i) * LOG10_2 for i in range(len(shared.net.state_parts))]
    bad, kinds = _bad_steps(run, shared, lanes, end)
    norms, early = _weight_norms(sums, end)
    found = _Found(end.loss, parts, norms, early, bad, kinds, end.slope)
    return _columns(found, lanes.all_lengths, predicted.columns(block, exact, lanes))


def _measure_each(block, task, lanes):
    """The same of networks with several chains, one by one; the lanes share their length."""
    exact = draw(block, lanes.lengths[0])
    shared = exact.cast(dtype_of(block))
    rows = [_of_one(shared, task, *point) for point in zip(lanes.radius, lanes.scale, strict=True)]
    theory = predicted.columns(block, exact, lanes)
    tables = [
        _columns(row, lanes.lengths, {name: column[[i]] for name, column in theory.items()})
        for i, row in enumerate(rows)
    ]
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


class _Found(NamedTuple):
    """What a way back found of L lanes.

    loss (L,); parts: log10 ||dL/d(part of the state)_t|| (T + 1, L), h first; weights {name: log10
    norm (L,)}, early: that of the terms k <= T/2 of dL/dW; bad: the first bad step, 0 if none is,
    and kinds: why; slope: dL/do (L, O).
    """

    loss: np.ndarray
    parts: list
    weights: dict
    early: np.ndarray
    bad: np.ndarray
    kinds: np.ndarray
    slope: np.ndarray


def _columns(found, lengths, theory):
    """The columns of what was found, and theory's."""
    states = found.parts[0]
    with np.errstate(invalid="ignore"):
        columns = _by_lag(states, lengths) | _of_weights(found)
        for own in found.parts[1:]:
            columns |= _cell_by_lag(own, states, lengths)
    columns |= _plain_norms(states[0], columns["log10_norm_all"])
    columns = {"loss": found.loss} | columns
    for column in columns.values():
        column[found.bad > 0] = np.nan
    reach = statuses.reach(found.slope[None], np.max(found.parts, axis=0))
    zero, detached = reach == statuses.ZERO, reach == statuses.NOT_CONNECTED
    status = statuses.status_of(found.bad, found.kinds, zero, detached)
    return columns | theory | {"first_bad_step": found.bad, "status": status}


def _of_one(shared, task, radius, scale):
    """What a network with several chains has."""
    net, x = of_size(shared.net, radius, scale), shared.inputs
    y = shared.targets[-1] if task.AT == "every" else shared.targets
    h0 = None if scale else tuple(np.split(shared.start, len(net.state_parts), axis=1))
    got = net.gradients(x, y, task.LOSS, "last", h0=h0)
    parts = got.part_lag_log2(net.layers - 1, "forward").values()
    early = log2_norm(*_listed(got.first_terms(len(x) // 2)))
    return _Found(
        loss=np.array([got.loss]),
        parts=[one * LOG10_2 for one in parts],
        weights={name: np.array([log2 * LOG10_2]) for name, log2 in got.log2_norms.items()},
        early=np.array([early * LOG10_2]),
        bad=got.bad_step,
        kinds=got.status,
        slope=got.outputs[-1],
    )


def _listed(pair):
    array, exponent = pair
    return [array], exponent


class _End:
    """Every lane's loss at its own last step."""

    def __init__(self, trace, shared, task, lanes):
        lengths, net = lanes.all_lengths, shared.net
        state = trace.state[lengths, np.arange(len(lengths)) % len(lanes.radius)]
        self.h = np.ascontiguousarray(part_of(net, state, 0))
        every = task.AT == "every"
        targets = shared.targets[lengths - 1, 0] if every else shared.targets
        targets = np.broadcast_to(targets, (len(lengths), *targets.shape[1:]))
        self.targets = targets.reshape(len(lengths), -1)
        loss, self.slope = loss_of(net.readout(self.h), targets, task.LOSS)
        self.loss = loss.astype(np.float64)
        self.head = np.zeros_like(state)
        with np.errstate(over="ignore", invalid="ignore"):
            part_of(net, self.head, 0)[:] = self.slope @ net.readout_matrix


def _backward(run, shared, lanes, head):
    """Each lane's own gradients; the terms k <= T/2 are summed apart, in entries L to 2 L - 1."""
    lengths = lanes.all_lengths
    count, halves = len(lengths), lengths // 2
    sources = run.cell.sources(run.trace, shared.inputs)

    def entries(span):
        active = np.arange(span[2])
        return active + count * (halves[active] >= span[1])

    sums = bptt.LaneSums(sources, 2 * count, entries)
    return sums, bptt.back(run, lengths, head, sums, edges=lanes.lengths // 2)


def _by_lag(states, lengths):
    """How the gradient changes on its way back, from log10 ||dL/dh_t|| (T+1, L)."""
    every = np.arange(len(lengths))
    relative = states - states[lengths, every]
    ratio = relative[0].copy()
    columns = {"log10_gradient_ratio": ratio, "decades_per_step": ratio / lengths}
    columns["horizon"] = _horizon(relative, lengths)
    for lag in LAGS:
        within = lag <= lengths
        at = np.where(within, lengths - lag, 0)
        columns[f"log10_gradient_lag_{lag}"] = np.where(within, relative[at, every], np.nan)
    return columns


def _cell_by_lag(own, states, lengths):
    """The same for an LSTM's c, relative to dL/dh_T: dL/dc_T is zero, the loss reads h_T."""
    every = np.arange(len(lengths))
    relative = own - states[lengths, every]
    return {
        f"log10_cell_gradient_lag_{lag}": np.where(
            lag <= lengths, relative[np.maximum(lengths - lag, 0), every], np.nan
        )
        for lag in LAGS
    }


def _horizon(relative, lengths):
    times = np.arange(len(relative))[:, None]
    far = (np.abs(relative) >= 1) & (times <= lengths)
    latest = len(relative) - 1 - far[::-1].argmax(0)
    return np.where(far.any(0), lengths - latest, np.nan)


def _weight_norms(sums, end):
    """({name: log10 norm of each weight's gradient}, that of the terms k <= T/2 of dL/dW)."""
    early, whole = {}, {}
    for name, total in sums.total.items():
        early[name], whole[name] = _halves(total, sums.exponent[name])
    if "V" not in whole:
        whole["c"] = log2_norms(end.slope) * LOG10_2
        whole["V"] = whole["c"] + log2_norms(end.h) * LOG10_2
    return {name: whole[name] for name in sorted(whole, key=ORDER.index)}, early["W"]


def _of_weights(found):
    """The columns of the weights' norms, of all together, and of the early half's share."""
    columns = {f"log10_norm_{name}": norm for name, norm in found.weights.items()}
    squares = np.stack([2 * math.log(10) * norm for norm in columns.values()])
    columns["log10_norm_all"] = np.logaddexp.reduce(squares) / (2 * math.log(10))
    columns["log10_norm_W_early"] = found.early
    with np.errstate(over="ignore"):
        columns["early_share"] = 10 ** (found.early - found.weights["W"])
    return columns


def _halves(total, exponent):
    """log10 norms of the early halves and of the wholes, from (2 L, G, M) and exponents (2 L,)."""
    count = len(total) // 2
    rows = total.reshape(2 * count, -1)
    whole, early = ((rows[of], exponent[of]) for of in (slice(count), slice(count, None)))
    add(whole, early)
    return [log2_norms(*half) * LOG10_2 for half in (early, whole)]


def _plain_norms(state, weights):
    """What sqrt(sum of squares) shows without any care, in float32 and float64."""
    columns = {}
    for dtype in (np.float32, np.float64):
        for name, log10 in (("state", state), ("all", weights)):
            with np.errstate(over="ignore", under="ignore"):
                squares = (10.0 ** (2 * log10)).astype(dtype)
            columns[f"{dtype.__name__}_norm_{name}"] = np.sqrt(squares).astype(np.float64)
    return columns


def _bad_steps(run, shared, lanes, end):
    """The first bad state of each lane; of finite states, the last step where its loss is bad."""
    bad, kinds = bad_steps(run, shared, lanes)
    lost = (bad == 0) & ~np.isfinite(end.loss)
    why = np.where(np.isfinite(end.targets).all(-1), statuses.OVERFLOW, statuses.NAN)
    return np.where(lost, lanes.all_lengths, bad), np.where(lost, why, kinds)
