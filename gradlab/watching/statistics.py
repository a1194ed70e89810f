"""What the norms of a log are like: quantiles, spikes, a trend; what is not finite is apart."""

from typing import NamedTuple

import numpy as np

from gradlab.watching.log import Log

WINDOW = 101  # updates of the running median
STEEP, LEAST = 3.5, 2.0  # robust z-score and factor above the median, from which on it is a spike
NORMAL = 0.6745  # MAD of a normal distribution, over its standard deviation
FEW = 20  # finite norms, below which neither spikes nor a trend are told
POINTS = 1000  # medians of as many stretches, through which the trend goes
QUANTILES = (0.5, 0.9, 0.99)


class Trend(NamedTuple):
    """Decades per update, and its 95 % interval."""

    slope: float
    low: float
    high: float


class Statistics(NamedTuple):
    """What `of` finds; updates are given by their place in the log.

    median, p90, p99, mean, largest   of the finite norms, zeros included; nan without any
    top         place of the largest one
    finite      where the norm is finite (bool, a row)
    zero        how many norms are 0
    nan, inf    places of the norms that are not finite
    usual       running median of the norm, nan where it is not known
    spikes      places of the spikes
    trend       of log10 norm, None if there are too few
    """

    median: float
    p90: float
    p99: float
    mean: float
    largest: float
    top: int
    finite: np.ndarray
    zero: int
    nan: np.ndarray
    inf: np.ndarray
    usual: np.ndarray
    spikes: np.ndarray
    trend: Trend | None


def of(log: Log) -> Statistics:
    """The statistics of a log.

    A spike is a norm at least twice the running median of the 101 updates around it whose robust
    z-score in log norm, 0.6745 (log n - median)/MAD, is above 3.5 (Iglewicz and Hoaglin 1993, How
    to Detect and Handle Outliers); medians are running ones over the same window (Hampel's
    filter). Norms that are 0 or not finite take no part. Of plain log-normal noise 6 in 10,000
    pass, for a median of 101 is itself uncertain.

    The trend is Theil's and Sen's slope of log10 norm over the updates with Sen's interval
    (scipy.stats.theilslopes), through the medians of 1,000 stretches where there are more updates.
    """
    finite = np.isfinite(log.norm)
    known = log.norm[finite]
    middle, p90, p99 = np.quantile(known, QUANTILES).tolist() if known.size else [np.nan] * 3
    rising = np.flatnonzero(finite & (log.norm > 0))
    usual, spikes = np.full(log.norm.size, np.nan), np.zeros(0, np.int64)
    if rising.size >= FEW:
        usual[rising], high = _running(log.norm[rising])
        spikes = rising[high]
    top = int(np.argmax(np.where(finite, log.norm, -1.0)))
    return Statistics(
        median=middle, p90=p90, p99=p99, mean=_mean(known),
        largest=float(log.norm[top]) if known.size else np.nan, top=top,
        finite=finite, zero=int((known == 0).sum()),
        nan=np.flatnonzero(np.isnan(log.norm)), inf=np.flatnonzero(np.isinf(log.norm)),
        usual=usual, spikes=spikes, trend=_trend(log, rising),
    )  # fmt: skip


def _running(norm):
    """(the running median, whether each is a spike)."""
    from scipy.ndimage import median_filter

    log10, width = np.log10(norm), min(WINDOW, norm.size - 1 + norm.size % 2)
    middle = median_filter(log10, width, mode="reflect")
    above = log10 - middle
    spread = median_filter(np.abs(above), width, mode="reflect")
    return 10.0**middle, (above >= np.log10(LEAST)) & (NORMAL * above > STEEP * spread)


def _trend(log, rising):
    if rising.size < FEW:
        return None
    from scipy.stats import theilslopes

    parts = np.array_split(rising, min(POINTS, rising.size))
    update = np.array([np.median(log.update[part]) for part in parts])
    log10 = np.array([np.median(np.log10(log.norm[part])) for part in parts])
    found = theilslopes(log10, update)
    return Trend(float(found.slope), float(found.low_slope), float(found.high_slope))


def _mean(values):
    """Of norms up to float64's largest, whose sum would be inf."""
    top = values.max(initial=0.0)
    return float(top * np.mean(values / top)) if top > 0 else (0.0 if values.size else np.nan)
