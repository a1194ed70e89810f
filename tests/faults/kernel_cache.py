"""Caches of compiled kernels: stale, cut, unwritable, missing, another machine's, eight at once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import test_environment

from faults.children import TESTS
from faults.tally import Tally, wrong

WHAT = "kernel cache"
HOW = "a stale callee, cut files, a read-only home, no HOME, 8 cold starts at once, another CPU's"
CODE = "from gradlab.kernels.elementwise import {}; import numpy as np; print({})"
CALLED = CODE.format("square_sum", "square_sum(np.full((3, 2), 2.0))")
STALE = CODE.format("squash, IDENTITY, RELU", "(a := np.array([[-3.0, 2.0]]), squash(RELU, a, 2), "
                    "a.tolist())[2]")  # fmt: skip
RELU = "rows[lane, i] = zero if rows[lane, i] <= zero else rows[lane, i]"
CUTS = (3, 40)


def run(full, place):
    """Each is tried with a small kernel, in processes of their own."""
    tally = Tally()
    _at_once(tally, place / "at once", 8)
    _cut(tally, place / "cut", CUTS[full])
    _other_cpu(tally, place / "cpu")
    _upgraded(tally, place / "upgraded")
    _homes(tally, place)
    return tally


def _started(cache, code=CALLED, package=TESTS.parent, **more):
    environment = {**os.environ, "PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(cache), **more}
    command = [sys.executable, "-W", "always", "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, cwd=package, **pipes)


def _held(tally, process, right, warnings=0, where=""):
    out, err = process.communicate(timeout=300)
    tally.trial(
        wrong((process.returncode, out.strip()) == (0, right), f"{where}: {out}{err[-300:]}"),
        wrong(err.count("Warning") <= warnings, f"{where}: {err[-300:]}"),
    )
    return err


def _at_once(tally, cache, count):
    processes = [_started(cache) for _ in range(count)]
    for process in processes:
        _held(tally, process, "24.0", 1, "eight at once")
    _held(tally, _started(cache), "24.0", 0, "after eight at once")


def _cut(tally, cache, count):
    """Each file of the cache, cut at many places, and overwritten by zeros."""
    _held(tally, _started(cache), "24.0")
    files = [file for file in cache.rglob("*.nb[ic]")]
    for number in range(count):
        for file in files:
            whole = file.read_bytes()
            keep = whole[: len(whole) * number // count]
            file.write_bytes(keep if number % 2 == 0 else keep + bytes(len(whole) - len(keep)))
            _held(tally, _started(cache), "24.0", 1, f"{file.suffix} cut at {number}/{count}")
        if not any(file.exists() for file in files):
            files = [file for file in cache.rglob("*.nb[ic]")]


def _other_cpu(tally, cache):
    for name in ("generic", "", "haswell", "generic"):
        more = {"NUMBA_CPU_NAME": name} if name else {}
        if name == "generic":
            more["NUMBA_CPU_FEATURES"] = ""
        _held(tally, _started(cache, **more), "24.0", 1, f"a cache of CPU {name or 'this one'}")


def _upgraded(tally, place):
    """The package is replaced by one whose callee differs: its caller is compiled again."""
    package = place / "gradlab"
    shutil.copytree(TESTS.parent / "gradlab", package,
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    _held(tally, _started(place / "cache", STALE, place), "[[0.0, 2.0]]", 0, "before an upgrade")
    file = package / "kernels" / "elementwise.py"
    text = file.read_text()
    new = text.replace(RELU, "rows[lane, i] = 7")
    assert new != text
    times = os.stat(file)
    file.write_text(new)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # as an archive sets them
    _held(tally, _started(place / "cache", STALE, place), "[[7.0, 7.0]]", 0, "after an upgrade")


def _homes(tally, place):
    """No home, and one that cannot be written: one warning, and the right result."""
    for name, places in (("no", {}), ("null", {"HOME": "/dev/null"})):
        folder = place / f"{name} home"
        folder.mkdir()
        out, err = test_environment.probe(folder, **places)
        tally.trial(wrong(out == "2.0\n" and err.count("Warning") == 1, f"{name} home: {err}"))
    locked = place / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        tally.lacks("a read-only home: the superuser writes everywhere")
        return
    out, err = test_environment.probe(Path(locked).parent, HOME=locked)
    tally.trial(wrong(out == "2.0\n" and err.count("Warning") == 1, f"read-only home: {err}"))
