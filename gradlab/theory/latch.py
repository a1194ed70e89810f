"""One unit with feedback that keeps a bit: a_t = w tanh(a_{t-1}) + e_t, e_t ~ N(0, s^2).

Above w = 1 it has two attractors, one a sign (Bengio, Simard, Frasconi 1994, section III).
"""

import numpy as np
from scipy.special import ndtr

POINTS = 301  # of the grid of a, at least
FINE = 0.5  # its largest step, in widths of what is integrated
REACH = 8.0  # standard deviations beyond +- w


def bearable(w):
    """The largest |e| that never takes the bit, however often it comes; 0 for w <= 1.

    w sqrt(1 - 1/w) - arctanh(sqrt(1 - 1/w)): where the fold of a = w tanh(a) - e takes the
    attractor away.
    """
    slope = np.sqrt(np.maximum(1 - 1 / np.asarray(w, float), 0))
    return w * slope - np.arctanh(slope)


def kept(w, noise, steps, start=0.8):
    """The probability that h_T has the sign of h_0 = start > 0 after T steps.

    The density of a on a grid is taken on step by step, by the trapezium rule, whose error falls
    faster than any power of its step; the last step is that of P(w h + e > 0). noise > 0.
    """
    if steps == 1:
        return float(ndtr(w * start / noise))
    a, density, _ = _densities(w, noise, steps - 1, start)
    return float((a[1] - a[0]) * ndtr(w * np.tanh(a) / noise) @ density)


def decades(w, noise, steps, start=0.8):
    """The mean of log10 |dh_T/dh_0| over T steps: of log10 (w (1 - h_t^2)), decades a step."""
    a, _, mean = _densities(w, noise, steps, start)
    with np.errstate(divide="ignore"):
        slopes = np.log10(w) - 2 * np.log10(np.cosh(a))
    return float((a[1] - a[0]) * slopes @ mean)


def _densities(w, noise, steps, start):
    """(grid of a, density of a_T, mean of the densities of a_1 to a_T)."""
    end = w + REACH * noise
    width = noise / np.hypot(1, w)  # of the density times the next step's, as they meet in a
    steps_of_a = 2 * end / (FINE * width) if noise else 0  # without noise there is no density: nan
    a = np.linspace(-end, end, max(POINTS, int(np.ceil(steps_of_a)) + 1))
    kernel = _normal(a[:, None] - w * np.tanh(a), noise) * (a[1] - a[0])
    density = total = _normal(a - w * np.tanh(np.arctanh(start)), noise)
    for _ in range(steps - 1):
        density = kernel @ density
        total = total + density
    return a, density, total / steps


def _normal(x, deviation):
    return np.exp(-0.5 * (x / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
