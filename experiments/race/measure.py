"""One work, all contenders: proof that they agree, then the race, then a row for each."""

import importlib.util
import platform
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from gradlab.errors import one_of
from gradlab.suite import machine
from race import agree, blas, ceiling, clock, ours, process, with_jax, with_torch, works
from race.arithmetic import arithmetic
from race.clock import Way

LIBRARIES = {form: library for library in (ours, with_jax, with_torch) for form in library.FORMS}
QUICK_PRODUCT = 512
COLUMNS = {
    "work": "what is computed: experiments/race/works.py",
    "contender": "whose program computes it",
    "precision": "float64 or float32",
    "shrink": "divides the sizes of the works; 1: as they are",
    "seconds": "median of the rounds' time of a call, the whole work (s)",
    "seconds_low": "lower quartile of the rounds (s)",
    "seconds_high": "upper quartile of the rounds (s)",
    "ratio": "time over ours in the same precision, median of the rounds' pairs",
    "ratio_low": "lower quartile of the ratios",
    "ratio_high": "upper quartile of the ratios",
    "gain": "time of ours in float64 over this one's, median of the rounds' pairs",
    "gain_low": "lower quartile of the gains",
    "gain_high": "upper quartile of the gains",
    "warm_seconds": "the first call: compilation and warm-up, outside the clock (s)",
    "repetitions": "calls in a turn",
    "share_timed": "the part of the work that was timed",
    "form": "the way that was the fastest on trial",
    "threads": "its threads",
    "library": "its library and version",
    "error": "largest relative difference to ours in float64",
    "gflop": "floating-point operations that no exact program saves (10^9)",
    "activations": "activations that no exact program saves",
    "ceiling_gflops": "the best matrix product of the same rounds, on all threads (10^9 flops/s)",
    "ceiling_gflops_one_thread": "the same on one thread (10^9 flops/s)",
    "ceiling_share": "the part of ceiling_gflops that gflop over seconds is",
    "floor_seconds": "gflop at that rate, and the activations: no program is faster (s)",
    "floor_share": "the part of seconds that floor_seconds is",
    "updates_per_second": "of a training (1/s)",
    "blas": "whose kernels multiply for ours and for the ceiling: library, version, kernels",
    "blas_warning": "why these are not the best kernels of the machine; empty: they are",
}


class Entry(NamedTuple):
    """A contender that is ready, or why it is not: ok, not installed, not raced, differs, error."""

    way: Way | None
    error: float = np.nan
    status: str = "ok"
    message: str = ""


def measure(block):
    """One row a contender and precision, for a block of one work: the columns of COLUMNS.

    status: ok, not installed, not raced (no form for this work), differs, error.
    """
    name = one_of(
        "work", np.unique(block.points["work"]).item(), (*process.PROCESSES, *works.WORKS)
    )
    for contender in block.points["contender"]:
        one_of("contender", contender, LIBRARIES)
    if name in process.PROCESSES:
        return process.measure(block, name) | _place(len(block))
    quick = block.constants["shrink"] > 1
    work = works.WORKS[name].smaller(block.constants["shrink"])
    points = list(zip(block.points["contender"], block.points["precision"], strict=True))
    entries = _entries(work, dict.fromkeys([("ours", "float64"), *points]), quick)
    tops = _tops({precision for _, precision in entries}, quick)
    racing = {key: entry.way for key, entry in entries.items() if entry.way}
    ways = [*racing.values(), *(way for top in tops.values() for _, way in top)]
    times, counts = clock.race(ways, block.constants["rounds"])
    clocked = dict(zip(racing, times.T, strict=False))
    rates = _rates(tops, times[:, len(racing) :])
    rows = [
        _row(key, entries[key], clocked)
        | _limits(work, key[1], rates[key[1]], entries[key].way and clocked[key])
        | {"repetitions": dict(zip(racing, counts, strict=False)).get(key, 0)}
        for key in points
    ]
    return {column: [row[column] for row in rows] for column in rows[0]} | _place(len(rows))


def _place(count):
    where = f"{machine.processor()}, {machine.cores()} cores, {platform.system()}"
    return {name: [text] * count for name, text in {"machine": where, **blas.here()}.items()}


def _entries(work, keys, quick):
    """(contender, precision) -> Entry; what ours gives in float64 is what all are held to."""
    proofs = works.proofs(works.problem(work))
    rights = [ours.ways(problem, "ours")[0].run() for problem in proofs]
    return {key: _entry(work, key, rights, quick) for key in keys}


def _entry(work, key, rights, quick):
    library = LIBRARIES[key[0]]
    if importlib.util.find_spec(library.LIBRARY) is None:
        return Entry(None, status="not installed", message=f"no {library.LIBRARY}: extra [peers]")
    try:
        return _proved(work, key, rights, quick)
    except Exception as failure:  # whatever a peer raises is its own row, not the end of the race
        if library is ours:
            raise
        text = " ".join(str(failure).split())[:200]
        return Entry(None, status="error", message=f"{type(failure).__name__}: {text}")


def _proved(work, key, rights, quick):
    """The fastest way of a contender, if it computes what ours does."""
    form, precision = key
    library, problem = LIBRARIES[form], works.problem(work, precision)
    ways = library.ways(problem, form)[: 1 if quick else None]
    if not ways:
        return Entry(None, status="not raced", message=f"{form} has no form for this work")
    chosen = clock.best(ways)
    at = ways.index(chosen)
    error = 0.0
    for proof, right in zip(works.proofs(problem), rights, strict=True):
        way = library.ways(proof, form)[at]
        error = max(error, agree.difference(arrays(way.run()), way.part(right)))
    if error <= agree.TOLERANCE[precision]:
        return Entry(chosen, error)
    message = f"{error:.1e} from ours, allowed {agree.TOLERANCE[precision]:.0e}"
    return Entry(None, error, "differs", message)


def arrays(result):
    """A contender's result as NumPy arrays."""
    return {
        name: np.asarray(value.detach() if hasattr(value, "detach") else value)
        for name, value in result.items()
    }


def _tops(precisions, quick):
    sizes = (QUICK_PRODUCT,) if quick else ceiling.SIZES
    tops = {precision: ceiling.products(precision, sizes) for precision in sorted(precisions)}
    for top in tops.values():
        for _, way in top:
            clock.best([way])
    return tops


def _rates(tops, times):
    """precision -> {threads: the best median flops a second of all sizes}."""
    rates, columns = {}, iter(np.median(times, axis=0))
    for precision, top in tops.items():
        rates[precision] = {}
        for flops, way in top:
            best = max(rates[precision].get(way.threads, 0.0), flops / next(columns))
            rates[precision][way.threads] = best
    return rates


def _row(key, entry, clocked):
    """What the clock and the proof say of a contender."""
    way = entry.way or Way("", 0, None)
    seconds = clocked.get(key, np.array([np.nan]))
    same = clocked.get(("ours", key[1]), np.array([np.nan]))
    library = LIBRARIES[key[0]].LIBRARY
    known = entry.status != "not installed"
    return {
        **_named("seconds", seconds),
        **_named("ratio", seconds / same),
        **_named("gain", clocked["ours", "float64"] / seconds),
        "warm_seconds": way.warm,
        "share_timed": way.share,
        "form": way.form,
        "threads": way.threads,
        "library": f"{library} {version(library)}" if known else "",
        "error": entry.error,
        "status": entry.status,
        "message": entry.message,
    }


def _named(name, values):
    return dict(zip((name, f"{name}_low", f"{name}_high"), clock.spread(values), strict=True))


def _limits(work, precision, rates, seconds):
    """The ceiling, the floor, and how near `seconds` (rounds,) came to them."""
    flops, activations = arithmetic(work)
    threads, rate = max(rates.items(), key=lambda item: item[1])
    floor = ceiling.floor((flops, activations), rate, threads, precision)
    median = np.nan if seconds is None else np.median(seconds)
    return {
        "gflop": flops / 1e9,
        "activations": activations,
        "ceiling_gflops_one_thread": rates[1] / 1e9,
        "ceiling_gflops": rate / 1e9,
        "ceiling_share": flops / median / rate,
        "floor_seconds": floor,
        "floor_share": floor / median,
        "updates_per_second": work.updates / median if work.updates else np.nan,
    }
