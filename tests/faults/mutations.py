"""The mistakes that `planted.py` plants: one line each, and the tests that should see it."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """A file's text `old` that becomes `new`, where it first stands."""

    name: str
    file: str
    old: str
    new: str
    tests: str


CELLS, KERNELS, LEARNING, NETS, SUITE, TASKS, THEORY = (
    f"gradlab/{room}"
    for room in ("cells", "kernels", "learning", "nets", "suite", "tasks", "theory")
)
PASS = "test_gradients.py test_cells.py"

MUTATIONS = [
    Mutation(*fields)
    for fields in (
        # cells
        ("elman transpose", f"{CELLS}/elman.py", "times(delta, weights.recurrent, carry)",
         "times(delta, weights.recurrent_t, carry)", PASS),
        ("elman off by a step", f"{CELLS}/elman.py", "weights.activation, trace.state[t], carry",
         "weights.activation, trace.state[t - 1], carry", PASS),
        ("elman no gain back", f"{CELLS}/elman.py", "        scale_rows(carry, gain)",
         "        pass",
         PASS),
        ("elman last step", f"{CELLS}/elman.py", "for t in range(stop, start, -1):",
         "for t in range(stop, start + 1, -1):", PASS),
        ("lstm gate order", f"{CELLS}/lstm.py", "kept = rounded_product(gates[lane, 1, i]",
         "kept = rounded_product(gates[lane, 3, i]", PASS),
        ("lstm forget back", f"{CELLS}/lstm.py", "carry[lane, 1, i] *= gates[r, 1, i]",
         "carry[lane, 1, i] *= gates[r, 0, i]", PASS),
        ("lstm missing square", f"{CELLS}/lstm.py", "back * (one - squashed * squashed)",
         "back * (one - squashed)", PASS),
        ("lstm cell before", f"{CELLS}/lstm.py", "by_block(trace.state[t - 1], 2), carry, delta)",
         "by_block(trace.state[t], 2), carry, delta)", PASS),
        ("lstm tanh gate", f"{CELLS}/lstm.py", "if gate == 2:", "if gate == 3:", PASS),
        ("gru update gate", f"{CELLS}/gru.py", "rounded_product(one - z, gates[lane, 2, i])",
         "rounded_product(z, gates[lane, 2, i])", PASS),
        ("gru reset", f"{CELLS}/gru.py", "gates[lane, 0, i] * gates[lane, 3, i])",
         "gates[lane, 1, i] * gates[lane, 3, i])", PASS),
        ("gru carry", f"{CELLS}/gru.py", "carry[lane, i] += factor * product[lane, i]",
         "carry[lane, i] = factor * product[lane, i]", PASS),
        ("gru change's sign", f"{CELLS}/gru.py", "before[row, i] - gates[row, 2, i]",
         "before[row, i] + gates[row, 2, i]", PASS),
        ("jordan teacher's step", f"{CELLS}/jordan.py", "teacher[t - 1, lane, i] if taught",
         "teacher[t, lane, i] if taught", "test_feedback.py"),
        ("jordan through a teacher", f"{CELLS}/jordan.py", "carry[lane, i] = zero",
         "carry[lane, i] = one", "test_feedback.py"),
        ("jordan softmax mean", f"{CELLS}/jordan.py", "(carry[lane, i] - mean)",
         "(carry[lane, i] + mean)", "test_feedback.py"),
        # kernels
        ("relu's kink", f"{KERNELS}/elementwise.py",
         "zero if rows[lane, i] <= zero else rows[lane, i]",
         "zero if rows[lane, i] < -1 else rows[lane, i]", PASS),
        ("softplus", f"{KERNELS}/losses.py", "max(o, 0.0) + math.log1p(math.exp(-abs(o)))",
         "max(o, 0.0) + math.log1p(math.exp(abs(o)))", "test_gradients.py test_range.py"),
        ("half a squared error", f"{KERNELS}/losses.py", "slope[row, i] = 2.0 * off",
         "slope[row, i] = off", PASS),
        ("cross entropy's own class", f"{KERNELS}/losses.py", "(-rest if i == chosen else room[i])",
         "(rest if i == chosen else room[i])", PASS),
        ("binary cross entropy", f"{KERNELS}/losses.py", "- y[i] * sigmoid64(-o[i])",
         "- y[i] * sigmoid64(o[i])", PASS),
        ("a lane's end", f"{KERNELS}/losses.py", "if t < lengths[lane]:", "if t <= lengths[lane]:",
         PASS),
        ("mean over lanes", f"{KERNELS}/losses.py", "return total, safe and between(total, slope)",
         "return total * lanes, safe and between(total, slope)", PASS),
        ("rescaled exponent", f"{KERNELS}/range.py", "return exponent + shift",
         "return exponent + shift + 1", "test_range.py test_gradients.py"),
        ("exponents added up", f"{KERNELS}/range.py",
         "exponent[lane] = rescale(rows[lane], before)",
         "exponent[lane] = rescale(rows[lane], 0)", "test_range.py"),
        ("last state of a lane", f"{KERNELS}/passes.py",
         "copy(state[lengths[lane], lane], seen[lane])",
         "copy(state[lengths[lane] - 1, lane], seen[lane])", PASS),
        ("omega's factor", f"{KERNELS}/omega.py", "factor = 4 * off / size",
         "factor = 2 * off / size",
         "test_omega.py"),
        ("omega counts", f"{KERNELS}/omega.py", "if size > 0 and", "if size >= 0 and False and",
         "test_omega.py"),
        # updates and clipping
        ("norm at the threshold", f"{LEARNING}/rules.py", "hit = (case.norm >= case.threshold)",
         "hit = (case.norm > case.threshold)", "test_clipping.py test_updates.py"),
        ("norm at the threshold, compiled", f"{KERNELS}/updates.py",
         "hit = total >= c and 0 < total < np.inf", "hit = total > c and 0 < total < np.inf",
         "test_updates.py test_clipping.py"),
        ("torch's epsilon", f"{LEARNING}/rules.py", "case.threshold / (case.norm + 1e-6)",
         "case.threshold / (case.norm + 1e-8)", "test_clipping.py test_updates.py"),
        ("keras' minimum", f"{LEARNING}/rules.py", "np.minimum(1 / n, 1 / c)",
         "np.maximum(1 / n, 1 / c)", "test_clipping.py"),
        ("pascanu above", f"{LEARNING}/rules.py", "changed = case.where(n > c, case.times(c / n))",
         "changed = case.where(n >= c / 2, case.times(c / n))", "test_clipping.py test_updates.py"),
        ("pascanu's shrink", f"{LEARNING}/rules.py", "SHRINK = 0.02", "SHRINK = 0.2",
         "test_clipping.py test_updates.py test_training.py"),
        ("value's sign", f"{KERNELS}/updates.py", "g[i] = bound if g[i] > 0 else -bound",
         "g[i] = bound", "test_updates.py"),
        ("one norm for all", f"{KERNELS}/updates.py", "size = norm(own)", "size = norm(g)",
         "test_updates.py"),
        ("missing root", f"{KERNELS}/updates.py", "return math.sqrt(total)", "return total",
         "test_updates.py"),
        ("adam's bias", f"{KERNELS}/updates.py", "rate /= 1 - first**count", "rate /= 1 - first",
         "test_updates.py test_optimizers.py"),
        ("adam's second", f"{KERNELS}/updates.py", "one(1 - second**count), one(third)",
         "one(1 - first**count), one(third)", "test_updates.py test_optimizers.py"),
        ("momentum", f"{KERNELS}/updates.py", "mean[i] = mean[i] * keep + g[i]",
         "mean[i] = mean[i] * keep + g[i] * new", "test_updates.py test_optimizers.py"),
        ("uphill", f"{KERNELS}/updates.py", "w[i] -= change[i]", "w[i] += change[i]",
         "test_updates.py test_training.py"),
        ("diverged", f"{KERNELS}/updates.py", "return _zeros(w) == 0", "return True",
         "test_updates.py test_training.py"),
        ("percentile's place", f"{LEARNING}/adaptive.py", "percent / 100 * (len(self._rising) - 1)",
         "percent / 100 * len(self._rising)", "test_clip_adaptive.py"),
        ("zscore's spread", f"{LEARNING}/adaptive.py", "spread = math.sqrt(self._square)",
         "spread = self._square", "test_clip_adaptive.py"),
        ("patience", f"{LEARNING}/training.py", "0 if loss < self._best else",
         "0 if loss <= self._best else",
         "test_training.py"),
        ("solved", f"{LEARNING}/training.py", "error < plan.stop_below", "error <= plan.stop_below",
         "test_training.py"),
        # nets
        ("first bad step", f"{NETS}/statuses.py", "within.argmax(0) + 1", "within.argmax(0)",
         "test_health.py"),
        ("underflow", f"{NETS}/statuses.py", "info.minexp - info.nmant - 1", "info.minexp",
         "test_health.py"),
        ("not connected", f"{NETS}/statuses.py", "detached = slope.any((0, 2)) & ~felt.any(0)",
         "detached = ~felt.any(0)", "test_health.py"),
        # suite
        ("store seal", f"{SUITE}/store.py",
         "digest = hashlib.sha256(content[:start] + content[stop:])",
         "digest = hashlib.sha256(content[:start])", "test_store.py"),
        ("another run's table", f"{SUITE}/store.py", "if digest and digest != hashlib",
         "if digest is None and digest != hashlib", "test_store.py"),
        ("grid count", f"{SUITE}/grid.py", "np.linspace(start, stop, count)",
         "np.linspace(start, stop, count, endpoint=False)", "test_experiment.py"),
        ("order of rows", f"{SUITE}/table.py", "np.argsort(np.concatenate(positions))",
         "np.concatenate(positions)", "test_sweep.py"),
        ("stored twice", f"{SUITE}/sources.py", "return _hash(files)[:16]", 'return _hash("")[:16]',
         "test_sources.py test_sweep.py"),
        # tasks and theory
        ("adding's marks", f"{TASKS}/adding.py", "(half, length)]", "(half, length - 1)]",
         "test_tasks.py test_tasks_drawn.py"),
        ("mean field's exponent", f"{THEORY}/mean_field.py",
         "slope_square(q)) / 2", "slope_square(q))", "test_theory.py"),
        ("mean exponent", f"{THEORY}/mean_field.py", "np.log(gain) - 0.5 +", "np.log(gain) +",
         "test_theory.py test_theory_twin.py"),
        ("rk4", f"{THEORY}/dynamics.py", "first + 2 * second + 2 * third",
         "first + 2 * second + third",
         "test_dynamics.py"),
        ("stability", f"{THEORY}/dynamics.py", "/ np.abs(mu) ** 2", "/ np.abs(mu)",
         "test_dynamics.py"),
        ("a missing square", f"{THEORY}/bounds.py", "np.sqrt(len(W))", "len(W)",
         "test_theory.py test_theory_twin.py"),
    )
]  # fmt: skip
