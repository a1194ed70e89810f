"""Many networks of one shape, one after the other in one compiled call.

A small network's own pass takes less time than what Python does around it. All weights and sums of
all networks stand one below the other, in the first axis; states are gone over by the next one.
"""

from numba import types

from gradlab.kernels.arrays import Sums
from gradlab.kernels.jit import by_types, kernel
from gradlab.kernels.passes import there_and_back


def part_of(weights, number, count):
    """The weights of one of `count` networks."""
    parts = (
        own[len(own) // count * number : len(own) // count * (number + 1)]
        if hasattr(own, "shape")
        else own
        for own in weights
    )
    return type(weights)(*parts)


@by_types(part_of)
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


def rows_of(arrays, number):
    """Entry `number` of each array of a tuple, its axis kept."""
    return tuple(own[number : number + 1] for own in arrays)


@by_types(rows_of)
def _compiled_rows_of(arrays, number):
    every = "".join(f"arrays[{i}][number : number + 1], " for i in range(len(arrays)))
    return _written("arrays, number", f"({every})", {})


def _written(head, expression, known):
    """A function from its text: jitted code builds no tuple entry by entry."""
    exec(f"def implementation({head}): return {expression}", known)
    return known["implementation"]


@kernel
def each_there_and_back(run, x, spans, loss, back):
    """`there_and_back` of each network, with one room for states and records.

    run = (weights of all, gain, trace of one); loss = (target, (V (S, O, N), c (S, O)), (of V, of
    c, dL/do of one), totals (S,), safe (S,)), the last two written; back = (heads' readouts
    (S, O, states), head of one, adjoint, (sums of all, None, kept, omega)).
    """
    weights, gain, trace = run
    target, (V, c), (of_V, of_c, slope), totals, safe = loss
    readouts, head, adjoint, (sums, slots, kept, omega) = back
    count = len(totals)
    for number in range(count):
        for i in range(readouts.shape[1]):
            for j in range(readouts.shape[2]):
                head.readout[i, j] = readouts[number, i, j]
        own = Sums(
            sums.sources,
            sums.place,
            rows_of(sums.joined, number),
            rows_of(sums.exponents, number),
            sums.touched[number : number + 1],
        )
        one = target, (V[number], c[number]), (of_V[number], of_c[number], slope)
        total, is_safe, well = there_and_back(
            (part_of(weights, number, count), gain, trace),
            x,
            spans,
            one,
            (head, adjoint, (own, slots, kept, omega)),
        )
        totals[number], safe[number] = total, is_safe and well
