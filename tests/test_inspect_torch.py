"""A PyTorch LSTM that does not learn to add: `inspect` says why, and what it tries makes it learn.

Chosen by trying, three seeds: at 120 steps a forget bias of -3 learns nothing in 2,000 updates,
twice as many as here; with what inspect finds it takes 521 to 608. Of 10 steps -3 takes 490 to 667.
At 80 steps and rate 0.01 it only learns later, from 1,506 updates on, and would prove less.
"""

import numpy as np
import pytest

import gradlab
from gradlab import tasks

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

UNITS, BATCH, LONG, SHORT = 24, 20, 120, 10
UPDATES, RATE, SOLVED = 1000, 0.005, 0.01
ADDING = tasks.find("adding")


class Adder(torch.nn.Module):
    """An LSTM whose last state a linear layer reads."""

    def __init__(self):
        super().__init__()
        self.rnn, self.readout = torch.nn.LSTM(2, UNITS), torch.nn.Linear(UNITS, 1)

    def forward(self, x):
        return self.readout(self.rnn(x)[0][-1])


def started(seed, forget_bias=-3.0):
    torch.manual_seed(seed)
    module = Adder()
    with torch.no_grad():
        module.rnn.bias_ih_l0[UNITS : 2 * UNITS] = forget_bias
        module.rnn.bias_hh_l0[UNITS : 2 * UNITS] = 0
    return module


def batch(stream, steps):
    x, y = ADDING.sample(stream, steps, BATCH)
    return np.float32(x), np.float32(y)


def updates_until_solved(module, steps, seed):
    """None within UPDATES: the mean loss of 50 updates is below SOLVED."""
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
    stream, losses = np.random.default_rng(seed), []
    for update in range(1, UPDATES + 1):
        x, y = map(torch.from_numpy, batch(stream, steps))
        loss = torch.nn.functional.mse_loss(module(x), y)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if update > 100 and np.mean(losses[-50:]) < SOLVED:
            return update
    return None


def with_weights_of(net):
    """A module with a Network's weights."""
    module, own = (
        Adder(),
        {name: torch.from_numpy(np.float32(w)) for name, w in net.weights.items()},
    )
    with torch.no_grad():
        module.rnn.weight_ih_l0.copy_(own["U"])
        module.rnn.weight_hh_l0.copy_(own["W"])
        module.rnn.bias_ih_l0.copy_(own["b"])
        module.rnn.bias_hh_l0.zero_()
        module.readout.weight.copy_(own["V"])
        module.readout.bias.copy_(own["c"])
    return module


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # small products: more threads are slower
    yield
    torch.set_num_threads(before)


def test_what_does_not_learn_is_told_why_and_learns_with_the_remedy(seed=0):
    assert updates_until_solved(started(seed), SHORT, seed) is not None
    module = started(seed)
    assert updates_until_solved(module, LONG, seed) is None
    x, y = batch(np.random.default_rng(seed), LONG)
    seen = gradlab.inspect(module, x, y, needs=LONG)
    assert seen.found.layers[0].reach < LONG
    assert "the gradient vanishes" in seen.advice[0]
    assert any("The horizon is shorter than the dependency" in said for said in seen.advice)
    seen.attempt()
    (remedy,) = [one for one in seen.remedies if one.name in seen.remedy]
    assert "is the first that is enough" in seen.remedy and remedy.horizons[1] >= LONG
    assert updates_until_solved(with_weights_of(remedy.net), LONG, seed) is not None


@pytest.mark.parametrize("kind", ["module", "layer", "state_dict"])
def test_a_module_what_holds_it_and_its_state_are_the_same(kind):
    module = started(3)
    thing = {"module": module, "layer": module.rnn, "state_dict": module.state_dict()}[kind]
    x, _ = batch(np.random.default_rng(0), SHORT)
    found = gradlab.inspect(thing, torch.from_numpy(x)).found.layers[0]
    other = gradlab.inspect(module, x).found.layers[0]
    assert found.horizon == other.horizon and found.spectra == other.spectra


def test_dL_dh_is_that_of_autograd():
    module, (x, y) = started(1, 1.0), batch(np.random.default_rng(1), SHORT)
    states = [torch.zeros(1, BATCH, UNITS, requires_grad=True) for _ in range(2)]
    kept, (h, c) = [states], states
    for t in range(SHORT):
        _, (h, c) = module.rnn(torch.from_numpy(x[t : t + 1]), (h, c))
        for one in (h, c):
            one.retain_grad()
        kept.append((h, c))
    torch.nn.functional.mse_loss(module.readout(h[0]), torch.from_numpy(y)).backward()
    log10 = gradlab.inspect(module, x, y).found.layers[0].log10
    for lag in (0, 3, SHORT):
        size = kept[SHORT - lag][0].grad[0].norm(dim=1).square().mean().sqrt().item()
        assert log10["h"][lag] == pytest.approx(np.log10(size), abs=1e-4)
    size = kept[SHORT - 4][1].grad[0].norm(dim=1).square().mean().sqrt().item()
    assert log10["c"][4] == pytest.approx(np.log10(size), abs=1e-4)
