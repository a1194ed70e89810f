"""What an experiment file says: a question, a grid, a measure, a figure and claims."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from gradlab.suite.claims import Claim, Verdict, plain
from gradlab.suite.work import Beside, placed_beside


@dataclass(eq=False)
class Experiment:
    """One question, the grid that answers it, what is measured, how it is drawn and claimed.

    question   one sentence.
    grid       axis -> values (their product), or a list of such mappings with the same axes
               (the union of the products).
    split      axis names: one block for each combination of their values; the other axes vary
               inside a block. A block is what one worker measures at a time.
    measure    "package.module:function", imported only when it runs (the package may stand beside
               the experiment's file), or a function: measure(block) -> columns, a dict of arrays
               with one entry a point, which may hold "status" and "message".
               `estimate(block) -> (seconds, bytes)` beside it (in its module, or as its
               attribute) foretells one worker's time and peak memory.
    figure     figure(frame) -> matplotlib figure, from the table alone: a `plots.page`, or a
               function.
    constants  name -> value, the same for all points. None means text that was not given.
    quick      axis or constant -> values to put in their place under --quick.
    name       the stem of the experiment's file unless given.
    base       what the file says, where --quick or --set put other values in its place.
    alone      blocks run here one after the other, each with the whole machine: BLAS keeps its
               threads. For measures of time, whose claims are benchmarks: what they read is the
               machine's, and no theory's.
    save_every seconds between two times that a training keeps its state, from which it goes on
               after a stop; None: 30.

    Raises ValueError for axes that differ between products, and for unknown names in `split`
    or `quick`.
    """

    question: str
    grid: Mapping[str, Sequence] | Sequence[Mapping[str, Sequence]]
    split: Sequence[str]
    measure: str | Beside | Callable
    figure: Callable
    claims: Sequence[Claim] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    file: str | None = None
    alone: bool = False
    save_every: float | None = None
    base: "Experiment | None" = None

    def __post_init__(self):
        self.file = self.file or sys._getframe(2).f_code.co_filename
        if self.name is None and not os.path.isfile(self.file):
            raise ValueError("an experiment that stands in no file needs name=")
        self.name = self.name or os.path.splitext(os.path.basename(self.file))[0]
        self.measure = placed_beside(self.measure, self.file)
        products = [self.grid] if isinstance(self.grid, Mapping) else self.grid
        self.grid = [{axis: _values(v) for axis, v in product.items()} for product in products]
        self.constants = {name: plain(value) for name, value in self.constants.items()}
        self._check()
        _unify(self.grid)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the grid's axes, in their order."""
        return tuple(cast(list, self.grid)[0])

    @property
    def benchmark(self) -> bool:
        """Whether its claims are benchmarks: they are listed, and counted, apart."""
        return self.alone

    @property
    def opened(self) -> list[str]:
        """The axes that are constants in the file: several values were set."""
        own: Any = self.base or self
        return [axis for axis in self.axes if axis in own.constants]

    def completed(self, frame):
        """A table with the settings that are younger than it: they are what the file says."""
        own: Any = self.base or self
        said = {k: v for k, v in own.constants.items() if v is not None and k not in frame}
        return frame.assign(**{k: v for k, v in said.items() if _is_single(v)})

    def apart(self, frame) -> list[tuple[dict, Any]]:
        """[({name: value}, rows)]: a table by what has one value in the file and several here."""
        names = self._several(frame)
        if not names:
            return [({}, frame)]
        groups = frame.groupby(names, sort=False)
        return [(dict(zip(names, values, strict=True)), rows) for values, rows in groups]

    def verdicts(self, frame) -> list[Verdict]:
        """Each claim's, on a table of this experiment.

        Of what has one value in the file and several in the table, a claim that is not about it
        reads the rows with the file's own.
        """
        own: Any = self.base or self
        frame = self.completed(frame)
        about = {name: own.constants[name] for name in self._several(frame)}
        return [claim.judge(frame, about) for claim in self.claims]

    def _several(self, frame):
        own: Any = self.base or self
        return [k for k in own.constants if k in frame and frame[k].nunique(dropna=False) > 1]

    def is_quick(self, frame):
        """Whether a table is of quick values: they explain more of it than the file's own."""
        own, quick = self._departures(frame)
        return len(quick) < len(own)

    def other_values(self, frame) -> str:
        """The axes and constants in which a table departs from the file, in words; "" if none.

        Of a quick run those that its quick values do not explain.
        """
        own, quick = self._departures(frame)
        return ", ".join(quick if len(quick) < len(own) else own)

    def _departures(self, frame) -> list[list[str]]:
        """Where a table departs from what the file says, and from that with its quick values."""
        base: Any = self.base or self
        expected = [base._expected({}), base._expected(base.quick)]
        return [base._others(frame, values) for values in expected]

    def _expected(self, values):
        """name -> the set of values that a table of this file has, with others in their place."""
        axes = {a: {v for product in self.grid for v in product[a]} for a in self.axes}
        others = {**self.constants, **values}
        return axes | {name: set(_values(value)) for name, value in others.items()}

    def _others(self, frame, expected):
        others = []
        for name, values in expected.items():
            if name not in frame:  # a table from before there was this setting
                continue
            found = set(frame[name].dropna())
            if found != values - {None}:
                others.append(f"{name}={found.pop()}" if len(found) == 1 else name)
        return others

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
        if not (isinstance(self.measure, str | Beside) or callable(self.measure)):
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
    return [plain(value) for value in values]


def _unify(products):
    """An axis that holds a float anywhere holds floats everywhere: 0 and 0.0 are one point."""
    for axis in products[0]:
        if any(isinstance(value, float) for product in products for value in product[axis]):
            for product in products:
                product[axis] = [float(value) for value in product[axis]]
