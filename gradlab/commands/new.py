"""gradlab new."""

from gradlab.commands import shared

TEXT = "write experiments/NAME.py to start from"


def arguments(new):
    """Its name."""
    new.add_argument("name", metavar="NAME")


def command(options):
    """Write it, never over a file."""
    from gradlab.suite import library

    file = library.new(options.name)
    print(f"wrote {file}; try `gradlab run {options.name} --quick`")
    return shared.FINE
