"""The edges of an unrolled network, each moved by itself in the obvious NumPy."""

import numpy as np
import pytest
from reference import ACTIVATIONS

from gradlab.measures.computational_graph import measure, network
from gradlab.suite.grid import Block

STEPS, UNITS, TINY = 3, 2, 1e-30


def block(activation):
    step, to, source = (axis.ravel() + (i == 0) for i, axis in enumerate(
        np.indices((STEPS, UNITS, UNITS))
    ))  # fmt: skip
    points = {"spectral_radius": np.full(step.size, 1.3), "step": step, "to_unit": to,
              "from_unit": source}  # fmt: skip
    constants = {"activation": activation, "init": "gaussian", "input_scale": 0.7, "seed": 1}
    return Block(points, constants)


def output(net, x, nudge):
    """(o_T, states) where `nudge[t, j, i]` is added to what unit i sends to unit j at step t."""
    f, _ = ACTIVATIONS[net.activation]
    h = [np.zeros(UNITS)]
    for x_t, moved in zip(x[:, 0], nudge, strict=True):
        h.append(f(net.weights["U"] @ x_t + net.weights["W"] @ h[-1] + moved.sum(1)))
    return (net.weights["V"] @ h[-1])[0], h


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "identity"])
def test_an_edge_carries_what_the_loss_answers_to_a_signal_on_it(activation):
    """By a complex step: dL/da_t[j] is the answer to a signal on any edge into j."""
    asked = block(activation)
    net, x = network(asked, STEPS, UNITS)
    still, _ = output(net, x, np.zeros((STEPS, UNITS, UNITS)))
    columns = measure(asked)
    for row in range(len(asked)):
        step, to, source = (asked.points[a][row] for a in ("step", "to_unit", "from_unit"))
        nudge = np.zeros((STEPS, UNITS, UNITS), complex)
        nudge[step - 1, to, source] = TINY * 1j
        moved, _ = output(net, x, nudge)
        answer = ((moved - (still - 1)) ** 2).imag / TINY
        assert columns["edge_gradient"][row] == pytest.approx(
            answer * net.weights["W"][to, source], rel=1e-12
        )
