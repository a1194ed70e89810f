"""What earlier versions wrote: it opens, plots and checks, or one line says what to run."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import gradlab
from faults.tally import Tally, wrong
from gradlab.cli import main
from gradlab.errors import UserError

WHAT, HOW = "old results", "a results folder, networks and trainings of each version since 0.1.0"
OLD = Path(__file__).parent / "old"  # VERSION/, made by old/make.py


def run(full, place):
    """Each version's folder, in a copy."""
    tally = Tally()
    for version in sorted(path for path in OLD.iterdir() if path.is_dir()):
        folder = place / version.name
        shutil.copytree(version, folder)
        said = json.loads((folder / "said.json").read_text())
        for name, rows in said["rows"].items():
            _table(tally, folder / "results", name, rows)
        _network(tally, folder, said["loss"])
        _training(tally, folder, said["updates"])
        tally.figures[version.name] = len(said["rows"])
    return tally


def _table(tally, results, name, rows):
    frame = gradlab.read(name, results)
    tally.trial(wrong(len(frame) == rows, f"{name}: {len(frame)} of {rows} rows"))
    for words, codes in ((["check"], (0, 1)), (["plot"], (0,)), (["export"], (0,)),
                         (["status"], (0,)), (["run", "--quick", "--dry-run"], (0,))):  # fmt: skip
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([words[0], name, *words[1:], "--results", str(results)])
        right = code in codes or (code == 2 and err.getvalue().count("\n") == 1)
        tally.trial(wrong(right and "Traceback" not in err.getvalue(),
                          f"{words[0]} {name}: {code}, {err.getvalue()}"))  # fmt: skip


def _network(tally, folder, loss):
    import numpy as np

    net = gradlab.Network.load(folder / "net.safetensors")
    x = np.linspace(-1, 1, 10).reshape(5, 1, 2)
    got = net.gradients(x, np.zeros((5, 1, 2))).loss
    tally.trial(wrong(abs(got - loss) < 1e-12 * loss, f"a loss of {got}, then {loss}"))


def _training(tally, folder, updates):
    """It goes on; a format that is not read any more is told by its number."""
    try:
        training = gradlab.Training.load(folder / "training.safetensors", "temporal_order")
    except UserError as error:
        tally.trial(wrong("format" in str(error), str(error)))
        return
    training.run()
    right = training.update == training.plan.updates and len(training.losses) >= updates
    tally.trial(wrong(right, f"the training goes on to {training.update}"))
