"""Training under the microscope: minibatch after minibatch, and a row of what happened.

The same network, plan and seed give the same bits, with or without a break in between.
"""

import collections
import copy
import dataclasses
import importlib
import itertools
import json
import math
import time
from array import array
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from gradlab import found
from gradlab.errors import UserError
from gradlab.kernels import updates
from gradlab.learning import data, fields, records
from gradlab.learning.adaptive import ADAPTIVE, Memory
from gradlab.learning.gradient import cut, gradient, layout_of, rule_of, spread, vector
from gradlab.learning.omega import check
from gradlab.learning.optimizers import optimizer
from gradlab.learning.plan import Plan
from gradlab.learning.schedules import factor
from gradlab.learning.stretch import MOST, ROOM, Stretches, Told, copied, is_plain, size_of
from gradlab.models import safetensors
from gradlab.nets import draws
from gradlab.nets.embedding import NAME as EMBEDDING
from gradlab.nets.network import Network
from gradlab.nets.truncated import Truncation
from gradlab.threads import one_blas_thread

RUNNING, SOLVED, STOPPED, DIVERGED, FINISHED = "ok", "solved", "stopped", "diverged", "finished"
ENDED = (SOLVED, STOPPED, DIVERGED)
VERSION = 2  # 2: share_not_finite


def train(net, task, plan, *, test=None, save=None) -> "Training":
    """Train a copy of a network; returns the `Training` at its end.

    task   the name of a task (`gradlab.tasks`), or of a file of one's own; or one's own sequences,
           arrays (x, y) or (x, y, lengths), x (T, B, D), y and lengths as `Network.gradients` takes
           them, or `gradlab.Sequences` of many lengths. Each update has `plan.batch` of the B
           sequences (all, if there are fewer), each sequence once in an epoch.
    plan   a `gradlab.Plan`: how many updates, of what kind
    test   arrays, or Sequences, that are evaluated instead of those that are learnt from
    save   a path, written at the end: `gradlab.Training.load(path, task)` takes it up again

        training = gradlab.train(net, "adding", gradlab.Plan(sequence_length=20, updates=3000))
        training.table()  # a row each plan.log_every updates, see gradlab.learning.records
        training.net      # the network as it is now

    Raises UserError, one line, for what does not fit together. A training that diverges, or whose
    gradients are not finite, is no error but a status.
    """
    training = Training(net, task, plan, test)
    training.run(save=save)
    return training


class Training:
    """A network that learns a task; `task` and `test` as `train` takes them, or a task's module.

    net       the network in training, a copy of the one that was given
    plan      the plan, its task, sequence_length and batch as they are for this task
    update    how many updates are done
    status    ok, solved (stop_below), stopped (patience), diverged, finished
    losses    of every update so far; norms: of the gradient before clipping; shares: clipped;
              lost: not finite (see records). Each is an array.array of floats

    `run` trains, `table()` is what happened so far, `evaluate()` looks at fresh sequences, `save`
    and `load` keep the state. A copy, also through pickle, is a training of its own; the task is
    shared. Raises UserError for a plan that is none, and for what does not fit together.
    """

    def __init__(self, net, task, plan, test=None):
        if not isinstance(plan, Plan):
            raise UserError(f"plan must be a Plan, not {type(plan).__name__}")
        if plan.omega:
            check(net)
        self.task, self.plan = data.found(net, task, test, plan)
        if plan.carry:
            _check_carry(net, self.task)
        if plan.truncate:
            Truncation(*plan.truncate).check(net, self.task.AT)
        self.status = RUNNING
        self.net, self._flat = _with_flat_weights(net)
        self._optimizer = optimizer(plan.optimizer, plan.optimizer_options)
        slots = len(self._optimizer.slots)
        self._slots = np.zeros((slots, self._flat.size), self._flat.dtype)
        self._stream = self._draw("training")
        self.losses, self.norms, self.shares, self.lost = (array("d") for _ in _HISTORY)
        self.rows = []
        self._seconds, self._best, self._waited = 0.0, math.inf, 0
        self._stretches, self._ahead = Stretches(), collections.deque()
        self._memory, self._ends = None, None

    def __repr__(self):
        plan, done = self.plan, f"{self.update} of {self.plan.updates} updates"
        return f"Training({plan.task}, {done}, {self.status})"

    @property
    def update(self):
        """How many updates are done."""
        return len(self.losses)

    def run(self, until=None, save=None):
        """Train up to update number `until` (the plan's end if None); the table so far.

        One row for each logged update, evaluation and end; see gradlab.learning.records. save: a
        path for `save`, tried before the first update and written after the last.
        """
        end = self.plan.updates
        if until is not None:
            end = min(fields.whole("until", until, 0), end)
        if save is not None:
            self.save(save)
        self._run(end)
        if save is not None:
            self.save(save)
        return self.table()

    def _run(self, end):
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
            while self.status == RUNNING and self.update < end:
                if not self._stretch(end):
                    self._one_update()

    def table(self):
        """The rows so far as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=records.COLUMNS)

    def evaluate(self, size=None):
        """(share of wrong sequences, loss) on `fresh` sequences, others at each update."""
        size = self.plan.evaluation_size if size is None else fields.whole("size", size, 1)
        plan = self.plan
        if plan.carry:
            count, sample = self.task.read_on(plan)
        else:
            count, sample = self._judged(self._draw("evaluation", update=self.update), size)
        return records.evaluation(self.net, self.task, sample, count, plan.mean, plan.carry)

    def fresh(self, stream, batch):
        """Sequences that no update has seen: by the task's `unseen` where it has one.

        Of arrays: of those for a test, if there are any, and at most as many as there are.
        """
        count, sample = self._judged(stream, batch)
        return sample(count)

    def _judged(self, stream, size):
        """(how many, count -> the next so many) of `size` fresh sequences."""
        if hasattr(self.task, "judged"):
            return self.task.judged(stream, size)
        sample = getattr(self.task, "unseen", self.task.sample)
        return size, lambda count: self._drawn(sample, stream, count)

    def _minibatch(self):
        """The next one. It stays the next one until its update is made, whatever comes between."""
        self._draw_ahead(1)
        if (failure := self._ahead[0].failure) is not None:
            self._ahead.popleft()
            raise failure
        return self._ahead[0].minibatch

    def _next(self, number):
        if hasattr(self.task, "minibatch"):
            return self.task.minibatch(number, self.plan)
        return self._drawn(self.task.sample, self._stream, self.plan.batch)

    def _draw_ahead(self, count):
        """The minibatches of the next updates that a stretch takes, up to so many.

        Fewer where one is no (x, y) of arrays, or drawing it fails: its own update says so. A task
        may fill the same arrays again: they are copied.
        """
        ahead, generator = self._ahead, self._stream.bit_generator
        while len(ahead) < count and not (ahead and self._is_enough()):
            state = generator.state
            try:
                drawn = _Drawn(copied(self._next(self.update + len(ahead) + 1)), state)
            except Exception as failure:
                drawn = _Drawn(None, state, failure)
            except BaseException:
                generator.state = state
                raise
            ahead.append(drawn)
        first = itertools.islice(ahead, count)
        return [drawn.minibatch for drawn in first if drawn.is_plain]

    def _is_enough(self):
        """Whether no more is drawn after the last one: it is of another kind, or they fill ROOM."""
        last = self._ahead[-1]
        return not last.is_plain or len(self._ahead) * size_of(last.minibatch) > ROOM

    def save(self, path):
        """Write the state to a .safetensors file, whole or not at all; ~ is the home folder.

        Raises UserError for a path that cannot be written; the training goes on to hold its state.
        """
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
            "stream": self._ahead[0].state if self._ahead else self._stream.bit_generator.state,
        }
        metadata = {"gradlab.training": json.dumps(said)}
        ends = {f"ends.{i}": part for i, part in enumerate(self._ends or ())}
        try:
            safetensors.write(Path(path).expanduser(), weights | slots | history | ends, metadata)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from None

    @classmethod
    def load(cls, path, task, test=None):
        """Take up a training that was saved, on this task. Raises UserError for another file."""
        arrays, metadata = safetensors.read(Path(path).expanduser())
        said = json.loads(metadata.get("gradlab.training", "{}"))
        if said.get("version") != VERSION:
            raise UserError(f"{path} holds no training of gradlab's format {VERSION}")
        weights = {k[8:]: array for k, array in arrays.items() if k.startswith("weights.")}
        net = Network(weights, *(said[name] for name in ("cell", "activation", "feedback")))
        training = cls(net, task, Plan(**said["plan"]), test)
        for row, name in zip(training._slots, training._slot_names(), strict=True):
            row[:] = arrays[name]
        training._stream.bit_generator.state = said["stream"]
        for name in _HISTORY:
            setattr(training, name, array("d", np.asarray(arrays[name], float).tobytes()))
        for name in _SAID:
            setattr(training, name, said[name])
        ends = sorted(name for name in arrays if name.startswith("ends."))
        training._ends = tuple(arrays[name] for name in ends) or None
        return training

    def __getstate__(self):
        apart = ("_flat", "_stretches")
        state = {name: value for name, value in self.__dict__.items() if name not in apart}
        net = self.net
        parts = (net.weights, net.cell, net.activation, net.feedback)
        return state | {"task": _Module.of(self.task), "net": parts}

    def __setstate__(self, state):
        self.__dict__.update(state)
        if isinstance(self.task, _Module):
            self.task = self.task.found()
        self.net, self._flat = _with_flat_weights(Network(*self.net))
        self._stretches = Stretches()

    def __copy__(self):
        return copy.deepcopy(self)

    def __deepcopy__(self, memo):
        other = memo[id(self)] = object.__new__(type(self))
        apart = ("net", "task", "_flat", "_stretches")
        state = {name: value for name, value in self.__dict__.items() if name not in apart}
        other.__dict__.update(copy.deepcopy(state, memo), task=self.task)
        other.net, other._flat = _with_flat_weights(self.net)
        other._stretches = Stretches()
        return other

    def _stretch(self, end):
        """Updates in one call, up to the next one that is looked at; whether any were made."""
        free, most = 0, min(MOST, end - self.update)
        while free < most and not self._is_seen(self.update + free + 1):
            free += 1
        count = self._stretches.reach(free, self.net, self.plan)
        if not count:
            return False
        started, number, told = time.perf_counter(), self.update + 1, Told.of(count)
        try:
            minibatches = self._draw_ahead(count)
            if not minibatches:
                self._stretches.stop()
                return False
            rates = [self._rate(number + k) for k in range(len(minibatches))]
            settings = [self._optimizer.setting(r, number + k) for k, r in enumerate(rates)]
            how = rule_of(self.plan), self._optimizer.number, np.array(settings), self.plan.omega
            own = self.net, self._flat, self._slots, self.task, self.plan
            self._stretches.go(own, minibatches, how, told)
        finally:  # also where Ctrl-C comes in between: the weights have moved on
            for history, values in zip(_HISTORY, told.columns(), strict=True):
                getattr(self, history).extend(values)
            for _ in range(told.count):
                self._ahead.popleft()
            seconds = time.perf_counter() - started
            self._seconds += seconds
        self._stretches.took(seconds, told)
        return told.count > 0

    def _rate(self, number):
        plan = self.plan
        return plan.learning_rate * factor(plan.schedule, number, plan.updates)

    def _is_logged(self, number):
        return number % self.plan.log_every == 0 or number in (1, self.plan.updates)

    def _is_seen(self, number):
        """Whether somebody looks at this update: it is logged, or evaluated."""
        return self._is_logged(number) or self._is_due(number)

    def _one_update(self):
        plan, number = self.plan, self.update + 1
        started = time.perf_counter()
        minibatch = self._minibatch()
        logged = self._is_logged(number)
        watch = logged or self._is_due(number)
        try:
            own = self._started(minibatch)
            step = gradient(self.net, self.task, own, plan, watch, self._remembered())
        except Exception:  # it is of no use; where Ctrl-C came, it is
            self._ahead.popleft()
            raise
        rate = self._rate(number)
        change, finite = self._moved(step, rate, number, watch)
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self._stretches.alone(seconds)
        self._ahead.popleft()
        self._ends = step.back.ends() if plan.carry else None
        self.losses.append(step.loss)
        self.norms.append(step.norm)
        self.shares.append(step.clipped)
        self.lost.append(step.not_finite)
        if not finite:
            self.status = DIVERGED
        evaluated = self._evaluated(number)
        if self.status == RUNNING and number == plan.updates:
            self.status = FINISHED
        if logged or evaluated or self.status != RUNNING:
            self._log(step, change, rate, evaluated)

    def _started(self, minibatch):
        """The next update's minibatch, with the state that is carried to it."""
        if self._ends is None or self.task.starts(self.update + 1, self.plan):
            return minibatch
        x, y, lengths = minibatch
        return x, y, lengths, records.first(self._ends, x.shape[1])

    def _moved(self, step, rate, number, watch):
        """(the step of all weights, whether they are finite after it); to the bit the same if seen.

        The step is None where nobody looks, and the weights are an embedding's for the most part.
        """
        back = step.back
        if back.rows is None or watch:
            applied = spread(step.applied, back)
            change = self._optimizer.step(applied, self._slots, rate, number)
            return change, updates.take(self._flat, change)
        edges, _ = layout_of(self.net.weights)
        first = int(edges[sorted(self.net.weights).index(EMBEDDING)])
        few = step.applied, back.rows, (first, *self.net.weights[EMBEDDING].shape)
        return None, self._optimizer.advance(few, self._slots, self._flat, rate, number)

    def _remembered(self):
        """What clipping remembers: it follows from the norms, whatever the last update came to."""
        plan = self.plan
        if plan.clip_style not in ADAPTIVE or plan.clip_threshold is None:
            return None
        if self._memory is None or self._memory.count != len(self.norms):
            self._memory = Memory.of(plan.clip_style, plan.clip_threshold, self.norms)
        return self._memory

    def _log(self, step, change, rate, evaluated):
        error, loss = evaluated or (math.nan, math.nan)
        history = {
            "mean_loss": self.losses, "mean_norm": self.norms, "share_clipped": self.shares,
            "share_not_finite": self.lost,
        }  # fmt: skip
        row = {
            "update": self.update,
            "status": self._row_status(step),
            "learning_rate": rate,
            "error": error,
            "evaluation_loss": loss,
            "updates_per_second": self.update / self._seconds,
        }
        row |= records.of_update(step, change) | records.of_weights(self.net)
        self.rows.append(row | records.since(history, self.rows))

    def _row_status(self, step):
        health = records.health(step)
        return self.status if health == "ok" or self.status in ENDED else health

    def _is_due(self, number):
        every = self.plan.evaluate_every
        return every > 0 and number % every == 0

    def _evaluated(self, number):
        plan = self.plan
        if self.status != RUNNING or not self._is_due(number):
            return None
        error, loss = self.evaluate()
        self._waited = 0 if loss < self._best else self._waited + 1
        self._best = min(self._best, loss)  # in this order nan is not kept
        if plan.stop_below is not None and error < plan.stop_below:
            self.status = SOLVED
        elif plan.patience and self._waited >= plan.patience:
            self.status = STOPPED
        return error, loss

    def _drawn(self, sample, stream, batch):
        low, high = self.plan.lengths
        length = low if high == low + 1 else int(stream.integers(low, high))
        return sample(stream, length, batch, **self.plan.task_options)

    def _draw(self, purpose, **more):
        name = self.plan.task
        return draws.stream(seed=self.plan.seed, task=Path(name).stem, purpose=purpose, **more)

    def _slot_names(self):
        return [f"slots.{name}" for name in self._optimizer.slots]


_HISTORY = ("losses", "norms", "shares", "lost")
_SAID = ("rows", "status", "_seconds", "_best", "_waited")


class _Drawn(NamedTuple):
    """A minibatch that was drawn ahead, or why that failed, and the stream's state before."""

    minibatch: object
    state: dict
    failure: Exception | None = None

    @property
    def is_plain(self):
        """Whether it is what a stretch takes."""
        return is_plain(self.minibatch)


class _Module(NamedTuple):
    """A task's module as pickle takes it: one of the package by name, a user's own by its file."""

    name: str
    file: str

    @classmethod
    def of(cls, task):
        """The task itself if it is no module."""
        return cls(task.__name__, task.__file__) if isinstance(task, ModuleType) else task

    def found(self):
        try:
            return importlib.import_module(self.name)
        except ModuleNotFoundError:
            return found.load("task", Path(self.file))


def _check_carry(net, task):
    """Raise UserError, one line, where no state can be carried on."""
    if net.bidirectional:
        raise UserError("carry=True needs one direction: the other one comes from what follows")
    if not hasattr(task, "starts"):
        raise UserError("carry=True: goes with gradlab.Sequences, whose order says what follows")


def _with_flat_weights(net):
    """A copy of the network whose weights are views of one vector, in the order of their names."""
    net = copy.copy(net.checked())
    flat = vector(net.weights)
    net.weights = cut(flat, net.weights)
    return net, flat
