"""From a gradient to a step: the rules of clipping and the optimizers, on one flat vector.

The rules are those of gradlab.learning.rules, the optimizers those of gradlab.learning.optimizers,
to rounding. One call an update: through NumPy they took a third of it at 20 lanes of 50 units.
"""

import math

import numpy as np

from gradlab.kernels.elementwise import largest, rounded_product, scale
from gradlab.kernels.jit import kernel, ldexp, reduction
from gradlab.kernels.room import empty

STYLES = ("norm", "torch", "value", "per_array", "keras_global", "optax", "pascanu")
NORM, TORCH, VALUE, PER_ARRAY, KERAS, OPTAX, PASCANU = range(7)
SGD, MOMENTUM, ADAM, RMSPROP = range(4)
OPTIMIZERS = ("sgd", "momentum", "adam", "rmsprop")
TRUSTED, SHRINK = 1e10, 0.02  # of PASCANU
PIECE = 4096  # entries that an optimizer moves at a time, where there are many
SAFE = 1e-200  # sums of squares from here to its inverse need no scaling


@reduction
def _squares(g, unit):
    """Sum of squares of g/unit, in float64."""
    total = 0.0
    for i in range(g.size):
        entry = np.float64(g[i]) / unit
        total += entry * entry
    return total


@kernel
def norm(g):
    """||g|| in float64; scaled by the largest entry where squares would leave its range."""
    total = _squares(g, 1.0)
    if SAFE < total < 1 / SAFE:
        return math.sqrt(total)
    top = np.float64(largest(g))
    if top == 0 or not math.isfinite(top):
        return top
    return top * math.sqrt(_squares(g, top))


@kernel
def _by_total(g, total, c):
    """g (c/n), or (g/n) c in float64 where c/n is below the dtype's normal numbers."""
    factor = c / total
    if factor >= np.finfo(g.dtype).tiny or c == 0:
        scale(g, g.dtype.type(factor))
        return
    for i in range(g.size):
        g[i] = np.float64(g[i]) / total * c


@kernel
def _per_array(g, edges, c):
    hit = False
    for k in range(edges.size - 1):
        own = g[edges[k] : edges[k + 1]]
        size = norm(own)
        hit = hit or not size <= c
        threshold, divisor = g.dtype.type(c), g.dtype.type(c if size < c else size)
        for i in range(own.size):
            own[i] = own[i] * threshold / divisor
    return hit


@kernel
def _value(g, c):
    hit, bound = False, g.dtype.type(c)
    for i in range(g.size):
        if abs(g[i]) > bound:
            hit = True
            g[i] = bound if g[i] > 0 else -bound
    return hit


@kernel
def _pascanu(g, total, c, shrunk):
    """shrunk = (first entry of W in g, W flat)."""
    if total <= TRUSTED:
        if total > c:
            scale(g, g.dtype.type(c / total))
        return total > c
    first, W = shrunk
    g[:] = 0
    for i in range(W.size):
        g[first + i] = SHRINK * W[i]
    return True


@kernel
def _by_norm(style, total, c, g):
    """The rules that multiply all of g by one factor, but for `_pascanu`."""
    if style == NORM:
        hit = total >= c and 0 < total < np.inf
        if hit:
            _by_total(g, total, c)
        return hit
    if style == TORCH:
        factor = c / (total + 1e-6)
        scale(g, g.dtype.type(1.0 if factor >= 1 else factor))
        return not factor >= 1
    if style == KERAS:
        one = np.float64(1)  # Python's own raises an error where it is divided by zero
        scale(g, g.dtype.type(c * min(one / total, one / c) + (total - total)))
        return not total <= c
    hit = not total < c  # OPTAX
    if hit:
        size, threshold = g.dtype.type(total), g.dtype.type(c)
        for i in range(g.size):
            g[i] = g[i] / size * threshold
    return hit


@kernel
def _clip_scaled(rule, g, level):
    """Style NORM for g * 2^level: the factor that leaves the norm c has no exponent."""
    _, c = rule
    total = norm(g)
    hit = 0 < total < np.inf and total >= ldexp(c, -level)
    if hit:
        _by_total(g, total, c)
    else:
        _shift(g, level)
    return ldexp(total, level), hit, math.isfinite(total)


@kernel
def _shift(g, level):
    for i in range(g.size):
        g[i] = ldexp(np.float64(g[i]), level)


@kernel
def clip(rule, g, level, edges, shrunk):
    """Clip g (P,) * 2^level by rule = (a style's number, threshold), in place: it has no exponent.

    Returns the norm before, whether the rule took hold, and whether a rule could: whether the norm
    is finite, also beyond float64 for style NORM. edges (K + 1,): where each array begins, and the
    end; shrunk = (first, W (Q,)): where W's gradient begins, and W, for PASCANU.
    """
    style, c = rule
    if level != 0:
        if style == NORM:
            return _clip_scaled(rule, g, level)
        _shift(g, level)
    total = norm(g)
    finite = math.isfinite(total)
    if style == VALUE:
        return total, _value(g, c), finite
    if style == PER_ARRAY:
        return total, _per_array(g, edges, c), finite
    if style == PASCANU:
        return total, _pascanu(g, total, c, shrunk), finite
    return total, _by_norm(style, total, c, g), finite


@kernel
def clip_lanes(rule, lanes, edges, shrunk, found):
    """Clip each of lanes (B, P); found (2,) += how many are clipped, and how many not finite."""
    for lane in range(lanes.shape[0]):
        _, hit, finite = clip(rule, lanes[lane], 0, edges, shrunk)
        found[0] += hit
        found[1] += not finite


@kernel
def step(kind, setting, g, slots, change, at=0):
    """change (P,) = the step of an optimizer for g (P,); slots (S, P) move on.

    Of longer slots those from `at` on.

    setting (5,): rate, number of the update from 1, then the options: momentum; or beta1, beta2,
    epsilon; or decay, epsilon.
    """
    one, count = g.dtype.type, setting[1]
    rate, first, second, third = setting[0], setting[2], setting[3], setting[4]
    if kind == ADAM:
        rate /= 1 - first**count
    speed, keep, new = one(rate), one(first), one(1 - first)
    if kind == SGD:
        for i in range(g.size):
            change[i] = speed * g[i]
    elif kind == MOMENTUM:
        mean = slots[0][at : at + g.size]
        for i in range(g.size):
            mean[i] = mean[i] * keep + g[i]
            change[i] = speed * mean[i]
    elif kind == ADAM:
        mean, square = slots[0][at : at + g.size], slots[1][at : at + g.size]
        keep2, new2 = one(second), one(1 - second)
        whole, epsilon = one(1 - second**count), one(third)
        for i in range(g.size):
            mean[i] = rounded_product(mean[i], keep) + new * g[i]
            square[i] = rounded_product(square[i], keep2) + new2 * (g[i] * g[i])
            change[i] = speed * mean[i] / (math.sqrt(square[i] / whole) + epsilon)
    else:
        square, epsilon = slots[0][at : at + g.size], one(second)
        for i in range(g.size):
            square[i] = rounded_product(square[i], keep) + new * (g[i] * g[i])
            change[i] = speed * g[i] / (math.sqrt(square[i]) + epsilon)


@kernel
def take(w, change):
    """w -= change; whether all of w is finite then."""
    for i in range(w.size):
        w[i] -= change[i]
    return _zeros(w) == 0


@reduction
def _zeros(w):
    """The sum of 0 w_i: nan if an entry is nan or inf.

    With a branch for each, `take` of 640,000 took 2.6 times as long in float32, 1.5 in float64.
    """
    total = 0.0
    for i in range(w.size):
        total += w[i] * 0.0
    return total


@kernel
def advance(kind, setting, few, at, slots, w):
    """`step` and `take` where g is zero but for a few rows of a table; whether w is finite then.

    few = (g, rows (R,), (first, K, D)): g begins at w[at], the table (K, D) `first` entries behind,
    and of its rows g has only those named, which rise. Nothing of the size of w is made: for 10,000
    words of 64 values that took three times as long as all the rest. A row without a gradient whose
    slots are zero, as those of a word not met yet, stays as it is.
    """
    g, rows, (first, count, width) = few
    piece = max(PIECE // width, 1) * width
    room = empty(max(PIECE, piece), g), empty(piece, g)
    room[1][:] = 0
    how, own = (kind, setting, room), (slots, w)
    finite = _advance(how, g[:first], own, at)
    table, done = at + first, np.int64(0)
    for k in range(rows.size + 1):
        until = rows[k] if k < rows.size else count
        low, end = table + done * width, table + until * width
        while low < end:
            high = low
            while high < min(end, low + piece) and not _are_zero(slots, high, width):
                high += width
            if high > low:
                finite = _move(how, room[1][: high - low], own, low) and finite
            low = max(high, low + width)
        if k < rows.size:
            row = g[first + k * width : first + (k + 1) * width]
            finite = _move(how, row, own, end) and finite
        done = until + 1
    rest = g[first + rows.size * width :]
    return _advance(how, rest, own, table + count * width) and finite


@kernel
def _are_zero(slots, low, size):
    """Whether the slots of w[low : low + size] are; the first entry tells of most that are not."""
    for i in range(len(slots)):
        own = slots[i][low : low + size]
        if own[0] != 0:
            return False
        count = 0
        for k in range(size):  # to its end: with a way out it is not SIMD
            count += own[k] != 0
        if count > 0:
            return False
    return True


@kernel
def _advance(how, g, own, at):
    """g from w[at] on, in pieces that stay in cache."""
    finite = True
    for first in range(0, g.size, PIECE):
        finite = _move(how, g[first : min(first + PIECE, g.size)], own, at + first) and finite
    return finite


@kernel
def _move(how, g, own, at):
    (kind, setting, room), (slots, w) = how, own
    change = room[0][: g.size]
    step(kind, setting, g, slots, change, at)
    return take(w[at : at + g.size], change)
