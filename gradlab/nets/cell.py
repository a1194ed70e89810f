"""The cells by their names: gradlab's, and a user's own, which are checked."""

import functools
import importlib
import pkgutil
from pathlib import Path

import gradlab.cells
from gradlab import found
from gradlab.cells.elementwise import ACTIVATIONS
from gradlab.errors import UserError
from gradlab.nets.check import check_cell

PARTS = ("prepare", "sources", "state_size", "saved_size", "forward", "backward")


def find(name, activation="tanh"):
    """The file of the cell's kernels, by name, or a user's own if the name ends in .py.

    Raises UserError for an unknown name, and for a user's cell whose gradients are wrong.
    """
    own = {module.__name__.rpartition(".")[2]: module for module in _own()}
    file = found.find("cell", name, {stem: Path(module.__file__) for stem, module in own.items()})
    module = own.get(file.stem)
    if module and Path(module.__file__) == file:
        return module
    return _checked(file, file.read_bytes(), activation)


@functools.cache
def _own():
    every = pkgutil.iter_modules(gradlab.cells.__path__, "gradlab.cells.")
    modules = [importlib.import_module(one.name) for one in every]
    return [module for module in modules if all(hasattr(module, part) for part in PARTS)]


@functools.cache
def _checked(file, content, activation):
    module = _loaded(file, content)
    check_cell(module, activation, file)
    return module


@functools.cache
def _loaded(file, content):
    return found.load("cell", file, PARTS, keep=True)


def activation(name):
    """The activation's name, if there is one of that name. Raises UserError if not."""
    return one_of("activation", name, ACTIVATIONS)


def one_of(what, value, choices):
    """The value, if it is one of the choices. Raises UserError, one line, if not."""
    if value not in choices:
        raise UserError(f"{what} must be one of {', '.join(choices)}, not {value!r}")
    return value
