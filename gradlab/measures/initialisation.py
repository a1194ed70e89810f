"""What a way to draw W means: eigenvalues, singular values, normality, and the gradient by lag."""

import math

import numpy as np

from gradlab import tasks
from gradlab.measures.setting import cell_of, constant, of_network, places_of, task_stream
from gradlab.nets import draws, registry, statuses, weights
from gradlab.nets.network import Network

LAGS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)
PERCENTILES = range(0, 101, 10)
COLUMNS = {
    "singular_value_pN": "the N-th percentile of W's singular values; p50: the median",
    "departure": "Henrici's departure from normality over ||W||_F (0 to 1)",
    "rescaled": "whether W was scaled to the spectral radius 1, or is as it was drawn",
}


def measure(block):
    """One row a network: W as it is drawn, or rescaled to the spectral radius 1 (`rescaled`).

    The squared error of the last output under the task, one sequence. Columns: the radius, the
    singular values and the gradient by lag, COLUMNS, and status: ok, zero (dL/dh_0), overflow.
    Several W (of gates, layers, directions) are taken together: the largest radius, all singular
    values. The gradient is that of the top layer, in both directions of the forward one.
    """
    rows = [_row(block, i) for i in range(len(block))]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def estimate(block):
    """(seconds, bytes) of one worker: two decompositions a row, some 20 hidden^3 operations."""
    hidden, steps = constant(block, "hidden_size"), constant(block, "sequence_length")
    matrices = len(places_of(block)) * (len(registry.find(cell_of(block)).gates) or 1)
    seconds = len(block) * matrices * (40 * hidden**3 / 5e9 + steps * 20e-6)
    return seconds, 8 * hidden * matrices * (10 * hidden + 4 * steps)


def _row(block, i):
    point = {name: values[i].item() for name, values in block.points.items()} | block.constants
    task, options = tasks.find(point["task"]), tasks.options(point["task"], point)
    inputs, outputs = tasks.sizes(point["task"], options)
    net = Network.draw(
        inputs=inputs, hidden=point["hidden_size"], outputs=outputs, **of_network(point),
        activation=point["activation"], init=point["init"],
        spectral_radius=1.0 if point["rescaled"] else None,
        input_scale=point["input_scale"], seed=point["seed"],
    )  # fmt: skip
    stream = task_stream(point["seed"], point["task"])
    x, y = task.sample(stream, point["sequence_length"], **options)
    return _spectrum(net) | _gradient(net, x, y[-1] if task.AT == "every" else y)


def _spectrum(net):
    """Of W, or of all gates', layers' and directions' blocks of it together."""
    own = [weights.own(net.weights, place) for place in net.places]
    every = [block for one in own for block in weights.square(net.module, one).values()]
    every = [block.astype(np.float64, copy=False) for block in every]
    values = np.concatenate([np.linalg.svd(block, compute_uv=False) for block in every])
    columns = {
        "eigenvalue_radius": max(map(draws.spectral_radius, every)),
        "singular_value": values.max(),
    }
    for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True):
        columns[f"singular_value_p{percent}"] = value
    departures, norms = map(draws.departure, every), map(np.linalg.norm, every)
    return columns | {"departure": math.hypot(*departures) / math.hypot(*norms)}


def _gradient(net, x, y):
    got = net.gradients(x, y, at="last")
    log10 = got.layer_lag_log2(net.layers - 1, "forward")[::-1, 0] * math.log10(2)
    columns = {
        f"log10_gradient_lag_{lag}": log10[lag] - log10[0] if lag <= len(x) else np.nan
        for lag in LAGS
    }
    status = statuses.ZERO if np.isneginf(log10[-1]) else statuses.OK
    return columns | {"status": status if np.isfinite(got.loss) else statuses.OVERFLOW}
