"""Drives the kernels over slices of time and adds up what they give.

Slices of some 20 steps are as fast as one large kernel, compile in a tenth of its time, and their
share of the weight gradients is added up while it is in cache.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gradlab.cells.cell import Cell
from gradlab.kernels import passes
from gradlab.kernels.arrays import Adjoint, Direct, Trace
from gradlab.kernels.omega import add_rows
from gradlab.kernels.range import receive
from gradlab.kernels.sums import collect, collect_lanes

ROWS = 200  # of a slice's product, where slices are driven one by one and the lanes are few


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
    """Rows of a slice whose product with weights of `size` entries is fastest; for `descend`.

    OpenBLAS multiplies without packing up to 1e6 multiplications (50 to 80 rows of 50 x 50: 77
    GFlop/s, 200 rows: 64; of 200 x 50: 77 and 50; of 128 x 128, 40 rows: 74, 200 rows: 60).
    """
    rows = min(80, 800_000 // size)
    return rows if rows >= 24 else ROWS


def fast_slices(lengths, size):
    """`slices` of so many rows."""
    return slices(lengths, rows=fast_rows(size))


class Pass(NamedTuple):
    """A forward pass: the cell, its prepared weights, gain (R,) on h, what it left."""

    cell: Cell
    weights: tuple
    gain: np.ndarray
    trace: Trace


def forward(cell, weights, gain, x, initial, lengths):
    """Run R lanes from `initial` (R, S) under x (T, R or 1, D); lengths (R,) falling."""
    _check(weights, gain, x, initial)
    steps, (lanes, size) = len(x), initial.shape
    room = np.empty if lengths.min() == steps else np.zeros  # zero after a lane's own length
    state = room((steps + 1, lanes, size), initial.dtype)
    saved = np.empty((steps, lanes, cell.saved_size(weights)), initial.dtype)
    trace = Trace(state, saved)
    state[0] = initial
    for start, stop, active in sorted(slices(lengths, steps=steps)):
        cell.forward(weights, gain, x, trace, (start, stop, active))
    return Pass(cell, weights, gain, trace)


def _check(weights, gain, x, initial):
    """Raise ValueError for arrays of several dtypes, or of other lanes: a kernel sees no bounds."""
    kind, lanes = weights.bias.dtype, len(initial)
    if not (kind == gain.dtype == x.dtype == initial.dtype):
        named = f"gain {gain.dtype}, x {x.dtype}, initial {initial.dtype}"
        raise ValueError(f"a pass needs one dtype, not weights {kind}, {named}")
    if len(gain) != lanes or x.shape[1] not in (1, lanes):
        raise ValueError(f"{lanes} initial states need x of as many lanes, or 1, not {x.shape[1]}")


def backward(run, spans, head, direct=None, keep=False):
    """Yield (span, adjoint) for each of `spans`, as `slices` gives them.

    head (L, S), or (head, exponent (L,)): dL/d(state) at each lane's last step, L a multiple of the
    pass's R or at most R;
    direct(span) -> Direct: what every step's own loss adds. When it is through,
    norm2, exponent and carry of t = 0 are set; with keep, states too.
    """
    spans = list(spans)
    adjoint = adjoint_of(run, spans, head, keep)
    head = _rows(head)
    started, none = 0, Direct(head[:0], head[:0])
    for span in spans:
        lanes = span[2]
        adjoint.carry[started:lanes] = head[started:lanes]
        started = lanes
        own = none if direct is None else direct(span)
        run.cell.backward(run.weights, run.gain, run.trace, own, adjoint, span)
        if span[0] == 0:
            receive(adjoint, none, 0, 0, lanes)
        yield span, adjoint


def descend(run, spans, head, sums, direct=None, slot_of=None):
    """The way back with every slice added to `sums`, in one compiled call; returns the adjoint.

    head and direct as for `backward`; slot_of(span) -> the entry of each lane, for LaneSums. A
    cell whose loops are not compiled is driven slice by slice.
    """
    spans = list(spans)
    slots = [slot_of(span) for span in spans] if slot_of else [()] * len(spans)
    if not run.cell.compiled:
        for (span, adjoint), slot in zip(backward(run, spans, head, direct), slots, strict=True):
            sums.add(adjoint, span, *([slot] if slot_of else []))
        return adjoint
    adjoint = adjoint_of(run, spans, head, False)
    head = _rows(head)
    passes.know(run.weights, run.cell)
    table, own = _packed(spans, head, direct)
    into = (_slots(slots, len(head)), *sums.arrays, sums.kept)
    passes.way_back(run[1:], table, head, own, adjoint, into)
    return adjoint


def _packed(spans, head, direct):
    """start, stop, lanes and first row of each slice (K, 4) in the direct part of all of them.

    It is whole as it stands where all lanes are equally long, else copied slice by slice.
    """
    table = np.array([(*span, 0) for span in spans], np.int64)
    if direct is None:
        return table, Direct(head[:0], head[:0])
    start, stop, lanes, row = table.T
    if lanes[0] == lanes[-1]:
        row[:] = (start - start[-1]) * lanes
        return table, direct((start[-1], stop[0], lanes[0]))
    row[1:] = np.cumsum((stop - start) * lanes)[:-1]
    own = [direct(span) for span in spans]
    slope, exponent = (np.concatenate([one[i] for one in own]) for i in (0, 2))
    return table, Direct(slope, own[0].readout, exponent)


def _slots(slots, lanes):
    """(K, L), padded; None to add up all lanes together."""
    if len(slots[0]) == 0:
        return None
    padded = np.zeros((len(slots), lanes), np.int64)
    for row, slot in zip(padded, slots, strict=True):
        row[: len(slot)] = slot
    return padded


def _rows(head):
    return head[0] if isinstance(head, tuple) else head


def adjoint_of(run, spans, head, keep):
    """Room for what the backward pass over `spans` fills; the exponents of head are in place."""
    head, level = head if isinstance(head, tuple) else (head, None)
    rows = max((stop - start) * lanes for start, stop, lanes in spans)
    steps, (lanes, size) = len(run.trace.state), head.shape
    parts = len(run.cell.state_parts)
    exponent, begun = np.zeros((steps, lanes), np.int64), 0
    for _, stop, active in spans if level is not None else ():
        exponent[stop, begun:active] = level[begun:active]
        begun = active
    return Adjoint(
        delta=np.empty((rows, len(run.weights.bias)), head.dtype),
        carry=np.empty_like(head),
        norm2=np.zeros((steps, parts, lanes)),
        exponent=exponent,
        states=np.zeros((steps, lanes, size) if keep else (0, 0, size), head.dtype),
    )


def log2_norms(adjoint, part=0):
    """log2 ||dL/d(state)|| (T + 1, L) of a part of the state, h unless another one is named.

    -inf where it is exactly zero (as after a lane's end).
    """
    with np.errstate(divide="ignore"):
        return 0.5 * np.log2(adjoint.norm2[:, part]) + adjoint.exponent


class Sums:
    """dL/dW, dL/dU, dL/db added over lanes and steps; each is `total[name]` * 2^exponent[name].

    kept = (values, low): delta is kept there, as `passes.way_back` says.
    """

    def __init__(self, sources, entries=1, kept=None):
        self.sources = sources
        self.total = _totals(sources, entries)
        self.exponent = {name: np.zeros(entries, np.int64) for name in sources}
        self.arrays = tuple(tuple(d.values()) for d in (sources, self.total, self.exponent))
        self.kept = kept or (np.zeros((0, 0, 0), next(iter(self.total.values())).dtype), 0)

    def add(self, adjoint, span):
        """Add a slice."""
        if self.kept[0].size:
            passes.keep_rows(adjoint.delta, span, self.kept)
        collect(adjoint, span, *self.arrays)


class LaneSums(Sums):
    """The same for each lane by itself, as sweeps need it: total[name] (A, G, M).

    In a slice, lane l adds to entry slot[l]; entries are more than lanes where a lane's sum is
    kept in parts.
    """

    def add(self, adjoint, span, slot):
        """Add a slice, lane l to entry slot[l]."""
        collect_lanes(adjoint, span, slot, *self.arrays)


class OmegaSums:
    """Omega and its immediate derivative with respect to W, from an Elman pass's way back."""

    def __init__(self, weights):
        self.recurrent = weights.recurrent
        self.gradient, self.found = np.zeros_like(weights.recurrent), np.zeros(2)

    def add(self, adjoint, span):
        """Add a slice; before Sums.add, which scales the slice's rows."""
        add_rows(self.recurrent, adjoint, span, self.gradient, self.found)

    def result(self, lanes):
        """(value, derivative (N, N), mean number of counted steps); zeros if none counts."""
        value, count = self.found
        return value / max(count, 1), self.gradient / max(count, 1), count / lanes


def _totals(sources, entries):
    return {
        name: np.zeros((entries, units[1] - units[0], columns[1] - columns[0]), values.dtype)
        for name, (values, columns, units) in sources.items()
    }
