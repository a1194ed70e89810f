"""Where finished runs stand: a user's own in a results folder, the reference runs in a checkout.

`results`, the default, is the user's own folder; where it has no run of a name, the reference run
of that name is read, which is committed in results/reference of the checkout that gradlab was
installed from. Any other folder holds what it holds. A wheel brings no reference runs.
"""

from pathlib import Path
from typing import NamedTuple

from gradlab.errors import UserError
from gradlab.files import expanded
from gradlab.suite import library, store

OWN = "results"


class Run(NamedTuple):
    """A finished run: its name, the folder of its table, and whether it is the reference run."""

    name: str
    folder: Path
    is_reference: bool = False

    @property
    def table(self):
        """The path of the table."""
        return self.folder / f"{self.name}.parquet"

    def read(self):
        """The table as a pandas DataFrame. Raises UserError if it is missing or damaged."""
        return store.read_table(self.folder, self.name)

    def __str__(self):
        return f"{self.name}: the reference run" if self.is_reference else str(self.table)


def reference():
    """The folder of the reference runs; None where gradlab is installed without its checkout."""
    folder = library.folder().parent / "results" / "reference"
    return folder if library.folder().name == "experiments" and folder.is_dir() else None


def look(name, results=OWN):
    """The run of that name, the own one before the reference run; None if there is neither."""
    own = Run(name, expanded(results))
    if own.table.exists():
        return own
    return _reference(name) if str(results) == OWN else None


def find(name, results=OWN):
    """`look`. Raises UserError, which names the command that makes the run, if there is none."""
    if found := look(name, results):
        return found
    bare = str(results) == OWN and reference() is None
    more = "; an installed gradlab has no reference runs" if bare else ""
    table = Run(name, expanded(results)).table
    raise UserError(f"no table {table}; `gradlab run {name}` makes it{more}")


def standard(name, results=None):
    """What a run is held against: the reference run, or the own one where there is none.

    results: a folder whose run it is instead. Raises UserError if there is no such run.
    """
    return find(name, results) if results else _reference(name) or find(name)


def _reference(name):
    folder = reference()
    run = folder and Run(name, folder, True)
    return run if run and run.table.exists() else None
