"""What gradlab says of its work: nothing, unless the one who called it listens.

The command listens, and so does `run(..., progress=True)`. Who listens is a context variable: two
threads that run experiments, one aloud, do not hear each other.
"""

import sys
from contextlib import contextmanager
from contextvars import ContextVar

_aloud = ContextVar("aloud", default=False)


@contextmanager
def aloud(wanted=True):
    """Print what is said meanwhile; wanted=False leaves it as it is."""
    before = _aloud.set(wanted or _aloud.get())
    try:
        yield
    finally:
        _aloud.reset(before)


def is_aloud():
    """Whether somebody listens."""
    return _aloud.get()


def say(text):
    """Print a line, at once, if somebody listens."""
    if _aloud.get():
        print(text)
        getattr(sys.stdout, "flush", bool)()  # None, or a logger that knows no flush
