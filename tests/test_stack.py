"""Layers and directions: against the obvious twin, PyTorch's own numbers, and each lane alone."""

from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from networks import CELLS, LOSSES, as_h0, batch, network, sizes, targets_of

from gradlab.errors import UserError
from gradlab.nets.network import Network

GOLDEN = Path(__file__).parent / "golden"
OURS = {"rnn": "elman", "lstm": "lstm", "gru": "gru"}
SUFFIXES = ("", "_layers", "_both", "_layers_both")
STACKABLE = [cell for cell in CELLS if cell != "jordan"]
at_either = st.sampled_from(["every", "last"])
stacks = st.fixed_dictionaries({"layers": st.integers(1, 3), "bidirectional": st.booleans()})


def close(a, b, tolerance=1e-12):
    scale = max(1.0, np.abs(b).max(initial=0))
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def stacked(size, stack, **options):
    """A network, and the states (C, B, S) that its chains start from."""
    net = network(size, **stack, **options)
    shape = len(net.places), size["lanes"], net.module.state_size(net.prepared())
    return net, 0.5 * np.random.default_rng(size["seed"] + 3).standard_normal(shape)


def h0_of(net, starts):
    """States (C, ..., S) as h0, without the first axis for one chain."""
    return as_h0(net, starts[0] if len(starts) == 1 else starts)


@pytest.mark.parametrize("cell", STACKABLE)
@given(sizes, stacks)
def test_outputs_and_states_equal_the_obvious_twin(cell, size, stack):
    net, starts = stacked(size, stack, cell=cell)
    x, _, _, lengths = batch(size)
    got = net.forward(x, h0_of(net, starts), lengths)
    assert len(got.layers) == stack["layers"]
    ways = 1 + stack["bidirectional"]
    for lane, length in enumerate(lengths):
        own = {place.suffix: starts[i, lane] for i, place in enumerate(net.places)}
        h, o = reference.stack(net, x[:length, lane], own)
        close(got.states[1 : length + 1, lane], h)
        close(got.outputs[:length, lane], o)
        close(got.states[0, lane], starts[-ways:, lane, : net.hidden].ravel())


@pytest.mark.parametrize("cell", STACKABLE)
@given(sizes, stacks, st.sampled_from(LOSSES), at_either)
def test_gradients_equal_the_complex_step_of_the_twin(cell, size, stack, loss, at):
    net, starts = stacked(size, stack, cell=cell)
    x, y, _, lengths = batch(size, loss, at)
    got = net.gradients(x, y, loss, at, h0=h0_of(net, starts), lengths=lengths)

    def value(weights, starts):
        total = 0
        for lane, length in enumerate(lengths):
            targets = targets_of(lane, y, length, at)
            own = {place.suffix: starts[i, lane] for i, place in enumerate(net.places)}
            _, o = reference.stack(net, x[:length, lane], own, weights)
            total += sum(reference.loss_of_step(o[t - 1], targets[t], loss) for t in targets)
        return total / len(lengths)

    rng = np.random.default_rng(size["seed"] + 2)
    close(got.loss, value(net.weights, starts))
    assert got.weights.keys() == net.weights.keys()
    for name, weight in net.weights.items():
        direction = rng.standard_normal(weight.shape)
        moved = value({**net.weights, name: weight + 1e-30j * direction}, starts)
        close(moved.imag / 1e-30, (got.weights[name] * direction).sum(), 1e-10)
    direction = rng.standard_normal(starts.shape)
    moved = value(net.weights, starts + 1e-30j * direction)
    slopes = np.concatenate([start_gradients(net, got, part) for part in net.state_parts], axis=2)
    close(moved.imag / 1e-30, (slopes * direction).sum(), 1e-10)


def start_gradients(net, got, part):
    """dL/dh0 (C, B, N) of every chain, or dL/dc0."""
    ways = 1 + net.bidirectional
    rows = [np.split(got.layer_states(i, part)[0], ways, axis=1) for i in range(net.layers)]
    return np.concatenate(rows)


@pytest.mark.parametrize("cell", STACKABLE)
@given(sizes, stacks, at_either)
def test_each_sequence_is_as_it_is_alone_whatever_the_padding_holds(cell, size, stack, at):
    net, starts = stacked(size, stack, cell=cell)
    h0 = h0_of(net, starts)
    x, y, _, lengths = batch(size, at=at)
    clean = net.gradients(x, y, at=at, h0=h0, lengths=lengths)
    after = (np.arange(len(x))[:, None] >= lengths)[..., None]
    spoilt_y = np.where(after, np.nan, y) if at == "every" else y
    spoilt = net.gradients(np.where(after, np.nan, x), spoilt_y, at=at, h0=h0, lengths=lengths)
    assert spoilt.loss == clean.loss and set(spoilt.bad_step) == {0}
    for name in net.weights:
        np.testing.assert_array_equal(spoilt.weights[name], clean.weights[name])
    for layer in range(net.layers):
        np.testing.assert_array_equal(spoilt.layer_states(layer), clean.layer_states(layer))
    total = dict.fromkeys(net.weights, 0.0)
    for lane, length in enumerate(lengths):
        own = y[:length, [lane]] if at == "every" else y[[lane]]
        start = h0_of(net, starts[:, [lane]])
        alone = net.gradients(x[:length, [lane]], own, at=at, h0=start)
        total = {name: total[name] + alone.weights[name] / len(lengths) for name in total}
        close(clean.states[: length + 1, lane], alone.states[:, 0] / len(lengths))
        assert not clean.states[length + 1 :, lane].any()
        norms = np.linalg.norm(clean.states[:, lane], axis=1)
        close(np.exp2(clean.lag_log2[:, lane]), norms)
    for name in total:
        close(clean.weights[name], total[name])


def golden(kind, suffix):
    """(network, file) with PyTorch's parameters by our names, and its gradients of them."""
    file = np.load(GOLDEN / f"{kind}{suffix}.npz")
    ours, theirs = {"V": file["V"], "c": file["c"]}, {"V": file["grad_V"], "c": file["grad_c"]}
    for name in file.files:
        if not name.startswith("weight_ih"):
            continue
        place = name.removeprefix("weight_ih")
        own = "" if place == "_l0" else place
        for found, start in ((ours, ""), (theirs, "grad_")):
            found[f"U{own}"] = file[f"{start}weight_ih{place}"]
            found[f"W{own}"] = file[f"{start}weight_hh{place}"]
            found[f"b{own}"] = file[f"{start}bias_ih{place}"]
        if kind == "gru":
            ours[f"b_recurrent{own}"] = file[f"bias_hh{place}"]
            theirs[f"b_recurrent{own}"] = file[f"grad_bias_hh{place}"]
        else:
            ours[f"b{own}"] = ours[f"b{own}"] + file[f"bias_hh{place}"]
    return Network(ours, OURS[kind]), file, theirs


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", OURS)
def test_pytorch_has_the_same_numbers(kind, suffix):
    net, file, gradients = golden(kind, suffix)
    assert net.layers == 1 + ("layers" in suffix) and net.bidirectional == ("both" in suffix)
    names = ("h0", "c0") if kind == "lstm" else ("h0",)
    start = tuple(file[name] if suffix else file[name][0] for name in names)
    lengths, h0 = file["lengths"], start if kind == "lstm" else start[0]
    states = net.forward(file["x"], h0, lengths)
    got = net.gradients(file["x"], file["y"], h0=h0, lengths=lengths)
    close(states.states[1:], file["h"])
    close(states.outputs, file["o"])
    close(got.loss, file["loss"])
    for name, gradient in gradients.items():
        close(got.weights[name], gradient)
    for part, name in zip("hc", names, strict=False):
        close(start_gradients(net, got, part), file[f"grad_{name}"])


@pytest.mark.parametrize("radius", [0.5, 2.0])
@pytest.mark.parametrize("reverse", [False, True])
def test_no_gradient_of_a_lower_layer_leaves_float64(radius, reverse):
    """Two linear layers of one orthogonal W: (n + 1) paths of n factors lead n steps back."""
    steps, Q = 2500, np.eye(4)[::-1]
    plain = {"W": radius * Q, "b": np.zeros(4)}
    weights = {**plain, "U": np.zeros((4, 1)), "V": np.ones((1, 4)), "c": np.zeros(1)}
    weights |= {f"{name}_l1": array for name, array in plain.items()} | {"U_l1": np.eye(4)}
    if reverse:  # the forward chains are cut off: what is left walks in the other direction
        weights |= {f"{name}_l0_reverse": weights[name] for name in "UWb"}
        weights |= {f"{name}_l1_reverse": weights[f"{name}_l1"] for name in "Wb"}
        weights["U_l1_reverse"] = np.hstack([np.zeros((4, 4)), np.eye(4)])
        weights["U_l1"] = np.zeros((4, 8))
        weights["V"] = np.hstack([np.zeros((1, 4)), np.ones((1, 4))])
    net, y = Network(weights, activation="identity"), np.zeros((steps, 1, 1))
    end = 0 if reverse else steps - 1  # of the walk, where the only loss is
    y[end] = 1.0
    got = net.gradients(np.zeros((steps, 1, 1)), y)
    lags = np.abs(np.arange(steps) - end)
    expected = 2 + np.log2(radius) * lags + np.log2(lags + 1)  # dL/do = -2, of norm 2 in V's rows
    np.testing.assert_allclose(got.layer_lag_log2(0)[1:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(got.lag_log2[1:, 0], 2 + np.log2(radius) * lags, atol=1e-9)
    assert max(got.exponents.values()) > 0 if radius > 1 else got.exponent == 0


@pytest.mark.parametrize("cell", STACKABLE)
@given(sizes, stacks, st.integers(1, 6), at_either)
def test_chunks_are_networks_that_start_anew(cell, size, stack, k, at):
    """Each chunk starts from its neighbours' states, in reverse from those that follow it."""
    net, starts = stacked(size, stack, cell=cell)
    x, y, *_ = batch(size, at=at)
    got = net.gradients(x, y, at=at, h0=h0_of(net, starts), truncate=("chunk", k))
    total = dict.fromkeys(net.weights, 0.0)
    for first in range(0, len(x), k):
        last = min(first + k, len(x))
        if at == "last" and last < len(x):
            continue
        own = y[first:last] if at == "every" else y
        begin = h0_of(net, states_beside(got, first, last))
        piece = net.gradients(x[first:last], own, at=at, h0=begin)
        total = {name: total[name] + piece.weights[name] for name in total}
    for name in total:
        close(got.weights[name], total[name])


def states_beside(got, first, last):
    """(C, B, S): what the chains start from that run over the steps first + 1 to last alone."""
    (part,) = got._parts
    steps = len(part.run.x)
    return np.array(
        [
            chain.passed.trace.state[steps - last if chain.place.reverse else first]
            for chain in part.run.chains
        ]
    )


@pytest.mark.parametrize("cell", STACKABLE)
@given(sizes, st.integers(1, 6), st.integers(2, 3))
def test_the_window_of_a_last_loss_cuts_every_layer(cell, size, k, layers):
    net, starts = stacked(size, {"layers": layers, "bidirectional": False}, cell=cell)
    x, y, *_ = batch(size, at="last")
    got = net.gradients(x, y, at="last", h0=h0_of(net, starts), truncate=("window", k))
    first = max(len(x) - k, 0)
    begin = h0_of(net, states_beside(got, first, len(x)))
    alone = net.gradients(x[first:], y, at="last", h0=begin)
    for name in net.weights:
        close(got.weights[name], alone.weights[name])


@pytest.mark.parametrize("cell", STACKABLE)
def test_float32_stays_float32_and_agrees(cell):
    size = {"steps": 20, "lanes": 4, "hidden": 16, "inputs": 2, "outputs": 2, "seed": 4}
    x, y, _, lengths = batch(size)
    stack = {"layers": 2, "bidirectional": True, "cell": cell}
    for truncate in (None, ("chunk", 7)):
        double, single = (
            network(size, **stack, dtype=dtype).gradients(x, y, lengths=lengths, truncate=truncate)
            for dtype in ("float64", "float32")
        )
        for name, gradient in single.weights.items():
            assert gradient.dtype == np.float32
            close(gradient, double.weights[name], 1e-5)


def test_a_deeper_network_starts_as_the_shallow_one():
    options = {"inputs": 2, "hidden": 6, "outputs": 3, "spectral_radius": 0.9, "cell": "lstm",
               "forget_bias": 1.0, "input_scale": 0.1, "seed": 4}  # fmt: skip
    one = Network.draw(**options)
    deep = Network.draw(**options, layers=2, bidirectional=True)
    for name in "UW":
        np.testing.assert_array_equal(one.weights[name], deep.weights[name])
    assert deep.weights["U_l1_reverse"].shape == (24, 12) and deep.weights["V"].shape == (3, 12)
    assert deep.hidden == 6 and deep.layers == 2 and deep.bidirectional
    for place in deep.places:
        blocks = deep.weights[f"W{place.suffix}"].reshape(4, 6, 6)
        np.testing.assert_allclose([np.abs(np.linalg.eigvals(b)).max() for b in blocks], 0.9)
        assert deep.weights[f"b{place.suffix}"].sum() == 6
    assert np.abs(deep.weights["U_l0_reverse"]).max() < 0.4 < np.abs(deep.weights["U_l1"]).max()


def test_a_bad_input_is_found_in_both_directions():
    size = {"steps": 6, "lanes": 3, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 4}
    x, y, *_ = batch(size)
    x[2, 1] = np.nan
    for both in (False, True):
        net, _ = stacked(size, {"layers": 2, "bidirectional": both})
        got = net.gradients(x, y, lengths=np.array([4, 6, 5]))
        assert got.status.tolist() == ["ok", "nan", "ok"] and got.bad_step.tolist() == [0, 3, 0]


def test_a_mistake_is_one_line():
    size = {"steps": 6, "lanes": 3, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 4}
    net, _ = stacked(size, {"layers": 2, "bidirectional": False})
    both, _ = stacked(size, {"layers": 1, "bidirectional": True})
    x, y, *_ = batch(size)
    with pytest.raises(UserError, match=r"h0 must have shape \(2, 3, 5\) or \(2, 5\), not \(5,\)"):
        net.gradients(x, y, h0=np.zeros(5))
    with pytest.raises(UserError, match="needs layers=1, or the loss at='last': take"):
        net.gradients(x, y, truncate=("window", 2))
    with pytest.raises(UserError, match="needs one direction: take"):
        both.gradients(x, y[-1], at="last", truncate=("window", 2))
    with pytest.raises(UserError, match="layers must be a whole number from 1 to 9999, not 0"):
        Network.draw(inputs=1, hidden=2, outputs=1, layers=0)
    weights = {name: array for name, array in net.weights.items() if name != "U_l1"}
    with pytest.raises(UserError, match="weights lack U_l1: give U, W, b, U_l1, W_l1, b_l1, V, c"):
        Network(weights)
    with pytest.raises(UserError, match=r"weights\['U_l1'\] has shape \(5, 4\), not \(5, 5\)"):
        Network(net.weights | {"U_l1": np.zeros((5, 4))})
    alone = "cell jordan brings its own readout: it has one layer and one direction"
    with pytest.raises(UserError, match=alone):
        Network.draw("jordan", inputs=1, hidden=2, outputs=1, layers=2)
    got = net.gradients(x, y)
    with pytest.raises(ValueError, match="layer must be a whole number from 0 to 1, not 2"):
        got.layer_states(2)
    assert "2" in net._repr_html_()


@pytest.mark.parametrize("both", [False, True])
def test_every_layer_s_c_and_its_gradient_can_be_read(both):
    size = {"steps": 6, "lanes": 3, "hidden": 4, "inputs": 2, "outputs": 3, "seed": 4}
    net, starts = stacked(size, {"layers": 3, "bidirectional": both}, cell="lstm")
    x, y, _, lengths = batch(size)
    h0 = h0_of(net, starts)
    states = net.forward(x, h0, lengths)
    assert len(states.layers) == len(states.cell_layers) == 3
    np.testing.assert_array_equal(states.cell_layers[-1], states.cell_states)
    np.testing.assert_array_equal(states.layers[-1], states.states)
    got = net.gradients(x, y, h0=h0, lengths=lengths)
    for layer in range(3):
        c = states.cell_layers[layer]
        assert c.shape == states.layers[layer].shape == (7, 3, 4 * (1 + both))
        assert (np.abs(states.layers[layer]) <= np.abs(np.tanh(c)) + 1e-15)[
            1:
        ].all()  # h = o tanh c
        with np.errstate(divide="ignore"):
            expected = np.log2(np.linalg.norm(got.layer_states(layer, "c"), axis=2))
        np.testing.assert_allclose(got.layer_cell_lag_log2(layer), expected, atol=1e-12)
    np.testing.assert_array_equal(got.layer_cell_lag_log2(2), got.cell_lag_log2)
    with pytest.raises(ValueError, match="layer must be a whole number from 0 to 2, not 3"):
        got.layer_cell_lag_log2(3)
    elman, _ = stacked(size, {"layers": 2, "bidirectional": False})
    assert elman.forward(x).cell_layers == ()


@given(sizes, stacks, at_either)
def test_each_direction_has_gradients_of_its_own_and_first_terms_add_up(size, stack, at):
    net, _ = stacked(size, stack, cell="lstm")
    x, y, _, lengths = batch(size, "squared_error", at)
    got = net.gradients(x, y, at=at, lengths=lengths)
    ways = ("forward", "reverse")[: 1 + stack["bidirectional"]]
    for layer in range(stack["layers"]):
        for part, found in (("h", got.layer_lag_log2), ("c", got.layer_cell_lag_log2)):
            states = np.split(got.layer_states(layer, part), len(ways), axis=2)
            for way, own in zip(ways, states, strict=True):
                close(2 ** found(layer, way), np.linalg.norm(own, axis=2))
    for k in (0, len(x) // 2, len(x)):
        array, exponent = got.first_terms(k)
        right = sum((got.term(i) for i in range(1, k + 1)), 0 * net.weights["W"])
        close(np.ldexp(array, exponent), right)
    if len(ways) == 1:
        with pytest.raises(UserError, match="the network has one direction"):
            got.layer_lag_log2(0, "reverse")
    with pytest.raises(UserError, match="direction must be one of both, forward, reverse"):
        got.layer_lag_log2(0, "backward")
