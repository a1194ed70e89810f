"""What the model is shown: inputs and targets, or noise; and how much of it is measured."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab import files, given
from gradlab.errors import UserError
from gradlab.nets import embedding
from gradlab.tasks import _columns

STEPS, LANES = 100, 16  # of noise, unless told
LONGEST = 1000  # steps of noise, where a task needs so many
BYTES = 1.0e9  # of the states that one pass over the model leaves, at most
WORK = 3e11  # multiplications with W, at most: some 20 seconds on two cores
PASSES = 4  # over the model, in work: forward, and back for the vectors; a loss takes 3 more
KINDS = (".npy", ".csv", ".parquet")


class Inputs(NamedTuple):
    """x (T, B, D), or numbers (T, B) of an embedding's rows, time first; and words on both.

    y as `Network.gradients` takes it, or None.
    """

    x: np.ndarray
    y: np.ndarray | None
    at: str
    notes: tuple[str, ...]


def of(net, x, y, batch_first=False, loss=None, noise=(STEPS, LANES, 0)):
    """The `Inputs` of a network: arrays or paths, or noise of unit variance where x is None.

    Of an embedding's rows each is as likely. noise: its (steps, sequences, seed). Raises UserError,
    one line, for what does not fit.
    """
    width, notes = net.weights["U"].shape[1], []
    rows = len(net.weights.get(embedding.NAME, ()))
    if x is None:
        if y is not None:
            raise UserError("targets without inputs: give the inputs that they belong to")
        *size, seed = noise
        stream = np.random.default_rng(seed)
        x = stream.integers(rows, size=size) if rows else stream.standard_normal((*size, width))
        what = "words drawn at random" if rows else "noise of unit variance"
        notes.append(f"no inputs given: {what}; yours (--inputs) may do otherwise")
    elif rows:
        x = _words("inputs", x, rows, batch_first)
    else:
        x = _by_time("inputs", x, width, batch_first)
    _check_finite("inputs", x)
    at, targets = "every", None
    if y is not None:
        targets, at = _targets(net, y, x.shape[:2], batch_first, loss)
        _check_finite("targets", targets)
    return _sampled(net, Inputs(x, targets, at, tuple(notes)))


def read(path):
    """The array of a .npy file, or the columns (T, K) of a .csv or .parquet file.

    Raises UserError, one line, for every other file.
    """
    place = files.expanded(path)
    if place.suffix.lower() not in KINDS:
        raise UserError(f"{path}: give a .npy, .csv or .parquet file")
    if place.suffix.lower() == ".npy":
        return _npy(path, place)
    found, _ = _columns.found(place)
    frame, places = _columns.table(found)
    names = _columns.chosen(frame, "*", found)
    columns = [_columns.numbers(frame[k], f"column {k} of {path}", places) for k in names]
    return np.stack(columns, axis=1)


def work(net, inputs):
    """Multiplications with W that a look takes."""
    passes = PASSES + (0 if inputs.y is None else 6 if inputs.at == "every" else 3)
    steps, lanes = inputs.x.shape[:2]
    return passes * steps * lanes * net.weights["W"].size * len(net.places)


def _npy(path, place):
    try:
        return np.load(place, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"no file {path}") from None
    except (ValueError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path} is no .npy file of plain numbers: {reason}") from None


def array_of(name, value):
    """An array of numbers from that, or from the path of a file."""
    if isinstance(value, str | os.PathLike):
        return read(Path(value))
    if hasattr(value, "batch_sizes"):
        right = "pad it, torch.nn.utils.rnn.pad_packed_sequence(...)[0]"
        raise UserError(f"{name} are a packed sequence: {right}")
    return given.real(name, value)


def _check_finite(name, array):
    if bad := int((~np.isfinite(array)).sum()):
        raise UserError(
            f"{name} hold {bad} value{'s that are' if bad > 1 else ' that is'} nan or inf"
        )


def _by_time(name, value, width, batch_first):
    """(T, B, D) from that, (B, T, D), (T, D) or (T,)."""
    array = given.floats(name, array_of(name, value))
    shape = array.shape
    if array.ndim == 1 and width == 1:
        array = array[:, None]
    if array.ndim == 2:
        array = array[None] if batch_first else array[:, None]
    if array.ndim == 3 and batch_first:
        array = array.swapaxes(0, 1)
    if array.ndim != 3 or array.shape[2] != width or 0 in array.shape:
        order = "(B, T, D)" if batch_first else "(T, B, D)"
        hint = "" if batch_first else ", --batch-first where the sequences come first"
        raise UserError(f"{name} have shape {shape}: the model takes {order}, D = {width}{hint}")
    return np.ascontiguousarray(array)


def _words(name, value, rows, batch_first):
    """Numbers (T, B) of rows from that, (B, T) or (T,)."""
    array = array_of(name, value)
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
        array = array.reshape(-1, 1)
    elif batch_first and array.ndim == 2:
        array = array.T
    array = embedding.numbers_of(name, array, rows)
    return embedding.within(name, array, rows, np.full(array.shape[1], len(array)))


def _targets(net, value, shape, batch_first, loss):
    """(y, at): of every step (T, B, O), (T, B), or of the last one (B, O), (B,)."""
    y, outputs = array_of("targets", value), len(net.weights["c"])
    steps, lanes = shape
    classes = y.dtype.kind in "iu"
    if lanes == 1 and y.ndim <= 2 and len(y) == steps > 1 and y.shape[1:] != (1, outputs):
        y = y[:, None] if not batch_first else y[None]  # columns of a file: one sequence
    if batch_first and y.shape[:2] == (lanes, steps):
        y = y.swapaxes(0, 1)
    right = {(steps, lanes): "every", (lanes,): "last"}
    if not classes:
        if y.shape in right and outputs == 1:
            y = y[..., None]
        if loss == "cross_entropy" or y.shape in right:
            places = " or ".join(map(str, right))
            raise UserError(
                f"targets are {y.dtype} of shape {y.shape}: classes are whole numbers, {places}"
            )
        right = {(*place, outputs): at for place, at in right.items()}
    if y.shape not in right:
        told = " or ".join(map(str, right))
        raise UserError(f"targets have shape {y.shape}: give {told}")
    return np.ascontiguousarray(y), right[y.shape]


def _sampled(net, inputs):
    """So many sequences, then so many steps, as memory and patience allow; a note says so."""
    steps, lanes = inputs.x.shape[:2]
    values = sum(3 * net.weights[f"W{place.suffix}"].shape[0] for place in net.places)
    each = max(
        steps * values * net.weights["W"].dtype.itemsize / BYTES,
        work(net, inputs) / lanes / WORK,
    )
    few = max(1, min(lanes, int(1 / each)))
    short = min(steps, max(1, int(steps / each))) if each > 1 else steps
    if (few, short) == (lanes, steps):
        return inputs
    x, y = inputs.x[:short, :few], inputs.y
    if y is not None:
        y = y[:short, :few] if inputs.at == "every" else y[:few]
    note = (
        f"sampled, for {net.hidden:,} units are many: {few} of {lanes} sequences, {short:,} of "
        f"{steps:,} steps"
    )
    return inputs._replace(x=np.ascontiguousarray(x), y=y, notes=(*inputs.notes, note))
