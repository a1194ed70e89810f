"""Many updates of a training in one call, to the bit those of gradlab.learning.gradient one by one.

Through Python an update of 20 lanes took some 400 calls and its buffers anew each time.
"""

from typing import NamedTuple

import numpy as np

from gradlab.kernels import passes, updates
from gradlab.kernels.elementwise import copy
from gradlab.kernels.jit import inlined, kernel


class Weights(NamedTuple):
    """All weights as one vector, what an optimizer keeps of them, and room for a step.

    flat (P,), slots (S, P); W: its part of flat, from entry `first` on; edges: see `updates.clip`.
    packed (Q,): what a pass reads, entry i = flat[pair[0, i]] + flat[pair[1, i]], -1: nothing.
    place (P,): where the gradient of each entry of flat stands in `found` (R,).
    """

    flat: np.ndarray
    slots: np.ndarray
    W: np.ndarray
    first: int
    edges: np.ndarray
    packed: np.ndarray
    pair: np.ndarray
    place: np.ndarray
    found: np.ndarray
    room: np.ndarray  # (3, P): gradient, step, weights after it
    before: np.ndarray  # (S, P)


class Minibatches(NamedTuple):
    """K of them side by side: x (T, K B, D), y (T or 1, K B, O) or classes (T or 1, K B)."""

    x: np.ndarray
    y: np.ndarray
    classes: np.ndarray


@kernel
def stretch(arguments, weights, minibatches, how, told):
    """Updates on minibatches until one needs care; that one has changed no weight and no slot.

    arguments: those of `passes.there_and_back`, whose arrays are written again and again. how =
    (rule: see `updates.clip`, the optimizer's number, settings (K, 5): see `updates.step`, Omega's
    factor). Written: told = (values (K, 4), done (1,)): the loss, the norm before clipping, whether
    it was clipped and was not finite, of each update; how many are done.
    """
    run, x, spans, loss, back = arguments
    rule, kind, settings, alpha = how
    sums, omega = back[2][0], back[2][3]
    values, done = told
    g, change, after = weights.room[0], weights.room[1], weights.room[2]
    level = np.int64(0)
    for k in range(len(settings)):
        _prepare(weights)
        _take_in(minibatches, k, x, loss[0])
        _start_again(sums)
        total, safe, well = passes.there_and_back(run, x, spans, loss, back)
        if not (safe and well and _are_plain(sums)):
            return
        _gather(sums, loss[2], weights, g)
        if alpha != 0:
            _add_omega(omega, alpha, g[weights.first : weights.first + weights.W.size])
        shrunk = weights.first, weights.W
        norm, hit, finite = updates.clip(rule, g, level, weights.edges, shrunk)
        for i in range(len(weights.slots)):
            copy(weights.slots[i], weights.before[i])
        updates.step(kind, settings[k], g, weights.slots, change)
        copy(weights.flat, after)
        if not updates.take(after, change):
            for i in range(len(weights.slots)):
                copy(weights.before[i], weights.slots[i])
            return
        copy(after, weights.flat)
        values[k, 0], values[k, 1], values[k, 2], values[k, 3] = total, norm, hit, not finite
        done[0] = k + 1


@inlined
def _prepare(weights):
    packed, pair, flat = weights.packed, weights.pair, weights.flat
    for i in range(packed.size):
        if pair[0, i] >= 0:
            packed[i] = flat[pair[0, i]]
            if pair[1, i] >= 0:
                packed[i] += flat[pair[1, i]]


@inlined
def _take_in(minibatches, k, x, target):
    """Put minibatch k where a pass reads it."""
    y, classes = target[1], target[2]
    lanes = x.shape[1]
    for t in range(len(x)):
        for lane in range(lanes):
            copy(minibatches.x[t, k * lanes + lane], x[t, lane])
    for t in range(len(y) // lanes):
        for lane in range(lanes):
            copy(minibatches.y[t, k * lanes + lane], y[t * lanes + lane])
    for t in range(len(classes) // lanes):
        for lane in range(lanes):
            classes[t * lanes + lane] = minibatches.classes[t, k * lanes + lane]


@inlined
def _start_again(sums):
    """What a pass adds to; all else it writes anew where all lanes are as long."""
    for g in range(len(sums.joined)):
        own = sums.joined[g].reshape((sums.joined[g].size,))
        for i in range(own.size):
            own[i] = 0
    for k in range(len(sums.exponents)):
        sums.exponents[k][0] = 0
    sums.touched[0] = False


@inlined
def _are_plain(sums):
    plain = True
    for k in range(len(sums.exponents)):
        plain = plain and sums.exponents[k][0] == 0
    return plain


@inlined
def _gather(sums, readout, weights, g):
    """g (P,) from the sums, and dL/dV and dL/dc, all side by side as `place` counts them."""
    found, place, at = weights.found, weights.place, 0
    for k in range(len(sums.joined)):
        size = sums.joined[k].size
        copy(sums.joined[k].reshape((size,)), found[at : at + size])
        at += size
    size = readout[0].size
    copy(readout[0].reshape((size,)), found[at : at + size])
    copy(readout[1], found[at + size : at + size + readout[1].size])
    for i in range(g.size):
        g[i] = found[place[i]]


@inlined
def _add_omega(omega, alpha, g):
    """g (of W) += alpha dOmega/dW, by a loop each: fused, its last bit were another."""
    gradient = omega[1].reshape((omega[1].size,))
    factor, count = g.dtype.type(alpha), g.dtype.type(max(omega[2][1], 1.0))
    for i in range(g.size):
        gradient[i] = factor * (gradient[i] / count)
    for i in range(g.size):
        g[i] += gradient[i]
