"""What an experiment file says: a question, a grid, a measure, a figure and claims."""

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

from gradlab.errors import placed

RELATIONS = ("==", "<=", ">=")
OK, FALLS_SHORT, NOT_MEASURED = "ok", "FALLS SHORT", "not measured"


class NotMeasured(Exception):
    """Raised by a claim's `measured` or `expected` when the table lacks the rows it needs."""


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
        return (
            f"{start}: measured {self.measured:.6g}, expected {claim.relation} "
            f"{self.expected:.6g}, tolerance {claim.tolerance:g}"
            f"{' of it' if claim.relative else ''} ({claim.source})"
        )


@dataclass(frozen=True)
class Claim:
    """A number or law that a table must show, and a wrong table that must not show it.

    measured(frame) reads the table only; expected is a number, or a function of the frame that
    computes it without the code under test. It holds when, with e = expected, m = measured and
    t = tolerance (times |e| if `relative`):

        "=="  |m - e| <= t        "<="  m <= e + t        ">="  m >= e - t

    control(frame) returns a frame with a stated error, on which the claim must fall short.

    about    axis or constant -> the value, or a container of the values, that the claim is about:
             it reads the rows with them alone, and where a table has none it is not measured. None
             stands for text that was not given. What is not named does not matter to the claim.
    seeds    the fewest seeds that bear the claim.
    """

    name: str
    statement: str
    source: str
    measured: Callable
    expected: float | Callable
    tolerance: float
    why: str
    control: Callable
    relation: str = "=="
    relative: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1

    def __post_init__(self):
        if self.relation not in RELATIONS:
            raise ValueError(
                f"claim {self.name}: relation {self.relation!r}, not one of {RELATIONS}"
            )
        if not callable(self.measured) or not (self.control is None or callable(self.control)):
            raise ValueError(f"claim {self.name}: measured and control must be functions")
        numbers = {"tolerance": self.tolerance, "seeds": self.seeds}
        if not callable(self.expected):
            numbers["expected"] = self.expected
        for what, value in numbers.items():
            if not isinstance(value, Real):
                raise ValueError(f"claim {self.name}: {what} {value!r}, not a number")

    def judge(self, frame) -> Verdict:
        """Hold the claim against a table; nan never holds."""
        try:
            frame = self._own(frame)
            measured = float(self.measured(frame))
            expected = float(self.expected(frame) if callable(self.expected) else self.expected)
        except NotMeasured as missing:
            return Verdict(self, NOT_MEASURED, reason=str(missing))
        except KeyError as missing:
            return Verdict(self, NOT_MEASURED, reason=f"the table lacks {missing}")
        except Exception as error:
            return Verdict(self, FALLS_SHORT, reason=placed(error))
        outcome = OK if self._holds(measured, expected) else FALLS_SHORT
        return Verdict(self, outcome, measured, expected)

    def setting(self, frame):
        """The rows that the claim is about. Raises NotMeasured if the table has none."""
        for name, wanted in self.about.items():
            found = list(frame[name]) if name in frame else [None] * len(frame)
            chosen = [_is_among(value, wanted) for value in found]
            if not any(chosen):
                values = _in_words(dict.fromkeys(map(_plain, found)))
                raise NotMeasured(f"is about {name}={_in_words(wanted)}, not {values}")
            frame = frame if all(chosen) else frame[chosen]
        return frame

    def _own(self, frame):
        frame = self.setting(frame)
        if self.seeds > 1 and frame.seed.nunique() < self.seeds:
            raise NotMeasured(f"needs {self.seeds} seeds")
        return frame

    def _holds(self, measured, expected):
        slack = self.tolerance * (abs(expected) if self.relative else 1.0)
        if self.relation == "==":
            return abs(measured - expected) <= slack
        if self.relation == "<=":
            return measured <= expected + slack
        return measured >= expected - slack


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


@dataclass(eq=False)
class Experiment:
    """One question, the grid that answers it, what is measured, how it is drawn and claimed.

    question   one sentence.
    grid       axis -> values (their product), or a list of such mappings with the same axes
               (the union of the products).
    split      axis names: one block for each combination of their values; the other axes vary
               inside a block. A block is what one worker measures at a time.
    measure    "package.module:function", imported only when it runs, or a function:
               measure(block) -> columns, a dict of arrays with one entry a point, which may hold
               "status" and "message". `estimate(block) -> (seconds, bytes)` beside it (in its
               module, or as its attribute) foretells one worker's time and peak memory.
    figure     figure(frame) -> matplotlib figure, from the table alone.
    constants  name -> value, the same for all points. None means text that was not given.
    quick      axis or constant -> values to put in their place under --quick.
    name       the stem of the experiment's file unless given.
    alone      blocks run here one after the other, each with the whole machine: BLAS keeps its
               threads. For measures of time.

    Raises ValueError for axes that differ between products, and for unknown names in `split`
    or `quick`.
    """

    question: str
    grid: Mapping[str, Sequence] | Sequence[Mapping[str, Sequence]]
    split: Sequence[str]
    measure: str | Callable
    figure: Callable
    claims: Sequence[Claim] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    file: str | None = None
    alone: bool = False

    def __post_init__(self):
        self.file = self.file or sys._getframe(2).f_code.co_filename
        if self.name is None and not os.path.isfile(self.file):
            raise ValueError("an experiment that stands in no file needs name=")
        self.name = self.name or os.path.splitext(os.path.basename(self.file))[0]
        products = [self.grid] if isinstance(self.grid, Mapping) else self.grid
        self.grid = [{axis: _values(v) for axis, v in product.items()} for product in products]
        self.constants = {name: _plain(value) for name, value in self.constants.items()}
        self._check()
        _unify(self.grid)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the grid's axes, in their order."""
        return tuple(self.grid[0])

    def strange(self, frame):
        """The names of the claims that are not about this table's setting."""
        names = []
        for claim in self.claims:
            try:
                claim.setting(frame)
            except NotMeasured:
                names.append(claim.name)
        return names

    def main(self):
        """The closing line of an experiment file: the same as `gradlab run FILE ARGS...`."""
        from gradlab.cli import main  # the one way up: a file that is run as a script starts there

        sys.exit(main(["run", self.file, *sys.argv[1:]]))

    def _check(self):
        if len({frozenset(product) for product in self.grid}) != 1:
            raise ValueError(f"{self.name}: every product of the grid needs the same axes")
        self._check_types()
        known = (*self.axes, *self.constants)
        if len(set(known)) != len(known):
            raise ValueError(f"{self.name}: an axis and a constant share a name")
        for what, names, right in (("split", self.split, self.axes), ("quick", self.quick, known)):
            if wrong := [name for name in names if name not in right]:
                raise ValueError(
                    f"{self.name}: {what} names {', '.join(wrong)}; there are {', '.join(right)}"
                )
        for claim in self.claims:
            if wrong := [name for name in claim.about if name not in known]:
                raise ValueError(
                    f"{self.name}: claim {claim.name} is about {', '.join(wrong)}; "
                    f"there are {', '.join(known)}"
                )
        for axis in self.axes:
            if not all(len(product[axis]) for product in self.grid):
                raise ValueError(f"{self.name}: axis {axis} has no values")

    def _check_types(self):
        if not (isinstance(self.measure, str) or callable(self.measure)):
            raise ValueError(f"{self.name}: measure {self.measure!r}, not a function or its name")
        if self.figure is not None and not callable(self.figure):
            raise ValueError(f"{self.name}: figure {self.figure!r}, not a function")
        if wrong := [claim for claim in self.claims if not isinstance(claim, Claim)]:
            raise ValueError(f"{self.name}: claims hold {wrong[0]!r}, not a Claim")
        for product in self.grid:
            for axis, values in product.items():
                kinds = {str if isinstance(value, str) else float for value in values}
                if len(kinds) > 1 or not all(map(_is_single, values)):
                    raise ValueError(f"{self.name}: axis {axis} is {values}, not numbers or text")
        for name, value in self.constants.items():
            several = value if isinstance(value, list | tuple) else [value]
            if not all(one is None or _is_single(one) for one in several):
                raise ValueError(f"{self.name}: constant {name} is {value!r}, not numbers or text")
        if wrong := [name for name in (*self.axes, *self.constants) if not isinstance(name, str)]:
            raise ValueError(f"{self.name}: {wrong[0]!r} names an axis or constant, not text")


def _is_single(value):
    if isinstance(value, int):  # a switch is one
        return abs(value) < 2**63
    return isinstance(value, float | str)


def _values(values):
    """A list of plain Python values, whatever sequence, array or single value was given."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        values = [values]
    return [_plain(value) for value in values]


def _plain(value):
    """A NumPy scalar as the Python number that it is."""
    return value.item() if getattr(value, "shape", None) == () else value


def _unify(products):
    """An axis that holds a float anywhere holds floats everywhere: 0 and 0.0 are one point."""
    for axis in products[0]:
        if any(isinstance(value, float) for product in products for value in product[axis]):
            for product in products:
                product[axis] = [float(value) for value in product[axis]]
