"""What several tasks share: checked sizes, one-hot symbols, marked numbers, what is wrong."""

import numpy as np

from gradlab.errors import UserError

TOLERATED = 0.04  # squared error; a sequence above it is wrong (Pascanu et al. 2013)


def check(task, length, batch, least):
    """Raise UserError unless length is a whole number from `least` and batch one from 1."""
    if not (isinstance(length, int | np.integer) and length >= least):
        raise UserError(f"sequence_length={length}: task {task} needs a whole number from {least}")
    if not (isinstance(batch, int | np.integer) and batch >= 1):
        raise UserError(f"batch={batch}: must be a whole number from 1")


def one_hot(symbols, kinds):
    """Integers 0 to kinds - 1, (T, B), as rows of the identity, (T, B, kinds)."""
    return np.eye(kinds).take(symbols, axis=0)  # a fifth of the time of [symbols]


def marked(rng, length, batch, spans):
    """Inputs (T, B, 2) = numbers from U[0, 1) and marks, and the marked numbers (spans, B).

    In each lane every span (start, stop) has one mark, 1 at a step drawn uniformly from it; all
    other marks are 0.
    """
    inputs = np.zeros((length, batch, 2))
    inputs[..., 0] = rng.random((length, batch))
    at = np.array([rng.integers(*span, size=batch) for span in spans])
    inputs[at, np.arange(batch), 1] = 1.0
    return inputs, inputs[at, np.arange(batch), 0]


def wrong_class(outputs, classes):
    """Lanes (B,) with a step whose largest output is not the class; nan is wrong.

    outputs (B, K), classes (B,), or outputs (T, B, K), classes (T, B).
    """
    wrong = (outputs.argmax(-1) != classes) | np.isnan(outputs).any(-1)
    return wrong if wrong.ndim == 1 else wrong.any(0)


def wrong_value(outputs, targets):
    """Lanes (B,) whose squared error, outputs and targets (B, O), is above .04; nan is wrong."""
    return ~(((outputs - targets) ** 2).sum(-1) <= TOLERATED)
