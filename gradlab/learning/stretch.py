"""A stretch of a training's updates as one compiled call, where nothing needs Python's care."""

import copy
import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.kernels.stretch import Minibatches, Weights, stretch
from gradlab.learning.clipping import STYLES
from gradlab.learning.gradient import cut, layout_of, vector
from gradlab.nets import bptt, embedding
from gradlab.nets.batch import Batch, Run
from gradlab.nets.chains import FIRST, widened
from gradlab.nets.heads import Loss, Ready

LINE = 16  # entries: each array begins at a multiple of them, where vectors are loaded fastest


MOST, LONGEST = 64, 0.2  # updates of a stretch, and its seconds: Ctrl-C waits for its end
SHORTEST = 8  # updates for whose sake the kernel is compiled
ROOM = 2**25  # bytes of minibatches drawn ahead
KEPT = 4  # shapes of minibatches that have room; making one takes an update's time


class Told(NamedTuple):
    """What a stretch tells: values (K, 4) of K updates, done (1,); see `kernels.stretch`."""

    values: np.ndarray
    done: np.ndarray

    @classmethod
    def of(cls, count):
        """For so many updates, none of which is done."""
        return cls(np.zeros((count, 4)), np.zeros(1, np.int64))

    @property
    def count(self):
        """How many are done."""
        return int(self.done[0])

    def columns(self):
        """Losses, norms, shares clipped and not finite of those that are done."""
        return self.values[: self.count].T.tolist()


class Stretches:
    """Says how far a stretch may go, and goes: at most MOST updates, some LONGEST seconds.

    Where it ends before its time, the next update is made alone; where it did not even begin, more
    and more of them are.
    """

    def __init__(self):
        self._rooms, self._off, self._plan = {}, False, None
        self._size, self._tried, self._wait, self._vain, self._pace = MOST, 0, 0, 0, LONGEST

    def reach(self, free, net, plan):
        """How many updates to make at once where so many are free to be; 0: make one alone."""
        if plan is not self._plan:
            self._rooms, self._off, self._plan = {}, False, plan
        if self._off or self._wait or free < (1 if self._rooms else SHORTEST):
            return 0
        self._off = not _is_possible(net, plan)
        return 0 if self._off else min(free, self._size, max(1, int(LONGEST / self._pace)))

    def go(self, own, minibatches, how, told):
        """Updates on the first of the minibatches that look alike; own: as `Stretch` takes it."""
        try:
            looks = _looks(minibatches[0])
            if looks not in self._rooms:
                if len(self._rooms) == KEPT:
                    raise Unfit
                self._rooms[looks] = Stretch(*own, minibatches[0])
            alike = [*itertools.takewhile(lambda one: _looks(one) == looks, minibatches)]
            self._tried = len(alike)
            self._rooms[looks].go(alike, how, told)
        except Unfit:
            self._off = True
        except UserError:  # one of them is wrong: its own update says so
            self._wait = len(minibatches)

    def stop(self):
        """These minibatches are not for stretches."""
        self._off = True

    def alone(self, seconds):
        """An update was made by itself."""
        self._wait, self._pace = max(self._wait - 1, 0), seconds

    def took(self, seconds, told):
        """A stretch is over."""
        done, wanted = told.count, self._tried
        if done:
            self._vain, self._pace = 0, seconds / done
        else:
            self._vain = min(2 * self._vain + 1, MOST)
        if done < wanted:
            self._wait = max(self._wait, 1, self._vain)
        self._size = min(2 * self._size, MOST) if done == wanted else max(done, 1)


def _is_possible(net, plan):
    """Whether the updates are one chain's, all in compiled code, with the same arguments each.

    Of gradlab's own cells: a user's `prepare` and `sources` may compute what is copied here.
    """
    compiled = plan.clip_per == "mean" and plan.clip_style in STYLES
    clipped = compiled or plan.clip_threshold is None
    low, high = plan.lengths
    fixed = plan.truncate is None and not plan.teacher_forcing and high - low <= KEPT
    own = net.module.compiled and net.module.module.startswith("gradlab.cells.")
    alone = len(net.places) == 1 and embedding.NAME not in net.weights
    fixed = fixed and plan.mean == "lanes" and not plan.carry
    return alone and own and clipped and fixed


class Unfit(Exception):
    """These updates have to be made one by one."""


class Stretch:
    """The updates of a net whose weights are views of `flat`, on minibatches of one shape.

    Made from the first (x, y). Raises `Unfit` where it cannot be so, UserError for what is wrong.
    """

    def __init__(self, net, flat, slots, task, plan, minibatch):
        self._net, self._task, self._plan = net, task, plan
        x, y = minibatch
        batch = Batch.of(net, np.array(x), None, None)
        loss = Loss.of(batch, y, task.LOSS, None, task.AT)
        packed, pair, (prepared, readout) = _packed(net, flat)
        batch = dataclasses.replace(batch, weights={FIRST: prepared})
        lanes = np.arange(batch.x.shape[1])
        run = Run.of(batch, lanes, go=False)
        (chain,) = run.chains
        sums = bptt.Sums(chain.sources, omega=prepared.recurrent if plan.omega else None)
        spans, target, head, adjoint = Ready.of(run, loss, lanes, sums)
        if not net.reads_out:
            head = head._replace(readout=readout)
        back = head, adjoint, sums.options(spans[1])
        self._arguments = chain.passed[1:], chain.x, spans, target, back
        place, found = _place(net.weights, sums, target[2])
        edges, (first, W) = layout_of(net.weights)
        self._weights = Weights(
            flat, slots, W, first, edges, packed, pair, place, found,
            np.empty((3, flat.size), flat.dtype), np.empty_like(slots),
        )  # fmt: skip

    def go(self, minibatches, how, told):
        """One update on each, as `kernels.stretch` says; all of the shape of the first.

        Raises UserError for minibatches that do not fit, before any update.
        """
        (x, y), every = zip(*minibatches, strict=True), self._task.AT == "every"
        batch = Batch.of(self._net, np.concatenate(x, axis=1), None, None)
        y = np.concatenate(y, axis=1 if every else 0)
        y = Loss.of(batch, y, self._task.LOSS, None, self._task.AT).y
        y, none = y if every else y[None], (0, 0, batch.x.shape[1])
        if y.dtype.kind == "f":
            y, classes = y, np.zeros(none[:2], np.int64)
        else:
            y, classes = np.zeros(none, batch.x.dtype), y
        given = Minibatches(*map(np.ascontiguousarray, (batch.x, y, classes)))
        rule, kind, settings, alpha = how
        how = rule, kind, settings[: len(minibatches)], alpha
        stretch(self._arguments, self._weights, given, how, told)


def is_plain(minibatch):
    """Whether it is (x, y), both arrays."""
    whole = type(minibatch) is tuple and len(minibatch) == 2
    return whole and all(type(own) is np.ndarray for own in minibatch)


def copied(minibatch):
    """Its arrays copied if it is plain, else as it is."""
    return tuple(own.copy() for own in minibatch) if is_plain(minibatch) else minibatch


def size_of(minibatch):
    """Bytes of its arrays, of a plain one."""
    return sum(own.nbytes for own in minibatch)


def _looks(minibatch):
    """Shapes and dtypes of (x, y)."""
    return tuple((own.shape, own.dtype) for own in minibatch)


def _packed(net, flat):
    """(packed, pair, views): what passes read, all in one array that follows from flat.

    A cell's `prepare` copies weights, or adds two: which ones is read off weights of 1, 2, 3, ...
    and of their squares, and tried on others. Raises `Unfit` where it does anything else.
    """
    count = np.arange(1.0, flat.size + 1)
    total, squares = (_Read.of(net, probe).joined() for probe in (count, count**2))
    with np.errstate(invalid="ignore"):
        apart = np.sqrt(2 * squares - total**2)
    pair = np.array([total + apart, total - apart]) / 2 - 1
    if not ((pair == np.rint(pair)) & (pair >= -1) & (pair < flat.size)).all():
        raise Unfit
    pair = pair.astype(np.int64)
    read = _Read.of(net, flat)
    for probe in (flat, np.where(count % 2 == 0, count, -1 / count).astype(flat.dtype)):
        again = _Read.of(net, probe)
        with_none = np.append(probe, probe.dtype.type(0))  # the last one is entry -1
        wanted = with_none[pair[0]] + with_none[pair[1]]
        if again.rest != read.rest or not np.array_equal(wanted, again.joined(), equal_nan=True):
            raise Unfit
    packed = _aligned(pair.shape[1], flat.dtype)
    return packed, pair, read.views(packed)


class _Read(NamedTuple):
    """What a pass reads of weights: a cell's prepared ones, and V as wide as the state."""

    prepared: tuple
    readout: np.ndarray

    @classmethod
    def of(cls, net, flat):
        """Of a net with these weights instead; raises `Unfit` for what cannot be such views."""
        net = copy.copy(net)
        net.weights = cut(flat, net.weights)
        prepared = net.prepared()
        V = np.zeros((0, 0), flat.dtype) if net.reads_out else net.weights["V"]
        read = cls(prepared, widened(V, net.module.state_size(prepared)))
        for own in read.arrays:
            if own.dtype != flat.dtype or not own.flags.c_contiguous:
                raise Unfit
        return read

    @property
    def arrays(self):
        return [own for own in (*self.prepared, self.readout) if isinstance(own, np.ndarray)]

    @property
    def rest(self):
        """What is no array."""
        return [own for own in self.prepared if not isinstance(own, np.ndarray)]

    def joined(self):
        """All arrays in one, each where `views` has it."""
        packed = np.zeros(_starts(self.arrays)[-1], self.readout.dtype)
        views = self.views(packed)
        for own, view in zip(self.arrays, views.arrays, strict=True):
            view[...] = own
        return packed

    def views(self, packed):
        """The same with its arrays in packed."""
        starts = iter(_starts(self.arrays)[:-1])

        def view(own):
            if not isinstance(own, np.ndarray):
                return own
            first = next(starts)
            return packed[first : first + own.size].reshape(own.shape)

        return _Read(self.prepared._make(map(view, self.prepared)), view(self.readout))


def _starts(arrays):
    """Where each begins in one that holds all, and where that ends."""
    return np.cumsum([0, *(-(-own.size // LINE) * LINE for own in arrays)]).tolist()


def _aligned(size, dtype):
    """Zeros that begin at a multiple of 64 bytes."""
    room = np.zeros(size * dtype.itemsize + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + size * dtype.itemsize].view(dtype)


def _place(weights, sums, readout):
    """(where each weight's gradient stands among all that a pass leaves, room for these)."""
    own = [*sums.record.joined, *readout[:2]]
    found = np.zeros(sum(array.size for array in own), own[0].dtype)
    if found.size > 2**24:  # whole numbers of float32
        raise Unfit
    numbers, at = np.arange(found.size), 0
    for array in own:
        array.reshape(-1)[:] = numbers[at : at + array.size]
        at += array.size
    named = dict(zip("Vc", readout[:2], strict=True)) if readout[0].size else {}
    named |= {name: total[0] for name, total in sums.total.items()}
    place = vector({name: named[name] for name in weights}).astype(np.int64)
    return place, found
