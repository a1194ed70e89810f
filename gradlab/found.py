"""A user's own experiments, tasks and cells: files found by their names.

Looked for in experiments/, tasks/ and cells/ of the current folder, then of each folder that the
environment variable GRADLAB_PATH names (separated as in PATH). The first file of a name counts; a
name that starts with _ does not. Wherever a name is asked for, the path of a FILE.py will do. What
stands beside an experiment's file it may import, as a script may.
"""

import contextlib
import hashlib
import importlib.util
import io
import os
import sys
import traceback
from pathlib import Path

from gradlab.errors import UserError, did_you_mean, named, to_stderr

FOLDERS = {"experiment": "experiments", "task": "tasks", "cell": "cells"}


def files(kind):
    """name -> file of the user's own experiments, tasks or cells."""
    listed = os.environ.get("GRADLAB_PATH", "").split(os.pathsep)
    found = {}
    for place in [Path(), *(Path(folder).expanduser() for folder in listed if folder)]:
        for name, file in stems(place / FOLDERS[kind]).items():
            found.setdefault(name, file)
    return found


def stems(folder):
    """name -> file of a folder's Python files, sorted."""
    return {f.stem: f for f in sorted(folder.glob("[!_]*.py"))}


def names(kind, own):
    """All names, sorted; own: name -> file of what comes with gradlab."""
    return sorted({*own, *files(kind)})


def find(kind, name, own):
    """The file of that name, or the path itself if it ends in .py; own as above.

    Raises UserError for an unknown name, a missing file, and a user's file that would hide
    another one of gradlab's own.
    """
    if str(name).endswith(".py"):
        if not Path(name).is_file():
            raise UserError(f"no file {name}")
        return Path(name)
    name = str(name)  # a list has no hash
    users = files(kind).get(name)
    if users is None and name not in own:
        known = names(kind, own)
        listed = f"; there are {', '.join(known)}, or give a FILE.py"
        raise UserError(f"no {kind} {name}{did_you_mean(name, known) or listed}")
    if users and name in own and _content(users) != _content(own[name]):
        raise UserError(f"{users} has the name of gradlab's own {kind}: rename it or give its path")
    return own.get(name, users)


def _content(file):
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from None


def users_file(kind, name):
    """The user's file behind a name or path that a parameter `kind` holds; None if gradlab's."""
    if kind not in FOLDERS or not isinstance(name, str):
        return None
    return Path(name) if name.endswith(".py") else files(kind).get(name)


def load(kind, file, parts=(), keep=False):
    """Run a file and return its module, which must have all `parts`.

    keep: enter it in sys.modules, where Numba's cache looks for its types; an edited file has
    another name there. Raises UserError, naming the line, if the file cannot be run or ends the
    program itself.
    """
    digest = hashlib.sha256(_content(file)).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"gradlab_{kind}_{file.stem}_{digest}", file)
    if keep and spec.name in sys.modules:
        return sys.modules[spec.name]
    module = importlib.util.module_from_spec(spec)
    if keep:
        sys.modules[spec.name] = module
    if kind == "experiment":
        importable(file.parent)
    try:
        with _alone(file):
            spec.loader.exec_module(module)
    except BaseException as error:  # sys.exit too: it would end the command that looks at the file
        if keep:
            del sys.modules[spec.name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UserError(f"{_place(file, error)}: {named(error)}") from error
    if missing := [part for part in parts if not hasattr(module, part)]:
        raise UserError(f"{file} is no {kind}: it lacks {', '.join(missing)}")
    return module


def importable(folder):
    """Let Python find what stands in a folder, as it does for a script there; all else comes first.

    For good: a function may import when it is called.
    """
    place = os.path.abspath(folder)
    if place not in sys.path:
        sys.path.append(place)


@contextlib.contextmanager
def _alone(file):
    """The file's own sys.argv; what it says to stderr counts only if it comes to its end.

    An argparse at its top would read the command's arguments and print its usage.
    """
    before, said = sys.argv, io.StringIO()
    sys.argv = [str(file)]
    try:
        with contextlib.redirect_stderr(said):
            yield
    finally:
        sys.argv = before
    to_stderr(said.getvalue())


def _place(file, error):
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == os.path.abspath(file)]
    return f"{file}:{lines[-1]}" if lines else str(file)
