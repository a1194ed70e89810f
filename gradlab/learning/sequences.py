"""Sequences of many lengths as what a training learns from: sentences, or the pieces of a text.

Each stands once in an epoch. A minibatch has those of about one length, padded to the longest; of
the last one of an epoch there may be fewer. With `plan.carry` they come in their own order instead,
lane b those of the b-th part, and where a lane ends is where its next sequence starts: truncated
BPTT over a running text (Williams and Peng 1990). A new epoch starts from zero.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradlab import given
from gradlab.errors import UserError
from gradlab.kernels.losses import IGNORED
from gradlab.nets import draws
from gradlab.nets.embedding import NAME as EMBEDDING
from gradlab.nets.heads import scored

POOL = 50  # minibatches whose sequences are sorted by length: a few percent of padding are left


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences for `gradlab.train`, and as its `test`, each of a length of its own.

    x   arrays (T_i, D), or numbers (T_i,) for an embedding
    y   targets of each: class numbers (T_i,), of which -100 has no loss, or values (T_i, O); or of
        its last step alone: a class, or values (O,)
    instead, dropout   other inputs like x, of which each step has its own with that probability,
                       drawn anew for each update: the unknown word, for words that none has seen

    >>> import gradlab
    >>> words = Sequences([[0, 4, 2], [3, 1]], [[1, 0, 0], [1, -100]])
    >>> net = gradlab.Network.draw("lstm", inputs=5, embedding=4, hidden=8, outputs=2)
    >>> training = gradlab.train(net, words, gradlab.Plan(updates=3, batch=2, mean="steps"))
    >>> training.evaluate()[0] in (0, 0.25, 0.5, 0.75, 1)  # the share of wrong words
    True
    """

    x: Any = field(repr=False)
    y: Any = field(repr=False)
    instead: Any = field(default=None, repr=False)
    dropout: float = 0.0

    @classmethod
    def cut(cls, x: Any, y: Any, steps: int) -> "Sequences":
        """Those that one long sequence x (T, D) or (T,) and y (T, ...) fall into, `steps` each.

        With `plan.carry` that is truncated BPTT over it. Raises UserError for several lengths.
        """
        steps = given.whole("steps", steps, "be a whole number from 1", 1)
        x, y = (given.real(name, own) for name, own in (("x", x), ("y", y)))
        if not x.ndim or x.shape[:1] != y.shape[:1]:
            raise UserError(f"x and y must have as many steps, not shapes {x.shape} and {y.shape}")
        edges = range(0, len(x), steps)
        return cls([x[i : i + steps] for i in edges], [y[i : i + steps] for i in edges])


class Minibatches:
    """What a training asks of `Sequences`. LOSS and AT are the plan's where it says them, else what
    y looks like. Raises UserError, one line, for what does not fit together or the network.
    """

    def __init__(self, net, own, test, plan):
        self.x, self.y, self.LOSS, self.AT = _checked(net, "task", own, plan)
        self.lengths = np.array([len(one) for one in self.x])
        self._test = None
        if test is not None:
            self._test = _checked(net, "test", test, plan)[:2]
        self._instead, self._dropout = _checked_dropout(net, own, self.x)
        self._order = None, None

    def minibatch(self, number, plan):
        """(x, y, lengths) of update number 1, 2, ...: it follows from the plan and that alone."""
        epoch, place = divmod(number - 1, self.per_epoch(plan))
        if plan.carry:
            chosen = at_place(len(self.x), place, plan.batch)
        else:
            chosen = self._epoch(epoch, plan)[place]
        x, y, lengths = self._padded((self.x, self.y), chosen)
        if self._dropout:
            stream = draws.stream(seed=plan.seed, purpose="dropout", update=number)
            dropped = stream.random(x.shape[:2]) < self._dropout
            x[dropped] = padded([self._instead[i] for i in chosen], 0)[dropped]
        return x, y, lengths

    def starts(self, number, plan):
        """Whether no state is carried to update number 1, 2, ...: it begins an epoch."""
        return (number - 1) % self.per_epoch(plan) == 0

    def judged(self, stream, size):
        """(how many, count -> the next so many) of `size` test sequences, without replacement.

        All of them in their order if there are no more. Without a test, the training's own.
        """
        own = self._test or (self.x, self.y)
        every = len(own[0])
        size = min(size, every)
        left = iter(np.arange(every) if size == every else stream.permutation(every)[:size])
        return size, lambda count: self._padded(own, [next(left) for _ in range(count)])

    def read_on(self, plan):
        """(how many, _ -> the next ones) of all test sequences, in the order of `plan.carry`."""
        own = self._test or (self.x, self.y)
        every = len(own[0])
        places = iter(range(_count(every, plan.batch)))
        return every, lambda _: self._padded(own, at_place(every, next(places), plan.batch))

    def wrong(self, outputs, classes, lengths):
        """Bools, one for each step with a loss: its largest output is not the class.

        nan where there are no classes.
        """
        if self.LOSS != "cross_entropy":
            return np.full(outputs.shape[-2], np.nan)
        wrong = (outputs.argmax(-1) != classes) | np.isnan(outputs).any(-1)
        return wrong[scored(classes, self.LOSS, self.AT, len(outputs), lengths)]

    def per_epoch(self, plan):
        """How many updates an epoch has."""
        return _count(len(self.x), plan.batch)

    def _epoch(self, epoch, plan):
        """The sequences of each of its minibatches."""
        key = plan.seed, epoch, plan.batch
        if self._order[0] != key:
            stream = draws.stream(seed=plan.seed, purpose="epoch", epoch=epoch)
            order, size = stream.permutation(len(self.x)), plan.batch
            pools = np.split(order, range(POOL * size, len(order), POOL * size))
            found = []
            for pool in pools:
                rising = pool[np.argsort(self.lengths[pool], kind="stable")]
                found += np.split(rising, range(size, len(rising), size))
            self._order = key, [found[i] for i in stream.permutation(len(found))]
        return self._order[1]

    def _padded(self, own, chosen):
        """(x, y, lengths) of some, time first."""
        x, y = ([part[i] for i in chosen] for part in own)
        lengths = np.array([len(one) for one in x])
        if self.AT == "every":
            nothing = IGNORED if self.LOSS == "cross_entropy" else 0
            return padded(x, 0), padded(y, nothing), lengths
        return padded(x, 0), np.stack(y), lengths


def _count(every, batch):
    """Minibatches of so many sequences."""
    return math.ceil(every / batch)


def at_place(every, place, batch):
    """The sequences at a place of all lanes, each of which reads a part; the last may end early."""
    chosen = np.arange(min(batch, every)) * _count(every, batch) + place
    return chosen[chosen < every]


def padded(arrays, nothing):
    """(T, B, ...) of arrays (T_i, ...): `nothing` after the end of each."""
    shape = max(map(len, arrays)), len(arrays), *arrays[0].shape[1:]
    whole = np.full(shape, nothing, arrays[0].dtype)
    for lane, own in enumerate(arrays):
        whole[: len(own), lane] = own
    return whole


def _checked(net, name, own, plan):
    """(x, y, loss, at): lists of arrays that the network takes."""
    if not isinstance(own, Sequences):
        raise UserError(f"{name} must be Sequences as well, not {type(own).__name__}")
    net = net.checked()
    try:
        count = len(own.x), len(own.y)
    except TypeError:
        count = 0, 0
    if count[0] != count[1] or not count[0]:
        raise UserError(f"{name}: give as many x as y, and one at least, not {count}")
    x = [_input(net, f"x[{i}] of {name}", one) for i, one in enumerate(own.x)]
    y = [given.real(f"y[{i}] of {name}", one) for i, one in enumerate(own.y)]
    are_classes = y[0].dtype.kind in "iu" and y[0].ndim < 2
    are_classes = are_classes and y[0].shape in ((), x[0].shape[:1])
    loss = plan.loss or ("cross_entropy" if are_classes else "squared_error")
    outputs = () if loss == "cross_entropy" else (len(net.weights["c"]),)
    at = plan.at or ("last" if y[0].shape == outputs else "every")
    for i, (one, length) in enumerate(zip(y, map(len, x), strict=True)):
        right = (length, *outputs) if at == "every" else outputs
        if one.shape != right:
            said = f"y[{i}] of {name} must have shape {right} for loss={loss!r}, at={at!r}"
            raise UserError(f"{said}, not {one.shape}")
        y[i] = _target(net, f"y[{i}] of {name}", one, loss)
    return x, y, loss, at


def _checked_dropout(net, own, x):
    """(other inputs, the probability of each step to have its own), None and 0 for none."""
    share = given.number("dropout", own.dropout)
    if not 0 <= share < 1 or (own.instead is None and share):
        right = "a probability from 0 to below 1, with what stands instead"
        raise UserError(f"dropout={own.dropout}: must be {right}")
    if own.instead is None:
        return None, 0.0
    if len(own.instead) != len(x):
        raise UserError(f"instead: give as many as x, {len(x)}, not {len(own.instead)}")
    other = [_input(net, f"instead[{i}]", one) for i, one in enumerate(own.instead)]
    for i, (one, right) in enumerate(zip(other, x, strict=True)):
        if len(one) != len(right):
            raise UserError(f"instead[{i}] has {len(one)} steps, x[{i}] {len(right)}")
    return other, share


def _input(net, name, one):
    """x of one sequence as a network reads it."""
    if (table := net.weights.get(EMBEDDING)) is not None:
        one = given.real(name, one)
        right = f"must be whole numbers (T,) from 0 to {len(table) - 1}, rows of the embedding"
        if one.ndim != 1 or not one.size or one.dtype.kind not in "iu":
            raise UserError(f"{name} {right}, not {one.dtype} of shape {one.shape}")
        _check_between(name, one, 0, len(table), right)
        return one.astype(np.int64)
    width = net.weights["U"].shape[1]
    one = given.floats(name, one)
    if one.ndim != 2 or one.shape[1] != width or not len(one):
        raise UserError(f"{name} must have shape (T, {width}), not {one.shape}")
    return given.ready(one, net.weights["W"].dtype)


def _target(net, name, one, loss):
    """y of one sequence."""
    if loss != "cross_entropy":
        return given.ready(given.floats(name, one), net.weights["W"].dtype)
    classes = len(net.weights["c"])
    if one.dtype.kind not in "iu":
        raise UserError(f"{name} must hold class numbers for cross_entropy, not {one.dtype}")
    one = one.astype(np.int64)
    right = f"must hold classes from 0 to {classes - 1}, or {IGNORED} for none"
    _check_between(name, one[one != IGNORED], 0, classes, right)
    return one


def _check_between(name, numbers, low, high, right):
    wrong = numbers[(numbers < low) | (numbers >= high)]
    if wrong.size:
        raise UserError(f"{name} {right}, not {wrong[0]}")
