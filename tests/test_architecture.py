"""Who imports whom (the rooms of the package), and what may stand at the top of the repository."""

import subprocess
import sys
from typing import NamedTuple

import pytest
from sources import ROOT, files, imports, module_name

ANY_PACKAGE = "any package but numba"
NUMERIC = {"errors", "numpy", "scipy"}
CORE = {"nets", "learning", "tasks", "theory"}
JOINED = {
    "kernels", "cells", "models", "measures", "suite", "explorer", "watching", "inspecting", "cli",
    "commands", "tagging", "text",
}  # fmt: skip
ALL = {*CORE, *JOINED, "", "errors", "version", ANY_PACKAGE}


class Rule(NamedTuple):
    """The rooms and packages that a room may import at the top of its files, and inside functions.

    A room may always import itself and the standard library; "" is gradlab's own public face.
    """

    now: set
    inside: set = frozenset()


EXPERIMENT = Rule({"", "cli", "errors", "suite", "plots", *CORE, ANY_PACKAGE})

# The longest prefix decides; a new room needs a line here.
RULES = {
    "gradlab": Rule({"errors"}, ALL),
    "gradlab.errors": Rule(set()),
    "gradlab.files": Rule({"errors"}),
    "gradlab.words": Rule(set()),
    "gradlab.version": Rule(set()),
    "gradlab.underway": Rule(set()),
    "gradlab.threads": Rule({"threadpoolctl"}, {"scipy"}),
    "gradlab.found": Rule({"errors"}),
    "gradlab.given": Rule({"errors", "numpy"}),
    "gradlab.kernels": Rule({"errors", "numpy", "numba", "llvmlite"}),
    "gradlab.cells": Rule({"errors", "found", "numpy", "kernels"}),
    "gradlab.tasks": Rule({*NUMERIC, "found"}),
    "gradlab.tasks._columns": Rule(NUMERIC, {"pandas"}),
    "gradlab.theory": Rule(NUMERIC),
    # Other people's files: arrays and names, that know no network.
    "gradlab.models": Rule({"errors", "files", "given", "numpy"}),
    "gradlab.models.onnx": Rule({"errors", "models", "numpy"}, {"onnx"}),
    # Words and chords: arrays of whole numbers, that know no network.
    "gradlab.text": Rule({"errors", "files", "given", "numpy"}),
    "gradlab.nets": Rule(
        {"errors", "files", "found", "given", "threads", "kernels", "cells", "models", ANY_PACKAGE}
    ),
    # net.plot() and gradients.plot() hand arrays up; what draws them knows no network.
    "gradlab.nets.plotted": Rule({"numpy"}, {"plots"}),
    # An update is one compiled call.
    "gradlab.learning": Rule(
        {"errors", "found", "given", "kernels", "threads", "models", "nets", ANY_PACKAGE}
    ),
    # A training takes a task by its name.
    "gradlab.learning.data": Rule({"errors", "given", "nets", "tasks", "numpy"}),
    "gradlab.learning.clipping": Rule({*NUMERIC, "given"}),
    "gradlab.learning.rules": Rule(NUMERIC),
    "gradlab.learning.adaptive": Rule(NUMERIC),
    # Joins words and networks; what it draws and trains goes through the one loop.
    "gradlab.tagging": Rule({"errors", "files", "text", "models", "nets", "learning", "numpy"}),
    "gradlab.measures": Rule({"errors", "text", "threads", "underway", *CORE, ANY_PACKAGE}),
    "gradlab.measures.agreement": Rule(
        {"tagging", "text", "measures", "learning", "nets", "numpy"}
    ),
    "gradlab.measures.tagger": Rule({"errors", "tagging", "text", "measures", "numpy"}),
    "gradlab.suite": Rule(
        {"errors", "files", "found", "threads", "underway", "version", "words", ANY_PACKAGE}
    ),
    # Joins the suite and the figures: an experiment to its table, figure, claims.
    "gradlab.runner": Rule({"errors", "files", "suite", ANY_PACKAGE}, {"plots"}),
    "gradlab.plots": Rule({"errors", "files", "suite", ANY_PACKAGE}),
    # The map of the committed table, and the measures of a file that it writes; colours.
    "gradlab.explorer": Rule(
        {"errors", "found", "threads", "measures", *CORE, ANY_PACKAGE}, {"runner"}
    ),
    "gradlab.explorer.views": Rule({"explorer", "plots", ANY_PACKAGE}),
    # A user's log: files, numbers, words; what draws it knows no log.
    "gradlab.watching": Rule({"errors", "files", "given", ANY_PACKAGE}, {"plots"}),
    # A user's model: what it is shown, numbers, words; what draws it knows no network.
    "gradlab.inspecting": Rule(
        {"errors", "files", "given", "models", "threads", "watching", *CORE, ANY_PACKAGE},
        {"plots", "suite"},
    ),
    # What a command writes in an experiment's form.
    "gradlab.forms": Rule({"errors", "suite", "plots"}),
    "gradlab.commands": Rule({"", "errors", "files", "runner", "suite", "words"}, ALL - {"cli"}),
    "gradlab.cli": Rule({"commands", "errors", "suite"}, ALL),
    "gradlab.__main__": Rule({"cli"}),
    # A measure that only one experiment needs stands in its file, and may use a network.
    "experiments": EXPERIMENT,
    # Times the rooms below it, and how the suite runs blocks; peers are imported in functions. It
    # is found beside its experiments, as `race`, and nothing else imports it.
    "experiments.race": Rule(
        {"errors", "threads", "measures", "suite", "runner", *CORE, "numpy", "threadpoolctl"},
        {ANY_PACKAGE},
    ),
    # What `gradlab new` writes.
    "gradlab.template": EXPERIMENT,
}


def room(target):
    """gradlab.cells.elman -> cells; gradlab and gradlab.Network -> "" (the public face)."""
    name = [*target.split("."), ""][1]
    return name if f"gradlab.{name}" in RULES or (ROOT / "gradlab" / name).is_dir() else ""


def rule_for(module):
    matches = [key for key in RULES if f"{module}.".startswith(f"{key}.")]
    best = max(matches, key=len)
    return None if best == "gradlab" != module else RULES[best]


def allowed(target, lazy, module, rule):
    """Whether `module`, held to `rule`, may import `target` there."""
    top = target.split(".")[0]
    permitted = rule.now | rule.inside if lazy else rule.now
    if top == "experiments" or target.startswith("gradlab._experiments"):
        return False
    if top == "race":
        return module.startswith("experiments.race.")
    if top == "gradlab":
        own = module.startswith("gradlab.") and room(target) == room(module)
        return own or room(target) in permitted
    if top in sys.stdlib_module_names or top in permitted:
        return True
    return ANY_PACKAGE in permitted and top != "numba"


def offences(source, module, package):
    """The lines of `source` that break the rule of `module`."""
    rule = rule_for(module)
    if rule is None:
        return [f"{module}: a new room; say in RULES what it may import"]
    return [
        f"{module}:{found.line} imports {found.target}"
        for found in imports(source, package)
        if not allowed(found.target, found.lazy, module, rule)
    ]


@pytest.mark.parametrize("path", files("gradlab") + files("experiments"), ids=module_name)
def test_imports_go_one_way(path):
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    assert not offences(path.read_text(encoding="utf-8"), module, package)


WRONG = [
    ("gradlab.cells.elman", "from gradlab.nets import draws"),
    ("gradlab.cells.elman", "from ..nets import draws"),
    ("gradlab.cells.elman", "import pandas"),
    ("gradlab.cells.elman", "import numba"),
    ("gradlab.kernels.passes", "from gradlab.cells import elman"),
    ("gradlab.tasks.noise", "from gradlab import theory"),
    ("gradlab.tasks.noise", "def f():\n    import pandas"),
    ("gradlab.tasks._columns", "import pandas"),
    ("gradlab.tasks.series", "def f():\n    import pandas"),
    ("gradlab.theory.bounds", "import gradlab.cells.elman"),
    ("gradlab.nets.network", "from gradlab.measures import gradients"),
    ("gradlab.nets.network", "def f():\n    from gradlab.plots import networks"),
    ("gradlab.nets.plotted", "from gradlab.plots import networks"),
    ("gradlab.plots.networks", "from gradlab.nets import weights"),
    ("gradlab.learning.clipping", "from gradlab.nets import losses"),
    ("gradlab.measures.gradients", "from gradlab.cells import elman"),
    ("gradlab.suite.sweep", "from gradlab import Network"),
    ("gradlab.suite.sweep", "import gradlab"),
    ("gradlab.suite.sweep", "def f():\n    from gradlab.tasks import noise"),
    ("gradlab.suite.sweep", "importlib.import_module('gradlab.nets.draws')"),
    ("gradlab.suite.sweep", "import experiments.spectral_radius"),
    ("gradlab.suite.sweep", "from gradlab.cli import main"),
    ("gradlab.suite.sweep", "from race import clock"),
    ("gradlab.measures.gradients", "def f():\n    from race import clock"),
    ("experiments.speed", "from race import clock"),
    ("experiments.race.with_jax", "import jax"),
    ("experiments.race.ours", "from gradlab.cells import elman"),
    ("experiments.race.ours", "import speed"),
    ("gradlab.nets.network", "import numba"),
    ("gradlab.models.pytorch", "from gradlab.nets import chains"),
    ("gradlab.models.pytorch", "def f():\n    import torch"),
    ("gradlab.models.onnx", "import onnx"),
    ("gradlab.text.vocabulary", "from gradlab.nets import draws"),
    ("gradlab.text.conllu", "import pandas"),
    ("gradlab.models.keras", "def f():\n    import onnx"),
    ("gradlab.cli", "from gradlab._experiments import spectral_radius"),
    ("gradlab.cli", "import pandas"),
    ("gradlab.commands.list", "import pandas"),
    ("gradlab.commands.list", "from gradlab import cli"),
    ("gradlab.watching.log", "from gradlab.nets import losses"),
    ("gradlab.watching.watched", "from gradlab.plots import watched"),
    ("gradlab.plots.watched", "from gradlab.watching import log"),
    ("gradlab.inspecting.layers", "from gradlab.suite import store"),
    ("gradlab.inspecting.inspected", "from gradlab.plots import inspected"),
    ("gradlab.plots.inspected", "from gradlab.inspecting import layers"),
    ("gradlab.watching.log", "from gradlab.inspecting import layers"),
    ("gradlab.attic.old", "import numpy"),
    ("gradlab", "import pandas"),
    ("experiments.other", "import experiments.spectral_radius"),
]


@pytest.mark.parametrize(("module", "source"), WRONG)
def test_a_wrong_import_is_seen(module, source):
    assert len(offences(source, module, module.rpartition(".")[0])) == 1


HEAVY = {"numba", "pandas", "scipy", "matplotlib", "seaborn", "pyarrow"}
QUIETLY = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    "
LIGHT = {
    "gradlab": "import gradlab",
    "gradlab list": f"{QUIETLY}from gradlab.cli import main; main(['list'])",
    "gradlab show": f"{QUIETLY}from gradlab.cli import main; main(['show', 'edge'])",
    "gradlab.cli": "import gradlab.cli",
    "gradlab.plots": "import gradlab.plots",
    "gradlab.suite": "import gradlab.suite",
}


def loaded(statement):
    """The heavy packages that a fresh interpreter holds after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{HEAVY!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", LIGHT)
def test_nothing_heavy_is_loaded_early(name):
    assert not loaded(LIGHT[name])


def test_a_heavy_import_is_seen():
    assert "scipy" in loaded("import scipy")


TOP = {
    *("experiments", "gradlab", "results", "tests"),
    *(
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "uv.lock",
    ),
}


def test_the_top_level_holds_what_it_should():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what belongs to the repository is not known")
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True
    )
    found = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in found if not name.startswith(".")} == TOP
