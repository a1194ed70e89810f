"""Thresholds that a log suggests, each with its source, and how many updates each would clip."""

from typing import NamedTuple

import numpy as np

RULE_OF_THUMB = (0.5, 10.0)  # times the mean norm: Pascanu, Mikolov and Bengio (ICML 2013)
AUTOCLIP = 0.1  # the quantile that did best in AutoClip (Seetharaman et al. 2020)
NET, LIMITER = 0.1, 0.5  # shares clipped, up to and from which a threshold is the one or the other
PILED, SAME = 0.05, 1e-4  # share of norms that are the largest one, and how far apart they may be
ROUND = 3  # powers of ten that are listed, at most


class Threshold(NamedTuple):
    """A threshold (nan: it changes from row to row), the share of finite norms >= it, its name."""

    value: float
    clipped: float
    name: str


def band(found):
    """(low, high) of the rule of thumb, by the mean of the finite norms."""
    return tuple(factor * found.mean for factor in RULE_OF_THUMB)


def share(log, threshold):
    """Share of the finite norms that the lectures' rule clips: n >= c. threshold: one, or each."""
    finite = np.isfinite(log.norm)
    hit = log.norm[finite] >= np.broadcast_to(threshold, log.norm.shape)[finite]
    return float(hit.mean()) if hit.size else np.nan


def logged(log):
    """The thresholds that the log's own column tells, row by row; None if it has none."""
    return log.threshold if np.isfinite(log.threshold).any() else None


def used(log, given=()):
    """The threshold that the words are about: the first given one, else the log's own, or None."""
    if len(given):
        return given[0]
    own = logged(log)
    if own is None:
        return None
    values = np.unique(own[np.isfinite(own)])
    return float(values[0]) if values.size == 1 else own


def named(log, found, given=()):
    """[Threshold] by their values: given ones, the log's, the rules', and round ones."""
    low, high = band(found)
    norms = log.norm[found.finite & (log.norm > 0)]
    listed = [(value, "given: --threshold") for value in given]
    own = used(log)
    if own is not None:
        single = isinstance(own, float)
        listed.append(
            (own, f"the log's own, {log.names['threshold']}{'' if single else ', varies'}")
        )
    known = [value for value, _ in listed if np.ndim(value) == 0]
    if norms.size:
        tenth = float(np.quantile(norms, AUTOCLIP))
        listed += [
            (tenth, "AutoClip: P10 of the norms so far (Seetharaman et al. 2020)"),
            (low, "rule of thumb from here: half the mean norm (Pascanu et al. 2013)"),
            (high, "to here: ten times the mean norm"),
            _quantile(log, found.p90, "P90", 0.1, "one update in ten"),
            _quantile(log, found.p99, "P99", 0.01, "one in a hundred"),
            *((value, "") for value in _round(norms) if value not in known),
        ]
    rows = [
        Threshold(value if isinstance(value, float) else np.nan, share(log, value), name)
        for value, name in listed
        if np.ndim(value) or np.isfinite(value) or name
    ]
    return sorted(rows, key=lambda row: (np.isnan(row.value), row.value))


def _quantile(log, value, name, expected, words):
    """(value, name): what it clips is said where it does, not where many norms are the same."""
    is_so = abs(share(log, value) - expected) <= expected / 2
    return value, f"{name}: clips {words}" if is_so else name


def _round(norms):
    """Powers of ten between the smallest and the largest norms, those around the median first."""
    low, high = np.log10([norms.min(), norms.max()])
    powers = np.arange(np.ceil(low), np.floor(high) + 1)
    middle = np.log10(np.quantile(norms, 0.5))
    near = sorted(powers, key=lambda power: abs(power - middle))[:ROUND]
    return [float(f"1e{int(power)}") for power in near]


def kind(clipped):
    """What a threshold is that clips such a share."""
    if clipped == 0:
        return "idle"
    return "net" if clipped <= NET else "limiter" if clipped >= LIMITER else "between"


def is_piled(log, found):
    """Whether the norms look as if they were taken after clipping: many are the largest one."""
    known = log.norm[found.finite]
    if known.size < 20 or not found.largest > 0 or found.median == found.largest == known.min():
        return False
    return float((known >= found.largest * (1 - SAME)).mean()) > PILED
