"""gradlab check."""

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "hold the claims against the tables that exist"


def arguments(check):
    """Whose."""
    shared.add_results(check)
    check.add_argument("names", metavar="NAME", nargs="*")


def command(options):
    """A line for each claim; a file that is none is told and passed over."""
    from gradlab.suite import library

    verdicts, wrong = [], []
    for name in options.names or library.names():
        try:
            verdicts += _verdicts(options, name)
        except UserError as error:
            wrong.append(error)
    for verdict in verdicts:
        print(verdict)
    for fault in wrong:
        shared.complain(fault)
    return shared.code(verdicts) or (shared.WRONG_USE if wrong else shared.FINE)


def _verdicts(options, name):
    from gradlab.suite import runs

    experiment, name = runs.of(name, options.results)
    if not runs.look(name, options.results):
        print(f"{'not run':12}  {experiment.name}: `gradlab run {experiment.name}`")
        return []
    frame = shared.read(options, name)
    return [claim.judge(frame) for claim in experiment.claims]
