"""gradlab check."""

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "hold the claims against the tables that exist"
KEYS = """--json: experiments [{name, state, claims [{name, statement, source, outcome, read, asked,
measured, expected, within, relative, reason}]}], total {hold, fall_short, not_measured}, errors;
claims is null where there is no run; outcome: ok, FALLS SHORT, not measured"""


def arguments(check):
    """Whose, and how much to say."""
    shared.add_results(check)
    shared.add_json(check)
    check.add_argument("names", metavar="NAME", nargs="*", help="default: all")
    check.add_argument(
        "-v", "--verbose", action="store_true", help="each claim, and what it read from the table"
    )


def command(options):
    """A few lines for each experiment and one for all; a file that is none is told."""
    from gradlab.suite import library, verdicts

    done, wrong = [], []
    for name in options.names or library.names():
        try:
            done.append(_checked(options, name))
        except UserError as error:
            wrong.append(error)
            continue
        if not options.json:
            _say(*done[-1], options.verbose)
    judged = {name: found for name, _, found in done if found is not None}
    if options.json:
        shared.print_json(_record(done, judged, wrong))
    else:
        print(verdicts.total(judged, len(done) - len(judged)))
    for fault in wrong:
        shared.complain(fault)
    every = [verdict for found in judged.values() for verdict in found]
    return shared.code(every) or (shared.WRONG_USE if wrong else shared.FINE)


def _checked(options, name):
    """(name, its run or None, verdicts or None)."""
    from gradlab.suite import runs

    experiment, name = runs.of(name, options.results)
    run = runs.look(name, options.results)
    if run is None:
        return name, None, None
    frame = run.read()
    return name, run, experiment.verdicts(frame)


def _say(name, run, found, verbose):
    from gradlab.suite import verdicts

    if run is None:
        print(f"{name}: not run; `gradlab run {name}`")
        return
    of = f"{name} (reference run)" if run.is_reference else name
    print("\n".join(verdicts.lines(of, found, verbose)))


def _record(done, judged, wrong):
    """What KEYS says."""
    from gradlab.suite import verdicts

    experiments = [
        {
            "name": name,
            "state": shared.state(run),
            "claims": None if found is None else [verdicts.record(one) for one in found],
        }
        for name, run, found in done
    ]
    every = [verdict for found in judged.values() for verdict in found]
    total = {word.replace(" ", "_"): n for word, n in verdicts.counts(every).items()}
    return {"experiments": experiments, "total": total, "errors": list(map(str, wrong))}
