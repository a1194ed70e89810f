"""How a cell's memory goes from step to step: past the gates, or by way of W.

The memory m is c of an LSTM and h of other cells. With a gate g that keeps it (f of an LSTM, z of a
GRU), m_t = g_t m_{t-1} + ..., and the Jacobian over several steps is a highway and a detour:

    dm_T/dm_k = diag(g_T ... g_{k+1}) + what came by way of the gates, of W and of the activations

It is the total derivative: a change of an LSTM's c_k goes on through h_k = o_k tanh(c_k), too.
"""

import math

import numpy as np

from gradlab.errors import UserError
from gradlab.measures.norms import log2_norms
from gradlab.measures.setting import Lanes, check, constant, draw, dtype_of, passed, scaled
from gradlab.nets import bptt, draws, statuses
from gradlab.nets.batch import part_of
from gradlab.nets.exponents import plain

LAGS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
SETTLE = 50  # first steps, left out: the state forgets its start
LOG10_2 = math.log10(2)
LOWEST = -(2**40)  # an exponent below all others
WAYS = ("memory", "highway", "detour")
COLUMNS = {
    "log10_memory_lag_N": "log10 of ||dm_T/dm_{T-N}||_F / sqrt(units) (decades)",
    "log10_highway_lag_N": "the same of the gates that keep m alone; nan if the cell has none",
    "log10_detour_lag_N": "the same of all that went by way of W",
    "log10_forward_lag_N": "the same of dm_{s+N}/dm_s from a fixed step s on: a signal on its way",
    "log10_gradient_lag_N": "log10 of ||dL/dh_{T-N}|| / ||dL/dh_T||, L = v . h_T (decades)",
    "keep": "mean of the gate that keeps m; nan if there is none (0 to 1)",
}


def measure(block):
    """One row a spectral radius of a block that shares its cell, forget_bias, seed and task.

    The columns are those of COLUMNS, of a stack the top layer's, v a random direction, and status:
    ok, zero (dm_T/dm_{T-n} at the largest lag), overflow, nan. Without a gate that keeps all is
    detour.
    """
    lanes = Lanes.of(block)
    check(lanes)
    steps = int(lanes.lengths[0])
    if steps < SETTLE + max(LAGS):
        raise UserError(f"sequence_length={steps}: must be at least {SETTLE + max(LAGS)}")
    shared = draw(block, steps).cast(dtype_of(block))
    start = np.zeros_like(
        shared.start, shape=(len(shared.net.places), len(lanes.radius), shared.start.shape[-1])
    )
    run = passed(shared.net, lanes.radius, scaled(shared, lanes), start)
    columns = _back(run, shared.net, steps) | _ahead(run, shared.net)
    columns |= _gradient(run, shared.net, steps, constant(block, "seed"))
    columns["keep"] = _keep(run, shared.net)
    ends = np.full(len(lanes.radius), steps)
    bad, kinds = statuses.first_bad_step(run.trace.state, shared.inputs, ends)
    lost = np.isneginf(columns[f"log10_memory_lag_{max(LAGS)}"])
    columns["status"] = statuses.status_of(bad, kinds, lost)
    return {name: column[lanes.places] for name, column in columns.items()}


def estimate(block):
    """(seconds, bytes) of one worker: unit vectors as lanes of each radius, back from 13 steps."""
    lanes = Lanes.of(block)
    hidden, steps = constant(block, "hidden_size"), int(lanes.lengths[0])
    units = hidden * len(lanes.radius)
    seconds = (2 * steps + sum(LAGS)) * units * (16 * hidden**2 / 20e9 + 1e-7)
    return seconds, 8 * steps * units * 8 * hidden


def _back(run, net, steps):
    """Columns of all ways, from the last step back."""
    norms = memory(run, net, steps, [steps - lag for lag in LAGS])
    return {f"log10_{way}_lag_{lag}": norms[way][i] for way in WAYS for i, lag in enumerate(LAGS)}


def _ahead(run, net):
    """Columns of the memory of step SETTLE, from there on."""
    return {
        f"log10_forward_lag_{lag}": memory(run, net, SETTLE + lag, [SETTLE])["memory"][0]
        for lag in LAGS
    }


def _gradient(run, net, steps, seed):
    """Columns of dL/dh for one random direction at the last step."""
    head = np.zeros_like(run.trace.state[0])
    h = part_of(net, head, 0)
    h[:] = draws.stream(seed=seed, direction=h.shape[1]).standard_normal(h.shape[1])
    adjoint = bptt.back(run, np.full(len(head), steps), head)
    logs = bptt.log2_norms(adjoint) * LOG10_2
    return {f"log10_gradient_lag_{lag}": logs[steps - lag] - logs[steps] for lag in LAGS}


def _kept(run, net):
    """The gate that keeps, of all steps (T, R, N); None for a cell without one."""
    if net.module.forget is None:
        return None
    first = net.module.gates.index(net.module.forget) * net.hidden
    return run.trace.saved[..., first : first + net.hidden].astype(np.float64, copy=False)


def _keep(run, net):
    kept = _kept(run, net)
    return np.full(len(run.gain), np.nan) if kept is None else kept[SETTLE:].mean((0, 2))


def memory(run, net, end, starts):
    """{way: (K, R)}: log10 ||dm_end/dm_k||_F / sqrt(units), k in starts (rising or falling, > 0).

    Unit vectors at step `end` are the lanes of one backward pass: lane u R + r is unit u of the
    pass's column r.
    """
    columns, size = run.trace.state.shape[1:]
    parts = len(net.state_parts)
    units = size // parts
    head = np.zeros((units, columns, parts, units), run.trace.state.dtype)
    head[np.arange(units), :, -1, np.arange(units)] = 1
    head = head.reshape(units * columns, size)
    adjoint = bptt.back(run, np.full(len(head), end), head, low=min(starts) - 1, keep=True)
    rows = [_ways(run, net, adjoint, k, end) for k in starts]
    return {way: np.array([row[i] for row in rows]) for i, way in enumerate(WAYS)}


def _ways(run, net, adjoint, k, end):
    """Memory, highway and detour (R,) each, from dm_end/d(state)_k in the adjoint."""
    columns, parts = len(run.gain), len(net.state_parts)
    exponent = adjoint.exponent[k].reshape(-1, columns)
    rows = adjoint.states[k].reshape(*exponent.shape, parts, -1).astype(np.float64, copy=False)
    level = np.where(rows.any((2, 3)), exponent, LOWEST).max(0)  # a zero row's says nothing
    rows = plain(rows, (exponent - level)[..., None, None])
    jacobian = rows[:, :, -1].copy()  # (units of m_end, R, units of m_k)
    if parts > 1:
        jacobian += rows[:, :, 0] * _output_slope(run, k)
    whole = _norm(jacobian, level)
    kept = _kept(run, net)
    if kept is None:
        return whole, np.full(columns, np.nan), whole
    with np.errstate(divide="ignore"):
        logs = np.log2(kept[k:end]).sum(0)
    here, own = np.arange(logs.shape[1]), np.maximum(logs.max(1), LOWEST)
    jacobian[here, :, here] -= np.exp2(logs - level[:, None]).T
    highway = _norm(np.exp2(logs - own[:, None])[None], own)
    return whole, highway, _norm(jacobian, level)


def _output_slope(run, k):
    """dh_k/dc_k = o_k (1 - tanh(c_k)^2) of an LSTM, (R, N)."""
    o, c = run.trace.saved[k - 1], run.trace.state[k]
    units = c.shape[1] // 2
    return o[:, 3 * units :] * (1 - np.tanh(c[:, units:]) ** 2)


def _norm(array, level):
    """log10 of the Frobenius norm over sqrt(units) of each column of (..., R, units) 2^level."""
    rows = np.moveaxis(array, -2, 0).reshape(len(level), -1)
    return (log2_norms(rows, level) - 0.5 * math.log2(array.shape[-1])) * LOG10_2
