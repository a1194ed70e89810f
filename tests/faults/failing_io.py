"""The n-th write, fsync, replace or open of a run fails, for every n."""

import builtins
import contextlib
import errno
import io
import os
import shutil

import pandas as pd

import gradlab
from faults import folders
from faults.tally import Tally, wrong

WHAT = "failing I/O"
HOW = "the n-th write, fsync, replace, open or mkdir of a run fails, for every n"
FAILURES = {"open": (errno.EMFILE, errno.ENOSPC), "write": (errno.ENOSPC, errno.EIO),
            "fsync": (errno.EIO, errno.ENOSPC), "replace": (errno.EIO, errno.ENOSPC),
            "mkdir": (errno.ENOSPC,)}  # fmt: skip
SEEDS = 3


def run(full, place):
    """Short: one code for each kind of call; full: all, for a training too."""
    from faults import inline

    tally = Tally()
    words = inline.toy(f"seed={','.join(map(str, range(SEEDS)))}")
    before, calm = place / "before", place / "calm"
    inline.main(*inline.toy("weight=3"), folder=before)
    shutil.copytree(before, calm)
    inline.main(*words, folder=calm)
    table, old = ((f / "toy.parquet").read_bytes() for f in (calm, before))
    count = len(folders.shards(calm))
    for kind, codes in FAILURES.items():
        for code in codes[: None if full else 1]:
            for number in range(1, 1000):
                folder = place / "run"
                shutil.copytree(before, folder)
                with Failing(kind, number, code, folder) as failing:
                    ended, said = inline.main(*words, folder=folder)
                if not failing.failed:
                    shutil.rmtree(folder)
                    break
                tally.trial(
                    *_told(folder, ended, said, code, f"{kind} {number} {errno.errorcode[code]}"),
                    *_kept(folder, (table, old)),
                    *_resumed(inline.main, words, folder, count, table),
                )
                shutil.rmtree(folder)
            tally.figures[f"{kind}s of a run"] = number - 1
    return tally


def _told(folder, ended, said, code, where):
    """What a run can do without it does without; else one line says what was wrong, and where."""
    if ended == 0:
        whole = (folder / "toy.parquet").exists() and not said
        yield wrong(whole, f"{where}: exit code 0, said {said!r}")
        return
    lines = said.splitlines()
    yield wrong(ended == 2, f"{where}: exit code {ended}")
    yield wrong(len(lines) == 1 and lines[0].startswith("gradlab: "), f"{where}: said {said!r}")
    named = os.strerror(code) in said and "/run" in said
    yield wrong(named, f"{where}: {said!r} names no file")


def _kept(folder, tables):
    try:
        assert isinstance(gradlab.read("toy", folder), pd.DataFrame)
        read = (folder / "toy.parquet").read_bytes() in tables
    except Exception as error:
        read = error
    yield wrong(read is True, f"the table that was there: {read}")
    broken = folders.broken(folder)
    yield wrong(not broken, f"shards are not whole: {broken[:1]}")


def _resumed(main, words, folder, count, table):
    kept = folders.shards(folder)
    folders.aged(folder)
    code, said = main(*words, folder=folder)
    yield wrong(code == 0, f"the resume ended with {code}: {said}")
    yield from folders.after(folder, kept, count, table)


class Failing:
    """The n-th call of a kind that touches a folder fails; those of other places are not counted.

    A failing write has written half.
    """

    def __init__(self, kind, number, code, folder):
        self.kind, self.left, self.code, self.folder = kind, number, code, str(folder)
        self.failed, self._stack = False, contextlib.ExitStack()

    def __enter__(self):
        opened = builtins.open

        def open_(file, mode="r", *more, **named):
            if self._counts("open", file) and set(mode) & set("wxa+"):
                self._call("open", file)
            found = opened(file, mode, *more, **named)
            written = self.kind == "write" and self._is_own(file) and set(mode) & set("wxa")
            return Written(found, lambda: self._call("write")) if written else found

        self._put(builtins, "open", open_)
        self._put(io, "open", open_)
        for name in ("replace", "mkdir"):
            self._put(os, name, self._wrapped(name, getattr(os, name)))
        self._put(os, "fsync", self._wrapped("fsync", os.fsync))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _wrapped(self, name, function):
        def call(*arguments, **named):
            at_descriptor = name == "fsync"
            if at_descriptor or self._counts(name, arguments[0]):
                self._call(name, None if at_descriptor else arguments[0])
            return function(*arguments, **named)

        return call

    def _is_own(self, file):
        return isinstance(file, str | os.PathLike) and str(file).startswith(self.folder)

    def _counts(self, name, file):
        return name == self.kind and self._is_own(file)

    def _call(self, name, *file):
        if name == self.kind:
            self.left -= 1
            if self.left == 0:
                self.failed = True
                named = [str(file[0])] if file and file[0] is not None else []
                raise OSError(self.code, os.strerror(self.code), *named)

    def _put(self, where, name, value):
        before = getattr(where, name)
        setattr(where, name, value)
        self._stack.callback(setattr, where, name, before)


class Written:
    """A file whose writes may fail."""

    def __init__(self, file, tell):
        self._file, self._tell = file, tell

    def write(self, content):
        try:
            self._tell()
        except OSError:
            self._file.write(content[: len(content) // 2])
            raise
        return self._file.write(content)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()
