"""Updates until a training solves its task, as a survival time that is cut off at its budget.

A training that is not solved says only that it takes longer than its budget: a mean or a median
over those that are solved would leave out the slow ones. The estimate of Kaplan and Meier (1958)
counts both. The columns are `solved` (1 or 0), `updates_done` and `updates` (the budget); one that
diverged is not solved within any budget, and one that failed (`solved` is nan) is left out: nobody
knows. All statistics are SciPy's.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

from gradlab.suite.controls import Control
from gradlab.suite.frames import NotMeasured, described, rows, wilson
from gradlab.suite.readings import Reading

RESAMPLES = 2000  # of a bootstrap


class Curve(NamedTuple):
    """Share solved after so many updates, with the ends of its 95 % interval."""

    updates: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def times(frame):
    """(updates until solved, or the budget; whether it was solved) of each training.

    nan, and not solved, for one that failed.
    """
    solved = frame.solved.to_numpy(float)
    spent = np.where(solved == 1, frame.updates_done, frame.updates).astype(float)
    return np.where(np.isnan(solved), np.nan, spent), solved == 1


def until(frame):
    """Updates until each training is solved; inf for one that is not within its budget.

    nan for one that failed.
    """
    return frame.updates_done.where(frame.solved == 1, math.inf).where(frame.solved.notna())


def fastest(frame, over, by):
    """{(values of the columns `by`): the value of `over` whose trainings are solved soonest}.

    By the mean of the updates, in which an unsolved training counts with its budget (the mean
    survival time restricted to the budget); where none is solved, by the loss at the end: one that
    is not finite is the worst.
    """
    frame = frame[frame.solved.notna()]
    frame = frame.assign(_until=times(frame)[0], _loss=frame.relative_loss.fillna(math.inf))
    means = frame.groupby([*by, over])[["_until", "_loss"]].mean()
    ranked = means.sort_values(["_until", "_loss"], kind="stable")
    return {key: own.index[0][-1] for key, own in ranked.groupby(list(by))}


def first_reached(frame, reached, keys):
    """One row a training of a table of many rows each: the first update at which it got there.

    reached   whether each row did; keys: the columns that tell trainings apart. The budget is the
              last update of all. Rows of status error are left out.
    """
    if "status" in frame:
        frame = frame[frame.status != "error"]
    end, hits = frame["update"].max(), frame["update"].where(reached)
    first = frame.assign(_first=hits).groupby(keys)._first.min().reset_index()
    solved = first._first.notna().astype(float)
    done = first._first.fillna(end)
    return first.drop(columns="_first").assign(solved=solved, updates_done=done, updates=end)


def cut_off(factor):
    """A world in which every training of a table of many rows each stopped at so large a part."""

    def make(frame):
        return frame[frame["update"] <= factor * frame["update"].max()]

    return Control(f"the budget is {factor:g} of what it is", make)


def curve(frame):
    """The `Curve` of a table's trainings, from 0 to the largest budget.

    Kaplan and Meier's estimate; the interval is Greenwood's on the log-log scale, which stays
    between 0 and 1, and Wilson's where no training or every one is solved, for which it has none:
    of those that no smaller budget has stopped before.
    """
    until, solved = times(_known(frame))
    found = _stats().ecdf(_censored(until, solved)).cdf
    with warnings.catch_warnings():  # that it is not defined at 0 and 1
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = found.confidence_interval(method="log-log")
    share, low, high = (one.probabilities for one in (found, interval.low, interval.high))
    told = len(until) - np.searchsorted(np.sort(until[~solved]), found.quantiles)
    whole = np.array([wilson(round(p * n), n)[1:] for p, n in zip(share, told, strict=True)])
    known = np.isfinite(low) & np.isfinite(high) & (share > 0) & (share < 1)
    low, high = np.where(known, low, whole[:, 0]), np.where(known, high, whole[:, 1])
    nothing = wilson(0, len(until))[2]
    return Curve(*(np.concatenate([[first], rest]) for first, rest in (
        (0.0, found.quantiles), (0.0, share), (0.0, low), (nothing, high),
    )))  # fmt: skip


def solved_within(updates=math.inf, **where):
    """The share of trainings that are solved after so many updates, of the whole budget if inf."""
    words = "share solved" + ("" if math.isinf(updates) else f" within {updates:g} updates")

    def read(frame):
        until, solved = times(_known(rows(frame, **where)))
        return float(np.mean(solved & (until <= updates)))

    return Reading(_worded(words, where), read)


def updates_until(share=0.5, **where):
    """The fewest updates by which a share of the trainings is solved; inf: not within the budget.

    The quantile of Kaplan and Meier's curve: the median unless told.
    """

    def read(frame):
        found = curve(rows(frame, **where))
        there = found.share >= share - 1e-12
        return float(found.updates[there.argmax()]) if there.any() else math.inf

    return Reading(_worded(f"updates until {share:.0%} are solved", where), read)


def more_solved(one, other, **where):
    """The least that the share solved of `one` is above that of `other`: 95 % interval's low end.

    one, other   the rows of each, a mapping as of `rows`. The interval is Newcombe's (1998, method
                 10), from Wilson's of the two shares.
    """

    def read(frame):
        frame = rows(frame, **where)
        parts = [_known(rows(frame, **chosen)).solved for chosen in (one, other)]
        (p, low, _), (q, _, high) = (wilson(int(part.sum()), len(part)) for part in parts)
        return p - q - math.hypot(p - low, high - q)

    words = f"share solved with {described(one)} less that with {described(other)}, low end"
    return Reading(_worded(words, where), read)


def times_slower(slow, fast, **where):
    """The least ratio of the medians of updates until solved: its 95 % interval's low end.

    slow, fast   the rows of each, a mapping as of `rows`. Unsolved slow trainings count with their
                 budget, unsolved fast ones as never solved: a median beyond the budget makes the
                 ratio too small, never too large.
                 The interval is a bootstrap's (SciPy's, percentiles of 2,000 resamples).
    """

    def read(frame):
        frame = rows(frame, **where)
        slower, faster = (_known(rows(frame, **chosen)) for chosen in (slow, fast))
        samples = times(slower)[0], until(faster).to_numpy(float)
        if min(map(len, samples)) < 3:
            raise NotMeasured("needs three trainings of each for an interval")
        found = _stats().bootstrap(
            samples, lambda a, b, axis: np.median(a, axis) / np.median(b, axis), vectorized=True,
            n_resamples=RESAMPLES, method="percentile", random_state=0,
        )  # fmt: skip
        return float(found.confidence_interval.low)

    words = f"median updates with {described(slow)} over those with {described(fast)}, low end"
    return Reading(_worded(words, where), read)


def log_rank(one, other, **where):
    """The p-value of the log-rank test that two kinds of trainings are solved alike.

    1 where nothing tells them apart: no training is solved while others of both are at work.
    """

    def read(frame):
        frame = rows(frame, **where)
        samples = [times(_known(rows(frame, **chosen))) for chosen in (one, other)]
        with np.errstate(invalid="ignore"):  # 0/0 where nothing tells them apart
            p = float(_stats().logrank(*(_censored(*sample) for sample in samples)).pvalue)
        return 1.0 if math.isnan(p) else p

    return Reading(_worded(f"log-rank p of {described(one)} and {described(other)}", where), read)


def budget(factor):
    """A world in which every training stopped at so large a part of its budget."""

    def make(frame):
        updates = np.floor(frame.updates * factor + 1e-6)  # 0.29 * 100 is 28.999...
        solved = ((frame.solved == 1) & (frame.updates_done <= updates)).astype(float)
        done = np.minimum(frame.updates_done, updates)
        return frame.assign(
            updates=updates, solved=solved.where(frame.solved.notna()), updates_done=done
        )

    return Control(f"the budget is {factor:g} of what it is", make)


def _known(frame):
    """The trainings that did not fail. Raises NotMeasured if there are none."""
    known = frame[frame.solved.notna()]
    if known.empty:
        raise NotMeasured("needs trainings that did not fail")
    return known


def _censored(until, solved):
    return _stats().CensoredData(uncensored=until[solved], right=until[~solved])


def _stats():
    from scipy import stats  # here: it takes half a second, and few tables hold trainings

    return stats


def _worded(words, where):
    return f"{words} ({described(where)})" if where else words
