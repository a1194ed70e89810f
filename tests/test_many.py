"""Many networks at once are what each is by itself, to the bit."""

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.nets.many import gradients_of
from gradlab.nets.network import Network

STEPS, LANES, SIZES = 37, 3, {"inputs": 2, "hidden": 5, "outputs": 2}


def draw(cell, count=3, **options):
    return [Network.draw(cell, **SIZES, seed=seed, **options) for seed in range(count)]


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", "jordan"])
@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_many_are_each_by_itself(cell, at, dtype):
    rng = np.random.default_rng(0)
    nets = draw(cell, dtype=dtype)
    x = rng.standard_normal((STEPS, LANES, 2))
    y = rng.standard_normal((STEPS, LANES, 2) if at == "every" else (LANES, 2))
    found = gradients_of(nets, x, y, at=at)
    for i, net in enumerate(nets):
        one = net.gradients(x, y, at=at)
        assert found.loss[i] == pytest.approx(one.loss, rel=1e-12 if dtype == "float64" else 1e-6)
        assert found.exponent[i] == one.exponent
        for name, value in one.weights.items():
            tolerance = 1e-13 if dtype == "float64" else 1e-5
            scale = np.abs(value).max()
            assert np.abs(found.weights[name][i] - value).max() <= tolerance * scale, name


def test_gradients_beyond_the_range_keep_their_exponent():
    nets = draw("elman", activation="identity", spectral_radius=30.0)
    x = np.random.default_rng(0).standard_normal((190, 1, 2))
    with np.errstate(over="ignore"):  # the loss, not its slope
        found = gradients_of(nets, x, np.zeros((1, 2)), at="last")
        each = [net.gradients(x, np.zeros((1, 2)), at="last") for net in nets]
    for i, one in enumerate(each):
        assert found.exponent[i] == one.exponent > 1000
        np.testing.assert_allclose(found.weights["W"][i], one.weights["W"], rtol=1e-10)


def test_classes_and_many_chunks():
    nets = draw("elman", count=70)
    x = np.random.default_rng(0).standard_normal((400, LANES, 2))
    classes = np.array([0, 1, 1])
    found = gradients_of(nets, x, classes, loss="cross_entropy", at="last")
    one = nets[-1].gradients(x, classes, loss="cross_entropy", at="last")
    np.testing.assert_allclose(found.weights["V"][-1], one.weights["V"], rtol=1e-12)
    np.testing.assert_allclose(found.weights["W"][-1], one.weights["W"], rtol=1e-9)


@pytest.mark.parametrize(
    ("nets", "message"),
    [
        ([], "no networks were given"),
        ([*draw("elman", 1), *draw("gru", 1)], "all networks must be alike"),
        (draw("lstm", 1, layers=2), "one layer and one direction"),
    ],
)
def test_networks_that_do_not_fit_are_refused(nets, message):
    with pytest.raises(UserError, match=message):
        gradients_of(nets, np.zeros((3, 1, 2)), np.zeros((1, 2)), at="last")
