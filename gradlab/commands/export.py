"""gradlab export."""

from gradlab.commands import shared
from gradlab.errors import UserError
from gradlab.files import expanded

TEXT = "the table as CSV, or the figure as PDF or SVG"
FORMATS = ("csv", "pdf", "svg")


def arguments(export):
    """Whose, as what, where to."""
    shared.add_results(export)
    export.add_argument("name", metavar="NAME")
    export.add_argument("--format", choices=FORMATS, help="default: the file's, or csv")
    export.add_argument("--output", metavar="FILE", help="default: DIR/NAME.csv, .pdf, .svg")


def command(options):
    """Write the file."""
    from gradlab import runner
    from gradlab.suite import runs

    kind = _format(options)
    experiment, name = runs.of(options.name, options.results)
    frame = shared.read(options, name)
    own = runner.beside(options.results, name, kind)
    path = expanded(options.output or own)
    if path == own:  # of a reference run there may be no folder of one's own yet
        path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        runner.drawing().draw(experiment, frame, path, kind)
    print(f"wrote {path}")
    return shared.FINE


def _format(options):
    """The format that is asked for, by its name or by the file's."""
    named = expanded(options.output or "").suffix[1:].lower()
    kind = options.format or named or "csv"
    if kind not in FORMATS:
        raise UserError(f"--output {options.output}: not a file .csv, .pdf or .svg")
    if named not in ("", kind):
        raise UserError(
            f"--format {kind}: --output {options.output} says {named}; give one of them"
        )
    return kind
