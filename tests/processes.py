"""Child processes that a test interrupts."""

import contextlib
import signal


@contextlib.contextmanager
def interruptible():
    """What is started here takes Ctrl-C: a shell's background job ignores it, and its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
