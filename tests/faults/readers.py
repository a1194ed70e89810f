"""Twelve processes read and write one table: nobody sees half of it."""

import random
import time

import pandas as pd

from faults import children
from faults.tally import Tally, wrong
from gradlab.errors import UserError
from gradlab.suite import store

WHAT, HOW = "readers beside writers", "12 processes read and write one table"
SECONDS, WRITERS, READERS = (4.0, 60.0), 4, 8


def run(full, place):
    """Writers each write tables of their own, table and provenance; readers read what is there."""
    tally = Tally()
    _write(place, 0)
    outs = [place / f"{number}.txt" for number in range(WRITERS + READERS)]
    processes = [
        children.start(_writer if number < WRITERS else _reader, place, number, SECONDS[full],
                       out=out)
        for number, out in enumerate(outs)
    ]  # fmt: skip
    codes = [children.ended(process) for process in processes]
    done = []
    for code, out in zip(codes, outs, strict=True):
        *found, count = out.read_text().split("\n")[:-1] or ["", "0"]
        done.append(int(count) if count.isdigit() else 0)
        tally.trial(wrong(code == 0 and not found, f"{code}: {(found or [count])[0]}"))
    tally.trials += sum(done)
    tally.figures |= {"writes": sum(done[:WRITERS]), "reads": sum(done[WRITERS:])}
    return tally


def _write(folder, number):
    """A table whose every entry says which one it is."""
    frame = pd.DataFrame({"a": [float(number)] * (1 + number % 50), "status": "ok"})
    store.write_run(frame, {"number": number}, folder / "t.parquet", folder / "t.json")


def _writer(folder, number, seconds):
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        _write(folder, 1000 * number + count)
        count += 1
    print(count)
    return 0


def _reader(folder, number, seconds):
    end, count, rng = time.monotonic() + seconds, 0, random.Random(number)
    while time.monotonic() < end:
        try:
            frame = store.read_table(folder, "t")
            values = set(frame["a"])
            if len(values) != 1 or len(frame) != 1 + int(values.pop()) % 50:
                print("a mixed table")
        except UserError as error:
            print(error)
        count += 1
        time.sleep(rng.uniform(0, 0.002))
    print(count)
    return 0
