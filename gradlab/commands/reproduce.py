"""gradlab reproduce."""

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "run experiments afresh, elsewhere, and hold them against the reference runs or DIR's"


def arguments(again):
    """Which, and on which values."""
    shared.add_results(again, default=None, text="default: results/reference, then results")
    again.add_argument("names", metavar="NAME", nargs="*", help="default: all that have tables")
    again.add_argument("--quick", action="store_true", help="only some of the blocks")
    again.add_argument("--set", metavar="KEY=VALUE", action="append", default=[])
    again.add_argument("--workers", metavar="N", type=shared.positive, help="default: all cores")


def command(options):
    """Each experiment in turn, then a line for each."""
    from gradlab.suite import library, reproduce, runs

    own = options.results or runs.OWN
    names = options.names or [name for name in library.names() if runs.look(name, own)]
    if not names:
        raise UserError(f"no tables in {own}; `gradlab run --all` makes them")
    for name in options.names:  # before the first one runs
        library.load(name)
    values = shared.values(options)

    def one(name):
        return reproduce.reproduce(name, options.results, options.quick, values, options.workers)

    folders = [options.results] if options.results else [runs.reference(), runs.OWN]
    done = reproduce.in_turn(names, one, folders)
    for name, outcome in done.items():
        print(f"{name}: {outcome or 'failed'}")
    return shared.same(done.values())
