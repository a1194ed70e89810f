"""The memory's Jacobian and its two ways, beside the obvious products of single steps."""

import numpy as np
import pytest
import reference
from networks import CELLS

from gradlab.errors import UserError
from gradlab.measures import highway, setting
from gradlab.nets import cell as cells
from gradlab.suite.grid import Block

STEPS = highway.SETTLE + max(highway.LAGS) + 3


def block(cell, steps=STEPS, radii=(0.0, 0.6, 1.3)):
    gated = hasattr(cells.find(cell), "FORGET")
    constants = {"cell": cell, "forget_bias": 0.7 * gated, "seed": 1, "task": "noise",
                 "hidden_size": 5, "activation": "tanh", "init": "gaussian",
                 "sequence_length": steps, "input_scale": 0.5}  # fmt: skip
    return Block({"spectral_radius": np.array(radii)}, constants)


def naive(given, radius):
    """The states of one network, and dm_a/dm_b by central differences of the twin's steps."""
    shared = setting.draw(given, STEPS)
    net, x = shared.net, 0.5 * shared.inputs[:, 0]
    weights = {**net.weights, "W": radius * net.weights["W"]}
    states, kept = reference.states(net, x, np.zeros_like(shared.start), weights)
    step = reference.CELLS[net.cell].step
    units = states.shape[1] // len(net.state_parts)

    def ahead(state, first, last):
        for t in range(first, last):
            state = step(weights, x[t], state, np.tanh)[0]
        return state[-units:]

    def jacobian(last, first):
        columns = []
        for i in range(units):
            ends = []
            for move in (1e-6, -1e-6):
                state = states[first].copy()
                state[-units + i] += move
                if len(net.state_parts) > 1:  # h_k = o_k tanh(c_k) follows
                    state[:units] = kept[first - 1][3] * np.tanh(state[units:])
                ends.append(ahead(state, first, last))
            columns.append((ends[0] - ends[1]) / 2e-6)
        return np.array(columns).T

    return jacobian, kept


def size(matrix):
    return np.log10(np.linalg.norm(matrix) / np.sqrt(len(matrix)))


@pytest.mark.parametrize("cell", CELLS)
def test_memory_is_the_jacobian_and_highway_and_detour_its_parts(cell):
    given = block(cell)
    table = highway.measure(given)
    for row in (1, 2):
        jacobian, kept = naive(given, given.points["spectral_radius"][row])
        for lag in (1, 3):
            whole = jacobian(STEPS, STEPS - lag)
            near = {"abs": 1e-6}
            assert table[f"log10_memory_lag_{lag}"][row] == pytest.approx(size(whole), **near)
            later = jacobian(highway.SETTLE + lag, highway.SETTLE)
            assert table[f"log10_forward_lag_{lag}"][row] == pytest.approx(size(later), **near)
            if cell not in ("lstm", "gru"):
                assert np.isnan(table[f"log10_highway_lag_{lag}"][row])
                assert table[f"log10_detour_lag_{lag}"][row] == pytest.approx(size(whole), **near)
                continue
            gates = np.diag(np.prod([step[1] for step in kept[STEPS - lag :]], axis=0))
            assert table[f"log10_highway_lag_{lag}"][row] == pytest.approx(size(gates), **near)
            detour = size(whole - gates)
            assert table[f"log10_detour_lag_{lag}"][row] == pytest.approx(detour, abs=1e-5)


def test_without_w_a_gated_cell_is_its_highway_and_the_others_are_nothing():
    for cell in CELLS:
        table = highway.measure(block(cell))
        if not hasattr(cells.find(cell), "FORGET"):
            assert table["status"].tolist() == ["zero", "ok", "ok"]
            continue
        assert table["status"].tolist() == ["ok"] * 3 and 0.6 < table["keep"][0] < 0.7
        whole, detour = (table[f"log10_{way}_lag_30"][0] for way in ("memory", "detour"))
        assert detour < whole - 12


def test_a_sequence_that_is_too_short_is_one_line():
    with pytest.raises(UserError, match="sequence_length=80: must be at least 150"):
        highway.measure(block("lstm", 80))
