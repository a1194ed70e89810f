"""Adding: the sum of two marked numbers (Le et al. 2015; Arjovsky et al. 2016).

Of the same family as `addition`, but of fixed length, with marks anywhere in the two halves, and
with the sum, not the mean.
"""

from gradlab.tasks._shared import check, marked, wrong_value

INPUTS = 2
OUTPUTS = 1
LOSS = "squared_error"
AT = "last"
LENGTH_FREE = False

# The papers report the squared error only; .04 is Pascanu's rule, here in units of the sum.
wrong = wrong_value


def sample(rng, length, batch=1):
    """Numbers from U[0, 1) and marks (T, B, 2), and the sum of the marked two (B, 1).

    One mark is drawn uniformly from the first half of the steps, one from the second. Raises
    UserError for a length below 2.
    """
    check("adding", length, batch, least=2)
    half = length // 2
    inputs, pair = marked(rng, length, batch, [(0, half), (half, length)])
    return inputs, pair.sum(0)[:, None]


def baseline(length):
    """1/6, the variance of the sum, which predicting 1 costs."""
    return 1 / 6
