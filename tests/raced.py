"""What the README says of speed, and what may be claimed, as the table of the reference run says.

    python tests/raced.py

prints both: the paragraph for README.md, which a test holds to the table, and the numbers for GOALS
and the limits in experiments/speed.py.
"""

import math
import re
import textwrap

from gradlab import found, runner
from gradlab.suite import library

found.importable(library.folder())
import speed  # noqa: E402  found beside the race

REFERENCE = library.PACKAGE.parent / "results" / "reference"
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
          "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
          "eighteen", "nineteen", "twenty")  # fmt: skip
NAMES = {"jax": "JAX", "jax by hand": "JAX by hand", "torch": "PyTorch", "torch.func": "torch.func"}
MOODS = 0.87  # of a measured ratio is claimed: what a machine's moods take is some tenth


def paragraph(frame):
    """The README's sentences on who was faster, and on goals."""
    text = f"On {_machine(frame)} {_faster(frame)}. {_main(frame)}. {_goals(frame)}."
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def count(number):
    """A small number as a word."""
    return COUNTS[number] if number < len(COUNTS) else str(number)


def _machine(frame):
    name, cores = re.match(r"(.*), (\d+) cores", frame.machine.dropna().iloc[0]).groups()
    name = re.sub(r"\(R\)|\(TM\)|Processor|CPU|@.*", "", name)
    known = [" ".join(name.split()), f"{_ceiling(frame):.0f} GFlop/s of matrix products"]
    known = [*known, *filter(None, [speed.products(frame)])]
    return f"the {count(int(cores))} cores of the figure ({'; '.join(known)})"


def _ceiling(frame):
    return frame[frame.precision == "float64"].ceiling_gflops.median()


def _faster(frame):
    """Who was faster than ours, in float64 and in float32."""
    works = len(set(frame.work) & set(speed.WORKS))
    wide, narrow = (_ahead(frame, precision) for precision in ("float64", "float32"))
    first = f"none was faster in any of {count(works)} works in float64"
    if wide:
        first = f"of {count(works)} works in float64 {wide}"
    return f"{first}; in float32 {narrow or 'none was either'}"


def _ahead(frame, precision):
    """ "JAX took 0.85 of our time for one sequence": the best of those that were faster, a work."""
    rows = frame[(frame.precision == precision) & (frame.status == "ok")]
    rows = rows[rows.work.isin(speed.WORKS) & (rows.ratio < 1)].sort_values("ratio")
    best = rows.drop_duplicates("work").sort_index()
    return ", ".join(
        f"{NAMES[row.contender]} took {row.ratio:.2f} of our time for {row.work}"
        for row in best.itertuples()
    )


def _main(frame):
    """By how much the peers of the main job were slower, and the best of two other works."""
    hand, vmap, torch = (
        _least(frame, "main job", (one,)) for one in ("jax by hand", "jax", "torch")
    )
    lstm, short = (_least(frame, work, speed.PEERS) for work in ("LSTM", "one sequence"))
    return (
        f"Over the main job's grid JAX by hand took {hand} times as long, `vmap(vmap(grad))` "
        f"{vmap} times, PyTorch net by net {torch} times; the best of all peers took {lstm} times "
        f"as long for an LSTM's minibatch, {short} times for one short sequence"
    )


def _least(frame, work, against):
    ratio = speed.ratio(speed.Goal(work, against, 1, 1))(frame)
    return f"{ratio:.0f}" if ratio >= 9.5 else f"{ratio:.1f}"


def _goals(frame):
    verdicts = [one.verdict for one in speed.standings(frame)]
    reached, beyond = (verdicts.count(verdict) for verdict in ("reached", "beyond the floor"))
    more = f", {count(beyond)} can no program reach" if beyond else ""
    return (
        f"Of the {count(len(verdicts))} goals, which were set before this engine was built and are "
        f"drawn too, {count(reached) if reached else 'none'} {'are' if reached > 1 else 'is'} "
        f"reached{more}"
    )


def claims(frame):
    """Lines: each goal or limit, what was measured, and what may be claimed of it."""
    for one in speed.standings(frame):
        may = max(_down(MOODS * one.measured), 1.0 if one.measured >= 1 else 0.0)
        title = f"{one.goal.work}, {speed.TITLES[one.goal.against]}"
        yield f"{title}: {one.measured:.3g}, claim {may:g} (now {one.goal.claimed})"
    ceiling = speed.ours("large", "ceiling_share")(frame)
    gain = speed.ours("minibatch", "gain", "float32")(frame)
    for name, value, limit in (
        ("CEILING", ceiling, speed.CEILING), ("FLOAT32", gain, speed.FLOAT32)
    ):  # fmt: skip
        yield f"{name}: {value:.3g}, claim {_down(MOODS * value):g} (now {limit.claimed:g})"
    for work, limit in speed.PROCESSES.items():
        seconds = speed.ours(work, "seconds")(frame)
        claim = math.ceil(seconds / MOODS)
        yield f"{work}: {seconds:.3g} s, claim {claim:g} (now {limit.claimed:g})"


def _down(value):
    """Two digits of it, rounded down."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.floor(value / unit) * unit, 6)


def main():
    """Print them."""
    frame = runner.read("speed", REFERENCE)
    print(paragraph(frame), "", *claims(frame), sep="\n")


if __name__ == "__main__":
    main()
