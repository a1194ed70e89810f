"""How cost grows: one quantity doubled again and again, time and peak memory in a new process."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from gradlab import runner
from gradlab.errors import one_of
from gradlab.measures import last_step
from gradlab.nets.network import Network
from gradlab.suite import machine
from gradlab.suite.grid import blocks
from race.ceiling import cores, limits

BATCH = {"T": 200, "N": 32, "B": 32}  # of Network.gradients
SWEEP = {"T": 200, "N": 32, "points": 32}  # of a block of spectral_radius: length, units, radii
SIZES = {"batch": BATCH, "sweep": SWEEP}
COLUMNS = {
    "call": "batch: Network.gradients; sweep: a block of the main job, all cores at work",
    "quantity": "what is doubled",
    "doubling": "how often it is doubled",
    "value": "the quantity's value",
    "seconds": "median over rounds; of a sweep, one worker's (s)",
    "bytes": "peak memory above what the process held before (bytes)",
    "exponent_seconds": "p in seconds ~ value^p, fitted over the doublings",
    "exponent_bytes": "p in bytes ~ value^p, likewise",
    "estimated_seconds": "what `gradlab run` says beforehand, of a sweep (s)",
    "estimated_bytes": "what `gradlab run` says beforehand, of a sweep (bytes)",
}
CHILD = "from race.growth import child; child()"
OWN_PAGES = 4096  # bytes from which an array is given back when it ends, so that a peak is its own
STATUS = Path("/proc/self/status")


def measure(block):
    """One row a doubling, for a block of one call ("batch", "sweep") and quantity.

    Its columns: COLUMNS, and the machine.
    """
    call, quantity = (np.unique(block.points[name]).item() for name in ("call", "quantity"))
    one_of("quantity", quantity, SIZES[one_of("call", call, SIZES)])
    doublings = block.points["doubling"]
    order = [call, quantity, sorted(doublings.tolist()), block.constants["rounds"]]
    memory = _order([*order[:3], 0], {"MALLOC_MMAP_THRESHOLD_": str(OWN_PAGES)})
    rows = [
        timed | {"bytes": peak["bytes"]}
        for timed, peak in zip(_order(order, {}), memory, strict=True)
    ]
    columns = {name: np.array([row[name] for row in rows], float) for name in rows[0]}
    for name in ("seconds", "bytes"):
        columns[f"exponent_{name}"] = np.full(len(rows), _exponent(columns, name))
    at = np.searchsorted(np.sort(doublings), doublings)
    where = f"{machine.processor()}, {machine.cores()} cores"
    return {name: column[at] for name, column in columns.items()} | {"machine": [where] * len(rows)}


def _order(order, settings):
    """The rows that a new process prints. Raises RuntimeError with its last words if it fails."""
    code = f"import sys; sys.path[:] = {sys.path!r}; {CHILD}"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(order)],
        env={**os.environ, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the measuring process failed: {done.stderr.strip()[-200:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _exponent(columns, name):
    known = columns[name] > 0
    if known.sum() < 2:
        return np.nan
    return np.polyfit(np.log(columns["value"][known]), np.log(columns[name][known]), 1)[0]


def child():
    """What the new process does: print a row for each doubling, smallest first."""
    call, quantity, doublings, rounds = json.loads(sys.argv[1])
    with limits()(1)():
        case = {"batch": _batch, "sweep": _sweep}[call]
        case(quantity, 0)[0][0]()  # loads and compiles
        print(json.dumps([_row(case, quantity, doubling, rounds) for doubling in doublings]))


def _row(case, quantity, doubling, rounds):
    calls, known = case(quantity, doubling)
    before = _reset()
    calls[0]()
    peak = _memory("VmHWM") - before
    seconds = [_together(calls) for _ in range(rounds)]
    return {"seconds": float(np.median(seconds or np.nan)), "bytes": peak, **known}


def _together(calls):
    """Seconds until all calls are done, each on a thread of its own."""
    start = time.perf_counter()
    if len(calls) == 1:
        calls[0]()
        return time.perf_counter() - start
    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(lambda call: call(), calls))
    return time.perf_counter() - start


def _sizes(start, quantity, doubling):
    return {**start, quantity: start[quantity] * 2**doubling}


def _batch(quantity, doubling):
    size = _sizes(BATCH, quantity, doubling)
    net = Network.draw(inputs=6, hidden=size["N"], outputs=2, spectral_radius=0.9)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((size["T"], size["B"], width)) for width in (6, 2))
    nothing = {"estimated_seconds": np.nan, "estimated_bytes": np.nan}
    return [lambda: net.gradients(x, y)], {"value": size[quantity], **nothing}


def _sweep(quantity, doubling):
    """As many blocks of the main job as there are cores, each with a seed of its own."""
    size = _sizes(SWEEP, quantity, doubling)
    values = {
        "sequence_length": [size["T"]],
        "hidden_size": size["N"],
        "spectral_radius": list(np.linspace(0.5, 2.0, size["points"])),
        "input_scale": [0.5],
        "seed": list(range(cores())),
    }
    parts = [block for block, _ in blocks(runner.prepare("spectral_radius", values=values))]
    seconds, size_in_bytes = last_step.estimate(parts[0])
    known = {"estimated_seconds": seconds, "estimated_bytes": size_in_bytes}
    return [_job(part) for part in parts], {"value": size[quantity], **known}


def _job(part):
    return lambda: last_step.measure(part)


def _memory(name):
    """Bytes that /proc tells of this process; 0 where there is no /proc."""
    if not STATUS.exists():
        return 0
    line = next(
        line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(name)
    )
    return 1024 * int(line.split()[1])


def _reset():
    """Start the peak anew; returns the memory held now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return _memory("VmRSS")
