"""The cells by their names: gradlab's, and a user's own, which are checked."""

import functools
import importlib
from pathlib import Path

import gradlab.cells
from gradlab import found
from gradlab.errors import one_of
from gradlab.kernels import elementwise
from gradlab.nets.check import check_cell

PARTS = ("shapes", "prepare", "sources", "state_size", "saved_size", "forward", "backward")
FOLDER = Path(gradlab.cells.__file__).parent


def names():
    """The names of all cells, sorted."""
    return found.names("cell", _own())


def find(name, activation="tanh"):
    """The file of the cell's kernels, by name, or a user's own if the name ends in .py.

    Raises UserError for an unknown name, and for a user's cell whose gradients are wrong. No cell
    but this one is loaded.
    """
    own = _own()
    file = found.find("cell", name, own)
    if file == own.get(file.stem):
        return importlib.import_module(f"gradlab.cells.{file.stem}")
    return _checked(file, file.read_bytes(), activation)


@functools.cache
def _own():
    # Told by its text from the helpers beside it: an import would cost some 50 ms a file.
    return {
        stem: file
        for stem, file in found.stems(FOLDER).items()
        if all(f"\ndef {loop}(" in file.read_text("utf-8") for loop in ("forward", "backward"))
    }


@functools.cache
def _checked(file, content, name):
    module = _loaded(file, content)
    check_cell(module, activation(name, module), file)
    return module


@functools.cache
def _loaded(file, content):
    return found.load("cell", file, PARTS, keep=True)


def activation(name, module=elementwise):
    """The activation's name, if the cell has one of that name. Raises UserError if not."""
    return one_of("activation", name, getattr(module, "ACTIVATIONS", elementwise.ACTIVATIONS))
