"""Copying: ten symbols to be repeated after a delay (Arjovsky et al. 2016).

After the memory problem of Hochreiter and Schmidhuber 1997.
"""

import math

import numpy as np

from gradlab.tasks._shared import check, one_hot, wrong_class

SYMBOLS = 8
SHOWN = 10
INPUTS = SYMBOLS + 2
OUTPUTS = SYMBOLS + 1
LOSS = "cross_entropy"
AT = "every"
LENGTH_FREE = False

wrong = wrong_class


def sample(rng, length, batch=1):
    """Symbols one-hot (T, B, 10) and the class of every step (T, B); the delay D is T - 20.

    Inputs: ten symbols of 0 to 7, D - 1 blanks (8), the cue (9), ten blanks. Classes: blank for
    D + 10 steps, then the ten symbols in their order. Raises UserError for a length below 21.
    """
    check("copying", length, batch, least=2 * SHOWN + 1)
    return recall(rng, (length, batch), SYMBOLS, cue=length - SHOWN - 1)


def recall(rng, shape, kinds, cue):
    """Ten of `kinds` symbols, blanks but for the cue; classes: blanks, at the end the symbols.

    shape is (T, B); blank is number `kinds`, the cue, shown at step `cue`, kinds + 1.
    """
    symbols = np.full(shape, kinds)
    classes = np.full(shape, kinds)
    symbols[:SHOWN] = classes[-SHOWN:] = rng.integers(kinds, size=(SHOWN, shape[1]))
    symbols[cue] = kinds + 1
    return one_hot(symbols, kinds + 2), classes


def baseline(length):
    """10 ln 8 = 20.79 over all steps, or 10 ln 8/(D + 20) a step: blanks, then any symbol."""
    return SHOWN * math.log(SYMBOLS)
