"""Mean field: what a wide random network does to signals and gradients.

a_t = W phi(a_{t-1}) + U x_t with entries of W ~ N(0, gain^2/N), the net infinitely wide. a_t is the
pre-activation of gradlab's h_t = phi(a_t), Gaussian of mean 0 and variance q_t; z is N(0, 1)
and <> its mean; `drive` is s_t, the variance over units of the input U x_t:

    q_t = gain^2 <phi(sqrt(q_{t-1}) z)^2> + s_t        chi_t = gain^2 <phi'(sqrt(q_t) z)^2>

One step back multiplies the squared norm of a gradient by chi_t; ln(chi)/2 is the largest Lyapunov
exponent, in natural logarithms a step (over ln 10: decades a step). Sompolinsky, Crisanti, Sommers
1988; Molgedey, Schuchhardt, Schuster 1992 (driven); Schoenholz et al. 2017 (gradients). The mean of
all exponents is that of ln|det J|/N: ln g - 1/2 + <ln phi'(sqrt(q) z)>, as ln|det W|/N comes to
ln g - 1/2. What lies between the largest and the mean: gradlab.theory.spectra.
"""

import bisect
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from gradlab.errors import one_of

LINEAR_SHARE = {"identity": 1.0, "relu": 0.5}  # <phi^2>/q and <phi'^2>, the same at every q


class Activation(NamedTuple):
    """What mean field asks of phi; the means are functions of q, any shape."""

    steepest: float  # gamma, the largest |phi'|
    square: Callable  # <phi(sqrt(q) z)^2>
    slope_square: Callable  # <phi'(sqrt(q) z)^2>
    log_slope: Callable  # ln phi'(a), of a itself


def variances(gain, drives, activation="tanh", start=0.0):
    """q_t (T, ...) under the drives s_t (T, ...), t = 1..T; `start` is the mean square of h_0.

    gain and start broadcast against drives[0]. A q that overflows is inf.
    """
    mean_square = activation_of(activation).square
    q = []
    with np.errstate(over="ignore", invalid="ignore"):
        factor = np.square(gain)
        for drive in np.asarray(drives, dtype=float):
            q.append(factor * start + drive)
            start = mean_square(q[-1])
    return np.array(q)


def exponents(gain, drives, activation="tanh", start=0.0):
    """ln(chi_t)/2 (T, ...) of each step of a driven net; arguments as for `variances`.

    Its running mean over axis 0 is the largest Lyapunov exponent of every length; -inf for gain 0.
    """
    return _exponent(gain, variances(gain, drives, activation, start), activation)


def stationary_variance(gain, drive=0.0, activation="tanh"):
    """The q that repeats itself under a constant drive, elementwise; inf where it grows for ever.

    Without drive tanh has q = 0 up to gain 1 and, above it, the other, stable solution.
    """
    gain, drive = np.broadcast_arrays(np.asarray(gain, dtype=float), np.asarray(drive, dtype=float))
    kind = activation_of(activation)
    if activation in LINEAR_SHARE:
        lost = 1 - LINEAR_SHARE[activation] * gain**2
        return np.divide(drive, lost, out=np.where(drive > 0, np.inf, 0.0), where=lost > 0)

    def excess(q):
        return q - gain**2 * kind.square(q) - drive

    # <tanh^2> >= q - 2 q^2: at this q the excess is still negative, and 0 is left out
    low = np.maximum(drive, (1 - 1 / np.maximum(gain, 1) ** 2) / 2)
    return _first_root(excess, low, gain**2 + drive)


def largest_exponent(gain, drive=0.0, activation="tanh"):
    """ln(chi)/2, the largest Lyapunov exponent under a constant drive, elementwise."""
    return _exponent(gain, stationary_variance(gain, drive, activation), activation)


def mean_exponent(gain, drive=0.0, activation="tanh"):
    """ln g - 1/2 + <ln phi'>, the mean of all Lyapunov exponents, elementwise as above.

    -inf for ReLU, half of whose slopes are 0, and nan where q is infinite.
    """
    log_slope = activation_of(activation).log_slope

    def log_mean(q):
        a, weight = gaussian_nodes(q)
        return log_slope(a) @ weight

    q = stationary_variance(gain, drive, activation)
    with np.errstate(divide="ignore"):
        return np.log(gain) - 0.5 + elementwise(log_mean, q)


def elementwise(function, values):
    """function(float) of each of values, in their shape."""
    values = np.asarray(values, dtype=float)
    return np.array([function(value) for value in values.flat]).reshape(values.shape)


def gaussian_nodes(q):
    """(a, weight): the trapezoid rule for means over a = sqrt(q) z, exact to rounding.

    Its steps follow the narrower of the Gaussian and what changes with a; none is at 0.
    """
    r = np.sqrt(q)
    step = 0.1 / max(r, 1)
    z = step * (np.arange(round(9 / step)) + 0.5)
    weight = step * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return r * np.concatenate([-z[::-1], z]), np.concatenate([weight[::-1], weight])


def gradient_scale(exponent):
    """1/|ln chi| steps, in which a squared gradient changes by a factor e (inf on the edge)."""
    with np.errstate(divide="ignore"):
        return 1 / np.abs(2 * np.asarray(exponent))


def critical_gain(drive=0.0, activation="tanh"):
    """The gain at which chi = 1 under a constant drive, elementwise: 1 for tanh without one.

    chi = 1 says gain^2 = 1/<phi'^2>; put into the stationary q it leaves one equation in q.
    """
    kind, drive = activation_of(activation), np.asarray(drive, dtype=float)

    def excess(q):
        return q - kind.square(q) / kind.slope_square(q) - drive

    # <phi^2>/<phi'^2> < 16 sqrt(1 + q) for tanh and sigmoid, hence a sign change below this q;
    # identity and ReLU have one slope at every q
    q = _first_root(excess, np.zeros_like(drive), drive + 400 + 40 * np.sqrt(drive))
    return kind.slope_square(q) ** -0.5


def critical_gain_driven(drives, activation="tanh", start=0.0):
    """The gain at which the mean over time of ln(chi_t)/2 is 0, for drives s_t (T, ...)."""

    def growth(gain):
        return exponents(gain, drives, activation, start).mean(axis=0)

    shape = np.broadcast_shapes(np.shape(drives)[1:], np.shape(start))
    high = np.full(shape, 2 * critical_gain(0.0, activation))
    while (short := growth(high) < 0).any():
        high = np.where(short, 2 * high, high)
    return _first_root(growth, np.zeros(shape), high)


def activation_of(name):
    """What mean field knows of an activation. Raises UserError for an unknown name."""
    return ACTIVATIONS[one_of("activation", name, ACTIVATIONS)]


def _exponent(gain, q, activation):
    with np.errstate(divide="ignore"):
        return np.log(gain) + np.log(activation_of(activation).slope_square(q)) / 2


def _first_root(function, low, high, passes=12):
    """The first sign change from < 0 in [low, high], elementwise, to 2^-60 of the bracket."""
    for _ in range(passes):
        nodes = np.linspace(low, high, 33)
        above = function(nodes) >= 0
        above[-1] = True
        found = np.maximum(above.argmax(axis=0), 1)[None]
        low, high = (np.take_along_axis(nodes, found - side, axis=0)[0] for side in (1, 0))
    return low


@functools.cache
def _splines():
    """<tanh^2> (1 + q)/q and <sech^4> sqrt(1 + q) as splines in r/(1 + r), r = sqrt(q).

    So scaled both are smooth from q = 0 to infinity: 2,000 intervals leave a relative error below
    1e-13 (seen: 5e-14 against 30 digits). Their nodes: the trapezoid rule, exact to rounding, with
    steps that follow the narrower of the Gaussian (q < 1) and sech (q > 1).
    """
    position = np.linspace(0, 1 - 1e-8, 2001)
    r = position / (1 - position)
    step = 0.2 / np.maximum(r, 1)[:, None]
    z = step * np.arange(-100, 101)
    weight, x = step * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), r[:, None] * z
    far = 1 - (np.cosh(x) ** -2.0 * weight).sum(axis=1)
    square = np.where(r < 1, (np.tanh(x) ** 2 * weight).sum(axis=1), far)
    square[1:] *= 1 + r[1:] ** -2
    fourth = (np.cosh(x) ** -4.0 * weight).sum(axis=1) * np.sqrt(1 + r**2)
    square[0] = fourth[0] = 1
    return CubicSpline(position, square), CubicSpline(position, fourth)


def _tanh_square(q):
    r = np.sqrt(q)
    return _scaled_square(r / (1 + r)) * q / (1 + q)


def _scaled_square(position):
    """The first of `_splines` there: of one number, as a recursion asks, in a tenth of the time."""
    if isinstance(position, np.ndarray) or not 0 <= position < 1:
        return _splines()[0](position)
    starts, pieces = _pieces()
    piece = bisect.bisect_right(starts, position, hi=len(pieces)) - 1
    far = float(position) - starts[piece]
    cubic, square, slope, value = pieces[piece]
    return value + slope * far + square * (far * far) + cubic * (far * far * far)


@functools.cache
def _pieces():
    """Where the pieces of the first of `_splines` start, and their coefficients."""
    spline = _splines()[0]
    return spline.x.tolist(), spline.c.T.tolist()


def _sech_fourth(q):
    r = np.sqrt(q)
    return _splines()[1](r / (1 + r)) / np.sqrt(1 + q)


def _sigmoid_square(q):
    return (1 + _tanh_square(q / 4)) / 4  # sigmoid(x) = (1 + tanh(x/2))/2


def _log_sech_square(a):
    return 2 * (np.log(2) - np.abs(a) - np.log1p(np.exp(-2 * np.abs(a))))


def _linear(share, log_slope):
    return Activation(1.0, lambda q: share * q, lambda q: np.full_like(q, share), log_slope)


ACTIVATIONS = {
    "tanh": Activation(1.0, _tanh_square, _sech_fourth, _log_sech_square),
    "relu": _linear(LINEAR_SHARE["relu"], lambda a: np.where(a > 0, 0.0, -np.inf)),
    "sigmoid": Activation(
        0.25, _sigmoid_square, lambda q: _sech_fourth(q / 4) / 16,
        lambda a: _log_sech_square(a / 2) - np.log(4),
    ),
    "identity": _linear(LINEAR_SHARE["identity"], np.zeros_like),
}  # fmt: skip
