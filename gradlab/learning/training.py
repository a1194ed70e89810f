"""Training under the microscope: minibatch after minibatch, and a row of what happened.

The same network, plan and seed give the same bits, with or without a break in between.
"""

import copy
import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np

from gradlab.errors import UserError
from gradlab.learning import records
from gradlab.learning.omega import check
from gradlab.learning.optimizers import optimizer
from gradlab.learning.plan import Plan
from gradlab.learning.schedules import factor
from gradlab.learning.update import gradient, vector
from gradlab.nets import draws, tensors
from gradlab.nets.network import Network
from gradlab.threads import one_blas_thread

RUNNING, SOLVED, STOPPED, DIVERGED, FINISHED = "ok", "solved", "stopped", "diverged", "finished"
VERSION = 1


class Training:
    """A network that learns a task. `task` is a task's module (see gradlab.tasks), found above.

    net       the network in training, a copy of the one that was given
    update    how many updates are done
    status    ok, solved (stop_below), stopped (patience), diverged, finished
    losses    of every update so far; norms: of the gradient before clipping
    """

    def __init__(self, net, task, plan):
        if plan.omega:
            check(net)
        self.plan, self.task, self.status = plan, task, RUNNING
        self.net, self._flat = _with_flat_weights(net)
        self._optimizer = optimizer(plan.optimizer, plan.optimizer_options)
        self._slots = [np.zeros_like(self._flat) for _ in self._optimizer.slots]
        self._stream = self._draw("training")
        self.losses, self.norms, self.shares, self.rows = [], [], [], []
        self._seconds, self._best, self._waited = 0.0, math.inf, 0

    @property
    def update(self):
        """How many updates are done."""
        return len(self.losses)

    def run(self, until=None):
        """Train up to update number `until` (the plan's end if None); the table so far.

        One row for each logged update, evaluation and end; see gradlab.learning.records.
        """
        end = min(until or self.plan.updates, self.plan.updates)
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            while self.status == RUNNING and self.update < end:
                self._one_update()
        return self.table()

    def table(self):
        """The rows so far as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=records.COLUMNS)

    def evaluate(self, size=None):
        """(share of wrong sequences, loss) on fresh sequences, others at each update."""
        stream, plan = self._draw("evaluation", update=self.update), self.plan
        return records.evaluation(
            self.net, self.task, lambda n: self._sample(stream, n), size or plan.evaluation_size
        )

    def save(self, path):
        """Write the state to a .safetensors file, whole or not at all."""
        weights = {f"weights.{name}": array for name, array in self.net.weights.items()}
        slots = dict(zip(self._slot_names(), self._slots, strict=True))
        history = {name: np.array(getattr(self, name), np.float64) for name in _HISTORY}
        said = {name: getattr(self, name) for name in _SAID}
        said |= {
            "version": VERSION,
            "cell": self.net.cell,
            "activation": self.net.activation,
            "feedback": self.net.feedback,
            "plan": dataclasses.asdict(self.plan),
            "stream": self._stream.bit_generator.state,
        }
        tensors.write(path, weights | slots | history, {"gradlab.training": json.dumps(said)})

    @classmethod
    def load(cls, path, task):
        """Take up a training that was saved. Raises UserError for another file."""
        arrays, metadata = tensors.read(Path(path))
        said = json.loads(metadata.get("gradlab.training", "{}"))
        if said.get("version") != VERSION:
            raise UserError(f"{path} holds no training of gradlab's format {VERSION}")
        plan = said["plan"]
        if isinstance(plan["sequence_length"], list):
            plan["sequence_length"] = tuple(plan["sequence_length"])
        weights = {k[8:]: array for k, array in arrays.items() if k.startswith("weights.")}
        net = Network(weights, *(said[name] for name in ("cell", "activation", "feedback")))
        training = cls(net, task, Plan(**plan))
        training._slots = [arrays[name] for name in training._slot_names()]
        training._stream.bit_generator.state = said["stream"]
        for name in _HISTORY:
            setattr(training, name, arrays[name].tolist())
        for name in _SAID:
            setattr(training, name, said[name])
        return training

    def _one_update(self):
        plan, number = self.plan, self.update + 1
        started = time.perf_counter()
        x, y = self._sample(self._stream, plan.batch)
        logged = number % plan.log_every == 0 or number in (1, plan.updates)
        found = gradient(self.net, self.task, (x, y), plan, watch=logged)
        rate = plan.learning_rate * factor(plan.schedule, number, plan.updates)
        change = self._optimizer.step(found.applied, self._slots, rate, number)
        self._flat -= change
        self._seconds += time.perf_counter() - started
        self.losses.append(found.loss)
        self.norms.append(found.norm)
        self.shares.append(found.clipped)
        if not np.isfinite(self._flat).all():
            self.status = DIVERGED
        evaluated = self._evaluated(number)
        if self.status == RUNNING and number == plan.updates:
            self.status = FINISHED
        if logged or evaluated or self.status != RUNNING:
            self._log(found, change, rate, evaluated)

    def _log(self, found, change, rate, evaluated):
        error, loss = evaluated or (math.nan, math.nan)
        history = {
            "mean_loss": self.losses, "mean_norm": self.norms, "share_clipped": self.shares
        }  # fmt: skip
        row = {
            "update": self.update,
            "status": self.status,
            "learning_rate": rate,
            "error": error,
            "evaluation_loss": loss,
            "updates_per_second": self.update / self._seconds,
        }
        row |= records.of_update(found, change) | records.of_weights(self.net)
        self.rows.append(row | records.since(history, self.rows))

    def _evaluated(self, number):
        plan = self.plan
        if self.status != RUNNING or not plan.evaluate_every or number % plan.evaluate_every:
            return None
        error, loss = self.evaluate()
        self._waited = 0 if loss < self._best else self._waited + 1
        self._best = min(loss, self._best)
        if plan.stop_below is not None and error < plan.stop_below:
            self.status = SOLVED
        elif plan.patience and self._waited >= plan.patience:
            self.status = STOPPED
        return error, loss

    def _sample(self, stream, batch):
        low, high = self.plan.lengths
        length = low if high == low + 1 else int(stream.integers(low, high))
        return self.task.sample(stream, length, batch, **self.plan.task_options)

    def _draw(self, purpose, **more):
        name = self.plan.task
        return draws.stream(seed=self.plan.seed, task=Path(name).stem, purpose=purpose, **more)

    def _slot_names(self):
        return [f"slots.{name}" for name in self._optimizer.slots]


_HISTORY = ("losses", "norms", "shares")
_SAID = ("rows", "status", "_seconds", "_best", "_waited")


def _with_flat_weights(net):
    """A copy of the network whose weights are views of one vector, in the order of their names."""
    flat = vector(net.weights)
    views, place = {}, 0
    for name in sorted(net.weights):
        size = net.weights[name].size
        views[name] = flat[place : place + size].reshape(net.weights[name].shape)
        place += size
    net = copy.copy(net)
    net.weights = views
    return net, flat
