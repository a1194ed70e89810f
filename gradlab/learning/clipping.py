"""Gradient clipping in every meaning that users know, each as its original states it.

A threshold means nothing without the loss's reduction (gradlab: mean over lanes, sum over steps).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gradlab.errors import UserError
from gradlab.learning.rules import RULES, Case, flat, norm

PER = {"mean": 0, "lane": 1, "step": 2}
STYLES = tuple(RULES)
FINITE, NOT_FINITE = "ok", "not finite"


class Clipped(NamedTuple):
    """What `clip` returns; norm, clipped and status have an entry a lane, or a step and lane.

    gradients  as they were given: a dict, a list or an array
    norm       of all arrays together before clipping
    clipped    whether the rule took hold
    status     "ok", or "not finite" where the norm is inf or nan
    """

    gradients: Any
    norm: Any
    clipped: Any
    status: Any


def clip(gradients, threshold, style="norm", per="mean", weights=None):
    """Clip gradients: an array, a list or dict of arrays, or what `Network.gradients` returns.

    style        norm, torch, value, per_array, keras_global, optax, pascanu: see
                 gradlab.learning.rules
    per="mean"   one norm over all arrays: they are the mean of the lanes
    per="lane"   the first axis of each array counts lanes, each with a norm of its own
    per="step"   the first two axes count steps and lanes, as dL/dh (T+1, B, N) does

    Norms are taken in float64 and scaled before squaring, so that float32 does not overflow at
    1.8e19 as its originals do; style "norm" also clips gradients beyond float64's range
    (Gradients.exponent). weights: {"W": ...}, which style "pascanu" shrinks. Raises UserError for
    a threshold that is nan or negative, unknown names, and arrays without the axes of `per`.
    """
    _check(threshold, style, per)
    arrays, exponent = _arrays(gradients)
    lead = _lead(arrays, PER[per])
    if exponent and style != "norm":
        arrays, exponent = _unscaled(arrays, exponent), 0
    total = norm([flat(array, lead) for array in arrays.values()])
    if exponent:
        changed, clipped = _scaled(arrays, total, threshold, exponent)
    else:
        with np.errstate(all="ignore"):  # inf and nan are the rules' corner cases
            changed, clipped = RULES[style](Case(arrays, lead, total, threshold, weights))
    status = np.where(np.isfinite(total), FINITE, NOT_FINITE)
    with np.errstate(over="ignore"):
        total = np.ldexp(total, exponent)
    return Clipped(_like(gradients, changed), *(_plain(v) for v in (total, clipped, status)))


def _unscaled(arrays, exponent):
    with np.errstate(over="ignore", under="ignore"):
        return {name: np.ldexp(array, exponent) for name, array in arrays.items()}


def _scaled(arrays, total, threshold, exponent):
    """Rule `norm` for arrays * 2^exponent: the factor that leaves the norm c has no exponent."""
    with np.errstate(over="ignore", under="ignore"):  # exact, or far from any norm
        hit = total >= np.ldexp(np.float64(threshold), -exponent)
    if hit and 0 < total < np.inf:
        return {k: v * v.dtype.type(threshold / total) for k, v in arrays.items()}, hit
    return _unscaled(arrays, exponent), np.False_


def _check(threshold, style, per):
    if not threshold >= 0:
        raise UserError(f"clip_threshold={threshold}: must be a number >= 0")
    for what, name, known in (("style", style, STYLES), ("per", per, PER)):
        if name not in known:
            raise UserError(f"{what} must be one of {', '.join(known)}, not {name!r}")


def _arrays(gradients):
    """name -> array and the exponent that goes with them."""
    if hasattr(gradients, "exponent"):
        return dict(gradients.weights), gradients.exponent
    if isinstance(gradients, Mapping):
        named = gradients
    else:
        named = dict(enumerate(gradients if isinstance(gradients, list | tuple) else [gradients]))
    return {name: _floats(array) for name, array in named.items()}, 0


def _floats(array):
    array = np.asarray(array)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def _like(given, arrays):
    if isinstance(given, np.ndarray | float | int):
        return arrays[0]
    if isinstance(given, list | tuple) and not hasattr(given, "exponent"):
        return [*arrays.values()]
    return arrays


def _lead(arrays, axes):
    shapes = {array.shape[:axes] for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != axes:
        listed = ", ".join(str(array.shape) for array in arrays.values())
        raise UserError(f"arrays need {axes} leading axes in common for this `per`, not {listed}")
    return shapes.pop()


def _plain(value):
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value
