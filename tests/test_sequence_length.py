"""The measure of the experiment sequence_length, beside NumPy's own products of Jacobians."""

import numpy as np
import pytest

from gradlab.measures import sequence_length, setting
from gradlab.suite.grid import Block


@pytest.mark.parametrize("hidden", [6, 1])
def test_every_row_is_a_product_of_jacobians(hidden):
    constants = {"task": "noise", "hidden_size": hidden, "input_scale": 0.1, "init": "gaussian",
                 "activation": "tanh", "seed": 2}  # fmt: skip
    radius, length = (grid.ravel() for grid in np.meshgrid([0.7, 1.8], [3, 120, 117]))
    block = Block({"spectral_radius": radius, "sequence_length": length}, constants)
    shared = setting.draw(block, 120)
    table = sequence_length.measure(block)
    for row in range(len(block)):
        W, h, tangent = radius[row] * shared.net.weights["W"], shared.start, np.eye(hidden)
        grown = np.zeros((2, hidden))  # up to step 100, and after it
        product = np.eye(hidden)
        for t in range(length[row]):
            h = np.tanh(W @ h + 0.1 * shared.net.weights["U"] @ shared.inputs[t, 0])
            J = (1 - h**2)[:, None] * W
            product = J @ product
            tangent, R = np.linalg.qr(J @ tangent)
            grown[int(t >= 100)] += np.log(np.abs(np.diag(R)))
        expected = np.log10(np.linalg.norm(product.T @ shared.net.weights["V"][0]))
        for column in ("log10_gradient", "log10_product"):
            assert table[column][row] == pytest.approx(expected, abs=1e-9)
        for i in range(min(2, hidden)):
            got = table[f"lyapunov_{i + 1}"][row]
            if length[row] <= 100:
                assert np.isnan(got)
            else:
                assert got == pytest.approx(grown[1, i] / (length[row] - 100), abs=1e-9)
    assert set(table["status"]) == {"ok"}
