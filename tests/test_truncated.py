"""Truncated backpropagation: against each loss by itself, a detached network, and the whole."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from networks import CELLS, LOSSES, activations, as_h0, batch, network, sizes, start, targets_of

from gradlab.errors import UserError
from gradlab.nets import bptt, truncated
from gradlab.nets.network import Network

at_either = st.sampled_from(["every", "last"])
truncations = st.tuples(st.sampled_from(truncated.KINDS), st.integers(1, 12))


def close(a, b, tolerance=1e-12):
    scale = max(1.0, np.abs(b).max(initial=0))
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def drawn(data, cell):
    """A size, a network of the cell, and the states that it starts from."""
    size = data.draw(sizes)
    net = network(size, data.draw(st.sampled_from(activations(cell))), cell=cell)
    return size, net, start(net, size)


@pytest.mark.parametrize("cell", CELLS)
@given(st.data(), truncations, st.sampled_from(LOSSES), at_either)
def test_gradients_equal_the_obvious_twin(cell, data, truncate, loss, at):
    size, net, states = drawn(data, cell)
    x, y, _, lengths = batch(size, loss, at)
    given_too = {"h0": as_h0(net, states), "lengths": lengths}
    got = net.gradients(x, y, loss, at, **given_too, truncate=truncate)
    total, adjoint = dict.fromkeys(net.weights, 0.0), np.zeros((len(x) + 1, *states.shape))
    for lane, length in enumerate(lengths):
        targets = (targets_of(lane, y, length, at), loss)
        case = (net, x[:length, lane], states[lane], targets, truncate)
        gradient, adjoint[: length + 1, lane] = reference.truncated(*case)
        total = {name: total[name] + gradient[name] / len(lengths) for name in total}
    for name in total:
        close(got.weights[name], total[name])
    parts = [(got.states, got.lag_log2)]
    if len(net.state_parts) > 1:
        parts += [(got.cell_states, got.cell_lag_log2)]
    rights = np.split(adjoint / len(lengths), len(parts), axis=2)
    for (found, log2), right in zip(parts, rights, strict=True):
        close(found, right)
        close(np.exp2(log2), np.linalg.norm(right, axis=2))
    close(sum(got.term(k) for k in range(1, len(x) + 1)), got.weights["W"])
    full = net.gradients(x, y, loss, at, **given_too)
    assert got.exponent == 0 and got.loss == full.loss
    for name in "Vc" if not net.reads_out else "":  # they reach no other step
        np.testing.assert_array_equal(got.weights[name], full.weights[name])


@pytest.mark.parametrize("cell", CELLS)
@given(st.data(), truncations, at_either)
def test_gradients_equal_the_complex_step_of_a_detached_network(cell, data, truncate, at):
    size, net, states = drawn(data, cell)
    x, y, *_ = batch(size, "squared_error", at)
    h0 = as_h0(net, states[:1])
    own = y[:1] if at == "last" else y[:, :1]
    got = net.gradients(x[:, :1], own, at=at, h0=h0, truncate=truncate)
    targets = targets_of(0, y, len(x), at), "squared_error"
    case = x[:, 0], reference.states(net, x[:, 0], states[0])[0], targets
    rng = np.random.default_rng(size["seed"] + 2)
    for name, weight in net.weights.items():
        direction = rng.standard_normal(weight.shape)
        moved = {**net.weights, name: weight + 1e-30j * direction}
        value = reference.detached_loss(net, case, truncate, moved)
        close(value.imag / 1e-30, (got.weights[name] * direction).sum(), 1e-10)


@given(sizes, st.sampled_from(truncated.KINDS), st.integers(0, 3), at_either)
def test_reaching_over_everything_is_the_full_gradient_to_the_bit(size, kind, more, at):
    net = network(size)
    x, y, h0, lengths = batch(size, at=at)
    full = net.gradients(x, y, at=at, h0=h0, lengths=lengths)
    truncate = (kind, len(x) + more)
    got = net.gradients(x, y, at=at, h0=h0, lengths=lengths, truncate=truncate)
    for name in net.weights:
        np.testing.assert_array_equal(got.weights[name], full.weights[name])
    for name in ("states", "lag_log2", "terms"):
        np.testing.assert_array_equal(getattr(got, name), getattr(full, name))


@given(sizes, truncations, at_either)
def test_padding_may_hold_anything(size, truncate, at):
    net = network(size)
    x, y, h0, lengths = batch(size, at=at)
    clean = net.gradients(x, y, at=at, h0=h0, lengths=lengths, truncate=truncate)
    after = np.arange(len(x))[:, None] >= lengths
    x = np.where(after[..., None], np.nan, x)
    y = np.where(after[..., None], np.nan, y) if at == "every" else y
    spoilt = net.gradients(x, y, at=at, h0=h0, lengths=lengths, truncate=truncate)
    for name in net.weights:
        np.testing.assert_array_equal(spoilt.weights[name], clean.weights[name])
    np.testing.assert_array_equal(spoilt.states, clean.states)


@pytest.mark.parametrize("radius", [0.5, 2.0])
@pytest.mark.parametrize("kind", truncated.KINDS)
def test_no_truncated_gradient_leaves_float64(kind, radius):
    """A linear orthogonal cell with a loss at the last step alone: every lag is a factor."""
    steps, k = 2500, 2400
    weights = {"U": np.zeros((4, 1)), "W": radius * np.eye(4)[::-1], "b": np.zeros(4),
               "V": np.eye(4), "c": np.zeros(4)}  # fmt: skip
    net, y = Network(weights, activation="identity"), np.zeros((steps, 1, 4))
    y[-1] = 1.0
    got = net.gradients(np.zeros((steps, 1, 1)), y, truncate=(kind, k))
    first = steps - k + 1 if kind == "window" else k + 1
    lags = steps - np.arange(first, steps + 1)
    log2 = got.lag_log2[:, 0]
    np.testing.assert_allclose(log2[first:], 2 + np.log2(radius) * lags, atol=1e-12)
    assert np.isneginf(log2[:first]).all()
    norm = np.log2(np.abs(got.weights["b"]).max()) + got.exponents["b"]
    expected = 1 + max(0, np.log2(radius) * lags[0]) + np.log2(1 / (1 - min(radius, 1 / radius)))
    np.testing.assert_allclose(norm, expected, atol=1e-9)


def test_windows_share_a_forward_pass_as_any_lanes_do():
    """Groups of lanes on threads change nothing but rounding."""
    size = {"steps": 120, "lanes": 40, "hidden": 100, "inputs": 2, "outputs": 2, "seed": 3}
    net = network(size)
    x, y, h0, lengths = batch(size)
    got = net.gradients(x, y, h0=h0, lengths=lengths, truncate=("window", 5))
    assert len(got._parts) > 1
    lanes = [net.gradients(x[:n, [i]], y[:n, [i]], h0=h0[[i]], truncate=("window", 5))
             for i, n in enumerate(lengths)]  # fmt: skip
    for name in net.weights:
        close(got.weights[name], sum(one.weights[name] for one in lanes) / len(lanes))


@pytest.mark.parametrize("truncate", [("window", 1), ("window", 3), ("chunk", 2)])
def test_a_teacher_leaves_nothing_to_truncate(truncate):
    size = {"steps": 7, "lanes": 3, "hidden": 4, "inputs": 2, "outputs": 2, "seed": 5}
    net = network(size, cell="jordan")
    x, y, _, lengths = batch(size)
    given_too = {"lengths": lengths, "teacher": 1 - y}
    full = net.gradients(x, y, **given_too)
    got = net.gradients(x, y, **given_too, truncate=truncate)
    for name in net.weights:
        close(got.weights[name], full.weights[name])


MISTAKES = [("window", 0), ("chunk", 2.5), ("step", 3), "window", 7, ("window", True), ("chunk",)]


@pytest.mark.parametrize("truncate", MISTAKES)
def test_a_wrong_truncation_is_one_line(truncate):
    size = {"steps": 6, "lanes": 2, "hidden": 3, "inputs": 1, "outputs": 1, "seed": 0}
    x, y, *_ = batch(size)
    with pytest.raises(UserError) as raised:
        network(size).gradients(x, y, truncate=truncate)
    assert str(raised.value) == (
        "truncate must be None, ('window', k) or ('chunk', k) with a whole number k from 1, "
        f"not {truncate!r}"
    )


def test_short_windows_do_not_walk_the_whole_sequence():
    """With the loss at the last step, what lies before the window is not visited."""
    size = {"steps": 400, "lanes": 2, "hidden": 3, "inputs": 1, "outputs": 1, "seed": 0}
    net = network(size)
    x, y, *_ = batch(size, at="last")
    part = net.gradients(x, y, at="last", truncate=("window", 10))._parts[0]
    chain = part.run.chains[0]
    spans, _ = bptt.spans_back(chain.lengths, None, cut=part.cut(chain))
    assert spans[:, 0].min() == 390
    assert sum(1 for _ in bptt.slices(part.run.lengths)) > 1
