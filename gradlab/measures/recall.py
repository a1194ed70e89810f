"""What a network's state still holds of its input: short-term memory (Jaeger 2001), and gradients.

    m_k = squared correlation of x_{t-k} and its best linear readout from the state at step t

The memory capacity, the sum of m_k over all lags k, is at most the number of values in the state,
whatever the network (Jaeger, GMD report 152, proposition 2). A Jordan cell's state is its O outputs.
"""

import math

import numpy as np

from gradlab.errors import UserError
from gradlab.measures.setting import Lanes, check, constant
from gradlab.nets import cell as cells
from gradlab.nets import draws, gradients, health, weights
from gradlab.nets.network import Network

LAGS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40)
REACH = 40  # the longest lag that counts as memory
SETTLE = 100
GRADIENT_LAGS = (1, 2, 5, 10, 20, 30, 40)
LOG10_2 = math.log10(2)


def measure(block):
    """One row a spectral radius of a block that shares its cell, outputs and seed.

    White noise of size input_scale goes in. Readouts are fitted on one half of the steps and judged
    on the other.

    memory_lag_n           m_n, 0 to 1 (a readout that fails on the other half has 0)
    capacity               sum of m_n over n = 0 to REACH
    state_size             values in the state
    rank                   of ds_T/ds_{T-5}: its singular values above 1e-6 of the largest
    log10_gradient_lag_n   log10 of ||dL/ds_{T-n}|| / ||dL/ds_T||, L = v . s_T, v a random direction
    status                 ok, zero (dL/ds at the largest lag)
    """
    lanes = Lanes.of(block)
    check(lanes)
    net, x, stream = _draw(block, int(lanes.lengths[0]))
    run = _forward(net, x * lanes.scale[0], lanes.radius)
    table = _memory(run.trace.state, x[:, 0, 0]) | _gradient(run, stream)
    table["rank"] = _rank(run)
    table["state_size"] = np.full(len(lanes.radius), run.trace.state.shape[2])
    lost = np.isneginf(table[f"log10_gradient_lag_{max(GRADIENT_LAGS)}"])
    table["status"] = np.where(lost, health.ZERO, health.OK)
    return {name: column[lanes.index] for name, column in table.items()}


def estimate(block):
    """(seconds, bytes) of one worker: the loops, and a least-squares fit a radius."""
    lanes = Lanes.of(block)
    hidden, steps = constant(block, "hidden_size"), int(lanes.lengths[0])
    work = len(lanes.radius) * steps
    return work * (10 * hidden**2 / 10e9 + 2e-6), 8 * work * 4 * hidden
