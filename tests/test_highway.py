"""The memory's Jacobian and its two ways, beside the obvious products of single steps."""

import numpy as np
import pytest
import reference
from networks import CELLS

from gradlab.errors import UserError
from gradlab.measures import highway, setting
from gradlab.nets import draws, registry
from gradlab.suite.grid import Block

STEPS = highway.SETTLE + max(highway.LAGS) + 3


def block(cell, steps=STEPS, radii=(0.0, 0.6, 1.3)):
    gated = registry.find(cell).forget is not None
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
        if registry.find(cell).forget is None:
            assert table["status"].tolist() == ["zero", "ok", "ok"]
            continue
        assert table["status"].tolist() == ["ok"] * 3 and 0.6 < table["keep"][0] < 0.7
        whole, detour = (table[f"log10_{way}_lag_30"][0] for way in ("memory", "detour"))
        assert detour < whole - 12


def test_a_sequence_that_is_too_short_is_one_line():
    with pytest.raises(UserError, match="sequence_length=80: must be at least 150"):
        highway.measure(block("lstm", 80))


def lagged(step, lags):
    """log10 of the norm of a product of matrices step(0), step(1), ... after each lag."""
    product, log10, found = None, 0.0, {}
    for i in range(max(lags)):
        product = step(i) if product is None else product @ step(i)
        if not product.any():
            return found | dict.fromkeys([lag for lag in lags if lag > i], -np.inf)
        top = np.abs(product).max()
        product, log10 = product / top, log10 + np.log10(top)
        if i + 1 in lags:
            found[i + 1] = log10 + size(product)
    return found


def test_every_lag_keeps_its_number_though_some_units_are_dead():
    given = block("elman", radii=(1e-3, 0.9))
    given.constants["activation"] = "relu"
    table = highway.measure(given)
    shared = setting.draw(given, STEPS)
    x = 0.5 * shared.inputs[:, 0] @ shared.net.weights["U"].T
    for row, radius in enumerate(given.points["spectral_radius"]):
        W, h = radius * shared.net.weights["W"], [np.zeros(5)]
        for x_t in x:
            h.append(np.maximum(W @ h[-1] + x_t, 0))
        steps = [(state > 0)[:, None] * W for state in h]
        assert not all((state > 0).all() for state in h[-20:])
        back = lagged(lambda i, steps=steps: steps[STEPS - i], highway.LAGS)
        ahead = {
            n: lagged(lambda i, n=n, steps=steps: steps[highway.SETTLE + n - i], [n])[n]
            for n in highway.LAGS
        }
        v = draws.stream(seed=1, direction=5).standard_normal((1, 5))
        gradient = lagged(
            lambda i, steps=steps, v=v: v @ steps[STEPS] if i == 0 else steps[STEPS - i],
            highway.LAGS,
        )
        for lag in highway.LAGS:
            for way, right in (("memory", back), ("detour", back), ("forward", ahead)):
                name = f"log10_{way}_lag_{lag}"
                assert table[name][row] == pytest.approx(right[lag], abs=1e-9), name
            right = gradient[lag] - np.log10(np.linalg.norm(v))
            assert table[f"log10_gradient_lag_{lag}"][row] == pytest.approx(right, abs=1e-9), lag


@pytest.mark.parametrize(("cell", "bias"), [("lstm", 1.0), ("lstm", -20.0), ("gru", 1.0)])
def test_the_highway_is_the_product_of_the_gates_however_small(cell, bias):
    given = block(cell, radii=(0.6, 1.3))
    given.constants["forget_bias"] = bias
    table = highway.measure(given)
    for row, radius in enumerate(given.points["spectral_radius"]):
        _, kept = naive(given, radius)
        gates = np.array([step[1] for step in kept])
        mean = gates[highway.SETTLE :].mean()
        assert table["keep"][row] == pytest.approx(mean, rel=1e-9)
        for lag in highway.LAGS:
            logs = np.log10(gates[STEPS - lag :]).sum(0)
            right = np.log10((10 ** (2 * (logs - logs.max()))).mean()) / 2 + logs.max()
            name = f"log10_highway_lag_{lag}"
            assert table[name][row] == pytest.approx(right, rel=1e-9, abs=1e-9), name
