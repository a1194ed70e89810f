"""RNN, LSTM and GRU against what PyTorch gave (tests/golden, made by make.py there)."""

from pathlib import Path

import numpy as np
import pytest

from gradlab.nets.network import Network

GOLDEN = Path(__file__).parent / "golden"
OURS = {"rnn": "elman", "lstm": "lstm", "gru": "gru"}


def near(got, right):
    np.testing.assert_allclose(got, right, rtol=0, atol=1e-13 * max(1, np.abs(right).max()))


def golden(kind):
    with np.load(GOLDEN / f"{kind}.npz") as file:
        return dict(file)


def renamed(kind, torch, prefix=""):
    """Weights, or with grad_ their gradients, by our names: two biases are one, but for GRU."""
    names = {"U": "weight_ih_l0", "W": "weight_hh_l0", "b": "bias_ih_l0", "V": "V", "c": "c"}
    found = {ours: torch[prefix + name] for ours, name in names.items()}
    if kind == "gru":
        found["b_recurrent"] = torch[f"{prefix}bias_hh_l0"]
    elif not prefix:
        found["b"] = found["b"] + torch["bias_hh_l0"]
    return found


@pytest.mark.parametrize("kind", OURS)
def test_it_is_what_pytorch_gives(kind):
    torch = golden(kind)
    net = Network(renamed(kind, torch), OURS[kind])
    h0 = (torch["h0"][0], torch["c0"][0]) if kind == "lstm" else torch["h0"][0]
    out = net.forward(torch["x"], h0, torch["lengths"])
    near(out.states[1:], torch["h"])
    near(out.outputs, torch["o"])
    got = net.gradients(torch["x"], torch["y"], h0=h0, lengths=torch["lengths"])
    near(got.loss, torch["loss"])
    for name, right in renamed(kind, torch, "grad_").items():
        near(got.weights[name], right)
    near(got.states, torch["states"])
    near(got.states[0], torch["grad_h0"][0])
    if kind == "lstm":
        near(got.cell_states, torch["cell_states"])
        near(got.cell_states[0], torch["grad_c0"][0])
