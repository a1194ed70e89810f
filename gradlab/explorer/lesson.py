"""A training that is looked at while it runs: some updates at a time, and what they did."""

import math
import time
from typing import NamedTuple

import numpy as np

from gradlab.explorer import compute
from gradlab.explorer.state import State
from gradlab.learning import fields, records
from gradlab.learning.plan import Plan
from gradlab.learning.training import ENDED, Training
from gradlab.nets import draws

BATCH, MOST, PROBED = 20, 1_000_000, 20  # lanes of a minibatch; updates; sequences of the lag
SHOWN = 1500  # points of a curve that are drawn at most


class Progress(NamedTuple):
    """What a training has done so far.

    update, status    of the last update
    at                the updates that are drawn, (n,)
    loss, norm        of each, before clipping; clipped: whether it was
    radius_at, radius of W, (m,)
    lag, before, now  log10 ||dL/dh_{T-lag}|| / ||dL/dh_T||, median over sequences, at the start
                      and now
    """

    update: int
    status: str
    at: np.ndarray
    loss: np.ndarray
    norm: np.ndarray
    clipped: np.ndarray
    radius_at: np.ndarray
    radius: np.ndarray
    lag: np.ndarray
    before: np.ndarray
    now: np.ndarray
    threshold: float


class Lesson:
    """A training of a state's network on its task, by plain SGD, with its threshold and rate.

    Raises UserError, one line, for a task that cannot be learnt from as it stands.
    """

    def __init__(self, state: State):
        drawn = compute.drawn(state)
        plan = Plan(
            state.task, state.sequence_length, updates=MOST, batch=BATCH,
            learning_rate=state.learning_rate, seed=state.seed, log_every=MOST,
            clip_threshold=fields.unless_infinite(state.clip_threshold),
            task_options={name: value for name, value in state.options.items() if value},
        )  # fmt: skip
        self.state, self.threshold = state, state.clip_threshold
        self.training = Training(drawn.of_size(state), state.task, plan)
        stream = draws.stream(seed=state.seed, purpose="gradient by lag")
        self._x, self._y = self.training.fresh(stream, PROBED)[:2]
        self._radii = [(0, self._radius())]
        self._before = self._by_lag()
        self._pace = 1.0 / 200  # seconds an update, as last seen

    @property
    def is_over(self):
        """Whether it has ended by itself."""
        return self.training.status in ENDED or self.training.update >= MOST

    @property
    def ending(self):
        """How it has ended, in words; nothing before."""
        update, status = self.training.update, self.training.status
        return f"The training ended at update {update}: {status}." if self.is_over else ""

    def step(self, count=1) -> Progress:
        """So many updates more."""
        if not self.is_over:
            self.training.run(until=self.training.update + count)
            self._radii.append((self.training.update, self._radius()))
        return self.progress()

    def run(self, seconds) -> Progress:
        """As many updates as take so long, at least one."""
        count = max(1, int(seconds / self._pace))
        started = time.perf_counter()
        found = self.step(count)
        self._pace = (time.perf_counter() - started) / count
        return found

    def progress(self) -> Progress:
        """What has been done so far; of many updates every so many-th."""
        training = self.training
        stride = max(1, math.ceil(training.update / SHOWN))
        some = slice(None, None, stride)
        at = np.arange(1, training.update + 1)[some]
        radius_at, radius = np.array(self._radii[:: max(1, len(self._radii) // SHOWN)]).T
        return Progress(
            training.update,
            training.status,
            at,
            np.array(training.losses[some]),
            np.array(training.norms[some]),
            np.array(training.shares[some]) > 0,
            radius_at,
            radius,
            np.arange(len(self._before)),
            self._before,
            self._by_lag(),
            self.threshold,
        )

    def _by_lag(self):
        training = self.training
        with np.errstate(all="ignore"):
            found = training.net.gradients(
                self._x, self._y, loss=training.task.LOSS, at=training.task.AT
            )
            log10 = found.lag_log2[::-1] * math.log10(2)
            return np.median(log10 - log10[0], axis=1)

    def _radius(self):
        return records.of_weights(self.training.net)["spectral_radius"]
