"""A training as a loop of plain NumPy: lane by lane through tests/reference.py, no care taken.

It draws the minibatches that the training draws, and makes each column of its table from the
definitions in gradlab.learning.records.
"""

import math
from types import SimpleNamespace

import numpy as np
import reference

from gradlab.nets import draws

NAMES = ("U", "V", "W", "b", "c")


def vector(weights):
    return np.concatenate([weights[name].ravel() for name in sorted(weights)])


def norm(weights):
    return math.sqrt(sum((array**2).sum() for array in weights.values()))


def sample(task, plan, stream, batch):
    low, high = plan.lengths
    length = low if high - low == 1 else int(stream.integers(low, high))
    return task.sample(stream, length, batch, **plan.task_options)


def targets(y, lane, steps, at):
    return {steps: y[lane]} if at == "last" else {t: y[t - 1, lane] for t in range(1, steps + 1)}


class Lane:
    """One sequence: its loss, gradients, and dL/dh_t and f'(a_t) for t = 0 to T."""

    def __init__(self, net, task, x, y):
        start = np.zeros(net.hidden)
        self.loss = reference.loss(net, x, start, (y, task.LOSS))
        self.gradients, self.adjoint, _ = reference.gradients(net, x, start, (y, task.LOSS))
        h, _ = reference.states(net, x, start)
        self.slope = reference.ACTIVATIONS[net.activation][1](h)


def omega(W, lanes):
    """(Omega, its immediate derivative, mean of the steps that count) of the mean loss."""
    value, gradient, count, rows = 0.0, np.zeros_like(W), 0, len(lanes)
    for lane in lanes:
        for g, slope in zip(lane.adjoint[1:] / rows, lane.slope[1:], strict=True):
            if g @ g >= 1e-20:
                u = slope * g
                v = u @ W
                off = v @ v / (g @ g) - 1
                value, count = value + off**2, count + 1
                gradient += 4 * off / (g @ g) * np.outer(u, v)
    return value / count, gradient / count, count / rows


def by_norm(gradients, c):
    n = norm(gradients)
    return {k: v * (c / n if n >= c else 1.0) for k, v in gradients.items()}, float(n >= c)


def by_value(gradients, c):
    hit = any((abs(v) > c).any() for v in gradients.values())
    return {k: np.maximum(np.minimum(v, c), -c) for k, v in gradients.items()}, float(hit)


STYLES = {"norm": by_norm, "value": by_value}


def mean(dicts):
    return {name: sum(d[name] for d in dicts) / len(dicts) for name in dicts[0]}


def clipped(lanes, wanted, plan):
    """(what is applied, the share that was clipped)."""
    if plan.clip_threshold is None:
        return wanted, 0.0
    rule = STYLES[plan.clip_style]
    if plan.clip_per == "mean":
        return rule(wanted, plan.clip_threshold)
    each = [rule(lane.gradients, plan.clip_threshold) for lane in lanes]
    return mean([g for g, _ in each]), float(np.mean([hit for _, hit in each]))


def step(plan, g, memory, t):
    """The optimizer's step: Goodfellow, Bengio, Courville 2016, chapter 8; t = 1, 2, ..."""
    if plan.optimizer == "sgd":
        return g
    if plan.optimizer == "momentum":
        memory["v"] = 0.9 * memory.get("v", 0) + g
        return memory["v"]
    if plan.optimizer == "rmsprop":
        memory["s"] = 0.9 * memory.get("s", 0) + 0.1 * g**2
        return g / (np.sqrt(memory["s"]) + 1e-8)
    memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    memory["s"] = 0.999 * memory.get("s", 0) + 0.001 * g**2
    return memory["m"] / (1 - 0.9**t) / (np.sqrt(memory["s"] / (1 - 0.999**t)) + 1e-8)


SCHEDULES = {
    "constant": lambda done, end: 1.0,
    "linear": lambda done, end: (end - done) / end,
    "cosine": lambda done, end: math.cos(math.pi * done / end / 2) ** 2,
    "exponential": lambda done, end: 1024 ** (-done / end),
}


def evaluation(net, task, plan, update):
    """(share of wrong sequences, loss) on fresh ones."""
    stream = draws.stream(seed=plan.seed, task=plan.task, purpose="evaluation", update=update)
    x, y = sample(task, plan, stream, plan.evaluation_size)
    losses, outputs = [], []
    for lane in range(x.shape[1]):
        own = targets(y, lane, len(x), task.AT)
        losses.append(reference.loss(net, x[:, lane], np.zeros(net.hidden), (own, task.LOSS)))
        s, _ = reference.states(net, x[:, lane], np.zeros(net.hidden))
        outputs.append([reference.outputs(net, h) for h in s[1:]])
    outputs = np.array(outputs).transpose(1, 0, 2)
    wrong = task.wrong(outputs if task.AT == "every" else outputs[-1], y)
    return np.mean(wrong), np.mean(losses)


def train(net, task, plan):
    """The rows of a training, one for every update, and the weights after each."""
    stream = draws.stream(seed=plan.seed, task=plan.task, purpose="training")
    rows, after, memory = [], [], {}
    for number in range(1, plan.updates + 1):
        x, y = sample(task, plan, stream, plan.batch)
        each = [targets(y, i, len(x), task.AT) for i in range(plan.batch)]
        lanes = [Lane(net, task, x[:, i], each[i]) for i in range(plan.batch)]
        wanted = mean([lane.gradients for lane in lanes])
        value, derivative, counted = omega(net.weights["W"], lanes)
        wanted["W"] = wanted["W"] + plan.omega * derivative
        applied, share = clipped(lanes, wanted, plan)
        rate = plan.learning_rate * SCHEDULES[plan.schedule](number - 1, plan.updates)
        change = rate * step(plan, vector(applied), memory, number)
        place = 0
        for name in sorted(net.weights):
            array = net.weights[name]
            array -= change[place : place + array.size].reshape(array.shape)
            place += array.size
        W, length = net.weights["W"], math.sqrt(change @ change)
        along = vector(wanted) @ change / norm(wanted)
        ratios = [norm({0: lane.adjoint[0]}) / norm({0: lane.adjoint[-1]}) for lane in lanes]
        row = {
            "update": number, "loss": np.mean([lane.loss for lane in lanes]),
            "norm_before": norm(wanted), "norm_after": norm(applied), "clipped": share,
            "not_finite": 0.0, "step": length, "learning_rate": rate,
            "cosine": along / length if length else math.nan,
            "spectral_radius": abs(np.linalg.eigvals(W)).max(),
            "singular_value": math.sqrt(np.linalg.eigvalsh(W @ W.T).max()),
            "omega": value, "horizon": counted, "log10_gradient_ratio": np.median(np.log10(ratios)),
        }  # fmt: skip
        if plan.evaluate_every and number % plan.evaluate_every == 0:
            row["error"], row["evaluation_loss"] = evaluation(net, task, plan, number)
        rows.append(row)
        after.append({name: array.copy() for name, array in net.weights.items()})
    return rows, after


def train_on(net, data, plan):
    """(losses, shares clipped) of a training on all lanes of arrays; net is changed in place.

    Gradients of a stack are complex steps of its outputs; float32 is taken in float64.
    """
    x, y, lengths = (*data, None)[:3]
    every = y.shape[:2] == x.shape[:2]
    steps = np.full(x.shape[1], len(x)) if lengths is None else lengths
    name = "cross_entropy" if y.dtype.kind == "i" else "squared_error"
    losses, shares, memory = [], [], {}
    for number in range(1, plan.updates + 1):
        found = [
            _own(net, x[:n, i], (targets(y, i, n, "every" if every else "last"), name), plan)
            for i, n in enumerate(steps)
        ]
        lanes = [SimpleNamespace(gradients=gradient) for _, gradient in found]
        applied, share = clipped(lanes, mean([lane.gradients for lane in lanes]), plan)
        change = plan.learning_rate * step(plan, vector(applied), memory, number)
        place = 0
        for key in sorted(net.weights):
            array = net.weights[key]
            array -= change[place : place + array.size].reshape(array.shape).astype(array.dtype)
            place += array.size
        losses.append(np.mean([loss for loss, _ in found]))
        shares.append(share)
    return losses, shares


def _own(net, x, case, plan):
    """(loss, gradients) of one sequence."""
    y, name = case
    start = np.zeros(net.module.state_size(net.prepared()))
    if plan.teacher_forcing:  # what is fed back is given: each step stands alone
        given = [start, *(y[t] for t in range(1, len(x)))]
        each = [(x[t : t + 1], given[t], ({1: y[t + 1]}, name)) for t in range(len(x))]
        gradients = [reference.gradients(net, *one)[0] for one in each]
        return sum(reference.loss(net, *one) for one in each), {
            k: sum(g[k] for g in gradients) for k in net.weights
        }
    if len(net.places) > 1:
        return _complex_step(net, x, start, case)
    own = reference.truncated(net, x, start, case, plan.truncate or ("window", len(x)))[0]
    return reference.loss(net, x, start, case), own


def _complex_step(net, x, start, case, size=1e-30):
    y, name = case
    starts = {place.suffix: start for place in net.places}
    weights = {k: array.astype(complex) for k, array in net.weights.items()}

    def loss():
        _, o = reference.stack(net, x, starts, weights)
        return sum(reference.loss_of_step(o[t - 1], y[t], name) for t in y)

    gradients = {k: np.zeros(array.shape) for k, array in weights.items()}
    for k, array in weights.items():
        for index in np.ndindex(array.shape):
            array[index] += size * 1j
            gradients[k][index] = loss().imag / size
            array[index] -= size * 1j
    return loss().real, gradients
