"""The cells by their names."""

from gradlab.cells import elman
from gradlab.cells.elementwise import ACTIVATIONS
from gradlab.errors import UserError

CELLS = {"elman": elman}


def find(name):
    """The file of the cell's kernels. Raises UserError for an unknown name."""
    return CELLS[one_of("cell", name, CELLS)]


def activation(name):
    """The activation's name, if there is one of that name. Raises UserError if not."""
    return one_of("activation", name, ACTIVATIONS)


def one_of(what, value, choices):
    """The value, if it is one of the choices. Raises UserError, one line, if not."""
    if value not in choices:
        raise UserError(f"{what} must be one of {', '.join(choices)}, not {value!r}")
    return value
