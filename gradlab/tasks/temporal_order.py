"""Temporal order with two bits: which of A and B came first, and which second.

Pascanu, Mikolov and Bengio 2013 and their code; after problem 6a of Hochreiter and Schmidhuber
1997.
"""

import math

import numpy as np

from gradlab.tasks._shared import check, one_hot, wrong_class

INPUTS = 6
OUTPUTS = 4
LOSS = "cross_entropy"
AT = "last"
LENGTH_FREE = False
TENTHS = (1, 5)

wrong = wrong_class


def sample(rng, length, batch=1):
    """Symbols A, B, c, d, e, f one-hot (T, B, 6) and classes (B,), first + 2 second (A 0, B 1).

    The first of A and B stands at a step in [T/10, 2T/10), the second in [5T/10, 6T/10), all else
    is c to f, each draw uniform. Raises UserError for a length below 10.
    """
    check("temporal_order", length, batch, least=10)
    return ordered(rng, length, batch, TENTHS)


def ordered(rng, length, batch, tenths):
    """One of A and B in each of the `tenths` of the sequence: inputs (T, B, 6), classes (B,)."""
    symbols = rng.integers(2, 6, (length, batch))
    classes = np.zeros(batch, np.int64)
    for bit, tenth in enumerate(tenths):
        shown = rng.integers(2, size=batch)
        at = tenth * length // 10 + rng.integers(length // 10, size=batch)
        symbols[at, np.arange(batch)] = shown
        classes += shown << bit
    return one_hot(symbols, INPUTS), classes


def baseline(length):
    """ln 4: all classes are equally likely to whoever does not look."""
    return math.log(OUTPUTS)
