"""gradlab export."""

from gradlab import files
from gradlab.commands import continued, shared
from gradlab.errors import UserError
from gradlab.files import expanded

TEXT = "the table as CSV, the figure as PDF or SVG, or of music a chorale as MIDI"
FORMATS = ("csv", "pdf", "svg", "midi")
ENDINGS = {"midi": "mid"}


def arguments(export):
    """Whose, as what, where to."""
    shared.add_results(export)
    export.add_argument("name", metavar="NAME")
    export.add_argument("--format", choices=FORMATS, help="default: the file's, or csv")
    export.add_argument("--output", metavar="FILE", help="default: DIR/NAME.csv, .pdf, .svg, .mid")
    export.add_argument("--corpus", metavar="FILE", help="of --format midi: that of the table")


def command(options):
    """Write the file."""
    from gradlab import runner
    from gradlab.suite import runs

    kind = _format(options)
    if options.corpus is not None and kind != "midi":
        raise UserError(f"--corpus goes with --format midi: {kind} needs the table alone")
    experiment, name = runs.of(options.name, options.results)
    frame = shared.read(options, name)
    own = runner.beside(options.results, name, ENDINGS.get(kind, kind))
    path = expanded(options.output or own)
    if path == own:  # of a reference run there may be no folder of one's own yet
        path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "midi":
        files.write(path, continued.content(experiment, frame, options.corpus))
    else:
        runner.drawing().draw(experiment, frame, path, kind)
    print(f"wrote {path}")
    return shared.FINE


def _format(options):
    """The format that is asked for, by its name or by the file's."""
    named = expanded(options.output or "").suffix[1:].lower()
    named = {ending: kind for kind, ending in ENDINGS.items()}.get(named, named)
    kind = options.format or named or "csv"
    if kind not in FORMATS:
        raise UserError(f"--output {options.output}: not a file .csv, .pdf, .svg or .mid")
    if named not in ("", kind):
        raise UserError(
            f"--format {kind}: --output {options.output} says {named}; give one of them"
        )
    return kind
