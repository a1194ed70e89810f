"""The measure of the experiment linear_powers, beside powers of W in exact fractions."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from gradlab.errors import UserError
from gradlab.measures import linear_powers
from gradlab.suite import library
from gradlab.suite.grid import Block, blocks, changed

SLIDE = {"complex pair": 0.0, "defective": 1.0, "triangular": 10.0}


def block(matrix, coupling=0.0, hidden=8, steps=(0, 1, 2, 3, 7)):
    axes = {"matrix": matrix, "spectral_radius": 0.75, "coupling": coupling, "seed": 3}
    points = {name: np.full(len(steps), value) for name, value in axes.items()}
    return Block(points | {"step": np.array(steps)}, {"hidden_size": hidden})


def exact_power(W, t):
    """W^t as fractions, one product after the other."""
    W = np.array([[Fraction(entry) for entry in row] for row in W.tolist()], dtype=object)
    power = np.array([[Fraction(int(i == j)) for j in range(len(W))] for i in range(len(W))])
    for _ in range(t):
        power = W @ power
    return power


@pytest.mark.parametrize("matrix", [*SLIDE, "symmetric", "gaussian"])
def test_a_row_is_a_power_of_w(matrix):
    given = block(matrix, SLIDE.get(matrix, 0.0))
    W, h0 = linear_powers.system(given)
    table = linear_powers.measure(given)
    for row, t in enumerate(given.points["step"]):
        power = exact_power(W, int(t))
        h = (power @ [Fraction(value) for value in h0.tolist()]).astype(float)
        power = power.astype(float)
        assert table["first"][row] == pytest.approx(h[0], rel=1e-12, abs=1e-14)
        assert table["second"][row] == pytest.approx(h[1], rel=1e-12, abs=1e-14)
        assert 10 ** table["log10_norm"][row] == pytest.approx(np.sqrt((h**2).sum()), rel=1e-12)
        largest = np.sqrt(np.linalg.eigvalsh(power @ power.T)[-1])
        assert 10 ** table["log10_operator"][row] == pytest.approx(largest, rel=1e-9)


def test_the_dominant_term_is_what_is_left_of_the_sum():
    W, h0 = linear_powers.system(block("symmetric"))
    whole, dominant, condition = linear_powers.eigen_sum(W, h0, 400)
    left = np.linalg.matrix_power(W, 400) @ h0
    np.testing.assert_allclose(whole[-1], left, rtol=1e-9)
    np.testing.assert_allclose(dominant[-1], left, rtol=1e-6)
    assert condition == pytest.approx(1) and not np.allclose(dominant[0], h0)


def test_one_unit_has_no_second_component():
    with pytest.raises(UserError, match="hidden_size=1: must be at least 2"):
        linear_powers.measure(block("gaussian", hidden=1))


def test_the_claim_of_a_defective_w_holds_at_every_coupling():
    experiment = library.load("linear_powers")
    claim = next(claim for claim in experiment.claims if claim.name == "defective")
    few = {"matrix": "defective", "step": range(4)}
    for coupling in (1.0, 3.0):
        small = changed(experiment, few | {"coupling": coupling, "seed": 0})
        measured = [linear_powers.measure(block) for block, _ in blocks(small)]
        tables = [
            pd.DataFrame(block.points | block.constants | columns | {"status": "ok"})
            for (block, _), columns in zip(blocks(small), measured, strict=True)
        ]
        assert claim.judge(pd.concat(tables)).outcome == "ok"
