"""One twin for each public function of gradlab.theory: sampling or brute force, and how near.

A twin returns what theory says, what was found, the largest difference allowed (of the largest
number found), and plausible wrong theories, each of which must be further off than that.
Gaussian means are over strata with a random point in each: of 20,000 errors of 1e-4 at most.
"""

import functools
import inspect
import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import ndtri

from gradlab import theory
from gradlab.theory import dynamics, latch


def strata(count):
    """Normal numbers, one from each part of so many of equal weight."""
    return ndtri((np.arange(count) + np.random.default_rng(5).random(count)) / count)


Z, FEW = strata(20_000), strata(2_000)
PHI = {
    "tanh": (np.tanh, lambda a: np.cosh(a) ** -2.0),
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda a: np.cosh(a / 2) ** -2.0 / 4),
    "relu": (lambda a: np.maximum(a, 0), lambda a: (a > 0) * 1.0),
    "identity": (lambda a: a, np.ones_like),
}
DRIVES, START = np.array([0.3, 0.1, 2.0, 0.0, 1.0]), 0.25
STABLE = {"tanh": 1.8, "sigmoid": 6.0, "relu": 1.2, "identity": 0.8}  # gains of a finite q


class Twin(NamedTuple):
    theory: object
    found: object
    within: float
    wrong: dict


def mean_square(function, q, z=Z):
    """<f(sqrt(q) z)^2> over the sample."""
    return np.mean(function(np.sqrt(q) * z) ** 2)


def sampled(gain, drives, activation, start, z=Z):
    """(q_t, ln(chi_t)/2) of a net whose units are the sample."""
    phi, slope = PHI[activation]
    q, exponent = [], []
    for drive in drives:
        q.append(gain**2 * start + drive)
        start = mean_square(phi, q[-1], z)
        exponent.append(math.log(gain**2 * mean_square(slope, q[-1], z)) / 2)
    return np.array(q), np.array(exponent)


def settled(gain, drive, activation, z=Z):
    """(q, ln(chi)/2) after 80 steps of one drive."""
    q, exponent = sampled(gain, np.full(80, drive), activation, 1.0, z)
    return q[-1], exponent[-1]


def root(function, low, high):
    """Where a rising function passes 0, by 30 halvings."""
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) > 0 else (middle, high)
    return low


def variances(activation):
    gain = STABLE[activation]
    found, _ = sampled(gain, DRIVES, activation, START)
    return Twin(theory.variances(gain, DRIVES, activation, START), found, 1e-3, {
        "gain for gain^2": theory.variances(math.sqrt(gain), DRIVES, activation, START),
        "sd for variance": theory.variances(gain, np.sqrt(DRIVES), activation, START),
        "no start": theory.variances(gain, DRIVES, activation),
        "a step late": np.roll(theory.variances(gain, DRIVES, activation, START), 1),
    })  # fmt: skip


def exponents(activation):
    gain = STABLE[activation]
    _, found = sampled(gain, DRIVES, activation, START)
    right = theory.exponents(gain, DRIVES, activation, START)
    wrong = {"ln(chi)": 2 * right, "gain^2": right + math.log(gain)}
    if activation in ("tanh", "sigmoid"):  # the others have one slope at every q
        wrong["sd for variance"] = theory.exponents(gain, np.sqrt(DRIVES), activation, START)
        wrong["a step late"] = np.roll(right, 1)
    return Twin(right, found, 1e-3, wrong)


def stationary_variance(activation):
    gain = STABLE[activation]
    right = theory.stationary_variance(gain, 0.2, activation)
    return Twin(right, settled(gain, 0.2, activation)[0], 1e-3, {
        "no drive": theory.stationary_variance(gain, 0.0, activation),
        "sd for variance": theory.stationary_variance(gain, math.sqrt(0.2), activation),
        "its root": math.sqrt(right),
    })  # fmt: skip


def largest_exponent(activation):
    gain = STABLE[activation]
    right = theory.largest_exponent(gain, 0.2, activation)
    wrong = {"ln(chi)": 2 * right, "ln(gain)": math.log(gain)}
    if activation in ("tanh", "sigmoid"):
        wrong["no drive"] = theory.largest_exponent(gain, 0.0, activation)
    if activation == "identity":
        del wrong["ln(gain)"]  # is right
    return Twin(right, settled(gain, 0.2, activation)[1], 2e-3, wrong)


def critical_gain(activation):
    wrong = {"its square": theory.critical_gain(0.2, activation) ** 2}
    if activation in ("tanh", "sigmoid"):
        wrong["no drive"] = theory.critical_gain(0.0, activation)
        found = root(lambda gain: settled(gain, 0.2, activation, FEW)[1], 0.5, 40.0)
    else:  # q grows for ever on the edge: one step is all
        found = root(lambda gain: sampled(gain, [0.2], activation, 0.0)[1][0], 0.5, 40.0)
    if activation == "identity":
        wrong = {"sqrt(2)": math.sqrt(2)}
    return Twin(theory.critical_gain(0.2, activation), found, 1e-3, wrong)


def critical_gain_driven(activation):
    found = root(lambda gain: sampled(gain, DRIVES, activation, START)[1].mean(), 0.3, 40.0)
    right = theory.critical_gain_driven(DRIVES, activation, START)
    wrong = {"twice": 2 * right}
    if activation in ("tanh", "sigmoid"):
        wrong["no drive"] = theory.critical_gain_driven(0 * DRIVES, activation, START)
        wrong["sd for variance"] = theory.critical_gain_driven(np.sqrt(DRIVES), activation, START)
    return Twin(right, found, 1e-4, wrong)


def activations(activation):
    kind, (phi, slope) = theory.ACTIVATIONS[activation], PHI[activation]
    q = np.array([0.01, 1.0, 30.0])
    found = [[mean_square(f, one) for one in q] for f in (phi, slope)]
    steepest = np.abs(np.diff(phi(Z)) / np.diff(Z))[100:-100].max()
    right = np.concatenate([kind.square(q), kind.slope_square(q), [kind.steepest]])
    wrong = {"q^2": np.concatenate([kind.square(q**2), kind.slope_square(q), [kind.steepest]])}
    if activation in ("tanh", "sigmoid"):
        wrong["<f'>^2"] = np.concatenate([
            kind.square(q), [np.mean(slope(np.sqrt(one) * Z)) ** 2 for one in q], [kind.steepest]
        ])  # fmt: skip
    # of ReLU one interval in 20,000 holds the step of its slope
    return Twin(right, np.array([*found[0], *found[1], steepest]), 1e-3, wrong)


def gradient_scale():
    """Steps until a squared gradient that changes by chi a step has changed by a factor e."""
    steps = np.linspace(0, 50, 500_001)
    rates = np.array([-0.3, 0.02, 0.4])
    found = [steps[(np.abs(np.log(np.exp(2 * r) ** steps)) >= 1).argmax()] for r in rates]
    right = theory.gradient_scale(rates)
    return Twin(right, found, 1e-4, {"of the gradient itself": 2 * right})


def drawn(size, gain):
    """A gaussian W."""
    return np.random.default_rng(6).normal(0, gain / math.sqrt(size), (size, size))


def directions(count, size):
    """Unit vectors (count, size), spread evenly."""
    v = np.random.default_rng(7).standard_normal((count, size))
    return v / np.linalg.norm(v, axis=1)[:, None]


def log_norm_of_power(W, doublings):
    """ln ||W^(2^doublings)||, squared again and again."""
    log = 0.0
    for _ in range(doublings):
        W = W @ W
        size = np.linalg.norm(W)
        W, log = W / size, 2 * log + math.log(size)
    return log


def eigenvalue_rate():
    W = drawn(20, 3.0)
    radius = np.abs(np.linalg.eigvals(W)).max()
    found = log_norm_of_power(W, 14) / 2**14 / math.log(10)
    return Twin(theory.eigenvalue_rate(radius), found, 5e-3, {
        "the singular value for it": theory.eigenvalue_rate(np.linalg.norm(W, 2)),
        "in natural logarithms": math.log(radius),
    })  # fmt: skip


def singular_bound(activation):
    """The most that a step back changes norms by, of random vectors and pre-activations."""
    W = drawn(2, 10.0)
    slopes = PHI[activation][1](Z / 100).max()
    found = np.log10(slopes * np.linalg.norm(directions(100_000, 2) @ W, axis=1).max())
    right = theory.singular_bound(np.linalg.norm(W, 2), activation)
    assert found <= right + 1e-12
    radius = np.abs(np.linalg.eigvals(W)).max()
    return Twin(right, found, 1e-4, {
        "the eigenvalue for it": theory.singular_bound(radius, activation),
        "the Frobenius norm": theory.singular_bound(np.linalg.norm(W), activation),
    })  # fmt: skip


def weight_gain():
    """||W v||^2, mean over unit vectors v: 40,000 of them, 0.3 % of it each."""
    W = drawn(20, 1.7)
    found = math.sqrt(np.square(directions(40_000, 20) @ W.T).sum(1).mean())
    return Twin(theory.weight_gain(W), found, 0.01, {
        "the radius": np.abs(np.linalg.eigvals(W)).max(),
        "the singular value": np.linalg.norm(W, 2),
        "no square root": theory.weight_gain(W) ** 2,
    })  # fmt: skip


def mean_exponent():
    """ln|det(D W)|/N: the mean of ln|det W| over ten gaussian W, and that of ln phi' over a."""
    kinds = ("tanh", "sigmoid", "identity")
    draws = [np.random.default_rng(i).normal(0, 1 / math.sqrt(300), (300, 300)) for i in range(10)]
    of_W = np.mean([np.linalg.slogdet(W)[1] / 300 for W in draws])
    found = []
    for kind in kinds:
        q = settled(STABLE[kind], 0.2, kind)[0]
        of_slopes = np.mean(np.log(PHI[kind][1](np.sqrt(q) * Z)))
        found.append(math.log(STABLE[kind]) + of_W + of_slopes)
    right = np.array([theory.mean_exponent(STABLE[kind], 0.2, kind) for kind in kinds])
    wrong = {"without -1/2": right + 0.5, "twice": 2 * right}
    return Twin(right, np.array(found), 0.01, wrong)


@functools.cache
def exponents_of_products():
    """Lyapunov exponents of 100 units, gain 3: another W and other slopes of q at each step."""
    stream, units = np.random.default_rng(8), 100
    deviation = math.sqrt(settled(3.0, 0.0, "tanh")[0])
    Q, logs = np.eye(units), np.zeros(units)
    for step in range(140):
        slopes = PHI["tanh"][1](stream.normal(0, deviation, units))
        W = stream.normal(0, 3 / math.sqrt(units), (units, units))
        Q, R = np.linalg.qr(slopes[:, None] * (W @ Q))
        logs += np.log(np.abs(np.diag(R))) * (step >= 20)
    return logs / 120


def spectrum():
    shares, found = (np.arange(100) + 0.5)[:87] / 100, exponents_of_products()[:87]
    right = theory.spectrum(shares, 3.0)
    late = theory.spectrum(shares + 0.1, 3.0)
    return Twin(right, found, 0.05, {
        "the triangular law": np.log(9 * (1 - shares)) / 2, "a tenth later": late,
    })  # fmt: skip


def entropy():
    found = np.maximum(exponents_of_products(), 0).sum() / 100
    right = theory.entropy(3.0)
    wrong = {"of the mean exponent": abs(theory.mean_exponent(3.0)), "of gain 2": theory.entropy(2)}
    return Twin(right, found, 0.04, wrong)


def dimension():
    """The share up to which the exponents add up to 0."""
    total = np.cumsum(exponents_of_products())
    below = (total < 0).argmax()
    found = (below + total[below - 1] / (total[below - 1] - total[below])) / 100
    right = theory.dimension(3.0)
    return Twin(right, found, 0.03, {"the share of positive ones": right / 2, "all": 1.0})


@functools.cache
def latched(w=1.5, noise=0.4, steps=12, paths=200_000):
    """(share of 200,000 units that keep their bit, mean of log10 of their slopes)."""
    stream, h, logs = np.random.default_rng(9), np.full(paths, 0.8), 0.0
    for _ in range(steps):
        h = np.tanh(w * h + noise * stream.standard_normal(paths))
        logs += np.log10(w * (1 - h**2)).mean()
    return (h > 0).mean(), logs / steps


def kept():
    right = latch.kept(1.5, 0.4, 12)
    wrong = {
        "variance for sd": latch.kept(1.5, 0.16, 12),
        "half the steps": latch.kept(1.5, 0.4, 6),
    }
    return Twin(right, latched()[0], 5e-3, wrong)


def decades():
    wrong = {"variance for sd": latch.decades(1.5, 0.16, 12), "no w": latch.decades(1.5, 0.4, 12)
             - math.log10(1.5)}  # fmt: skip
    return Twin(latch.decades(1.5, 0.4, 12), latched()[1], 5e-3, wrong)


def bearable():
    """The largest e that 20,000 steps of a = w tanh(a) - e, from w, survive above 0."""

    def lost(e):
        a = 1.5
        for _ in range(20_000):
            a = 1.5 * math.tanh(a) - e
            if a < 0:
                return 1.0
        return -1.0

    right = latch.bearable(1.5)
    return Twin(right, root(lost, 0.0, 1.0), 1e-3, {"w - 1": 0.5, "twice": 2 * right})


def turning(state, time):
    return np.array([state[1] * time, -state[0] + time**2])


def euler():
    times, states = np.array([0.0, 0.3, 0.4, 1.0]), [np.array([1.0, -0.5])]
    for now, after in itertools.pairwise(times):
        x, y = states[-1]
        states.append(np.array([x + (after - now) * y * now, y + (after - now) * (now**2 - x)]))
    right = dynamics.euler(turning, [1.0, -0.5], times)
    late = dynamics.euler(lambda s, t: turning(s, t + 0.1), [1.0, -0.5], times)
    return Twin(right, np.array(states), 1e-14, {"times of a step's end": late})


def rk4():
    """s' = a s is multiplied by Taylor's polynomial of exp(a h) of order 4."""
    steps = np.array([0.3, 0.1, 0.6])
    times = np.concatenate([[0], np.cumsum(steps)])
    factors = {n: [sum((0.9 * h) ** i / math.factorial(i) for i in range(n + 1)) for h in steps]
               for n in (3, 4, 5)}  # fmt: skip
    grown = {n: np.concatenate([[1], np.cumprod(factor)]) for n, factor in factors.items()}
    right = dynamics.rk4(lambda s, t: 0.9 * s, 1.0, times)
    return Twin(right, grown[4], 1e-14, {"order 3": grown[3], "order 5": grown[5]})


MASS, DAMPING, STIFFNESS = 2.0, 0.3, 5.0


def newton(position, velocity, force=0.0):
    """(x', v') of m x'' = F - eta x' - k x."""
    return np.array([velocity, (force - DAMPING * velocity - STIFFNESS * position) / MASS])


def oscillator_matrix():
    found = np.column_stack([newton(1.0, 0.0), newton(0.0, 1.0)])
    right = dynamics.oscillator_matrix(MASS, DAMPING, STIFFNESS)
    return Twin(right, found, 1e-15, {
        "no mass": dynamics.oscillator_matrix(1.0, DAMPING, STIFFNESS), "its transpose": right.T,
    })  # fmt: skip


def oscillator():
    g = dynamics.oscillator(math.cos, MASS, DAMPING, STIFFNESS)
    found, state = newton(0.7, -0.2, math.cos(1.3)), np.array([0.7, -0.2])
    unforced = dynamics.oscillator_matrix(MASS, DAMPING, STIFFNESS) @ state
    return Twin(g(state, 1.3), found, 1e-15, {"no force": unforced})


def oscillator_cell():
    """A step of Euler's from each unit state, and from rest under a force of 1."""
    constants = (MASS, DAMPING, STIFFNESS)
    columns = [np.eye(2)[i] + 0.1 * newton(*np.eye(2)[i]) for i in (0, 1)]
    found = np.column_stack([*columns, 0.1 * newton(0.0, 0.0, 1.0)])
    W, U = dynamics.oscillator_cell(0.1, *constants)
    later = dynamics.oscillator_cell(0.2, *constants)
    return Twin(np.hstack([W, U]), found, 1e-15, {
        "W^T": np.hstack([W.T, U]), "no mass under the force": np.hstack([W, U * MASS]),
        "two steps": np.hstack(later),
    })  # fmt: skip


def stability_limit():
    """The dt from which on (1 + dt A)^65536 is beyond 1000: |eigenvalue| is above 1.0001."""
    A = drawn(4, 1.0) - 1.5 * np.eye(4)

    def growth(dt):
        return log_norm_of_power(np.eye(4) + dt * A, 16) - math.log(1e3)

    right = dynamics.stability_limit(A)
    return Twin(right, root(growth, 0.01, 20.0), 1e-3, {
        "of the largest |eigenvalue|": 1 / np.abs(np.linalg.eigvals(A)).max(),
        "half": right / 2,
    })  # fmt: skip


def pendulum():
    """theta'' is minus the slope of the energy 1 - cos(theta), by a complex step."""
    angle, tiny = 1.1, 1e-30
    found = np.array([0.4, (np.cos(angle + 1j * tiny)).imag / tiny])
    wrong = {"small angles": np.array([0.4, -angle]), "sign": -found}
    return Twin(dynamics.pendulum([angle, 0.4], 0.0), found, 1e-14, wrong)


def van_der_pol():
    """Lienard: x'' + x is the slope in time of mu (x - x^3/3), by a complex step."""
    x, v, tiny = 1.4, -0.6, 1e-30
    moved = x + 1j * tiny * v
    found = np.array([v, 0.7 * (moved - moved**3 / 3).imag / tiny - x])
    wrong = {"mu = 1": dynamics.van_der_pol([x, v], 0.0)}
    return Twin(dynamics.van_der_pol([x, v], 0.0, mu=0.7), found, 1e-14, wrong)


EACH = {  # of every activation
    "variances": variances,
    "exponents": exponents,
    "stationary_variance": stationary_variance,
    "largest_exponent": largest_exponent,
    "critical_gain": critical_gain,
    "critical_gain_driven": critical_gain_driven,
    "singular_bound": singular_bound,
    "ACTIVATIONS": activations,
}
ALONE = {
    "gradient_scale": gradient_scale,
    "eigenvalue_rate": eigenvalue_rate,
    "weight_gain": weight_gain,
    "mean_exponent": mean_exponent,
    "spectrum": spectrum,
    "entropy": entropy,
    "dimension": dimension,
    "kept": kept,
    "decades": decades,
    "bearable": bearable,
    "euler": euler,
    "rk4": rk4,
    "oscillator_matrix": oscillator_matrix,
    "oscillator": oscillator,
    "oscillator_cell": oscillator_cell,
    "stability_limit": stability_limit,
    "pendulum": pendulum,
    "van_der_pol": van_der_pol,
}
CASES = [(name, activation) for name in EACH for activation in PHI] + [(n, None) for n in ALONE]


def test_every_public_function_has_a_twin():
    public = {
        name
        for module in (dynamics, latch)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    assert {*EACH, *ALONE} == {*theory.__all__, *public}
    assert set(PHI) == set(theory.ACTIVATIONS)


@pytest.mark.parametrize(("name", "activation"), CASES)
def test_theory_is_what_its_twin_finds(name, activation):
    twin = ALONE[name]() if activation is None else EACH[name](activation)
    assert off(twin.theory, twin.found) <= twin.within
    for words, wrong in twin.wrong.items():
        assert off(wrong, twin.found) > 2 * twin.within, words
    assert twin.wrong


def off(one, other):
    """The largest difference, over the largest number."""
    return np.abs(np.subtract(one, other)).max() / np.abs(other).max()
