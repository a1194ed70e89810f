"""The lines that write a log: they are Python, and PyTorch's write one that `watch` reads."""

import re
from pathlib import Path

import numpy as np
import pytest
from sources import ROOT

import gradlab

BLOCKS = re.findall(
    r"^```py\n(.*?)^```", (ROOT / "gradlab/watching/LOOPS.md").read_text("utf-8"), re.M | re.S
)


@pytest.mark.parametrize("lines", BLOCKS, ids=["torch", "keras", "lightning"])
def test_the_lines_are_python(lines):
    compile(lines, "LOOPS.md", "exec")


def test_pytorch_s_lines_write_a_log(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    data = [(torch.randn(5, 3), 10 * torch.randn(5, 1)) for _ in range(40)]
    start = [parameter.detach().clone() for parameter in model.parameters()]
    scope = {
        "torch": torch, "model": model, "batches": data, "loss_function": torch.nn.MSELoss(),
        "optimizer": torch.optim.SGD(model.parameters(), 0.1),
    }  # fmt: skip
    exec(BLOCKS[0], scope)
    watched = gradlab.watch(Path("run.csv"))
    assert watched.log.update.tolist() == list(range(1, 41))
    x, y = (part.numpy().astype(float) for part in data[0])
    W, b = (part.numpy().astype(float) for part in start)
    slope = 2 * (x @ W.T + b - y) / 5
    norm = np.sqrt(((slope.T @ x) ** 2).sum() + slope.sum() ** 2)
    assert watched.log.norm[0] == pytest.approx(norm, rel=1e-5) and norm > 1
    assert watched.log.loss[0] == pytest.approx(((x @ W.T + b - y) ** 2).mean(), rel=1e-5)
    assert "A threshold of 1 is a limiter of every step here" in watched.advice[0]
