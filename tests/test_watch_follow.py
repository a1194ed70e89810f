"""`gradlab watch --follow`: what happens to a log while it is looked at."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from processes import interruptible

from gradlab.watching import follow, sources
from gradlab.watching.watched import How, Watched

HOW = How.of({}, (), None, None, None)
HEADER = "update,norm\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def log():
    Path("run.csv").write_text(HEADER + "1,0.5\n", encoding="utf-8")
    source = sources.of("run.csv", {})
    assert source.poll() and not source.poll()
    return source


def norms(source):
    return Watched(source.rows, HOW).log.norm.tolist()


def append(text):
    with open("run.csv", "a", encoding="utf-8") as file:
        file.write(text)


def test_a_line_counts_when_it_is_whole(log):
    append("2,0.")
    assert not log.poll() and norms(log) == [0.5]
    append("25\n3,1")
    assert log.poll() and norms(log) == [0.5, 0.25]
    append("\n")
    assert log.poll() and norms(log) == [0.5, 0.25, 1.0]


def test_a_header_that_is_half_written_is_waited_for():
    source = sources.of("run.csv", {})
    assert not source.poll()
    Path("run.csv").write_text("update,no", encoding="utf-8")
    assert not source.poll() and not len(source.rows)
    append("rm\n1,2\n")
    assert source.poll() and norms(source) == [2.0]


@pytest.mark.parametrize("how", ["truncated", "replaced", "rewritten", "other header", "longer"])
def test_another_log_in_the_place_of_the_first_is_read_anew(log, how):
    append("2,0.25\n3,0.125\n")
    assert log.poll() and len(norms(log)) == 3
    new = {
        "truncated": HEADER + "1,7\n", "rewritten": HEADER + "1,7\n2,0.25\n3,0.5\n4,1\n",
        "other header": "update,loss,norm\n1,9,7\n2,9,7\n3,9,7\n",
        "longer": HEADER + "".join(f"{i},7\n" for i in range(1000)), "replaced": HEADER + "1,7\n",
    }[how]  # fmt: skip
    if how == "replaced":
        Path("new.csv").write_text(new, encoding="utf-8")
        os.replace("new.csv", "run.csv")
    else:
        Path("run.csv").write_text(new, encoding="utf-8")
    assert log.poll() and norms(log)[0] == 7.0


def test_a_log_that_goes_away_stays_as_it_was_and_comes_back(log):
    Path("run.csv").unlink()
    assert not log.poll() and norms(log) == [0.5]
    Path("run.csv").write_text(HEADER + "1,3\n", encoding="utf-8")
    assert log.poll() and norms(log) == [3.0]


def test_a_file_is_read_in_blocks_as_it_is_at_once(monkeypatch):
    text = HEADER + "".join(f"{i},{i / 7}\n" for i in range(3000))
    Path("run.csv").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sources, "BLOCK", 1000)
    source = sources.of("run.csv", {})
    source.poll(last=True)
    assert norms(source) == [i / 7 for i in range(3000)]


def test_a_parquet_file_is_read_again_when_it_is_another_and_whole():
    pd.DataFrame({"norm": [1.0]}).to_parquet("run.parquet")
    source = sources.of("run.parquet", {})
    assert source.poll() and norms(source) == [1.0] and not source.poll()
    whole = Path("run.parquet").read_bytes()
    Path("run.parquet").write_bytes(whole[:100])
    assert not source.poll() and norms(source) == [1.0]
    pd.DataFrame({"norm": [1.0, 2.0]}).to_parquet("run.parquet")
    assert source.poll() and norms(source) == [1.0, 2.0]


class Enough(Exception):
    """The test has seen what it wants."""


def looked(monkeypatch, steps, show):
    """Follow run.csv; each sleep is the next of the steps."""
    waits = iter(steps)

    def sleep(_):
        step = next(waits, None)
        if step is None:
            raise Enough
        step()

    monkeypatch.setattr(follow.time, "sleep", sleep)
    with pytest.raises(Enough):
        follow.follow(sources.of("run.csv", {}), HOW, show)


def test_there_is_a_line_for_each_change(monkeypatch, capsys):
    steps = [
        lambda: Path("run.csv").write_text(HEADER, encoding="utf-8"),
        lambda: append("1,0.5\n"),
        lambda: None,
        lambda: append("2,nan\n"),
    ]
    looked(monkeypatch, steps, follow.Lines())
    assert capsys.readouterr().out.splitlines() == [
        "no file run.csv yet: waiting; Ctrl-C ends it",
        "update 1: norm 0.5, median 0.5, P99 0.5, spikes 0, not finite 0",
        "update 2: norm nan, median 0.5, P99 0.5, spikes 0, not finite 1",
    ]


def test_on_a_terminal_the_screen_takes_the_place_of_the_one_before(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    looked(monkeypatch, [lambda: append(HEADER + "1,0.5\n"), lambda: append("2,1\n")],
           follow.InPlace())  # fmt: skip
    first, second = capsys.readouterr().out.split("\x1b[11F\x1b[J")
    assert "1 update," in first and "2 updates, 1 to 2" in second
    assert len(second.splitlines()) == 11 and max(map(len, second.splitlines())) < 60


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_it_and_the_figure_is_drawn(number, code):
    Path("run.csv").write_text(HEADER + "1,0.5\n", encoding="utf-8")
    with interruptible():
        command = [sys.executable, "-m", "gradlab", "watch", "run.csv", "--follow"]
        watch = subprocess.Popen(
            [*command, "--figure", "f.png"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    assert watch.stdout.readline().startswith(b"update 1: norm 0.5")
    append("2,0.25\n")
    assert watch.stdout.readline().startswith(b"update 2: norm 0.25")
    time.sleep(0.2)
    watch.send_signal(number)
    out, err = watch.communicate(timeout=60)
    assert (watch.returncode, out, err) == (code, b"wrote f.png\n", b"")
    assert Path("f.png").stat().st_size > 1000
