"""Grid -> blocks -> executor -> rows. Only the driver, which is here, writes."""

from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradlab.errors import UserError, named
from gradlab.files import remove_stale
from gradlab.suite import plan, progress, provenance, sources, store, table
from gradlab.suite.grid import Block, blocks
from gradlab.suite.work import run_block
from gradlab.threads import one_blas_thread


class Part(NamedTuple):
    """A block, the places of its points in the grid, its shard, and the sources it is of."""

    block: Block
    positions: np.ndarray
    path: Path
    files: dict


def sweep(experiment, folder, executor=None, fresh=False):
    """(table, origins): the rows in the grid's order, and what computed the blocks.

    executor: any concurrent.futures.Executor, a number of threads, or None for a thread a core.
    Blocks that are stored under `folder` are not run again unless `fresh`; a block that raises
    gives rows with status "error" and runs again the next time. Raises UserError for input that
    the measure refuses, for a block that does not fit into memory, and if every block fails.
    """
    shards = Path(folder) / f"{experiment.name}.shards"
    remove_stale(shards)
    parts = _parts(experiment, shards)
    done = {} if fresh else _stored(parts)
    missing = [part for part in parts if part.path not in done]
    points = sum(len(part.block) for part in parts)
    print(f"{experiment.name}: {points} points in {len(parts)} blocks, {len(done)} of them stored")
    if missing:
        _tell_strangers(parts, missing)
        _run(experiment, missing, done, 1 if experiment.alone else executor)
        _tell_errors(parts, done)
    rows = [done[part.path][0] for part in parts]
    frame = table.in_order(rows, [part.positions for part in parts])
    return frame, [origin for _, origin in done.values() if origin]


def _parts(experiment, shards):
    """The blocks, each with its shard POINTS-SOURCES.parquet."""
    common, parts = sources.of(experiment.measure), []
    for block, positions in blocks(experiment):
        files = common | sources.of_block(block)
        name = f"{sources.points_key(block)}-{sources.key(files)}.parquet"
        parts.append(Part(block, positions, shards / name, files))
    return parts


def _stored(parts):
    """path -> (rows, origin) of the blocks that a former run left."""
    done = {}
    for part in parts:
        try:
            if shard := store.read_shard(part.path, part.block):
                done[part.path] = shard
        except store.Damaged:
            print(f"stored block {part.path.stem} is damaged: it runs again")
    return done


def _run(experiment, missing, done, executor):
    """Run blocks, the slowest first; each goes into `done` and into its shard."""
    waiting = [part.block for part in missing]
    costs = plan.estimates(experiment.measure, waiting)
    threads = None if _takes(executor) else plan.threads(costs, executor, waiting)
    print(f"{len(missing)} blocks to run{plan.describe(costs, threads)}")
    missing[0].path.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    order = sorted(range(len(missing)), key=lambda i: -costs[i][0])
    hold = nullcontext() if experiment.alone else one_blas_thread()
    with hold, _workers(executor, threads) as workers:
        futures = {_submit(workers, experiment, missing[i].block): missing[i] for i in order}
        try:
            _collect(futures, done)
        except KeyboardInterrupt:
            left = sum(not part.path.exists() for part in missing)
            print(f"interrupted: the same command, without --fresh, runs the {left} missing blocks")
            raise
        finally:  # one by one: not every executor knows shutdown(cancel_futures=)
            for future in futures:
                future.cancel()


def _takes(executor):
    """Whether it is an executor: of concurrent.futures, or what looks like one (a cluster's)."""
    return isinstance(executor, Executor) or hasattr(executor, "submit")


@contextmanager
def _workers(executor, threads):
    """The executor itself, or threads that are left alone at the end: they cannot be stopped."""
    if threads is None:
        yield executor
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False)


def _submit(workers, experiment, block):
    try:
        return workers.submit(run_block, experiment.measure, block, experiment.alone)
    except BrokenExecutor as error:
        failed = Future()
        failed.set_exception(error)
        return failed


def _collect(futures, done):
    """Take results as they come; each future is let go at once, a cluster keeps what is held."""
    origin = provenance.origin()
    total = sum(len(part.block) for part in futures.values())
    with progress.bar(total) as bar:
        for future in as_completed(list(futures)):
            part = futures[future]
            columns, message, seconds = _outcome(future)
            rows = table.of_block(part.block, columns, message)
            made = None if columns is None else {**origin, "seconds": seconds}
            if made:
                store.write(rows, part.path, {**made, "sources": part.files})
            done[part.path] = rows, made
            del futures[future]
            bar.update(len(part.block))


def _outcome(future):
    """What `run_block` returned; a worker that died is a failed block, wrong input is raised."""
    try:
        return future.result()
    except UserError:
        raise
    except Exception as error:
        return None, named(error), 0.0


def _tell_strangers(parts, missing):
    known = {part.path for part in parts}
    if others := [p for p in parts[0].path.parent.glob("[!.]*.parquet") if p not in known]:
        print(
            f"{len(others)} stored blocks belong to another grid or to older sources; "
            f"{len(missing)} blocks run again"
        )


def _tell_errors(parts, done):
    failed = [rows for rows, origin in (done[part.path] for part in parts) if origin is None]
    if not failed:
        return
    first = failed[0]["message"].iloc[0]
    if len(failed) == len(parts):
        raise UserError(f"every block failed, the first with {first}")
    print(f"{len(failed)} blocks failed and are rows with status error, the first with {first}")
