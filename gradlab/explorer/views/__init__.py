"""One file a view: a figure, what it draws of what was computed, and the formula behind it.

A view has TITLE, FORMULA, SOURCE, NEEDS (the function of `compute` whose result it draws, or
"training"), maybe LEGEND ((colour, dashes, words), ...), and a class View with `figure`, a Bokeh
figure, and `draw(result)`, which returns what becomes of its models, [(model, {property: value})]:
the page sends all of it in one message. The page puts the views up in the order of ORDER; a new one
is a new file and its name there.
"""

from importlib import import_module
from types import ModuleType

ORDER = ("lag", "spectra", "states", "unrolled", "spread", "regimes")
TRAINING = ("loss", "norms", "learnt_lag", "radius", "surface")


def every() -> dict[str, ModuleType]:
    """{name: module} of all views, in their order on the page."""
    return {name: import_module(f"{__name__}.{name}") for name in (*ORDER, *TRAINING)}
