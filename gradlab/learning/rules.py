"""The rules of clipping, each as its original states it.

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
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError

TRUSTED = 1e10  # the authors of `pascanu` do not trust float32 norms above it
SHRINK = 0.02
SAFE = 1e-200  # sums of squares from here to its inverse need no scaling


class Case(NamedTuple):
    """arrays name -> array (*lead, ...), norm of shape lead, threshold c, weights or None."""

    arrays: dict
    lead: tuple
    norm: np.ndarray
    threshold: float
    weights: dict | None

    def times(self, factor):
        """Each array times a factor of shape lead."""
        return {name: array * beside(factor, array) for name, array in self.arrays.items()}

    def shrunk(self):
        """g c/n; where c/n is below the dtype's normal numbers, (g/n) c in float64."""
        factor = np.asarray(self.threshold / self.norm)
        least = max(np.finfo(array.dtype).tiny for array in self.arrays.values())
        lost = (self.threshold > 0) & (factor < least) & np.isfinite(self.norm)
        if not lost.any():
            return self.times(factor)
        return self._replace(arrays=self.times(factor)).where(lost, self._by_steps())

    def _by_steps(self):
        found = {}
        for name, array in self.arrays.items():
            kind = np.result_type(array, np.float64)
            slow = array / beside(self.norm, array, kind) * kind.type(self.threshold)
            found[name] = slow.astype(array.dtype)
        return found

    def where(self, chosen, others):
        """Arrays of `others` where `chosen` (of shape lead), their own elsewhere."""
        if np.ndim(chosen) == 0:
            return others if chosen else self.arrays
        return {
            name: np.where(beside(chosen, array, bool), others[name], array)
            for name, array in self.arrays.items()
        }


def _lectures(case):
    hit = (case.norm >= case.threshold) & (case.norm > 0) & np.isfinite(case.norm)
    return case.where(hit, case.shrunk()), hit


def _torch(case):
    factor = np.minimum(case.threshold / (case.norm + 1e-6), 1.0)
    return case.times(factor), ~(factor >= 1)


def _value(case):
    c = case.threshold
    outside = [(np.abs(flat(array, case.lead)) > c).any(-1) for array in case.arrays.values()]
    return {k: np.clip(v, -c, c) for k, v in case.arrays.items()}, np.any(outside, axis=0)


def _per_array(case):
    changed, hits = {}, []
    for name, array in case.arrays.items():
        own = norm([flat(array, case.lead)])
        divisor = beside(np.maximum(own, case.threshold), array)
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
        name: array / beside(case.norm, array) * array.dtype.type(case.threshold)
        for name, array in case.arrays.items()
    }
    return case.where(hit, scaled), hit


def _pascanu(case):
    n, c = case.norm, case.threshold
    lost = ~(n <= TRUSTED)
    changed = case.where(n > c, case.times(c / n))
    if not lost.any():
        return changed, n > c
    W = _weight(case)
    shrunk = {name: np.zeros_like(array) for name, array in case.arrays.items()}
    shrunk["W"] += (SHRINK * W).astype(shrunk["W"].dtype)
    return case._replace(arrays=changed).where(lost, shrunk), (n > c) | lost


def _weight(case):
    """W, for `pascanu`. Raises UserError where there is none of the shape of its gradient."""
    if not isinstance(case.weights, Mapping) or "W" not in case.weights:
        raise UserError("style='pascanu' shrinks W for this norm: give weights={'W': W}")
    if "W" not in case.arrays:
        raise UserError("style='pascanu' shrinks W for this norm: no gradient is named W")
    W, gradient = case.weights["W"], case.arrays["W"]
    right = (gradient.shape[len(case.lead) :], gradient.shape)
    if W.shape not in right:
        raise UserError(f"weights['W'] must have shape {right[0]} as its gradient, not {W.shape}")
    return W


RULES = {
    "norm": _lectures,
    "torch": _torch,
    "value": _value,
    "per_array": _per_array,
    "keras_global": _keras_global,
    "optax": _optax,
    "pascanu": _pascanu,
}


def flat(array, lead):
    return array.reshape(*lead, math.prod(array.shape[len(lead) :]))  # -1 cannot follow a 0


@np.errstate(over="ignore", invalid="ignore")
def norm(flats):
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


def beside(values, array, dtype=None):
    """Values of shape lead, with axes for the rest of an array, in the array's dtype."""
    if np.ndim(values) == 0 and dtype is None:
        return array.dtype.type(values)
    return np.asarray(values, dtype or array.dtype).reshape(
        np.shape(values) + (1,) * (array.ndim - np.ndim(values))
    )
