"""Where finished runs stand: a user's own in a results folder, the reference runs in a checkout.

`results`, the default, is the user's own folder; where it has no run of a name, the reference run
of that name is read, which is committed in results/reference of the checkout that gradlab was
installed from. Any other folder holds what it holds. A wheel brings no reference runs.

A run has the name of its experiment, or one that the user gave it (`--name`); what is written
beside its table then says of which experiment it is.
"""

import re
from pathlib import Path
from typing import NamedTuple

from gradlab.errors import UserError, did_you_mean
from gradlab.files import as_folder
from gradlab.suite import library

OWN = "results"
PLAIN = re.compile(r"\w[\w-]{0,99}")


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
        from gradlab.suite import store  # here: pandas takes a second, and `look` needs none

        return store.read_table(self.folder, self.name)

    def __str__(self):
        return f"{self.name}: the reference run" if self.is_reference else str(self.table)


def reference():
    """The folder of the reference runs; None where gradlab is installed without its checkout."""
    folder = library.folder().parent / "results" / "reference"
    return folder if library.folder().name == "experiments" and folder.is_dir() else None


def look(name, results=OWN):
    """The run of that name, the own one before the reference run; None if there is neither."""
    own = Run(name, as_folder(results))
    if own.table.exists():
        return own
    return _reference(name) if str(results) == OWN else None


def find(name, results=OWN):
    """`look`. Raises UserError, which names the command that makes the run, if there is none."""
    if found := look(name, results):
        return found
    if (path := Path(str(name))).suffix == ".parquet":
        where = "" if str(path.parent) in (".", OWN) else f", and its folder, results={path.parent}"
        raise UserError(f"{name} is a path: give the run's name, {path.stem}{where}")
    raise UserError(f"no table {Run(name, as_folder(results)).table}{_instead(str(name), results)}")


def _instead(name, results):
    """What is there instead of a run, or makes it."""
    quick = Run(name, as_folder(results) / "quick")
    if quick.table.exists():
        return f"; its quick run stands in {quick.folder}: give that as results"
    known = library.names()
    if name not in known:
        stored = [path.stem for path in as_folder(results).glob("*.parquet")]
        if hint := did_you_mean(name, [*known, *stored]):
            return hint
    bare = str(results) == OWN and reference() is None
    more = "; an installed gradlab has no reference runs" if bare else ""
    return f"; `gradlab run {name}` makes it{more}"


def standard(name, results=None):
    """What a run is held against: the reference run, or the own one where there is none.

    results: a folder whose run it is instead. Raises UserError if there is no such run.
    """
    return find(name, results) if results else _reference(name) or find(name)


def named(name):
    """A user's name for a run. Raises UserError if it is not a file's, or an experiment has it."""
    if not PLAIN.fullmatch(str(name)):
        raise UserError(f"a run cannot be named {name!r}: letters, digits, _ and -, at most 100")
    if str(name).lower() in map(str.lower, library.names()):
        raise UserError(f"a run cannot be named {name}: that is an experiment; take another name")
    return str(name)


def of(name, results=OWN):
    """(experiment, name of its run): an experiment's name or file, or a user's name for a run.

    Raises UserError if there is neither, or if the experiment's file cannot be run.
    """
    label = None
    if not str(name).endswith(".py") and name not in library.names():
        label = _said(name, results)
        if label is None and _said(name, as_folder(results) / "quick"):
            find(name, results)  # says where the quick run is
    experiment = library.load(label or name)
    return experiment, name if label else experiment.name


def _said(name, results):
    """The experiment that a run is of, as stands beside its table; None if nothing does."""
    found = look(name, results)
    beside = found and found.folder / f"{name}.json"
    if not beside or not beside.exists():
        return None
    from gradlab.suite import store

    try:
        return store.read_json(beside).get("experiment")
    except store.Damaged:
        raise UserError(f"{beside} is damaged; the run that made it makes it again") from None


def _reference(name):
    folder = reference()
    run = folder and Run(name, folder, True)
    return run if run and run.table.exists() else None
