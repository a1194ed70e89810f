"""What a cell has: the contract that the files beside this one fulfil, and a user's own likewise.

A cell is a file of seven functions, two of them the loops:

    shapes(inputs, hidden, outputs)       {name: shape} of its weights, U and W among them; with V
                                          and c it reads out by itself: its state is the output
    prepare(weights, activation, dtype)   a NamedTuple of arrays for the loops; its `bias` has an
                                          entry for each column of delta
    sources(trace, x)                     {name: Source}: what delta meets in each gradient
    state_size(weights)                   values of a lane's state
    saved_size(weights)                   values that a step saves beside the state
    forward(weights, gain, x, trace, span), backward(weights, gain, trace, direct, adjoint, span)

and of constants where it differs from a plain one: ACTIVATIONS = {name: code}, those it has;
STATE = ("h", "c"), the equal parts of its state, h first; GATES = "ifgo", the blocks of rows of W,
U and b (in trace.saved, the first columns); FORGET = "f", the gate that keeps the state;
FEEDBACKS = {name: code}, the ways in which its output is fed back: its NamedTuple has the fields
`feedback`, such a code, and `teacher` (T, R, O), what is fed instead, empty if nothing is;
OMEGA = True where W^T delta is all that goes back, so that Omega is defined.
See gradlab.kernels.arrays for Trace, Adjoint, Source and Direct; cells/elman.py is an example.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gradlab import found
from gradlab.errors import UserError, named
from gradlab.kernels import elementwise
from gradlab.kernels.arrays import Adjoint, Direct, Source, Trace
from gradlab.kernels.jit import is_compiled

FUNCTIONS = ("shapes", "prepare", "sources", "state_size", "saved_size", "forward", "backward")
CONSTANTS = {
    "ACTIVATIONS": "activations", "STATE": "state_parts", "GATES": "gates", "FORGET": "forget",
    "FEEDBACKS": "feedbacks", "OMEGA": "omega",
}  # fmt: skip

Span = tuple[int, int, int]  # start, stop, lanes


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell:
    """A cell: its functions, and what of it is not as in a plain one.

    module, file: where its functions stand; a cell is pickled by them.
    fed: whether its weights have `feedback` and `teacher`, as those with FEEDBACKS do.
    """

    name: str
    module: str
    file: str
    shapes: Callable[[int, int, int], dict[str, tuple[int, ...]]]
    prepare: Callable[[Any, str, Any], Any]
    sources: Callable[[Trace, np.ndarray], dict[str, Source]]
    state_size: Callable[[Any], int]
    saved_size: Callable[[Any], int]
    forward: Callable[[Any, np.ndarray, np.ndarray, Trace, Span], None]
    backward: Callable[[Any, np.ndarray, Trace, Direct, Adjoint, Span], None]
    activations: Mapping[str, int] = field(default_factory=lambda: elementwise.ACTIVATIONS)
    state_parts: Sequence[str] = ("h",)
    gates: Sequence[str] = ""
    forget: str | None = None
    feedbacks: Mapping[str, int] = field(default_factory=lambda: {"output": 0})
    fed: bool = False
    omega: bool = False

    @classmethod
    def of(cls, module: ModuleType, file: str | Path | None = None) -> "Cell":
        """The cell that a module holds; file: its own unless given.

        Raises UserError, one line, for what is missing or does not fit the contract.
        """
        file = file or str(module.__file__)
        place = module, Path(file).absolute()
        if place not in _READ:
            _READ[place] = _read(module, str(file))
        return _READ[place]

    @classmethod
    def load(cls, file: Path) -> "Cell":
        """A user's cell, from its file. Raises UserError as above, and if the file cannot be run.

        Its module's name holds a digest of the content: Numba's cache takes no edited file for it.
        """
        return cls.of(found.load("cell", file, keep=True), file)

    def __reduce__(self) -> tuple:
        return _again, (self.module, self.file)

    @functools.cached_property
    def reads_out(self) -> bool:
        """Whether the readout is the cell's own, so that its state is the output."""
        return "V" in self.shapes(1, 1, 1)

    @property
    def compiled(self) -> bool:
        """Whether both loops are kernels: a whole pass is then one compiled call."""
        return is_compiled(self.forward) and is_compiled(self.backward)


_READ: dict[tuple[ModuleType, Path], Cell] = {}


def _read(module: ModuleType, file: str) -> Cell:
    if missing := [name for name in FUNCTIONS if not hasattr(module, name)]:
        raise UserError(f"{file} is no cell: it lacks {', '.join(missing)}")
    parts = {name: getattr(module, name) for name in FUNCTIONS}
    if wrong := [name for name, part in parts.items() if not callable(part)]:
        raise UserError(f"{file}: {wrong[0]} must be a function, not {parts[wrong[0]]!r}")
    parts["prepare"] = _of_own_type(parts["prepare"], module, str(Path(file).absolute()))
    constants = {CONSTANTS[name]: vars(module)[name] for name in CONSTANTS if name in vars(module)}
    _check(file, parts["shapes"], constants)
    return Cell(
        name=Path(file).stem, module=module.__name__, file=str(Path(file).absolute()),
        fed="feedbacks" in constants, **parts, **constants,
    )  # fmt: skip


def _of_own_type(prepare: Callable, module: ModuleType, file: str) -> Callable:
    """`prepare`, but its NamedTuple is of a class of this cell alone: passes go by its type.

    Numba tells NamedTuples apart by the class's bare name and the fields' types: two cells whose
    Weights look alike would run each other's loops. And a cell may take another one's weights.
    gradlab's own have names of their own, so that their classes are there when a cache is read.
    """
    if module.__name__.startswith("gradlab.cells."):
        return prepare

    @functools.wraps(prepare)
    def prepared(weights, activation, dtype):
        made = prepare(weights, activation, dtype)
        return _own_class(type(made), module, file)._make(made) if hasattr(made, "_make") else made

    return prepared


def _own_class(base: Any, module: ModuleType, file: str) -> Any:
    name = f"{base.__name__}_of_{module.__name__.rpartition('.')[2]}"
    if name not in vars(module):  # a name of the module: Numba's cache looks for it there

        def reduced(weights):
            return _remade, (module.__name__, file, base, tuple(weights))

        body = {"__slots__": (), "__module__": module.__name__, "__reduce__": reduced}
        vars(module).setdefault(name, type(name, (base,), body))
    return vars(module)[name]


def _remade(module: str, file: str, base: Any, values: tuple) -> Any:
    """Pickled weights: their class is made when the cell is."""
    return _own_class(base, importlib.import_module(_again(module, file).module), file)._make(
        values
    )


def _check(file: str, shapes: Callable, constants: dict) -> None:
    """Raise UserError, one line, for constants or shapes that do not fit the contract."""
    for name, key in CONSTANTS.items():
        if key in constants and not _RIGHT[name][0](constants[key]):
            raise UserError(f"{file}: {name} must be {_RIGHT[name][1]}, not {constants[key]!r}")
    gates, forget = constants.get("gates", ""), constants.get("forget")
    if forget is not None and forget not in tuple(gates):
        raise UserError(f"{file}: FORGET must be one of GATES = {gates!r}, not {forget!r}")
    try:
        own = {name: tuple(shape) for name, shape in shapes(2, 3, 4).items()}
    except Exception as error:
        raise UserError(f"{file}: shapes(2, 3, 4) raises {named(error)}") from error
    needed = "UWVc" if {"V", "c"} & {*own} else "UW"
    if missing := [name for name in needed if name not in own]:
        raise UserError(f"{file}: shapes lack {', '.join(missing)}, not only {', '.join(own)}")
    rows = len(gates) * 3
    for name in ("W", *("b" if forget else "")) if gates else ():
        if own.get(name, (0,))[0] != rows:
            raise UserError(f"{file}: {len(gates)} GATES of 3 units need {rows} rows of {name}")


def _names(value: Any) -> bool:
    return len({*value}) == len(value) > 0 and all(isinstance(one, str) and one for one in value)


def _are_codes(value: Any) -> bool:
    return isinstance(value, dict) and _names(value) and all(type(v) is int for v in value.values())


_CODES = (_are_codes, "{name: whole number}")
_RIGHT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "ACTIVATIONS": _CODES,
    "FEEDBACKS": _CODES,
    "STATE": (lambda v: isinstance(v, tuple | list) and _names(v), "names, as in ('h', 'c')"),
    "GATES": (lambda v: isinstance(v, str | tuple | list) and _names(v), "names, as in 'ifgo'"),
    "FORGET": (lambda v: v is None or isinstance(v, str), "the name of a gate"),
    "OMEGA": (lambda v: isinstance(v, bool), "True or False"),
}


def _again(module: str, file: str) -> Cell:
    """A pickled cell. Raises UserError for a user's file that has been edited since."""
    try:
        return Cell.of(importlib.import_module(module), file)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    cell = Cell.load(Path(file))
    if cell.module != module:
        raise UserError(f"{file} was edited since its cell was pickled: compute it again")
    return cell
