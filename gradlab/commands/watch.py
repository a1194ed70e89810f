"""gradlab watch."""

import sys

from gradlab.commands import shared
from gradlab.errors import UserError
from gradlab.files import expanded

TEXT = "what a log of gradient norms says: spikes, trend, and what a clipping threshold is there"
KEYS = """--json: name, columns {update, norm}, run, runs, notes, updates, first, last, median, p90,
p99, mean, largest, largest_update, zero, not_finite {nan, inf}, spikes [{update, norm, times}],
trend {slope, low, high}, thresholds [{value, clipped, name}], advice; columns by what they are,
updates of what is not finite, the trend in decades an update, or null"""
FORMATS = ("png", "pdf", "svg")


def arguments(watch):
    """Which log, its columns, what it is held against, and where to."""
    watch.add_argument(
        "log",
        metavar="FILE",
        help=".csv, .jsonl or .parquet with columns update, norm[, loss], or TensorBoard's folder",
    )
    for role, many in (("norm", "norms"), ("update", "updates"), ("loss", "losses")):
        watch.add_argument(f"--{role}", metavar="COL", help=f"the column of {many}, if not found")
    watch.add_argument(
        "--threshold", metavar="C", action="append", default=[], type=shared.number,
        help="a clipping threshold; the words are about the first one, else about the log's own",
    )  # fmt: skip
    watch.add_argument(
        "--reduction", choices=("sum", "mean"), help="of the loss over the steps of a sequence"
    )
    watch.add_argument("--steps", metavar="T", type=shared.positive, help="how many there are")
    watch.add_argument("--run", metavar="N", type=shared.positive, help="of several; default: last")
    watch.add_argument("--follow", action="store_true", help="go on as the log grows, until Ctrl-C")
    watch.add_argument("--figure", metavar="FILE", help="draw it, into a .png, .pdf or .svg")
    shared.add_results(watch, default=None, text="write DIR/watch/NAME.parquet and .png as well")
    shared.add_json(watch)


def command(options):
    """One screen; with --follow one after the other."""
    from gradlab.watching.watched import How

    asked = {"norm": options.norm, "update": options.update, "loss": options.loss}
    how = How.of(asked, options.threshold, options.reduction, options.steps, options.run)
    _check(options)
    return _follow(options, how) if options.follow else _once(options, how)


def _once(options, how):
    from gradlab.watching.watched import read

    watched = read(options.log, how)
    if options.json:
        shared.print_json(watched.record)
    else:
        print(watched.text)
    _write(options, watched)
    return shared.FINE


def _follow(options, how):
    from gradlab.watching import follow, sources

    shown, last = follow.InPlace() if _is_terminal() else follow.Lines(), []

    def show(watched):
        last[:] = [watched]
        shown(watched)

    try:
        follow.follow(sources.of(options.log, how.asked), how, show)
    finally:
        for watched in last:
            _write(options, watched)


def _write(options, watched):
    """The figure, and the table and figure of --results."""
    if options.figure:
        _draw(watched, expanded(options.figure), not options.json)
    if options.results:
        from gradlab.suite import store

        table, figure = _places(options)
        table.parent.mkdir(parents=True, exist_ok=True)
        store.write(watched.table, table)
        if not options.json:
            print(f"wrote {table}")
        _draw(watched, figure, not options.json)


def _draw(watched, path, aloud):
    from gradlab import runner

    runner.drawing()  # says so where matplotlib does not load
    watched.draw(path)
    if aloud:
        print(f"wrote {path}")


def _places(options):
    folder, name = expanded(options.results) / "watch", expanded(options.log).stem
    return folder / f"{name}.parquet", folder / f"{name}.png"


def _check(options):
    """Raise UserError for options that do not go together, before a long log is read."""
    if options.follow and options.json:
        raise UserError("--follow --json: give one of them")
    if options.figure and expanded(options.figure).suffix[1:].lower() not in FORMATS:
        raise UserError(f"--figure {options.figure}: not a file .png, .pdf or .svg")
    if options.results and _places(options)[0].resolve() == expanded(options.log).resolve():
        raise UserError(f"--results {options.results}: its table would be written over the log")


def _is_terminal():
    return bool(getattr(sys.stdout, "isatty", bool)())
