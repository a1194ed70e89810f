"""A log that grows, looked at again and again: the screen in place, or a line for each change."""

import shutil
import sys
import time

from gradlab.watching import report, sources
from gradlab.watching.watched import Watched

LOOK = 0.5  # seconds between two looks at the file
EASE = 5.0  # a report is made again after so many times the seconds that it took, at the earliest
UP, REST = "\x1b[{}F", "\x1b[J"


def follow(source, how, show):
    """Look at a source for good; show(Watched) when it changed. Ctrl-C ends it.

    Raises UserError for what is no log; a file that is not there, or holds no norms yet, is waited
    for.
    """
    waited, pending = False, False
    while True:
        pending = source.poll() or pending
        if pending and len(source.rows):
            started = time.monotonic()
            show(Watched(source.rows, how))
            pending = False
            time.sleep(max(LOOK, EASE * (time.monotonic() - started)))
            continue
        if not waited and not len(source.rows):
            waited = True
            there = "no norms in" if not sources.is_nothing(source.path) else "no file"
            _say(f"{there} {source.path} yet: waiting; Ctrl-C ends it\n")
        time.sleep(LOOK)


class InPlace:
    """The screen on a terminal: each one takes the place of the one before."""

    def __init__(self):
        self._height = 0

    def __call__(self, watched):
        width, height = shutil.get_terminal_size()
        lines = [line[: width - 1] for line in report.text(watched).splitlines()][: height - 1]
        back = UP.format(self._height) if self._height else ""
        screen = "\n".join(lines)
        _say(f"{back}{REST}{screen}\n")
        self._height = len(lines)


class Lines:
    """One line for each change."""

    def __call__(self, watched):
        _say(f"{report.line(watched)}\n")


def _say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
