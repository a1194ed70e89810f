"""The clock: contenders in turn, A B C A B C, so that what disturbs the machine meets all alike."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np

TURN = 0.05  # seconds that a turn lasts at least
REST = 0.3  # seconds before a turn: the last contender's idle threads spin for some 0.2 s
LOST = 3.0  # a way this many times slower than the best one is not tried a second time


@dataclass
class Way:
    """One way to do a work: what it is called, its threads, the call and its thread limits.

    share      part of the work that the call does; times are divided by it.
    part       from the whole work's result to what the call computes of it.
    holding()  a context that holds the limits; it is entered outside the clock.
    """

    form: str
    threads: int
    call: Callable
    holding: Callable = nullcontext
    share: float = 1.0
    part: Callable = lambda whole: whole
    warm: float = field(default=np.nan)  # seconds of the first call: compilation and warm-up
    trial: float = field(default=np.inf)

    def run(self):
        """One call under the way's own limits."""
        with self.holding():
            return self.call()


def best(ways):
    """Warm up every way and return the one whose second or third call was the fastest."""
    fastest = np.inf
    for way in ways:
        way.warm = _timed(way, 1)
        if way.trial == np.inf:
            way.trial = _timed(way, 1) / way.share
        if way.trial < LOST * fastest:
            way.trial = min(way.trial, _timed(way, 1) / way.share)
        fastest = min(fastest, way.trial)
    return min(ways, key=lambda way: way.trial)


def race(ways, rounds):
    """Seconds a call (rounds, ways); a turn repeats a quick call until it lasts TURN."""
    counts = [max(1, int(np.ceil(TURN / max(way.trial * way.share, 1e-7)))) for way in ways]
    turns = [[_turn(*turn) for turn in zip(ways, counts, strict=True)] for _ in range(rounds)]
    return np.array(turns) / [way.share for way in ways], counts


def _turn(way, count):
    time.sleep(REST)
    way.run()  # wakes its threads and fills the caches, outside the clock
    return _timed(way, count)


def _timed(way, count):
    with way.holding():
        start = time.perf_counter()
        for _ in range(count):
            way.call()
        return (time.perf_counter() - start) / count


def spread(values):
    """(median, first quartile, third quartile) over the rounds."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return middle, low, high
