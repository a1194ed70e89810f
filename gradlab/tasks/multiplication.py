"""Multiplication: as addition, with the product of the two marked numbers.

Pascanu, Mikolov and Bengio 2013 and their code; after Hochreiter and Schmidhuber 1997.
"""

from gradlab.tasks import addition
from gradlab.tasks._shared import check, wrong_value

INPUTS = 2
OUTPUTS = 1
LOSS = "squared_error"
AT = "last"
LENGTH_FREE = False

wrong = wrong_value


def sample(rng, length, batch=1):
    """Numbers from U[0, 1) and marks (T, B, 2), and the product of the marked two (B, 1).

    T and the marks are drawn as in `addition`. Raises UserError for a length below 10.
    """
    check("multiplication", length, batch, least=10)
    inputs, pair = addition.early_pair(rng, length, batch)
    return inputs, pair.prod(0)[:, None]


def baseline(length):
    """7/144, the variance of the product, 1/9 - 1/16, which predicting 1/4 costs."""
    return 7 / 144
