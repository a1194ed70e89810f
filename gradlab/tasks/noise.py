"""White noise, to be recalled some steps later: the short-term memory task (Jaeger 2001)."""

import numpy as np

from gradlab.errors import UserError

INPUTS = 1
OUTPUTS = 1
LOSS = "squared_error"
AT = "every"
LENGTH_FREE = True


def sample(rng, length, batch=1, delay=1):
    """Inputs x (T, B, 1) ~ N(0, 1), independent; targets y_t = x_{t-delay}, 0 for t < delay.

    Raises UserError for a delay that is not a whole number >= 0.
    """
    if delay < 0 or delay != int(delay):
        raise UserError(f"delay={delay}: must be a whole number >= 0")
    inputs = rng.standard_normal((length, batch, 1))
    shift = min(int(delay), length)
    targets = np.zeros_like(inputs)
    targets[shift:] = inputs[: length - shift]
    return inputs, targets
