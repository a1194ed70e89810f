"""What a network and its gradients hand to gradlab.plots; the one way up from here.

Arrays and words go up: the drawing knows no network, and is loaded when a figure is asked for.
"""

import math

import numpy as np

from gradlab.nets import draws, view, weights

LOG10_2 = math.log10(2)
STEEPEST = {"tanh": 1.0, "relu": 1.0, "identity": 1.0, "sigmoid": 0.25}  # the largest f'


def network(net):
    """The spectra of W, or of each gate's block of it, of every chain."""
    from gradlab.plots import networks

    net = net.checked()
    rows = {_chain(net, place): _blocks(net, place) for place in net.places}
    return networks.spectra(rows, "What W does to a state, and to a gradient", repr(net))


def gradients(found, batch, loss, truncation):
    """log10 ||dL/dh_t|| by lag of every layer, from the top; of one LSTM ||dL/dc_t|| too."""
    from gradlab.plots import networks

    net = batch.net
    layers = reversed(range(net.layers))
    curves = [("dL/dh", _of(net, layer), found.layer_lag_log2(layer)) for layer in layers]
    if net.layers == 1 and len(net.state_parts) > 1:
        curves.append(("dL/dc", "", found.cell_lag_log2))
    curves = [
        networks.Curve(state, state + of, _by_lag(log2, net, found.lengths))
        for state, of, log2 in curves
    ]
    lines = [networks.Line(*line) for line in _theory(net, loss)]
    caption = "\n".join((_setting(net, batch, loss, truncation), _health(found)))
    return networks.by_lag(curves, lines, "The gradient on its way back", caption)


def _blocks(net, place):
    own = weights.square(net.module, weights.own(net.weights, place))
    return {
        name if name.startswith("W") else f"gate {name}": np.asarray(matrix, np.float64)
        for name, matrix in own.items()
    }


def _chain(net, place):
    layer = f"layer {place.layer + 1}" if net.layers > 1 else ""
    way = ("reverse" if place.reverse else "forward") if net.bidirectional else ""
    return ", ".join(filter(None, (layer, way)))


def _of(net, layer):
    return f" of layer {layer + 1}" if net.layers > 1 else ""


def _by_lag(log2, net, lengths):
    """(lags, B) from lag 0, nan after a lane's end, and without dL/dh_0 in both directions.

    There the initial states stand at both ends of the sequence.
    """
    times = lengths - np.arange(lengths.max() + (not net.bidirectional))[:, None]
    values = np.take_along_axis(log2, np.maximum(times, 0), axis=0) * LOG10_2
    return np.where(times >= net.bidirectional, values, np.nan)


def _theory(net, loss):
    """(label, decades a step, dashes) for one plain chain whose loss stands at the last step."""
    plain = net.cell == "elman" and len(net.places) == 1
    W = net.weights["W"]
    if not plain or loss.at != "last" or not np.isfinite(W).all():
        return []
    slope = STEEPEST[net.activation]
    factor = "" if slope == 1 else f", times {slope:g}"
    sizes = (
        (slope * draws.spectral_radius(W), f"spectral radius{factor}", "--"),
        (slope * np.linalg.norm(W.astype(np.float64), 2),
         f"largest singular value{factor}: a bound", ":"),
    )  # fmt: skip
    return [
        (f"{size:.4g}$^{{lag}}$, {name}", math.log10(size), dashes)
        for size, name, dashes in sizes
        if size > 0
    ]


def _setting(net, batch, loss, truncation):
    least, most = batch.lengths.min(), batch.lengths.max()
    steps = f"{most}" if least == most else f"{least} to {most}"
    lanes = f"{len(batch.lengths)} lane{'s'[: len(batch.lengths) - 1]}"
    unit = f"step{'s'[: most - 1]}"
    where = "at every step" if loss.at == "every" else "at the last step"
    cut = f", truncated: {truncation.kind} {truncation.steps}" if truncation else ""
    ways = ", both directions together" if net.bidirectional else ""
    return f"{net!r}; {lanes} of {steps} {unit}; {loss.name} {where}{cut}{ways}"


def _health(found):
    """Loss, norm, and how many lanes have which status."""
    kinds, counts = np.unique(found.status, return_counts=True)
    said = ", ".join(f"{count} {kind}" for kind, count in zip(kinds, counts, strict=True))
    steps = found.bad_step[found.bad_step > 0]
    first = f" (first at step {steps.min()})" if steps.size else ""
    norm = view.power(found.log2_norm)
    return f"loss {view.loss(found)}; norm of all weights' gradients {norm}; lanes: {said}{first}"
