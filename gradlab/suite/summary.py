"""What an experiment is, in plain data: question, settings, columns, panels, claims, time."""

import ast
import re
from contextlib import suppress
from pathlib import Path

from gradlab import words
from gradlab.errors import UserError
from gradlab.suite import library, machine, plan, store, verdicts, work
from gradlab.suite.claims import in_words
from gradlab.suite.frames import NotMeasured
from gradlab.suite.grid import blocks, changed, kind, size

BRACES = re.compile(r"{(\w+)}")


def summary(experiment, run=None):
    """A dict of JSON's types; run: a finished one, whose table and time are told.

    name, question, text     text: what its file says below the question
    points, blocks           of the grid; quick: {"points", "blocks"} of --quick's
    axes, constants          [{"name", "values" or "value", "quick", "meaning", "type", "choices"}];
                             quick is None where --quick changes nothing
    columns                  [{"name", "columns", "meaning"}]: one that stands for many has an N in
                             its name
    panels                   [{"title", "text"}]
    benchmark                whether the claims are benchmarks
    claims                   [{"name", "statement", "source", "read", "asked", "control", "rivals"}]
    seconds                  {"last_run", "estimate", "quick_estimate"} on this machine's cores,
                             None where nobody can tell; last_run as its .json says
    """
    quick = changed(experiment, experiment.quick)
    own = work.columns(experiment.measure)
    frame = run.read() if run else None
    return {
        "name": experiment.name,
        "question": experiment.question,
        "text": _text(experiment.file),
        "points": size(experiment),
        "blocks": len(blocks(experiment)),
        "quick": {"points": size(quick), "blocks": len(blocks(quick))},
        "axes": [_axis(experiment, quick, axis, own) for axis in experiment.axes],
        "constants": [_constant(experiment, quick, name, own) for name in experiment.constants],
        "columns": _columns(experiment, frame, own),
        "panels": [_panel(panel, frame) for panel in _panels(experiment.figure)],
        "benchmark": experiment.benchmark,
        "claims": [_claim(claim) for claim in experiment.claims],
        "seconds": {
            "last_run": _last_run(experiment, run),
            "estimate": _estimate(experiment),
            "quick_estimate": _estimate(quick),
        },
    }


def _last_run(experiment, run):
    with suppress(OSError, store.Damaged, KeyError, TypeError, AttributeError):
        made = store.read_json(run.folder / f"{run.name}.json")["computed_by"]
        return sum(who["seconds"] for who in made) / _workers(experiment)


def _text(file):
    """The docstring of an experiment's file below its first line."""
    with suppress(UserError):
        said = ast.get_docstring(library.look(Path(file))) or ""
        return said.partition("\n")[2].strip()
    return ""


def _axis(experiment, quick, name, own):
    values, few = (_values(each, name) for each in (experiment, quick))
    said = {"name": name, "values": values, "quick": None if values == few else few}
    return said | _meaning(name, values[0], own)


def _values(experiment, axis):
    found = list(dict.fromkeys(value for part in experiment.grid for value in part[axis]))
    return found if isinstance(found[0], str) else sorted(found)


def _constant(experiment, quick, name, own):
    value, other = experiment.constants[name], quick.constants[name]
    said = {"name": name, "value": value, "quick": None if value == other else other}
    return said | _meaning(name, value, own)


def _meaning(name, value, own):
    return {
        "meaning": words.setting(name, own),
        "type": kind(value),
        "choices": list(words.choices(name)),
    }


def _columns(experiment, frame, own):
    """The table's columns but for its parameters; those of a measure that has not run: its own."""
    parameters = {*experiment.axes, *experiment.constants}
    names = [*own, "status"] if frame is None else list(frame)
    groups = {}
    for name in names:
        if name not in parameters:
            groups.setdefault(words.pattern(name), []).append(name)
    return [
        {
            "name": name if len(columns) > 1 else columns[0],
            "columns": columns,
            "meaning": words.column(columns[0], own),
        }
        for name, columns in groups.items()
    ]


def _panels(figure):
    return getattr(figure, "panels", None) or ([figure] if figure else [])


def _panel(panel, frame):
    """Title and sentence; of a figure that is a function, what its docstring says."""
    text = getattr(panel, "sentence", None) or in_words(panel)
    return {"title": _title(panel, frame), "text": text.rstrip(".")}


def _title(panel, frame):
    """The title on a table; without one (or its rows) the names in braces, or nothing."""
    title = getattr(panel, "title", "")
    with suppress(NotMeasured, KeyError):
        if frame is not None and hasattr(panel, "title_on"):
            return panel.title_on(frame)
    return BRACES.sub(r"\1", title) if isinstance(title, str) else ""


def _claim(claim):
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "read": verdicts.read(claim),
        "asked": verdicts.asked(claim),
        "control": in_words(claim.control).rstrip(".") if claim.control else "",
        "rivals": list(claim.rivals),
    }


def _estimate(experiment):
    """Seconds that a run will take on this machine's cores; None if the measure cannot tell."""
    parts = [block for block, _ in blocks(experiment)]
    with suppress(UserError):
        costs = [cost for cost, _ in plan.estimates(experiment.measure, parts)]
        return max(sum(costs) / _workers(experiment), *costs, 0.0) or None


def _workers(experiment):
    return 1 if experiment.alone else min(machine.cores(), len(blocks(experiment)))
