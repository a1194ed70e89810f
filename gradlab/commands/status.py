"""gradlab status."""

from gradlab.commands import shared

TEXT = "what is stored, running, missing and failed"


def arguments(status):
    """Whose, and as what."""
    shared.add_results(status)
    status.add_argument("names", metavar="NAME", nargs="*", help="default: all in DIR")
    status.add_argument("--json", action="store_true", help="as JSON")


def command(options):
    """A line for each run, or a JSON list."""
    import json

    from gradlab.suite.status import statuses

    found = statuses(options.results, options.names)
    if options.json:
        said = [{**one._asdict(), "missing": one.missing} for one in found]
        print(json.dumps(said, indent=1))
    else:
        for one in found or [f"nothing in {options.results}"]:
            print(one)
    return shared.FINE
