"""Omega: the authors' formula written out, and its immediate derivative by finite differences."""

import numpy as np
import pytest
import reference
from networks import batch, network, targets_of

from gradlab.errors import UserError
from gradlab.learning.omega import omega

SIZE = {"steps": 9, "lanes": 4, "hidden": 6, "inputs": 3, "outputs": 3, "seed": 7}
CASES = [
    (activation, loss, at)
    for activation in ("tanh", "sigmoid", "identity")
    for loss, at in (("cross_entropy", "last"), ("squared_error", "every"))
]


def pieces(net, x, y, loss, at):
    """g_t = dL/dh_t and f'(a_t), (B, T, N) each, of the mean loss; t = 1..T."""
    _, slope = reference.ACTIVATIONS[net.activation]
    lanes, steps = x.shape[1], len(x)
    g, slopes = [], []
    for lane in range(lanes):
        targets = (targets_of(lane, y, steps, at), loss)
        start = np.zeros(net.hidden)
        h, _ = reference.states(net, x[:, lane], start)
        _, states, _ = reference.gradients(net, x[:, lane], start, targets)
        g.append(states[1:] / lanes)
        slopes.append(slope(h[1:]))
    return np.array(g), np.array(slopes)


def written_out(W, g, slopes, bound=1e-20):
    """The authors' code, loop by loop: tmp_reg.mean(1).sum() / n_elems.sum()."""
    lanes, steps, _ = g.shape
    regular, counted = 0.0, 0.0
    for t in range(steps):
        row, share = 0.0, 0.0
        for lane in range(lanes):
            before = (g[lane, t] ** 2).sum()
            after = (((g[lane, t] * slopes[lane, t]) @ W) ** 2).sum()
            row += ((after / before if before >= bound else 1.0) - 1.0) ** 2 / lanes
            share += (before >= bound) / lanes
        regular += row
        counted += share
    return regular / counted


@pytest.mark.parametrize(("activation", "loss", "at"), CASES)
@pytest.mark.parametrize("radius", [0.5, 1.4])
def test_omega_is_the_authors_formula(activation, loss, at, radius):
    net = network(SIZE, activation, radius)
    x, y, _, _ = batch(SIZE, loss, at)
    found = omega(net, x, y, loss, at)
    g, slopes = pieces(net, x, y, loss, at)
    assert found.value == pytest.approx(written_out(net.weights["W"], g, slopes), rel=1e-11)
    assert found.steps == ((g**2).sum(-1) >= 1e-20).sum(1).mean()


@pytest.mark.parametrize(("activation", "loss", "at"), CASES)
def test_its_derivative_holds_the_gradient_and_the_states(activation, loss, at):
    net = network(SIZE, activation, 1.1)
    x, y, _, _ = batch(SIZE, loss, at)
    g, slopes = pieces(net, x, y, loss, at)
    W, step = net.weights["W"], 1e-6
    numerical = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        change = np.zeros_like(W)
        change[index] = step
        up, down = (written_out(W + sign * change, g, slopes) for sign in (1, -1))
        numerical[index] = (up - down) / (2 * step)
    found = omega(net, x, y, loss, at).gradient
    np.testing.assert_allclose(found, numerical, atol=1e-7 * np.abs(numerical).max())


def test_steps_below_the_bound_do_not_count():
    size = SIZE | {"steps": 60}
    net = network(size, "tanh", 0.3)
    x, y, _, _ = batch(size, "cross_entropy", "last")
    g, slopes = pieces(net, x, y, "cross_entropy", "last")
    found = omega(net, x, y, "cross_entropy", "last")
    counted = ((g**2).sum(-1) >= 1e-20).sum(1).mean()
    assert counted < 40
    assert found.steps == counted
    assert found.value == pytest.approx(written_out(net.weights["W"], g, slopes), rel=1e-10)


def test_a_gradient_out_of_float64_s_range_has_an_omega():
    size = SIZE | {"steps": 3000, "outputs": 1}
    net = network(size, "identity", 1.5)
    x, y, _, _ = batch(size, "squared_error", "last")
    x[:], net.weights["b"][:] = 0, 0  # the states stay 0, dL/dh grows to 1e528
    found = omega(net, x, y, at="last")
    W, values = net.weights["W"], []
    g = net.weights["V"]  # all lanes are alike
    for _ in range(3000):
        v = g @ W
        values.append(((v**2).sum() / (g**2).sum() - 1) ** 2)
        g = v / np.linalg.norm(v)
    assert np.isfinite(found.gradient).all()
    assert found.value == pytest.approx(np.mean(values), rel=1e-9)


def test_an_orthogonal_linear_network_has_none():
    net = network(SIZE, "identity", None, init="orthogonal")
    x, y, _, _ = batch(SIZE)
    found = omega(net, x, y)
    assert found.value == pytest.approx(0, abs=1e-25)
    assert np.abs(found.gradient).max() < 1e-12


def test_a_step_against_its_gradient_makes_it_smaller():
    net = network(SIZE, "tanh", 0.6)
    x, y, _, _ = batch(SIZE, "cross_entropy", "last")
    before = omega(net, x, y, "cross_entropy", "last")
    net.weights["W"] -= 0.1 * before.gradient
    assert omega(net, x, y, "cross_entropy", "last").value < before.value


def test_other_cells_are_refused():
    for options, said in (
        ({"cell": "lstm"}, "cell elman, not lstm"),
        ({"layers": 2}, "one layer and one direction"),
    ):
        with pytest.raises(UserError, match=f"omega is defined for {said}"):
            omega(network(SIZE, **options), *batch(SIZE)[:2])
