"""One step of LSTM, GRU and Jordan's network in JAX, and the same step back by hand.

A step takes the chain's weights, whether to keep what the way back needs, the state before and
a = b + U x; it gives the state and (h, kept). A step back takes the weights, what reaches the state
from the step after, and (direct part, kept); it gives what reaches the step before, and delta:
"entry" where the input enters, "inside" where the state does if that differs, "output" at Jordan's.
"""


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
