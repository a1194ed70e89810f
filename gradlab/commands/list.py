"""gradlab list."""

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "the experiments, and which have results"
arguments = shared.add_results


def command(options):
    """What the files say; none is run."""
    from gradlab.suite import library

    code = shared.FINE
    for name in library.names():
        try:
            ran = "results" if shared.table(options, name).exists() else "not run"
            print(f"{name}: {library.question(name)} ({ran})")
        except UserError as error:
            shared.complain(error)
            code = shared.WRONG_USE
    return code
