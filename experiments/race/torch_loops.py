"""PyTorch for many networks at once: loops over time of batched products, and torch.func."""


def calls(problem):
    """[(name, call(problem))]"""
    loops = {"batch": _networks, "networks": _networks, "sweep": _sweep, "lags": _lags}
    made = [("loop of batched products, autograd, one einsum", loops[problem.work.kind])]
    if problem.work.kind == "networks":
        made.append(("torch.func.vmap(grad)", _functional_networks))
    if problem.work.kind == "sweep":
        made.append(("torch.func.vmap(vmap(grad))", _functional_sweep))
    return made


def _loop(driven, product):
    """(leaves, states): h = tanh(driven[t] + product(h)); the leaves' gradients are delta_t."""
    import torch

    leaves = [a.detach().requires_grad_() for a in driven]
    h, states = torch.zeros_like(leaves[0]), []
    for a in leaves:
        h = torch.tanh(a + product(h))
        states.append(h)
    return leaves, states


def _before(states):
    import torch

    return torch.stack([torch.zeros_like(states[0]), *states[:-1]]).detach()


def _networks(problem):
    """Networks and lanes at once: states (S, B, N), products by bmm."""
    import torch

    weights, x, y = problem.weights, problem.x, problem.y
    driven = torch.einsum("tbd,snd->tsbn", x, weights["U"]) + weights["b"][:, None]
    transposed = weights["W"].transpose(1, 2)
    leaves, states = _loop(driven, lambda h: torch.bmm(h, transposed))
    seen = torch.stack(states if problem.work.at == "every" else states[-1:])
    readout = [weights[name].clone().requires_grad_() for name in "Vc"]
    outputs = torch.einsum("tsbn,son->tsbo", seen, readout[0]) + readout[1][:, None]
    loss = ((outputs - y[:, None]) ** 2).sum() / x.shape[1]
    *deltas, V, c = torch.autograd.grad(loss, [*leaves, *readout])
    delta = torch.stack(deltas)
    return {
        "U": torch.einsum("tsbn,tbd->snd", delta, x),
        "W": torch.einsum("tsbn,tsbm->snm", delta, _before(states)),
        "b": delta.sum((0, 2)),
        "V": V,
        "c": c,
    }


def _sweep(problem):
    """Seeds and radii at once; each length goes back through the one graph."""
    import torch

    weights, x = problem.weights, problem.x
    driven = torch.einsum("td,snd->tsn", x[:, 0], weights["U"]) + weights["b"]
    driven = driven[:, :, None].expand(-1, -1, len(problem.radius), -1)
    transposed, gain = weights["W"].transpose(1, 2), problem.radius[:, None]
    leaves, states = _loop(driven, lambda h: gain * torch.bmm(h, transposed))
    before, norms = _before(states), []
    for length in problem.work.lengths:
        outputs = states[length - 1] @ weights["V"].transpose(1, 2) + weights["c"][:, None]
        loss = ((outputs - problem.y[length - 1]) ** 2).sum()
        deltas = torch.autograd.grad(loss, leaves[:length], retain_graph=True)
        total = torch.einsum("tsrn,tsrm->srnm", torch.stack(deltas), before[:length])
        norms.append(total.norm(dim=(2, 3)))
    return {"norm": torch.stack(norms, dim=-1)}


def _lags(problem):
    import torch

    weights, x = problem.first, problem.x
    driven = x @ weights["U"].T + weights["b"]
    leaves, states = _loop(driven, lambda h: h @ weights["W"].T)
    outputs = states[-1] @ weights["V"].T + weights["c"]
    head = (2 / x.shape[1] * (outputs - problem.y[0]) @ weights["V"]).detach()
    delta = torch.stack(torch.autograd.grad(states[-1], leaves, head))
    return {"norm": torch.cat([delta @ weights["W"], head[None]]).norm(dim=-1)}


def _functional_loss(one, x, y):
    import torch

    h = torch.zeros_like(one["b"])
    for a in x[:, 0] @ one["U"].T + one["b"]:
        h = torch.tanh(a + one["W"] @ h)
    return ((one["V"] @ h + one["c"] - y) ** 2).sum()


def _functional_networks(problem):
    from torch.func import grad, vmap

    x, y = problem.x, problem.y[0, 0]
    return vmap(lambda one: grad(_functional_loss)(one, x, y))(problem.weights)


def _functional_sweep(problem):
    import torch
    from torch.func import grad, vmap

    def norm(one, rho, x, y):
        def loss(W):
            return _functional_loss({**one, "W": W}, x, y)

        return grad(loss)(rho * one["W"]).norm()

    norms = []
    for n in problem.work.lengths:
        over = vmap(vmap(norm, (None, 0, None, None)), (0, None, None, None))
        norms.append(over(problem.weights, problem.radius, problem.x[:n], problem.y[n - 1, 0]))
    return {"norm": torch.stack(norms, dim=-1)}
