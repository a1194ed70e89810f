"""Temporal order with three bits: as temporal_order, with a third symbol to tell.

Pascanu, Mikolov and Bengio 2013 and their code; after problem 6b of Hochreiter and Schmidhuber
1997.
"""

import math

from gradlab.tasks import temporal_order
from gradlab.tasks._shared import check, wrong_class

INPUTS = 6
OUTPUTS = 8
LOSS = "cross_entropy"
AT = "last"
LENGTH_FREE = False
TENTHS = (1, 3, 6)

wrong = wrong_class


def sample(rng, length, batch=1):
    """Symbols one-hot (T, B, 6) and classes (B,), first + 2 second + 4 third (A 0, B 1).

    A or B stands at a step in [T/10, 2T/10), in [3T/10, 4T/10) and in [6T/10, 7T/10), all else is
    c to f, each draw uniform. Raises UserError for a length below 10.
    """
    check("temporal_order_3bit", length, batch, least=10)
    return temporal_order.ordered(rng, length, batch, TENTHS)


def baseline(length):
    """ln 8: all classes are equally likely to whoever does not look."""
    return math.log(OUTPUTS)
