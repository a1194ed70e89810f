"""gradlab list."""

import shutil
import sys

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "the experiments, and which have results"
KEYS = """--json: experiments [{name, question, state}], errors; state: results, reference run, not
run"""
COLUMNS = ("name", "question", "state")
STATES = {
    "results": "with results",
    "reference run": "with the reference run alone",
    "not run": "not run",
}


def arguments(command):
    """Where results are looked for."""
    shared.add_results(command)
    shared.add_json(command)


def command(options):
    """What the files say; none is run."""
    from gradlab.suite import library, runs

    rows, wrong = [], []
    for name in library.names():
        try:
            state = shared.state(runs.look(name, options.results))
            rows.append({"name": name, "question": library.question(name), "state": state})
        except UserError as error:
            wrong.append(error)
    if options.json:
        shared.print_json({"experiments": rows, "errors": list(map(str, wrong))})
    else:
        print("\n".join(_lines(rows)))
    for fault in wrong:
        shared.complain(fault)
    return shared.WRONG_USE if wrong else shared.FINE


def _lines(rows):
    """Aligned columns, as wide as the terminal if it is one, and how many there are of each."""
    name, question, state = (max((len(row[c]) for row in rows), default=0) for c in COLUMNS)
    if getattr(sys.stdout, "isatty", bool)():
        question = max(20, min(question, shutil.get_terminal_size().columns - name - state - 5))
    lines = [
        f"{row['name']:{name}}  {_cut(row['question'], question):{question}}  {row['state']}"
        for row in rows
    ]
    states = [row["state"] for row in rows]
    told = [f"{states.count(one)} {word}" for one, word in STATES.items() if one in states]
    return [*lines, f"{len(rows)} experiment{'s' * (len(rows) != 1)}: {', '.join(told)}"]


def _cut(text, width):
    return text if len(text) <= width else f"{text[: width - 3].rstrip()}..."
