"""Many networks of one shape, one after the other in one compiled call.

A small network's own pass takes less time than what Python does around it. All arrays of all
networks stand one below the other, in the first axis; a network's part is a slice of it.
"""

from numba import types
from numba.extending import overload

from gradlab.kernels.arrays import Direct, Source, Trace
from gradlab.kernels.jit import kernel
from gradlab.kernels.passes import run_forward, way_back


def part_of(weights, number, count):
    """The weights of one of `count` networks."""
    parts = (
        own[len(own) // count * number : len(own) // count * (number + 1)]
        if hasattr(own, "shape")
        else own
        for own in weights
    )
    return type(weights)(*parts)


@overload(part_of)
def _compiled_part_of(weights, number, count):
    def one(name, kind):
        if not isinstance(kind, types.Array):
            return f"weights.{name}"
        size = f"len(weights.{name}) // count"
        return f"weights.{name}[{size} * number : {size} * (number + 1)]"

    kinds = zip(weights.fields, weights.types, strict=True)
    fields = ", ".join(one(name, kind) for name, kind in kinds)
    known = {"Weights": weights.instance_class}
    return _written("weights, number, count", f"Weights({fields})", known)


@kernel
def rows(array, number, count):
    """One network's part of an array."""
    size = len(array) // count
    return array[size * number : size * (number + 1)]


@kernel
def source_rows(source, number, count, steps):
    """One network's part of a source; one as long as a sequence, as x is, serves them all."""
    if len(source.values) == steps:
        return source
    return Source(rows(source.values, number, count), source.columns, source.units)


def rows_of(arrays, number, count):
    """`rows` of each array of a tuple."""
    return tuple(rows(array, number, count) for array in arrays)


def sources_of(sources, number, count, steps):
    """`source_rows` of each source of a tuple."""
    return tuple(source_rows(source, number, count, steps) for source in sources)


def _written(head, expression, known):
    """A function from its text: jitted code builds no tuple entry by entry."""
    exec(f"def implementation({head}): return {expression}", known)
    return known["implementation"]


@overload(rows_of)
def _compiled_rows_of(arrays, number, count):
    every = "".join(f"rows(arrays[{i}], number, count), " for i in range(len(arrays)))
    return _written("arrays, number, count", f"({every})", {"rows": rows})


@overload(sources_of)
def _compiled_sources_of(sources, number, count, steps):
    every = "".join(f"one(sources[{i}], number, count, steps), " for i in range(len(sources)))
    return _written("sources, number, count, steps", f"({every})", {"one": source_rows})


@kernel
def forward_each(count, weights, gain, x, trace):
    """Run `count` networks over the same x (T, B, D); in the trace, T + 1 and T rows of each."""
    for number in range(count):
        own = Trace(rows(trace.state, number, count), rows(trace.saved, number, count))
        span = (0, len(x), own.state.shape[1])
        run_forward(part_of(weights, number, count), gain, x, own, span)


@kernel
def back_each(run, spans, start, direct, adjoint, into):
    """`way_back` of each; run, start = (head, its exponent), direct and into of all."""
    weights, gain, trace = run
    slots, sources, totals, exponents, kept = into
    head, level = start
    count = len(totals[0])
    steps = len(trace.saved) // count
    for number in range(count):
        adjoint.exponent[:] = 0
        adjoint.exponent[steps] = rows(level, number, count)
        part = Trace(rows(trace.state, number, count), rows(trace.saved, number, count))
        readout = rows(direct.readout, number, count)
        exponent = rows(direct.exponent, number, count)
        slope = Direct(rows(direct.slope, number, count), readout, exponent)
        way_back(
            (part_of(weights, number, count), gain, part),
            spans, rows(head, number, count), slope, adjoint,
            (slots, sources_of(sources, number, count, steps), rows_of(totals, number, count),
             rows_of(exponents, number, count), kept),
        )  # fmt: skip
