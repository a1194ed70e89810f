"""Words by their numbers: x_t = E[i_t], a row of E (V, D) each, and dL/dE.

E stands in a network's weights as `embedding`, PyTorch's nn.Embedding.weight. Its rows are the
input of the lowest layer; row i gets dL/dE[i] = sum over steps and lanes with i_t = i of dL/dx_t,
dL/dx_t = sum over directions of U^T delta_t.
"""

import numpy as np

from gradlab import given
from gradlab.errors import UserError
from gradlab.kernels.input import add_picked
from gradlab.kernels.sums import is_inside
from gradlab.nets.exponents import before_product, normal_rows, plain

NAME = "embedding"


def numbers_of(name, value, count):
    """Numbers (T, B) as the user gave them. Raises UserError, one line, for what are none."""
    numbers = given.real(name, value)
    if numbers.dtype.kind not in "iu":
        right = f"whole numbers from 0 to {count - 1}, rows of the embedding"
        raise UserError(f"{name} must hold {right}, not {numbers.dtype}")
    if numbers.ndim != 2 or 0 in numbers.shape:
        raise UserError(f"{name} must have shape (T, B) for an embedding, not {numbers.shape}")
    return numbers


def within(name, numbers, count, lengths):
    """The numbers as int64, 0 after a lane's own end, where any may stand.

    Raises UserError, one line, for a number that has no row.
    """
    inside = np.arange(len(numbers))[:, None] < lengths
    wrong = ((numbers < 0) | (numbers >= count)) & inside
    if wrong.any():
        t, lane = map(int, np.argwhere(wrong)[0])
        where = f"step {t + 1} of lane {lane}"
        right = f"0 to {count - 1}, the rows of the embedding"
        raise UserError(f"{name} holds {numbers[t, lane]} at {where}, not {right}")
    return np.where(inside, numbers, 0).astype(np.int64)


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def gradient(below, inputs, numbers, table):
    """(dL/dE, exponent): dL/dE = array * 2^exponent, of the shape and dtype of a table of zeros.

    below: the `chains.Deltas` of the lowest layer, a direction each; inputs: their U (G, D). The
    array is the table itself but where the range asks for another one.
    """
    numbers = np.ascontiguousarray(numbers).reshape(-1)
    pairs = [one.ordered(False) for one in below]
    rows = [(flat(delta), exponent.reshape(-1)) for delta, exponent in pairs]
    if not any(exponent.any() for _, exponent in rows):
        for (delta, _), U in zip(rows, inputs, strict=True):
            add_picked(delta, np.ascontiguousarray(U), numbers, table)
        if is_inside(table) or not any(delta.any() for delta, _ in rows):
            return table, 0
    return _careful(rows, inputs, numbers, np.zeros_like(table))


def flat(delta):
    """(T, B, G) as rows (T B, G)."""
    return np.ascontiguousarray(delta).reshape(-1, delta.shape[-1])


def _careful(rows, inputs, numbers, table):
    """With a power of two for each row of every product, and one for their sum."""
    terms = []
    for (delta, exponent), U in zip(rows, inputs, strict=True):
        left, level, right = before_product(delta, exponent, U)
        product, own = normal_rows(left @ right)
        terms.append((product, level + own))
    held = [level[product.any(1)] for product, level in terms]
    top = max((int(levels.max()) for levels in held if levels.size), default=0)
    for product, level in terms:
        np.add.at(table, numbers, plain(product, (level - top)[:, None]))
    return table, top
