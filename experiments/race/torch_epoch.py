"""An epoch of the tagger in PyTorch: nn.Embedding, nn.LSTM and cross_entropy under autograd.

The minibatches are made beforehand, packed (no step behind a sentence's end is computed, nor read
out) or padded. The embedding's gradient is dense: a sparse one is not for Adam, and SparseAdam
leaves the moments of words that a minibatch has not as they are, which is another optimizer.
"""

from functools import partial

from race import sentences
from race.torch_training import updated


def calls(problem, form):
    """[(name, call(problem))]; none by hand: cross-entropy and scatter are no loop over steps."""
    if form == "torch.func":
        return []
    made = sentences.minibatches(problem)
    return [
        ("nn.LSTM on packed sequences, torch.optim", partial(_train, _packed, _all_packed(made))),
        ("nn.LSTM on padded sequences, torch.optim", partial(_train, _padded, _all_padded(made))),
    ]


def _train(outputs, minibatches, problem):
    import torch
    from torch.nn.functional import cross_entropy

    weights = {k: torch.nn.Parameter(value.clone()) for k, value in problem.first.items()}
    lstm, leaves = _sharing(weights), list(weights.values())

    def gradients():
        for words, tags in minibatches:
            logits = outputs(lstm, weights, words) @ weights["V"].T + weights["c"]
            loss = cross_entropy(logits.flatten(0, -2), tags.flatten())
            yield list(torch.autograd.grad(loss, leaves))

    return updated(weights, gradients(), problem.work.optimizer)


def _sharing(weights):
    """nn.LSTM with these weights as its own; its second bias stays 0."""
    import torch

    lstm = torch.nn.LSTM(weights["U"].shape[1], weights["W"].shape[1])
    nothing = torch.nn.Parameter(torch.zeros_like(weights["b"]), requires_grad=False)
    lstm.weight_ih_l0, lstm.weight_hh_l0 = weights["U"], weights["W"]
    lstm.bias_ih_l0, lstm.bias_hh_l0 = weights["b"], nothing
    return lstm


def _padded(lstm, weights, words):
    from torch.nn.functional import embedding

    return lstm(embedding(words, weights["embedding"]))[0]


def _packed(lstm, weights, words):
    from torch.nn.functional import embedding

    return lstm(words._replace(data=embedding(words.data, weights["embedding"])))[0].data


def _all_padded(minibatches):
    import torch

    return [(torch.tensor(x), torch.tensor(y)) for x, y, _ in minibatches]


def _all_packed(minibatches):
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence

    def packed(values, lengths):
        return pack_padded_sequence(
            torch.tensor(values), torch.tensor(lengths), enforce_sorted=False
        )

    return [(packed(x, n), packed(y, n).data) for x, y, n in minibatches]
