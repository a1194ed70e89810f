"""How does the cost grow with T, N, B and the number of points?

Each is doubled four times while the others stay: time and peak memory of one batch's gradients
(Network.gradients) and of a block of the main job, whose estimate is held against the clock.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, rows

MOST = {"T": 1.15, "B": 1.15, "points": 1.15, "N": 2.3}
EDGE = 1.5  # factor between estimate and clock


def steepest(frame):
    """The largest exponent of the time, in units of what the quantity may have."""
    full(frame)
    return (frame.exponent_seconds / frame.quantity.map(MOST)).max()


def squared(frame):
    """Time grows with the square of what it grows with."""
    return frame.assign(exponent_seconds=2 * frame.exponent_seconds)


def worst(column):
    """The largest factor between an estimate and what was measured."""

    def measured(frame):
        here = rows(full(frame), call="sweep")
        return np.exp(np.abs(np.log(here[f"estimated_{column}"] / here[column])).max())

    return measured


def full(frame):
    """The table, if it holds the four doublings; a quick run's few prove nothing."""
    if frame.doubling.max() < 4:
        raise NotMeasured("needs four doublings")
    return frame


def three_times_more(frame):
    """The estimates are three times what they were."""
    return frame.assign(
        estimated_seconds=3 * frame.estimated_seconds, estimated_bytes=3 * frame.estimated_bytes
    )


def figure(frame):
    """Time, memory and estimate over the factor by which a quantity grew."""
    drawing, axes = style.panels(1, 3, size=(16.0, 6.0))
    colours = dict(zip(MOST, (VANISHING, "#f3b391", CRITICAL, EXPLODING),
                       strict=True))  # fmt: skip
    for (call, quantity), here in frame.groupby(["call", "quantity"]):
        here = here.sort_values("value")
        grown = here.value / here.value.iloc[0]
        look = {"color": colours[quantity], "ls": "-" if call == "batch" else "--", "marker": "o"}
        for panel, name, unit in ((axes[0], "seconds", 1e3), (axes[1], "bytes", 2**-20)):
            label = f"{call}, {quantity}: {here[f'exponent_{name}'].iloc[0]:.2f}"
            panel.plot(grown, here[name] * unit, label=label, **look)
        if call == "sweep":
            axes[2].plot(grown, here.estimated_seconds / here.seconds, label=quantity, **look)
    for panel, label in zip(axes, ("ms", "MiB above the process's own", "estimate / clock"),
                            strict=True):  # fmt: skip
        panel.set(xscale="log", yscale="log", xlabel="factor of the quantity", ylabel=label)
        panel.set_xscale("log", base=2)
        panel.legend(fontsize=9)
    axes[2].set_yscale("linear")
    axes[2].axhspan(1 / EDGE, EDGE, color=MUTED, alpha=0.15, lw=0)
    style.titles(axes, ["time, and its exponent", "peak memory", "what `gradlab run` foretells"])
    style.headline(drawing, "Cost grows with T, B and points in proportion, with N to its square")
    style.caption(
        drawing,
        f"batch: Network.gradients of T = 200, N = 32, B = 32; sweep: a block of the main job with "
        f"200 steps, 32 units, 32 radii, all cores at work; one quantity doubled; "
        f"{frame.machine.iloc[0]}",
    )
    return drawing


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
    measure="gradlab.race.growth:measure",
    figure=figure,
    claims=[
        Claim(
            name="growth",
            about={"rounds": Span(9)},
            statement="time grows with T, B and points at most in proportion, with N to its square",
            source="2 N^2 flops a product, three products a step and lane",
            measured=steepest,
            at_most=1.0,
            why="in units of 1.15 for T, B and points and of 2.3 for N",
            control=squared,
        ),
        Claim(
            name="the estimate of time",
            about={"rounds": Span(9)},
            statement="`gradlab run` foretells a block's seconds within a factor of 1.5",
            source="the clock",
            measured=worst("seconds"),
            at_most=EDGE,
            why="a factor over all doublings",
            control=three_times_more,
        ),
        Claim(
            name="the estimate of memory",
            about={"rounds": Span(9)},
            statement="and its peak memory within a factor of 2",
            source="VmHWM of a process of its own",
            measured=worst("bytes"),
            at_most=2.0,
            why="small blocks share pages with what was there before",
            control=three_times_more,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
