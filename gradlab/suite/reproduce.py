"""Experiments run afresh and held against their tables; many experiments in turn."""

import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gradlab.errors import UserError, named, told
from gradlab.files import expanded
from gradlab.suite import compare, library, machine, plan, runs, store
from gradlab.suite.experiment import Experiment
from gradlab.suite.grid import changed, shown
from gradlab.suite.sweep import sweep
from gradlab.suite.tell import say
from gradlab.suite.work import resolve


def reproduce(name, results=None, quick=False, values=None, workers=None):
    """Run an experiment into a scratch folder; the Outcome of its table against the one stored.

    That is the reference run, or the own one in `results` where there is none; or, if a folder is
    given, the run that stands there.

    quick: whole blocks, those with the quick values on the axes that split the grid. Constants
    and what varies inside a block stay, for a table of others has nothing to be held against.
    Where the tables differ the scratch folder stays and the reason names it.
    """
    experiment = name if isinstance(name, Experiment) else library.load(name)
    old = runs.standard(experiment.name, results).read()
    if experiment.alone:
        return compare.Outcome(compare.TIMES, "not compared")
    part = _quick(experiment) if quick else experiment
    part = changed(part, values or {})
    scratch = Path(tempfile.mkdtemp(prefix="gradlab-"))
    keep = False
    try:
        new = sweep(part, scratch, workers, fresh=True)[0]
        later = [column for column in new if column not in old]
        found = between(experiment, new.drop(columns=later), old, whole=not (quick or values))
        if later:
            found = found._replace(
                reason=f"{found.reason}; the table is older than {', '.join(later)}"
            )
        if keep := found.word == compare.DIFFERENT:
            store.write(new, scratch / f"{experiment.name}.parquet")
            found = found._replace(reason=f"{found.reason} (the new table is in {scratch})")
        return found
    finally:
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)


def between(experiment, new, old, whole=True):
    """The Outcome of two tables of an experiment, in the way that its measure asks for.

    ROUNDING_DECIDES = True beside a measure says that its rows are trainings.
    """
    measure = resolve(experiment.measure)[0]
    trains = getattr(measure, "__globals__", {}).get("ROUNDING_DECIDES", False)
    units = [axis for axis in experiment.axes if axis in experiment.split or axis == "seed"]
    keys = [*experiment.axes, *shown(experiment.constants)]
    decided = compare.every_row if trains else compare.above_the_edge
    return compare.compare(new, old, keys, units, decided, whole)


def diff(one, other, results="results"):
    """The Outcome of two tables, each an experiment's name or the path of a .parquet file."""
    tables = [_table(what, results) for what in (one, other)]
    for what in (one, other):
        try:
            folder = expanded(what).parent if _is_path(what) else results
            return between(runs.of(Path(what).stem, folder)[0], *tables)
        except UserError:
            continue
    return _unknown(*tables)


def in_turn(names, work, folders):
    """{name: what work(name) returned, or None if it failed}; tells the time left before each.

    folders: where former runs tell how long they took, the first that has one.
    """
    wanted = {name: _seconds(name, folders) for name in names}
    done, pace, spent, expected = {}, 1.0, 0.0, 0.0
    for number, name in enumerate(names, 1):
        left = [wanted[other] for other in names[number - 1 :]]
        known = sum(seconds for seconds in left if seconds is not None) * pace
        more = f" and {left.count(None)} of unknown length" if None in left else ""
        say(f"[{number}/{len(names)}] {name}: about {plan.duration(known)} left{more}")
        started = time.monotonic()
        try:
            done[name] = work(name)
        except Exception as error:
            say(f"{name} failed: {told(error) if isinstance(error, UserError) else named(error)}")
            done[name] = None
        if wanted[name] and done[name] is not None:
            spent, expected = spent + time.monotonic() - started, expected + wanted[name]
            pace = spent / expected
    return done


def _quick(experiment):
    axes = {}
    for axis in experiment.split:
        there = {value for product in experiment.grid for value in product[axis]}
        quick = experiment.quick.get(axis, ())
        quick = (
            list(quick) if hasattr(quick, "__iter__") and not isinstance(quick, str) else [quick]
        )
        if kept := [value for value in quick if value in there]:
            axes[axis] = kept
    return _restricted(experiment, axes)


def _restricted(experiment, axes):
    """The experiment on those blocks of its own grid that have these values."""
    grid = []
    for product in experiment.grid:
        kept = {a: [v for v in vs if v in axes.get(a, vs)] for a, vs in product.items()}
        if all(kept.values()):
            grid.append(kept)
    return replace(experiment, grid=grid or experiment.grid)


def _table(what, results):
    if not _is_path(what):
        return runs.find(what, results).read()
    path = expanded(what)
    return store.read_table(path.parent, path.stem)


def _is_path(what):
    return str(what).endswith(".parquet")


def _unknown(new, old):
    """Of tables whose experiment is not known, rows are held in their order."""
    new, old = (frame.assign(row=range(len(frame))) for frame in (new, old))
    return compare.compare(new, old, ["row"])


def _seconds(name, folders):
    """What the last run took, on this machine's cores; None if there was none."""
    for folder in filter(None, folders):
        with suppress(OSError, store.Damaged, KeyError, TypeError):
            made = store.read_json(expanded(folder) / f"{name}.json")["computed_by"]
            return sum(who["seconds"] for who in made) / machine.cores()
    return None
