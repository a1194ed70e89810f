"""What a word, a letter, a setting or a column means, and which values a setting may have.

GLOSSARY.md beside this file is the one source. A measure describes columns that it alone has, and
settings that it reads in its own way, in a dict COLUMNS = {"name": "meaning (unit)"} beside it.
"""

import functools
import re
from importlib import import_module
from pathlib import Path

FILE = Path(__file__).with_name("GLOSSARY.md")
WORDS, LETTERS, SETTINGS, COLUMNS = "Words", "Letters and shapes", "Settings", "Columns"
ENTRY = re.compile(r"^- \*\*(.+?)\*\*: (.*(?:\n  .*)*)", re.MULTILINE)
NUMBER = re.compile(r"(?<=_)(p?)\d+(?=_|$)")  # of a lag, an eigenvalue, a percentile
# Where the choices of a setting live: what gives their names is asked for when they are needed.
# Of two settings that have a value of one name (identity, torch) the first one is meant by it.
CHOICES = {
    "cell": "gradlab.nets.cell:names",
    "task": "gradlab.tasks:names",
    "activation": "gradlab.cells.elementwise:ACTIVATIONS",
    "init": "gradlab.nets.draws:INITS",
    "optimizer": "gradlab.learning.optimizers:OPTIMIZERS",
    "schedule": "gradlab.learning.schedules:SCHEDULES",
    "truncation": "gradlab.nets.truncated:KINDS",
    "clip_style": "gradlab.learning.clipping:STYLES",
    "clip_per": "gradlab.learning.clipping:PER",
}


@functools.cache
def glossary():
    """{section: {name: meaning}}, each in the order of the page."""
    sections = re.split(r"^## (.+)\n", FILE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {
        title: {name: " ".join(text.split()) for name, text in ENTRY.findall(body)}
        for title, body in zip(sections[::2], sections[1::2], strict=True)
    }


def setting(name, own=()):
    """What an axis or a constant means, "" if nobody says; own: the measure's COLUMNS."""
    return dict(own).get(name) or glossary()[SETTINGS].get(name, "")


def column(name, own=()):
    """What a column of the table means, "" if nobody says; own as above.

    log10_gradient_lag_20 is described as log10_gradient_lag_N.
    """
    known = glossary()[COLUMNS] | dict(own)
    return known.get(name) or known.get(pattern(name), "")


def pattern(name):
    """The name with N in place of a number: singular_value_p50 -> singular_value_pN."""
    return NUMBER.sub(r"\1N", name)


def choices(name):
    """The names that a setting may have, found where they live; () if there is no such list."""
    if name not in CHOICES:
        return ()
    module, _, attribute = CHOICES[name].partition(":")
    found = getattr(import_module(module), attribute)
    return tuple(found() if callable(found) else found)


def values():
    """{value: setting} of the settings with choices: lstm is a cell."""
    return {value: name for name in reversed(CHOICES) for value in choices(name)}


def entries(word):
    """[(section, name, meaning)] of all entries of that name, in whatever case.

    An entry may have several names: "lane, batch element".
    """
    return [
        (section, name, meaning)
        for section, known in glossary().items()
        for name, meaning in known.items()
        if word.lower() in (part.strip().lower() for part in (name, *name.split(",")))
    ]
