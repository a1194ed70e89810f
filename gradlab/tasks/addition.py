"""Addition: the mean of two marked numbers in the first half of a long sequence.

Pascanu, Mikolov and Bengio 2013 and their code; after Hochreiter and Schmidhuber 1997.
"""

from gradlab.tasks._shared import check, marked, wrong_value

INPUTS = 2
OUTPUTS = 1
LOSS = "squared_error"
AT = "last"
LENGTH_FREE = False

wrong = wrong_value


def sample(rng, length, batch=1):
    """Numbers from U[0, 1) and marks (T, B, 2), and the mean of the marked two (B, 1).

    T is drawn uniformly from [length, 1.1 length), once for the whole batch. One mark stands at a
    step in [0, T/10), one in [T/10, T/2). Raises UserError for a length below 10.
    """
    check("addition", length, batch, least=10)
    inputs, pair = early_pair(rng, length, batch)
    return inputs, pair.mean(0)[:, None]


def early_pair(rng, length, batch):
    """Inputs (T, B, 2) with T from [length, 1.1 length), and the two marked numbers (2, B)."""
    steps = length + int(rng.integers(length // 10))
    first, second = steps // 10, 4 * steps // 10
    return marked(rng, steps, batch, [(0, first), (first, first + second)])


def baseline(length):
    """1/24, the variance of the mean, which predicting 1/2 costs."""
    return 1 / 24
