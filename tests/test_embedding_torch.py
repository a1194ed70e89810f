"""nn.Embedding + nn.RNN, LSTM, GRU + nn.Linear + CrossEntropyLoss(ignore_index) by PyTorch."""

import numpy as np
import pytest

import gradlab
from gradlab.models import safetensors

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

WORDS, WIDTH, UNITS, TAGS, LENGTHS = 11, 4, 5, 6, [7, 2, 5, 7]
KINDS = {"RNN": "elman", "LSTM": "lstm", "GRU": "gru"}


class Tagger(torch.nn.Module):
    """As it is usually written, padded and packed."""

    def __init__(self, kind, layers, bidirectional):
        super().__init__()
        self.embed = torch.nn.Embedding(WORDS, WIDTH)
        self.rnn = getattr(torch.nn, kind)(WIDTH, UNITS, layers, bidirectional=bidirectional)
        self.tags = torch.nn.Linear(UNITS * (1 + bidirectional), TAGS)
        self.double()

    def forward(self, x, lengths):
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            self.embed(x), lengths, enforce_sorted=False
        )
        return self.tags(torch.nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0])[0])


def sentences():
    rng = np.random.default_rng(3)
    x, y = (rng.integers(0, most, (max(LENGTHS), len(LENGTHS))) for most in (WORDS, TAGS))
    y[2, 0] = y[0, 2] = -100
    y[np.arange(len(y))[:, None] >= LENGTHS] = -100
    return x, y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True)])
def test_the_gradients_are_pytorchs(kind, layers, bidirectional):
    torch.manual_seed(0)
    module, (x, y) = Tagger(kind, layers, bidirectional), sentences()
    net = gradlab.Network.of(module)
    assert net.cell == KINDS[kind] and "embedding: embed, rows of 4 values" in net.notes
    outputs = module(torch.from_numpy(x), LENGTHS)
    seen = net.forward(x, lengths=LENGTHS).outputs
    within = np.arange(len(x))[:, None] < LENGTHS
    np.testing.assert_allclose(seen[within], outputs.detach().numpy()[within], atol=1e-12)
    classes = torch.from_numpy(y).flatten()
    for mean, reduction, factor in (("steps", "mean", 1), ("lanes", "sum", len(LENGTHS))):
        module.zero_grad()
        criterion = torch.nn.CrossEntropyLoss(ignore_index=-100, reduction=reduction)
        loss = criterion(outputs.flatten(0, 1), classes) / factor
        loss.backward(retain_graph=True)
        got = net.gradients(x, y, "cross_entropy", lengths=LENGTHS, mean=mean)
        assert got.loss == pytest.approx(loss.item(), rel=1e-12)
        right = gradlab.Network.of(
            {name: own.grad.numpy() for name, own in module.named_parameters()}
        )
        for name in net.weights:
            wanted = right.weights[name]
            if name.startswith("b") and kind != "GRU":  # the sum of both biases' gradients
                wanted = wanted / 2
            np.testing.assert_allclose(got.weights[name], wanted, atol=1e-9)


def test_a_module_reads_the_file(tmp_path):
    """By the names embedding, rnn and readout."""
    net = gradlab.Network.draw("lstm", inputs=WORDS, embedding=WIDTH, hidden=UNITS, outputs=TAGS)
    net.save(tmp_path / "net.safetensors")
    arrays, _ = safetensors.read(tmp_path / "net.safetensors")
    module = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(WORDS, WIDTH),
            "rnn": torch.nn.LSTM(WIDTH, UNITS),
            "readout": torch.nn.Linear(UNITS, TAGS),
        }
    ).double()
    module.load_state_dict({name: torch.from_numpy(own) for name, own in arrays.items()})
    x, _ = sentences()
    outputs = module["readout"](module["rnn"](module["embedding"](torch.from_numpy(x)))[0])
    np.testing.assert_allclose(net.forward(x).outputs, outputs.detach().numpy(), atol=1e-12)
    again = gradlab.Network.of(module)
    assert all(np.array_equal(own, again.weights[name]) for name, own in net.weights.items())
