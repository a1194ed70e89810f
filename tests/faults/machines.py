"""Tests of the suite on machines as others have them: BLAS kernels, CPUs, languages, folders."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from faults.children import TESTS
from faults.tally import Tally, wrong

WHAT = "machines"
HOW = ("BLAS kernels of Haswell, Zen, SkylakeX and Prescott, a generic CPU, LANG=C, no DISPLAY, a "
       "time zone, folders of other names, ignored SIGINT; Pythons as installed")  # fmt: skip
# What a BLAS or a processor may change, and what a language, a folder or a disk may.
NUMBERS = ("test_last_step.py", "test_golden.py", "test_stretch.py", "test_gradients.py",
           "test_cells.py", "test_train.py", "test_lyapunov.py", "test_omega.py",
           "test_updates.py")  # fmt: skip
AROUND = ("test_files.py", "test_broken.py", "test_found.py", "test_style.py", "test_sweep.py",
          "test_store.py", "test_cli.py", "test_series.py", "test_watch.py", "test_environment.py",
          "test_experiment.py")  # fmt: skip
FEW = ("test_files.py", "test_broken.py", "test_style.py")
HIDDEN = {"DISPLAY": None, "WAYLAND_DISPLAY": None}


def run(full, place):
    """Short: a few files on each machine; full: most files, and every Python that is installed."""
    tally = Tally()
    locked = place / "locked"
    locked.mkdir(mode=0o500)
    numbers, around = (("test_last_step.py",), ("test_style.py", "test_broken.py"))
    if full:
        numbers, around = NUMBERS, AROUND
    for core in ("Haswell", "Zen", "SkylakeX", "Prescott") if full else ("Haswell", "Prescott"):
        if core == "SkylakeX" and "avx512" not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
            tally.lacks("SkylakeX: this processor has no AVX-512")
            continue
        _tests(tally, f"OPENBLAS_CORETYPE={core}", numbers, OPENBLAS_CORETYPE=core)
    cache = str(place / "cache")
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": cache}
    _tests(
        tally,
        "NUMBA_CPU_NAME=generic",
        numbers if full else ("test_range.py::test_a_truncated_way_back_keeps_its_exponents",),
        **generic,
    )
    poor = HIDDEN | {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
                     "TZ": "Asia/Kathmandu", "MPLCONFIGDIR": str(locked)}  # fmt: skip
    if full:
        for name, value in poor.items():  # all together they meet the most files, below
            _tests(tally, f"{name}={value}", FEW, **{name: value})
    _tests(tally, "LANG=C, no DISPLAY, TZ, MPLCONFIGDIR", around, **poor)
    _elsewhere(tally, place / "a path with \N{LATIN SMALL LETTER U WITH DIAERESIS}", around)
    _ignoring(tally, full)
    if full:
        _pythons(tally, place)
    return tally


def _tests(tally, name, files, tests=TESTS, program=sys.executable, **environment):
    there = [file for file in files if (tests / file.partition("::")[0]).exists()]
    command = [str(program), "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    given = {**os.environ, "CI": "true", **environment}
    given.pop("PYTHONPATH", None)
    given = {key: value for key, value in given.items() if value is not None}
    done = subprocess.run([*command, *there], cwd=tests, env=given, capture_output=True, text=True)
    last = done.stdout[-500:] + done.stderr[-300:]
    tally.trial(wrong(done.returncode == 0, f"{name}: {last}"))


def _elsewhere(tally, folder, files):
    """A checkout in a folder whose name has a space and an umlaut."""
    for name in ("gradlab", "tests", "experiments", "results"):
        hidden = shutil.ignore_patterns("__pycache__", "quick", "*.shards")
        shutil.copytree(TESTS.parent / name, folder / name, ignore=hidden)
    for file in ("pyproject.toml", "README.md", "uv.lock", "CHANGELOG.md"):
        shutil.copy(TESTS.parent / file, folder)
    code = "import sys; sys.path.insert(0, {!r}); import pytest; sys.exit(pytest.main({!r}))"
    words = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *files]
    tests = folder / "tests"
    done = subprocess.run([sys.executable, "-c", code.format(str(folder), words)], cwd=tests,
                          env={**os.environ, "PYTHONPATH": str(folder)},
                          capture_output=True, text=True)  # fmt: skip
    tally.trial(wrong(done.returncode == 0, f"{folder.name}: {done.stdout[-500:]}"))


def _ignoring(tally, full):
    """As a shell's background job, which ignores Ctrl-C and has its children do so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        some = "test_cli.py" if full else "test_cli.py::test_an_interrupt_keeps_what_is_done"
        _tests(tally, "SIGINT ignored", [some])
    finally:
        signal.signal(signal.SIGINT, before)


def _done(command, longest=600):
    """Whether a command ends well in so many seconds."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=longest).returncode == 0
    return False


def _pythons(tally, place):
    """Each Python from 3.11 that stands in pyenv's folder, where its packages can be had."""
    found = sorted(Path.home().glob(".pyenv/versions/3.1[1-9].*/bin/python"))
    if not found:
        tally.lacks("other Pythons: pyenv has none")
    for python in found:
        folder = place / python.parents[1].name
        made = subprocess.run([python, "-m", "venv", folder], capture_output=True)
        pip, own = [folder / "bin" / "pip", "install"], folder / "bin" / "python"
        if uv := shutil.which("uv"):  # seconds where pip takes minutes
            pip = [uv, "pip", "install", "--python", own]
        if made.returncode or not _done([*pip, "-q", "-e", f"{TESTS.parent}[test]"]):
            tally.lacks(f"Python {folder.name}: its packages cannot be installed")
            continue
        _tests(tally, f"Python {folder.name}", (*NUMBERS, *AROUND), program=own,
               NUMBA_CACHE_DIR=str(folder / "cache"))  # fmt: skip
        tally.figures[f"Python {folder.name}"] = "tried"
