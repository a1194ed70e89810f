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


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_of_the_disk_names_the_file_and_the_room_it_needs(tmp_path, monkeypatch, code):
    def fail(path, content):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError) as caught:
        files.write(tmp_path / "t", bytes(12_345))
    assert caught.value.filename == str(tmp_path / "t") and not list(tmp_path.iterdir())
    needs = "12,345 bytes are needed, " in str(caught.value)
    assert needs == (code == errno.ENOSPC)


def test_files_are_replaced_together_or_not_at_all(tmp_path, monkeypatch):
    paths = [tmp_path / "a", tmp_path / "b"]
    with files.replacing_together(*paths) as temporaries:
        for path in temporaries:
            path.write_text("old")
    with pytest.raises(OSError), files.replacing_together(*paths) as (first, second):
        first.write_text("new")
        second.unlink()  # what a disk refuses, it refuses before the first is replaced
    assert [path.read_text() for path in paths] == ["old", "old"]
    paths[1].unlink()
    paths[1].mkdir()
    with pytest.raises(OSError), monkeypatch.context() as patched:
        patched.setattr(files, "check_place", lambda path: None)
        with files.replacing_together(*paths) as temporaries:
            for path in temporaries:
                path.write_text("new")
    assert paths[0].read_text() == "old"  # it was replaced, and put back
    assert sorted(tmp_path.iterdir()) == paths


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
