"""The training loop in PyTorch: autograd and torch.optim, its updates one after the other.

"torch" is nn.RNN, "torch.func" a loop over the steps with one product for dL/dW. Omega is added by
its formula, from the pre-activations' gradients that autograd gives.
"""

from functools import partial

from race.works import RATES, THRESHOLD

COUNTED = 1e-20  # ||dL/dh_t||^2 from which a step counts in Omega


def calls(problem, form):
    """[(name, call(problem))]"""
    if form == "torch.func":
        made = [("loop over steps, torch.optim", _by_loop)]
    else:
        made = [("nn.RNN, torch.optim", _by_module)]
    return [(name, partial(_train, way)) for name, way in made]


def _train(way, problem):
    import torch

    weights = {k: torch.nn.Parameter(value.clone()) for k, value in problem.first.items()}
    gradients = way(weights, problem)
    found = (gradients(x, y) for x, y in zip(problem.x, problem.y, strict=True))
    return updated(weights, found, problem.work.optimizer)


def updated(weights, gradients, optimizer):
    """The weights (1, ...) after an update by each of the gradients, lists in their order."""
    import torch

    leaves = list(weights.values())
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    optimizer = kind(leaves, RATES[optimizer], fused=True)
    for found in gradients:
        norm = torch.nn.utils.get_total_norm(found)
        if norm >= THRESHOLD:
            torch._foreach_mul_(found, THRESHOLD / norm)
        for leaf, gradient in zip(leaves, found, strict=True):
            leaf.grad = gradient
        optimizer.step()
    return {name: value.detach()[None] for name, value in weights.items()}


def _by_module(weights, problem):
    """nn.RNN; with Omega on b + U x as its input, so that its input's gradient is delta."""
    import torch
    from torch.nn.functional import cross_entropy

    work = problem.work
    rnn = _sharing(weights, work)
    leaves = list(weights.values())

    def gradients(x, y):
        driven = x @ weights["U"].T + weights["b"] if work.omega else x
        last = rnn(driven)[1][0]
        loss = cross_entropy(last @ weights["V"].T + weights["c"], y)
        if not work.omega:
            return list(torch.autograd.grad(loss, leaves))
        *found, delta, head = torch.autograd.grad(loss, [*leaves, driven, last])
        return _with_omega(dict(zip(weights, found, strict=True)), weights, (delta, head), work)

    return gradients


def _sharing(weights, work):
    """nn.RNN with these weights as its own; with Omega U is the identity there, and b is 0."""
    import torch

    def constant(values):
        return torch.nn.Parameter(values, requires_grad=False)

    rnn = torch.nn.RNN(work.hidden if work.omega else work.inputs, work.hidden)
    nothing = constant(torch.zeros_like(weights["b"]))
    rnn.weight_hh_l0, rnn.bias_hh_l0 = weights["W"], nothing
    if work.omega:
        rnn.weight_ih_l0 = constant(torch.eye(work.hidden, dtype=weights["W"].dtype))
        rnn.bias_ih_l0 = nothing
    else:
        rnn.weight_ih_l0, rnn.bias_ih_l0 = weights["U"], weights["b"]
    return rnn


def _by_loop(weights, problem):
    import torch
    from torch.nn.functional import cross_entropy

    work = problem.work

    def gradients(x, y):
        with torch.no_grad():
            driven = x @ weights["U"].T + weights["b"]
        leaves = [a.requires_grad_() for a in driven.unbind()]
        W, states = weights["W"].detach().T, [torch.zeros_like(leaves[0])]
        for a in leaves:
            states.append(torch.tanh(torch.addmm(a, states[-1], W)))
        loss = cross_entropy(states[-1] @ weights["V"].T + weights["c"], y)
        V, c, head, *deltas = torch.autograd.grad(
            loss, [weights["V"], weights["c"], states[-1], *leaves]
        )
        delta, before = torch.stack(deltas), torch.stack(states[:-1]).detach()
        found = {"U": _outer(delta, x), "W": _outer(delta, before), "b": delta.sum((0, 1))}
        return _with_omega(found | {"V": V, "c": c}, weights, (delta, head), work)

    return gradients


def _with_omega(found, weights, rows, work):
    """The gradients in the weights' order, alpha dOmega/dW added (gradlab.learning.omega).

    From delta (T, B, N) and dL/dh_T (B, N): v_t = delta_t W is dL/dh_{t-1}, as the loss is at the
    last step.
    """
    import torch

    if work.omega:
        delta, head = rows
        v = delta @ weights["W"].detach()
        squares = torch.cat([(v**2).sum(-1), (head**2).sum(-1)[None]])
        counts = squares[1:] >= COUNTED
        size = torch.where(counts, squares[1:], 1.0)
        factor = torch.where(counts, 4 * (squares[:-1] / size - 1) / size, 0.0)
        total = _outer(delta, factor[..., None] * v)
        found["W"] = found["W"] + work.omega * total / counts.sum().clamp(min=1)
    return [found[name] for name in weights]


def _outer(delta, values):
    return delta.flatten(0, 1).T @ values.flatten(0, 1)
