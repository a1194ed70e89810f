"""Noiseless memorization: ten values out of five, to be repeated after a delay.

Pascanu, Mikolov and Bengio 2013 and their code (10 positions, 5 values); Martens and Sutskever
2011 call it the 20-bit problem. `copying` differs in its eight symbols and in a cue one step before
the answer, not at it.
"""

import math

from gradlab.tasks import copying
from gradlab.tasks._shared import check, wrong_class

VALUES = 5
POSITIONS = copying.SHOWN
INPUTS = VALUES + 2
OUTPUTS = VALUES + 1
LOSS = "cross_entropy"
AT = "every"
LENGTH_FREE = False

wrong = wrong_class


def sample(rng, length, batch=1):
    """Values one-hot (T, B, 7) and the class of every step (T, B); the delay D is T - 20.

    The authors' code calls D the length. Inputs: ten values of 0 to 4, D blanks (5), the cue (6),
    nine blanks. Classes: blank for D + 10 steps, then, from the cue on, the ten values in their
    order. Raises UserError for a length below 20.
    """
    check("memorization", length, batch, least=2 * POSITIONS)
    return copying.recall(rng, (length, batch), VALUES, cue=length - POSITIONS)


def baseline(length):
    """10 ln 5 = 16.09 over all steps: blanks, then any value."""
    return POSITIONS * math.log(VALUES)
