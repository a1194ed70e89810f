"""The command line: its commands, its exit codes, what interrupts it.

What is heavy is imported by the command that needs it.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys

from gradlab.commands import check, diff, export, list, new, plot, reproduce, run
from gradlab.commands.shared import INTERRUPTED, PIPE_CLOSED, TERMINATED, WRONG_USE, complain
from gradlab.errors import UserError

COMMANDS = {
    "list": list, "run": run, "reproduce": reproduce, "diff": diff, "plot": plot, "check": check,
    "new": new, "export": export,
}  # fmt: skip


class Terminated(KeyboardInterrupt):
    """SIGTERM, taken like Ctrl-C."""


class Parser(argparse.ArgumentParser):
    """argparse with this project's errors: one line."""

    def error(self, message):
        raise UserError(f"{message} (see `{self.prog} --help`)")


def main(arguments=None):
    """Run a command line; returns the exit code."""
    before = signal.signal(signal.SIGTERM, _terminate)
    _draw_into_files()
    try:
        options = _parser().parse_args(arguments)
        code = options.command(options)
        _flush(sys.stdout)  # here: at the interpreter's exit a closed pipe would be a traceback
        return code
    except BrokenPipeError:  # `gradlab list | head -1`: the reader has what it wanted
        os._exit(PIPE_CLOSED)
    except (UserError, OSError) as error:
        complain(error)
        return WRONG_USE
    except KeyboardInterrupt as stop:
        _leave(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


def script(experiment):
    """The closing line of an experiment file: the same as `gradlab run FILE ARGS...`."""
    sys.exit(main(["run", experiment.file, *sys.argv[1:]]))


def _draw_into_files():
    """No window or notebook for a command, nor matplotlib's word on each setting of the user's."""
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _terminate(*_):
    raise Terminated


def _leave(code):
    """Leave now: sys.exit would wait for the blocks that still run. What is stored is complete."""
    with contextlib.suppress(OSError):
        _flush(sys.stdout)
        _flush(sys.stderr)
    os._exit(code)


def _flush(stream):
    """Flush a stream; without a console it is None, or a logger that knows no flush."""
    getattr(stream, "flush", bool)()


def _parser():
    parser = Parser(prog="gradlab", description="A laboratory for the gradients of recurrent nets.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.TEXT, description=module.TEXT)
        module.arguments(command)
        command.set_defaults(command=module.command)
    return parser
