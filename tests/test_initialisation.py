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
        for lag in (1, 2, 3, 5, 7, 10, 15, 20):
            expected = math.log10(
                np.linalg.norm(np.linalg.matrix_power(W.T, lag) @ v) / np.linalg.norm(v)
            )
            assert table[f"log10_gradient_lag_{lag}"][row] == pytest.approx(expected, abs=1e-9)
        for lag in (30, 50, 70, 100):
            assert np.isnan(table[f"log10_gradient_lag_{lag}"][row])
        radius = np.abs(np.linalg.eigvals(W)).max()
        assert table["eigenvalue_radius"][row] == pytest.approx(radius)
        assert table["singular_value"][row] == pytest.approx(np.linalg.norm(W, 2))
        # nine values: the percentile 12.5 k is value k, others lie on the line between two
        values = np.sqrt(np.abs(np.sort(np.linalg.eigvalsh(W @ W.T))))
        for percent in range(0, 101, 10):
            at = np.interp(percent, np.arange(9) * 12.5, values)
            name = f"singular_value_p{percent}"
            assert table[name][row] == pytest.approx(at, abs=1e-7), name
        lost = np.linalg.norm(W) ** 2 - (np.abs(np.linalg.eigvals(W)) ** 2).sum()
        relative = math.sqrt(max(lost, 0)) / np.linalg.norm(W)
        assert table["departure"][row] == pytest.approx(relative, abs=1e-6)
    assert set(table["status"]) == {"ok"}
