"""Child processes that a test interrupts."""

import contextlib
import signal


@contextlib.contextmanager
def interruptible():
    """What is started here takes Ctrl-C and SIGHUP, which the children of a shell may ignore.

    A shell's background job ignores the one, what `nohup` starts the other.
    """
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in defaults.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
