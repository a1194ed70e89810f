"""Makes the golden files beside it: what PyTorch gives for RNN, LSTM and GRU, in float64.

    python tests/golden/make.py        needs PyTorch (made with 2.13); the tests need it not

NAME.npz is one layer in one direction; NAME_layers, NAME_both and NAME_layers_both have two
layers, both directions, or both. Lanes of unequal length by pack_padded_sequence; the loss is the
mean over lanes of the sum over steps and outputs of (c + V h_t - y_t)^2.

    x, y, lengths, h0, c0       inputs; y (T, B, O); h0, c0 (layers * directions, B, N)
    weight_ih_l0 ... V c        the parameters by PyTorch's names
    grad_NAME                   dL/dNAME of each of them and of x, h0, c0
    h (T, B, N or 2 N), o, loss what comes out, zeros (h) and c (o) after a lane's end
    states, cell_states         one layer, one direction: dL/dh_t and dL/dc_t (T+1, B, N), the state
                                being (h_t, c_t): what c_t does through h_t is h_t's share
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

STEPS, LENGTHS, INPUTS, HIDDEN, OUTPUTS = 7, (7, 3, 6), 3, 4, 2
KINDS = {"rnn": (nn.RNN, nn.RNNCell), "lstm": (nn.LSTM, nn.LSTMCell), "gru": (nn.GRU, nn.GRUCell)}
SHAPES = {"": (1, False), "_layers": (2, False), "_both": (1, True), "_layers_both": (2, True)}


def leaf(*shape):
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def problem(kind, layers, both):
    """The network with its readout, and a batch: everything that has a gradient, by name."""
    net = KINDS[kind][0](INPUTS, HIDDEN, layers, bidirectional=both, dtype=torch.float64)
    with torch.no_grad():  # PyTorch's own draw hardly uses the recurrence
        for parameter in net.parameters():
            parameter.normal_(0, 0.6)
    size, first = HIDDEN * (1 + both), layers * (1 + both)
    leaves = dict(net.named_parameters()) | {"V": leaf(OUTPUTS, size), "c": leaf(OUTPUTS)}
    leaves |= {"x": leaf(STEPS, len(LENGTHS), INPUTS), "h0": leaf(first, len(LENGTHS), HIDDEN)}
    if kind == "lstm":
        leaves["c0"] = leaf(first, len(LENGTHS), HIDDEN)
    return net, leaves, torch.randn(STEPS, len(LENGTHS), OUTPUTS, dtype=torch.float64)


def initial(leaves):
    return (leaves["h0"], leaves["c0"]) if "c0" in leaves else leaves["h0"]


def loss_of(outputs, targets):
    within = torch.arange(STEPS)[:, None] < torch.tensor(LENGTHS)
    return (((outputs - targets) ** 2).sum(-1) * within).sum() / len(LENGTHS)


def packed(net, leaves, y):
    """All that nn.RNN, nn.LSTM or nn.GRU gives, and the gradient of every leaf."""
    given = pack_padded_sequence(leaves["x"], torch.tensor(LENGTHS), enforce_sorted=False)
    h, _ = pad_packed_sequence(net(given, initial(leaves))[0], total_length=STEPS)
    o = h @ leaves["V"].T + leaves["c"]
    loss = loss_of(o, y)
    loss.backward()
    found = {f"grad_{name}": leaf.grad for name, leaf in leaves.items()}
    return found | {"h": h, "o": o, "loss": loss}


def walk(cell, leaves, y, lane):
    """The states of one lane through PyTorch's cell, each a leaf of its own kind, and its loss."""
    state = [leaves[name][0, lane].detach() for name in ("h0", "c0") if name in leaves]
    path, loss = [], 0
    for t in range(LENGTHS[lane] + 1):
        if t:
            x = leaves["x"][t - 1, lane].detach()
            out = cell(x, tuple(state) if len(state) > 1 else state[0])
            state = list(out) if len(state) > 1 else [out]
        state = [part.clone().requires_grad_() for part in state]
        for part in state:
            part.retain_grad()
        path.append(state)
        if t:
            o = leaves["V"].detach() @ state[0] + leaves["c"].detach()
            loss = loss + ((o - y[t - 1, lane]) ** 2).sum() / len(LENGTHS)
    return path, loss


def by_hand(kind, leaves, y):
    """dL/dh_t and dL/dc_t of one layer, lane by lane; and the loss."""
    cell = KINDS[kind][1](INPUTS, HIDDEN, dtype=torch.float64)
    cell.load_state_dict({name: leaves[f"{name}_l0"].detach() for name in cell.state_dict()})
    names = ("states", "cell_states")[: 1 + (kind == "lstm")]
    found = {name: np.zeros((STEPS + 1, len(LENGTHS), HIDDEN)) for name in names}
    total = 0
    for lane in range(len(LENGTHS)):
        path, loss = walk(cell, leaves, y, lane)
        loss.backward()
        total += loss.detach()
        for t, state in enumerate(path):
            for name, part in zip(names, state, strict=True):
                found[name][t, lane] = 0 if part.grad is None else part.grad
    return found, total


def make(kind, suffix):
    net, leaves, y = problem(kind, *SHAPES[suffix])
    found = packed(net, leaves, y)
    if not suffix:
        states, loss = by_hand(kind, leaves, y)
        assert torch.allclose(loss, found["loss"], rtol=1e-13)
        assert np.allclose(states["states"][0], leaves["h0"].grad[0], rtol=1e-12)
        found |= states
    arrays = leaves | found | {"y": y, "lengths": np.array(LENGTHS)}
    plain = {k: v.detach().numpy() if torch.is_tensor(v) else v for k, v in arrays.items()}
    np.savez_compressed(Path(__file__).with_name(f"{kind}{suffix}.npz"), **plain)


if __name__ == "__main__":
    torch.manual_seed(0)
    for kind in KINDS:
        for suffix in SHAPES:
            make(kind, suffix)
