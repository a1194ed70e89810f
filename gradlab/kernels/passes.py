"""A whole way back in one call: every slice's loop, and its share of the weights' gradients.

Driven slice by slice from Python, a pass on one thread is nearly as fast, but threads wait for the
interpreter at every call: B20 T200 N50 took 1.4 x of this on two threads.
"""

import numpy as np
from numba import types
from numba.extending import overload

from gradlab.kernels.arrays import Direct
from gradlab.kernels.elementwise import copy
from gradlab.kernels.jit import kernel
from gradlab.kernels.range import receive
from gradlab.kernels.sums import collect, collect_lanes

_CELLS: dict = {}


def know(weights, cell):
    """Let the passes find a cell's loops by the type of its prepared weights."""
    _CELLS[type(weights)] = cell


def run_forward(weights, gain, x, trace, span):
    """The cell's forward loop."""
    _CELLS[type(weights)].forward(weights, gain, x, trace, span)


@overload(run_forward, inline="always")
def _compiled_run_forward(weights, gain, x, trace, span):
    forward = _CELLS[weights.instance_class].forward

    def implementation(weights, gain, x, trace, span):
        forward(weights, gain, x, trace, span)

    return implementation


def _slice_back(weights, gain, trace, direct, adjoint, span):
    _CELLS[type(weights)].backward(weights, gain, trace, direct, adjoint, span)


@overload(_slice_back, inline="always")
def _compiled_slice_back(weights, gain, trace, direct, adjoint, span):
    backward = _CELLS[weights.instance_class].backward

    def implementation(weights, gain, trace, direct, adjoint, span):
        backward(weights, gain, trace, direct, adjoint, span)

    return implementation


@kernel
def way_back(run, spans, head, direct, adjoint, into):
    """All slices from the last to the first, as `gradlab.nets.bptt.backward` runs them.

    run = (weights, gain, trace); spans (K, 4): start, stop, lanes and the slice's first row in
    direct.slope; head (L, S); into = (slots, sources, totals, exponents, kept), the first four as
    `collect_lanes` takes them, slots (K, L), or None to add up all lanes together; kept = (values
    (T, L, G'), low): delta's columns from `low` on, before a sum scales them, unless empty.
    """
    weights, gain, trace = run
    slots, sources, totals, exponents, kept = into
    zero = np.int64(0)  # a plain 0 has a type of its own, and `receive` would be compiled for it
    begun = zero
    for k in range(len(spans)):
        start, stop, lanes, row = spans[k]
        for lane in range(begun, lanes):
            copy(head[lane], adjoint.carry[lane])
        begun = lanes
        span = (start, stop, lanes)
        last = row + (stop - start) * lanes
        own = Direct(direct.slope[row:last], direct.readout, direct.exponent[row:last])
        _slice_back(weights, gain, trace, own, adjoint, span)
        if kept[0].size > 0:
            keep_rows(adjoint.delta, span, kept)
        _add_up(adjoint, span, (slots, k), (sources, totals, exponents))
    none = Direct(direct.slope[:0], direct.readout, direct.exponent)
    receive(adjoint, none, zero, zero, begun)


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


def _add_up(adjoint, span, chosen, into):
    slots, k = chosen
    if slots is None:
        collect(adjoint, span, *into)
    else:
        collect_lanes(adjoint, span, slots[k], *into)


@overload(_add_up, inline="always")
def _compiled_add_up(adjoint, span, chosen, into):
    # Chosen by type: only what is used is compiled, 2.5 s of 13.
    if isinstance(chosen[0], types.NoneType):
        return lambda adjoint, span, chosen, into: collect(adjoint, span, into[0], into[1], into[2])

    def by_lane(adjoint, span, chosen, into):
        slots, k = chosen
        collect_lanes(adjoint, span, slots[k], into[0], into[1], into[2])

    return by_lane
