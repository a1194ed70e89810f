"""Gradient clipping in every meaning that users know, each as its original states it.

A threshold means nothing without the loss's reduction (gradlab: mean over lanes, sum over steps).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gradlab import given
from gradlab.errors import UserError, one_of
from gradlab.learning import fields
from gradlab.learning.adaptive import ADAPTIVE
from gradlab.learning.rules import RULES, Case, flat, norm

PER = {"mean": 0, "lane": 1, "step": 2}
STYLES = tuple(RULES)  # of one gradient alone; compiled too
EVERY = (*STYLES, *ADAPTIVE)
FINITE, NOT_FINITE = "ok", "not finite"


class Clipped(NamedTuple):
    """What `clip` returns; norm, clipped and status have an entry a lane, or a step and lane.

    gradients  as they were given, a dict, a list or an array, with NumPy arrays of the same dtypes
               for tensors and float64 for whole numbers; None stays None
    norm       of all arrays together before clipping
    clipped    whether the rule took hold
    status     "ok", or "not finite" where the norm is inf or nan
    """

    gradients: Any
    norm: Any
    clipped: Any
    status: Any


def clip(gradients, threshold, style="norm", per="mean", weights=None, memory=None):
    """Clip gradients: an array, a list or dict of arrays, or what `Network.gradients` returns.

    Tensors are arrays as well; None stands for a weight without a gradient, as in PyTorch.

    style        norm, torch, value, per_array, keras_global, optax, pascanu: see
                 gradlab.learning.rules; percentile, adaptive, zscore, whose threshold follows the
                 training: see gradlab.learning.adaptive
    per="mean"   one norm over all arrays: they are the mean of the lanes
    per="lane"   the first axis of each array counts lanes, each with a norm of its own
    per="step"   the first two axes count steps and lanes, as dL/dh (T+1, B, N) does

    Norms are taken in float64 and scaled before squaring, so that float32 does not overflow at
    1.8e19 as its originals do; style "norm" also clips gradients beyond float64's range
    (Gradients.exponents). weights: {"W": ...}, which style "pascanu" shrinks; for "adaptive", all
    by the gradients' names. memory: a `gradlab.learning.adaptive.Memory`, one for a training, in
    which percentile and zscore keep its norms. Raises UserError for a threshold that is nan or
    negative, unknown names, what holds no real numbers, and arrays without the axes of `per`.

        from gradlab.learning.adaptive import Memory

        memory = Memory()
        for g in (np.array([3.0, 4.0]), np.array([30.0, 40.0])):
            clip(g, 50, "percentile", memory=memory).norm  # 5, then 50: clipped to their median
    """
    threshold = _threshold(threshold)
    one_of("style", style, EVERY)
    one_of("per", per, PER)
    if style in ADAPTIVE:
        _check_adaptive(style, per, threshold)
    arrays, exponents = _arrays(gradients)
    kinds = {name: array.dtype for name, array in arrays.items()}
    arrays = {name: _wide(array) for name, array in arrays.items()}
    lead = _lead(arrays, PER[per])
    if style == "pascanu" and isinstance(weights, Mapping) and "W" in weights:
        weights = {"W": given.real("weights['W']", weights["W"])}
    if exponents and style == "norm" and not lead:
        changed, *told = _scaled(arrays, exponents, threshold)
        return Clipped(_like(gradients, changed), *told)
    if exponents:
        arrays = {name: _times(array, exponents[name]) for name, array in arrays.items()}
    total = norm([flat(array, lead) for array in arrays.values()])
    with np.errstate(all="ignore"):  # inf and nan are the rules' corner cases
        case = Case(arrays, lead, total, threshold, weights)
        changed, clipped = RULES[style](case) if style in RULES else ADAPTIVE[style](case, memory)
    status = np.where(np.isfinite(total), FINITE, NOT_FINITE)
    with np.errstate(over="ignore"):
        changed = {k: np.asarray(v).astype(kinds[k], copy=False) for k, v in changed.items()}
    return Clipped(_like(gradients, changed), *(_plain(v) for v in (total, clipped, status)))


def _scaled(arrays, exponents, threshold):
    """Rule `norm` for arrays * 2^exponents: the factor that leaves the norm c has no exponent."""
    digits = {name: _normal(array, exponents[name]) for name, array in arrays.items()}
    level = max((exponent for array, exponent in digits.values() if array.any()), default=0)
    total = norm([_times(array, e - level).ravel() for array, e in digits.values()])
    status = FINITE if np.isfinite(total) else NOT_FINITE
    with np.errstate(over="ignore", under="ignore"):  # exact, or far from any norm
        hit = bool(0 < total < np.inf and total >= np.ldexp(np.float64(threshold), -level))
        whole = float(np.ldexp(total, level))
    if not hit:
        changed = {name: _times(array, exponents[name]) for name, array in arrays.items()}
        return changed, whole, hit, status
    changed = {
        name: _times(array * array.dtype.type(threshold / total), exponent - level)
        for name, (array, exponent) in digits.items()
    }
    return changed, whole, hit, status


def _times(array, exponent):
    """array * 2^exponent in the array's dtype: 0 or inf where that ends."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(array, exponent)


def _normal(array, exponent):
    """(array, exponent) of the same value, the largest entry in [1/2, 1)."""
    top = np.abs(array).max(initial=0)
    shift = int(np.frexp(top)[1]) if np.isfinite(top) else 0
    return _times(array, -shift), exponent + shift


def _check_adaptive(style, per, threshold):
    if per != "mean":
        raise UserError(f"style={style!r} needs per='mean', not {per!r}: it follows the updates")
    if style == "percentile" and threshold > 100:
        raise UserError(f"clip_threshold={threshold:g}: of style percentile it is from 0 to 100")


def _threshold(value):
    return fields.number("clip_threshold", value, "a number >= 0", lambda c: c >= 0)


def _arrays(gradients):
    """name -> array, and the exponents that go with them where one of them is not 0."""
    if hasattr(gradients, "weights"):
        exponents = getattr(gradients, "exponents", None)
        if exponents is None:  # one for all
            exponents = dict.fromkeys(gradients.weights, gradients.exponent)
        return dict(gradients.weights), exponents if any(exponents.values()) else None
    if isinstance(gradients, Mapping):
        named = gradients
    else:
        named = dict(enumerate(gradients if isinstance(gradients, list | tuple) else [gradients]))
    found = {k: _floats(k, array) for k, array in named.items() if array is not None}
    if not found:
        raise UserError("gradients hold no array: there is nothing to clip")
    return found, None


def _floats(name, array):
    array = given.real(f"gradients[{name!r}]", array)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _wide(array):
    """float16 holds no factor below 6e-8: it is clipped in float64."""
    return array.astype(np.float64) if array.dtype.itemsize < 4 else array


def _like(gradients, arrays):
    if hasattr(gradients, "weights"):
        return arrays
    if isinstance(gradients, Mapping):
        return {name: arrays.get(name) for name in gradients}
    if isinstance(gradients, list | tuple):
        return [arrays.get(i) for i in range(len(gradients))]
    return arrays[0]


def _lead(arrays, axes):
    shapes = {array.shape[:axes] for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != axes:
        listed = ", ".join(str(array.shape) for array in arrays.values())
        raise UserError(f"arrays need {axes} leading axes in common for this `per`, not {listed}")
    return shapes.pop()


def _plain(value):
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value
