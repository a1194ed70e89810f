"""The training loop in JAX: one jitted scan over the updates, by `grad` or by hand."""

from functools import partial

from race.works import RATES, THRESHOLD

COUNTED = 1e-20  # ||dL/dh_t||^2 from which a step counts in Omega


def functions(work, unroll, form):
    """[(name, function(weights, radius, x, y))] of a form, "jax" or "jax by hand"."""
    by_hand = form == "jax by hand"
    title = "scan over updates, two scans and einsums" if by_hand else "scan over updates, grad"
    way = _by_hand if by_hand else _grad
    return [(f"{title}, unroll={n}", partial(_train, work, partial(way, n))) for n in unroll]


def _train(work, way, weights, radius, x, y):
    import jax
    import jax.numpy as jnp
    from jax import lax

    def update(state, batch):
        weights, slots, count = state
        gradients, rows = way(weights, *batch, bool(work.omega))
        if work.omega:
            gradients["W"] += work.omega * _omega(weights["W"], *rows)
        return moved(work, gradients, weights, slots, count), None

    first = {name: value[0] for name, value in weights.items()}
    zeros = jax.tree.map(jnp.zeros_like, first)
    slots = (zeros, zeros) if work.optimizer == "adam" else ()
    (last, _, _), _ = lax.scan(update, (first, slots, jnp.zeros((), x.dtype)), (x, y))
    return {name: value[None] for name, value in last.items()}


def moved(work, gradients, weights, slots, count):
    """(weights, slots, count) after an update by gradients that are not clipped yet."""
    import jax
    import jax.numpy as jnp

    norm = jnp.sqrt(sum((g**2).sum() for g in gradients.values()))
    factor = jnp.where(norm >= THRESHOLD, THRESHOLD / norm, 1.0)
    clipped = jax.tree.map(lambda g: factor * g, gradients)
    steps, slots = RULES[work.optimizer](clipped, slots, count + 1)
    return jax.tree.map(jnp.subtract, weights, steps), slots, count + 1


def _sgd(gradients, slots, count):
    import jax

    return jax.tree.map(lambda g: RATES["sgd"] * g, gradients), slots


def _adam(gradients, slots, count, beta1=0.9, beta2=0.999, epsilon=1e-8):
    import jax
    import jax.numpy as jnp

    mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, slots[0], gradients)
    square = jax.tree.map(lambda s, g: beta2 * s + (1 - beta2) * g * g, slots[1], gradients)
    rate, part = RATES["adam"] / (1 - beta1**count), 1 - beta2**count
    steps = jax.tree.map(lambda m, s: rate * m / (jnp.sqrt(s / part) + epsilon), mean, square)
    return steps, (mean, square)


RULES = {"sgd": _sgd, "adam": _adam}


def _omega(W, delta, head):
    """dOmega/dW (see gradlab.learning.omega) from delta (T, B, N) and dL/dh_T (B, N).

    v_t = delta_t W is dL/dh_{t-1}, as the loss is at the last step.
    """
    import jax.numpy as jnp

    v = delta @ W
    squares = jnp.concatenate([(v**2).sum(-1), (head**2).sum(-1)[None]])
    counts = squares[1:] >= COUNTED
    size = jnp.where(counts, squares[1:], 1.0)
    factor = jnp.where(counts, 4 * (squares[:-1] / size - 1) / size, 0.0)
    total = jnp.einsum("tbn,tbm->nm", delta, factor[..., None] * v)
    return total / jnp.maximum(counts.sum(), 1)


def _states(unroll, weights, driven):
    import jax.numpy as jnp
    from jax import lax

    def step(h, a):
        h = jnp.tanh(a + h @ weights["W"].T)
        return h, h

    return lax.scan(step, jnp.zeros_like(driven[0]), driven, unroll=unroll)


def _loss(V, c, h, y):
    import jax
    import jax.numpy as jnp

    log = jax.nn.log_softmax(h @ V.T + c)
    return -jnp.take_along_axis(log, y[:, None], axis=1).mean()


def _grad(unroll, weights, x, y, rows):
    """(gradients, (delta, dL/dh_T)), the second pair if asked for: by terms that add nothing."""
    import jax
    import jax.numpy as jnp

    def loss(weights, more):
        driven = x @ weights["U"].T + weights["b"]
        h, _ = _states(unroll, weights, driven + more[0] if rows else driven)
        return _loss(weights["V"], weights["c"], h + more[1] if rows else h, y)

    if not rows:
        return jax.grad(loss)(weights, None), None
    nothing = jnp.zeros((*x.shape[:2], len(weights["b"])), x.dtype)
    return jax.grad(loss, argnums=(0, 1))(weights, (nothing, nothing[0]))


def _by_hand(unroll, weights, x, y, rows):
    """The same by two scans; dL/dW by one einsum."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    last, states = _states(unroll, weights, x @ weights["U"].T + weights["b"])
    slope = jax.nn.softmax(last @ weights["V"].T + weights["c"])
    slope = (slope - jax.nn.one_hot(y, slope.shape[1], dtype=x.dtype)) / len(y)
    head = slope @ weights["V"]

    def step(carry, h):
        delta = carry * (1 - h * h)
        return delta @ weights["W"], delta

    _, delta = lax.scan(step, head, states, reverse=True, unroll=unroll)
    before = jnp.concatenate([jnp.zeros_like(states[:1]), states[:-1]])
    gradients = {
        "U": jnp.einsum("tbn,tbd->nd", delta, x),
        "W": jnp.einsum("tbn,tbm->nm", delta, before),
        "b": delta.sum((0, 1)),
        "V": slope.T @ last,
        "c": slope.sum(0),
    }
    return gradients, (delta, head)
