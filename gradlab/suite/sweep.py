"""Grid -> blocks -> executor -> rows. Only the driver, which is here, writes."""

from collections import Counter
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab import underway
from gradlab.errors import UserError, named
from gradlab.files import as_folder, remove_stale
from gradlab.suite import plan, progress, provenance, reuse, running, sources, store, table
from gradlab.suite.elsewhere import Elsewhere, Keeping, Others, refuse, run_elsewhere, stamp
from gradlab.suite.flight import ahead_of, in_flight
from gradlab.suite.grid import Block, blocks
from gradlab.suite.tell import say
from gradlab.suite.together import Apart, Claimed, Taken, run_or_take
from gradlab.suite.work import run_block
from gradlab.threads import one_blas_thread

FRESH, DAMAGED, ERRORS = "--fresh is given", "damaged", "rows with status error, to try again"
NEW = "not run yet"
GONE = (
    "the executor cancelled its blocks, as a cluster does whose scheduler is gone: what was stored "
    "stays, the same command, without --fresh, runs the missing blocks"
)


class Part(NamedTuple):
    """A block, the places of its points in the grid, its shard, and the sources it is of."""

    block: Block
    positions: np.ndarray
    path: Path
    files: dict

    @property
    def underway(self):
        """The folder where the block's work is kept until it is done."""
        return self.path.with_suffix(".underway")


class Survey(NamedTuple):
    """What a sweep finds: its blocks, what is stored of them, and why each other one runs."""

    parts: list
    done: dict  # path -> (rows, origin)
    why: dict  # path -> reason

    @property
    def missing(self):
        """The parts that run."""
        return [part for part in self.parts if part.path in self.why]

    @property
    def points(self):
        """The number of points of the grid."""
        return sum(len(part.block) for part in self.parts)

    def errors(self):
        """(rows, blocks) that are stored with status error."""
        counts = [errors for rows, _ in self.done.values() if (errors := _errors(rows))]
        return sum(counts), len(counts)


def sweep(experiment, folder, workers=None, fresh=False, retry_errors=False):
    """(table, origins): the rows in the grid's order, and what computed the blocks.

    workers: a number of threads, None for one a core, or any concurrent.futures.Executor.
    Blocks that are stored under `folder` are not run again unless `fresh`, or `retry_errors` and
    they hold a row with status "error"; a block that raises gives such rows, is not stored and runs
    again the next time. Raises UserError for input that the measure refuses, for a block that does
    not fit into memory, and if every block fails.
    """
    remove_stale(_shards(experiment, folder))
    running.remove_dead(_shards(experiment, folder))  # also where nothing is left to run
    found = survey(experiment, folder, fresh, retry_errors)
    _keep_held(found)
    done, missing = found.done, found.missing
    say(f"{experiment.name}: {found.points} points in {len(found.parts)} blocks")
    _tell_errors_stored(found)
    if missing:
        try:
            _run(experiment, found, 1 if experiment.alone else workers)
        except KeyboardInterrupt:
            left = sum(not part.path.exists() for part in missing)
            say(f"interrupted: the same command, without --fresh, runs the {left} missing blocks")
            raise
        _tell_errors(found.parts, done)
    else:
        say(f"{len(done)} of {len(found.parts)} blocks are stored, nothing to run")
    rows = [done[part.path][0] for part in found.parts]
    frame = table.in_order(rows, [part.positions for part in found.parts])
    return frame, [origin for _, origin in done.values() if origin]


def survey(experiment, folder, fresh=False, retry_errors=False):
    """The Survey of a sweep; nothing runs and nothing is written."""
    as_folder(_shards(experiment, folder), "blocks")
    found = Survey(blocks_of(experiment, folder), {}, {})
    if not (fresh or _shards(experiment, folder).exists()):
        found.done.update(reuse.held(experiment, Path(folder), found.parts))
    stale = {}
    for name in sorted(path.name for path in _shards(experiment, folder).glob("[!.]*.parquet")):
        stale.setdefault(name.partition("-")[0], []).append(name)
    for part in found.parts:
        if part.path in found.done:
            continue
        try:
            shard = None if fresh else store.read_shard(part.path, part.block)
            reason = FRESH if fresh else _why(part, stale)
        except store.Damaged:
            shard, reason = None, DAMAGED
        if shard and retry_errors and _errors(shard[0]):
            shard, reason = None, ERRORS
        if shard:
            found.done[part.path] = shard
        else:
            found.why[part.path] = reason
    return found


def _keep_held(found):
    """Store the blocks that come from a table as shards: the next run finds them there."""
    held = [part for part in found.parts if part.path in found.done and not part.path.exists()]
    for part in held:
        rows, origin = found.done[part.path]
        origin = {**origin, "sources": part.files}
        found.done[part.path] = rows, origin
        store.write(rows, part.path, origin)
    if held:
        say(f"  {len(held)} blocks are taken from the table, which is of the same sources")


def foretell(experiment, folder, workers=None, fresh=False, retry_errors=False):
    """Lines: which blocks would run and why, and what that takes. Raises UserError as `sweep`."""
    found = survey(experiment, folder, fresh, retry_errors)
    missing, blocks_, stored = found.missing, len(found.parts), len(found.done)
    lines = [f"{experiment.name}: {found.points} points in {blocks_} blocks"]
    if missing:
        costs, threads = _costs(experiment, missing, 1 if experiment.alone else workers)
        much = plan.describe(costs, threads)
        more = "" if ":" in much else ": nobody can tell how long"
        lines += [f"{stored} of {blocks_} blocks are stored, {len(missing)} would run{much}{more}"]
    else:
        lines += [f"{stored} of {blocks_} blocks are stored, nothing would run"]
    lines += [f"  {count}: {reason}" for reason, count in Counter(found.why.values()).items()]
    return lines


def blocks_of(experiment, folder):
    """The blocks, each with its shard POINTS-SOURCES.parquet."""
    common, parts = sources.of(experiment.measure), []
    for block, positions in blocks(experiment):
        files = common | sources.of_block(block)
        name = f"{sources.points_key(block)}-{sources.key(files)}.parquet"
        parts.append(Part(block, positions, _shards(experiment, folder) / name, files))
    return parts


def _shards(experiment, folder):
    return Path(folder) / f"{experiment.name}.shards"


def _why(part, stale):
    """Why a block that is not stored runs: it never did, or what is stored is of other sources."""
    others = stale.get(part.path.name.partition("-")[0], [])
    if others:
        apart = [
            sources.differing(part.files, store.sources(part.path.with_name(name)))
            for name in others
        ]
        files = min(apart, key=len)
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        return f"other sources than what is stored, which stays: {', '.join(files[:3])}{more}"
    return NEW


def _errors(rows):
    return int((rows["status"] == "error").sum()) if "status" in rows else 0


def _costs(experiment, missing, workers):
    """What each block costs, and how many threads run them, None for an executor."""
    waiting = [part.block for part in missing]
    costs = plan.estimates(experiment.measure, waiting)
    if hasattr(workers, "check"):
        workers.check(costs)
    return costs, None if is_executor(workers) else plan.threads(costs, workers, waiting)


def _run(experiment, found, workers):
    """Run blocks, the slowest first; each goes into `done` and into its shard."""
    missing = found.missing
    costs, threads = _costs(experiment, missing, workers)
    stored, much = f"{len(found.done)} of {len(found.parts)}", plan.describe(costs, threads)
    say(f"{stored} blocks are stored, {len(missing)} to run{much}")
    _tell_why(found)
    order = sorted(range(len(missing)), key=lambda i: -costs[i][0])
    folder = missing[0].path.parent
    if others := running.at_work(folder):
        order.reverse()  # they meet in the middle
        who = ", ".join(f"{one['pid']} since {one['started']}" for one in others)
        say(f"another run is at work here (process {who}): each takes what the other stores first")
    hold = nullcontext() if experiment.alone else one_blas_thread()
    with running.mark(folder) as mark, hold, _executor(workers, threads) as executor:
        where = None if threads else mark  # a worker elsewhere may not see this disk

        def submit(i):
            return _submit(executor, experiment, missing[i], found.why, where)

        expected = sum(seconds for seconds, _ in costs)
        points = sum(len(part.block) for part in missing)
        ended = in_flight(submit, order, ahead_of(executor), _let_go)
        with (
            closing(ended),
            progress.bar(points, expected, plan.wait(costs, threads)) as bar,
            Apart() as apart,
        ):
            origin = provenance.origin()
            for i, future in ended:
                outcome = _outcome(future, experiment, missing[i], apart)
                del future  # a cluster keeps what is held
                found.done[missing[i].path] = _stored(outcome, missing[i], origin)
                bar.update(len(missing[i].block), costs[i][0])


def _let_go(future):
    """End the claim on a block that nobody stores any more."""
    if future.cancelled() or future.exception():
        return
    if isinstance(outcome := future.result(), Claimed):
        outcome.let_go()


def is_executor(workers):
    """Whether it is an executor: of concurrent.futures, or what looks like one (a cluster's)."""
    return isinstance(workers, Executor) or hasattr(workers, "submit")


@contextmanager
def _executor(executor, threads):
    """The executor itself, or threads that are left alone at the end: they cannot be stopped."""
    if threads is None:
        yield executor
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False)


def _submit(executor, experiment, part, why, mark):
    """The future of a part; `mark`, a file near its shard, if the executor is not our threads."""
    what = experiment.measure, part.block, experiment.alone
    keep = part.underway.absolute(), experiment.save_every
    try:
        if mark:
            files = stamp(experiment.measure, part.block)
            return executor.submit(run_elsewhere, *what, files, Keeping(*keep, mark.absolute()))
        if why[part.path] in (FRESH, DAMAGED, ERRORS):
            return executor.submit(run_block, *what, *keep)
        return executor.submit(run_or_take, part.path, *what, *keep)
    except BrokenExecutor as error:
        failed = Future()
        failed.set_exception(error)
        return failed


def _stored(outcome, part, origin):
    """(rows, origin) of what a block came to, in its shard by now unless it failed."""
    if isinstance(outcome, Taken):
        return outcome
    if isinstance(outcome, Claimed):
        try:
            return _stored(outcome.outcome, part, origin)
        finally:
            outcome.let_go()
    if isinstance(outcome, Elsewhere):
        return _stored(outcome.outcome, part, outcome.origin)
    columns, message, seconds = outcome
    rows = table.of_block(part.block, columns, message)
    if columns is None:
        return rows, None
    made = {**origin, "seconds": seconds, "sources": part.files}
    store.write(rows, part.path, made)
    underway.forget(part.underway)
    return rows, made


def _outcome(future, experiment, part, apart):
    """What the work returned; a worker that died is a failed block, wrong input is raised.

    Where an executor broke, each of its blocks runs once more in a process of its own. One that
    cancels what it was given, as a cluster whose scheduler is gone, ends the sweep.
    """
    try:
        try:
            outcome = future.result()
        except BrokenExecutor:
            return apart.run(experiment.measure, part.block, experiment.alone)
        if isinstance(outcome, Others):
            refuse(stamp(experiment.measure, part.block), outcome)
        return outcome
    except UserError:
        raise
    except CancelledError:
        raise UserError(GONE) from None
    except Exception as error:
        return None, named(error), 0.0


def _tell_why(found):
    """Why what is stored is not used; that a block did not run yet needs no word."""
    for reason, count in Counter(found.why.values()).items():
        if reason not in (NEW, FRESH):
            say(f"  {count}: {reason}")


def _tell_errors_stored(found):
    rows, count = found.errors()
    if rows:
        say(f"{rows} rows of {count} stored blocks have status error; --retry-errors runs these")


def _tell_errors(parts, done):
    failed = [rows for rows, origin in (done[part.path] for part in parts) if origin is None]
    if not failed:
        return
    first = failed[0]["message"].iloc[0]
    if len(failed) == len(parts):
        raise UserError(f"every block failed, the first with {first}")
    say(
        f"{len(failed)} blocks failed: rows with status error, which run again the next time; "
        f"the first with {first}"
    )
