"""JAX in its best forms: differentiated by `grad`, and written by hand as a pair of scans.

"jax" is jit(grad), vmap(grad) over networks, one jitted vmap(vmap(grad)) a length for sweeps.
"jax by hand" shares W between a sweep's lanes: a scan forward, a scan back, one einsum for dL/dW,
lax.map over the seeds, lengths as segments of the way back.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from race import blas, by_hand, jax_cells, jax_epoch, jax_training
from race.ceiling import cores
from race.clock import Way

LIBRARY = "jax"
FORMS = ("jax", "jax by hand")
UNROLL = (1, 8)
OTHERS = {
    "cell": jax_cells.functions, "training": jax_training.functions, "epoch": jax_epoch.functions
}  # fmt: skip
ONE_THREAD = {"xla_cpu_multi_thread_eigen": False}
WIDE = {"xla_cpu_prefer_vector_width": 512}


def ways(problem, form):
    """Every form on one and on all threads, its loops unrolled or not; the clock takes the best."""
    import jax

    with jax.enable_x64(True):
        problem = _on_device(problem)
    made = []
    for threads, more, options in _compilers(form):
        for name, function in _functions(problem, form):
            if problem.work.kind == "epoch":
                call = jax_epoch.prepared(function, problem, options)
            else:
                call = partial(_call, jax.jit(function, compiler_options=options), problem)
            made.append(Way(f"{name}{more}, {threads} threads of XLA", threads, call))
            if problem.work.count > 1 and threads == 1 < cores():
                name = f"{name}{more}, a thread a core"
                made.append(Way(name, cores(), partial(_in_threads, call.args[0], problem)))
    return made


def _compilers(form):
    """[(threads, what else is told XLA in words, its options)]; of itself it takes 256-bit vectors.

    Of its other options none made the minibatch by hand faster: fast-math, oneDNN, XNNPACK, YNN,
    no fusion emitters, another scheduler; nor did products as sums, or of transposed states.
    """
    made = []
    for threads in sorted({1, cores()}):
        options = ONE_THREAD if threads == 1 else {}
        made.append((threads, "", options))
        if form == "jax by hand" and blas.has("AVX-512"):
            made.append((threads, ", 512-bit vectors", options | WIDE))
    return made


def _on_device(problem):
    import jax.numpy as jnp

    arrays = {name: jnp.asarray(value) for name, value in problem.weights.items()}
    x, y, radius = (jnp.asarray(a) for a in (problem.x, problem.y, problem.radius))
    return type(problem)(problem.work, arrays, radius, x, y)


def _call(function, problem):
    import jax

    with jax.enable_x64(True):
        return jax.block_until_ready(
            function(problem.weights, problem.radius, problem.x, problem.y)
        )


def _in_threads(function, problem):
    """Networks or seeds in equal parts on a thread a core."""
    count, parts = problem.work.count, cores()
    size = -(-count // parts)
    slices = [slice(start, start + size) for start in range(0, count, size)]
    with ThreadPoolExecutor(parts) as pool:
        found = list(pool.map(lambda part: _call(function, problem.part(part)), slices))
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def _functions(problem, form):
    """[(name, function(weights, radius, x, y))] of a form."""
    work = problem.work
    if work.kind in OTHERS:
        return OTHERS[work.kind](work, UNROLL, form)
    if form == "jax by hand":
        return by_hand.functions(work, UNROLL)
    kinds = {"batch": _batch, "networks": _networks, "sweep": _sweep, "lags": _lags}
    return [
        (f"{kinds[work.kind].__doc__}, unroll={unroll}", partial(kinds[work.kind], work, unroll))
        for unroll in UNROLL
    ]


def _loss(weights, data, work, unroll, start=None, add=None):
    """L of one network from h_0 = start, zeros unless given; add (T, B, N) joins its states."""
    import jax.numpy as jnp
    from jax import lax

    x, y = data
    driven = x @ weights["U"].T + weights["b"]
    W, last = weights["W"].T, work.at == "last"

    def step(h, row):
        a, more = row
        h = jnp.tanh(a + h @ W)
        h = h if more is None else h + more
        return h, None if last else h

    start = jnp.zeros(driven.shape[1:], driven.dtype) if start is None else start
    h, states = lax.scan(step, start, (driven, add), unroll=unroll)
    outputs = (h[None] if last else states) @ weights["V"].T + weights["c"]
    return ((outputs - y) ** 2).sum() / x.shape[1]


def _batch(work, unroll, weights, radius, x, y):
    """jit(grad)"""
    import jax

    first = {name: value[0] for name, value in weights.items()}
    found = jax.grad(_loss)(first, (x, y), work, unroll)
    return {name: value[None] for name, value in found.items()}


def _networks(work, unroll, weights, radius, x, y):
    """vmap(grad)"""
    import jax

    return jax.vmap(lambda one: jax.grad(_loss)(one, (x, y), work, unroll))(weights)


def _sweep(work, unroll, weights, radius, x, y):
    """vmap(vmap(grad)) a length"""
    import jax
    import jax.numpy as jnp

    def norm(one, rho, length):
        rest = {**one, "W": None}

        def loss(W):
            return _loss({**rest, "W": W}, (x[:length], y[length - 1]), work, unroll)

        return jnp.linalg.norm(jax.grad(loss)(rho * one["W"]))

    def grid(length):
        over_radii = jax.vmap(norm, in_axes=(None, 0, None))
        return jax.vmap(over_radii, in_axes=(0, None, None))(weights, radius, length)

    return {"norm": jnp.stack([grid(length) for length in work.lengths], axis=-1)}


def _lags(work, unroll, weights, radius, x, y):
    """jit(grad) with respect to a term added to every state"""
    import jax
    import jax.numpy as jnp

    first = {name: value[0] for name, value in weights.items()}
    start = jnp.zeros((x.shape[1], work.hidden), x.dtype)
    add = jnp.zeros((len(x), *start.shape), x.dtype)

    def loss(start, add):
        return _loss(first, (x, y), work, unroll, start, add)

    early, later = jax.grad(loss, argnums=(0, 1))(start, add)
    return {"norm": jnp.linalg.norm(jnp.concatenate([early[None], later]), axis=-1)}
