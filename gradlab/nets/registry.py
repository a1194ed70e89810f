"""The cells by their names: gradlab's, and a user's own, which are checked."""

import functools
import importlib
from pathlib import Path

import gradlab.cells
from gradlab import found
from gradlab.cells.cell import Cell
from gradlab.errors import one_of
from gradlab.kernels import elementwise
from gradlab.nets.check import check_cell


def names() -> list[str]:
    """The names of all cells, sorted."""
    return found.names("cell", _own())


def find(name: str, activation: str = "tanh") -> Cell:
    """The cell of that name, or a user's own if the name is its file's and ends in .py.

    Raises UserError for an unknown name, and for a user's cell whose gradients are wrong. No cell
    but this one is loaded.
    """
    own = _own()
    file = found.find("cell", name, own)
    if file == own.get(file.stem):
        return Cell.of(importlib.import_module(f"gradlab.cells.{file.stem}"))
    return _checked(file, file.read_bytes(), activation)


@functools.cache
def _own():
    files = found.stems(Path(gradlab.cells.__file__).parent)
    return {stem: file for stem, file in files.items() if stem != "cell"}


@functools.cache
def _checked(file, content, name):
    cell = _loaded(file, content)
    check_cell(cell, activation(name, cell), file)
    return cell


@functools.cache
def _loaded(file, content):
    return Cell.load(file)


def activation(name, cell=None):
    """The activation's name, if the cell (any, unless given) has it. Raises UserError if not."""
    return one_of("activation", name, cell.activations if cell else elementwise.ACTIVATIONS)
