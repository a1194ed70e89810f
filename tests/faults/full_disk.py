"""A file system that is full, and a limit on the size of a file."""

import contextlib
import os
import re
import resource
import subprocess

import numpy as np

import gradlab
from faults import inline
from faults.tally import Tally, wrong
from gradlab.errors import UserError

WHAT, HOW = "full disk", "a small tmpfs and `RLIMIT_FSIZE`, at many sizes"
NEEDED = re.compile(r"([\d,]+) bytes are needed, (.*[\d,]+)")


def run(full, place):
    """Runs, networks and trainings that do not fit, in steps of the room there is."""
    tally = Tally()
    for size in range(4096, 60000, 4096 if full else 16384):
        with _tmpfs(place / f"disk{size}", size) as disk:
            if disk is None:
                tally.lacks("a tmpfs: only the superuser mounts one")
                break
            _all(tally, disk, lambda: contextlib.nullcontext())
    for size in (64, 500, 2000, 4000, 8000) if full else (64, 4000):
        folder = place / f"limited{size}"
        folder.mkdir()
        _all(tally, folder, lambda size=size: _limit(size))
    return tally


def _all(tally, folder, limit):
    path = str(folder)
    with limit():
        code, said = inline.main(*inline.toy("seed=0,1,2,3,4,5"), folder=folder / "results")
    tally.trial(*_named(code == 0, said, path))
    _again(tally, folder)
    net = gradlab.Network.draw("lstm", inputs=8, hidden=60, outputs=8)
    _saved(tally, path, limit, lambda: net.save(folder / "net.safetensors"))
    small = gradlab.Network.draw(inputs=1, hidden=40, outputs=1)
    x = np.zeros((3, 4, 1))
    training = gradlab.Training(small, (x, x), gradlab.Plan(updates=2))
    _saved(tally, path, limit, lambda: training.save(folder / "training.safetensors"))


def _again(tally, folder):
    """Where the room is there again, the run goes on: in another folder, with what was stored."""
    stored = folder / "results"
    if not stored.exists():
        return
    there = [file.name for file in stored.rglob("*") if file.name.startswith(".")]
    tally.trial(wrong(not there, f"left over on a full disk: {there[:2]}"))


def _saved(tally, path, limit, save):
    said = ""
    with limit():
        try:
            save()
        except (UserError, OSError) as error:
            said = f"gradlab: {error}"
    tally.trial(*_named(not said, said, path))


def _named(is_fine, said, path):
    """What does not fit is told with the path and the room that it needs."""
    if is_fine:
        return
    yield wrong(path in said, f"{said!r} names no path")
    yield wrong(said.count("\n") <= 1 and "Traceback" not in said, f"more than a line: {said!r}")
    yield wrong(NEEDED.search(said) is not None, f"{said!r} does not say what is needed")


@contextlib.contextmanager
def _tmpfs(folder, size):
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True).returncode == 0 and os.geteuid() == 0
    except OSError:
        done = False
    if not done:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # a thread may hold a file


@contextlib.contextmanager
def _limit(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
