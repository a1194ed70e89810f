"""Files appear whole or not at all, through links, on odd file systems, and after kills."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradlab import files
from gradlab.errors import UserError

HOUR = 3600


def write(path, text="new"):
    with files.replacing(path) as temporary:
        temporary.write_text(text)


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writes_at_once_do_not_meet(tmp_path):
    path = tmp_path / "t.png"
    with files.replacing(path) as first, files.replacing(path) as second:
        assert first != second and first.suffix == path.suffix
        first.write_text("1")
        second.write_text("2")
    assert path.read_text() == "1" and list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "t.parquet", tmp_path / "t.parquet"
    link.symlink_to("far/t.parquet")
    for text in ("the first, through a link to nothing", "the second"):
        write(link, text)
        assert link.is_symlink() and target.read_text() == text
    assert sorted(tmp_path.rglob("*t.parquet")) == [target, link]


@pytest.mark.parametrize("code", sorted(files.NO_SYNC))
def test_a_file_system_without_fsync_is_written_to(tmp_path, monkeypatch, code):
    def refuse(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    write(tmp_path / "t")
    assert (tmp_path / "t").read_text() == "new"


def test_a_broken_disk_is_told(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        write(tmp_path / "t")
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from gradlab import files
with files.replacing(sys.argv[1]) as temporary:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_left_goes_and_what_is_being_written_stays(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "t.png"])
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    files.remove_stale(tmp_path)
    assert left.exists()  # too young: it may not be locked yet
    (tmp_path / ".123.old.parquet").touch()  # as they were named until 0.1
    (tmp_path / ".hidden.png").touch()
    with files.replacing(tmp_path / "t.png") as alive:
        for path in tmp_path.iterdir():
            age(path, HOUR)
        files.remove_stale(tmp_path, "t.png")
        assert not left.exists() and alive.exists() and (tmp_path / ".123.old.parquet").exists()
        files.remove_stale(tmp_path)
        assert alive.exists()
        assert {p.name for p in tmp_path.iterdir()} == {alive.name, ".hidden.png"}


def test_without_locks_a_day_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    path = tmp_path / ".123-0123456789ab.t.png"
    path.touch()
    for seconds, there in ((HOUR, True), (25 * HOUR, False)):
        age(path, seconds)
        files.remove_stale(tmp_path)
        assert path.exists() == there
    write(tmp_path / "t")


def test_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.expanded("~/r") == tmp_path / "r" and files.expanded("r/~") == Path("r/~")
    with pytest.raises(UserError, match="~nobody-at-all/r: there is no such home folder"):
        files.expanded("~nobody-at-all/r")
