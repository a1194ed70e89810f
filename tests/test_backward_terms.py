"""Terms of dL/dW by complex steps in the W of one step alone."""

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.measures.backward_terms import measure
from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.suite.grid import Block

STEPS, UNITS, SCALE, RADIUS = 4, 3, 0.5, 1.2
TINY = 1e-30


def block(network, k, **values):
    shared = {"network": network, "spectral_radius": RADIUS, "sequence_length": STEPS, "seed": 1}
    points = {name: np.repeat(value, len(k)) for name, value in (shared | values).items()}
    return Block(points | {"k": np.array(k)}, {"hidden_size": UNITS, "input_scale": SCALE})


def terms(net, h0, x):
    """(T, N, N): dL/dW_k of L = (o_T - 1)^2, each entry of each step's W moved by itself."""
    found = np.zeros((STEPS, UNITS, UNITS))
    for k, i, j in np.ndindex(found.shape):
        h = h0
        for step, x_t in enumerate(x):
            W = net.weights["W"].astype(complex)
            W[i, j] += TINY * 1j * (step == k)
            h = np.tanh(W @ h + net.weights["U"] @ x_t)
        found[k, i, j] = ((net.weights["V"] @ h - 1) ** 2).imag.item() / TINY
    return found


def test_the_terms_of_a_long_network_are_those_of_its_steps():
    net = Network.draw(inputs=1, hidden=UNITS, outputs=1, seed=1, spectral_radius=RADIUS,
                       input_scale=SCALE)  # fmt: skip
    noise = draws.stream(seed=1, task="noise")
    h0, x = 0.1 * noise.standard_normal(UNITS), noise.standard_normal((STEPS, 1))
    each = terms(net, h0, x)
    whole = each.sum(0)
    table = measure(block("long", [1, 2, 3, 4]))
    norms, shares = np.linalg.norm(each, axis=(1, 2)), (each * whole).sum((1, 2))
    np.testing.assert_allclose(10 ** table["log10_term"], norms, rtol=1e-10)
    np.testing.assert_allclose(table["share"], shares / (whole**2).sum(), rtol=1e-10)
    gain = np.sqrt(UNITS) * np.sqrt(np.mean(np.square(net.weights["W"])))
    np.testing.assert_allclose(table["gain"], gain, rtol=1e-12)


@pytest.mark.parametrize(
    ("network", "k", "message"),
    [
        ("long", 5, "sequence_length=4: must be at least 5"),
        ("two_units", 4, "k=4: two_units has the steps 1 to 3"),
        ("three_units", 1, "network"),
    ],
)
def test_a_step_that_is_not_there_is_refused(network, k, message):
    with pytest.raises(UserError, match=message):
        measure(block(network, [k]))
