"""Jordan's feedback, of outputs, probabilities or a teacher's; and what only gated cells have."""

import subprocess
import sys

import numpy as np
import pytest
from networks import as_h0, batch, network, start

from gradlab.errors import UserError
from gradlab.nets.network import Network

SIZE = {"steps": 6, "lanes": 3, "hidden": 5, "inputs": 2, "outputs": 3, "seed": 4}
FED = {
    "output": lambda o: o,
    "probability": lambda o: np.exp(o) / np.exp(o).sum(),
    "sigmoid": lambda o: 1 / (1 + np.exp(-o)),
}


def naive(net, x, o, fed, teacher=None):
    """Outputs of one sequence; fed(o) goes back, or the teacher's row."""
    w, found = net.weights, []
    y = fed(o)
    for t, x_t in enumerate(x):
        h = np.tanh(w["b"] + w["W"] @ y + w["U"] @ x_t)
        o = w["c"] + w["V"] @ h
        y = fed(o) if teacher is None else teacher[t]
        found.append(o)
    return np.array(found)


def central(net, name, loss):
    """dL/d(a random direction of a weight), and the direction."""
    direction = np.random.default_rng(2).standard_normal(net.weights[name].shape)
    values = []
    for step in (1e-5, -1e-5):
        moved = {**net.weights, name: net.weights[name] + step * direction}
        values.append(loss(Network(moved, net.cell, net.activation, net.feedback)))
    return (values[0] - values[1]) / 2e-5, direction


@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize(
    ("kind", "outputs"), [("output", 3), ("probability", 3), ("probability", 1)]
)
def test_what_is_fed_back(kind, outputs, taught):
    size = SIZE | {"outputs": outputs}
    net = network(size, cell="jordan", feedback=kind)
    x, y, _, lengths = batch(size)
    o, teacher = start(net, size), y if taught else None
    fed = FED["sigmoid" if kind == "probability" and outputs == 1 else kind]
    got = net.forward(x, o, teacher=teacher)
    for lane in range(3):
        right = naive(net, x[:, lane], o[lane], fed, y[:, lane] if taught else None)
        np.testing.assert_allclose(got.outputs[:, lane], right, atol=1e-13)
    np.testing.assert_array_equal(got.states[1:], got.outputs)
    options = {"h0": o, "lengths": lengths, "teacher": teacher}
    gradients = net.gradients(x, y, **options)
    for name in net.weights:
        slope, direction = central(net, name, lambda net: net.gradients(x, y, **options).loss)
        np.testing.assert_allclose(
            slope, (gradients.weights[name] * direction).sum(), rtol=1e-7, atol=1e-9
        )


def test_a_teacher_takes_time_out_of_the_gradient():
    net = network(SIZE, cell="jordan")
    x, y, *_ = batch(SIZE)
    taught = net.gradients(x, y, teacher=y)
    # every step's own loss is all that reaches its output
    np.testing.assert_array_equal(taught.states[1:], taught.outputs)
    assert np.abs(net.gradients(x, y).states[1:] - taught.outputs).max() > 0.01
    nothing = net.gradients(x, y[-1], at="last", teacher=y)
    assert np.isneginf(nothing.lag_log2[:-1]).all()


def test_a_teachers_classes_are_one_hot():
    net = network(SIZE, cell="jordan", feedback="probability")
    x, y, *_ = batch(SIZE, "cross_entropy")
    classes = net.gradients(x, y, "cross_entropy", teacher=y)
    hot = net.gradients(x, y, "cross_entropy", teacher=np.eye(3)[y])
    np.testing.assert_array_equal(classes.weights["W"], hot.weights["W"])


def test_a_teacher_after_a_lanes_end_may_hold_anything():
    net = network(SIZE, cell="jordan")
    x, y, *_ = batch(SIZE)
    lengths = np.array([4, 6, 1])
    clean = net.gradients(x, y, lengths=lengths, teacher=y)
    teacher = y.copy()
    teacher[np.arange(6)[:, None] >= lengths] = np.nan
    spoilt = net.gradients(x, y, lengths=lengths, teacher=teacher)
    np.testing.assert_array_equal(clean.weights["W"], spoilt.weights["W"])


@pytest.mark.parametrize(("cell", "block"), [("lstm", 1), ("gru", 1)])
def test_the_forget_bias_is_that_of_the_gate_that_keeps(cell, block):
    plain, biased = (
        Network.draw(cell, inputs=1, hidden=3, outputs=1, forget_bias=b) for b in (0.0, 2.5)
    )
    right = np.zeros_like(plain.weights["b"])
    right[3 * block : 3 * block + 3] = 2.5
    np.testing.assert_array_equal(biased.weights["b"], right)
    np.testing.assert_array_equal(biased.weights["W"], plain.weights["W"])
    kept = Network.draw(cell, inputs=1, hidden=3, outputs=1, forget_bias=50.0, spectral_radius=0.0)
    net = kept.gradients(np.ones((40, 1, 1)), np.ones((1, 1)), at="last")
    log2 = net.cell_lag_log2 if cell == "lstm" else net.lag_log2
    np.testing.assert_allclose(log2[0], log2[39], atol=1e-12)


def test_an_lstms_start_is_a_pair_or_h_alone():
    net = network(SIZE, cell="lstm")
    x, states = batch(SIZE)[0], start(net, SIZE)
    h, c = as_h0(net, states)
    both = net.forward(x, (h, c))
    np.testing.assert_array_equal(both.cell_states[0], c)
    np.testing.assert_array_equal(both.states[0], h)
    alone = net.forward(x, h)
    np.testing.assert_array_equal(alone.states, net.forward(x, (h, np.zeros(5))).states)
    assert np.abs(alone.states[1:] - both.states[1:]).max() > 1e-3


WRONG = {
    "forget_bias=1: cell elman has no gate that forgets": lambda: Network.draw(
        inputs=1, hidden=2, outputs=1, forget_bias=1.0
    ),
    "forget_bias=nan: must be a finite number": lambda: Network.draw(
        "lstm", inputs=1, hidden=2, outputs=1, forget_bias=np.nan
    ),
    "activation must be one of tanh, not 'relu'": lambda: network(SIZE, "relu", cell="lstm"),
    "feedback must be one of output, not 'probability'": lambda: network(
        SIZE, feedback="probability"
    ),
    "feedback must be one of output, probability, not 'softmax'": lambda: network(
        SIZE, cell="jordan", feedback="softmax"
    ),
    "seed=4: init='orthogonal': the W of fed-back outputs is no square, only gaussian": (
        lambda: network(SIZE, cell="jordan", init="orthogonal")
    ),
    "h0 may hold h for cell gru, not 2": lambda: network(SIZE, cell="gru").forward(
        np.zeros((2, 3, 2)), (np.zeros(5), np.zeros(5))
    ),
    "c0 must have shape (3, 5) or (5,), not (4,)": lambda: network(SIZE, cell="lstm").forward(
        np.zeros((2, 3, 2)), (np.zeros(5), np.zeros(4))
    ),
    "teacher: cell lstm feeds no output back, only jordan does": lambda: network(
        SIZE, cell="lstm"
    ).forward(np.zeros((2, 3, 2)), teacher=np.zeros((2, 3, 3))),
    "teacher must have shape (2, 3, 3), not (2, 3)": lambda: network(SIZE, cell="jordan").forward(
        np.zeros((2, 3, 2)), teacher=np.zeros((2, 3))
    ),
    "weights lack b_recurrent: give U, W, b, b_recurrent, V, c": lambda: Network(
        network(SIZE, cell="lstm").weights, "gru"
    ),
    "weights['U'] has shape (5, 2), not (20, 2)": lambda: Network(network(SIZE).weights, "lstm"),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_mistake_is_one_line(message):
    with pytest.raises(UserError) as raised:
        WRONG[message]()
    assert str(raised.value) == message


def test_only_an_lstm_has_a_cell_state():
    net = network(SIZE)
    x, y, *_ = batch(SIZE)
    assert net.forward(x).cell_states is None
    with pytest.raises(AttributeError, match="cell elman has no cell state: only lstm has"):
        _ = net.gradients(x, y).cell_states


def test_a_network_loads_its_own_cell_alone():
    code = (
        "import sys\nfrom gradlab.nets.network import Network\n"
        "Network.draw('gru', inputs=1, hidden=2, outputs=1)\n"
        "cells = ('elman', 'gru', 'jordan', 'lstm')\n"
        "print(*[name for name in cells if f'gradlab.cells.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["gru"]
