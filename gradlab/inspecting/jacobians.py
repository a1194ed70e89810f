"""How dh_T/dh_k stretches along a pass, from products with its transpose: no loss, no targets.

    v^T dh_T/dh_k = v^T J_T J_{T-1} ... J_{k+1}

For unit vectors v the mean of its squared length is ||dh_T/dh_k||_F^2 / N, the mean square of the
N singular values: exact where v runs through a whole basis, else from p orthonormal random ones
(Hutchinson 1990). The vectors are lanes of one backward pass, whose exponents are counted: nothing
under- or overflows. Of an LSTM dh_T/dc_k likewise.
"""

from typing import NamedTuple

import numpy as np

from gradlab.nets import bptt, lyapunov
from gradlab.nets.exponents import log2_mean, log2_sum, plain
from gradlab.threads import each, one_blas_thread

LANES = 1024  # vectors of all sequences together, at most
WORK = 3e11  # multiplications of the way back, at most
# Units up to which singular values are those of the whole matrix: of 200 units, 16 rows show a
# largest one that is 4 times too small. 512 take some 2 s.
WHOLE = 512
ROWS = 16  # random vectors above that, for a lower bound
BLOCKS = 10
LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class Stretch(NamedTuple):
    """Of one layer and direction; lag T - k from 0.

    log2      {"h": (T+1,), "c": ...}: log2 of the root mean square of the singular values
    exponent  largest Lyapunov exponent, natural logarithms a step, and its standard error
    lags, largest, median   singular values of dh_T/dh_k of the first sequence, log2; where not all
              directions were followed the largest is a lower bound and the median is nan
    exact     whether all N directions were
    """

    log2: dict
    exponent: tuple[float, float]
    lags: np.ndarray
    largest: np.ndarray
    median: np.ndarray
    exact: bool


def of(chains, parts, seed=0):
    """The `Stretch` of a pass; chains: one a group of sequences; parts: of its state, by name."""
    logs, log2, exact = by_lag(chains, parts, seed)
    total = log2_sum([2 * one for one in logs.values()])
    passed, steps = chains[0].passed, len(chains[0].x)
    size = passed.trace.state.shape[2] // len(parts)
    with one_blas_thread():
        found = _singular(passed, steps, size, seed)
    return Stretch(log2, _exponent(total / 2), *found, exact)


def by_lag(chains, parts, seed=0):
    """({part: log2 of each vector's length (T+1, L)}, {part: of their root mean square}, exact)."""
    passed, steps = chains[0].passed, len(chains[0].x)
    units = passed.trace.state.shape[2] // len(parts)
    probes = _probes(passed, steps, sum(len(one.lengths) for one in chains), units)
    vectors = _vectors(units, probes, seed)
    found = each(lambda chain: _lengths(chain.passed, vectors, len(parts)), chains)
    logs = {name: np.concatenate([own[i] for own in found], 1) for i, name in enumerate(parts)}
    return logs, {name: log2_mean(2 * one, 1) / 2 for name, one in logs.items()}, probes == units


def _lengths(passed, vectors, parts):
    """[log2 of the lengths (T+1, L) by lag] of each part of the state."""
    steps, (lanes, size) = len(passed.trace.saved), passed.trace.state.shape[1:]
    if not np.isfinite(passed.trace.state).all():
        return [np.full((steps + 1, len(vectors) * lanes), np.nan)] * parts
    head = np.zeros((len(vectors) * lanes, size), passed.trace.state.dtype)
    head[:, : size // parts] = np.repeat(vectors, lanes, axis=0)
    adjoint = bptt.back(passed, np.full(len(head), steps), head)
    return [bptt.log2_norms(adjoint, i)[::-1] for i in range(parts)]


def _probes(passed, steps, lanes, units):
    """Vectors a sequence: all N where that is little work."""
    afford = WORK / (2 * steps * passed.weights.recurrent.size)
    most = int(min(LANES, afford) // lanes)
    return units if units <= most else max(1, min(most, units))


def _vectors(units, count, seed):
    """(count, units): orthonormal rows, the unit matrix if there are so many."""
    if count == units:
        return np.eye(units)
    drawn = np.random.default_rng(seed).standard_normal((units, count))
    return np.linalg.qr(drawn)[0].T


def _exponent(log2):
    """(value, standard error) a step from log2 of the length (T+1, L) by lag.

    The slope of ln of the length (Benettin et al. 1980, backwards in time), in blocks; the first
    tenth, in which vectors turn into their places, and the last, in which states settle, are left
    out.
    """
    steps = len(log2) - 1
    edge = steps // 10
    length = (steps - 2 * edge) // BLOCKS
    if length < 1:
        return np.nan, np.nan
    at = edge + length * np.arange(BLOCKS + 1)
    if np.isneginf(log2[at]).all(1).any():
        return -np.inf, 0.0
    with np.errstate(invalid="ignore"):
        rates = np.diff(log2[at], axis=0) * np.log(2) / length
    means = rates[np.isfinite(rates)]
    if not means.size:
        return np.nan, np.nan
    block = np.nanmean(np.where(np.isfinite(rates), rates, np.nan), axis=1)
    return float(means.mean()), float(block.std(ddof=1) / len(block) ** 0.5)


def _singular(passed, steps, units, seed):
    """(lags, log2 of the largest, of the median) singular values, of the first sequence."""
    count = units if units <= WHOLE else ROWS
    if passed.weights.recurrent.size * steps * count > WORK:
        count = max(1, int(WORK / (passed.weights.recurrent.size * steps)))
    run, lags = lyapunov.lane(passed, 0), np.array([lag for lag in (*LAGS, steps) if lag <= steps])
    lags = np.unique(lags)
    rows = np.zeros((count, run.trace.state.shape[2]), run.trace.state.dtype)
    rows[:, :units] = _vectors(units, count, seed)
    before, level, largest, median = 0, 0, [], []
    for lag in lags:
        rows, exponent = lyapunov.through(run, steps - lag, steps - before, rows)
        before, level = int(lag), level + exponent
        values = _values(rows[:, :units])
        with np.errstate(divide="ignore", invalid="ignore"):
            largest.append(np.log2(values[0]) + level)
            middle = values[(len(values) - 1) // 2] if count == units else np.nan
            seen = middle > len(values) * np.finfo(rows.dtype).eps * values[0]
            median.append(np.log2(middle) + level if seen else np.nan)
        top = float(np.abs(rows).max())
        if np.isfinite(top) and top > 0:
            shift = int(np.frexp(top)[1])
            rows, level = plain(rows, -shift), level + shift
    return lags, np.array(largest), np.array(median)


def _values(matrix):
    if not np.isfinite(matrix).all():
        return np.full(len(matrix), np.nan)
    return np.linalg.svd(matrix, compute_uv=False)
