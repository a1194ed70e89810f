"""Experiments found by the name of their file."""

import importlib.util
import traceback
from pathlib import Path

from gradlab.errors import UserError
from gradlab.suite.experiment import Experiment

PACKAGE = Path(__file__).parents[1]


def folder():
    """Where the experiments stand: inside an installed package, or beside it in a checkout."""
    installed = PACKAGE / "_experiments"
    return installed if installed.is_dir() else PACKAGE.parent / "experiments"


def names():
    """The names of all experiments, sorted."""
    return sorted(file.stem for file in folder().glob("*.py") if not file.stem.startswith("_"))


def load(name):
    """The experiment of that name, or of that file if the name ends in .py.

    Raises UserError if there is none, or if its file cannot be run.
    """
    if not str(name).endswith(".py"):
        if name not in names():
            raise UserError(
                f"no experiment {name}; there are {', '.join(names())}, or give a FILE.py"
            )
        return _execute(folder() / f"{name}.py")
    if not Path(name).is_file():
        raise UserError(f"no file {name}")
    return _execute(Path(name))


def _execute(file):
    # not entered in sys.modules: a cluster's pickler then sends a measure defined there by value
    spec = importlib.util.spec_from_file_location(f"experiment_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{_place(file, error)}: {type(error).__name__}: {error}") from error
    found = getattr(module, "experiment", None)
    if not isinstance(found, Experiment):
        raise UserError(f"{file} has no line 'experiment = Experiment(...)'")
    return found


def _place(file, error):
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    return f"{file}:{lines[-1]}" if lines else str(file)
