"""THE way back: where slices of time, a cell's loops, sums and exponents meet, and nowhere else.

Slices of some 20 steps are as fast as one large kernel, compile in a tenth of its time, and their
share of the weight gradients is added up while it is in cache.
"""

import functools
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gradlab.cells.cell import Cell
from gradlab.kernels import arrays, passes
from gradlab.kernels.arrays import Adjoint, Direct, Head, Trace
from gradlab.kernels.range import receive
from gradlab.kernels.sums import collect
from gradlab.nets import truncated

ROWS = 200  # of a slice's product, where nothing is added up, or the lanes are few
LANE_STEPS = 25  # of one lane's product; 16 to 250 take the same time, 25 the least memory


def slices(lengths, steps=None, cuts=(), rows=None):
    """(start, stop, lanes) from the last step to the first, for falling `lengths` (L,).

    Cut where a lane begins (so that `lanes` is constant within a slice) and at `cuts`; of so many
    steps each, or so many rows (steps x lanes).
    """
    edges = sorted({0, *map(int, lengths), *(int(cut) for cut in cuts)})
    for low, high in reversed(list(pairwise(edges))):
        lanes = int(np.count_nonzero(lengths >= high))
        size = steps or (max(rows // lanes, 1) if rows else max(ROWS // lanes, 16))
        for stop in range(high, low, -size):
            yield max(low, stop - size), stop, lanes


def fast_rows(size):
    """Rows of a slice whose product with weights of `size` entries is fastest.

    OpenBLAS multiplies without packing up to 1e6 multiplications (50 to 80 rows of 50 x 50: 77
    GFlop/s, 200 rows: 64; of 200 x 50: 77 and 50; of 128 x 128, 40 rows: 74, 200 rows: 60).
    """
    rows = min(80, 800_000 // size)
    return rows if rows >= 24 else ROWS


class Pass(NamedTuple):
    """A forward pass: the cell, its prepared weights, gain (R,) on h, what it left."""

    cell: Cell
    weights: tuple
    gain: np.ndarray
    trace: Trace


def started(cell, weights, gain, x, initial, lengths):
    """The pass that `forward` runs, with room for all its states; the first one is there."""
    _check(weights, gain, x, initial)
    steps, (lanes, size) = len(x), initial.shape
    room = np.empty if lengths[-1] == steps else np.zeros  # zero after a lane's own length
    state = room((steps + 1, lanes, size), initial.dtype)
    saved = room((steps, lanes, cell.saved_size(weights)), initial.dtype)
    state[0] = initial
    if cell.compiled:
        passes.know(weights, cell)
    return Pass(cell, weights, gain, Trace(state, saved))


def forward(cell, weights, gain, x, initial, lengths):
    """Run R lanes from `initial` (R, S) under x (T, R or 1, D); lengths (R,) falling."""
    run = started(cell, weights, gain, x, initial, lengths)
    spans = spans_forward(lengths)
    if cell.compiled:
        passes.way_forward(weights, gain, x, run.trace, spans)
    else:
        for span in spans.tolist():
            cell.forward(weights, gain, x, run.trace, tuple(span))
    return run


def spans_forward(lengths):
    """(K, 3): start, stop and lanes from the first step on, one span where none ends."""
    if lengths[0] == lengths[-1]:
        return _even(int(lengths[0]), len(lengths), int(lengths[0]), None)
    return table(sorted(slices(lengths, steps=int(lengths[0]))))


def _check(weights, gain, x, initial):
    """Raise ValueError for arrays of several dtypes, or of other lanes: a kernel sees no bounds."""
    kind, lanes = weights.bias.dtype, len(initial)
    if not (kind == gain.dtype == x.dtype == initial.dtype):
        named = f"gain {gain.dtype}, x {x.dtype}, initial {initial.dtype}"
        raise ValueError(f"a pass needs one dtype, not weights {kind}, {named}")
    if len(gain) != lanes or x.shape[1] not in (1, lanes):
        raise ValueError(f"{lanes} initial states need x of as many lanes, or 1, not {x.shape[1]}")


def head_of(last, slope=None, readout=None, exponent=None):
    """An `arrays.Head` from last (L, S), or (last, level (L,)), and what each step adds, if any."""
    last, level = last if isinstance(last, tuple) else (last, None)
    lanes, size = last.shape
    if slope is None:
        slope, readout = np.zeros((0, 0, 0), last.dtype), np.zeros((0, size), last.dtype)
    if exponent is None:
        exponent = _NO_EXPONENT
    return Head(
        last, np.zeros(lanes, np.int64) if level is None else level, slope, exponent, readout
    )


_NO_EXPONENT = np.zeros((0, 0), np.int64)


def back(passed, lengths, head, into=None, *, cut=None, low=0, edges=(), keep=False):
    """Run a pass back from falling `lengths` (L,) to step `low`; return what was recorded.

    head      an `arrays.Head`, or its `last` alone; lane l goes along the states of l % R
    into      where the gradients of the weights are added up, Sums or LaneSums; None: nowhere
    cut       a `truncated.Cut`: where adjoints are dropped
    edges     steps at which a slice ends
    keep      dL/d(state) of every step too

    Of the `arrays.Adjoint` norm2 and exponent are those of every step that was reached, and carry
    is dL/d(state) at `low`, there without its direct part unless it is 0.
    """
    head = head if isinstance(head, Head) else head_of(head)
    windowed = cut is not None and cut.is_window
    spans, dropped = spans_back(lengths, into, cut=cut, low=low, edges=edges)
    adjoint = adjoint_of(passed, spans, head.last, keep)
    if passed.cell.compiled and (into is None or isinstance(into, Sums)) and not windowed:
        run = passed.weights, passed.gain, passed.trace
        passes.know(passed.weights, passed.cell)
        arguments = (
            (None, None, *_nothing(head.last.dtype)) if into is None else into.options(spans)
        )
        if not passes.way_back(run, spans, dropped, head, adjoint, arguments):
            go_again(passed, head, into, adjoint, spans, dropped)
        return adjoint
    steps = _by_slice(passed, spans, head, adjoint)
    if windowed:
        own = functools.partial(direct_of, head)
        steps = truncated.windows(passed, spans, own, adjoint, cut.steps)
    _add_each(steps, into, adjoint, dropped)
    return adjoint


def go_again(passed, head, into, adjoint, spans, dropped=None):
    """The way back once more, slice by slice, with all the care that `Sums.add` takes."""
    into.start_again()
    steps = _by_slice(passed, spans, head, adjoint)
    _add_each(steps, into, adjoint, NO_CUTS if dropped is None else dropped)


def _add_each(steps, into, adjoint, dropped):
    for k, (span, _) in enumerate(steps):
        if into is not None:
            into.add(adjoint, span)
        if dropped.size:
            adjoint.carry[: span[2]][dropped[k, : span[2]]] = 0
            adjoint.exponent[span[0], : span[2]][dropped[k, : span[2]]] = 0


def spans_back(lengths, into, *, cut=None, low=0, edges=()):
    """(spans (K, 3), dropped (K, L)) of a way back; dropped is empty where nothing is."""
    steps, rows = (None, None) if into is None else into.slices
    if cut is None and lengths[0] == lengths[-1] and not len(edges) and not low:
        return _even(int(lengths[0]), len(lengths), steps, rows), NO_CUTS
    cuts, own = ({}, low) if cut is None else cut.of(lengths)
    own = max(own, low)
    marks = (*edges, *cuts, own)
    spans = table([s for s in slices(lengths, steps, marks, rows) if s[0] >= own])
    if not cuts:
        return spans, NO_CUTS
    dropped = np.zeros((len(spans), len(lengths)), np.bool_)
    for k, (start, _, lanes) in enumerate(spans.tolist()):
        if start > 0 and start in cuts:
            dropped[k, :lanes][cuts[start][:lanes]] = True
    return spans, dropped


NO_CUTS = np.zeros((0, 0), np.bool_)


@functools.lru_cache(maxsize=256)
def _even(length, lanes, steps, rows):
    return table(slices(np.full(lanes, length), steps, (), rows))


def table(spans):
    """Spans as an array (K, 3), which nobody changes."""
    found = np.array(list(spans), np.int64).reshape(-1, 3)
    found.flags.writeable = False
    return found


@functools.cache
def _nothing(dtype):
    """No room for delta's rows, and for Omega: nothing but zeros is written there."""
    none = np.zeros((0, 0), dtype)
    return (np.zeros((0, 0, 0), dtype), 0), (none, none, np.zeros(2))


def backward(run, spans, head, direct=None, keep=False):
    """Yield (span, adjoint) for each of `spans`, as `slices` gives them: `back`, slice by slice.

    head (L, S), or (head, exponent (L,)): dL/d(state) at each lane's last step, L a multiple of the
    pass's R or at most R;
    direct(span) -> Direct: what every step's own loss adds. When it is through,
    norm2, exponent and carry of t = 0 are set; with keep, states too.
    """
    spans = list(spans)
    head = head_of(head)
    adjoint = adjoint_of(run, spans, head.last, keep)
    yield from _by_slice(run, spans, head, adjoint, direct)


def _by_slice(run, spans, head, adjoint, direct=None):
    begun, none = 0, Direct(head.last[:0], head.last[:0])
    for start, stop, lanes in map(tuple, np.asarray(spans).tolist()):
        adjoint.carry[begun:lanes] = head.last[begun:lanes]
        adjoint.exponent[stop, begun:lanes] = head.level[begun:lanes]
        begun, span = lanes, (start, stop, lanes)
        own = direct_of(head, span) if direct is None else direct(span)
        run.cell.backward(run.weights, run.gain, run.trace, own, adjoint, span)
        if start == 0:
            receive(adjoint, none, 0, 0, lanes)
        yield span, adjoint


def direct_of(head, span):
    """What the steps of a slice add, from a Head."""
    start, stop, lanes = span
    if not head.slope.size:
        return Direct(head.last[:0], head.last[:0])
    here = slice(start, stop), slice(lanes)
    own = Direct(head.slope[here].reshape(-1, head.slope.shape[2]), head.readout)
    return own._replace(exponent=head.exponent[here].reshape(-1)) if head.exponent.size else own


def adjoint_of(run, spans, last, keep):
    """Room for what a way back over `spans` from last (L, S) fills."""
    rows = max((stop - start) * lanes for start, stop, lanes in np.asarray(spans).tolist())
    steps, (lanes, size) = len(run.trace.state), last.shape
    parts = len(run.cell.state_parts)
    return Adjoint(
        delta=np.empty((rows, len(run.weights.bias)), last.dtype),
        carry=np.empty_like(last),
        norm2=np.zeros((steps, parts, lanes)),
        exponent=np.zeros((steps, lanes), np.int64),
        states=np.zeros((steps, lanes, size) if keep else (0, 0, size), last.dtype),
    )


def log2_norms(adjoint, part=0):
    """log2 ||dL/d(state)|| (T + 1, L) of a part of the state, h unless another one is named.

    -inf where it is exactly zero (as after a lane's end).
    """
    with np.errstate(divide="ignore"):
        return 0.5 * np.log2(adjoint.norm2[:, part]) + adjoint.exponent


class Sums:
    """dL/dW, dL/dU, dL/db added over lanes and steps; each is `total[name]` * 2^exponent[name].

    kept = (values, low): delta is kept there, as `passes.way_back` says. omega: W, whose Omega is
    taken on the way (see gradlab.kernels.omega); its result is in `omega`.
    """

    def __init__(self, sources, entries=1, kept=None, omega=None):
        columns_of = tuple((tuple(own.columns), tuple(own.units)) for own in sources.values())
        place, places, shapes = _joined(columns_of)
        dtype = next(iter(sources.values())).values.dtype
        joined = tuple(np.zeros((entries, *shape), dtype) for shape in shapes)
        self.sources = sources
        self.total = {
            name: joined[g][:, :, at : at + columns[1] - columns[0]]
            for (name, (_, columns, _)), (g, at) in zip(sources.items(), place, strict=True)
        }
        self.exponent = {name: np.zeros(entries, np.int64) for name in sources}
        exponents = tuple(self.exponent.values())
        touched = np.zeros(entries, np.bool_)
        self.record = arrays.Sums(tuple(sources.values()), places, joined, exponents, touched)
        none = _nothing(joined[0].dtype)
        self.kept = kept or none[0]
        self.omega = none[1] if omega is None else (omega, np.zeros_like(omega), np.zeros(2))

    def omega_of(self, lanes):
        """(value, derivative (N, N), mean number of counted steps); zeros if none counts."""
        _, gradient, (value, count) = self.omega
        counted = max(count, 1.0)
        return value / counted, gradient / gradient.dtype.type(counted), count / lanes

    @property
    def slices(self):
        """(steps, rows) of a slice."""
        return None, fast_rows(max(own[0].size for own in self.record.joined))

    def options(self, spans):
        """The last argument of `passes.way_back`."""
        return self.record, None, self.kept, self.omega

    def start_again(self):
        """All is zero."""
        for own in (*self.record.joined, *self.record.exponents, *self.omega[1:]):
            own[:] = 0

    def add(self, adjoint, span):
        """Add a slice, whatever its range."""
        if self.kept[0].size:
            passes.keep_rows(adjoint.delta, span, self.kept)
        if self.omega[0].size:
            passes.add_rows(self.omega[0], adjoint, span, *self.omega[1:])
        collect(adjoint, span, None, self.record)


class LaneSums(Sums):
    """The same for each lane by itself, as sweeps need it: total[name] (A, G, M).

    In a slice, lane l adds to entry slot_of(span)[l], l unless told; entries are more than lanes
    where a lane's sum is kept in parts.
    """

    def __init__(self, sources, entries, slot_of=None):
        super().__init__(sources, entries)
        self._slot_of = slot_of or (lambda span: np.arange(span[2]))

    @property
    def slices(self):
        """(steps, rows) of a slice."""
        return LANE_STEPS, None

    def options(self, spans):
        """The last argument of `passes.way_back`."""
        slots = np.full((len(spans), int(spans[-1, 2])), -1, np.int64)
        for row, span in zip(slots, spans.tolist(), strict=True):
            row[: span[2]] = self._slot_of(span)
        return self.record, slots, self.kept, self.omega

    def add(self, adjoint, span, slot=None):
        """Add a slice, lane l to entry slot[l], whatever its range."""
        collect(adjoint, span, self._slot_of(span) if slot is None else slot, self.record)


@functools.lru_cache(maxsize=256)
def _joined(parts):
    """Places [(g, column)], also as an array, and shapes (units, columns) of what is joined.

    parts: (columns, units) of each source; those of the same units share an array.
    """
    widths, place = {}, []
    for columns, units in parts:
        at = widths.setdefault(units, 0)
        place.append((list(widths).index(units), at))
        widths[units] += columns[1] - columns[0]
    shapes = tuple((high - low, width) for (low, high), width in widths.items())
    return tuple(place), np.array(place, np.int64), shapes
