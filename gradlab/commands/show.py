"""gradlab show."""

import textwrap

from gradlab import words
from gradlab.commands import shared
from gradlab.errors import UserError, nearest

TEXT = "what an experiment asks, varies, measures, draws and claims; or what a word means"
KEYS = """--json: name, question, text, points, blocks, quick {points, blocks}, axes [{name, values,
quick, meaning, type, choices}], constants [the same with value], columns [{name, columns,
meaning}], panels [{title, text}], benchmark, claims [{name, statement, source, read, asked,
control, rivals}], seconds {last_run, estimate, quick_estimate}, words [{section, name, meaning}];
of a word: words alone"""
WIDTH = 100
LISTED = 8  # values of an axis that are all told


def arguments(show):
    """What to show."""
    shared.add_results(show)
    shared.add_json(show)
    show.add_argument("name", metavar="NAME|FILE|WORD", help="`glossary` shows all words")


def command(options):
    """An experiment, or the glossary's entries of that name, or both."""
    from gradlab.suite import library

    entries = words.entries(options.name)
    if entries and options.name not in library.names():
        return _say(options, {"words": _entries(entries)}, _glossary(entries))
    content = _summary(options, entries)
    return _say(options, content | {"words": _entries(entries)}, _page(content, entries))


def _summary(options, entries):
    from gradlab.suite import runs, summary

    try:
        experiment, name = runs.of(options.name, options.results)
    except UserError as error:
        known = [part for known in words.glossary().values() for part in known]
        meant = "did you mean" not in str(error) and nearest(options.name, known)
        if not meant:
            raise
        raise UserError(f"no word {options.name}: did you mean {meant}?") from None
    return summary.summary(experiment, runs.look(name, options.results))


def _say(options, content, lines):
    if options.json:
        shared.print_json(content)
    else:
        print("\n".join(lines))
    return shared.FINE


def _entries(entries):
    return [dict(zip(("section", "name", "meaning"), entry, strict=True)) for entry in entries]


def _glossary(entries, indent=0):
    lines = []
    for section, name, meaning in entries:
        choices = words.choices(name) if section == words.SETTINGS else ()
        more = f"; one of {', '.join(choices)}" if choices else ""
        kind = "" if section == words.WORDS else f" ({section.lower()})"
        lines += _hung(f"{name}{kind}", f"{meaning}{more}", indent)
    return lines


def _page(content, entries):
    """The lines of an experiment's page."""
    quick = content["quick"]
    size = f"{content['points']} points in {content['blocks']} blocks"
    lines = [f"{content['name']}: {content['question']}", "", *content["text"].splitlines()]
    lines += ["", f"Axes: {size}; --quick: {quick['points']} in {quick['blocks']}"]
    for axis in content["axes"]:
        few = "" if axis["quick"] is None else f"; quick: {_values(axis['quick'])}"
        lines += _setting(axis, f"{_values(axis['values'])}{few}")
    lines += _headed("Constants", [line for c in content["constants"] for line in _constant(c)])
    lines += ["", "Other values: --set NAME=VALUE, and of an axis NAME=A,B,C or NAME=FROM:TO:COUNT"]
    lines += _table("Columns of the table", [_column(c) for c in content["columns"]])
    lines += _panels(content["panels"])
    title = "Benchmarks" if content["benchmark"] else "Claims"
    lines += _headed(title, [line for claim in content["claims"] for line in _claim(claim)])
    lines += _headed("Time on this machine", _times(content["seconds"]))
    others = [entry for entry in entries if entry[0] != words.SETTINGS]
    return lines + _headed("In the glossary", _glossary(others, 2))


def _headed(title, lines):
    return ["", title, *lines] if lines else []


def _setting(setting, values):
    takes = setting["type"].partition(" of ")[0]
    if setting["choices"]:
        own = ", or a FILE.py" if setting["name"] in ("cell", "task") else ""
        takes = f"one of {', '.join(setting['choices'])}{own}"
    meaning = "; ".join(filter(None, (setting["meaning"], takes)))
    return _hung(f"{setting['name']} = {values}", meaning, 2)


def _constant(constant):
    value, quick = (_value(constant[key]) for key in ("value", "quick"))
    return _setting(constant, value if constant["quick"] is None else f"{value}; quick: {quick}")


def _column(column):
    count = len(column["columns"])
    numbers = [words.NUMBER.search(name)[0] for name in column["columns"]] if count > 1 else []
    of = f"; N = {', '.join(number.strip('p') for number in numbers)}" if numbers else ""
    return column["name"], (column["meaning"] or "not described") + of


def _panels(panels):
    rows = []
    for letter, panel in zip("abcdefghijkl", panels, strict=False):
        rows.append((letter, ": ".join(filter(None, (panel["title"], panel["text"])))))
    return _table("Panels of the figure", rows)


def _claim(claim):
    asked = f"{claim['read']}: {claim['asked']}"
    first = f"{claim['name']}: {claim['statement']}"
    wrong = "; ".join(filter(None, (claim["control"], *claim["rivals"])))
    refused = f"; refused: {wrong}" if wrong else ""
    return _hung(first, f"{asked}; source: {claim['source']}{refused}", 2)


def _times(seconds):
    from gradlab.suite.plan import duration

    told = {"last_run": "the last run", "estimate": "estimate", "quick_estimate": "with --quick"}
    known = [f"{word}: {duration(seconds[key])}" for key, word in told.items() if seconds[key]]
    return [f"  {'; '.join(known)}"] if known else []


def _values(values):
    """All values of an axis, or from where to where."""
    if len(values) <= LISTED:
        return ", ".join(map(_value, values))
    if isinstance(values[0], str):
        return f"{', '.join(values[:LISTED])}, ... ({len(values)} values)"
    return f"{_value(values[0])} to {_value(values[-1])} ({len(values)} values)"


def _value(value):
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _table(title, rows):
    """Names in a column, texts beside them."""
    if not rows:
        return []
    width = min(max(len(name) for name, _ in rows), 26)
    lines = []
    for name, text in rows:
        first = f"  {name:{width}}  "
        later = " " * (width + 4)
        lines += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=later)
    return _headed(title, lines)


def _hung(first, below, indent):
    """A line, and a text that hangs below it."""
    lead = " " * indent
    lines = textwrap.wrap(first, WIDTH, initial_indent=lead, subsequent_indent=f"{lead}    ")
    hang = f"{lead}    "
    return lines + textwrap.wrap(below, WIDTH, initial_indent=hang, subsequent_indent=hang)
