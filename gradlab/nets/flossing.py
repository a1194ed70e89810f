"""Gradient flossing: W is moved until its largest Lyapunov exponents are near 0 (Engelken 2023).

    Q_t R_t = J_t Q_{t-1},   J_t = diag(f'(a_t)) W,   lambda_i = mean over t of ln|R_t,ii|
    F = sum over i <= k of lambda_i^2

The exponents are those of the sequence itself, from the first k unit vectors on. dF/dW goes back
through QR (Seeger et al. 2017, 'Auto-differentiating linear algebra') and through the states, whose
slopes f' are part of J.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from gradlab.errors import UserError


class Flossing(NamedTuple):
    """F, its exponents (k,) a step in natural logarithms, the largest first, and dF/dW (N, N)."""

    value: float
    exponents: np.ndarray
    slope: np.ndarray


def flossing(net, x, count):
    """The `Flossing` of a tanh network's `count` largest exponents along x (T, D), from h_0 = 0.

    Raises UserError for another cell or activation, layers or directions, and for a count that is
    not from 1 to N.
    """
    _check(net, count)
    W, h = net.weights["W"], net.forward(x[:, None]).states[:, 0]
    slopes, Q = 1 - h[1:] ** 2, np.eye(len(W))[:, :count]
    turned, stretched = [Q], []
    for slope in slopes:
        Q, R = np.linalg.qr(slope[:, None] * (W @ Q))
        turned.append(Q)
        stretched.append(R)
    with np.errstate(divide="ignore"):
        exponents = np.log(np.abs([np.diag(R) for R in stretched])).mean(0)
    wanted = 2 * exponents / len(x)
    slope = _back(W, h, turned, stretched, wanted)
    return Flossing(float((exponents**2).sum()), exponents, slope)


def _back(W, h, turned, stretched, wanted):
    """dF/dW from dF/d ln|R_t,ii| = wanted (k,), the same at every t."""
    found, of_h, of_Q = np.zeros_like(W), np.zeros(len(W)), np.zeros_like(turned[0])
    for t in range(len(stretched), 0, -1):
        before, slope = turned[t - 1], 1 - h[t] ** 2
        of_J = _through_qr(turned[t], stretched[t - 1], of_Q, wanted)  # dF/d(J_t Q_{t-1})
        of_h = of_h - 2 * h[t] * (of_J * (W @ before)).sum(1)
        of_product, of_a = slope[:, None] * of_J, slope * of_h
        found += of_product @ before.T + np.outer(of_a, h[t - 1])
        of_Q, of_h = W.T @ of_product, W.T @ of_a
    return found


def _through_qr(Q, R, of_Q, of_logs):
    """dF/dA of A = Q R, from dF/dQ and dF/d ln|R_ii|."""
    M = np.diag(of_logs) - of_Q.T @ Q  # R (dF/dR)^T is diagonal here: dF/dR_ii = of_logs_i / R_ii
    lower = np.tril(M)
    whole = of_Q + Q @ (lower + np.tril(M, -1).T)
    return solve_triangular(R, whole.T).T


def _check(net, count):
    if net.cell != "elman" or net.activation != "tanh" or len(net.places) > 1:
        raise UserError("flossing needs one layer of cell elman with tanh, in one direction")
    if not 1 <= count <= net.hidden:
        raise UserError(f"exponents={count}: must be from 1 to the {net.hidden} units")
