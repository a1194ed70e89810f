"""LSTM, GRU, Jordan's network and stacks in PyTorch.

"torch" is nn.LSTM and nn.GRU under autograd, and a loop over the steps for Jordan, which has no
module; "torch.func" is a loop over one chain's steps whose pre-activations' gradients come from
autograd and whose dL/dW is one product.
"""

from gradlab.nets import chains


def calls(problem, form):
    """[(name, call(problem))]; none for a stack in a loop: its layers would wait for each other."""
    work = problem.work
    if form == "torch.func":
        name = "loop over steps, autograd, one product for dL/dW"
        loop = _jordan_loop if work.cell == "jordan" else _loop
        return [] if work.layers > 1 or work.both else [(name, loop)]
    if work.cell == "jordan":
        return [("loop over steps, autograd", _jordan)]
    return [(f"nn.{work.cell.upper()}, autograd", _module)]


def _loss(outputs, problem):
    return ((outputs - problem.y) ** 2).sum() / problem.x.shape[1]


def _with_one_network(names, found):
    return {name: value[None] for name, value in zip(names, found, strict=True)}


def _module(problem):
    """The module's two biases are b and b_recurrent; a second one that we have not stays 0."""
    import torch

    work, weights = problem.work, problem.first
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[work.cell]
    net = kind(
        work.inputs, work.hidden, work.layers, bidirectional=work.both, dtype=problem.x.dtype
    )
    leaves = {}
    with torch.no_grad():
        for ours, parameter in _parameters(net, work):
            if ours in weights:
                leaves[ours] = parameter.copy_(weights[ours])
            else:
                parameter.zero_().requires_grad_(False)
    leaves |= {name: weights[name].clone().requires_grad_() for name in "Vc"}
    states, _ = net(problem.x)
    loss = _loss(states @ leaves["V"].T + leaves["c"], problem)
    return _with_one_network(leaves, torch.autograd.grad(loss, list(leaves.values())))


def _parameters(net, work):
    """(our name, the module's parameter) of every chain."""
    theirs = {
        "U": "weight_ih", "W": "weight_hh", "b": "bias_ih", "b_recurrent": "bias_hh"
    }  # fmt: skip
    for place in chains.places(work.layers, work.both):
        where = f"_l{place.layer}{'_reverse' * place.reverse}"
        for short, name in theirs.items():
            yield short + place.suffix, getattr(net, name + where)


def _jordan(problem):
    import torch

    leaves = {name: value.clone().requires_grad_() for name, value in problem.first.items()}
    W, V = leaves["W"].T, leaves["V"].T
    outputs, y = [], problem.x.new_zeros(problem.x.shape[1], len(leaves["c"]))
    for a in problem.x @ leaves["U"].T + leaves["b"]:
        y = torch.addmm(leaves["c"], torch.tanh(torch.addmm(a, y, W)), V)
        outputs.append(y)
    loss = _loss(torch.stack(outputs), problem)
    return _with_one_network(leaves, torch.autograd.grad(loss, list(leaves.values())))


def _loop(problem):
    """delta_t is the gradient of the leaf a_t = b + U x_t; for GRU, where W h_{t-1} enters too."""
    import torch

    weights, x, work = problem.first, problem.x, problem.work
    leaves = _leaves(x @ weights["U"].T + weights["b"])
    states, reset = {"lstm": _lstm, "gru": _gru}[work.cell](weights, leaves)
    readout = [weights[name].clone().requires_grad_() for name in "Vc"]
    h = torch.stack(states)
    loss = _loss(h @ readout[0].T + readout[1], problem)
    *deltas, V, c = torch.autograd.grad(loss, [*leaves, *readout])
    entry, h = torch.stack(deltas), h.detach()
    inside = entry
    if reset:
        gates = entry.split(work.hidden, dim=-1)
        inside = torch.cat([*gates[:2], gates[2] * torch.stack(reset).detach()], dim=-1)
    before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
    found = {"U": _outer(entry, x), "W": _outer(inside, before), "b": entry.sum((0, 1))}
    found |= {"b_recurrent": inside.sum((0, 1)), "V": V, "c": c}
    return {name: found[name][None] for name in weights}


def _jordan_loop(problem):
    """delta_t, and dL/do_t: the gradient of the leaf c at every step."""
    import torch

    weights, x = problem.first, problem.x
    leaves = _leaves(x @ weights["U"].T + weights["b"])
    own = _leaves(weights["c"].expand(*x.shape[:2], -1).contiguous())
    W, V = weights["W"].T, weights["V"].T
    hidden, outputs, y = [], [], torch.zeros_like(own[0])
    for a, c in zip(leaves, own, strict=True):
        hidden.append(torch.tanh(torch.addmm(a, y, W)))
        y = torch.addmm(c, hidden[-1], V)
        outputs.append(y)
    o = torch.stack(outputs)
    found = torch.autograd.grad(_loss(o, problem), [*leaves, *own])
    delta, slope = (torch.stack(part) for part in (found[: len(x)], found[len(x) :]))
    before = torch.cat([torch.zeros_like(o[:1]), o[:-1]]).detach()
    sums = {"U": _outer(delta, x), "W": _outer(delta, before), "b": delta.sum((0, 1))}
    sums |= {"V": _outer(slope, torch.stack(hidden).detach()), "c": slope.sum((0, 1))}
    return {name: value[None] for name, value in sums.items()}


def _leaves(rows):
    return [row.detach().requires_grad_() for row in rows]


def _outer(delta, values):
    return delta.flatten(0, 1).T @ values.flatten(0, 1)


def _lstm(weights, leaves):
    import torch

    W, states = weights["W"].T, []
    h = c = torch.zeros_like(leaves[0][:, : len(W)])
    for a in leaves:
        i, f, g, o = torch.addmm(a, h, W).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return states, None


def _gru(weights, leaves):
    import torch

    W, states, reset = weights["W"].T, [], []
    both = 2 * len(W)
    h = torch.zeros_like(leaves[0][:, : len(W)])
    for a in leaves:
        m = torch.addmm(weights["b_recurrent"], h, W)
        r, z = torch.sigmoid(a[:, :both] + m[:, :both]).chunk(2, dim=1)
        n = torch.tanh(a[:, both:] + r * m[:, both:])
        h = n + z * (h - n)
        states.append(h)
        reset.append(r)
    return states, reset
