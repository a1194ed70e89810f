"""gradlab diff."""

from gradlab.commands import shared

TEXT = "hold two tables against each other"


def arguments(diff):
    """Two tables."""
    shared.add_results(diff)
    diff.add_argument("one", metavar="A", help="a run's name or the path of a .parquet")
    diff.add_argument("other", metavar="B")


def command(options):
    """Print how they differ."""
    from gradlab.suite import reproduce

    outcome = reproduce.diff(options.one, options.other, options.results)
    print(outcome)
    return shared.same([outcome])
