"""gradlab plot."""

from gradlab.commands import shared

TEXT = "draw the figure again from the table"


def arguments(plot):
    """Whose."""
    shared.add_results(plot)
    plot.add_argument("name", metavar="NAME")


def command(options):
    """Draw it; nothing is measured."""
    from gradlab import runner
    from gradlab.suite import runs

    experiment, name = runs.of(options.name, options.results)
    frame = shared.read(options, name)
    path = runner.beside(options.results, name, "png")
    runner.drawing().draw(experiment, frame, path)
    print(f"wrote {path}")
    return shared.FINE
