"""What a results folder holds of each run: its table, its blocks, who is at work on it."""

from typing import NamedTuple

from gradlab.errors import UserError
from gradlab.files import as_folder
from gradlab.suite import library, packs, running, runs, store
from gradlab.suite.grid import changed
from gradlab.suite.survey import blocks_of

UNKNOWN = "of an experiment's file that is not known until a run has ended"


class Status(NamedTuple):
    """How a run stands.

    experiment      what it is of: a name or a file.
    rows, errors    of its table, and those with status error; None without a table.
    blocks          of the experiment's own grid; None where a table has none beside it, as that of
                    a reference run, or of a run with a name of its own.
    stored          how many of these are stored, of these sources.
    others          stored blocks of other points, settings or sources.
    running         [{"pid", "started"}]: who is at work on them.
    problem         why the experiment's file cannot say its grid, else "".
    """

    name: str
    experiment: str
    rows: int | None
    errors: int | None
    blocks: int | None = None
    stored: int = 0
    others: int = 0
    running: tuple = ()
    problem: str = ""

    @property
    def missing(self):
        """How many blocks of the experiment's own grid are not stored."""
        return None if self.blocks is None else self.blocks - self.stored

    def __str__(self):
        failed = f", {self.errors} of them with status error" if self.errors else ""
        parts = ["no table" if self.rows is None else f"table of {self.rows} rows{failed}"]
        if self.name != self.experiment:
            parts.append(f"a run of {self.experiment}")
        if self.problem:
            parts.append(self.problem)
        if self.blocks is not None:
            lacks = f", {self.missing} missing" if self.missing else ""
            parts.append(f"{self.stored} of {self.blocks} blocks stored{lacks}")
        if self.others:
            parts.append(f"{self.others} stored blocks of other points or sources")
        parts += [f"running since {who['started']}, process {who['pid']}" for who in self.running]
        return f"{self.name}: {'; '.join(parts)}"


def statuses(folder=runs.OWN, names=()):
    """[Status] of the runs of these names, default: of all that have anything in the folder.

    In a folder named quick, blocks are those of the quick values. Raises UserError for a name of
    which there is neither a run nor an experiment.
    """
    folder = as_folder(folder)
    found = {path.stem for suffix in ("parquet", "shards") for path in folder.glob(f"*.{suffix}")}
    return [_status(folder, name) for name in names or sorted(found)]


def _status(folder, name):
    said = _said(folder / f"{name}.json")
    rows = said.get("rows") if (folder / f"{name}.parquet").exists() else None
    errors = None if rows is None else said.get("status", {}).get("error", 0)
    label = said.get("experiment", name)
    shards = folder / f"{name}.shards"
    stored = packs.names(shards)
    at_work = tuple(running.at_work(shards))
    status = Status(name, label, rows, errors, others=len(stored), running=at_work)
    if rows is not None and not stored and not at_work:
        return status  # its blocks were not kept, as those of a reference run
    if rows is None and not shards.exists():
        library.load(name)  # says what there is, if not this
    try:
        own = {part.path.name for part in blocks_of(_experiment(label, folder), folder)}
    except UserError as error:
        unknown = not said and label not in library.names()
        return status._replace(problem=UNKNOWN if unknown else str(error))
    return status._replace(blocks=len(own), stored=len(own & stored), others=len(stored - own))


def _experiment(label, folder):
    experiment = library.load(label)
    return changed(experiment, experiment.quick) if folder.name == "quick" else experiment


def _said(path):
    try:
        return store.read_json(path)
    except (OSError, store.Damaged):
        return {}
