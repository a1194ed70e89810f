"""What the controls of the page say: pure data, checked field by field, and as a link."""

import dataclasses
import math
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from gradlab import found, tasks
from gradlab.errors import UserError, one_of
from gradlab.nets import draws

MOST_GATES = 4  # of gradlab's cells, an LSTM's
PRODUCTS = 3e8  # multiplications of a forward pass: some 0.3 s a picture on one core
SERIES = "series"


class Control(NamedTuple):
    """One field of `State`: how it is called, and what it may be.

    kind     number, whole, choice or text
    low, high, step   of its slider; `most` is what may be typed
    values   of a choice; of a number whose slider goes through marks instead
    """

    name: str
    label: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    step: float = 1.0
    most: float = math.inf
    values: tuple = ()


CELLS = found.names("cell", set(found.stems(Path(found.__file__).with_name("cells"))) - {"cell"})
ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")  # a test holds them against the kernels'
SIZES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
CONTROLS = {
    control.name: control
    for control in (
        Control("cell", "cell", "choice", values=tuple(CELLS)),
        Control("activation", "activation", "choice", values=ACTIVATIONS),
        Control("init", "initialisation of W", "choice", values=tuple(draws.INITS)),
        Control("spectral_radius", "spectral radius of W", "number", 0, 3, 0.01, 100),
        Control("hidden_size", "hidden units", "whole", 1, 256, 1, 512),
        Control("sequence_length", "sequence length", "whole", 1, 500, 1, 2000),
        Control("input_scale", "input scale", "number", 0, 2, 0.01, 100),
        Control("task", "task", "choice", values=tuple(tasks.names())),
        Control("file", "file of task=series (.csv, .parquet)", "text"),
        Control("column", "its column", "text"),
        Control("forget_bias", "forget bias", "number", -4, 8, 0.1, 100),
        Control("clip_threshold", "clipping threshold", "number", values=(*SIZES, math.inf)),
        Control("learning_rate", "learning rate", "number", values=SIZES[:8]),
        Control("seed", "seed", "whole", 0, 99, 1, 10**9),
        Control("seeds", "networks in the distribution", "whole", 2, 64, 1, 256),
    )
}
LEAST = {"forget_bias": -100.0}


@dataclasses.dataclass(frozen=True)
class State:
    """One position of all controls, checked: a network, its input, and how it would be trained.

    Raises UserError, one line, for a value that is none, and for a network so large that its
    pictures would no longer follow a slider.
    """

    cell: str = "elman"
    activation: str = "tanh"
    init: str = "gaussian"
    spectral_radius: float = 0.8
    hidden_size: int = 50
    sequence_length: int = 100
    input_scale: float = 0.1
    task: str = "temporal_order"
    file: str = ""
    column: str = ""
    forget_bias: float = 0.0
    clip_threshold: float = 1.0
    learning_rate: float = 0.1
    seed: int = 0
    seeds: int = 32

    def __post_init__(self):
        for name, value in vars(self).items():
            object.__setattr__(self, name, checked(name, value))  # the record is frozen
        plain = self.activation == "tanh" and not self.forget_bias and self.init == "gaussian"
        if plain and self._products(gates=MOST_GATES) <= PRODUCTS:
            return  # right for every cell: the first page need not wait for the compiler's library
        module = cell(self.cell, self.activation)
        one_of("activation", self.activation, module.activations)
        if self.forget_bias and module.forget is None:
            raise UserError(
                f"forget_bias={self.forget_bias:g}: cell {self.cell} has no gate that forgets"
            )
        if module.reads_out and self.init != "gaussian":
            raise UserError(f"init={self.init}: the W of fed-back outputs is no square: gaussian")
        self._check_size(self.gates)

    def _products(self, gates):
        return gates * self.hidden_size**2 * self.sequence_length

    def _check_size(self, gates):
        if (products := self._products(gates)) > PRODUCTS:
            most = PRODUCTS * self.sequence_length // products
            raise UserError(
                f"hidden_size={self.hidden_size} with sequence_length={self.sequence_length} is "
                f"{products:.1e} products a picture, too slow to follow a slider: a "
                f"sequence_length up to {most:.0f} is not"
            )

    @property
    def gates(self) -> int:
        """How many blocks W has."""
        return max(1, len(cell(self.cell, self.activation).gates))

    def changed(self, **values) -> "State":
        """The state with other values; what a new cell does not have gives way to what it has."""
        new = vars(self) | values
        if "cell" in values:
            module = cell(checked("cell", values["cell"]))
            if new["activation"] not in module.activations:
                new["activation"] = "tanh"
            if module.forget is None:
                new["forget_bias"] = 0.0
            if module.reads_out:
                new["init"] = "gaussian"
        return State(**new)

    def query(self) -> str:
        """What a link says after its question mark: all that is not as it starts."""
        return urlencode({k: _plain(v) for k, v in vars(self).items() if v != _START[k]})

    @classmethod
    def of_query(cls, text) -> "State":
        """The state of a link. Raises UserError for a name that is none and a value that is none.

        >>> State.of_query("spectral_radius=1.2").spectral_radius
        1.2
        """
        return cls.named(dict(parse_qsl(text, keep_blank_values=True)))

    @classmethod
    def named(cls, values) -> "State":
        """The state of {control: value}, as a link or a command gives them. Raises UserError."""
        for name in values:
            one_of("control", name, CONTROLS)
        return cls(**values)

    @property
    def options(self) -> dict:
        """What the task is given besides a length; a file by its whole path."""
        file = os.path.abspath(os.path.expanduser(self.file)) if self.file else None
        return {"file": file, "column": self.column or None}


def cell(name, activation="tanh"):
    """The cell of that name. It loads the engine: a page is there before."""
    from gradlab.nets import registry

    return registry.find(name, activation)


def checked(name, value):
    """The value of a control in its own type. Raises UserError, one line, for what is none."""
    control = CONTROLS[one_of("control", name, CONTROLS)]
    if control.kind == "text":
        return "" if value is None else str(value)
    if control.kind == "choice":
        return one_of(name, value, control.values)
    if isinstance(value, str) and value == "none" and math.inf in control.values:
        return math.inf
    low = LEAST.get(name, control.low)
    most = control.most
    try:
        number = float(value) + 0.0  # no -0
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if control.values and not number > 0:
        raise UserError(f"{name}={value}: must be a number above 0{_or_inf(control)}")
    if math.isinf(number) and math.inf in control.values:
        return number
    if not (math.isfinite(number) and low <= number <= most):
        raise UserError(f"{name}={value}: must be a number from {low:g}{_up_to(most)}")
    if control.kind == "whole":
        if number != int(number):
            raise UserError(f"{name}={value}: must be a whole number from {low:g}{_up_to(most)}")
        return int(number)
    return number


def _or_inf(control):
    return ", or none" if math.inf in control.values else ""


def _up_to(most):
    return f" to {most:g}" if math.isfinite(most) else " on"


def _plain(value):
    return repr(value).removesuffix(".0") if isinstance(value, float) else value


_START = {field.name: field.default for field in dataclasses.fields(State)}
