"""The fault tests: each row of the table once, in short, or --full.

    python tests/faults/run.py [ROW ...] [--full]

A line a row; the exit code is 1 if one does not pass. --full writes what it counted to
tests/faults/figures.json, from which the README's table is made (python tests/faults/table.py).
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[0] = str(HERE.parent)  # its own folder would make `signals` and the like top-level

FIGURES = HERE / "figures.json"
ROWS = (
    "crash", "failing_io", "full_disk", "damage", "races", "readers", "bad_input", "determinism",
    "workers", "poison", "not_finite", "kernel_cache", "hostile", "signals", "soak", "planted",
    "machines", "old_results",
)  # fmt: skip


def main():
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[[], *ROWS], default=[])
    parser.add_argument("--full", action="store_true", help="all trials, and write the figures")
    options = parser.parse_args()
    from faults import children

    children.prepare()
    started, passed = time.monotonic(), True
    for name in options.rows or ROWS:
        record, is_right = measured(name, options.full)
        passed &= is_right
        print(line(name, record, is_right), flush=True)
        if options.full:
            keep(name, record)
    print(f"{time.monotonic() - started:.0f} s in all", flush=True)
    return 0 if passed else 1


def measured(name, full):
    """(record, whether it passed) of one row."""
    from faults.tally import Tally

    row = importlib.import_module(f"faults.{name}")
    with tempfile.TemporaryDirectory(prefix=f"gradlab-{name}-") as place:
        try:
            tally = row.run(full, Path(place))
        except Exception:
            traceback.print_exc()
            tally = Tally()
            tally.trial(("wrong", "the row itself failed"))
    return tally.record(), bool(tally)


def line(name, record, is_right):
    """A row of the printed table."""
    counts = ", ".join(f"{record[kind]} {kind}" for kind in ("lost", "twice", "wrong"))
    said = ", ".join(f"{what} {number}" for what, number in record["figures"].items())
    first = f"{name:13} {'passes' if is_right else 'FAILS'}  {record['trials']} trials: {counts}"
    notes = "".join(f"\n{'':13} {note}" for note in record.get("notes", ()))
    lacking = "".join(f"\n{'':13} not tried: {one}" for one in record.get("missing", ()))
    return f"{first}; {record['seconds']:.0f} s{'; ' * bool(said)}{said}{notes}{lacking}"


def keep(name, record):
    """Enter a full row into the figures, with the commit and the day."""
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    said = {"commit": _git("rev-parse", "--short=12", "HEAD"), "date": time.strftime("%Y-%m-%d")}
    if _git("status", "--porcelain", "--", "gradlab"):
        said["commit"] += " with changes"
    figures[name] = {**said, **record}
    ordered = {row: figures[row] for row in ROWS if row in figures}
    FIGURES.write_text(json.dumps(ordered, indent=1) + "\n")


def _git(*words):
    done = subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
