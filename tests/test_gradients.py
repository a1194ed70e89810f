"""Every gradient of a batch: against the obvious twin, a central difference, the terms' sum."""

import re

import mpmath
import numpy as np
import pytest
import reference
from hypothesis import assume, given
from hypothesis import strategies as st
from networks import (
    ACTIVATIONS,
    CELLS,
    LOSSES,
    activations,
    as_h0,
    batch,
    network,
    sizes,
    start,
    targets_of,
)

from gradlab.errors import UserError
from gradlab.nets.losses import loss_of
from gradlab.nets.network import Network

at_either = st.sampled_from(["every", "last"])
any_loss = st.sampled_from(LOSSES)
every_cell = pytest.mark.parametrize("cell", CELLS)
SMOOTH = ("tanh", "sigmoid", "identity")


def close(a, b, tolerance=1e-12):
    scale = max(1.0, np.abs(b).max(initial=0))
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def drawn(data, cell, among=ACTIVATIONS):
    """A size, a network of the cell, and the states that it starts from."""
    size = data.draw(sizes)
    activation = data.draw(st.sampled_from([a for a in activations(cell) if a in among]))
    net = network(size, activation, cell=cell)
    return size, net, start(net, size)


def twin(net, batch_of, loss, at):
    """Gradients, dL/d(state) and the terms by tests/reference.py, lane by lane, averaged."""
    x, y, states, lengths = batch_of
    lanes = x.shape[1]
    total = {name: np.zeros_like(w) for name, w in net.weights.items()}
    adjoint = np.zeros((len(x) + 1, *states.shape))
    terms = np.zeros((len(x), *net.weights["W"].shape))
    for lane, length in enumerate(lengths):
        targets = (targets_of(lane, y, length, at), loss)
        gradient, ds, parts = reference.gradients(net, x[:length, lane], states[lane], targets)
        for name in total:
            total[name] += gradient[name] / lanes
        adjoint[: length + 1, lane] = ds / lanes
        terms[:length] += parts / lanes
    return total, adjoint, terms


@every_cell
@given(st.data(), any_loss, at_either)
def test_gradients_equal_the_obvious_twin(cell, data, loss, at):
    size, net, states = drawn(data, cell)
    x, y, _, lengths = batch(size, loss, at)
    got = net.gradients(x, y, loss, at, h0=as_h0(net, states), lengths=lengths)
    total, adjoint, terms = twin(net, (x, y, states, lengths), loss, at)
    assert got.exponent == 0
    for name in total:
        close(got.weights[name], total[name])
    close(got.terms, np.linalg.norm(terms, axis=(1, 2)))
    close(got.term(1), terms[0])
    parts = [(got.states, got.lag_log2)]
    if len(net.state_parts) > 1:
        parts += [(got.cell_states, got.cell_lag_log2)]
    for (found, log2), right in zip(parts, np.split(adjoint, len(parts), axis=2), strict=True):
        close(found, right)
        close(np.exp2(log2), np.linalg.norm(right, axis=2))


@every_cell
@given(st.data(), any_loss, at_either)
def test_the_twin_agrees_with_the_complex_step(cell, data, loss, at):
    size, net, states = drawn(data, cell)
    x, y, *_ = batch(size, loss, at)
    targets = (targets_of(0, y, len(x), at), loss)
    gradient, adjoint, _ = reference.gradients(net, x[:, 0], states[0], targets)
    rng = np.random.default_rng(size["seed"] + 2)
    for name in (*net.weights, "start"):
        point = {**{k: w.astype(complex) for k, w in net.weights.items()}, "start": states[0] + 0j}
        direction = rng.standard_normal(point[name].shape)
        point[name] = point[name] + 1e-30j * direction
        begin = point.pop("start")
        value = reference.loss(net, x[:, 0], begin, targets, point)
        exact = adjoint[0] if name == "start" else gradient[name]
        close(value.imag / 1e-30, (exact * direction).sum(), 1e-10)


@every_cell
@given(st.data(), any_loss, at_either)
def test_gradients_equal_a_central_difference(cell, data, loss, at):
    size, net, states = drawn(data, cell, SMOOTH)
    # Jordan's W is large where V is small, and a step of V then moves W V by far more than 1e-5.
    assume(max(np.abs(weight).max() for weight in net.weights.values()) < 8)
    x, y, _, lengths = batch(size, loss, at)
    given_too = {"h0": as_h0(net, states), "lengths": lengths}
    got = net.gradients(x, y, loss, at, **given_too)
    rng = np.random.default_rng(size["seed"] + 2)
    for name, weight in net.weights.items():
        direction = rng.standard_normal(weight.shape)
        values = []
        for step in (1e-4, -1e-4, 2e-4, -2e-4):
            moved = {**net.weights, name: weight + step * direction}
            other = Network(moved, cell, net.activation)
            values.append(other.gradients(x, y, loss, at, **given_too).loss)
        # of fourth order: a linear Jordan cell is a steep polynomial in V
        slope = (8 * (values[0] - values[1]) - (values[2] - values[3])) / 12e-4
        close(slope, (got.weights[name] * direction).sum(), 1e-7)


@pytest.mark.parametrize("readout", ["softmax", "sigmoid"])
def test_squared_error_through_a_readout_equals_a_central_difference(readout):
    size = {"steps": 6, "lanes": 3, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 4}
    net = network(size)
    x, y, *_ = batch(size)
    got = net.gradients(x, y, readout=readout)
    direction = np.random.default_rng(0).standard_normal(net.weights["W"].shape)
    values = []
    for step in (1e-5, -1e-5):
        moved = Network({**net.weights, "W": net.weights["W"] + step * direction})
        values.append(moved.gradients(x, y, readout=readout).loss)
    close((values[0] - values[1]) / 2e-5, (got.weights["W"] * direction).sum(), 1e-8)


@every_cell
@given(st.data(), at_either)
def test_the_terms_add_up_to_the_bptt_gradient(cell, data, at):
    size, net, states = drawn(data, cell)
    x, y, _, lengths = batch(size, at=at)
    got = net.gradients(x, y, at=at, h0=as_h0(net, states), lengths=lengths)
    close(sum(got.term(k) for k in range(1, len(x) + 1)), got.weights["W"])


@every_cell
@given(st.data())
def test_padding_may_hold_anything(cell, data):
    size, net, states = drawn(data, cell)
    x, y, _, lengths = batch(size)
    given_too = {"h0": as_h0(net, states), "lengths": lengths}
    clean = net.gradients(x, y, **given_too)
    after = np.arange(len(x))[:, None] >= lengths
    x, y = x.copy(), y.copy()
    x[after], y[after] = np.nan, np.nan
    spoilt = net.gradients(x, y, **given_too)
    assert spoilt.loss == clean.loss
    for name in net.weights:
        np.testing.assert_array_equal(spoilt.weights[name], clean.weights[name])
    np.testing.assert_array_equal(spoilt.states, clean.states)


@every_cell
@given(st.data())
def test_a_lane_of_any_length_is_a_sequence_run_alone(cell, data):
    size, net, states = drawn(data, cell)
    x, y, _, lengths = batch(size)
    together = net.forward(x, as_h0(net, states), lengths)
    got = net.gradients(x, y, h0=as_h0(net, states), lengths=lengths)
    close(got.passed, together.states)
    for lane, length in enumerate(lengths):
        alone = (x[:length, lane : lane + 1], y[:length, lane : lane + 1])
        h0 = as_h0(net, states[lane])
        close(together.states[: length + 1, lane], net.forward(alone[0], h0).states[:, 0])
        own = net.gradients(*alone, h0=h0).states[:, 0]
        close(got.states[: length + 1, lane] * len(lengths), own)


@every_cell
@given(st.data())
def test_inputs_are_not_modified(cell, data):
    size, net, states = drawn(data, cell)
    x, y, _, lengths = batch(size)
    arrays = (x, y, states, lengths, *net.weights.values())
    before = [array.copy() for array in arrays]
    _ = net.gradients(x, y, h0=as_h0(net, states), lengths=lengths).states
    net.forward(x, as_h0(net, states), lengths)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_cell
def test_forward_gives_states_and_outputs(cell):
    size = {"steps": 7, "lanes": 2, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 4}
    net = network(size, cell=cell)
    x, states = batch(size)[0], start(net, size)
    got = net.forward(x, as_h0(net, states))
    right, _ = reference.states(net, x[:, 1], states[1])
    h, *c = np.split(right, len(net.state_parts), axis=1)
    close(got.states[:, 1], h)
    close(got.outputs[:, 1], [reference.outputs(net, state) for state in right[1:]])
    if c:
        close(got.cell_states[:, 1], c[0])


@every_cell
def test_float32_stays_float32_and_agrees(cell):
    size = {"steps": 20, "lanes": 4, "hidden": 16, "inputs": 2, "outputs": 2, "seed": 4}
    x, y, *_ = batch(size)
    double = network(size, cell=cell).gradients(x, y)
    single = network(size, cell=cell, dtype="float32").gradients(x, y)
    for name, gradient in single.weights.items():
        assert gradient.dtype == np.float32
        close(gradient, double.weights[name], 1e-5)


def test_gradients_beyond_float64_keep_their_direction_and_log():
    size = {"steps": 1100, "lanes": 1, "hidden": 8, "inputs": 1, "outputs": 1, "seed": 1}
    net = network(size, "identity", 2.0, init="orthogonal")
    net.weights["b"][:] = 0
    x = np.zeros((1100, 1, 1))
    x[0] = 1e-300  # doubled with every step, it ends near 1e31
    got = net.gradients(x, np.ones((1, 1)), at="last")
    # each step back doubles the norm of a linear orthogonal cell's gradient
    np.testing.assert_allclose(np.diff(got.lag_log2[:, 0]), -1, atol=1e-12)
    assert got.exponent > 0 and got.log2_norm > 1100
    assert np.isfinite(got.weights["b"]).all()
    assert np.isinf(got.states[0]).any()


def test_a_lane_says_what_became_of_it():
    size = {"steps": 6, "lanes": 3, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 4}
    net = network(size)
    x, y, *_ = batch(size)
    x[2, 1] = np.nan
    net.weights["V"][:] = 0
    got = net.gradients(x, y, lengths=np.array([4, 6, 5]))
    assert got.status.tolist() == [
        "not_connected",
        "nan",
        "not_connected",
    ] and got.bad_step.tolist() == [0, 3, 0]


MISTAKES = {
    "x must have shape (T, B, 2), not (6, 3, 1)": {"x": np.zeros((6, 3, 1))},
    "y must have shape (6, 3, 3) for loss='squared_error', not (6, 3, 1)": {
        "y": np.zeros((6, 3, 1))
    },
    "loss must be one of squared_error, cross_entropy, binary_cross_entropy, not 'mse'": {
        "loss": "mse"
    },
    "at must be one of every, last, not 'end'": {"at": "end"},
    "lengths must lie between 1 and T = 6, not [0, 1, 2]": {"lengths": np.array([0, 1, 2])},
    "h0 must have shape (3, 5) or (5,), not (4,)": {"h0": np.zeros(4)},
    "loss cross_entropy has the readout softmax, not sigmoid": {
        "loss": "cross_entropy",
        "y": np.zeros((6, 3), int),
        "readout": "sigmoid",
    },
    "y holds class 9 at step 1 of lane 0, not 0 to 2": {
        "loss": "cross_entropy",
        "y": np.full((6, 3), 9) * np.eye(6, 3, dtype=int),
    },
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_one_line(message):
    size = {"steps": 6, "lanes": 3, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 4}
    x, y, h0, lengths = batch(size)
    call = {"x": x, "y": y, "h0": h0, "lengths": lengths, **MISTAKES[message]}
    with pytest.raises(UserError) as raised:
        network(size).gradients(**call)
    assert str(raised.value) == message


@every_cell
def test_a_drawn_network_follows_from_its_arguments(cell):
    options = {"cell": cell, "inputs": 2, "hidden": 20, "outputs": 3, "spectral_radius": 1.3}
    one, two = (Network.draw(**options, seed=7) for _ in range(2))
    other = Network.draw(**options, seed=8)
    np.testing.assert_array_equal(one.weights["W"], two.weights["W"])
    assert not np.array_equal(one.weights["W"], other.weights["W"])
    W, V = one.weights["W"], one.weights["V"]
    for block in [W @ V] if one.reads_out else np.split(W, len(W) // 20):
        assert abs(np.abs(np.linalg.eigvals(block)).max() - 1.3) < 1e-12
    zero = Network.draw(**options | {"spectral_radius": 0.0})
    assert not zero.weights["W"].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 0}, "hidden must be a whole number from 1, not 0"),
        ({"activation": "gelu"}, "activation must be one of tanh, relu, sigmoid, identity, not"),
        ({"cell": "vanilla"}, "no cell vanilla: did you mean elman?"),
        ({"spectral_radius": -1}, "seed=0: spectral_radius=-1: must be a finite number >= 0"),
    ],
)
def test_a_wrong_draw_is_one_line(change, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        Network.draw(**{"inputs": 1, "hidden": 4, "outputs": 1, **change})


WRONG_DRAWS = [
    ({"hidden": True}, "hidden must be a whole number from 1, not True"),
    ({"layers": True}, "layers must be a whole number from 1 to 9999, not True"),
    ({"bidirectional": "no"}, "bidirectional='no': must be True or False"),
    ({"spectral_radius": "a"}, "spectral_radius='a': must be a finite number"),
    ({"spectral_radius": [1.0]}, "spectral_radius=[1.0]: must be a finite number"),
    ({"spectral_radius": 10**400}, "must be a finite number"),
    ({"spectral_radius": 1e308, "hidden": 3}, "W of this size leave float64's range: draw smaller"),
    ({"spectral_radius": 1e39, "dtype": "float32"}, "W of this size leave float32's range"),
    ({"input_scale": None}, "input_scale=None: must be a finite number"),
    ({"input_scale": "1"}, "input_scale='1': must be a finite number"),
    ({"input_scale": np.nan}, "input_scale=nan: must be a finite number"),
    ({"cell": "lstm", "forget_bias": "1"}, "forget_bias='1': must be a finite number"),
    ({"dtype": "foo"}, "dtype must be one of float64, float32, not 'foo'"),
    ({"init": ["gaussian"]}, "init must be one of gaussian"),
    ({"cell": ["elman"]}, "no cell ['elman']: did you mean elman?"),
    ({"activation": ["tanh"]}, "activation must be one of tanh"),
    ({"seed": {}}, "seed={}: a stream takes numbers"),
]


@pytest.mark.parametrize(("given", "message"), WRONG_DRAWS)
def test_a_draw_that_cannot_be_is_one_line(given, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Network.draw(**{"inputs": 1, "hidden": 20, "outputs": 1, **given})


def test_names_and_numbers_of_another_kind_are_one_line():
    net = Network.draw(inputs=1, hidden=2, outputs=1)
    x, y = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
    for name in ("loss", "at", "readout"):
        with pytest.raises(UserError, match=f"{name} must be one of"):
            net.gradients(x, y, **{name: ["a"]})
    found = net.gradients(x, y)
    for k in (0, 4, 1.5, "a", None):
        with pytest.raises(UserError, match="k must be a whole number from 1 to T = 3, not"):
            found.term(k)
    for layer in (-1, 1, 0.5, "a"):
        with pytest.raises(UserError, match="layer must be a whole number from 0 to 0, not"):
            found.layer_lag_log2(layer)
    for weights in ([1, 2], None, "abc"):
        with pytest.raises(UserError, match="weights must be a dict of arrays, not"):
            Network(weights)
    assert found.term(np.int64(2)).shape == (2, 2)


def test_an_error_about_an_array_is_one_line():
    net = Network.draw(inputs=1, hidden=2, outputs=1)
    with pytest.raises(UserError, match="lengths must be 300 whole numbers") as caught:
        net.forward(np.ones((3, 300, 1)), lengths=np.ones((300, 300)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1100


@pytest.mark.parametrize("size", [5.0, 40.0, 300.0])
def test_a_loss_that_is_nearly_0_keeps_its_digits(size):
    """1 - p of a class whose p is 1 - exp(-300) is no 0."""
    outputs = np.array([size, 0.0, -size])
    below = [mpmath.exp(-size), mpmath.exp(-2 * size)]
    total = 1 + sum(below)
    value, slope = loss_of(outputs, np.array(0), "cross_entropy")
    np.testing.assert_allclose(value, float(mpmath.log1p(sum(below))), rtol=1e-14)
    right = [float(part / total) for part in (-sum(below), *below)]
    np.testing.assert_allclose(slope, right, rtol=1e-14)
    targets = np.array([1.0, 0.25, 0.0])
    value, slope = loss_of(outputs[[0]], targets[[0]], "binary_cross_entropy")
    np.testing.assert_allclose(value, float(mpmath.log1p(mpmath.exp(-size))), rtol=1e-14)
    np.testing.assert_allclose(slope, [float(-1 / (1 + mpmath.exp(size)))], rtol=1e-14)
    value, slope = loss_of(outputs, targets, "binary_cross_entropy")
    assert slope[1] == 0.25 and slope[2] == -slope[0] > 0
