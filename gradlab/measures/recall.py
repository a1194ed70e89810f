"""What a network's state still holds of its input: short-term memory (Jaeger 2001), and gradients.

    m_k = squared correlation of x_{t-k} and its best linear readout from the state at step t

The memory capacity, the sum of m_k over all lags k, is at most the number of values in the state,
whatever the network (Jaeger, GMD report 152). A Jordan cell's state is its O outputs.
"""

import math

import numpy as np

from gradlab.errors import UserError
from gradlab.measures.setting import Lanes, check, constant, dtype_of, passed
from gradlab.nets import bptt, draws, registry, statuses, weights
from gradlab.nets.network import Network

LAGS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 35, 40)
REACH = 40  # the longest lag that counts as memory
SETTLE = 100
GRADIENT_LAGS = (1, 2, 5, 10, 20, 30, 40)
LOG10_2 = math.log10(2)
COLUMNS = {
    "memory_lag_N": "m_N: the part of x_{t-N} that a linear readout of the state tells (0 to 1)",
    "capacity": "memory capacity: sum of m_n over n = 0 to 40 (steps)",
    "state_size": "values in the state: N, or O of a jordan cell",
    "log10_gradient_lag_N": "log10 of ||dL/ds_{T-N}|| / ||dL/ds_T||, L = v . s_T (decades)",
}


def measure(block):
    """One row a spectral radius of a block that shares its cell, outputs and seed.

    White noise of size input_scale goes in. Readouts are fitted on one half of the steps and judged
    on the other, where one that fails has m_n = 0. The columns are those of COLUMNS, s the state
    and v a random direction, and status: ok, zero (dL/ds at the largest lag), overflow, nan.
    """
    lanes = Lanes.of(block)
    check(lanes)
    net, x, stream = _draw(block, int(lanes.lengths[0]))
    start = np.zeros((len(lanes.radius), net.module.state_size(net.prepared())), net.dtype)
    run = passed(net, lanes.radius, (x * lanes.scale[0]).astype(net.dtype), start)
    table = _memory(run.trace.state, x[:, 0, 0]) | _gradient(run, stream)
    table["state_size"] = np.full(len(lanes.radius), run.trace.state.shape[2])
    lost = np.isneginf(table[f"log10_gradient_lag_{max(GRADIENT_LAGS)}"])
    bad, kinds = statuses.first_bad_step(run.trace.state, x, np.full(len(lost), len(x)))
    table["status"] = statuses.status_of(bad, kinds, lost)
    return {name: column[lanes.places] for name, column in table.items()}


def estimate(block):
    """(seconds, bytes) of one worker: the loops, and a least-squares fit a radius."""
    lanes = Lanes.of(block)
    hidden, steps = constant(block, "hidden_size"), int(lanes.lengths[0])
    work = len(lanes.radius) * steps
    return work * (10 * hidden**2 / 10e9 + 2e-6), 8 * work * 4 * hidden


def _draw(block, steps):
    """A network of spectral radius 1, its input (T, 1, 1), and the stream that goes on."""
    if steps < 10 * REACH:
        raise UserError(f"sequence_length={steps}: must be at least {10 * REACH}")
    hidden, outputs = constant(block, "hidden_size"), constant(block, "outputs")
    name, seed = constant(block, "cell"), constant(block, "seed")
    activation = constant(block, "activation")
    stream = draws.stream(seed=seed, hidden_size=hidden, outputs=outputs)
    x = stream.standard_normal((steps, 1, 1))
    try:
        sizes = (1, hidden, outputs)
        drawn = weights.draw(stream, registry.find(name, activation), sizes, spectral_radius=1.0)
    except ValueError as error:
        raise UserError(f"seed={seed}: {error}") from None
    drawn = {name: array.astype(dtype_of(block)) for name, array in drawn.items()}
    return Network(drawn, name, activation), x, stream


def _memory(state, x):
    """Columns of m_n and of the capacity, from states (T+1, R, S) and the input x (T,)."""
    times, state = np.arange(SETTLE, len(x)), state.astype(np.float64, copy=False)
    lagged = np.stack([x[times - lag] for lag in range(REACH + 1)], axis=1)
    found = np.array([_recalled(state[times + 1, r], lagged) for r in range(state.shape[1])])
    columns = {f"memory_lag_{lag}": found[:, lag] for lag in LAGS}
    return columns | {"capacity": found.sum(1)}


def _recalled(state, lagged):
    """m_n of all lags: linear readouts fitted on the first half, judged on the second."""
    if not np.isfinite(state).all():
        return np.full(lagged.shape[1], np.nan)
    half = len(state) // 2
    features = np.column_stack([_standard(state), np.ones(len(state))])
    readouts = np.linalg.lstsq(features[:half], lagged[:half], rcond=1e-10)[0]
    rest = lagged[half:]
    error = np.square(features[half:] @ readouts - rest).sum(0)
    return np.maximum(1 - error / np.square(rest - rest.mean(0)).sum(0), 0)


def _standard(state):
    """Columns of standard deviation 1, or 0 where they are constant; of any size."""
    for size in (lambda values: np.abs(values).max(0), lambda values: values.std(0)):
        own = size(state)
        state = state / np.where(own > 0, own, 1.0)
    return state


def _gradient(run, stream):
    steps, (lanes, size) = len(run.trace.saved), run.trace.state.shape[1:]
    head = np.tile(stream.standard_normal(size).astype(run.trace.state.dtype), (lanes, 1))
    adjoint = bptt.back(run, np.full(lanes, steps), head)
    logs = bptt.log2_norms(adjoint) * LOG10_2
    return {f"log10_gradient_lag_{lag}": logs[steps - lag] - logs[steps] for lag in GRADIENT_LAGS}
