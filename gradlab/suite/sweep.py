"""Grid -> blocks -> executor -> rows. Only the driver, which is here, writes."""

from collections import Counter
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext

from gradlab import underway
from gradlab.errors import UserError, named
from gradlab.files import remove_stale
from gradlab.suite import packs, plan, progress, provenance, running, sources, store, table
from gradlab.suite.apart import Apart
from gradlab.suite.elsewhere import Elsewhere, Keeping, Others, refuse, run_elsewhere, stamp
from gradlab.suite.flight import ahead_of, in_flight
from gradlab.suite.survey import DAMAGED, ERRORS, FRESH, NEW, shards_of, survey
from gradlab.suite.tell import say
from gradlab.suite.together import Claimed, Taken, died_in, given_up, run_or_take
from gradlab.threads import one_blas_thread

AGAIN = "what was stored stays, the same command, without --fresh, runs the missing blocks"
GONE = "the executor cancelled its blocks, as a cluster does whose scheduler is gone: " + AGAIN


def sweep(experiment, folder, workers=None, fresh=False, retry_errors=False):
    """(table, origins): the rows in the grid's order, and what computed the blocks.

    workers: a number of threads, None for one a core, or any concurrent.futures.Executor.
    Blocks that are stored under `folder` are not run again unless `fresh`, or `retry_errors` and
    they hold a row with status "error"; a block that raises gives such rows, is not stored and runs
    again the next time. Raises UserError for input that the measure refuses, for a block that does
    not fit into memory, and if every block fails.
    """
    remove_stale(shards_of(experiment, folder))
    packs.tidy(shards_of(experiment, folder))
    running.remove_dead(shards_of(experiment, folder))  # also where nothing is left to run
    found = survey(experiment, folder, fresh, retry_errors)
    _keep_held(found)
    done, missing = found.done, found.missing
    say(f"{experiment.name}: {found.points} points in {len(found.parts)} blocks")
    _tell_errors_stored(found)
    if missing:
        try:
            _run(experiment, found, 1 if experiment.alone else workers)
        except KeyboardInterrupt:
            stored = packs.names(shards_of(experiment, folder))
            left = sum(part.path.name not in stored for part in missing)
            say(f"interrupted: the same command, without --fresh, runs the {left} missing blocks")
            raise
        _tell_errors(found)
    else:
        say(f"{len(done)} of {len(found.parts)} blocks are stored, nothing to run")
    rows = (done.rows(part) for part in found.parts)
    frame = table.in_order(rows, [part.positions for part in found.parts])
    return frame, [origin for origin in done.origins.values() if origin]


def _keep_held(found):
    """Store the blocks that come from a table as shards: the next run finds them there."""
    for part in found.parts:
        if part.path in found.held:
            rows, origin = found.held[part.path]
            origin = {**origin, "sources": part.files}
            store.write(rows, part.path, origin)
            found.done[part.path] = rows, origin
    if found.held:
        say(f"  {len(found.held)} blocks are taken from the table, which is of the same sources")


def foretell(experiment, folder, workers=None, fresh=False, retry_errors=False):
    """Lines: which blocks would run and why, and what that takes. Raises UserError as `sweep`."""
    found = survey(experiment, folder, fresh, retry_errors)
    missing, blocks_, stored = found.missing, len(found.parts), len(found.done) + len(found.held)
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
    elif died := sum(died_in(part.path) > 0 for part in missing):
        say(f"  {died}: at work when a run died; each runs in a process of its own")
    hold = nullcontext() if experiment.alone else one_blas_thread()
    packing = packs.Packing([] if others else _loose(found))
    with (
        running.mark(folder) as mark,
        hold,
        Apart() as apart,
        _executor(workers, threads) as executor,
    ):
        where = None if threads else mark  # a worker elsewhere may not see this disk

        def submit(i):
            return _submit(executor, experiment, missing[i], found.why, where, apart)

        expected = sum(seconds for seconds, _ in costs)
        points = sum(len(part.block) for part in missing)
        ended = in_flight(submit, order, ahead_of(executor, threads), _let_go)
        bar = progress.bar(points, expected, plan.wait(costs, threads))
        watched = getattr(executor, "watched", lambda say: nullcontext())
        with given_up(), closing(ended), bar, watched(bar.say):
            origin = provenance.origin()
            for i, future in ended:
                outcome = _outcome(future, experiment, missing[i], apart)
                del future  # a cluster keeps what is held
                found.done[missing[i].path] = _stored(outcome, missing[i], origin, packing)
                bar.update(len(missing[i].block), costs[i][0])


def _loose(found):
    """The shards that earlier runs left outside packs."""
    return [part.path for part in found.parts if part.path in found.done and part.path.exists()]


def _let_go(future):
    """End the claim on a block that nobody stores any more."""
    if future.cancelled() or future.exception():
        return
    if isinstance(outcome := future.result(), Claimed):
        outcome.let_go()


def is_executor(workers):
    """Whether it is an executor: of concurrent.futures, or what looks like one (a cluster's)."""
    return callable(getattr(workers, "submit", None)) and not isinstance(workers, type)


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


def _submit(executor, experiment, part, why, mark, apart):
    """The future of a part; `mark`, a file near its shard, if the executor is not our threads."""
    what = experiment.measure, part.block, experiment.alone
    keep = part.underway.absolute(), experiment.save_every
    if mark:
        files = stamp(experiment.measure, part.block)
        return _handed(executor, run_elsewhere, *what, files, Keeping(*keep, mark.absolute()))
    take = why[part.path] not in (FRESH, DAMAGED, ERRORS)
    return executor.submit(run_or_take, part.path, what, keep, apart, take)


def _handed(executor, *call):
    """The future of a call. Raises UserError where the executor was shut down, or gives none."""
    try:
        future = executor.submit(*call)
        if not hasattr(future, "add_done_callback"):
            raise TypeError(f"its submit returned {type(future).__name__}, not a Future")
    except BrokenExecutor as error:
        future = Future()
        future.set_exception(error)
    except Exception as error:
        raise UserError(f"the executor takes no blocks: {named(error)}; {AGAIN}") from error
    return future


def _stored(outcome, part, origin, packing):
    """(rows, origin) of what a block came to, in its shard by now unless it failed."""
    if isinstance(outcome, Taken):
        return outcome
    if isinstance(outcome, Claimed):
        try:
            return _stored(outcome.outcome, part, origin, packing)
        finally:
            outcome.let_go()
    if isinstance(outcome, Elsewhere):
        return _stored(outcome.outcome, part, outcome.origin, packing)
    columns, message, seconds = outcome
    rows = table.of_block(part.block, columns, message)
    if columns is None:
        return rows, None
    _refuse_changed(part)
    made = {**origin, "seconds": seconds, "sources": part.files}
    store.write(rows, part.path, made)
    underway.forget(part.underway)
    packing.add(part.path)
    return rows, made


def _refuse_changed(part):
    """Raise UserError for a task, cell or series that was edited since the shard had its name."""
    now = sources.of_block(part.block)
    if changed := [file for file in now if part.files.get(file) != now[file]]:
        raise UserError(f"{', '.join(changed)} was changed while the run was at work: {AGAIN}")


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
        if not isinstance(outcome, tuple):
            raise UserError(f"the executor returned {outcome!r}, not what the block came to")
        return outcome
    except UserError:
        raise
    except CancelledError:
        raise UserError(GONE) from None
    except (ImportError, AttributeError) as error:  # before the block began: it gives rows
        raise UserError(
            f"a worker cannot load the measure ({named(error)}): install there what it lacks, or "
            'name a measure beside an experiment\'s file, measure="module:function"'
        ) from error
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


def _tell_errors(found):
    failed = found.done.failed()
    if not failed:
        return
    first = failed[0]
    if len(failed) == len(found.parts):
        raise UserError(f"every block failed, the first with {first}")
    say(
        f"{len(failed)} blocks failed: rows with status error, which run again the next time; "
        f"the first with {first}"
    )
