"""PyTorch in its best forms: nn.RNN under autograd, and loops over batched products.

"torch" is nn.RNN, network by network (a part of them, scaled) where there are many; "torch.func"
is, beside vmap(grad) of torch.func, a loop over the steps of all networks at once whose
pre-activations' gradients come from autograd and whose dL/dW is one einsum.
"""

from contextlib import contextmanager
from functools import partial

from race import torch_cells, torch_epoch, torch_loops, torch_training
from race.ceiling import cores
from race.clock import Way

LIBRARY = "torch"
FORMS = ("torch", "torch.func")
OTHERS = {
    "cell": torch_cells.calls, "training": torch_training.calls, "epoch": torch_epoch.calls
}  # fmt: skip
SUBSET = 16  # networks of a net-by-net loop that are timed


def ways(problem, form):
    """Every form on one and on all threads; the clock takes the fastest."""
    problem = _tensors(problem)
    made = []
    for name, call, options in _calls(problem, form):
        for threads in sorted({1, cores()}):
            made.append(Way(name, threads, call, partial(_holding, threads), **options))
    return made


@contextmanager
def _holding(threads):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _tensors(problem):
    import torch

    weights = {name: torch.tensor(value) for name, value in problem.weights.items()}
    x, y, radius = (torch.tensor(a) for a in (problem.x, problem.y, problem.radius))
    return type(problem)(problem.work, weights, radius, x, y)


def _calls(problem, form):
    """[(name, call, options of the Way)]"""
    work = problem.work
    if work.kind in OTHERS:
        return [
            (name, partial(call, problem), {}) for name, call in OTHERS[work.kind](problem, form)
        ]
    if form == "torch.func":
        calls = torch_loops.calls(problem)
        return [(name, partial(call, problem), {}) for name, call in calls]
    if work.kind in ("batch", "lags"):
        call = _batch if work.kind == "batch" else _lags
        return [("nn.RNN, autograd", partial(call, problem), {})]
    return [_net_by_net(problem)]


def _module(weights, W):
    """nn.RNN with the network's weights (its second bias stays 0), and what is differentiated."""
    import torch

    hidden, inputs = weights["U"].shape
    rnn = torch.nn.RNN(inputs, hidden, dtype=W.dtype)
    values = {
        "weight_ih_l0": weights["U"], "weight_hh_l0": W, "bias_ih_l0": weights["b"],
        "bias_hh_l0": torch.zeros_like(weights["b"]),
    }  # fmt: skip
    with torch.no_grad():
        for name, value in values.items():
            getattr(rnn, name).copy_(value)
    rnn.bias_hh_l0.requires_grad_(False)
    readout = [weights[name].clone().requires_grad_() for name in "Vc"]
    return rnn, [rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, *readout]


def _loss(rnn, readout, x, y, every):
    states, _ = rnn(x)
    outputs = (states if every else states[-1:]) @ readout[0].T + readout[1]
    return ((outputs - y) ** 2).sum() / x.shape[1]


def _gradients(weights, problem):
    import torch

    rnn, leaves = _module(weights, weights["W"])
    loss = _loss(rnn, leaves[3:], problem.x, problem.y, problem.work.at == "every")
    return dict(zip("UWbVc", torch.autograd.grad(loss, leaves), strict=True))


def _batch(problem):
    return {name: value[None] for name, value in _gradients(problem.first, problem).items()}


def _net_by_net(problem):
    """(name, call, options) of a loop over some of the networks."""
    work, radii = problem.work, range(len(problem.radius))
    if work.kind == "networks":
        some = min(SUBSET, work.count)
        options = {"share": some / work.count, "part": partial(_first, some)}
        return f"nn.RNN, {some} of the networks", partial(_some_networks, problem, some), options
    picked = list(radii)[:: max(1, len(radii) // 3)]
    options = {"share": len(picked) / (work.count * len(radii)), "part": partial(_picked, picked)}
    name = f"nn.RNN, {len(picked)} radii of one seed"
    return name, partial(_some_radii, problem, picked), options


def _first(some, whole):
    return {name: value[:some] for name, value in whole.items()}


def _picked(radii, whole):
    return {"norm": whole["norm"][:1, radii]}


def _some_networks(problem, some):
    import torch

    found = [_gradients(problem.part(i).first, problem) for i in _single(some)]
    return {name: torch.stack([one[name] for one in found]) for name in "UWbVc"}


def _single(count):
    return [slice(i, i + 1) for i in range(count)]


def _some_radii(problem, picked):
    import torch

    weights = problem.first
    norms = []
    for rho in problem.radius[picked]:
        rnn, leaves = _module(weights, rho * weights["W"])
        for n in problem.work.lengths:
            loss = _loss(rnn, leaves[3:], problem.x[:n], problem.y[n - 1], False)
            norms.append(torch.autograd.grad(loss, rnn.weight_hh_l0)[0].norm())
    return {"norm": torch.stack(norms).reshape(1, len(picked), -1)}


def _lags(problem):
    """nn.RNN on x U^T + b as its input, so that its input's gradient is the pre-activation's."""
    import torch

    weights, hidden = problem.first, problem.work.hidden
    one = {"U": torch.eye(hidden, dtype=problem.x.dtype), "b": torch.zeros_like(weights["b"])}
    rnn, leaves = _module({**weights, **one}, weights["W"])
    driven = (problem.x @ weights["U"].T + weights["b"]).requires_grad_()
    states, _ = rnn(driven)
    head = 2 / problem.work.lanes * (states[-1] @ leaves[3].T + leaves[4] - problem.y[0])
    head = (head @ leaves[3]).detach()
    (delta,) = torch.autograd.grad(states[-1], driven, head)
    return {"norm": torch.cat([delta @ weights["W"], head[None]]).norm(dim=-1)}
