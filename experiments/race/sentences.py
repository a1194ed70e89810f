"""The tagger's sentences, of the sizes of UD English EWT, and the minibatches of an epoch of them.

A sentence's length is a gamma variable of mean `steps` and standard deviation 0.76 of it, rounded
(EWT: 16.3 and 12.4 words, 1 to 159). A word has the probability 1/rank (Zipf's law: of 19,989 rows
16,000 are met, of EWT's 18,800), a tag is any: what they mean is nothing to a clock.
"""

import numpy as np

from gradlab.learning.plan import Plan
from gradlab.learning.sequences import Minibatches, Sequences
from gradlab.nets.network import Network

SPREAD = 0.76
NO_TAG = -100  # behind a sentence's end: PyTorch's ignore_index, and ours
SCALE = 0.3  # of the embedding's entries, as `gradlab tag --learn` draws them


def drawn(stream, work):
    """(words, tags), (T, S) each: all sentences of an epoch beside each other, padded."""
    count, shape = work.updates * work.lanes, SPREAD**-2
    lengths = stream.gamma(shape, work.steps / shape, count).round().astype(int).clip(min=1)
    size = lengths.max(), count
    chances = 1 / np.arange(1, work.words + 1)
    words = stream.choice(work.words, size, p=chances / chances.sum())
    tags = stream.integers(work.outputs, size=size)
    behind = np.arange(size[0])[:, None] >= lengths
    words[behind], tags[behind] = 0, NO_TAG
    return words, tags


def weights(work):
    """Those of a tagger that has learnt nothing yet."""
    found = Network.draw(
        work.cell, inputs=work.words, embedding=work.inputs, hidden=work.hidden,
        outputs=work.outputs, init="torch",
    ).weights  # fmt: skip
    return found | {"embedding": SCALE * found["embedding"]}


def sequences(problem):
    """The same as `gradlab.train` takes them."""
    x, y = np.asarray(problem.x), np.asarray(problem.y)  # a contender may have arrays of its own
    lengths = (y != NO_TAG).sum(0)
    return Sequences(*([own[:n, i] for i, n in enumerate(lengths)] for own in (x, y)))


def minibatches(problem):
    """[(words (T, B), tags (T, B), lengths (B,))] of the epoch, in the order that ours takes."""
    work, plan = problem.work, Plan(batch=problem.work.lanes)
    task = Minibatches(Network(weights(work), work.cell), sequences(problem), None, plan)
    return [task.minibatch(number, plan) for number in range(1, work.updates + 1)]
