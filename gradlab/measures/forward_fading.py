"""A nudge of the first input x_1 on its way forward, the gradient of h_t at x_1 on its way back.

    dh_t/dx_1 = J_t ... J_2 diag(f'_1) U,    J_i = diag(f'_i) W

multiplied from the oldest factor on, and by BPTT from the newest one.
"""

import numpy as np

from gradlab.errors import UserError
from gradlab.measures.setting import constant
from gradlab.measures.slopes import SLOPES
from gradlab.nets import bptt, draws
from gradlab.nets.network import Network

NUDGE = 1e-6
INPUTS = 4  # of white noise, so that dh_t/dx_1 has several singular values
KEPT = 3
COLUMNS = {
    "lag": "t - 1: steps from the nudged input to the state that is looked at",
    "log10_nudge": "log10 of ||h_t(x_1 + 1e-6 d) - h_t(x_1)|| / 1e-6, d a random direction",
    "log10_derivative": "log10 of ||dh_t/dx_1 d||",
    "forward_N": "log10 of the N-th largest singular value of dh_t/dx_1, multiplied forwards",
    "backward_N": "the same from BPTT, one lane for each unit of h_t",
}


def measure(block):
    """One row a lag of a network: t = 1 + lag. Raises UserError for fewer than KEPT units."""
    net = network(block)
    if net.hidden < KEPT:
        raise UserError(f"hidden_size={net.hidden}: must be at least {KEPT}")
    lags = block.points["lag"]
    x, d = inputs(block, int(lags.max()) + 1)
    nudged = np.concatenate([x, x], axis=1)
    nudged[0, 1] += NUDGE * d
    states = net.forward(nudged).states
    run = alone(net, x)
    ahead = forwards(net, run.trace.state[:, 0])[lags]
    behind = backwards(net, run, lags)
    singular = [np.linalg.svd(product, compute_uv=False)[:, :KEPT] for product in (ahead, behind)]
    moved = np.linalg.norm(states[1 + lags, 1] - states[1 + lags, 0], axis=1)
    with np.errstate(divide="ignore"):
        columns = {
            "log10_nudge": np.log10(moved / NUDGE),
            "log10_derivative": np.log10(np.linalg.norm(ahead @ d, axis=1)),
        }
        for name, values in zip(("forward", "backward"), singular, strict=True):
            columns |= {f"{name}_{i + 1}": np.log10(values[:, i]) for i in range(KEPT)}
    W = net.weights["W"]
    return columns | {"gain": np.full(len(lags), np.linalg.norm(W) / np.sqrt(len(W)))}


def network(block):
    """The block's network."""
    init, activation, radius, seed = (
        block.points[name][0] for name in ("init", "activation", "spectral_radius", "seed")
    )
    return Network.draw(
        inputs=INPUTS, hidden=constant(block, "hidden_size"), outputs=1, activation=activation,
        init=init, spectral_radius=radius, input_scale=constant(block, "input_scale"), seed=seed,
    )  # fmt: skip


def inputs(block, steps):
    """White noise x (steps, 1, D), and a direction d (D,) for the nudge."""
    stream = draws.stream(seed=block.points["seed"][0], task="noise", inputs=INPUTS)
    d = stream.standard_normal(INPUTS)
    return stream.standard_normal((steps, 1, INPUTS)), d / np.linalg.norm(d)


def forwards(net, h):
    """dh_t/dx_1 (T, N, D) for t = 1..T along the states h (T + 1, N), from the oldest factor on."""
    first, *later = slope(net, h[1:])
    products = [first[:, None] * net.weights["U"]]
    for now in later:
        products.append(now[:, None] * (net.weights["W"] @ products[-1]))
    return np.array(products)


def alone(net, x):
    """The forward pass of one lane, along which both products are taken.

    Two passes of a chaotic network round to two ways where BLAS sums lanes in another order.
    """
    one, start = np.ones(1), np.zeros((1, net.hidden))
    return bptt.forward(net.module, net.prepared(), one, x, start, np.array([len(x)]))


def backwards(net, run, lags):
    """dh_t/dx_1 from BPTT along a pass, t = 1 + lag: one lane for each unit, its dL/dh_t = e_i."""
    unit, state = np.eye(net.hidden), run.trace.state
    products = []
    for steps in 1 + np.asarray(lags):
        part = run._replace(trace=run.trace._replace(state=state[: steps + 1]))
        adjoint = bptt.back(part, np.full(net.hidden, steps), unit, keep=True)
        back = np.ldexp(adjoint.states[1], adjoint.exponent[1][:, None])
        products.append((back * slope(net, state[1])) @ net.weights["U"])
    return np.array(products)


def slope(net, h):
    """f'(a) from h = f(a)."""
    return SLOPES[net.activation](h)
