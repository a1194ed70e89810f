"""How the learning rate changes: a factor between 0 and 1 for each part of a training."""

import math

from gradlab.errors import one_of

HALVINGS = 10  # of `exponential`: it ends at 1/1024

SCHEDULES = {
    "constant": lambda part: 1.0,
    "linear": lambda part: 1.0 - part,
    "cosine": lambda part: 0.5 * (1.0 + math.cos(math.pi * part)),
    "exponential": lambda part: 0.5 ** (HALVINGS * part),
}


def factor(name, update, updates):
    """The factor on the learning rate for update number 1, 2, ..., `updates`.

    part = (update - 1)/updates goes from 0 to almost 1. constant: 1; linear: 1 - part; cosine:
    (1 + cos(pi part))/2 (Loshchilov and Hutter 2017, without restarts); exponential: 2^(-10 part).
    Raises UserError for an unknown name.
    """
    return SCHEDULES[one_of("schedule", name, SCHEDULES)]((update - 1) / updates)
