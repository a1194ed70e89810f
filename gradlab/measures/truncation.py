"""How far the gradient of truncated backpropagation is from the full one."""

import math

import numpy as np

from gradlab import tasks, theory
from gradlab.errors import UserError
from gradlab.measures.setting import cell_of, constant, of_network, places_of, task_stream
from gradlab.nets import registry, statuses
from gradlab.nets.exponents import log2_mean, log2_norm, log2_sum, plain
from gradlab.nets.network import Network
from gradlab.theory import truncation

COLUMNS = {
    "angle": "between the truncated and the full dL/dW, of layers and directions all W's together; "
    "nan if one is zero (degrees)",
    "log10_ratio": "log10 of ||truncated|| / ||full|| (decades)",
    "log10_error": "log10 of ||truncated - full|| / ||full||; -inf where they are equal (decades)",
    "log10_norm": "log10 of ||full||",
    "window_estimate": "steps that windows must reach back for a relative bias below 10 %, from "
    "||dL_T/dh_k|| by lag (Aicher, Foti, Fox 2019); of layers and directions the top one's, "
    "forward; nan if no window is known to be enough (steps)",
}
SHARED = ("truncation", "steps")  # axes along which the full gradient is one and the same


def measure(block):
    """One row a truncated gradient dL/dW, of a batch under the task, beside the full one.

    The columns are those of COLUMNS, mean field's gain of W, and status: ok, zero (the full
    gradient is), overflow, nan.
    """
    points = [_point(block, i) for i in range(len(block))]
    groups, rows = {}, [None] * len(points)
    for i, point in enumerate(points):
        shared = tuple(value for name, value in point.items() if name not in SHARED)
        groups.setdefault(shared, []).append(i)
    for group in groups.values():
        net, call = _network(points[group[0]])
        full = net.gradients(**call)
        needed = _window_estimate(net, call)
        for i in group:
            cut = net.gradients(**call, truncate=(points[i]["truncation"], points[i]["steps"]))
            rows[i] = _row(net, full, cut) | {"window_estimate": needed}
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def estimate(block):
    """(seconds, bytes) of one worker: a window of k steps costs k backward passes."""
    hidden, lanes = block.points["hidden_size"], constant(block, "batch_size")
    rows = lanes * np.where(block.points["truncation"] == "window", block.points["steps"], 1)
    steps = block.points["sequence_length"]
    chains = len(places_of(block)) * (len(registry.find(cell_of(block)).gates) or 1)
    seconds = chains * steps * (40e-6 + rows * hidden * (2 * hidden / 20e9 + 10e-9))
    return float(seconds.sum()), int((8 * hidden * (6 * rows + 6 * steps * lanes)).max())


def distance(cut, full):
    """(angle in degrees, log10 of the ratio of norms, log10 of the relative error).

    cut, full: (array, exponent), the value array * 2^exponent. From unit vectors a and b the angle
    is 2 arctan(|a - b| / |a + b|), which keeps small angles where arccos has lost them.
    """
    norms = [log2_norm([array], exponent) for array, exponent in (cut, full)]
    if not np.isfinite(norms).all():
        ratio = norms[0] - norms[1] if np.isfinite(norms[1]) else np.nan
        return np.nan, ratio, 0.0 if ratio == -np.inf else np.nan
    a, b = (_unit(array) for array, _ in (cut, full))
    angle = 2 * math.atan2(np.linalg.norm(a - b), np.linalg.norm(a + b))
    log10 = (norms[0] - norms[1]) * math.log10(2)
    low, high = (np.float64(10.0) ** -max(sign * log10, 0.0) for sign in (1, -1))
    with np.errstate(divide="ignore"):
        error = max(log10, 0.0) + np.log10(np.linalg.norm(high * a - low * b))
    return math.degrees(angle), log10, error


def _unit(array):
    scaled = array / np.abs(array).max()
    return scaled / np.linalg.norm(scaled)


def _window_estimate(net, call):
    """The adaptive window, from the loss of the last step alone: only there a lag is one."""
    at_last = call["y"][-1] if call["at"] == "every" else call["y"]
    gradients = net.gradients(call["x"], at_last, call["loss"], "last")
    lags = gradients.part_lag_log2(net.layers - 1, "forward").values()
    norms = log2_sum([2 * one[::-1] for one in lags]) / 2
    return truncation.window(log2_mean(norms, 1) * math.log(2))


def _row(net, full, cut):
    angle, ratio, error = distance(*(_recurrent(net, g) for g in (cut, full)))
    whole, level = _recurrent(net, full)
    norm = log2_norm([whole], level) * math.log10(2)
    bad = full.status[full.bad_step > 0]
    status = bad[0] if bad.size else statuses.ZERO if norm == -np.inf else statuses.OK
    alone = net.cell == "elman" and net.layers == 1  # else mean field says nothing of it
    gain = theory.weight_gain(net.weights["W"]) if alone else np.nan
    return {
        "angle": angle, "log10_ratio": ratio, "log10_error": error, "log10_norm": norm,
        "gain": gain, "status": status,
    }  # fmt: skip


def _recurrent(net, gradients):
    """(array, exponent) of dL/dW; of several layers or directions, of all of them in one array."""
    names = [f"W{place.suffix}" for place in net.places]
    every = [(gradients.weights[k].astype(np.float64), gradients.exponents[k]) for k in names]
    if len(every) == 1:
        return every[0]
    level = max((exponent for array, exponent in every if array.any()), default=0)
    every = [plain(a, e - level if a.any() else 0).ravel() for a, e in every]
    return np.concatenate(every), level


def _point(block, i):
    return {name: values[i].item() for name, values in block.points.items()} | block.constants


def _network(point):
    """The network of a point and the arguments of its gradient."""
    task, options = tasks.find(point["task"]), tasks.options(point["task"], point)
    inputs, outputs = tasks.sizes(point["task"], options)
    net = Network.draw(
        inputs=inputs, hidden=point["hidden_size"], outputs=outputs, **of_network(point),
        activation=point["activation"], init=point["init"],
        spectral_radius=point["spectral_radius"], input_scale=point["input_scale"],
        seed=point["seed"],
    )  # fmt: skip
    if (lanes := point["batch_size"]) < 1:
        raise UserError(f"batch_size={lanes}: must be at least 1")
    stream = task_stream(point["seed"], point["task"])
    x, y = task.sample(stream, point["sequence_length"], lanes, **options)
    return net, {"x": x, "y": y, "loss": task.LOSS, "at": task.AT}
