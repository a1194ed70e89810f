"""What a training is told: everything that its numbers follow from, but for the network."""

from dataclasses import dataclass, field

from gradlab.errors import UserError
from gradlab.learning.clipping import PER, STYLES
from gradlab.learning.optimizers import optimizer
from gradlab.learning.schedules import factor

WHOLE = ("updates", "batch", "log_every", "evaluation_size")


@dataclass(frozen=True)
class Plan:
    """How to train.

    sequence_length   steps; or (low, high): each minibatch draws its own from low to high - 1
    clip_threshold    None: no clipping; the loss is the mean over lanes, summed over steps
    clip_style        see gradlab.learning.rules
    clip_per          what is clipped: the "mean" of the lanes, each "lane", dL/dh at each "step"
    teacher_forcing   feed a jordan cell the targets of every step instead of its own outputs
    omega             Omega's factor alpha; alpha dOmega/dW is added before clipping
    log_every         updates between two rows of the table
    evaluate_every    updates between two evaluations on evaluation_size fresh sequences; 0: none
    stop_below        stop at the first evaluation whose share of wrong sequences is below it
    patience          stop after this many evaluations in a row without a smaller loss

    Raises UserError, one line, for what cannot be.
    """

    task: str
    sequence_length: int | tuple
    updates: int
    batch: int = 20
    learning_rate: float = 0.01
    optimizer: str = "sgd"
    optimizer_options: dict = field(default_factory=dict)
    schedule: str = "constant"
    clip_threshold: float | None = None
    clip_style: str = "norm"
    clip_per: str = "mean"
    teacher_forcing: bool = False
    omega: float = 0.0
    log_every: int = 100
    evaluate_every: int = 0
    evaluation_size: int = 1000
    stop_below: float | None = None
    patience: int | None = None
    task_options: dict = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self):
        for name in WHOLE:
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise UserError(f"{name}={getattr(self, name)}: must be a whole number from 1")
        for name in ("learning_rate", "omega"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UserError(f"{name}={getattr(self, name)}: must be a finite number >= 0")
        self._check_clipping()
        optimizer(self.optimizer, self.optimizer_options)
        factor(self.schedule, 1, self.updates)
        self._check_stops()

    @property
    def lengths(self):
        """(low, high): lengths are drawn from low to high - 1."""
        if isinstance(self.sequence_length, int):
            return self.sequence_length, self.sequence_length + 1
        low, high = self.sequence_length
        return low, high

    def _check_clipping(self):
        for name, known in (("clip_style", STYLES), ("clip_per", PER)):
            if getattr(self, name) not in known:
                listed = ", ".join(known)
                raise UserError(f"{name} must be one of {listed}, not {getattr(self, name)!r}")
        if self.clip_threshold is not None and not self.clip_threshold >= 0:
            raise UserError(f"clip_threshold={self.clip_threshold}: must be a number >= 0")
        if self.omega and self.clip_per != "mean":
            raise UserError(f"omega needs clip_per=mean, not {self.clip_per}: it is no lane's own")

    def _check_stops(self):
        low, high = self.lengths
        if not 1 <= low < high:
            raise UserError(f"sequence_length={self.sequence_length}: must be from 1, and rise")
        if (self.stop_below or self.patience) and not self.evaluate_every:
            raise UserError("stop_below and patience need evaluations: set evaluate_every")
