"""Commands as processes of their own, without the second that each would take to load its modules.

A server process, which has loaded them and has no thread, forks each command off.
"""

import contextlib
import os
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

TESTS = Path(__file__).parents[1]
TOY = str(TESTS / "toy.py")
LONGEST = 120.0  # seconds, of whatever a trial starts

_server = get_context("forkserver")


def prepare():
    """To be called once, before the first child: where its modules are, and no window."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent / "experiments")])
    os.environ["MPLBACKEND"] = "agg"
    _server.set_forkserver_preload(["faults.loaded"])


def start(function, *arguments, out=os.devnull):
    """A process that calls a function of a module; what it prints goes to the file `out`."""
    process = _server.Process(target=_called, args=(function, arguments, str(out)))
    process.start()
    return process


def command(*words, out=os.devnull):
    """A process that is `gradlab WORDS`, as far as main() goes; it exits with its code."""
    return start(main, words, out=out)


def ended(process, longest=LONGEST):
    """The exit code of a process, None if it hangs: then it is killed."""
    process.join(longest)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def run(*words, out=os.devnull):
    """(exit code, what it said) of a command."""
    code = ended(command(*words, out=out))
    return code, Path(out).read_text(
        encoding="utf-8", errors="replace"
    ) if out != os.devnull else ""


def wait_for(is_there, seconds=LONGEST):
    """Wait until a condition holds; whether it did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_there():
            return True
        time.sleep(0.002)
    return False


def _called(function, arguments, out):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.exit(function(*arguments))


def main(words):
    """`gradlab WORDS` in this process; its exit code."""
    from gradlab import cli

    with contextlib.suppress(ImportError):
        return cli.main(list(words))
    return 99
