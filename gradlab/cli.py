"""The command line: its commands, its exit codes, what interrupts it.

What is heavy is imported by the command that needs it.
"""

import argparse
import contextlib
import logging
import os
import re
import signal
import sys

from gradlab.commands import (
    check,
    diff,
    explore,
    export,
    inspect,
    list,
    new,
    plot,
    reproduce,
    run,
    show,
    status,
    tag,
    watch,
)
from gradlab.commands.shared import INTERRUPTED, PIPE_CLOSED, WRONG_USE, complain
from gradlab.errors import UserError, did_you_mean, told
from gradlab.suite import tell

COMMANDS = {
    "list": list, "show": show, "run": run, "status": status, "reproduce": reproduce, "diff": diff,
    "plot": plot, "check": check, "new": new, "export": export,
    "explore": explore, "inspect": inspect, "watch": watch,
    "tag": tag,
}  # fmt: skip


class Stopped(KeyboardInterrupt):
    """SIGTERM, or SIGHUP where the terminal went, taken like Ctrl-C."""

    def __init__(self, number):
        super().__init__()
        self.code = 128 + number


class Version(argparse.Action):
    """--version: looked up when it is asked for."""

    def __call__(self, parser, *_):
        from gradlab.version import version

        print(f"gradlab {version()}")
        parser.exit()


class Parser(argparse.ArgumentParser):
    """argparse with this project's errors: one line."""

    def error(self, message):
        raise UserError(f"{message} (see `{self.prog} --help`)")


def main(arguments=None):
    """Run a command line; returns the exit code."""
    before = {number: signal.signal(number, _stop) for number in _stopping()}
    _draw_into_files()
    try:
        options = _parsed(sys.argv[1:] if arguments is None else arguments)
        _print_anything()
        with tell.aloud():
            code = options.command(options)
        _flush(sys.stdout)  # here: at the interpreter's exit a closed pipe would be a traceback
        return code
    except BrokenPipeError:  # `gradlab list | head -1`: the reader has what it wanted
        os._exit(PIPE_CLOSED)
    except (UserError, OSError) as error:
        complain(error)
        return WRONG_USE
    except MemoryError as error:
        complain(f"the memory is at its end: {told(error) or 'more could not be had'}")
        return WRONG_USE
    except KeyboardInterrupt as stop:
        _leave(getattr(stop, "code", INTERRUPTED))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def script(experiment):
    """The closing line of an experiment file: the same as `gradlab run FILE ARGS...`."""
    sys.exit(main(["run", experiment.file, *sys.argv[1:]]))


def _draw_into_files():
    """No window or notebook for a command, nor matplotlib's word on each setting of the user's."""
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _print_anything():
    """What a console has no letter for is shown by its number, as stderr does."""
    if getattr(sys.stdout, "errors", None) == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _stopping():
    """The signals that end a run like Ctrl-C; `nohup` has SIGHUP ignored, and so it stays."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    heard = hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN
    return [signal.SIGTERM, hangup] if heard else [signal.SIGTERM]


def _stop(number, _):
    raise Stopped(number)


def _leave(code):
    """Leave now: sys.exit would wait for the blocks that still run. What is stored is complete."""
    with contextlib.suppress(OSError):
        _flush(sys.stdout)
        _flush(sys.stderr)
    os._exit(code)


def _flush(stream):
    """Flush a stream; without a console it is None, or a logger that knows no flush."""
    getattr(stream, "flush", bool)()


def _parsed(arguments):
    """The options. Raises UserError, which says what was meant where it can be told."""
    parser = _parser()
    first = arguments[0] if arguments else "--"
    if not first.startswith("-") and first not in COMMANDS:
        raise UserError(_no_command(first))
    options, strange = parser.parse_known_args(arguments)
    if strange:
        known = re.findall(r"--[\w-]+", options.parser.format_help())
        hint = did_you_mean(strange[0].partition("=")[0], known)
        more = f" (see `{options.parser.prog} --help`)"
        raise UserError(f"{options.parser.prog} takes no {' '.join(strange)}{hint or more}")
    return options


def _no_command(given):
    from gradlab.suite import library

    if given in library.names():
        return f"no command {given}: did you mean `gradlab run {given}`?"
    listed = f"; there are {', '.join(COMMANDS)} (see `gradlab --help`)"
    return f"no command {given}{did_you_mean(given, COMMANDS) or listed}"


def _parser():
    parser = Parser(prog="gradlab", description="A laboratory for the gradients of recurrent nets.")
    parser.add_argument("--version", action=Version, nargs=0, help="say which gradlab this is")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        keys = getattr(module, "KEYS", None)
        command = commands.add_parser(name, help=module.TEXT, description=module.TEXT, epilog=keys)
        module.arguments(command)
        command.set_defaults(command=module.command, parser=command)
    return parser
