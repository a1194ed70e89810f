"""Which numbers a stored block may stand for: the hash of its points and of its sources.

Sources are the file of the measure and all that it may compute with, also a user's own task, cell
or series; not the figure and the claims, so redrawing never recomputes. What these import from
further files of the user is not seen: `--fresh` is for that.
"""

import hashlib
import importlib.util
import inspect
import json
from pathlib import Path

from gradlab import found
from gradlab.errors import UserError
from gradlab.suite.grid import is_file
from gradlab.suite.library import PACKAGE

ROOMS = ("cells", "nets", "learning", "tasks", "measures")
FILES = ("theory.py", "dynamics.py")


def digest(measure):
    """sha256 over the measure's own file and gradlab's sources of numbers."""
    rooms = [*ROOMS, *(["race"] if str(measure).startswith("gradlab.race.") else [])]
    files = [file for room in rooms for file in sorted((PACKAGE / room).rglob("*.py"))]
    files += [file for name in FILES if (file := PACKAGE / name).is_file()]
    total = hashlib.sha256(_source(measure))
    for file in files:
        total.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def key(block, sources):
    """The name a block is stored under. A user's file counts by its content, not by its path."""
    constants = {name: _identity(name, value) for name, value in block.constants.items()}
    points = {
        axis: [_identity(axis, value) for value in values.tolist()]
        for axis, values in block.points.items()
    }
    text = json.dumps([points, constants, sources], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _identity(name, value):
    if is_file(name) and value is not None:
        return _content(name, value)
    if file := found.users_file(name, value):  # a task's random stream follows from its name
        return [file.stem, _content(name, file)]
    return value


def _content(name, path):
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{name}={path}: {error.strerror}") from None


def _source(measure):
    if isinstance(measure, str):
        spec = importlib.util.find_spec(measure.partition(":")[0])
        if spec is None:
            raise UserError(f"measure {measure}: no such module")
        return Path(spec.origin).read_bytes()
    file = Path(inspect.getfile(measure))
    return file.read_bytes() if file.is_file() else inspect.getsource(measure).encode()
