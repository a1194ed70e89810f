"""Random permutation: the first of many symbols, asked for at the end.

Martens and Sutskever 2011; Pascanu, Mikolov and Bengio 2013 and their code.
"""

import math

from gradlab.tasks._shared import check, one_hot, wrong_class

INPUTS = 100
OUTPUTS = 100
LOSS = "cross_entropy"
AT = "last"
LENGTH_FREE = False

wrong = wrong_class


def sample(rng, length, batch=1):
    """Symbols one-hot (T, B, 100) and the first symbol as the class (B,).

    As in the authors' code the first symbol is 0 or 1, the others are 2 to 99, all uniform and with
    repetition; the sequence ends with the first once more, and that next symbol is the only one
    predicted, from the T before it. Raises UserError for a length below 2.
    """
    check("random_permutation", length, batch, least=2)
    symbols = rng.integers(2, INPUTS, (length, batch))
    symbols[0] = rng.integers(2, size=batch)
    return one_hot(symbols, INPUTS), symbols[0].copy()


def baseline(length):
    """ln 2: the last symbol is one of two; the other 98 are never asked for."""
    return math.log(2)
