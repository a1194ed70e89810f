"""From an experiment to its table, figure, provenance and verdicts."""

import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

from gradlab.errors import UserError, placed
from gradlab.files import as_folder, check_place, expanded, remove_stale
from gradlab.suite import cluster, library, provenance, replaced, runs, store, tell
from gradlab.suite import verdicts as report
from gradlab.suite.experiment import Experiment
from gradlab.suite.grid import changed
from gradlab.suite.sweep import is_executor, sweep
from gradlab.suite.tell import say

if TYPE_CHECKING:
    from pandas import DataFrame


def run(
    experiment: str | PathLike | Experiment,
    quick: bool = False,
    set: Mapping[str, Any] | None = None,
    results: str | PathLike = "results",
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    fresh: bool = False,
    retry_errors: bool = False,
    name: str | None = None,
    progress: bool = False,
) -> "DataFrame":
    """Run an experiment, write NAME.parquet, NAME.png and NAME.json, and return the table.

    experiment   a name, the path of a FILE.py, or an Experiment.
    name         another NAME than the experiment's, which keeps this run apart from others.
    quick        with its quick values, into results/quick.
    set          name -> value, values or text such as "0.5:1.5:21" for axes and constants.
    workers      how many threads run blocks; None: one a core, as memory allows.
    executor     any concurrent.futures.Executor, or Dask client, that runs them instead.
    fresh        do not use the blocks that a former run stored.
    retry_errors run stored blocks again that hold a row with status "error".
    progress     print what the command prints, and show a bar; else nothing is printed.

    The table is a pandas DataFrame, one row a point in the grid's order: parameters,
    measurements, status (and message). Raises gradlab.errors.UserError for wrong input.
    """
    with tell.aloud(progress):
        experiment = prepare(experiment, quick, set)
        folder, who = place(results, quick), _workers(workers, executor)
        return complete(experiment, folder, name, who, fresh, retry_errors)[0]


def read(name: str, results: str | PathLike = "results") -> "DataFrame":
    """The table of a former run as a pandas DataFrame; raises UserError if there is none.

    Where `results`, the default folder, has none, it is that of the reference run, which stands in
    results/reference of gradlab's checkout. Any other folder holds what it holds.
    """
    return runs.find(name, results).read()


def prepare(experiment, quick=False, values=None):
    """The experiment with its quick values and with those that the user set."""
    if not isinstance(experiment, Experiment):
        experiment = library.load(experiment)
    if quick:
        experiment = changed(experiment, experiment.quick)
    return changed(experiment, values or {})


def place(results, quick):
    """The folder that results go to: a quick run never writes over a reference run."""
    found = as_folder(results)
    return as_folder(found / "quick") if quick else found


def _workers(workers, executor):
    """The one that is given. Raises UserError if both are, and for what is no executor."""
    if executor is None:
        return workers
    executor = cluster.of(executor)
    if workers is not None:
        raise UserError(f"workers={workers!r} and an executor: give one of them")
    if not is_executor(executor):
        raise UserError(
            f"executor={executor!r}: not an executor, as Dask's Client(ADDRESS) is one; "
            "workers=N gives N threads"
        )
    return executor


def complete(experiment, folder, name=None, workers=None, fresh=False, retry_errors=False):
    """(table, verdicts) of a prepared experiment, all written to `folder` as `name`."""
    name = experiment.name if name is None else runs.named(name)
    _load_figures_meanwhile()
    for path in places(folder, name):
        check_place(path)  # now: not when all is measured
    replaced.check(experiment, folder, name, fresh)
    remove_stale(folder)
    frame, origins = sweep(experiment, folder, workers, fresh, retry_errors)
    keep(experiment, frame, folder, name, provenance.describe(experiment, frame, origins))
    verdicts = experiment.verdicts(frame)
    for line in report.lines(name, verdicts, what=report.called(experiment)):
        say(line)
    return frame, verdicts


def keep(experiment, frame, folder, name, content):
    """Write a table, its figure, and its provenance `content`, as `name`."""
    table, figure, origin = places(folder, name)
    was = replaced.difference(content, store.write_run(frame, content, table, origin))
    say(f"wrote {table}")
    if was:
        say(f"  in place of a table of {was}: its own command makes that again, --name keeps both")
    try:
        drawing().draw(experiment, frame, figure)
        say(f"wrote {figure}")
    except drawing().NoRows as lacking:
        say(lacking)
        figure.unlink(missing_ok=True)  # of a table that stood here before


def places(folder, name):
    """Where the table, the figure and the provenance of a run stand."""
    return [beside(folder, name, suffix) for suffix in ("parquet", "png", "json")]


def beside(folder, name, suffix):
    """Where an experiment's table and what is made of it stand."""
    return expanded(folder) / f"{name}.{suffix}"


def drawing():
    """gradlab.plots.draw. Raises UserError for settings that matplotlib does not load with."""
    try:
        return import_module("gradlab.plots.draw")
    except Exception as error:
        raise UserError(f"matplotlib does not load with your settings: {placed(error)}") from error


def _load_figures_meanwhile():
    # seaborn and matplotlib take a second to load, while the kernels do not hold the interpreter
    def load():
        with suppress(UserError):  # `draw` says it
            drawing()

    threading.Thread(target=load, daemon=True).start()
