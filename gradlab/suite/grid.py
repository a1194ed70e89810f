"""From an experiment's grid to its points and blocks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradlab import words
from gradlab.errors import UserError, did_you_mean, one_of

LARGEST_WHOLE = 2**53  # above it a float64 is no exact whole number any more
LEAST = {"hidden_size": 1, "layers": 1, "sequence_length": 1, "seed": 0}
MANY = 10**7  # points: some 5 GB and minutes before the first block could start


@dataclass(frozen=True)
class Block:
    """The points that one worker measures at a time: axis -> 1-d array, all equally long."""

    points: Mapping[str, np.ndarray]
    constants: Mapping[str, Any]

    def __len__(self):
        return len(next(iter(self.points.values())))


def points(experiment):
    """The grid as a list of tuples in the order of its axes, each point once."""
    values, codes = _codes(experiment)
    rows = ((of[code] for of, code in zip(values, row, strict=True)) for row in codes.tolist())
    return list(map(tuple, rows))


def size(experiment):
    """The number of points of the grid."""
    return len(_codes(experiment)[1])


def blocks(experiment):
    """[(block, positions)]: the blocks, and where their points stand in the grid.

    Follows from the grid alone, so a point has the same neighbours whoever measures it.
    """
    values, codes = _codes(experiment)
    split = codes[:, [experiment.axes.index(axis) for axis in experiment.split]]
    _, first, group = np.unique(split, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(np.bincount(group))[:-1]
    groups = np.split(order, starts)
    return [(_block(experiment, values, codes[groups[i]]), groups[i]) for i in np.argsort(first)]


def _codes(experiment):
    """(the values of each axis, (points, axes) numbers of values): each point once, in order.

    As Python's own tuples a million points of two axes took 250 MB before the first block began.
    """
    values = [
        list(dict.fromkeys(value for part in experiment.grid for value in part[axis]))
        for axis in experiment.axes
    ]
    numbers = [{value: number for number, value in enumerate(of)} for of in values]
    products = []
    for part in experiment.grid:
        own = [
            np.array([of[value] for value in part[axis]], np.int32)
            for of, axis in zip(numbers, experiment.axes, strict=True)
        ]
        products.append(np.stack(np.meshgrid(*own, indexing="ij"), -1).reshape(-1, len(own)))
    codes = np.concatenate(products)
    _, first = np.unique(codes, axis=0, return_index=True)
    return values, codes[np.sort(first)] if len(first) < len(codes) else codes


def _block(experiment, values, codes):
    """A constant that was given several values is one again: a measure need not know of it."""
    points = {
        axis: np.array([of[code] for code in column.tolist()])
        for axis, of, column in zip(experiment.axes, values, codes.T, strict=True)
    }
    own = {name: points.pop(name)[0].item() for name in experiment.opened}
    names = experiment.base.constants if own else experiment.constants
    return Block(points, {name: {**experiment.constants, **own}[name] for name in names})


def is_file(name):
    """Whether a constant of this name holds the path of a file: `weights_file`, `dev_corpus`."""
    return name.rpartition("_")[2] in ("file", "corpus")


def shown(constants):
    """The constants as tables and provenance show them: a file without its folder."""
    return {k: Path(v).name if _is_path(k, v) else v for k, v in constants.items()}


def _is_path(name, value):
    return bool(value) and (is_file(name) or str(value).endswith(".py"))  # a user's own task


def changed(experiment, values):
    """The experiment with other values on some axes and constants.

    values: name -> a value, a list of values, or text: "0.5", "1,2,4", "0.5:1.5:21" (from, to, how
    many). They take the type of what they replace; None is replaced by text. A constant with
    several values becomes an axis that splits the grid. `save_every` is of every experiment: it
    says how often a training keeps its state, and changes no number of a table. Raises UserError
    for unknown names, values of a wrong type, and what cannot be anywhere: no such cell, a size of
    0.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"set={values!r}: not a mapping of names to values")
    axes, opened = {}, []
    constants = dict(experiment.constants)
    values, save_every = _without_save_every(experiment, values)
    for name, value in values.items():
        if name in experiment.axes:
            axes[name] = _axis(name, value, experiment.grid[0][name][0])
        elif name in constants and _is_several(name, value, constants[name]):
            axes[name] = _axis(name, value, constants.pop(name))
            opened.append(name)
        elif name in constants:
            constants[name] = _convert(name, value, experiment.constants[name])
        else:
            known = (*experiment.axes, *constants)
            hint = did_you_mean(name, known) or f"; it has {', '.join(known)}"
            raise UserError(f"{experiment.name} has no {name or repr(name)}{hint}")
    first = {name: axes[name] for name in opened}
    grid = [{**first, **part, **axes} for part in experiment.grid]
    for name in values:
        _check_known(name, _all(experiment, name), axes.get(name, [constants.get(name)]))
    _check_number([len(part[axis]) for axis in experiment.axes] for part in grid)
    base = experiment.base or experiment
    split = [*opened, *experiment.split]
    given = {"grid": grid, "split": split, "constants": constants, "save_every": save_every}
    return replace(experiment, base=base, **given)


def _without_save_every(experiment, values):
    """(values without it, seconds): how often a training keeps its state."""
    if "save_every" not in values or "save_every" in (*experiment.axes, *experiment.constants):
        return values, experiment.save_every
    values = dict(values)
    seconds = _convert("save_every", values.pop("save_every"), 0.0)
    if seconds < 0:
        raise UserError(f"save_every={seconds:g}: seconds, at least 0")
    return values, seconds


def _is_several(name, value, default):
    """Whether a constant is given several values; free text may hold a comma."""
    if not isinstance(value, str):
        return isinstance(value, list | tuple | range | np.ndarray)
    number = isinstance(default, int | float) and not isinstance(default, bool)
    chosen = isinstance(default, int | float) or words.choices(name)
    return bool(chosen and "," in value) or (number and value.count(":") == 2)


def _all(experiment, name):
    """All values that an experiment itself gives a parameter."""
    if name in experiment.constants:
        return [experiment.constants[name]]
    return [value for part in experiment.grid for value in part[name]]


def _check_known(name, own, given):
    """Raise UserError for a value that a parameter of this name cannot have anywhere.

    An experiment whose own values are others means something else by the name.
    """
    least = LEAST.get(name)
    if least is not None and all(type(value) is int and value >= least for value in own):
        for value in given:
            if value < least:
                raise UserError(f"{name}={value}: must be at least {least}")
    known = words.choices(name)
    if known and all(value is None or value in known for value in own):
        for value in given:
            if value is not None and not value.endswith(".py"):
                one_of(name, value, known)


def _check_number(sizes):
    count = sum(math.prod(lengths) for lengths in sizes)
    if count > MANY:
        raise UserError(f"{count} points: at most {MANY} fit into one grid, give fewer values")


def _axis(name, value, default):
    if isinstance(value, str) and not isinstance(default, str) and ":" in value:
        value = _linspace(name, value)
    elif isinstance(value, str):
        value = value.split(",")
    values = value if isinstance(value, list | tuple | range | np.ndarray) else [value]
    if not len(values):
        raise UserError(f"{name} has no values")
    _check_many(name, len(values))
    return [_convert(name, one, default) for one in values]


def _check_many(name, count):
    if count > MANY:
        raise UserError(f"{name} has {count} values: at most {MANY} fit into one grid")


def _linspace(name, text):
    try:
        start, stop, count = text.split(":")
        start, stop, count = float(start), float(stop), int(count)
        if not (math.isfinite(start) and math.isfinite(stop) and count >= 0):
            raise ValueError(text)
    except ValueError:
        raise UserError(f"{name}={text}: not a range FROM:TO:COUNT such as 0.5:1.5:21") from None
    _check_many(name, count)
    # 12 digits: 0.5:1.5:21 holds the 0.55 that a user types
    return [float(f"{value:.12g}") for value in np.linspace(start, stop, count)]


def kind(default):
    """What values a setting takes, in words: "a number"; "" if it cannot be set."""
    return _KINDS.get(str if default is None else type(default), ("",))[0]


def _convert(name, value, default):
    """The value in the type of the default: text, a switch, a whole number or a number."""
    if value is None and default is None:
        return None
    what = kind(default)
    if not what:
        raise UserError(f"{name} cannot be set: {default!r} is not a single value")
    convert = _KINDS[str if default is None else type(default)][1]
    try:
        return convert(value)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise UserError(f"{name}={value}: not {what}") from None


def _whole(value):
    number = float(value)
    if number != int(number) or abs(number) > LARGEST_WHOLE:
        raise ValueError(value)
    return int(number)


def _number(value):
    number = float(value)
    if np.isnan(number):
        raise ValueError(value)
    return number


_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_KINDS = {
    str: ("text", str),
    bool: ("true or false", lambda value: _SWITCH[str(value).lower()]),
    int: ("a whole number of at most 2^53", _whole),
    float: ("a number", _number),
}
