"""Experiments found by the name of their file, gradlab's and the user's own."""

import ast
from os import PathLike
from pathlib import Path

from gradlab import found, words
from gradlab.errors import UserError, nearest
from gradlab.suite.experiment import Experiment

PACKAGE = Path(__file__).parents[1]
VALUE_LIKE = 0.75  # of a value where an experiment is asked for: `nope` means no noise, lsmt lstm
FORMS = PACKAGE / "forms"  # what commands write: found by name, listed nowhere
INSTALLED_IN = "_experiments"  # the wheel's folder of experiments, within PACKAGE
DEFAULT = "spectral_radius"  # what `gradlab run` alone runs


def folder():
    """Where gradlab's experiments stand: inside an installed package, or beside a checkout's."""
    installed = PACKAGE / INSTALLED_IN
    return installed if installed.is_dir() else PACKAGE.parent / "experiments"


def names():
    """The names of all experiments, sorted."""
    return found.names("experiment", found.stems(folder()))


def load(name):
    """The experiment of that name, or of that file if the name ends in .py.

    Raises UserError if there is none, or if its file cannot be run.
    """
    file = _find(name)
    look(file)
    # not kept in sys.modules: a cluster's pickler then sends a measure defined there by value
    experiment = getattr(found.load("experiment", file), "experiment", None)
    if not isinstance(experiment, Experiment):
        raise UserError(_no_experiment(file))
    return experiment


def label(experiment):
    """What `load` finds the experiment by again: its name, or its file as seen from this folder.

    Of a file elsewhere it is the bare name: tables are committed, and name no place of a machine.
    """
    file = Path(experiment.file).absolute()
    known = found.stems(FORMS) | found.stems(folder()) | found.files("experiment")
    own = known.get(experiment.name)
    if not file.is_file() or (own and own.absolute() == file):
        return experiment.name
    return file.relative_to(Path.cwd()).as_posix() if file.is_relative_to(Path.cwd()) else file.name


def question(name):
    """The question of the experiment of that name, read from its file, which is not run.

    That is `question=` where it is plain text, else the first line of the docstring. Raises
    UserError as `load` does, as far as one can tell from the text.
    """
    tree = look(_find(name))
    asked = [
        keyword.value.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _name(call.func) == "Experiment"
        for keyword in call.keywords
        if keyword.arg == "question" and isinstance(keyword.value, ast.Constant)
    ]
    lines = (ast.get_docstring(tree) or "").splitlines()
    return " ".join(str((*asked, *lines, "no question")[0]).split())


def look(file):
    """The syntax tree of an experiment's file. Raises UserError if it cannot be one.

    Nothing is run: a folder named experiments often holds other people's scripts.
    """
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise UserError(f"{file}:{error.lineno}: {type(error).__name__}: {error.msg}") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{file}: {type(error).__name__}: {error}") from None
    if not any(_binds(node) for node in ast.walk(tree)):
        raise UserError(_no_experiment(file))
    return tree


def _find(name):
    if not isinstance(name, str | PathLike):
        raise UserError(f"experiment={name!r}: not a name, the path of a FILE.py or an Experiment")
    unknown = not str(name).endswith(".py") and str(name) not in names()
    if unknown and (form := found.stems(FORMS).get(str(name))):
        return form
    if unknown and (instead := _instead(str(name))):
        raise UserError(f"no experiment {name}: did you mean `gradlab run {instead}`?")
    return found.find("experiment", name, found.stems(folder()))


def _instead(name):
    """What runs what was asked for: "--set cell=lstm" for lstm, "training_map --set ..."."""
    known = words.values()
    value = name if name in known else nearest(name, known, VALUE_LIKE)
    if value is None or (name not in known and nearest(name, names())):
        return None
    setting = f"--set {known[value]}={value}"
    own = found.stems(folder())
    for other in dict.fromkeys((DEFAULT, *own)):
        experiment = load(other) if other in own else None
        if experiment and known[value] in (*experiment.axes, *experiment.constants):
            return setting if other == DEFAULT else f"{other} {setting}"
    return None


def _binds(node):
    """Whether a node gives something the name `experiment`."""
    if isinstance(node, ast.Name):
        return node.id == "experiment" and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.ImportFrom | ast.Import):
        return any((alias.asname or alias.name) in ("experiment", "*") for alias in node.names)
    return False


def _name(function):
    return getattr(function, "attr", getattr(function, "id", ""))


def _no_experiment(file):
    return f"{file} has no line 'experiment = Experiment(...)'; begin other files' names with _"


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
