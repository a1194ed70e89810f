"""The README's table of what the fault tests counted, made of tests/faults/figures.json.

    python tests/faults/table.py

prints it, to be put between the two marks in README.md; a test holds both to each other.
"""

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[0] = str(HERE.parent)

from faults.run import FIGURES, ROWS  # noqa: E402  found beside the tests

FIRST, LAST = "<!-- tests/faults/table.py -->\n", "<!-- end -->\n"


def table(figures):
    """Lines of Markdown: a row for each that was run in full."""
    lines = [
        "| what | how | trials | lost | twice | wrong |",
        "|---|---|---|---|---|---|",
    ]
    for name in ROWS:
        if (record := figures.get(name)) is not None:
            row = importlib.import_module(f"faults.{name}")
            counts = (f"{record[kind]:,}" for kind in ("trials", "lost", "twice", "wrong"))
            lacking = "".join(f"; not tried: {one}" for one in record.get("missing", ()))
            lines.append(f"| {' | '.join([row.WHAT, row.HOW + lacking, *counts])} |")
    return "".join(f"{line}\n" for line in lines)


def read():
    """The figures that are committed."""
    return json.loads(FIGURES.read_text())


if __name__ == "__main__":
    print(table(read()), end="")
