"""The commands of gradlab. What is heavy is imported by the command that needs it."""

import argparse
import contextlib
import logging
import os
import signal
import sys

from gradlab.errors import UserError, to_stderr
from gradlab.files import expanded
from gradlab.suite.experiment import FALLS_SHORT

FINE, FELL_SHORT, WRONG_USE, INTERRUPTED, PIPE_CLOSED, TERMINATED = 0, 1, 2, 130, 141, 143
FORMATS = ("csv", "pdf", "svg")


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
        _complain(error)
        return WRONG_USE
    except KeyboardInterrupt as stop:
        _leave(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, before)


def _draw_into_files():
    """No window or notebook for a command, nor matplotlib's word on each setting of the user's."""
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _terminate(*_):
    raise Terminated


def _complain(error):
    to_stderr(f"gradlab: {' '.join(str(error).split())}\n")


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
    _command(commands, _list, "list", "the experiments, and which have results")
    _add_run(_command(commands, _run, "run", "measure an experiment: table, figure, claims"))
    _add_reproduce(commands)
    diff = _command(commands, _diff, "diff", "hold two tables against each other")
    diff.add_argument("one", metavar="A", help="an experiment's name or the path of a .parquet")
    diff.add_argument("other", metavar="B")
    plot = _command(commands, _plot, "plot", "draw the figure again from the table")
    plot.add_argument("name", metavar="NAME")
    check = _command(commands, _check, "check", "hold the claims against the tables that exist")
    check.add_argument("names", metavar="NAME", nargs="*")
    new = _command(commands, _new, "new", "write experiments/NAME.py to start from", results=False)
    new.add_argument("name", metavar="NAME")
    export = _command(commands, _export, "export", "the table as CSV, or the figure as PDF or SVG")
    export.add_argument("name", metavar="NAME")
    export.add_argument("--format", choices=FORMATS, help="default: the file's, or csv")
    export.add_argument("--output", metavar="FILE", help="default: beside the table")
    return parser


def _command(commands, function, name, text, results=True):
    command = commands.add_parser(name, help=text, description=text)
    if results:
        command.add_argument("--results", metavar="DIR", default="results", help="default: results")
    command.set_defaults(command=function)
    return command


def _add_reproduce(commands):
    text = "run experiments afresh, elsewhere, and hold them against their tables"
    again = _command(commands, _reproduce, "reproduce", text)
    again.add_argument("names", metavar="NAME", nargs="*", help="default: all that have tables")
    again.add_argument("--quick", action="store_true", help="only some of the blocks")
    again.add_argument("--set", metavar="KEY=VALUE", action="append", default=[])
    again.add_argument("--workers", metavar="N", type=_positive, help="default: all cores")


def _add_run(run):
    run.add_argument("name", metavar="NAME|FILE", nargs="?", help="default: spectral_radius")
    run.add_argument("--all", action="store_true", help="every experiment in turn")
    run.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="other values for an axis or a constant: a=0.5:1.5:21, a=1,2,4 or key=value",
    )
    run.add_argument("--quick", action="store_true", help="a small grid, into DIR/quick")
    run.add_argument("--workers", metavar="N", type=_positive, help="default: all cores")
    run.add_argument("--fresh", action="store_true", help="run blocks again that are stored")


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def _list(options):
    """What the files say; none is run."""
    from gradlab.suite import library

    code = FINE
    for name in library.names():
        try:
            ran = "results" if _table(options, name).exists() else "not run"
            print(f"{name}: {library.question(name)} ({ran})")
        except UserError as error:
            _complain(error)
            code = WRONG_USE
    return code


def _run(options):
    if options.all:
        return _run_all(options)
    return _run_one(options, options.name or "spectral_radius")


def _run_one(options, name):
    from gradlab.suite import run

    experiment = run.prepare(name, options.quick, dict(map(_pair, options.set)))
    folder = run.place(options.results, options.quick)
    return _code(run.complete(experiment, folder, options.workers, options.fresh)[1])


def _run_all(options):
    from gradlab.suite import library, reproduce, run

    if options.name:
        raise UserError(f"run {options.name} --all: a name or --all, not both")
    folder = run.place(options.results, options.quick)
    done = reproduce.in_turn(library.names(), lambda name: _run_one(options, name), folder)
    for name, code in done.items():
        print(f"{name}: {'failed' if code is None else ('ok', 'a claim fell short')[code]}")
    return WRONG_USE if None in done.values() else max(done.values(), default=FINE)


def _reproduce(options):
    from gradlab.suite import library, reproduce

    names = options.names or [name for name in library.names() if _table(options, name).exists()]
    if not names:
        raise UserError(f"no tables in {options.results}; `gradlab run --all` makes them")
    values = dict(map(_pair, options.set))

    def one(name):
        return reproduce.reproduce(name, options.results, options.quick, values, options.workers)

    done = reproduce.in_turn(names, one, options.results)
    for name, outcome in done.items():
        print(f"{name}: {outcome or 'failed'}")
    return _same(done.values())


def _diff(options):
    from gradlab.suite import reproduce

    outcome = reproduce.diff(options.one, options.other, options.results)
    print(outcome)
    return _same([outcome])


def _same(outcomes):
    bad = [outcome for outcome in outcomes if outcome is None or outcome.word == "different"]
    return FELL_SHORT if bad else FINE


def _pair(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: not KEY=VALUE")
    return name, value


def _plot(options):
    from gradlab.suite import library, run

    experiment = library.load(options.name)
    frame = run.read(experiment.name, options.results)
    run.draw(experiment, frame, run.beside(options.results, experiment.name, "png"))
    return FINE


def _check(options):
    from gradlab.suite import library

    verdicts, wrong = [], []
    for name in options.names or library.names():
        try:
            verdicts += _verdicts(options, library.load(name))
        except UserError as error:
            wrong.append(error)
    for verdict in verdicts:
        print(verdict)
    for error in wrong:
        _complain(error)
    return _code(verdicts) or (WRONG_USE if wrong else FINE)


def _verdicts(options, experiment):
    from gradlab.suite import store

    if not _table(options, experiment.name).exists():
        print(f"{'not run':12}  {experiment.name}: `gradlab run {experiment.name}`")
        return []
    frame = store.read_table(options.results, experiment.name)
    return [claim.judge(frame) for claim in experiment.claims]


def _new(options):
    from gradlab.suite import library

    file = library.new(options.name)
    print(f"wrote {file}; try `gradlab run {options.name} --quick`")
    return FINE


def _export(options):
    from gradlab.suite import library, run

    kind = _format(options)
    experiment = library.load(options.name)
    frame = run.read(experiment.name, options.results)
    path = expanded(options.output or run.beside(options.results, experiment.name, kind))
    if kind == "csv":
        frame.to_csv(path, index=False)
        print(f"wrote {path}")
    else:
        run.draw(experiment, frame, path, kind)
    return FINE


def _format(options):
    """The format that is asked for, by its name or by the file's."""
    named = expanded(options.output or "").suffix[1:].lower()
    kind = options.format or named or "csv"
    if kind not in FORMATS:
        raise UserError(f"--output {options.output}: not a file .csv, .pdf or .svg")
    if named not in ("", kind):
        raise UserError(
            f"--format {kind}: --output {options.output} says {named}; give one of them"
        )
    return kind


def _table(options, name):
    return expanded(options.results) / f"{name}.parquet"


def _code(verdicts):
    return FELL_SHORT if any(v.outcome == FALLS_SHORT for v in verdicts) else FINE
