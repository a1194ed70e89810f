"""Styles of clipping whose threshold follows the training: by its norms so far, or by its weights.

n is the norm of all arrays together, c what `clip` calls the threshold:

    percentile    g min(1, p/(n + 1e-6)), p the c-th percentile of all norms so far, n included:
                  AutoClip, c = 10 (Seetharaman, Wichern, Pardo, Le Roux 2020). It clips some
                  100 - c of 100 updates: a limiter by design
    zscore        with mean m and deviation s of the norms so far, z = (n - m)/(s + 1e-6): where
                  z > c, g p/(n + 1e-6) with p = m + c s/(z/c), the further out the smaller: ZClip,
                  c = 2.5, without its cap on the norm (Kumar, Owen, Chowdhury, Guera 2025). The
                  first 25 norms are not clipped and give m and s^2; then m <- .97 m + .03 p and
                  s^2 <- .97 s^2 + .03 (p - m)^2, with p = n where nothing is clipped
    adaptive      each unit's row G_i of a matrix by itself: G_i c max(||W_i||, 1e-3)/||G_i|| where
                  ||G_i|| is above c max(||W_i||, 1e-3); a bias is one unit, as in the authors'
                  code: AGC, c = 0.01 (Brock, De, Smith, Simonyan 2021). It keeps no memory, and
                  turns the step

percentile and zscore keep a `Memory`. A norm that is not finite takes no part in it, and its
gradient is left as it is, where the originals would remember a nan for good.
"""

import bisect
import math

import numpy as np

from gradlab.errors import UserError
from gradlab.learning.rules import RULES, beside, flat, norm

WARM_UP, KEEP, EPSILON = 25, 0.97, 1e-6  # of zscore
LEAST = 1e-3  # of adaptive: what a unit's weights count for at least, so that zeros can move


class Memory:
    """The norms of a training so far, for styles percentile and zscore; one for each training.

    All of it follows from the norms in their order: `Memory.of(style, threshold, norms)` is what
    as many calls of `clip` left behind, bit for bit, so that a saved training needs its norms only.
    """

    def __init__(self):
        self.count = 0
        self._rising, self._first, self._mean, self._square = [], [], None, None

    @classmethod
    def of(cls, style, threshold, norms):
        """After updates with these norms."""
        memory = cls()
        for own in norms:
            memory.take(style, threshold, own)
        return memory

    def take(self, style, threshold, own):
        """Add the norm of an update; what that style clips it to, None where it does not."""
        self.count += 1
        if not math.isfinite(own):
            return None
        return (
            self._percentile(threshold, own) if style == "percentile" else self._z(threshold, own)
        )

    def _percentile(self, percent, own):
        bisect.insort(self._rising, own)
        place = percent / 100 * (len(self._rising) - 1)
        low = min(int(place), len(self._rising) - 1)
        high = min(low + 1, len(self._rising) - 1)
        below, above = self._rising[low], self._rising[high]
        return below + (above - below) * (place - low)

    def _z(self, most, own):
        if self._mean is None:
            self._first.append(own)
            if len(self._first) == WARM_UP:
                self._mean = float(np.mean(self._first))
                self._square = float(np.var(self._first))
            return None
        spread = math.sqrt(self._square)
        z = (own - self._mean) / (spread + EPSILON)
        bound = self._mean + most * spread / (z / most) if z > most > 0 else None
        bound = self._mean if z > most == 0 else bound
        made = own if bound is None else bound
        self._mean = KEEP * self._mean + (1 - KEEP) * made
        self._square = KEEP * self._square + (1 - KEEP) * (made - self._mean) ** 2
        return bound


def _by_memory(style):
    def rule(case, memory):
        if not isinstance(memory, Memory):
            raise UserError(f"style={style!r} remembers norms: give memory=Memory()")
        bound = memory.take(style, case.threshold, float(case.norm))
        if bound is None:
            return case.arrays, np.bool_(False)
        return RULES["torch"](case._replace(threshold=bound))

    return rule


def _units(case, memory):
    changed, hits = {}, []
    for name, array in case.arrays.items():
        rows = array[None] if array.ndim < 2 else array
        weights = np.asarray(_weight(case, name, array)).reshape(rows.shape)
        lead = rows.shape[:1]
        own = norm([flat(rows, lead)])
        bound = case.threshold * np.maximum(norm([flat(weights, lead)]), LEAST)
        hit = (own > bound) & np.isfinite(own)
        factor = np.where(hit, bound / np.where(hit, own, 1.0), 1.0)
        changed[name] = (rows * beside(factor, rows)).reshape(array.shape)
        hits.append(hit.any())
    return changed, np.any(hits)


def _weight(case, name, array):
    if not hasattr(case.weights, "get") or case.weights.get(name) is None:
        raise UserError(f"style='adaptive' goes by the weights: give weights with {name!r}")
    if np.shape(case.weights[name]) != array.shape:
        shape = np.shape(case.weights[name])
        raise UserError(f"weights[{name!r}] must have shape {array.shape}, not {shape}")
    return case.weights[name]


ADAPTIVE = {
    "percentile": _by_memory("percentile"),
    "adaptive": _units,
    "zscore": _by_memory("zscore"),
}
