"""Write old/VERSION, a tiny results folder with a network and a training, by the gradlab of now.

    python tests/faults/old/make.py

To be run once a version, just before its release, and committed: `old_results.py` opens all of
them with every later version.
"""

import json
import shutil
from pathlib import Path

import numpy as np

import gradlab
from gradlab.version import version

SMALL = {
    "spectral_radius": {"hidden_size": 8, "sequence_length": [10, 20], "seed": [0, 1]},
    "linear_powers": {},
    "training_map": {"updates": 20, "evaluate_every": 10, "evaluation_size": 4, "batch": 2},
}


def make(folder):
    """All that a user may have kept."""
    results, rows = folder / "results", {}
    for name, values in SMALL.items():
        rows[name] = len(gradlab.run(name, quick=True, set=values, results=folder))
    (folder / "quick").rename(results)
    for path in results.glob("*"):  # figures are redrawn; two shards show what one is
        if path.suffix == ".png":
            path.unlink()
        for shard in sorted(path.glob("*.parquet"))[2:] if path.is_dir() else ():
            shard.unlink()
    net = gradlab.Network.draw("gru", inputs=2, hidden=3, outputs=2, seed=1)
    net.save(folder / "net.safetensors")
    x = np.linspace(-1, 1, 10).reshape(5, 1, 2)
    loss = net.gradients(x, np.zeros((5, 1, 2))).loss
    small = gradlab.Network.draw(inputs=6, hidden=4, outputs=4)
    plan = gradlab.Plan(sequence_length=10, updates=12, batch=3, optimizer="adam", seed=5)
    training = gradlab.Training(small, "temporal_order", plan)
    training.run(until=7, save=folder / "training.safetensors")
    said = {"rows": rows, "loss": loss, "updates": 7}
    (folder / "said.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    place = Path(__file__).parent / version().partition("+")[0]
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    make(place)
    print(place)
