"""Untied networks beside the obvious NumPy, and tied ones as their special case."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from networks import ACTIVATIONS, sizes

from gradlab.errors import UserError
from gradlab.kernels.arrays import Direct
from gradlab.measures import untied as measure
from gradlab.nets import bptt, draws, lyapunov, registry
from gradlab.nets.exponents import plain
from gradlab.nets.untied import Untied, added, stage_sums
from gradlab.suite.grid import Block

elman = registry.find("elman")


def drawn(size, stages):
    """(weights of each stage, x (T, B, D), h0 (B, N), slopes dL_t/dh_t (T, B, N))."""
    rng = np.random.default_rng(size["seed"])
    N, D, steps, lanes = (size[name] for name in ("hidden", "inputs", "steps", "lanes"))
    weights = [
        {"U": rng.standard_normal((N, D)), "W": rng.standard_normal((N, N)) / np.sqrt(N),
         "b": rng.standard_normal(N)}
        for _ in range(stages)
    ]  # fmt: skip
    x, h0 = rng.standard_normal((steps, lanes, D)), rng.standard_normal((lanes, N))
    return weights, x, h0, rng.standard_normal((steps, lanes, N))


def naive(weights, every, x, h0, slopes, activation):
    """States (T+1, N) and each stage's dL/d(weights) of one lane."""
    f, slope = reference.ACTIVATIONS[activation]
    h = [h0]
    for t, x_t in enumerate(x):
        w = weights[t // every]
        h.append(f(w["b"] + w["W"] @ h[-1] + w["U"] @ x_t))
    totals = [{name: np.zeros_like(array) for name, array in w.items()} for w in weights]
    carry = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        delta = (carry + slopes[t]) * slope(h[t + 1])
        total = totals[t // every]
        total["W"] += np.outer(delta, h[t])
        total["U"] += np.outer(delta, x[t])
        total["b"] += delta
        carry = weights[t // every]["W"].T @ delta
    return np.array(h), totals, carry


def run_of(weights, every, x, h0, activation):
    cell = Untied(elman, every)
    prepared = cell.prepare(weights, activation, "float64")
    lengths = np.full(len(h0), len(x))
    return bptt.forward(cell, prepared, np.ones(len(h0)), x, h0, lengths)


def rows_of(slopes):
    """A step's own loss, read off the state itself, as `bptt.backward` asks for it."""
    readout = np.eye(slopes.shape[2])

    def direct(span):
        start, stop, lanes = span
        return Direct(slopes[start:stop, :lanes].reshape(-1, slopes.shape[2]), readout)

    return direct


def close(got, expected):
    # 1 - h^2 near |h| = 1 turns an ulp of tanh into 1e-11 of itself: small against 1, not against 0
    np.testing.assert_allclose(
        got, expected, rtol=1e-12, atol=1e-12 * max(1, np.abs(expected).max())
    )


@given(sizes, st.integers(1, 13), st.sampled_from(ACTIVATIONS))
def test_every_stage_has_the_gradient_of_its_own_weights(size, every, activation):
    stages = -(-size["steps"] // every)
    weights, x, h0, slopes = drawn(size, stages)
    run = run_of(weights, every, x, h0, activation)
    sums = stage_sums(run, x, np.zeros_like(h0), rows_of(slopes))
    lanes = [
        naive(weights, every, x[:, b], h0[b], slopes[:, b], activation) for b in range(len(h0))
    ]
    close(run.trace.state, np.stack([h for h, *_ in lanes], axis=1))
    for stage in range(stages):
        for name in "WUb":
            expected = sum(totals[stage][name] for _, totals, _ in lanes)
            got = plain(sums[stage].total[name][0], sums[stage].exponent[name][0])
            close(got.reshape(expected.shape), expected)


@given(sizes, st.integers(1, 13))
def test_equal_weights_sum_to_the_tied_gradient(size, every):
    (weights,), x, h0, slopes = drawn(size, 1)
    run = run_of([weights] * size["steps"], every, x, h0, "tanh")
    untied = added(stage_sums(run, x, np.zeros_like(h0), rows_of(slopes)))
    prepared = elman.prepare(weights, "tanh", "float64")
    lengths = np.full(len(h0), len(x))
    tied = bptt.forward(elman, prepared, np.ones(len(h0)), x, h0, lengths)
    close(run.trace.state, tied.trace.state)
    sums = bptt.Sums(elman.sources(tied.trace, x))
    spans = bptt.slices(lengths)
    for span, adjoint in bptt.backward(tied, spans, np.zeros_like(h0), rows_of(slopes)):
        sums.add(adjoint, span)
    for name, (array, exponent) in untied.items():
        close(plain(array, exponent), plain(sums.total[name][0], sums.exponent[name][0]))


def test_a_slice_may_cross_stages_and_leave_float64():
    """1,500 matrices of 8 units, each doubling or halving: the exponent is exact."""
    signs = np.where(np.arange(1500) < 1200, 2.0, 0.5)
    weights = [{"U": np.zeros((8, 1)), "W": s * np.eye(8)[::-1], "b": np.zeros(8)} for s in signs]
    x, h0 = np.zeros((1500, 1, 1)), np.zeros((1, 8))
    run = run_of(weights, 1, x, h0, "identity")
    head = np.ones((1, 8))
    *_, (_, adjoint) = bptt.backward(run, bptt.slices(np.array([1500])), head)
    expected = np.log2(np.sqrt(8)) + np.cumsum(np.log2(signs)[::-1])[::-1]
    np.testing.assert_allclose(bptt.log2_norms(adjoint)[:-1, 0], expected, atol=1e-12)
    sums = stage_sums(run, x, head)
    assert not added(sums)["W"][0].any()  # every state is 0
    array, exponent = added(sums)["b"]
    assert exponent > 800 and np.isfinite(array).all()


def test_exponents_go_through_the_stages():
    rng = np.random.default_rng(3)
    weights = [{"U": np.zeros((5, 1)), "W": rng.standard_normal((5, 5)), "b": np.zeros(5)}
               for _ in range(10)]  # fmt: skip
    run = run_of(weights, 3, np.zeros((30, 1, 1)), np.zeros((1, 5)), "identity")
    Q, logs = np.eye(5), np.zeros(5)
    for stage in weights:
        for _ in range(3):
            Q, R = np.linalg.qr(stage["W"] @ Q)
            logs += np.log(np.abs(np.diag(R)))
    np.testing.assert_allclose(lyapunov.exponents(run), logs / 30, atol=1e-8)


def test_wrong_use_is_one_line():
    weights, x, h0, _ = drawn({"seed": 0, "hidden": 3, "inputs": 1, "steps": 7, "lanes": 1}, 3)
    with pytest.raises(ValueError, match="3 sets of weights for 2 steps each reach step 6, not 7"):
        run_of(weights, 2, x, h0, "tanh")
    with pytest.raises(ValueError, match="steps=0: a stage has at least one step"):
        Untied(elman, 0)


def block(steps_per_matrix, activation="identity", length=75, hidden=4):
    columns = np.array([(g, k, s) for g in (0.5, 2.0) for k in steps_per_matrix for s in (0, 1)])
    points = {"gain": columns[:, 0], "steps_per_matrix": columns[:, 1].astype(int),
              "seed": columns[:, 2].astype(int)}  # fmt: skip
    constants = {"activation": activation, "hidden_size": hidden, "sequence_length": length}
    return Block(points, constants)


@pytest.mark.parametrize("activation", ["identity", "tanh"])
def test_a_row_is_a_product_of_its_matrices(activation):
    points = block([1, 10, 75], activation)
    table = measure.measure(points)
    f, slope = reference.ACTIVATIONS[activation]
    for row, (gain, every, seed) in enumerate(zip(*points.points.values(), strict=True)):
        stream = draws.stream(seed=int(seed), hidden_size=4)
        (h,), (v,) = stream.standard_normal((2, 1, 4))
        matrices = [gain * draws.recurrent(stream, 4) for _ in range(-(-75 // every))]
        radius = np.abs(np.linalg.eigvals(matrices[0])).max()
        np.testing.assert_allclose(table["log_radius"][row], np.log(radius), atol=1e-9)
        states = [h, *(h := f(matrices[t // every] @ h) for t in range(75))]
        logs, terms, scale = [0.0], [], 0.0
        size = np.linalg.norm(v)
        for t in reversed(range(75)):
            delta = slope(states[t + 1]) * v
            terms.append(np.exp(scale) * np.outer(delta, states[t]))
            v = matrices[t // every].T @ delta
            scale += np.log(np.linalg.norm(v))
            logs.append(scale / np.log(10))
            v = v / np.linalg.norm(v)
        logs = np.array(logs) - np.log10(size)
        for lag in (1, 2, 5, 10, 20, 35, 50, 75):
            np.testing.assert_allclose(table[f"log10_gradient_lag_{lag}"][row], logs[lag])
        np.testing.assert_allclose(table["exponent"][row], logs[25] * np.log(10) / 25)
        short = np.linalg.norm(terms[0]) / np.linalg.norm(sum(terms)) if every == 75 else np.nan
        np.testing.assert_allclose(table["tied_gap_short"][row], short, rtol=1e-9)
        assert np.isfinite(table["tied_gap"][row]) == (every == 75)
        spectrum = [np.nan] * 4
        if every == 1 and activation == "identity":
            Q, grown = np.eye(4), np.zeros(4)
            for t in range(75):
                Q, R = np.linalg.qr(matrices[t] @ Q)
                grown += (t >= 50) * np.log(np.abs(np.diag(R)))
            spectrum = grown / 25
        for name, i in (("first", 0), ("middle", 1), ("last", 3)):
            np.testing.assert_allclose(table[f"lyapunov_{name}"][row], spectrum[i], atol=1e-8)
    assert np.nanmax(table["tied_gap"]) < 1e-13
    for lag in (100, 125, 150, 175, 200):
        assert np.isnan(table[f"log10_gradient_lag_{lag}"]).all()


def test_a_measure_of_nothing_is_one_line():
    with pytest.raises(UserError, match="steps_per_matrix=0: must be at least 1"):
        measure.measure(block([0]))
    with pytest.raises(UserError, match="hidden_size=0: must be at least 1"):
        measure.measure(block([1], hidden=0))
