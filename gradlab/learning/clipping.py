"""Gradient clipping in every meaning that users know, each as its original states it.

n is the norm of all arrays together, c the threshold:

    norm          g c/n if n >= c, g as it is if n is not finite: the lectures' rule, and that of
                  Pascanu, Mikolov, Bengio 2013
    torch         g min(1, c/(n + 1e-6)), always multiplied: clip_grad_norm_
    value         each element to [-c, c], which changes the direction: clip_grad_value_
    per_array     g c/max(n_i, c), each array by its own norm n_i: Keras clipnorm
    keras_global  g (c min(1/n, 1/c) + (n - n)): Keras global_clipnorm; n not finite: all nan
    optax         g if n < c, else (g/n) c: clip_by_global_norm
    pascanu       g c/n if n > c; n nan, inf or above 1e10: 0.02 W for W, 0 for all others: the
                  authors' code

A threshold means nothing without the loss's reduction (gradlab: mean over lanes, sum over steps).
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gradlab.errors import UserError

PER = {"mean": 0, "lane": 1, "step": 2}
TRUSTED = 1e10  # the authors of `pascanu` do not trust float32 norms above it
SHRINK = 0.02
SAFE = 1e-200  # sums of squares from here to its inverse need no scaling
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
    norm = _norm([_flat(array, lead) for array in arrays.values()])
    if exponent and style == "norm":
        changed, clipped = _scaled(arrays, norm, threshold, exponent)
    elif exponent:
        with np.errstate(over="ignore", under="ignore"):
            plain = {name: np.ldexp(array, exponent) for name, array in arrays.items()}
        return clip(plain, threshold, style, per, weights)
    else:
        with np.errstate(all="ignore"):  # inf and nan are the rules' corner cases
            changed, clipped = _RULES[style](_Case(arrays, lead, norm, threshold, weights))
    status = np.where(np.isfinite(norm), FINITE, NOT_FINITE)
    with np.errstate(over="ignore"):
        norm = np.ldexp(norm, exponent)
    return Clipped(_like(gradients, changed), *(_plain(v) for v in (norm, clipped, status)))


class _Case(NamedTuple):
    """arrays name -> array (*lead, ...), norm of shape lead, threshold c, weights or None."""

    arrays: dict
    lead: tuple
    norm: np.ndarray
    threshold: float
    weights: dict | None

    def times(self, factor):
        """Each array times a factor of shape lead."""
        return {name: array * _beside(factor, array) for name, array in self.arrays.items()}

    def where(self, chosen, others):
        """Arrays of `others` where `chosen` (of shape lead), their own elsewhere."""
        if np.ndim(chosen) == 0:
            return others if chosen else self.arrays
        return {
            name: np.where(_beside(chosen, array, bool), others[name], array)
            for name, array in self.arrays.items()
        }


def _norm_rule(case):
    hit = (case.norm >= case.threshold) & (case.norm > 0) & np.isfinite(case.norm)
    return case.where(hit, case.times(case.threshold / case.norm)), hit


def _torch(case):
    factor = np.minimum(case.threshold / (case.norm + 1e-6), 1.0)
    return case.times(factor), ~(factor >= 1)


def _value(case):
    c = case.threshold
    outside = [(np.abs(_flat(array, case.lead)) > c).any(-1) for array in case.arrays.values()]
    return {k: np.clip(v, -c, c) for k, v in case.arrays.items()}, np.any(outside, axis=0)


def _per_array(case):
    changed, hits = {}, []
    for name, array in case.arrays.items():
        own = _norm([_flat(array, case.lead)])
        divisor = _beside(np.maximum(own, case.threshold), array)
        changed[name] = array * array.dtype.type(case.threshold) / divisor
        hits.append(~(own <= case.threshold))
    return changed, np.any(hits, axis=0)


def _keras_global(case):
    n, c = case.norm, np.float64(case.threshold)
    factor = c * np.minimum(1 / n, 1 / c) + (n - n)
    return case.times(factor), ~(n <= c)


def _optax(case):
    hit = ~(case.norm < case.threshold)
    scaled = {
        name: array / _beside(case.norm, array) * array.dtype.type(case.threshold)
        for name, array in case.arrays.items()
    }
    return case.where(hit, scaled), hit


def _pascanu(case):
    n, c = case.norm, case.threshold
    lost = ~(n <= TRUSTED)
    changed = case.where(n > c, case.times(c / n))
    if not lost.any():
        return changed, n > c
    if case.weights is None or "W" not in case.weights:
        raise UserError("style='pascanu' shrinks W for this norm: give weights={'W': W}")
    shrunk = {name: np.zeros_like(array) for name, array in case.arrays.items()}
    shrunk["W"] += (SHRINK * case.weights["W"]).astype(shrunk["W"].dtype)
    return case._replace(arrays=changed).where(lost, shrunk), (n > c) | lost


_RULES = {
    "norm": _norm_rule,
    "torch": _torch,
    "value": _value,
    "per_array": _per_array,
    "keras_global": _keras_global,
    "optax": _optax,
    "pascanu": _pascanu,
}
STYLES = tuple(_RULES)


def _scaled(arrays, norm, threshold, exponent):
    """Rule `norm` for arrays * 2^exponent: the factor that leaves the norm c has no exponent."""
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        hit = np.isfinite(norm) & (np.log2(norm) + exponent >= np.log2(np.float64(threshold)))
        if hit and norm > 0:
            return {k: v * v.dtype.type(threshold / norm) for k, v in arrays.items()}, hit
        return {k: np.ldexp(v, exponent) for k, v in arrays.items()}, np.False_


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


def _flat(array, lead):
    return array.reshape(*lead, -1)


@np.errstate(over="ignore", invalid="ignore")
def _norm(flats):
    """Norm over the last axis of all arrays together, scaled by the largest entry."""
    if flats[0].ndim == 1 and all(flat.dtype == np.float64 for flat in flats):
        # a training loop's case, 4 x faster where nothing needs scaling
        total = sum(float(np.dot(flat, flat)) for flat in flats)
        if SAFE < total < 1 / SAFE:
            return np.float64(math.sqrt(total))
    top = np.max([np.abs(flat).max(-1, initial=0).astype(np.float64) for flat in flats], axis=0)
    unit = np.where((top > 0) & np.isfinite(top), top, 1.0)
    squares = [((flat / unit[..., None]) ** 2).sum(-1) for flat in flats]
    return unit * np.sqrt(np.sum(squares, axis=0))


def _beside(values, array, dtype=None):
    """Values of shape lead, with axes for the rest of an array, in the array's dtype."""
    if np.ndim(values) == 0 and dtype is None:
        return array.dtype.type(values)
    return np.asarray(values, dtype or array.dtype).reshape(
        np.shape(values) + (1,) * (array.ndim - np.ndim(values))
    )


def _plain(value):
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value
