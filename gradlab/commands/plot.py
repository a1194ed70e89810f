"""gradlab plot."""

from gradlab.commands import shared

TEXT = "draw the figure again from the table"


def arguments(plot):
    """Whose."""
    shared.add_results(plot)
    plot.add_argument("name", metavar="NAME")


def command(options):
    """Draw it; nothing is measured."""
    from gradlab.suite import library, run

    experiment = library.load(options.name)
    frame = shared.read(options, experiment.name)
    run.draw(experiment, frame, run.beside(options.results, experiment.name, "png"))
    return shared.FINE
