"""LSTM, GRU, Jordan's network and stacks in JAX, differentiated by `grad` or by hand.

The input is projected ahead of the scans. By hand: scans forward that keep the gates, scans back
that give delta, one einsum for each dL/dW. A layer's two directions are a scan each, or one.
"""

from functools import partial
from typing import NamedTuple

from gradlab.nets import stack


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

    places, layers = stack.places(work.layers, work.both), []
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
        below += entry @ own["U"] if place.layer else 0
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


def _lstm(own, keep, state, a):
    import jax.numpy as jnp
    from jax.nn import sigmoid

    before, c = state
    i, f, g, o = jnp.split(a + before @ own["W"].T, 4, axis=-1)
    i, f, g, o = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
    now = f * c + i * g
    squashed = jnp.tanh(now)
    h = o * squashed
    return (h, now), (h, (before, c, i, f, g, o, squashed) if keep else None)


def _lstm_back(own, carry, row):
    import jax.numpy as jnp

    (dh, dc), (direct, (_, c, i, f, g, o, squashed)) = carry, row
    dh = dh + direct
    dc = dc + dh * o * (1 - squashed**2)
    to_i, to_f, to_g = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g)
    delta = jnp.concatenate([to_i, to_f, to_g, dh * squashed * o * (1 - o)], axis=-1)
    return (delta @ own["W"], dc * f), {"entry": delta}


def _gru(own, keep, before, a):
    import jax.numpy as jnp
    from jax.nn import sigmoid

    r, z, n = jnp.split(a, 3, axis=-1)
    mr, mz, m = jnp.split(before @ own["W"].T + own["b_recurrent"], 3, axis=-1)
    r, z = sigmoid(r + mr), sigmoid(z + mz)
    n = jnp.tanh(n + r * m)
    h = (1 - z) * n + z * before
    return h, (h, (before, r, z, n, m) if keep else None)


def _gru_back(own, carry, row):
    import jax.numpy as jnp

    direct, (before, r, z, n, m) = row
    dh = carry + direct
    dn = dh * (1 - z) * (1 - n * n)
    dr, dz = dn * m * r * (1 - r), dh * (before - n) * z * (1 - z)
    entry = jnp.concatenate([dr, dz, dn], axis=-1)
    inside = jnp.concatenate([dr, dz, dn * r], axis=-1)
    return dh * z + inside @ own["W"], {"entry": entry, "inside": inside}


def _jordan(own, keep, before, a):
    import jax.numpy as jnp

    h = jnp.tanh(a + before @ own["W"].T)
    output = own["c"] + h @ own["V"].T
    return output, (output, (before, h) if keep else None)


def _jordan_back(own, carry, row):
    direct, (_, h) = row
    slope = carry + direct
    delta = slope @ own["V"] * (1 - h * h)
    return delta @ own["W"], {"entry": delta, "output": slope}


STEPS = {"lstm": _lstm, "gru": _gru, "jordan": _jordan}
BACK = {"lstm": _lstm_back, "gru": _gru_back, "jordan": _jordan_back}
