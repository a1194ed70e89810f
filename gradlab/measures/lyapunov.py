"""Lyapunov exponents of tanh networks without input, W of independent gaussian entries."""

import math

import numpy as np

from gradlab import theory
from gradlab.errors import UserError
from gradlab.measures.setting import constant
from gradlab.nets import draws, lyapunov, statuses
from gradlab.nets.network import Network

SETTLE = 100  # steps in which states and perturbations settle; a quarter of shorter sequences
PERCENT = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99)
COLUMNS = {
    "gain": "g: the entries of W are N(0, g^2/N)",
    "followed": "share of the N exponents that are followed, from the largest on",
    "largest_exponent": "largest Lyapunov exponent (1/step)",
    "largest_error": "its standard error, by blocks of time (1/step)",
    "mean_exponent": "mean of all N, by ln|det W| and the slopes of all units (1/step)",
    "spectrum_mean": "mean of all N by QR; nan unless all are followed (1/step)",
    "determinant_mean": "mean of ln|det J_t|/N by LU of each Jacobian; nan likewise (1/step)",
    "dimension": "Kaplan and Yorke's dimension over N",
    "entropy": "sum of the positive exponents over N (1/step)",
    "exponent_pN": "exponent number N % of all, from the largest; nan if not followed (1/step)",
    "log_radius": "ln of the spectral radius of W (1/step)",
}


def measure(block):
    """One row a network h_t = tanh(W h_{t-1}), h_0 ~ N(0, 1), of a block that shares its draw of W.

    Exponents are those of `gradlab.lyapunov` after SETTLE steps. The mean exponent is also taken
    by ln|det J_t| = ln|det W| + sum over units of ln(1 - tanh^2), with the slopes of the
    pre-activations a_t: floats lose 1 - h^2 where a unit is saturated, and with it the smallest
    exponents. status: ok, zero (W is 0), nan.
    """
    hidden, steps = constant(block, "hidden_size"), constant(block, "sequence_length")
    count = _count(hidden, constant(block, "followed"))
    stream = draws.stream(seed=constant(block, "seed"), hidden_size=hidden)
    W, h0 = draws.recurrent(stream, hidden), stream.standard_normal(hidden)
    radius = draws.spectral_radius(W)
    rows = [_network(gain * W, h0, steps, count) for gain in block.points["gain"].astype(float)]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    with np.errstate(divide="ignore"):
        columns["log_radius"] = np.log(block.points["gain"]) + math.log(radius)
    largest = columns["largest_exponent"]
    kinds = np.where(np.isnan(largest), statuses.NAN, statuses.OK)
    return columns | {"status": np.where(np.isneginf(largest), statuses.ZERO, kinds)}


def estimate(block):
    """(seconds, bytes) of one worker: products at 20 GFlop/s, QRs, and calls."""
    hidden, steps = constant(block, "hidden_size"), constant(block, "sequence_length")
    count = _count(hidden, constant(block, "followed"))
    step = 2e-4 + (2 * hidden**2 * count + 2 * hidden * count**2) / 20e9
    return len(block) * steps * step, 8 * hidden * (4 * steps + 6 * hidden)


def _count(hidden, followed):
    if not 0 < followed <= 1:
        raise UserError(f"followed={followed:g}: must be a share of the exponents, above 0 up to 1")
    return math.ceil(followed * hidden)


def _network(W, h0, steps, count):
    """One row: the columns of one network."""
    size, settle = len(W), min(SETTLE, steps // 4)
    nothing = {"U": np.zeros((size, 1)), "b": np.zeros(size), "V": np.zeros((1, size))}
    net, x = Network({"W": W, "c": np.zeros(1), **nothing}), np.zeros((steps, 1, 1))
    found = lyapunov.lyapunov(net, x, count, h0=h0, discard=settle)
    a = net.forward(x, h0).states[settle:-1, 0] @ W.T
    slopes = theory.ACTIVATIONS["tanh"].log_slope(a)
    return {
        "largest_exponent": found.values[0],
        "largest_error": found.errors[0],
        "mean_exponent": np.linalg.slogdet(W)[1] / size + slopes.mean(),
        "spectrum_mean": found.mean,
        "determinant_mean": found.log_determinant,
        "dimension": found.dimension / size,
        "entropy": found.entropy / size,
    } | _at_shares(found.values, size)


def _at_shares(values, size):
    """Exponents at PERCENT of all, between their ranks' middles; nan beyond those there are."""
    ranks = np.maximum(np.array(PERCENT) * size / 100 - 0.5, 0)
    found = np.interp(ranks, np.arange(len(values)), values, right=np.nan)
    return {f"exponent_p{percent}": at for percent, at in zip(PERCENT, found, strict=True)}
