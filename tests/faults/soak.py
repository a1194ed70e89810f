"""A long sweep and a long training in one process: memory and open files stay as they were."""

import json
import os

import numpy as np

from faults import children
from faults.tally import Tally, wrong

WHAT, HOW = "soak", "a million points of a small grid; 100,000 updates of a training"
POINTS, UPDATES = (40_000, 1_000_000), (4_000, 100_000)
A_BLOCK = 1000  # points
FLAT = 1.05


def run(full, place):
    """Each in a process of its own, whose memory is looked at as it goes."""
    tally = Tally()
    for name, function, count in (
        ("points", sweep, POINTS[full]),
        ("updates", train, UPDATES[full]),
    ):
        out = place / f"{name}.txt"
        code = children.ended(children.start(function, place / name, count, out=out), 4 * 3600)
        said = out.read_text()
        seen = json.loads(said.splitlines()[-1]) if code == 0 else {}
        quarters = np.array_split(seen.get("memory", [1, 2, 3, 4]), 4)
        first, last = quarters[1].mean(), quarters[3].mean()
        rows, files = seen.get("held", 0), np.array_split(seen.get("files", [1, 2, 3, 9]), 4)
        tally.trial(
            wrong(code == 0, f"{name} ended with {code}: {said[-300:]}"),
            wrong(last - rows <= FLAT * first, f"{first:.0f} MB, then {last:.0f}, rows {rows:.0f}"),
            wrong(files[3].mean() <= files[1].mean() + 4, f"{name}: open files, {files}"),
            wrong(seen.get("rows") == count, f"{name}: {seen.get('rows')} of {count} rows"),
        )
        tally.figures |= {
            name: count,
            f"MB in the second quarter of the {name}": round(float(first)),
            f"MB in the last quarter of the {name}": round(float(last)),
        }
    return tally


def _now():
    """(resident MB, open files) of this process."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd"))


def sweep(folder, count):
    """A sweep of so many points."""
    import pandas as pd
    from toy import experiment as toy

    from gradlab import suite  # noqa: F401
    from gradlab.suite import store, sweep, table
    from gradlab.suite.grid import changed

    seen, of_block = [], table.of_block

    def watched(*what):
        if len(seen) < 10_000:
            seen.append(_now())
        return of_block(*what)

    table.of_block = watched
    seeds = count // A_BLOCK
    weights = [float(w) for w in np.linspace(0.5, 2.0, A_BLOCK)]
    frame, _ = sweep.sweep(changed(toy, {"weight": weights, "seed": list(range(seeds))}), folder, 2)
    store.write(frame, folder / "toy.parquet")
    held = frame.memory_usage(deep=True).sum() / 1e6 * 0.75  # what the rows of three quarters take
    assert isinstance(frame, pd.DataFrame)
    _say(seen, held, len(frame))
    return 0


def train(folder, count):
    """A training of so many updates, saved as it goes."""
    import gradlab

    net = gradlab.Network.draw(inputs=6, hidden=10, outputs=4)
    training = gradlab.Training(net, "temporal_order", gradlab.Plan(
        sequence_length=12, updates=count, batch=4, log_every=max(1, count // 100)))  # fmt: skip
    seen, path = [], folder.with_suffix(".safetensors")
    for part in range(1, 101):
        training.run(until=part * count // 100, save=path)
        seen.append(_now())
    held = 4 * 8 * 2 * count * 0.75 / 1e6  # four numbers an update, as Python's floats
    _say(seen, held, training.update)
    return 0


def _say(seen, held, rows):
    memory, files = zip(*seen, strict=True)
    print(json.dumps({"memory": memory, "files": files, "held": held, "rows": rows}))
