"""Experiments found by the name of their file, gradlab's and the user's own."""

from pathlib import Path

from gradlab import found
from gradlab.errors import UserError
from gradlab.suite.experiment import Experiment

PACKAGE = Path(__file__).parents[1]


def folder():
    """Where gradlab's experiments stand: inside an installed package, or beside a checkout's."""
    installed = PACKAGE / "_experiments"
    return installed if installed.is_dir() else PACKAGE.parent / "experiments"


def names():
    """The names of all experiments, sorted."""
    return found.names("experiment", found.stems(folder()))


def load(name):
    """The experiment of that name, or of that file if the name ends in .py.

    Raises UserError if there is none, or if its file cannot be run.
    """
    file = found.find("experiment", name, found.stems(folder()))
    # not kept in sys.modules: a cluster's pickler then sends a measure defined there by value
    experiment = getattr(found.load("experiment", file), "experiment", None)
    if not isinstance(experiment, Experiment):
        raise UserError(f"{file} has no line 'experiment = Experiment(...)'")
    return experiment


def new(name):
    """Write experiments/NAME.py in the current folder, an experiment to start from.

    Raises UserError for a name that is taken or cannot be a file's.
    """
    file = Path("experiments", f"{name}.py")
    if not name.isidentifier() or name.startswith("_"):
        raise UserError(f"{name!r} is no name: letters, digits and _, not first a digit or _")
    if file.exists() or name in names():
        raise UserError(f"there is an experiment {name} already: take another name")
    file.parent.mkdir(exist_ok=True)
    with open(file, "xb") as written:  # never over a file that came meanwhile
        written.write((PACKAGE / "template.py").read_bytes())
    return file
