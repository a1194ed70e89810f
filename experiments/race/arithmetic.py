"""What no exact program saves of a work: its products and its activations."""

from gradlab.nets import chains, registry
from gradlab.nets import weights as shapes

SQUASHED = {"elman": 1, "jordan": 1, "lstm": 5, "gru": 3}  # activations a unit and step


def arithmetic(work):
    """(flops, activations): products with W, U and V, there and back, and the outer products.

    A forward step costs 2 N^2 + 2 N D a lane, a backward one 2 N^2, its share of dL/dW 2 N^2.
    """
    return _stack(work) if work.kind in ("cell", "training", "epoch") else _tanh(work)


def _tanh(work):
    n, chains = work.hidden, work.count * work.radii * work.lanes
    forward = work.steps * chains
    backward = chains * (sum(work.lengths) if work.kind == "sweep" else work.steps)
    flops = forward * (2 * n**2 + 2 * n * work.inputs) + backward * 2 * n**2
    if work.kind != "lags":
        flops += backward * 2 * n**2
    if work.kind in ("batch", "networks"):
        flops += backward * 2 * n * work.inputs
    if work.at == "every":
        flops += 3 * forward * 2 * n * work.outputs
    return flops, forward * n


def _stack(work):
    """Two flops an entry of a weight, step and lane: forward, as its gradient, and on the way back.

    An input needs no gradient, so that the lowest U is not on the way back, but an embedding's rows
    do; what an optimizer does to all of them is left out. Omega adds an outer product; the products
    that it needs are those of the way back.
    """
    places = chains.places(work.layers, work.both)
    sizes = (work.inputs, work.hidden, work.outputs)
    every = shapes.shapes(registry.find(work.cell), sizes, places)
    lowest = [f"U{place.suffix}" for place in places if place.layer == 0 and not work.words]
    uses = 0
    for name, (rows, columns) in ((k, v) for k, v in every.items() if len(v) == 2):
        times = 2 if name in lowest else 3 + (name == "W" and work.omega > 0)
        seen = 1 if name != "V" or work.at == "every" else 1 / work.steps
        uses += 2 * times * seen * rows * columns
    rows = work.steps * work.lanes * max(work.updates, 1)
    return rows * uses, rows * work.hidden * len(places) * SQUASHED[work.cell]
