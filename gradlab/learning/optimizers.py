"""From a gradient to a step: w <- w - step. Each acts on every entry by itself.

An optimizer is stateless: what it remembers stands in `slots` (S, P), a row like w (P,) each, that
start at 0 and that `step` changes in place, so that a training can be saved and taken up again.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradlab.errors import UserError, did_you_mean, one_of
from gradlab.kernels import updates
from gradlab.learning import fields
from gradlab.threads import each

WORTH_A_THREAD = 2**17  # entries of a table from which two threads are faster than one


class Optimizer:
    """What all have: the names of their slots, and a step that gradlab.kernels.updates makes."""

    slots: ClassVar[tuple[str, ...]] = ()

    @property
    def number(self):
        """By which the kernels know it."""
        return updates.OPTIMIZERS.index(type(self).__name__.lower())

    def setting(self, rate, count):
        """What the kernels want for update number `count` = 1, 2, ..."""
        options = vars(self).values()
        return np.array([rate, count, *options, *[0.0] * (3 - len(options))])

    def step(self, gradient, slots, rate, count):
        """The step (P,) for update number `count` = 1, 2, ...; the slots move on."""
        change = np.empty_like(gradient)
        updates.step(self.number, self.setting(rate, count), gradient, slots, change)
        return change

    def advance(self, few, slots, w, rate, count):
        """w and its slots move on where of a table only some rows have a gradient: `few`.

        few: as `updates.advance` takes it. Returns whether w is finite then. A large table's halves
        are a thread's each; every entry is by itself, so that the bits are the same.
        """
        how = self.number, self.setting(rate, count)
        _, _, (_, count_of_rows, width) = few
        parts = _halves(few) if count_of_rows * width >= WORTH_A_THREAD else [(few, 0)]
        return all(each(lambda part: updates.advance(*how, *part, slots, w), parts))


@dataclass(frozen=True)
class SGD(Optimizer):
    """step = rate g."""


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v <- momentum v + g, step = rate v (Polyak 1964, in the form of PyTorch and Goodfellow)."""

    momentum: float = 0.9
    slots: ClassVar = ("velocity",)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Algorithm 1 of Kingma and Ba (2015).

    m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,
    step = rate m^/(sqrt(v^) + epsilon),  m^ = m/(1 - beta1^t),  v^ = v/(1 - beta2^t).
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    slots: ClassVar = ("mean", "square")


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """s <- decay s + (1 - decay) g^2, step = rate g/(sqrt(s) + epsilon).

    Tieleman and Hinton (2012, lecture 6e), with PyTorch's place for epsilon.
    """

    decay: float = 0.9
    epsilon: float = 1e-8
    slots: ClassVar = ("square",)


OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "rmsprop": RMSprop}


def _halves(few):
    """[(few, at)] of the rows of a table in two parts, the first with all that is before it."""
    g, rows, (first, count, width) = few
    middle = count // 2
    k = int(np.searchsorted(rows, middle))
    cut = first + k * width
    return [
        ((g[:cut], rows[:k], (first, middle, width)), 0),
        ((g[cut:], rows[k:] - middle, (0, count - middle, width)), first + middle * width),
    ]


def optimizer(name, options=None):
    """The optimizer of that name with its options. Raises UserError for what there is not."""
    kind, options = OPTIMIZERS[one_of("optimizer", name, OPTIMIZERS)], options or {}
    known = [field.name for field in dataclasses.fields(kind)]
    if wrong := [option for option in options if option not in known]:
        listed = ", ".join(known) or "none"
        raise UserError(
            f"optimizer {name} has no option {wrong[0]}; it has {listed}"
            f"{did_you_mean(wrong[0], known)}"
        )
    return kind(**{k: _checked(f"optimizer {name}: {k}", k, v) for k, v in options.items()})


def _checked(said, name, value):
    if name == "epsilon":  # 0 would divide an entry without a gradient by 0
        return fields.number(said, value, "a finite number > 0", lambda v: 0 < v < math.inf)
    return fields.number(said, value, "a number from 0 to below 1", lambda v: 0 <= v < 1)
