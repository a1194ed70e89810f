"""The measure of the experiment initialisation, beside plain linear algebra."""

import math

import numpy as np
import pytest

from gradlab.measures import initialisation
from gradlab.nets import draws
from gradlab.suite.grid import Block

INITS = np.array(list(draws.INITS))
CONSTANTS = {"hidden_size": 9, "sequence_length": 20, "task": "noise", "input_scale": 0.1}


@pytest.mark.parametrize("rescaled", [False, True])
def test_rows_of_a_linear_cell_are_powers_of_its_matrix(rescaled):
    ones = np.ones(len(INITS), int)
    points = {"init": INITS, "rescaled": ones * rescaled == 1, "seed": 3 * ones,
              "activation": np.array(["identity"] * len(INITS))}  # fmt: skip
    table = initialisation.measure(Block(points, CONSTANTS))
    for row, init in enumerate(INITS):
        stream = draws.stream(seed=3, init=str(init), hidden_size=9)
        W = draws.recurrent(stream, 9, init, 1.0 if rescaled else None)
        draws.dense(stream, 9, 1)
        v = draws.dense(stream, 1, 9)[0]
        for lag in (1, 5, 20):
            expected = math.log10(
                np.linalg.norm(np.linalg.matrix_power(W.T, lag) @ v) / np.linalg.norm(v)
            )
            assert table[f"log10_gradient_lag_{lag}"][row] == pytest.approx(expected, abs=1e-9)
        assert np.isnan(table["log10_gradient_lag_30"][row])
        radius = np.abs(np.linalg.eigvals(W)).max()
        assert table["eigenvalue_radius"][row] == pytest.approx(radius)
        assert table["singular_value"][row] == pytest.approx(np.linalg.norm(W, 2))
        middle = np.median(np.linalg.svd(W, compute_uv=False))
        assert table["singular_value_p50"][row] == pytest.approx(middle)
        lost = np.linalg.norm(W) ** 2 - (np.abs(np.linalg.eigvals(W)) ** 2).sum()
        relative = math.sqrt(max(lost, 0)) / np.linalg.norm(W)
        assert table["departure"][row] == pytest.approx(relative, abs=1e-6)
    assert set(table["status"]) == {"ok"}
