"""This project's way: the same kernels and drivers that the experiments use."""

import copy

import numpy as np

from gradlab.learning.plan import Plan
from gradlab.learning.training import Training
from gradlab.nets import bptt, many, registry
from gradlab.nets.network import Network
from gradlab.tasks import temporal_order
from gradlab.threads import each
from race import sentences
from race.ceiling import cores
from race.clock import Way
from race.works import RATES, THRESHOLD

LIBRARY = "gradlab"
FORMS = ("ours",)


def ways(problem, form):
    """The one way: this project sets its own threads."""
    kind = problem.work.kind
    if kind in TRAININGS:
        threads = cores() if kind == "epoch" else 1  # two share a large embedding's rows
        return [Way("Training.run", threads, TRAININGS[kind](problem))]
    calls = {
        "batch": _batch, "cell": _batch, "networks": _networks, "sweep": _sweep, "lags": _lags
    }  # fmt: skip
    names = {"networks": "nets.many", "sweep": "lanes of one W", "lags": "lanes of one W"}
    name = names.get(kind, "Network.gradients")
    return [Way(name, cores(), calls[kind](problem))]


def _batch(problem):
    net, at = Network(problem.first, problem.work.cell), problem.work.at
    y = problem.y if at == "every" else problem.y[0]
    return lambda: _named(net.gradients(problem.x, y, at=at).weights)


def _named(weights):
    return {name: value[None] for name, value in weights.items()}


def _networks(problem):
    networks = range(problem.work.count)
    nets = [Network({k: v[i] for k, v in problem.weights.items()}) for i in networks]
    y = problem.y[0]

    return lambda: many.gradients_of(nets, problem.x, y, at="last").weights


def _sweep(problem):
    seeds = range(problem.work.count)
    return lambda: {"norm": np.array(each(lambda seed: _seed(problem, seed), seeds))}


def _seed(problem, seed):
    """||dL/d(radius W)|| (radii, lengths) of one seed: all of them lanes of one W."""
    weights = {name: value[seed] for name, value in problem.weights.items()}
    radii, lengths = len(problem.radius), np.array(problem.work.lengths)[::-1]
    run = _forward(problem, weights, problem.radius, np.zeros((radii, len(weights["W"]))))
    lanes = np.repeat(lengths, radii)
    h = run.trace.state[lanes, np.arange(len(lanes)) % radii]
    slope = 2 * (h @ weights["V"].T + weights["c"] - problem.y[lanes - 1, 0])
    sources = {"W": run.cell.sources(run.trace, problem.x)["W"]}
    sums = bptt.LaneSums(sources, len(lanes))
    bptt.back(run, lanes, slope @ weights["V"], sums)
    total = sums.total["W"].reshape(len(lanes), -1)
    norms = np.sqrt(np.einsum("lw,lw->l", total, total)) * np.exp2(sums.exponent["W"])
    return norms.reshape(len(lengths), radii)[::-1].T


def _forward(problem, weights, gain, initial, lanes=slice(None)):
    module, dtype = registry.find("elman"), problem.x.dtype
    prepared = module.prepare(weights, "tanh", dtype)
    x = np.ascontiguousarray(problem.x[:, lanes])
    steps = np.full(len(initial), len(x))
    return bptt.forward(module, prepared, gain, x, initial.astype(dtype), steps)


def _lags(problem):
    groups = np.array_split(np.arange(problem.work.lanes), cores())

    def call():
        parts = each(lambda lanes: _by_lag(problem, lanes), groups)
        return {"norm": np.concatenate(parts, axis=1)}

    return call


def _by_lag(problem, lanes):
    """||dL/dh_t|| (T + 1, lanes) of some lanes; the loss is the mean over all of them."""
    weights, count = problem.first, problem.work.lanes
    initial = np.zeros((len(lanes), len(weights["W"])))
    gain = np.ones(len(lanes), problem.x.dtype)
    run = _forward(problem, weights, gain, initial, lanes)
    outputs = run.trace.state[-1] @ weights["V"].T + weights["c"]
    head = 2 / count * (outputs - problem.y[0, lanes]) @ weights["V"]
    steps = np.full(len(lanes), len(problem.x))
    adjoint = bptt.back(run, steps, head.astype(problem.x.dtype))
    return np.exp2(bptt.log2_norms(adjoint))


class _Prepared:
    """The task of a training, whose minibatches were drawn beforehand."""

    LOSS, AT = temporal_order.LOSS, temporal_order.AT

    def __init__(self, problem):
        self._left = iter(zip(problem.x, problem.y, strict=True))

    def sample(self, stream, length, batch):
        """The next minibatch."""
        return next(self._left)


class _Unlogged(Training):
    """A training that keeps no rows: they are made now and then, not at each update."""

    def _log(self, *what):
        pass


def _training(problem):
    work, net = problem.work, Network(problem.first)
    plan = _plan(work, task="temporal_order", sequence_length=work.steps, omega=work.omega)

    def call():
        training = _Unlogged(net, _Prepared(problem), plan)
        training.run(work.updates)
        return _named(training.net.weights)

    return call


def _plan(work, **more):
    end = work.updates + 1  # the last update of a plan is logged, and so watched
    return Plan(
        batch=work.lanes, updates=end, log_every=end, optimizer=work.optimizer,
        learning_rate=RATES[work.optimizer], clip_threshold=THRESHOLD, **more,
    )  # fmt: skip


def _epoch(problem):
    """A copy begins anew; the sentences are looked at, and sorted, in the clock's time."""
    work, net = problem.work, Network(problem.first, problem.work.cell)
    begun = _Unlogged(net, sentences.sequences(problem), _plan(work, mean="steps"))

    def call():
        training = copy.copy(begun)
        training.run(work.updates)
        return _named(training.net.weights)

    return call


TRAININGS = {"training": _training, "epoch": _epoch}
