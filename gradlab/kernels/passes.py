"""Whole passes, each in one call that holds no Python lock: forward, the loss, and the way back.

Driven slice by slice from Python, a pass on one thread is nearly as fast, but threads wait for the
interpreter at every call: B20 T200 N50 took 1.4 x of this on two threads.
"""

import numpy as np

from gradlab.kernels import losses
from gradlab.kernels.arrays import Direct
from gradlab.kernels.elementwise import copy
from gradlab.kernels.jit import apart, by_types, inlined, kernel
from gradlab.kernels.omega import add_rows
from gradlab.kernels.range import receive
from gradlab.kernels.room import empty
from gradlab.kernels.sums import are_well, may_be_quick, quick_sums, room_of
from gradlab.kernels.tiles import times

_CELLS: dict = {}


def know(weights, cell):
    """Let the passes find a cell's loops by the type of its prepared weights."""
    _CELLS[type(weights)] = cell


def _slice_forward(weights, gain, x, trace, span):
    _CELLS[type(weights)].forward(weights, gain, x, trace, span)


@by_types(_slice_forward)
def _compiled_slice_forward(weights, gain, x, trace, span):
    forward = _CELLS[weights.instance_class].forward

    def implementation(weights, gain, x, trace, span):
        forward(weights, gain, x, trace, span)

    return implementation


def _slice_back(weights, gain, trace, direct, adjoint, span):
    _CELLS[type(weights)].backward(weights, gain, trace, direct, adjoint, span)


@by_types(_slice_back)
def _compiled_slice_back(weights, gain, trace, direct, adjoint, span):
    backward = _CELLS[weights.instance_class].backward

    def implementation(weights, gain, trace, direct, adjoint, span):
        backward(weights, gain, trace, direct, adjoint, span)

    return implementation


@apart
def way_forward(weights, gain, x, trace, spans):
    """The cell's forward loop over spans (K, 3): start, stop, lanes, from the first step on."""
    for k in range(len(spans)):
        _slice_forward(weights, gain, x, trace, (spans[k, 0], spans[k, 1], spans[k, 2]))


@apart
def way_back(run, spans, cuts, head, adjoint, into):
    """All slices from the last to the first; returns whether the sums hold all that they should.

    If not, the way has to be gone again, with the care of `sums.collect`.

    run = (weights, gain, trace); spans (K, 3): start, stop, lanes; cuts (K, L): the lanes whose
    adjoint is dropped where slice k ends, none if empty; head: see `arrays.Head`.
    into = (sums, slots, kept, omega): sums: see `arrays.Sums`, None for none; slots (K, L): the
    entry of each lane in each slice, None to add up all lanes together; kept = (values (T, L, G'),
    low): delta's columns from `low` on as they are, and omega = (W, dOmega/dW (N, N), found (2,)),
    see gradlab.kernels.omega, unless they are empty.
    """
    quick = may_be_quick(into[0])
    if quick:
        _descend(run, (spans, cuts), head, adjoint, into)
    return quick and are_well(into[0])


@inlined
def _descend(run, plan, head, adjoint, into):
    (weights, gain, trace), (spans, cuts) = run, plan
    sums, slots, kept, omega = into
    zero = np.int64(0)  # a plain 0 has a type of its own, and `receive` would be compiled for it
    begun = zero
    rows = _rows_of(spans)
    projected = empty((rows if head.slope.size > 0 else zero, head.last.shape[1]), head.last)
    levels = empty(rows if head.exponent.size > 0 else zero, head.level)
    room = room_of(sums, rows, head.last)
    omega[1][:] = 0
    omega[2][:] = 0
    for k in range(len(spans)):
        start, stop, lanes = spans[k, 0], spans[k, 1], spans[k, 2]
        for lane in range(begun, lanes):
            copy(head.last[lane], adjoint.carry[lane])
            adjoint.exponent[stop, lane] = head.level[lane]
        begun = lanes
        span = (start, stop, lanes)
        _project(head, span, projected, levels)
        own = Direct(projected, head.readout[:0], levels)
        _slice_back(weights, gain, trace, own, adjoint, span)
        if kept[0].size > 0:
            keep_rows(adjoint.delta, span, kept)
        if omega[0].size > 0:
            add_rows(omega[0], adjoint, span, omega[1], omega[2])
        quick_sums(adjoint, span, sums, slots, k, room)
        if cuts.size > 0:
            for lane in range(lanes):
                if cuts[k, lane]:
                    adjoint.carry[lane] = 0
                    adjoint.exponent[start, lane] = 0
    if spans[-1, 0] == 0:
        receive(adjoint, Direct(projected[:0], head.readout[:0], levels), zero, zero, begun)


@inlined
def _rows_of(spans):
    """Rows of the longest slice."""
    rows = np.int64(1)
    for k in range(len(spans)):
        rows = max(rows, (spans[k, 1] - spans[k, 0]) * spans[k, 2])
    return rows


@inlined
def _project(head, span, projected, levels):
    """projected (rows, S) = slope @ readout of a slice, in the rows of its delta; its exponents."""
    start, stop, lanes = span
    if head.slope.size == 0:
        return
    if lanes == head.slope.shape[1]:
        rows = (stop - start) * lanes
        slope = head.slope[start:stop].reshape((rows, head.slope.shape[2]))
        times(slope, head.readout, projected[:rows])
    else:
        for t in range(start, stop):
            first = (t - start) * lanes
            times(head.slope[t, :lanes], head.readout, projected[first : first + lanes])
    if head.exponent.size > 0:
        for t in range(start, stop):
            for lane in range(lanes):
                levels[(t - start) * lanes + lane] = head.exponent[t, lane]


@kernel
def keep_rows(delta, span, kept):
    """Copy a slice's rows to where all steps' are kept."""
    start, stop, lanes = span
    values, low = kept
    for t in range(start, stop):
        for lane in range(lanes):
            row = (t - start) * lanes + lane
            for i in range(values.shape[2]):
                values[t, lane, i] = delta[row, low + i]


@apart
def loss_head(trace, loss):
    """The loss of some lanes, and what it gives the readout.

    loss = (target, readout, found). target = (kind, y (R, O), classes (R,), lengths (L,), over,
    last): R = T L rows t L + l, or L where `last` says that each lane's loss is at its own last
    step; see `losses.loss_rows`; the sum is divided by `over`. readout = (V (O, N), c); V is empty
    where the state is the output. Written: found = (dL/dV (O, N), dL/dc, dL/do (R, O)). Returns
    (sum of L_t over lanes and steps / over, safe: whether that and all that was written, and V, is
    far from under- and overflow).
    """
    target, readout, found = loss
    kind, y, classes, lengths, over, last = target
    (V, c), (of_V, of_c, slope) = readout, found
    hidden = _seen(trace, lengths, last)
    o, values = empty(slope.shape, slope), np.empty(len(slope), np.float64)
    losses.outputs_of(hidden, V, c, o)
    losses.loss_rows(kind, o, y, classes, values, slope)
    total, safe = losses.mean_slopes(values, slope, lengths, over)
    if V.size > 0:
        safe = losses.is_safe(V) and losses.readout_sums(slope, hidden, of_V, of_c) and safe
    return total / over, safe


@inlined
def _seen(trace, lengths, last):
    """The states that the readout sees, a row each: of all steps, or of each lane's last one."""
    state = trace.state
    side, size = state.shape[1], state.shape[2]
    if not last:
        return state[1:].reshape(((len(state) - 1) * side, size))
    seen = empty((side, size), state)
    for lane in range(side):
        copy(state[lengths[lane], lane], seen[lane])
    return seen


@apart
def there_and_back(run, x, spans, loss, back):
    """From x to the loss and all gradients: `way_forward`, `loss_head`, `way_back`.

    spans = (those of the way forward, those of the way back, cuts); back = (head, adjoint, into).
    Returns (L, safe, well): if it is not safe, the loss has to be taken with care, and the way back
    has not been gone; if not well, see `way_back`.
    """
    weights, gain, trace = run
    head, adjoint, into = back
    way_forward(weights, gain, x, trace, spans[0])
    total, safe = loss_head(trace, loss)
    well = False
    if safe:
        if head.slope.size == 0:
            times(loss[2][2], head.readout, head.last)
        well = way_back(run, spans[1], spans[2], head, adjoint, into)
    return total, safe, well
