"""LSTM, GRU, Jordan's network and stacks in JAX, differentiated by `grad` or by hand.

The input is projected ahead of the scans. By hand: scans forward that keep the gates, scans back
that give delta, one einsum for each dL/dW. A layer's two directions are a scan each, or one.
"""

from functools import partial
from typing import NamedTuple

from gradlab.nets import chains
from race.jax_steps import BACK, STEPS


class Options(NamedTuple):
    """Steps of a scan unrolled; both directions of a layer in one scan; what a step keeps."""

    unroll: int
    together: bool = False
    keep: bool = False


def functions(work, unroll, form):
    """[(name, function(weights, radius, x, y))] of a form, "jax" or "jax by hand"."""
    call, title = (_by_hand, "scans") if form == "jax by hand" else (_grad, "jit(grad)")
    made = []
    for together in (False, True)[: 1 + work.both]:
        more = ", both directions in one scan" if together else ""
        for count in unroll:
            options = Options(count, together)
            made.append((f"{title}{more}, unroll={count}", partial(call, work, options)))
    return made


def _grad(work, options, weights, radius, x, y):
    import jax

    def loss(first):
        layers = forward(work, options, first, x)
        outputs = layers[-1].h if work.cell == "jordan" else _readout(first, layers[-1].h)
        return ((outputs - y) ** 2).sum() / x.shape[1]

    found = jax.grad(loss)({name: value[0] for name, value in weights.items()})
    return {name: value[None] for name, value in found.items()}


def _by_hand(work, options, weights, radius, x, y):
    import jax.numpy as jnp

    first = {name: value[0] for name, value in weights.items()}
    layers = forward(work, options._replace(keep=True), first, x)
    top = layers[-1].h
    if work.cell == "jordan":
        found, direct = {}, 2 / x.shape[1] * (top - y)
    else:
        slope = 2 / x.shape[1] * (_readout(first, top) - y)
        found = {"V": jnp.einsum("tbo,tbn->on", slope, top), "c": slope.sum((0, 1))}
        direct = slope @ first["V"]
    for layer in reversed(layers):
        direct, gradients = backward(work, options, layer, direct)
        found |= gradients
    return {name: value[None] for name, value in found.items()}


def _readout(weights, h):
    return h @ weights["V"].T + weights["c"]


class Layer(NamedTuple):
    """What a layer took and gave: places and weights of its chains, x, h and what was kept."""

    places: list
    own: list
    x: object
    h: object
    kept: list


def forward(work, options, weights, x):
    """[Layer] from below."""
    import jax.numpy as jnp

    places, layers = chains.places(work.layers, work.both), []
    for level in range(work.layers):
        here = [place for place in places if place.layer == level]
        own = [_own(weights, place.suffix) for place in here]
        bodies = [partial(STEPS[work.cell], one, options.keep) for one in own]
        width = work.outputs if work.cell == "jordan" else work.hidden
        zero = jnp.zeros((x.shape[1], width), x.dtype)
        start = (zero, zero) if work.cell == "lstm" else zero
        driven = [x @ one["U"].T + one["b"] for one in own]
        reverse = [place.reverse for place in here]
        found = scans(bodies, [start] * len(own), driven, reverse, options)
        h, kept = zip(*found, strict=True)
        layers.append(Layer(here, own, x, jnp.concatenate(h, axis=-1), kept))
        x = layers[-1].h
    return layers


def backward(work, options, layer, direct):
    """(dL/dx, gradients) of a layer, from the direct part of dL/dh at every step."""
    import jax.numpy as jnp

    bodies = [partial(BACK[work.cell], one) for one in layer.own]
    parts = jnp.split(direct, len(layer.own), axis=-1)
    zero = jnp.zeros_like(parts[0][0])
    start = (zero, zero) if work.cell == "lstm" else zero
    rows = list(zip(parts, layer.kept, strict=True))
    reverse = [not place.reverse for place in layer.places]
    deltas = scans(bodies, [start] * len(bodies), rows, reverse, options)
    found, below = {}, 0
    for place, own, kept, delta in zip(*layer[:2], layer.kept, deltas, strict=True):
        entry, inside = (delta["entry"], delta.get("inside", delta["entry"]))
        sums = {"U": _outer(entry, layer.x), "W": _outer(inside, kept[0])}
        sums |= {"b": entry.sum((0, 1))} | {"b_recurrent": inside.sum((0, 1))}
        if "output" in delta:
            sums |= {"V": _outer(delta["output"], kept[1]), "c": delta["output"].sum((0, 1))}
        found |= {k + place.suffix: v for k, v in sums.items() if k in own}
        below += entry @ own["U"] if place.layer or work.words else 0
    return below, found


def _outer(delta, values):
    import jax.numpy as jnp

    return jnp.einsum("tbg,tbn->gn", delta, values)


def _own(weights, suffix):
    """A chain's weights by their short names; a readout of its own has no suffix."""
    if not suffix:
        return {name: value for name, value in weights.items() if "_l" not in name}
    return {k.removesuffix(suffix): v for k, v in weights.items() if k.endswith(suffix)}


def scans(bodies, starts, rows, reverse, options):
    """What several scans give, from row 0 on: each in its own direction, or all in one loop."""
    import jax
    from jax import lax

    if not options.together:
        every = zip(bodies, starts, rows, reverse, strict=True)
        return [lax.scan(f, s, r, reverse=w, unroll=options.unroll)[1] for f, s, r, w in every]

    def turned(values):
        flip = partial(jax.tree.map, lambda a: a[::-1])
        return [flip(v) if w else v for v, w in zip(values, reverse, strict=True)]

    def all_bodies(states, rows):
        done = [f(s, r) for f, s, r in zip(bodies, states, rows, strict=True)]
        return [state for state, _ in done], [row for _, row in done]

    return turned(lax.scan(all_bodies, starts, turned(rows), unroll=options.unroll)[1])
