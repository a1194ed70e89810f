"""A long sweep and a long training in one process: memory and open files stay as they were.

The memory is what is resident while blocks or updates run; the table of the end comes on top.
"""

import json
import os
import resource

import numpy as np

from faults import children
from faults.tally import Tally, wrong
from gradlab.suite import packs

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
        memory = _quarters(seen.get("memory", [1, 2, 3, 4]))
        opened = _quarters(seen.get("files", [1, 2, 3, 9]))
        stored, blocks = seen.get("stored", 9**9), seen.get("blocks", 1)
        tally.trial(
            wrong(code == 0, f"{name} ended with {code}: {said[-300:]}"),
            wrong(memory[3] <= FLAT * memory[1], f"{name}: MB {memory.round(1)}"),
            wrong(opened[3] <= FLAT * opened[1], f"{name}: open files {opened.round(1)}"),
            wrong(stored <= packs.FULL + blocks // packs.FULL, f"{name}: {stored} files"),
            wrong(seen.get("rows") == count, f"{name}: {seen.get('rows')} of {count} rows"),
        )
        tally.figures |= {
            name: count,
            f"MB in the second quarter of the {name}": round(float(memory[1])),
            f"MB in the last quarter of the {name}": round(float(memory[3])),
            f"open files in the second quarter of the {name}": round(float(opened[1]), 1),
            f"open files in the last quarter of the {name}": round(float(opened[3]), 1),
        }
        if name == "points":
            tally.figures |= {"blocks": blocks, "files that hold them": stored}
            tally.figures["MB at most, with the table"] = round(seen.get("most", 0))
    return tally


def _quarters(values):
    return np.array([part.mean() for part in np.array_split(values, 4)])


def _now():
    """(resident MB, open files) of this process."""
    with open("/proc/self/statm", encoding="utf-8") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd"))


def sweep(folder, count):
    """A sweep of so many points."""
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
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    stored = len(list((folder / "toy.shards").iterdir()))
    _say(seen, rows=len(frame), stored=stored, blocks=seeds, most=most)
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
    _say(seen, rows=training.update, stored=1)
    return 0


def _say(seen, **more):
    memory, files = zip(*seen, strict=True)
    print(json.dumps({"memory": memory, "files": files, **more}))
