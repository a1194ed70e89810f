"""The whole process `gradlab run --quick`, from the start of Python to its last line."""

import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from gradlab.suite import library
from race.clock import spread

PROCESSES = ("process warm", "process cold")  # cold: an empty cache folder
START = "import sys; from gradlab.cli import main; sys.exit(main(sys.argv[1:]))"


def measure(block, name):
    """seconds, _low, _high of `gradlab run --quick`, the main job; peers have no such process."""
    rounds, cold = block.constants["rounds"], name == "process cold"
    with tempfile.TemporaryDirectory() as cache:
        warm = run(cache)
        seconds = [_cold() if cold else run(cache) for _ in range(rounds)]
    middle, low, high = spread(seconds)
    columns = {"seconds": middle, "seconds_low": low, "seconds_high": high}
    columns |= {"warm_seconds": np.nan if cold else warm, "repetitions": 1}
    ours = (block.points["contender"] == "ours") & (block.points["precision"] == "float64")
    rows = {column: np.where(ours, value, np.nan) for column, value in columns.items()}
    texts = {"form": "gradlab run --quick", "message": ""}
    return (
        rows
        | {column: [text] * len(block) for column, text in texts.items()}
        | {"status": np.where(ours, "ok", "not raced")}
    )


def run(cache, *words):
    """Seconds of `gradlab run --quick WORDS` with that cache folder, results in a new one.

    Raises RuntimeError with the command's last line if it fails.
    """
    old = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(library.PACKAGE.parent), *([old] if old else [])])
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": path}
    environment.pop("NUMBA_CACHE_DIR", None)  # it comes before the system's place
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", START, "run", "--quick", "--results", folder, *words]
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"gradlab run --quick: {_last_line(done)}")
    return seconds


def _last_line(done):
    return (done.stderr or done.stdout).strip().splitlines()[-1][:300]


def _cold():
    with tempfile.TemporaryDirectory() as empty:
        return run(empty)
