"""An epoch of the tagger in JAX: an update is one jitted call, by `grad` or by two scans.

Minibatches are made beforehand and padded to a few lengths, LENGTHS, so that an update is compiled
for these alone; what an update writes takes the place of what it read. Its scans are not unrolled:
by 8 an update of 16 steps took 10 to 16 ms, as it is 8.
"""

from functools import partial

import numpy as np

from race import jax_cells, sentences
from race.jax_training import moved

LENGTHS = (4, 8, 12, 16, 20, 24, 32, 40, 52, 68, 88, 116, 150, 200)
ONCE = jax_cells.Options(unroll=1)


def functions(work, unroll, form):
    """[(name, function(state, words, tags))] of a form, "jax" or "jax by hand"."""
    by_hand = form == "jax by hand"
    title = "an update a call, scans and scatter" if by_hand else "an update a call, grad"
    return [(title, partial(_update, work, _by_hand if by_hand else _grad))]


def prepared(function, problem, options):
    """A call without arguments: the whole epoch."""
    import jax
    import jax.numpy as jnp

    update = jax.jit(function, donate_argnums=0, compiler_options=options)
    with jax.enable_x64(True):
        minibatches = [
            tuple(jnp.asarray(own) for own in _longer(x, y))
            for x, y, _ in sentences.minibatches(problem)
        ]
    return partial(_train, update, problem.first, minibatches)


def _longer(words, tags):
    steps, lanes = words.shape
    more = next((n for n in LENGTHS if n >= steps), steps) - steps
    behind = np.zeros((more, lanes), words.dtype)
    return np.concatenate([words, behind]), np.concatenate([tags, behind + sentences.NO_TAG])


def _train(update, weights, minibatches):
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        first = jax.tree.map(jnp.copy, weights)
        zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        state = first, tuple(zeros), jnp.zeros((), first["W"].dtype)
        for words, tags in minibatches:
            state = update(state, words, tags)
        found = {name: value[None] for name, value in state[0].items()}
        return jax.block_until_ready(found)


def _update(work, way, state, words, tags):
    weights, slots, count = state
    return moved(work, way(work, weights, words, tags), weights, slots, count)


def _grad(work, weights, words, tags):
    import jax

    def loss(weights):
        (layer,) = _forward(work, ONCE, weights, words)
        return _slopes(weights, layer.h, tags)[0]

    return jax.grad(loss)(weights)


def _forward(work, options, weights, words):
    return jax_cells.forward(work, options, weights, weights["embedding"][words])


def _slopes(weights, h, tags):
    """(the mean loss of all words, dL/do (T, B, O))."""
    import jax
    import jax.numpy as jnp

    log = jax.nn.log_softmax(h @ weights["V"].T + weights["c"])
    scored = tags != sentences.NO_TAG
    own = jax.nn.one_hot(tags, log.shape[-1], dtype=log.dtype)  # of no tag: zeros
    count = scored.sum()
    slope = jnp.where(scored[..., None], jnp.exp(log) - own, 0) / count
    return -(own * log).sum() / count, slope


def _by_hand(work, weights, words, tags):
    import jax.numpy as jnp

    (layer,) = _forward(work, ONCE._replace(keep=True), weights, words)
    _, slope = _slopes(weights, layer.h, tags)
    found = {"V": jnp.einsum("tbo,tbn->on", slope, layer.h), "c": slope.sum((0, 1))}
    below, sums = jax_cells.backward(work, ONCE, layer, slope @ weights["V"])
    table = jnp.zeros_like(weights["embedding"]).at[words].add(below)
    return found | sums | {"embedding": table}
