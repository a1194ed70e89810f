"""gradlab check."""

from typing import Any, NamedTuple

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "hold the claims against the tables that exist"
KEYS = """--json: experiments [{name, state, benchmark, claims [{name, statement, source, outcome,
read, asked, measured, expected, within, relative, reason}]}], total {hold, fall_short,
not_measured}, benchmarks {the same}, errors; benchmark: of times, not in total; claims is null
where there is no run; outcome: ok, FALLS SHORT, not measured"""


def arguments(check):
    """Whose, and how much to say."""
    shared.add_results(check)
    shared.add_json(check)
    check.add_argument("names", metavar="NAME", nargs="*", help="default: all")
    check.add_argument(
        "-v", "--verbose", action="store_true", help="each claim, and what it read from the table"
    )


class Checked(NamedTuple):
    """An experiment, its run or None, and the verdicts on it or None."""

    name: str
    benchmark: bool
    run: Any
    verdicts: Any


def command(options):
    """A few lines for each experiment and one for all; a file that is none is told.

    Benchmarks come last, and have a line for all of their own.
    """
    from gradlab.suite import library

    done, wrong = [], []
    for name in options.names or library.names():
        try:
            done.append(_checked(options, name))
        except UserError as error:
            wrong.append(error)
            continue
        if not (options.json or done[-1].benchmark):
            _say(done[-1], options.verbose)
    if options.json:
        shared.print_json(_record(done, wrong))
    else:
        _say_rest(done, options.verbose)
    for fault in wrong:
        shared.complain(fault)
    return shared.code(_every(done)) or (shared.WRONG_USE if wrong else shared.FINE)


def _checked(options, name):
    from gradlab.suite import runs

    experiment, name = runs.of(name, options.results)
    run = runs.look(name, options.results)
    found = None if run is None else experiment.verdicts(run.read())
    return Checked(name, experiment.benchmark, run, found)


def _say(one, verbose):
    from gradlab.suite import verdicts

    if one.run is None:
        print(f"{one.name}: not run; `gradlab run {one.name}`")
        return
    of = f"{one.name} (reference run)" if one.run.is_reference else one.name
    print("\n".join(verdicts.lines(of, one.verdicts, verbose, verdicts.called(one))))


def _say_rest(done, verbose):
    """The claims' total; the benchmarks and theirs."""
    from gradlab.suite import verdicts

    benchmarks = [one for one in done if one.benchmark]
    claims = [one for one in done if not one.benchmark]
    if claims or not done:
        _say_total(claims, verdicts.CLAIM)
    for one in benchmarks:
        _say(one, verbose)
    if benchmarks:
        _say_total(benchmarks, verdicts.BENCHMARK)


def _say_total(done, what):
    from gradlab.suite import verdicts

    judged = {one.name: one.verdicts for one in done if one.verdicts is not None}
    print(verdicts.total(judged, len(done) - len(judged), what))


def _record(done, wrong):
    """What KEYS says."""
    from gradlab.suite import verdicts

    experiments = [
        {
            "name": one.name,
            "state": shared.state(one.run),
            "benchmark": one.benchmark,
            "claims": one.verdicts and [verdicts.record(verdict) for verdict in one.verdicts],
        }
        for one in done
    ]
    return {
        "experiments": experiments,
        "total": _counts(one for one in done if not one.benchmark),
        "benchmarks": _counts(one for one in done if one.benchmark),
        "errors": list(map(str, wrong)),
    }


def _counts(done):
    from gradlab.suite import verdicts

    return {word.replace(" ", "_"): n for word, n in verdicts.counts(_every(done)).items()}


def _every(done):
    return [verdict for one in done for verdict in one.verdicts or ()]
