"""Gradient descent on the error of one unit after T steps, from many points at once.

    x_{t+1} = w sigmoid(x_t) + b,   E = (sigmoid(x_T) - 0.7)^2,   (w, b) <- (w, b) - 0.2 clip(dE)

Source: Pascanu, Mikolov, Bengio (ICML 2013), Fig. 6.
"""

import numpy as np

from gradlab.errors import UserError
from gradlab.learning.clipping import clip
from gradlab.nets import bptt, registry

TARGET, RATE = 0.7, 0.2
COLUMNS = {
    "weight": "w at update 0, where the descent begins",
    "bias": "b at update 0",
    "start": "x_0",
    "steps": "T of x_T, the state whose error is E (steps)",
    "update": "updates of gradient descent, of rate 0.2, that were made",
    "w": "w after so many updates",
    "b": "b after so many updates",
    "last_state": "x_T there",
    "error": "E = (sigmoid(x_T) - 0.7)^2 there",
    "slope_w": "dE/dw there",
    "slope_b": "dE/db there",
    "gradient_norm": "||(dE/dw, dE/db)|| there, before clipping",
}


def measure(block):
    """Where gradient descent from (weight, bias) is after `update` steps; the columns are COLUMNS.

    All points of a block share clip_threshold and steps. Raises UserError for steps below 1 and
    updates below 0.
    """
    points = {name: values.astype(float) for name, values in block.points.items()}
    for name, least in (("steps", 1), ("update", 0)):
        if points[name].min() < least:
            raise UserError(f"{name}={points[name].min():g}: must be at least {least}")
    threshold, steps = points["clip_threshold"][0], int(points["steps"][0])
    begun = np.stack([points[name] for name in ("weight", "bias", "start")])
    (w, b, start), lane = np.unique(begun, axis=1, return_inverse=True)
    update, columns = points["update"].astype(int), {}
    for count in range(update.max() + 1):
        here = np.unique(lane[update >= count])
        values = {"w": w[here], "b": b[here]} | at(w[here], b[here], start[here], steps)
        chosen = update == count
        for name, value in values.items():
            column = columns.setdefault(name, np.empty(len(block)))
            column[chosen] = value[np.searchsorted(here, lane[chosen])]
        slopes = np.stack([values["slope_w"], values["slope_b"]], axis=1)
        step = RATE * clip(slopes, threshold, per="lane").gradients
        w[here], b[here] = w[here] - step[:, 0], b[here] - step[:, 1]
    return columns | {"gradient_norm": np.hypot(columns["slope_w"], columns["slope_b"])}


def at(w, b, start, steps):
    """x_T, E and its slopes at many (w, b): lanes of gradlab's cell with one unit, gain w."""
    lanes, module = len(w), registry.find("elman")
    one = {"U": np.ones((1, 1)), "W": np.ones((1, 1)), "b": np.zeros(1)}
    prepared = module.prepare(one, "sigmoid", "float64")
    x = np.repeat(b[None, :, None], steps, axis=0)
    lengths = np.full(lanes, steps)
    initial = 1 / (1 + np.exp(-start[:, None]))  # the cell's state is sigmoid(x_t)
    run = bptt.forward(module, prepared, w, x, initial, lengths)
    last = run.trace.state[-1]
    sums = bptt.LaneSums(module.sources(run.trace, x), lanes)
    bptt.back(run, lengths, 2 * (last - TARGET), sums)
    plain = {name: np.ldexp(sums.total[name][:, 0, 0], sums.exponent[name]) for name in ("W", "b")}
    state = w * run.trace.state[-2][:, 0] + b
    error = (last[:, 0] - TARGET) ** 2
    return {"last_state": state, "error": error, "slope_w": plain["W"], "slope_b": plain["b"]}
