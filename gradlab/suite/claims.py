"""Claims: what a table must show, where it is from, and a wrong world that must not show it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, NamedTuple

from gradlab.errors import placed
from gradlab.suite.frames import NotMeasured, every

OK, FALLS_SHORT, NOT_MEASURED = "ok", "FALLS SHORT", "not measured"
KINDS = ("equals", "at_least", "at_most")


class Verdict(NamedTuple):
    """How a claim stands: "ok", "FALLS SHORT" or "not measured", with the numbers behind it."""

    claim: "Claim"
    outcome: str
    measured: float = math.nan
    expected: float = math.nan
    reason: str = ""

    def __str__(self):
        claim = self.claim
        start = f"{self.outcome:12}  {claim.name}: {claim.statement}"
        if self.reason:
            return f"{start} ({self.reason})"
        return f"{start}: measured {self.measured:.6g}, {self.wanted} ({claim.source})"

    @property
    def wanted(self):
        """What the claim asks for, in words: "at least 0.9", "-0.30103 within 1e-12"."""
        claim = self.claim
        if claim.kind != "equals":
            return f"{claim.kind.replace('_', ' ')} {self.expected:.6g}"
        slack = f"{claim.within:.3g}{' of it' if claim.relative else ''}"
        return f"expected {self.expected:.6g} within {slack}"


@dataclass(frozen=True)
class Claim:
    """A number or law that a table must show, and a wrong table that must not show it.

    measured(frame) reads the table only: a reading (`gradlab.suite.readings`) or a function. What
    is asked of it is one of

        equals=e, within=t   |m - e| <= t, or t |e| if `relative`
        at_least=e           m >= e
        at_most=e            m <= e

    where e is a number, a reading, or a function of the frame that computes it without the code
    under test.

    why      why within= is as wide as it is, or why the bound is what it is.
    control  control(frame) returns a table with a stated error, a plausible wrong world on which
             the claim must fall short (`gradlab.suite.controls`, or a function).
    also     such functions of worlds on which it must hold as well: half the budget of trainings.
    rivals   words -> what a wrong model expects, a number or a function as of `equals`; the table
             of a reference run must be as far from each as the claim says that it is near to e.
    about    axis or constant -> the value, or a container of the values, that the claim is about:
             it reads the rows with them alone, and where a table has none, or not `every` one of
             them, it is not measured. None stands for text that was not given. What is not named
             does not matter to the claim.
    seeds    the fewest seeds that bear the claim.
    """

    name: str
    statement: str
    source: str = field(kw_only=True)
    measured: Callable = field(kw_only=True)
    equals: float | Callable | None = field(default=None, kw_only=True)
    within: float | None = field(default=None, kw_only=True)
    relative: bool = field(default=False, kw_only=True)
    at_least: float | Callable | None = field(default=None, kw_only=True)
    at_most: float | Callable | None = field(default=None, kw_only=True)
    why: str = field(default="", kw_only=True)
    control: Callable | None = field(default=None, kw_only=True)
    rivals: Mapping[str, float | Callable] = field(default_factory=dict, kw_only=True)
    also: Sequence[Callable] = field(default=(), kw_only=True)
    about: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    seeds: int = field(default=1, kw_only=True)

    def __post_init__(self):
        asked = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(asked) != 1:
            said = " and ".join(asked) or "none of them"
            raise ValueError(f"claim {self.name}: {said}; give one of {', '.join(KINDS)}")
        if (self.within is None) == (self.kind == "equals"):
            raise ValueError(f"claim {self.name}: within= goes with equals=, and only with it")
        if not all(map(callable, (self.measured, self.control or min, *self.also))):
            raise ValueError(f"claim {self.name}: measured, control and also must be functions")
        if self.rivals and self.kind != "equals":
            raise ValueError(f"claim {self.name}: rivals= goes with equals=, not with {self.kind}=")
        numbers = {"within": self.within or 0.0, "seeds": self.seeds}
        for what, value in {self.kind: self.bound, **self.rivals}.items():
            if not callable(value):
                numbers[what] = value
        for what, value in numbers.items():
            if not isinstance(value, Real):
                raise ValueError(f"claim {self.name}: {what} {value!r}, not a number")

    @property
    def kind(self) -> str:
        """ "equals", "at_least" or "at_most"."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def bound(self):
        """The number, or the function of the frame, that is asked for."""
        return getattr(self, self.kind)

    def rival(self, words) -> "Claim":
        """The claim that the wrong model of these words would make."""
        return replace(self, equals=self.rivals[words], rivals={})

    def judge(self, frame, about=None) -> Verdict:
        """Hold the claim against a table; nan never holds. `about`: more to be about."""
        try:
            frame = self._own(frame, {**(about or {}), **self.about})
            measured, expected = self._read(frame)
            others = {in_words(world): self._read(world(frame)) for world in self.also}
        except NotMeasured as missing:
            return Verdict(self, NOT_MEASURED, reason=str(missing))
        except KeyError as missing:
            return Verdict(self, NOT_MEASURED, reason=f"the table lacks {missing}")
        except Exception as error:
            return Verdict(self, FALLS_SHORT, reason=placed(error))
        if not self._holds(measured, expected):
            return Verdict(self, FALLS_SHORT, measured, expected)
        for world, (value, wanted) in others.items():
            if not self._holds(value, wanted):
                reason = f"holds ({measured:.6g}), but not where {world}: {value:.6g}"
                return Verdict(self, FALLS_SHORT, value, wanted, reason)
        return Verdict(self, OK, measured, expected)

    def _read(self, frame):
        """(measured, expected) on a table."""
        measured = float(self.measured(frame))
        return measured, float(self.bound(frame) if callable(self.bound) else self.bound)

    def _setting(self, frame, about):
        """The rows that the claim is about. Raises NotMeasured if the table has none."""
        for name, wanted in about.items():
            found = list(frame[name]) if name in frame else [None] * len(frame)
            chosen = [_is_among(value, wanted) for value in found]
            if not any(chosen):
                values = _in_words(dict.fromkeys(map(plain, found)))
                raise NotMeasured(f"is about {name}={_in_words(wanted)}, not {values}")
            if isinstance(wanted, every):
                wanted.check(name, found)
            frame = frame if all(chosen) else frame[chosen]
        return frame

    def _own(self, frame, about):
        frame = self._setting(frame, about)
        if self.seeds > 1 and frame.seed.nunique() < self.seeds:
            raise NotMeasured(f"needs {self.seeds} seeds")
        return frame

    def _holds(self, measured, expected):
        if self.kind == "at_least":
            return measured >= expected
        if self.kind == "at_most":
            return measured <= expected
        return abs(measured - expected) <= self.within * (abs(expected) if self.relative else 1.0)


@dataclass(frozen=True)
class Span:
    """The values from low to high, both included, that a claim is about."""

    low: float = -math.inf
    high: float = math.inf

    def __contains__(self, value):
        return value is not None and self.low <= value <= self.high

    def __str__(self):
        if math.isinf(self.high):
            return f"{self.low:g} or more"
        return f"{self.low:g} to {self.high:g}"


def in_words(rule) -> str:
    """What a reading, a control or a function says of itself, in one line."""
    if type(rule).__str__ is not object.__str__ and not hasattr(rule, "__code__"):
        return str(rule)
    lines = (rule.__doc__ or "").strip().splitlines()
    return lines[0] if lines else getattr(rule, "__name__", str(rule))


def plain(value):
    """A NumPy scalar as the Python number that it is."""
    return value.item() if getattr(value, "shape", None) == () else value


def _is_among(value, wanted):
    value = None if isinstance(value, float) and math.isnan(value) else value  # not given
    return value in wanted if _has_several(wanted) else value == wanted


def _has_several(wanted):
    return hasattr(wanted, "__contains__") and not isinstance(wanted, str)


def _in_words(values):
    if isinstance(values, Span) or not _has_several(values):
        values = [values]
    words = ["none" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    return " or ".join(words[:4]) + (" or others" if len(words) > 4 else "")
