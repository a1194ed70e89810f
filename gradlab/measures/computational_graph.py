"""The gradient through each edge of an unrolled network, h_t = f(b + W h_{t-1} + U x_t).

The edge from unit i at t-1 to unit j at t carries dL/da_t[j] W[j, i], dL/da_t = f'(a_t) dL/dh_t;
what arrives at unit i over all its edges adds up to dL/dh_{t-1}[i]. L = (o_T - y)^2 with
y = o_T - 1, so dL/do_T = 2.
"""

import numpy as np

from gradlab.measures.slopes import SLOPES
from gradlab.nets import draws
from gradlab.nets.network import Network

NUDGE = 0.5  # of a state, for central differences; exact for a quadratic loss, hence so large
COLUMNS = {
    "step": "the step t whose edges, from h_{t-1} to h_t, are asked for",
    "to_unit": "the unit of h_t that an edge leads to",
    "from_unit": "the unit of h_{t-1} that an edge leaves",
    "edge_gradient": "dL/da_t[to] W[to, from]",
    "from_gradient": "dL/dh_{t-1}[from], by backpropagation",
    "from_gradient_nudged": "the same from the forward pass alone, by central differences",
    "to_gradient": "dL/dh_t[to]",
    "decades": "log10 |edge_gradient| N/||dL/dh_T||: 0 for an edge like those at the loss",
    "input_decades": "the same of x_t's edge to unit `to`, with sqrt(N) (N edges, not N^2)",
}


def measure(block):
    """One row an edge of a block that shares its spectral_radius; the columns are COLUMNS."""
    step, to, source = (block.points[axis] for axis in ("step", "to_unit", "from_unit"))
    net, x = network(block, step.max(), max(to.max(), source.max()) + 1)
    h = net.forward(x).states
    target = net.readout(h[-1]) - 1
    back = net.gradients(x, target, at="last").states[:, 0]
    pre = SLOPES[net.activation](h[:, 0]) * back
    gradient = pre[step, to] * net.weights["W"][to, source]
    unit = np.linalg.norm(back[-1])
    inputs = np.abs(pre * net.weights["U"].T)[step, to]
    with np.errstate(divide="ignore"):
        decades = np.log10(np.abs(gradient) * net.hidden / unit)
        input_decades = np.log10(inputs * net.hidden**0.5 / unit)
    return {
        "edge_gradient": gradient,
        "from_gradient": back[step - 1, source],
        "from_gradient_nudged": nudged(net, x, h, target)[step - 1, source],
        "to_gradient": back[step, to],
        "decades": decades,
        "input_decades": input_decades,
    }


def network(block, steps, hidden):
    """A network of the block's radius and its input, white noise (T, 1, 1)."""
    radius, options = block.points["spectral_radius"][0], block.constants
    net = Network.draw(
        inputs=1, hidden=int(hidden), outputs=1, init=options["init"], seed=options["seed"],
        activation=options["activation"], spectral_radius=radius,
    )  # fmt: skip
    noise = draws.stream(seed=options["seed"], task="noise").standard_normal((int(steps), 1, 1))
    return net, options["input_scale"] * noise


def nudged(net, x, h, target):
    """(T, N): by how much the loss answers when one unit of h_{t} is moved, t = 0..T-1."""
    moves = NUDGE * np.eye(net.hidden)
    slopes = []
    for t in range(len(x)):
        ahead = np.repeat(x[t:], net.hidden, axis=1)
        high, low = (
            ((net.forward(ahead, h[t] + move).outputs[-1] - target) ** 2).sum(-1)
            for move in (moves, -moves)
        )
        slopes.append((high - low) / (2 * NUDGE))
    return np.array(slopes)
