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
CHAIN = re.compile(r"_l(\d+)(_reverse)?$")  # of a stack, as in the names of its weights
# Where the choices of a setting live: what gives their names is asked for when they are needed.
# Of two settings that have a value of one name (identity, torch) the first one is meant by it.
CHOICES = {
    "cell": "gradlab.nets.registry:names",
    "dtype": "gradlab.nets.network:DTYPES",
    "task": "gradlab.tasks:names",
    "activation": "gradlab.kernels.elementwise:ACTIVATIONS",
    "init": "gradlab.nets.draws:INITS",
    "optimizer": "gradlab.learning.optimizers:OPTIMIZERS",
    "schedule": "gradlab.learning.schedules:SCHEDULES",
    "truncation": "gradlab.nets.truncated:KINDS",
    "clip_style": "gradlab.learning.clipping:EVERY",
    "clip_per": "gradlab.learning.clipping:PER",
    "fill": "gradlab.tasks.series:FILLS",
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

    log10_gradient_lag_20 is described as log10_gradient_lag_N, log10_norm_W_l1 as log10_norm_W.
    """
    known = glossary()[COLUMNS] | dict(own)
    found = known.get(name) or known.get(pattern(name), "")
    chain = CHAIN.search(name)
    if not chain or found or not (short := column(name[: chain.start()], own)):
        return found
    return f"{short}; of layer {chain[1]}, 0 the lowest{', reverse' if chain[2] else ''}"


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
    """[(section, name, meaning)] of the entries of that name; else of those that have it in theirs.

    An entry may have several names: "lane, batch element". Case counts for letters alone (T, t).
    "glossary" is the name of all.
    """
    known = [(s, name, text) for s, part in glossary().items() for name, text in part.items()]
    if word == "glossary":
        return known
    named = [entry for entry in known if _is_named(word, entry[1])]
    part = re.compile(rf"(?<!\w){re.escape(_folded(word))}(?!\w)")
    return named or [entry for entry in known if len(word) > 1 and part.search(_folded(entry[1]))]


def _is_named(word, name):
    names = (name, *(part.strip() for part in name.split(",")))
    return word in names or (len(word) > 1 and _folded(word) in map(_folded, names))


def _folded(name):
    return name.lower().replace("_", " ")
