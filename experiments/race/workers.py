"""What a sweep's block costs on a cluster, and how many workers one driver keeps busy."""

import heapq
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from gradlab import runner
from gradlab.errors import UserError, one_of
from gradlab.suite import Experiment, cluster, machine, sweep

COLUMNS = {
    "what": "overhead: blocks that do nothing; speed-up: blocks of the main job, one BLAS thread "
    "each; simulated: a clock that counts",
    "way": "who runs the blocks: threads or processes of the driver, or Dask's workers",
    "workers": "how many at a time",
    "block_seconds": "what a block takes a worker, of the simulated clock (s)",
    "seconds": "wall time of a sweep over its blocks, median over rounds; simulated: of that clock "
    "(s a block)",
    "driver_seconds": "what the driver's process computes for a block (s)",
    "scheduler_seconds": "what the scheduler's process computes for a block (s)",
    "speed_up": "one worker's time over that of so many",
    "busy": "the share of the simulated time in which workers work",
    "blocks": "how many blocks that do nothing a sweep has",
    "radii": "how many spectral radii a block of the main job has",
}
TIMES = ("seconds", "driver_seconds", "scheduler_seconds")
MEASURED = (*TIMES, "speed_up", "busy")
WHATS = ("overhead", "speed-up", "simulated")
MAIN_JOB = {"hidden_size": 100, "sequence_length": "500"}
LONGER = 30  # blocks that do nothing, for each one of the main job
MOST = 4  # workers for each core that are started: 1,000 of them bring a machine to a stop
TRIP = 2e-3  # seconds from the scheduler to a worker and back; a local network's


def nothing(block):
    """The measure of a block that takes no time."""
    return {"same": block.points["number"]}


def measure(block):
    """One row a way, a number of workers and, of the simulated clock, a block's length."""
    what = one_of("what", np.unique(block.points["what"]).item(), WHATS)
    counts, how = block.points["workers"].astype(int), block.constants
    ways = list(zip(block.points["way"].tolist(), counts.tolist(), strict=True))
    columns = {name: np.full(len(ways), np.nan) for name in MEASURED}
    if what == "simulated":
        _, driver, scheduler = _times("overhead", [("cluster", 2)], how)[0]
        lengths = block.points["block_seconds"].tolist()
        seen = [
            simulated(count, seconds, driver, scheduler)
            for (_, count), seconds in zip(ways, lengths, strict=True)
        ]
        columns["seconds"], columns["busy"] = map(np.array, zip(*seen, strict=True))
        columns["driver_seconds"][:], columns["scheduler_seconds"][:] = driver, scheduler
    else:
        columns |= dict(zip(TIMES, _times(what, ways, how).T, strict=True))
        if what == "speed-up":
            times = dict(zip(ways, columns["seconds"], strict=True))
            alone = [times.get((way, 1), np.nan) for way, _ in ways]
            columns["speed_up"] = alone / columns["seconds"]
    where = f"{machine.processor()}, {machine.cores()} cores"
    return columns | {"machine": np.full(len(ways), where)}


def simulated(workers, seconds, driver, scheduler, ahead=None, blocks=40):
    """(seconds a block, share of the time in which workers work), by a clock that only counts.

    Each of the workers has a block of `seconds`; what it sends back waits for the scheduler, then
    for the driver, each of which takes one block after the other and, when the driver is through,
    sends a new one. `ahead` blocks are on their way at once, as many as `Cluster.ahead` says; each
    worker gets `blocks` of them on average. Blocks differ by up to a tenth: no two end together.
    """
    ahead = cluster.A_THREAD * workers + cluster.MORE if ahead is None else ahead
    total, rng = workers * blocks, np.random.default_rng(0)
    lengths = seconds * rng.uniform(0.9, 1.1, total)
    waiting, free = min(ahead, total), [0.0] * workers  # blocks sent, when workers are free
    sent = [0.0] * waiting  # when each of them stands with the scheduler
    schedule, drive, busy, running = 0.0, 0.0, 0.0, []
    started, through = 0, 0
    while through < total:
        while sent and free:
            begin = max(heapq.heappop(sent) + TRIP / 2, heapq.heappop(free))
            heapq.heappush(running, begin + lengths[started])
            busy += lengths[started]
            started += 1
        end = heapq.heappop(running)
        heapq.heappush(free, end)
        schedule = max(schedule, end + TRIP / 2) + scheduler
        drive = max(drive, schedule) + driver
        through += 1
        if waiting < total:
            heapq.heappush(sent, drive)
            waiting += 1
    return drive / total, busy / (workers * drive)


def _times(what, ways, how):
    """(ways, 3): seconds a block on the clock, of the driver's process, of the scheduler's.

    All ways in turn; medians over rounds. Raises UserError for more workers than can be started.
    """
    most = MOST * machine.cores()
    if (workers := max(count for _, count in ways)) > most:
        raise UserError(f"workers={workers}: at most {most} are started; what=simulated takes any")
    experiment = _experiment(what, how)
    with _cluster(max((count for way, count in ways if way == "cluster"), default=0)) as started:
        for way, count in ways:  # once for what is loaded and compiled
            _time(experiment, way, count, started)
        rounds = [
            [_time(experiment, way, count, started) for way, count in ways]
            for _ in range(how["rounds"])
        ]
    return np.median(rounds, 0)


def _experiment(what, how):
    if what == "speed-up":
        seeds = list(range(max(2, how["blocks"] // LONGER)))
        radii = np.linspace(0.5, 1.5, how["radii"])
        values = MAIN_JOB | {"seed": seeds, "spectral_radius": radii}
        return runner.prepare("spectral_radius", True, values)
    return Experiment(
        question="What does a block cost that does nothing?",
        name="nothing",
        file=str(Path(__file__).parents[1] / "cluster.py"),
        grid={"number": range(how["blocks"])},
        split=["number"],
        measure="race.workers:nothing",
        figure=lambda frame: None,
    )


def _time(experiment, way, count, started):
    """The three seconds of `_times`, of one sweep."""
    with _executor(way, count, started) as (executor, scheduler):
        before = time.perf_counter(), time.process_time(), scheduler()
        with tempfile.TemporaryDirectory() as folder:
            frame, origins = sweep.sweep(experiment, folder, executor)
            after = time.perf_counter(), time.process_time(), scheduler()
    if set(frame.status) != {"ok"}:
        raise RuntimeError(f"blocks failed: {Counter(frame.status)}")
    return np.subtract(after, before) / len(origins)


@contextmanager
def _executor(way, count, started):
    """(executor, what tells the scheduler's seconds) of a way with so many workers."""
    if one_of("way", way, ("cluster", "threads", "processes")) == "cluster":
        yield started(count)
    elif way == "threads":
        yield count, lambda: np.nan
    else:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            yield pool, lambda: np.nan


@contextmanager
def _cluster(count):
    """(so many of its workers) -> (executor, what tells the scheduler's seconds)."""
    if not count:
        yield None
        return
    try:
        from distributed import Client, SubprocessCluster
    except ImportError:
        raise UserError(cluster.INSTALL) from None
    how = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": None}
    with (
        SubprocessCluster("127.0.0.1", worker_class="distributed.Worker", **how) as started,
        Client(started.scheduler_address, set_as_default=False) as client,
    ):
        client.wait_for_workers(count)
        workers = sorted(client.scheduler_info(n_workers=-1)["workers"])

        def scheduler():
            return client.run_on_scheduler(time.process_time)

        yield lambda few: (cluster.Cluster(client, workers[:few]), scheduler)
