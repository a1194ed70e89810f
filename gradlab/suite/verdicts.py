"""The verdicts on an experiment's claims as lines, counts and plain data."""

from collections import Counter

from gradlab.suite.claims import FALLS_SHORT, NOT_MEASURED, OK, in_words

REASONS = 3  # why claims are not measured: as many as one line holds
CLAIM, BENCHMARK = "claim", "benchmark"
COUNTED = {OK: "hold", FALLS_SHORT: "fall short", NOT_MEASURED: "not measured"}


def counts(verdicts):
    """{"hold": 3, "fall short": 0, "not measured": 1}."""
    found = Counter(verdict.outcome for verdict in verdicts)
    return {word: found[outcome] for outcome, word in COUNTED.items()}


def lines(name, verdicts, verbose=False, what=CLAIM):
    """How many hold; a line for each that falls short, and one for all that are not measured.

    verbose: a line for each claim, and below it what was read. what: CLAIM or BENCHMARK.
    """
    if not verdicts:
        return [f"{name}: no {what}s"]
    shown = [v for v in verdicts if verbose or v.outcome == FALLS_SHORT]
    of, hold = _counted(len(verdicts), what), _agreeing("hold", len(verdicts))
    found = [f"{name}: {counts(verdicts)['hold']} of {of} {hold}"]
    for verdict in shown:
        found.append(f"  {verdict}")
        found += [f"{'':14}  reads {read(verdict.claim)}"] if verbose else []
    missing = [v for v in verdicts if v.outcome == NOT_MEASURED]
    return found if verbose or not missing else [*found, f"  {_missing(missing)}"]


def _agreeing(word, count):
    """Of one claim: it holds, it falls short."""
    return {"hold": "holds", "fall short": "falls short"}.get(word, word) if count == 1 else word


def called(experiment):
    """What an experiment's claims are called: benchmarks where it measures time."""
    return BENCHMARK if experiment.benchmark else CLAIM


def total(groups, without=0, what=CLAIM):
    """One line for {name: verdicts}, and for so many experiments that have not run."""
    every = [verdict for verdicts in groups.values() for verdict in verdicts]
    found = counts(every)
    told = [
        f"{count} {_agreeing(word, count)}"
        for word, count in found.items()
        if count or word == "hold"
    ]
    more = f"; {_counted(without, 'experiment')} not run" if without else ""
    of = f"{_counted(len(every), what)} of {_counted(len(groups), 'experiment')}"
    return f"{of}: {', '.join(told)}{more}"


def record(verdict):
    """A verdict as a dict of JSON's types."""
    claim = verdict.claim
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "outcome": verdict.outcome,
        "read": read(claim),
        "asked": asked(claim),
        "measured": verdict.measured,
        "expected": verdict.expected,
        "within": claim.within,
        "relative": claim.relative,
        "reason": verdict.reason,
    }


def _counted(number, word):
    """1 claim, 2 claims."""
    return f"{number} {word}" + "s" * (number != 1)


def read(claim):
    """What a claim reads from a table, in words."""
    return in_words(claim.measured).rstrip(".")


def asked(claim):
    """What it asks for, in words: "at least 0.9", "equals 0 within 1e-12"."""
    bound = in_words(claim.bound).rstrip(".") if callable(claim.bound) else f"{claim.bound:g}"
    within = claim.within is not None
    slack = f" within {claim.within:g}{' of it' if claim.relative else ''}" if within else ""
    return f"{claim.kind.replace('_', ' ')} {bound}{slack}"


def _missing(verdicts):
    reasons = list(dict.fromkeys(verdict.reason for verdict in verdicts))
    more = "; and others" if len(reasons) > REASONS else ""
    return f"{NOT_MEASURED:12}  {len(verdicts)} of them: {'; '.join(reasons[:REASONS])}{more}"
