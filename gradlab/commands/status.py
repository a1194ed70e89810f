"""gradlab status."""

from gradlab.commands import shared

TEXT = "what is stored, running, missing and failed"
KEYS = """--json: [{name, experiment, rows, errors, blocks, stored, others, running [{pid,
started}], problem, missing}]; rows: null without a table; blocks, missing: null where nobody knows
the grid"""


def arguments(status):
    """Whose, and as what."""
    shared.add_results(status)
    shared.add_json(status)
    status.add_argument("names", metavar="NAME", nargs="*", help="default: all in DIR")


def command(options):
    """A line for each run, or a JSON list."""
    from gradlab.files import expanded
    from gradlab.suite.status import statuses

    found = statuses(options.results, options.names)
    if options.json:
        shared.print_json([{**one._asdict(), "missing": one.missing} for one in found])
    else:
        for one in found or [f"nothing in {options.results}"]:
            print(one)
        quick = expanded(options.results) / "quick"
        if not options.names and statuses(quick):
            print(f"quick runs: `gradlab status --results {quick}`")
    return shared.FINE
