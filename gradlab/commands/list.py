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
            print(f"{name}: {library.question(name)} ({_state(name, options.results)})")
        except UserError as error:
            shared.complain(error)
            code = shared.WRONG_USE
    return code


def _state(name, results):
    from gradlab.suite import runs

    found = runs.look(name, results)
    return "not run" if found is None else "reference run" if found.is_reference else "results"
