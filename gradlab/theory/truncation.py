"""How far back truncated backpropagation must reach: Aicher, Foti and Fox (UAI 2019).

phi_k is the mean norm of dL_s/dh_{s-k}, the gradient of one step's loss k steps before it. Beyond
lag tau the gradient is taken to fall by a factor beta < 1 a step, so that what a window of K steps
leaves out, the lags k >= K, is at most

    e(K) = sum of phi_k for K <= k < tau  +  phi_tau / (1 - beta)       K < tau
           phi_tau beta^(K - tau) / (1 - beta)                          K >= tau

The whole gradient is at least the largest of g_k - e(k), g_k the norm of what the first k lags add
up to, so that the relative bias of a window is at most

    delta(K) = e(K) / max over k of (g_k - e(k))

K is the smallest window whose delta(K) is below the tolerance (their adaptive K).
As their program may, g_k is taken as the sum of phi_j for j < k; beta is its ordinary least-squares
fit of ln phi from tau on. Unlike there, where ln phi below -50 counts as nothing, phi is given by
its logarithm: there is no floor. Where beta >= 1 no window is short enough.
"""

import numpy as np

BIAS = 0.1  # of the tolerances of their experiments (0.9, 0.5, 0.1) the strictest


def window(log_phi, bias=BIAS, tau=None):
    """The smallest window K (steps) whose relative bias is below `bias`; nan if none is known.

    log_phi (L,): ln phi_k of the lags k = 0 to L - 1, -inf for a gradient that is exactly zero;
    tau: the lag from which on the fall is fitted, half of the lags unless given.
    """
    log_bias = log_relative_bias(log_phi, tau)
    short = np.flatnonzero(log_bias < np.log(bias))
    return float(short[0]) if short.size else np.nan


def log_relative_bias(log_phi, tau=None):
    """ln delta(K) of the windows K = 0 to L (L + 1,); inf where nothing bounds it."""
    log_phi = np.asarray(log_phi, dtype=np.float64)
    lags = len(log_phi)
    if not np.isfinite(log_phi[0]) or np.isnan(log_phi).any() or np.isposinf(log_phi).any():
        return np.full(lags + 1, np.inf)
    tau = max(lags // 2, 1) if tau is None else int(tau)
    error = _log_error(log_phi, min(tau, lags - 1))
    known = np.concatenate([[-np.inf], np.logaddexp.accumulate(log_phi)])  # ln g_K
    sure = known > error
    with np.errstate(divide="ignore"):
        least = np.where(
            sure, known + np.log1p(-np.exp(np.where(sure, error - known, -1.0))), -np.inf
        )
    whole = least.max()
    return np.full(lags + 1, np.inf) if np.isneginf(whole) else error - whole


def log_slope(log_phi, tau):
    """ln beta: the least-squares slope of ln phi from lag tau on; -inf where it ends in zeros."""
    tail = np.asarray(log_phi[tau:], dtype=np.float64)
    known = np.flatnonzero(np.isfinite(tail))
    if known.size < 2:
        return -np.inf
    return float(np.polyfit(known, tail[known], 1)[0])


def _log_error(log_phi, tau):
    """ln e(K) for K = 0 to L."""
    lags, slope = len(log_phi), log_slope(log_phi, tau)
    if slope >= 0:
        return np.full(lags + 1, np.inf)
    tail = log_phi[tau] - np.log(-np.expm1(slope))  # exp of a slope of -1e-17 is 1
    sums = np.logaddexp.accumulate(np.append(tail, log_phi[:tau][::-1]))[::-1]  # K = 0 to tau
    beyond = np.arange(1, lags - tau + 1)
    with np.errstate(invalid="ignore"):
        fall = slope * beyond
    return np.concatenate([sums, tail + np.where(np.isneginf(fall), -np.inf, fall)])
