"""One grid, one machine, the same bits: whatever the workers, their number and their order."""

import random
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import numpy as np

import gradlab
from cluster import running
from faults.tally import Tally, wrong
from gradlab.runner import prepare
from gradlab.suite import cluster, survey, sweep

WHAT, HOW = "determinism", "1, 2 and 8 threads, processes, Dask, blocks in random orders"
SETS = {
    "spectral_radius": {"seed": "0,1,2,3", "hidden_size": 12, "sequence_length": "10,25"},
    "sequence_length": {"seed": "0,1,2", "hidden_size": 12},
    "training_map": {"batch": 2, "updates": 40, "evaluate_every": 20, "evaluation_size": 8},
}
SHORT = ("spectral_radius",)


class Shuffled(Executor):
    """Runs blocks one by one in a random order, each when it is the last one to be waited for."""

    def __init__(self, seed, count):
        self.random, self.count, self.waiting = random.Random(seed), count, []

    def submit(self, function, *arguments):
        future = Future()
        self.waiting.append((future, function, arguments))
        if len(self.waiting) == self.count:
            self.random.shuffle(self.waiting)
            for one, call, given in self.waiting:
                one.set_result(call(*given))
        return future


def run(full, place):
    """Sweeps of real measures, and one training."""
    tally = Tally()
    for name in SETS if full else SHORT:
        experiment = prepare(name, True, SETS[name])
        count = len(survey.blocks_of(experiment, place))
        first, _ = sweep.sweep(experiment, place / name / "1", 1)
        ways = {"2 threads": 2, "8 threads": 8, "shuffled": Shuffled(0, count)}
        if full:
            ways |= {f"shuffled {seed}": Shuffled(seed, count) for seed in range(1, 6)}
        with ExitStack() as stack:
            start = stack.enter_context
            ways["processes"] = start(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
            if full:
                (place / name / "cluster").mkdir()
                address = start(running(place / name / "cluster", 2)).address
                ways["Dask"] = start(cluster.connected(address))
            for way, workers in ways.items():
                again, _ = sweep.sweep(experiment, place / name / way, workers)
                same = _same(first, again)
                tally.trial(wrong(same, f"{name} by {way}: other bits"))
    _training(tally)
    return tally


def _same(one, other):
    """All bits alike, but for the columns that tell seconds."""
    timed = [c for c in one if "second" in c]
    one, other = one.drop(columns=timed), other.drop(columns=timed)
    return one.to_csv() == other.to_csv() and all(
        np.array_equal(one[c], other[c], equal_nan=one[c].dtype.kind == "f") for c in one
    )


def _training(tally):
    """The same losses with and without a break, and beside another one in a thread."""
    from concurrent.futures import ThreadPoolExecutor

    def losses(stop=None):
        net = gradlab.Network.draw(inputs=6, hidden=8, outputs=4)
        training = gradlab.Training(net, "temporal_order", gradlab.Plan(
            sequence_length=12, updates=60, batch=4, seed=2))  # fmt: skip
        training.run(until=stop)
        training.run()
        return training.losses

    first = losses()
    with ThreadPoolExecutor(8) as pool:
        for again in pool.map(losses, [None, 7, 30, 59, None, 1, 20, None]):
            tally.trial(wrong(again == first, "a training of other bits"))
