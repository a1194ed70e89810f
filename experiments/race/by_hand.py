"""BPTT written by hand in JAX: one scan forward, one back, one einsum for dL/dW.

All functions take (weights with a leading axis of networks, radius, x, y) as `works.Problem` says.
"""

from functools import partial


def functions(work, unroll):
    """[(name, function)] for a work, with loops unrolled as told."""
    makers = {
        "batch": [("two scans, one einsum", _batch)],
        "networks": [("two scans over all networks", _networks), ("lax.map", _mapped_networks)],
        "sweep": [("shared W, two scans, one einsum, lax.map over seeds", _sweep)],
        "lags": [("two scans", _lags)],
    }
    return [
        (f"{name}, unroll={count}", partial(function, work, count))
        for name, function in makers[work.kind]
        for count in unroll
    ]


def _forward(driven, W, gain, unroll):
    """States (T, L, N) of h = tanh(driven + gain h W^T) from h = 0."""
    import jax.numpy as jnp
    from jax import lax

    def step(h, a):
        h = jnp.tanh(a + gain * (h @ W.T))
        return h, h

    lanes = jnp.broadcast_shapes(driven.shape[1:], (*jnp.shape(gain)[:1], 1))
    driven = jnp.broadcast_to(driven, (len(driven), *lanes))
    return lax.scan(step, jnp.zeros(lanes, driven.dtype), driven, unroll=unroll)[1]


def _back(carry, states, direct, through, unroll):
    """(dL/dh before the segment, delta (T, ...)): through(delta) is delta's way to the step before.

    direct (T, ...) is added to dL/dh at every step; None adds nothing.
    """
    from jax import lax

    def step(carry, row):
        h, own = row
        carry = carry if own is None else carry + own
        delta = carry * (1 - h * h)
        return through(delta), delta

    return lax.scan(step, carry, (states, direct), reverse=True, unroll=unroll)


def _before(states):
    import jax.numpy as jnp

    return jnp.concatenate([jnp.zeros_like(states[:1]), states[:-1]])


def _one(work, unroll, one, x, y):
    """All gradients of one network."""
    import jax.numpy as jnp

    states = _forward(x @ one["U"].T + one["b"], one["W"], jnp.ones((1, 1), x.dtype), unroll)
    seen = states if work.at == "every" else states[-1:]
    slope = 2 / x.shape[1] * (seen @ one["V"].T + one["c"] - y)
    direct = slope @ one["V"]
    start = jnp.zeros_like(direct[0]) if work.at == "every" else direct[0]
    own = direct if work.at == "every" else None
    _, delta = _back(start, states, own, lambda delta: delta @ one["W"], unroll)
    return {
        "U": jnp.einsum("tbn,tbd->nd", delta, x),
        "W": jnp.einsum("tbn,tbm->nm", delta, _before(states)),
        "b": delta.sum((0, 1)),
        "V": jnp.einsum("tbo,tbn->on", slope, seen),
        "c": slope.sum((0, 1)),
    }


def _batch(work, unroll, weights, radius, x, y):
    first = {name: value[0] for name, value in weights.items()}
    return {name: value[None] for name, value in _one(work, unroll, first, x, y).items()}


def _networks(work, unroll, weights, radius, x, y):
    import jax

    return jax.vmap(lambda one: _one(work, unroll, one, x, y))(weights)


def _mapped_networks(work, unroll, weights, radius, x, y):
    from jax import lax

    return lax.map(lambda one: _one(work, unroll, one, x, y), weights)


def _sweep(work, unroll, weights, radius, x, y):
    from jax import lax

    return {"norm": lax.map(lambda one: _seed(work, unroll, one, (radius, x, y)), weights)}


def _seed(work, unroll, one, data):
    """(radii, lengths), lanes of one W: on the way back those of a length join at its end."""
    import jax.numpy as jnp

    radius, x, y = data
    gain, lengths = radius[:, None], sorted(work.lengths, reverse=True)
    states = _forward(x @ one["U"].T + one["b"], one["W"], gain, unroll)
    before = _before(states)
    carry = jnp.zeros((0, *states.shape[1:]), x.dtype)
    total = jnp.zeros((0, len(radius), *one["W"].shape), x.dtype)
    for length, end in zip(lengths, [*lengths[1:], 0], strict=True):
        slope = 2 * (states[length - 1] @ one["V"].T + one["c"] - y[length - 1])
        carry = jnp.concatenate([carry, (slope @ one["V"])[None]])
        total = jnp.concatenate([total, jnp.zeros_like(total, shape=(1, *total.shape[1:]))])
        part = slice(end, length)
        carry, delta = _back(
            carry, states[part], None, lambda delta: gain * (delta @ one["W"]), unroll
        )
        total += jnp.einsum("tlrn,trm->lrnm", delta, before[part])
    return jnp.sqrt((total**2).sum((2, 3)))[::-1].T


def _lags(work, unroll, weights, radius, x, y):
    import jax.numpy as jnp
    from jax import lax

    one = {name: value[0] for name, value in weights.items()}
    states = _forward(x @ one["U"].T + one["b"], one["W"], jnp.ones((1, 1), x.dtype), unroll)
    head = 2 / x.shape[1] * (states[-1] @ one["V"].T + one["c"] - y[0]) @ one["V"]

    def step(carry, h):
        before = (carry * (1 - h * h)) @ one["W"]
        return before, jnp.sqrt((before**2).sum(-1))

    _, norms = lax.scan(step, head, states, reverse=True, unroll=unroll)
    return {"norm": jnp.concatenate([norms, jnp.sqrt((head**2).sum(-1))[None]])}
