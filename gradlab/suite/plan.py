"""What a sweep will cost, said before it starts, and whether this machine can hold it."""

import numbers

import numpy as np

from gradlab.errors import UserError, placed, told
from gradlab.suite import machine
from gradlab.suite.work import resolve

GIB = 2**30


def estimates(measure, blocks):
    """[(seconds, bytes)] of one worker for each block, zeros if the measure cannot tell.

    Raises UserError if the measure's `estimate` refuses the block's parameters.
    """
    estimate = resolve(measure)[1]
    if estimate is None:
        return [(0.0, 0)] * len(blocks)
    try:
        with np.errstate(all="ignore"):
            return [estimate(block) for block in blocks]
    except (ValueError, TypeError) as error:
        raise UserError(told(error)) from error
    except Exception as error:
        raise UserError(f"what a block costs cannot be told: {placed(error)}") from error


def threads(costs, wanted=None, blocks=()):
    """How many threads can work at once without running out of memory; all cores are wanted.

    Raises UserError for a number of threads that cannot be, and if a single block does not fit;
    `blocks`, if given, tell what it is made of.
    """
    sizes = sorted((size for _, size in costs), reverse=True)
    count = min(_wanted(wanted), len(sizes))
    free = machine.available()
    if free is None:
        return count
    if sizes[0] > free:
        largest = max(range(len(costs)), key=lambda i: costs[i][1])
        what = _extent(blocks[largest]) if blocks else ""
        raise UserError(
            f"a block needs {sizes[0] / GIB:.2f} GiB and {free / GIB:.2f} GiB are free{what}: "
            "make it smaller, by fewer values on the axes inside a block or a finer split"
        )
    while sum(sizes[:count]) > free:
        count -= 1
    return count


def _wanted(wanted):
    """The number of threads that is asked for, None for all cores."""
    if wanted is None:
        return machine.cores()
    if not isinstance(wanted, numbers.Integral) or isinstance(wanted, bool) or wanted < 1:
        raise UserError(f"workers={wanted!r}: not a whole number above 0")
    return int(wanted)


def _extent(block):
    """What makes a block large: its axes' numbers of values and largest ones, its sizes."""
    axes = {axis: values for axis, values in block.points.items() if values.dtype.kind in "iuf"}
    parts = [
        f"{axis} up to {values.max():g}" + (f", {count} values" if count > 1 else "")
        for axis, values in axes.items()
        if (count := len(set(values.tolist())))
    ]
    sizes = {k: v for k, v in block.constants.items() if type(v) is int}
    return f" ({'; '.join([*parts, *(f'{name} {size}' for name, size in sizes.items())])})"


def describe(costs, count):
    """What `count` threads will take, or, for workers elsewhere (None), all blocks one by one."""
    seconds, sizes = (sorted(column, reverse=True) for column in zip(*costs, strict=True))
    where = "" if count is None else f" on {count} thread{'s'[: count - 1]}"
    if not any(seconds):
        return where
    if count is None:
        return f": about {duration(sum(seconds))} of one worker, {_size(sizes[0])} each"
    return f"{where}: about {duration(wait(costs, count))}, {_size(sum(sizes[:count]))}"


def wait(costs, count):
    """The seconds that `count` threads will take, 0 for workers elsewhere (None)."""
    seconds = [seconds for seconds, _ in costs]
    return max(sum(seconds) / count, *seconds) if count else 0.0


def duration(seconds):
    """Seconds as a person says them."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _size(size):
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / 2**20:.0f} MiB"
