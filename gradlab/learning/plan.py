"""What a training is told: everything that its numbers follow from, but for the network."""

import math
from dataclasses import dataclass, field

from gradlab.errors import UserError, one_of
from gradlab.learning import fields
from gradlab.learning.adaptive import ADAPTIVE
from gradlab.learning.clipping import EVERY, PER
from gradlab.learning.optimizers import OPTIMIZERS, optimizer
from gradlab.learning.schedules import SCHEDULES
from gradlab.nets.heads import AT, MEANS
from gradlab.nets.losses import LOSSES
from gradlab.nets.truncated import Truncation

UNNAMED = "own"  # a plan's task, until it is trained on one that has a name


def _whole(least):
    return lambda name, value: fields.whole(name, value, least)


def _name(choices):
    return lambda name, value: one_of(name, value, choices)


def _number(right, holds):
    return lambda name, value: fields.number(name, value, right, holds)


def _truncation(value):
    kind, steps = Truncation.of(value, math.inf)
    return str(kind), int(steps)


# What each field is checked by, in their order; sequence_length takes two forms.
CHECKS = {
    "task": fields.text,
    "updates": _whole(1),
    "batch": _whole(1),
    "learning_rate": fields.finite,
    "optimizer": _name(OPTIMIZERS),
    "optimizer_options": fields.options,
    "schedule": _name(SCHEDULES),
    "clip_style": _name(EVERY),
    "clip_per": _name(PER),
    "mean": _name(MEANS),
    "carry": fields.truth,
    "teacher_forcing": fields.truth,
    "omega": fields.finite,
    "log_every": _whole(1),
    "evaluate_every": _whole(0),
    "evaluation_size": _whole(1),
    "task_options": fields.options,
    "seed": _whole(0),
}
MAY_BE_NONE = {
    "clip_threshold": _number("a number >= 0, or None", lambda value: value >= 0),
    "stop_below": _number("a share from 0 to 1, or None", lambda value: 0 <= value <= 1),
    "patience": _whole(1),
    "loss": _name(LOSSES),
    "at": _name(AT),
    "truncate": lambda name, value: _truncation(value),
}


@dataclass(frozen=True)
class Plan:
    """How to train: `gradlab.train(net, task, gradlab.Plan(updates=5000, clip_threshold=1.0))`.

    task              its name; `train` puts it here for a task that has one
    sequence_length   steps; or (low, high): each minibatch draws its own from low to high - 1;
                      arrays of one's own have theirs
    updates           how many
    batch             sequences of a minibatch
    learning_rate     of the optimizer, times what the schedule says
    optimizer         sgd, momentum, adam, rmsprop, with optimizer_options: see
                      gradlab.learning.optimizers
    schedule          constant, linear, cosine, exponential: see gradlab.learning.schedules
    mean              the loss is summed over steps, and the mean over "lanes"; or the mean over all
                      "steps" that have one, as PyTorch's CrossEntropyLoss takes it
    carry             a lane starts where its last sequence ended, not from zero: see
                      gradlab.learning.sequences
    clip_threshold    None: no clipping; it means nothing without `mean`
    clip_style        norm, torch, value, per_array, keras_global, optax, pascanu: see
                      gradlab.learning.rules; percentile, adaptive, zscore (threshold 10, 0.01, 2.5
                      in their papers): see gradlab.learning.adaptive
    clip_per          what is clipped: the "mean" of the lanes, each "lane", dL/dh at each "step"
    truncate          ("window", k) or ("chunk", k): truncated BPTT, as `Network.gradients` has it
    teacher_forcing   feed a jordan cell the targets of every step instead of its own outputs
    omega             Omega's factor alpha; alpha dOmega/dW is added before clipping
                      (gradlab.learning.omega)
    log_every         updates between two rows of the table
    evaluate_every    updates between two evaluations on evaluation_size fresh sequences; 0: none
    stop_below        stop at the first evaluation whose share of wrong sequences is below it
    patience          stop after this many evaluations in a row without a smaller loss
    loss, at          of arrays of one's own, as `Network.gradients` takes them; None: what their y
                      looks like (gradlab.learning.data); a task has its own
    task_options      keywords of the task's `sample`
    seed              of the minibatches and evaluations

    NumPy's numbers become Python's. Raises UserError, one line, for a field that cannot be so.
    """

    task: str = UNNAMED
    sequence_length: int | tuple = 50
    updates: int = 1000
    batch: int = 20
    learning_rate: float = 0.01
    optimizer: str = "sgd"
    optimizer_options: dict = field(default_factory=dict)
    schedule: str = "constant"
    mean: str = "lanes"
    carry: bool = False
    clip_threshold: float | None = None
    clip_style: str = "norm"
    clip_per: str = "mean"
    truncate: tuple | None = None
    teacher_forcing: bool = False
    omega: float = 0.0
    log_every: int = 100
    evaluate_every: int = 0
    evaluation_size: int = 1000
    stop_below: float | None = None
    patience: int | None = None
    loss: str | None = None
    at: str | None = None
    task_options: dict = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self):
        for name, check in CHECKS.items():
            self._set(name, check(name, getattr(self, name)))
        for name, check in MAY_BE_NONE.items():
            if getattr(self, name) is not None:
                self._set(name, check(name, getattr(self, name)))
        kind = optimizer(self.optimizer, self.optimizer_options)
        self._set("optimizer_options", {k: getattr(kind, k) for k in self.optimizer_options})
        self._set("sequence_length", self._checked_length())
        self._check_together()

    @property
    def lengths(self):
        """(low, high): lengths are drawn from low to high - 1."""
        if isinstance(self.sequence_length, int):
            return self.sequence_length, self.sequence_length + 1
        return self.sequence_length

    def _set(self, name, value):
        object.__setattr__(self, name, value)  # the record is frozen

    def _checked_length(self):
        given = self.sequence_length
        if not isinstance(given, tuple | list):
            return fields.whole("sequence_length", given, 1)
        if len(given) == 2:
            low, high = (fields.whole("sequence_length", length, 1) for length in given)
            if low < high:
                return low, high
        raise UserError(f"sequence_length={given}: must be a length, or (low, high) that rise")

    def _check_together(self):
        if self.omega and self.clip_per != "mean":
            raise UserError(f"omega needs clip_per=mean, not {self.clip_per}: it is no lane's own")
        if self.mean == "steps" and self.clip_per != "mean":
            raise UserError(f"mean=steps needs clip_per=mean, not {self.clip_per}: no lane has it")
        if self.clip_style in ADAPTIVE and self.clip_per != "mean":
            raise UserError(
                f"clip_style={self.clip_style} needs clip_per=mean, not {self.clip_per}"
            )
        if self.clip_style == "percentile" and (self.clip_threshold or 0) > 100:
            given = f"clip_threshold={self.clip_threshold}"
            raise UserError(f"{given}: of clip_style=percentile it is from 0 to 100")
        for name, value in (("omega", self.omega), ("clip_per", self.clip_per == "step")):
            if self.truncate and value:
                raise UserError(
                    f"truncate={self.truncate}: does not go with {name}={getattr(self, name)}"
                )
        stops = [name for name in ("stop_below", "patience") if getattr(self, name) is not None]
        if stops and not self.evaluate_every:
            raise UserError(f"{stops[0]}={getattr(self, stops[0])}: needs evaluate_every >= 1")
