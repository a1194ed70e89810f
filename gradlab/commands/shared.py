"""What several commands need: exit codes, KEY=VALUE, where tables stand, one line for an error."""

import argparse
import json
import math
import re

from gradlab import files, words
from gradlab.errors import UserError, to_stderr
from gradlab.suite.claims import FALLS_SHORT

FINE, FELL_SHORT, WRONG_USE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
VALUE = re.compile(r"[^\[\]', ]+")  # in 'a' or ['a', 'b']


def complain(error):
    """Say what was wrong, in one line on stderr."""
    to_stderr(f"gradlab: {' '.join(str(error).split())}\n")


def add_results(command, default="results", text="default: results"):
    """--results DIR."""
    command.add_argument("--results", metavar="DIR", default=default, help=text, type=_folder)


def _folder(text):
    try:
        files.as_folder(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(error) from None
    return text


def add_json(command):
    """--json."""
    command.add_argument("--json", action="store_true", help="for a program: one JSON document")


def print_json(content):
    """One JSON document; what is not finite is the text "inf", "-inf" or "nan"."""
    print(json.dumps(_finite(content), indent=1))


def _finite(content):
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return str(content) if isinstance(content, float) and not math.isfinite(content) else content


def as_flags(said, names):
    """A program's words as the command line has them.

    >>> as_flags("layer='a': choose one by layer=, or layer=['b', 'c']", ["layer"])
    '--layer a: choose one by --layer, or --layer b --layer c'
    """

    def flag(found):
        name, value = found.groups()
        return " ".join(f"--{name} {one}" for one in VALUE.findall(value)) or f"--{name}"

    return re.sub(rf"\b({'|'.join(names)})=(\[[^\]]*\]|'[^']*'|[\w.+-]*)", flag, said)


def read(options, name):
    """The table of a run; a line says so if it is the reference run."""
    from gradlab.suite import runs

    found = runs.find(name, options.results)
    if found.is_reference:
        print(found)
    return found.read()


def state(run):
    """What is there of an experiment: "results", "reference run" or "not run"."""
    return "not run" if run is None else "reference run" if run.is_reference else "results"


def values(options):
    """What --set gave: {name: text}."""
    return dict(map(_pair, options.set))


def _pair(text):
    name, equals, value = text.partition("=")
    if not equals or not name:
        setting = words.values().get(text)
        hint = f": did you mean --set {setting}={text}?" if setting else ""
        raise UserError(f"--set {text}: not KEY=VALUE{hint}")
    return name, value


def positive(text):
    """A number of workers."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def number(text):
    """A number, whatever its size."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a number") from None


def code(verdicts):
    """The exit code of claims."""
    return FELL_SHORT if any(v.outcome == FALLS_SHORT for v in verdicts) else FINE


def same(outcomes):
    """The exit code of tables that were held against each other."""
    bad = [outcome for outcome in outcomes if outcome is None or outcome.word == "different"]
    return FELL_SHORT if bad else FINE
