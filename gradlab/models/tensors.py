"""Named arrays that are not read yet: a layout looks at names and shapes, then takes what it uses.

float16 and bfloat16 are widened to float32, which holds them exactly. Whole numbers and 8-bit
floats are quantised: what they stand for is not in them, and they are refused.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError

SIZES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}  # bytes of those that are taken
MOST = 2**31  # bytes of a network's weights as they are taken: 2 GiB, an LSTM of 8,000 units
LONGEST = 80  # characters of a name that are shown


class Tensor(NamedTuple):
    """An array with its shape and its dtype's name, and what reads it."""

    shape: tuple[int, ...]
    kind: str
    read: Callable[[], np.ndarray]


def taken(tensors: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, np.ndarray]:
    """{name: array} of some, in float64 or float32, copied.

    Raises UserError, one line, for a dtype that is not widened and for more than 2 GiB, before
    any is read.
    """
    names = list(names)
    for name in names:
        check_kind(name, tensors[name])
    wide = sum(math.prod(tensors[n].shape) * max(SIZES[tensors[n].kind], 4) for n in names)
    if wide > MOST:
        said = f"{names[0]} {tensors[names[0]].shape}" if names else "they"
        raise UserError(f"weights of {wide / 2**30:.3g} GiB ({shown(said)}, ...): at most 2 GiB")
    return {name: widened(tensors[name].read()) for name in names}


def check_kind(name: str, tensor: Tensor) -> None:
    """Raise UserError, one line, for a dtype that is neither float64 nor one that float32 holds."""
    if tensor.kind in SIZES:
        return
    right = f"right are {', '.join(SIZES)}: save the weights before they are quantised, in float32"
    raise UserError(f"{shown(name)} holds {shown(tensor.kind)}, which is not widened; {right}")


def widened(array: np.ndarray) -> np.ndarray:
    """A copy in float64 if it is that, else in float32, C-ordered, in this machine's byte order."""
    single = array.dtype.newbyteorder("=") != np.float64
    return np.array(array, np.float32 if single else np.float64, order="C")


def ordered(rows: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Blocks of rows, one a gate, in another order, C-ordered."""
    blocks = np.split(rows, len(order))
    return np.concatenate([blocks[i] for i in order])


def linear(
    tensors: Mapping[str, Tensor], names: tuple[str, ...], is_transposed: bool
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """What reads a linear layer, (V, c), from its matrix (O, N) and its bias, or 0 without one.

    is_transposed: the matrix stands as (N, O).
    """

    def read() -> tuple[np.ndarray, np.ndarray]:
        matrix, *bias = taken(tensors, names).values()
        V = matrix.T.copy() if is_transposed else matrix
        return V, bias[0] if bias else np.zeros(len(V), V.dtype)

    return read


def of_bfloat16(content: bytes) -> np.ndarray:
    """float32 (n,) of bfloat16's bytes: its upper halves."""
    return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4")


def shown(text: object) -> str:
    """A foreign name as it may be printed: printable ASCII, and no more of it than 80 characters.

    >>> shown("a\\x1b[2J")
    'a\\\\x1b[2J'
    """
    line = ascii(str(text))[1:-1]
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def listed(names: Iterable[str], most: int = 8) -> str:
    """ "a, b, c, ... (20)": the first names, and how many there are."""
    names = list(names)
    told = ", ".join(map(shown, names[:most]))
    return f"{told}, ... ({len(names)})" if len(names) > most else told
