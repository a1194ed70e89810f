"""How does the cost grow with T, N, B and the number of points?

Each is doubled four times while the others stay: time and peak memory of one batch's gradients
(Network.gradients) and of a block of the main job, whose estimate is held against the clock. An
exponent is the slope of the straight line through log time over log quantity; below those of the
flops, for a small work leaves much of the time to what does not grow.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, page
from gradlab.suite import Claim, Experiment, Span, every, largest, scaled

FLOPS = {"T": 1.0, "B": 1.0, "points": 1.0, "N": 2.0}  # exponents of the products' flops
EDGE = 1.75  # factor between estimate and clock
COLOURS = dict(zip(FLOPS, (VANISHING, "#f3b391", CRITICAL, EXPLODING), strict=True))
WHOLE = {"doubling": every(range(5))}  # a quick run's two prove nothing


def exponent_over_flops(frame):
    """The exponent of the time over that of the flops."""
    return frame.exponent_seconds / frame.quantity.map(FLOPS)


def miss(column):
    """The factor between an estimate and what was measured, 1 or more."""

    def factor(frame):
        return np.exp(np.log(frame[f"estimated_{column}"] / frame[column]).abs())

    factor.__name__ = f"factor between estimated and measured {column}"
    return factor


def growth(column, unit, label):
    """A panel of a column over the factor by which a quantity grew, its exponent in the legend."""

    def draw(panel, frame):
        for (call, quantity), here in frame.groupby(["call", "quantity"]):
            line = "-" if call == "batch" else "--"
            text = f"{call}, {quantity}: {here[f'exponent_{column}'].iloc[0]:.2f}"
            panel.plot(2.0**here.doubling, here[column] * unit, f"{line}o", label=text,
                       color=COLOURS[quantity])  # fmt: skip
        panel.set(yscale="log", xlabel="factor of the quantity", ylabel=label)
        panel.set_xscale("log", base=2)
        panel.legend(fontsize=9, handlelength=3.5)

    draw.__doc__ = f"The {column} of a call over the factor of what was doubled, and the exponent."
    return draw


def foretold(panel, frame):
    """The estimate of the time over the clock, and the factor within which it should be."""
    for quantity, here in frame.groupby("quantity"):
        ratio = here.estimated_seconds / here.seconds
        panel.plot(2.0**here.doubling, ratio, "--o", color=COLOURS[quantity], label=quantity)
    panel.axhspan(1 / EDGE, EDGE, color=MUTED, alpha=0.15, lw=0)
    panel.set(xlabel="factor of the quantity", ylabel="estimate / clock", ylim=(0.45, 2.2))
    panel.set_xscale("log", base=2)
    panel.legend(fontsize=9, ncols=3, loc="upper left")


figure = page(
    "Time grows as T, B and the points do, or slower, and slower than the square of N",
    "batch: Network.gradients of T = 200, N = 32, B = 32; sweep: a block of the main job with "
    "200 steps, 32 units, 32 radii, all cores at work; one quantity doubled; {machine}",
    [
        Panel("time, and its exponent", growth("seconds", 1e3, "ms")),
        Panel("peak memory", growth("bytes", 2**-20, "MiB above the process's own")),
        Panel("what `gradlab run` foretells", foretold, {"call": "sweep"}),
    ],
    size=(16.0, 6.0),
)
experiment = Experiment(
    question="How does the cost grow with T, N, B and the number of points?",
    grid=[
        {"call": ["batch"], "quantity": ["T", "N", "B"], "doubling": range(5)},
        {"call": ["sweep"], "quantity": ["T", "N", "points"], "doubling": range(5)},
    ],
    split=["call", "quantity"],
    alone=True,
    constants={"rounds": 9},
    quick={"doubling": [0, 1], "quantity": ["T"], "rounds": 3},
    measure="race.growth:measure",
    figure=figure,
    claims=[
        Claim(
            "growth",
            "time grows with T, B and points in proportion at most, N as its square",
            source="2 N^2 flops a product, three products a step and lane",
            measured=largest(exponent_over_flops, **WHOLE),
            at_most=1.1,
            why="in units of the flops' exponents; large batches leave the caches",
            control=scaled("exponent_seconds", 2),
            about={"rounds": Span(9)},
        ),
        Claim(
            "the estimate of time",
            "`gradlab run` foretells a block's seconds within a factor of 1.75",
            source="the clock",
            measured=largest(miss("seconds"), call="sweep", **WHOLE),
            at_most=EDGE,
            why="a factor over all doublings",
            control=scaled("estimated_seconds", 3),
            about={"rounds": Span(9)},
        ),
        Claim(
            "the estimate of memory",
            "and its peak memory within a factor of 2",
            source="VmHWM of a process of its own",
            measured=largest(miss("bytes"), call="sweep", **WHOLE),
            at_most=2.0,
            why="small blocks share pages with what was there before",
            control=scaled("estimated_bytes", 3),
            about={"rounds": Span(9)},
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
