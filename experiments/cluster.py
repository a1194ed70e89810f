"""How many workers does one driver keep busy?

`gradlab run --cluster` hands blocks to Dask's workers; only the driver writes. Measured on this
machine: what a block costs that does nothing, and how much faster two workers are than one. How
long blocks must be so that 1,000 workers do not wait for the driver is told by a clock that only
counts: each block costs the driver and the scheduler what they were measured to compute for one.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, page
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Reading,
    Span,
    largest,
    median,
    rows,
    scaled,
)

INKS = dict(zip((1, 10, 100, 1000), (MUTED, VANISHING, CRITICAL, EXPLODING), strict=True))
WAYS = {"threads": VANISHING, "processes": CRITICAL, "cluster": EXPLODING}
NAMES = {"threads": "threads", "processes": "processes", "cluster": "Dask workers"}


def slower(frame):
    """The seconds that a block costs the slower one of driver and scheduler."""
    return frame[["driver_seconds", "scheduler_seconds"]].max(axis=1)


def off_the_law(frame):
    """How far the share of busy workers is from min(1, block / (workers x what one costs))."""
    law = (frame.block_seconds / (frame.workers * slower(frame))).clip(upper=1)
    return (frame.busy - law).abs()


def over_threads(frame):
    """The time of two workers over that of two threads, for blocks of the main job."""
    times = [
        rows(frame, what="speed-up", way=way, workers=2).seconds.median()
        for way in ("cluster", "threads")
    ]
    return times[0] / times[1]


def longer(frame):
    """A cluster whose blocks take half as long again."""
    seconds = frame.seconds.where(frame.way != "cluster", 1.5 * frame.seconds)
    return frame.assign(seconds=seconds)


def shortest(workers):
    """The block's length from which on so many workers work nine tenths of the time."""

    def read(frame):
        here = rows(frame, what="simulated", workers=workers).sort_values("block_seconds")
        if here.busy.min() > 0.9 or here.busy.max() < 0.9:
            raise NotMeasured("needs lengths on both sides of nine tenths")
        return np.exp(np.interp(0.9, here.busy, np.log(here.block_seconds)))

    return Reading(f"length from which on {workers} workers work 0.9 of the time (s)", read)


def costs(panel, frame):
    """What a block costs that does nothing: on the clock, by who runs it."""
    for place, (_, row) in enumerate(frame.iterrows()):
        panel.barh(place, 1e3 * row.seconds, color=WAYS[row.way])
        panel.text(1e3 * row.seconds, place, f"  {1e3 * row.seconds:.2f}", va="center")
    panel.set_yticks(
        range(len(frame)), [f"{row.workers} {NAMES[row.way]}" for row in frame.itertuples()]
    )
    panel.set(xlabel="ms a block", xlim=(0, 1.25e3 * frame.seconds.max()))
    panel.invert_yaxis()


def gains(panel, frame):
    """How much faster so many workers are than one of their kind."""
    for way, here in frame.groupby("way", sort=False):
        panel.plot(here.workers, here.speed_up, "o-", color=WAYS[way], label=NAMES[way])
    most = int(frame.workers.max())
    panel.plot([1, most], [1, most], ":", color=MUTED, label="in proportion")
    panel.set(xlabel="workers", ylabel="times as fast as one", xticks=range(1, most + 1))
    panel.legend()


def shares(panel, frame):
    """The share of the simulated time in which workers work, and the law as a dotted line."""
    fine = np.geomspace(frame.block_seconds.min(), frame.block_seconds.max(), 200)
    for workers, here in frame.groupby("workers"):
        ink = INKS.get(workers, MUTED)
        law = np.minimum(1, fine / (workers * slower(here).median()))
        panel.plot(fine, law, ":", color=ink)
        panel.plot(
            here.block_seconds,
            here.busy,
            "o-",
            color=ink,
            label=f"{workers:,.0f} worker{'s'[: workers - 1]}",
        )
    panel.set(xscale="log", xlabel="length of a block (s)", ylabel="share of the time at work")
    panel.legend()


def headline(frame):
    """How long a block must be for the most workers, where that was seen."""
    try:
        least = shortest(1000)(frame)
    except NotMeasured:
        return "How many workers does one driver keep busy?"
    return f"1,000 workers wait for their driver where a block takes less than {least:.0f} s"


figure = page(
    headline,
    "overhead: {blocks} blocks that do nothing; speed-up: a thirtieth as many of the main job (100 "
    "units, 500 steps, {radii} radii), in turn; median over {rounds} rounds; {machine}\n"
    "simulated: as many blocks on their way as `gradlab run --cluster` has; dotted: min(1, block / "
    "(workers x seconds that a block costs the driver, or the scheduler if that is more))",
    [
        Panel("a block that does nothing", costs, {"what": "overhead"}),
        Panel("more workers", gains, {"what": "speed-up"}),
        Panel("one driver, by a simulated clock", shares, {"what": "simulated"}),
    ],
    size=(17.0, 5.5),
)
ABOUT = {"rounds": Span(3), "blocks": Span(300), "radii": 61}
LENGTHS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
experiment = Experiment(
    question="How many workers does one driver keep busy?",
    grid=[
        {"what": ["overhead"], "way": [*WAYS], "workers": [2], "block_seconds": [0.0]},
        {
            "what": ["speed-up"],
            "way": ["threads", "cluster"],
            "workers": [1, 2],
            "block_seconds": [0.0],
        },
        {
            "what": ["simulated"],
            "way": ["cluster"],
            "workers": [*INKS],
            "block_seconds": LENGTHS,
        },
    ],
    split=["what"],
    alone=True,
    constants={"rounds": 3, "blocks": 300, "radii": 61},
    quick={"rounds": 1, "blocks": 60, "workers": [1, 2]},
    measure="race.workers:measure",
    figure=figure,
    claims=[
        Claim(
            "overhead",
            "a block that does nothing costs at most 20 ms on a cluster of two workers",
            source="the clock",
            measured=median("seconds", what="overhead", way="cluster"),
            at_most=0.02,
            why="both workers, the scheduler and the driver share the cores",
            control=scaled("seconds", 10),
            about=ABOUT,
        ),
        Claim(
            "as fast as threads",
            "two workers of a cluster take at most 1.25 times as long as two threads for blocks of "
            "the main job",
            source="the clock",
            measured=over_threads,
            at_most=1.25,
            why="the driver and the scheduler want a core as well",
            control=longer,
            about=ABOUT,
        ),
        Claim(
            "one driver",
            "workers are busy for min(1, block / (workers x what a block costs driver or "
            "scheduler)) of the simulated time",
            source="a queue of one server: its rate bounds what comes through",
            measured=largest(off_the_law, what="simulated"),
            at_most=0.1,
            why="the last blocks of a sweep find no successor, and a message takes its time",
            control=scaled("driver_seconds", 3),
            about=ABOUT,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
