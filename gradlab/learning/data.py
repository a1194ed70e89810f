"""What a training learns from: a task by its name, a task's module, or one's own sequences.

All give minibatches (x, y) or (x, y, lengths), x (T, B, D) or (T, B), y and lengths (B,) as
`Network.gradients` takes them. A task draws them by `sample`. What is finite has instead

    minibatch(number, plan)   that of update number 1, 2, ...
    judged(stream, size)      (how many, count -> the next so many) of the sequences to be judged on

and, if a state can be carried from minibatch to minibatch, lane by lane, of which the last ones may
end earlier

    starts(number, plan)      whether none is carried to update number 1, 2, ...
    read_on(plan)             as `judged`, all in the order in which it is carried
"""

import inspect
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from gradlab import given, tasks
from gradlab.errors import UserError, did_you_mean
from gradlab.learning import fields
from gradlab.learning.plan import UNNAMED
from gradlab.learning.sequences import Minibatches, Sequences
from gradlab.nets import draws
from gradlab.nets.batch import Batch
from gradlab.nets.heads import Loss


class Arrays:
    """One's own sequences as a task: x (T, B, D), y, lengths (B,), and those to be judged on.

    LOSS and AT are the plan's where it says them, else what y looks like: class numbers (T, B) or
    (B,) have cross_entropy, all else squared_error; what has T entries has a loss at every step.
    Raises UserError, one line, for what does not fit together or the network.
    """

    def __init__(self, net, own, test, plan):
        self.x, self.y, self.lengths, self.LOSS, self.AT = _checked(net, "task", own, plan)
        self._test = None
        if test is not None:
            self._test = _checked(net, "test", test, plan)[:3]
        self._order = None, None

    def minibatch(self, number, plan):
        """The sequences of update number 1, 2, ...: each once in an epoch, in an order of its own.

        It follows from the plan and the number alone. A minibatch at the end of an epoch is filled
        up from the next.
        """
        first, count = (number - 1) * plan.batch, self.x.shape[1]
        places = np.arange(first, first + plan.batch)
        epochs = places // count
        chosen = [
            self._epoch(int(epoch), plan)[places[epochs == epoch] % count]
            for epoch in np.unique(epochs)
        ]
        return _taken((self.x, self.y, self.lengths), self.AT, np.concatenate(chosen))

    def judged(self, stream, size):
        """(how many, count -> the next so many) of `size` test sequences, without replacement.

        All of them in their order if there are no more. Without test arrays, the training's own.
        """
        own = self._test or (self.x, self.y, self.lengths)
        every = own[0].shape[1]
        size = min(size, every)
        left = iter(np.arange(every) if size == every else stream.permutation(every)[:size])
        return size, lambda count: _taken(own, self.AT, [next(left) for _ in range(count)])

    def wrong(self, outputs, classes, lengths=None):
        """Bools (B,): a step's largest output is not the class; nan where there are no classes."""
        if self.LOSS != "cross_entropy":
            return np.full(outputs.shape[-2], np.nan)
        wrong = (outputs.argmax(-1) != classes) | np.isnan(outputs).any(-1)
        if wrong.ndim == 1:
            return wrong
        within = True if lengths is None else np.arange(len(wrong))[:, None] < lengths
        return (wrong & within).any(0)

    def _epoch(self, epoch, plan):
        key, order = self._order
        if key != (plan.seed, epoch):
            stream = draws.stream(seed=plan.seed, purpose="epoch", epoch=epoch)
            order = stream.permutation(self.x.shape[1])
            self._order = (plan.seed, epoch), order
        return order


def found(net, task, test, plan):
    """(the task, the plan as it holds for it): its name; the length and batch that arrays have.

    Raises UserError, one line, for what is no task, and for a plan of another one.
    """
    if isinstance(task, tuple | list):
        task = Arrays(net, task, test, plan)
        steps, lanes = task.x.shape[:2]
        return task, replace(plan, sequence_length=steps, batch=min(plan.batch, lanes))
    if isinstance(task, Sequences):
        task = Minibatches(net, task, test, plan)
        steps, lanes = int(task.lengths.max()), len(task.x)
        return task, replace(plan, sequence_length=steps, batch=min(plan.batch, lanes))
    if test is not None:
        raise UserError(
            "test: goes with arrays (x, y) or Sequences: a task draws fresh sequences by itself"
        )
    for name in ("loss", "at"):
        if (value := getattr(plan, name)) is not None:
            raise UserError(f"{name}={value}: goes with arrays (x, y): a task has its own")
    if isinstance(task, str | os.PathLike):
        return _named(fields.text("task", task), plan)
    draw = "minibatch" if hasattr(task, "minibatch") else "sample"
    if lacks := [part for part in ("LOSS", "AT", draw) if not hasattr(task, part)]:
        right = "a name, a FILE.py, a task's module, arrays (x, y) or (x, y, lengths), or Sequences"
        raise UserError(f"task must be {right}: {type(task).__name__} lacks {', '.join(lacks)}")
    if isinstance(task, ModuleType) and plan.task == UNNAMED:
        plan = replace(plan, task=Path(task.__file__ or task.__name__).stem)
    return task, plan


def _named(name, plan):
    if plan.task not in (UNNAMED, name):
        raise UserError(f"task={name}: the plan is for task={plan.task}")
    task = tasks.find(name)
    known = inspect.signature(task.sample).parameters
    free = any(one.kind is one.VAR_KEYWORD for one in known.values())
    named = getattr(task, "OPTIONS", None) or [*known][3:]
    if wrong := [option for option in plan.task_options if option not in named and not free]:
        listed = ", ".join(named) or "none"
        raise UserError(
            f"task {name} has no option {wrong[0]}; it has {listed}{did_you_mean(wrong[0], named)}"
        )
    return task, replace(plan, task=name)


def _checked(net, name, own, plan):
    """(x, y, lengths, loss, at) as a network reads them."""
    if not isinstance(own, tuple | list) or len(own) not in (2, 3):
        raise UserError(f"{name} must be arrays (x, y) or (x, y, lengths), not {_said(own)}")
    x, y, lengths = (*own, None)[:3]
    batch = Batch.of(net, x, None, lengths)
    y = given.real("y", y)
    shape = batch.x.shape[:2]
    is_class = y.dtype.kind in "iu" and y.shape in (shape, shape[1:])
    loss = plan.loss or ("cross_entropy" if is_class else "squared_error")
    at = plan.at or ("every" if y.shape[:2] == shape else "last")
    y = Loss.of(batch, y, loss, None, at).y
    x = batch.x if batch.numbers is None else batch.numbers
    return x, y, None if lengths is None else batch.lengths, loss, at


def _said(own):
    return f"{len(own)} of them" if isinstance(own, tuple | list) else type(own).__name__


def _taken(own, at, lanes):
    x, y, lengths = own
    y = y[:, lanes] if at == "every" else y[lanes]
    return (x[:, lanes], y) if lengths is None else (x[:, lanes], y, lengths[lanes])
