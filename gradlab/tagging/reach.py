"""How far back a word's tag is felt: the gradient in the words before it."""

import numpy as np

from gradlab.nets.embedding import NAME as EMBEDDING
from gradlab.nets.network import Network
from gradlab.text.batches import IGNORED

LOG10_2 = np.log10(2.0)


def by_word(net: Network, numbers: np.ndarray, asked: int) -> np.ndarray:
    """log10 of ||dL/de_t|| / ||dL/de_asked||, (T, B): -inf where a word has no part in the loss.

    L = -log p of the tag that the network itself finds likeliest for word `asked`, e_t = E[i_t]
    the embedding of word t.

    net       with an embedding
    numbers   (T, B) of the words
    asked     the place of the word, 0 the first

    Every word has a row of its own here, so that dL/dE is dL/de_t, whichever words come twice.

    >>> net = Network.draw("elman", inputs=9, embedding=4, hidden=8, outputs=3)
    >>> by_word(net, np.array([[1], [5], [1]]), 1).round(2).tolist()[1:]
    [[0.0], [-inf]]
    """
    steps, lanes = numbers.shape
    own = net.weights[EMBEDDING][numbers.ravel()]
    each = Network({**net.weights, EMBEDDING: own}, net.cell, net.activation, net.feedback)
    x, y = np.arange(steps * lanes).reshape(steps, lanes), np.full(numbers.shape, IGNORED)
    y[asked] = each.forward(x).outputs[asked].argmax(-1)
    found = each.gradients(x, y, "cross_entropy")
    rows = found.weights[EMBEDDING].astype(np.float64).reshape(steps, lanes, -1)
    with np.errstate(divide="ignore"):
        logs = np.log10(np.linalg.norm(rows, axis=-1))
    return logs - logs[asked]
