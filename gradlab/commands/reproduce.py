"""gradlab reproduce."""

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "run experiments afresh, elsewhere, and hold them against their tables"


def arguments(again):
    """Which, and on which values."""
    shared.add_results(again)
    again.add_argument("names", metavar="NAME", nargs="*", help="default: all that have tables")
    again.add_argument("--quick", action="store_true", help="only some of the blocks")
    again.add_argument("--set", metavar="KEY=VALUE", action="append", default=[])
    again.add_argument("--workers", metavar="N", type=shared.positive, help="default: all cores")


def command(options):
    """Each experiment in turn, then a line for each."""
    from gradlab.suite import library, reproduce

    known = [name for name in library.names() if shared.table(options, name).exists()]
    names = options.names or known
    if not names:
        raise UserError(f"no tables in {options.results}; `gradlab run --all` makes them")
    values = shared.values(options)

    def one(name):
        return reproduce.reproduce(name, options.results, options.quick, values, options.workers)

    done = reproduce.in_turn(names, one, options.results)
    for name, outcome in done.items():
        print(f"{name}: {outcome or 'failed'}")
    return shared.same(done.values())
