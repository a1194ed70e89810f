"""All Lyapunov exponents of a wide random network, by free probability.

J_t = D_t W, W of independent entries of variance gain^2/N, D_t the slopes phi'(a_t) of mean field.
For N to infinity W is free of them, and in the moments of a product's squares each W meets its own
transpose alone: one W for all steps counts as another one at each. Exponent number t N of N is then

    lambda(t) = ln(g^2 t / s)/2        <s D^2/(1 + s D^2)> = t

(Haagerup, Moeller 2013, who extend Tucci 2010; of networks Engelken, Wolf, Abbott 2023). Its sum
up to t is N times t lambda + (<ln(1 + s D^2)> - t)/2. At t = 0 it is mean field's ln(chi)/2, its
mean is ln g - 1/2 + <ln D>, and for D = 1 it is the triangular law ln(g^2 (1 - t))/2 of Newman
(1986), which is that of ln|eigenvalues| of one gaussian W too.

The functions here take single numbers, and any shares; no drive unless told.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from gradlab.theory.mean_field import (
    LINEAR_SHARE,
    activation_of,
    elementwise,
    gaussian_nodes,
    stationary_variance,
)

REACH = 40.0  # of ln s beyond the largest and the smallest ln(1/D^2): e^-40 is below rounding


class _Curve:
    """Exponents along ln s, from the largest (-inf) to the smallest (inf)."""

    def __init__(self, gain, drive, activation):
        if activation in LINEAR_SHARE:  # the same slopes at every q
            q = 1.0
        else:
            q = float(stationary_variance(gain, drive, activation))
        a, self.weight = gaussian_nodes(q)
        self.log_square = 2 * activation_of(activation).log_slope(a)
        self.gain = gain
        known = self.log_square[np.isfinite(self.log_square)]
        self.low, self.high = -known.max() - REACH, -known.min() + REACH

    def share(self, log_s):
        return self.weight @ expit(log_s + self.log_square)

    def exponent(self, log_s):
        with np.errstate(divide="ignore"):
            return np.log(self.gain) + (np.log(self.share(log_s)) - log_s) / 2

    def total(self, log_s):
        share = self.share(log_s)
        rest = self.weight @ np.logaddexp(0, log_s + self.log_square) - share
        return share * self.exponent(log_s) + rest / 2

    def at(self, share):
        """ln s of a share; nan where there is none: beyond the share of slopes above 0."""
        if share <= self.share(self.low):
            return self.low
        if share >= min(self.share(self.high), 1):
            return np.nan
        return self.turn(lambda log_s: share - self.share(log_s))

    def turn(self, function):
        """ln s where a falling function passes through 0."""
        return brentq(function, self.low, self.high, xtol=1e-12)


def spectrum(shares, gain, drive=0.0, activation="tanh"):
    """lambda(t), natural logarithms a step, at shares t within 0 to 1 of the exponents.

    -inf where slopes are 0.
    """
    curve = _Curve(gain, drive, activation)
    places = elementwise(curve.at, shares)
    found = elementwise(curve.exponent, places)
    return np.where(np.isnan(places), -np.inf, found)


def entropy(gain, drive=0.0, activation="tanh"):
    """Sum of the positive exponents over N, natural logarithms a step (Pesin's bound)."""
    curve = _Curve(gain, drive, activation)
    if curve.exponent(curve.low) <= 0:
        return 0.0
    return float(curve.total(curve.turn(curve.exponent)))


def dimension(gain, drive=0.0, activation="tanh"):
    """Kaplan and Yorke's dimension over N: the share up to which the exponents add up to 0."""
    curve = _Curve(gain, drive, activation)
    if curve.exponent(curve.low) <= 0:
        return 0.0
    if curve.total(curve.high) >= 0:
        return float(curve.share(curve.high))
    start = curve.turn(curve.exponent)
    return float(curve.share(brentq(curve.total, start, curve.high, xtol=1e-12)))
