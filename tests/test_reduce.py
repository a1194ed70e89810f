"""Staying in range, and sums over steps: each helper of the way back against exact rationals."""

from fractions import Fraction

import numpy as np
import pytest

from gradlab.kernels import elementwise, sums
from gradlab.kernels import range as ranges
from gradlab.kernels.arrays import Adjoint, Direct, Source
from gradlab.nets import bptt

STEPS, LANES, UNITS = 6, 3, 4
DTYPES = [np.float64, np.float32]
# Widths over which exponents of steps, and sizes of sources, are spread: powers of two.
SPREADS = {np.float64: (0, 40, 350, 3000), np.float32: (0, 20, 60, 400)}
SIZES = {np.float64: (0, 450, 900), np.float32: (0, 40, 80)}


def exact(values, exponent=0):
    """Values * 2^exponent as an object array of fractions; exponent broadcasts."""
    levels = np.broadcast_to(exponent, np.shape(values))
    pairs = zip(np.ravel(values), levels.ravel(), strict=True)
    return np.array(
        [Fraction(float(v)) * Fraction(2) ** int(e) for v, e in pairs], dtype=object
    ).reshape(np.shape(values))


def near(array, exponent, right, dtype, bound=None):
    """Whether array * 2^exponent is right (fractions) up to rounding of the largest terms."""
    bound = np.abs(right).max() if bound is None else bound
    off = np.abs(exact(array, exponent) - right).max()
    assert off <= bound * Fraction(64 * float(np.finfo(dtype).eps)), (array, exponent, right)


def adjoint_of(rng, dtype, spread, steps=STEPS, lanes=LANES):
    """Rows of delta whose steps' exponents are spread over so many powers of two."""
    exponent = np.zeros((steps + 1, lanes), np.int64)
    exponent[1:] = rng.integers(-spread, spread + 1, (steps, lanes))
    return Adjoint(
        delta=rng.standard_normal((steps * lanes, UNITS)).astype(dtype),
        carry=np.zeros((lanes, UNITS), dtype), norm2=np.zeros((steps + 1, 1, lanes)),
        exponent=exponent, states=np.zeros((0, 0, UNITS), dtype),
    )  # fmt: skip


def sources_of(rng, dtype, size):
    """A weight that sees its own states, one that sees shared inputs, one a column alone."""
    own = rng.standard_normal((STEPS + 1, LANES, 5))
    own *= 2.0 ** rng.integers(-size, size + 1, (STEPS + 1, LANES, 1))
    shared = own[:, :1] * rng.standard_normal((1, 1, 5))
    single = np.ones((STEPS, 1, 1)) * 2.0**size
    return {
        "W": Source(own.astype(dtype), (1, 5), (0, UNITS)),
        "U": Source(shared.astype(dtype), (0, 3), (1, UNITS)),
        "b": Source(single.astype(dtype), (0, 1), (0, 2)),
    }


def terms(adjoint, source):
    """delta_t source_t^T of each step and lane, (T, L, units, columns), as fractions."""
    (first, last), (low, high) = source.columns, source.units
    steps, lanes = len(adjoint.exponent) - 1, adjoint.exponent.shape[1]
    delta = adjoint.delta.reshape(steps, lanes, UNITS)[..., low:high]
    delta = exact(delta, adjoint.exponent[1:, :, None])
    read = np.broadcast_to(source.values[:steps, :, first:last], (steps, lanes, last - first))
    return delta[..., :, None] * exact(read)[..., None, :]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wide", range(4))
@pytest.mark.parametrize("far", range(3))
def test_sums_of_slices_are_the_exact_sums(dtype, wide, far):
    rng = np.random.default_rng(10 * wide + far)
    adjoint = adjoint_of(rng, dtype, SPREADS[dtype][wide])
    sources = sources_of(rng, dtype, SIZES[dtype][far])
    right = {name: terms(adjoint, source) for name, source in sources.items()}
    together, apart = bptt.Sums(sources), bptt.LaneSums(sources, LANES + 1)
    slot = np.array([2, 0, 3])
    for start in (4, 2, 0):  # three slices, from the last to the first
        span, rows = (start, start + 2, LANES), slice(start * LANES, (start + 2) * LANES)
        together.add(adjoint._replace(delta=adjoint.delta[rows].copy()), span)
        apart.add(adjoint._replace(delta=adjoint.delta[rows].copy()), span, slot)
    for name, each in right.items():
        near(together.total[name][0], together.exponent[name][0], each.sum((0, 1)), dtype,
             np.abs(each).max())  # fmt: skip
        for lane, entry in enumerate(slot):
            own = each[:, lane]
            near(apart.total[name][entry], apart.exponent[name][entry], own.sum(0), dtype,
                 np.abs(own).max())  # fmt: skip
        assert not apart.total[name][1].any()


def test_what_a_zero_source_multiplies_leaves_a_sum_alone():
    adjoint = adjoint_of(np.random.default_rng(0), np.float64, 0, steps=4, lanes=1)
    adjoint.exponent[:, 0] = 0, 2000, 2000, 0, 0
    values = np.array([0.0, 0.0, 3.0, 1.0]).reshape(4, 1, 1) * np.ones((1, 1, 2))
    source = {"U": Source(values, (0, 2), (0, UNITS))}
    right = terms(adjoint, source["U"]).sum((0, 1))
    sums = bptt.Sums(source)
    for start in (2, 0):
        rows = slice(start, start + 2)
        sums.add(adjoint._replace(delta=adjoint.delta[rows].copy()), (start, start + 2, 1))
    near(sums.total["U"][0], sums.exponent["U"][0], right, np.float64)


@pytest.mark.parametrize("together", [False, True])
def test_align_takes_the_largest_exponent_and_keeps_the_values(together):
    adjoint = adjoint_of(np.random.default_rng(1), np.float64, 50)
    delta = adjoint.delta.reshape(STEPS, LANES, UNITS)
    right, top = exact(delta, adjoint.exponent[1:, :, None]), np.empty(LANES, np.int64)
    sums.align(adjoint, (0, STEPS, LANES), together, top)
    largest = adjoint.exponent[1:].max(0)
    np.testing.assert_array_equal(top, largest.max() if together else largest)
    assert (exact(delta, top[:, None]) == right).all()


@pytest.mark.parametrize(("dtype", "edge"), [(np.float64, 600), (np.float32, 80)])
def test_norms_are_held_between_these_edges(dtype, edge):
    row = np.ones(2, dtype)
    inside = [ranges.in_range(2.0**e, row) for e in (-edge + 1, 0, edge - 1)]
    outside = [ranges.in_range(2.0**e, row) for e in (-edge - 1, edge + 1)]
    assert all(inside) and not any(outside)
    assert not ranges.in_range(0.0, row) and not ranges.in_range(np.nan, row)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_out_of_range_is_brought_back_and_its_value_kept(dtype):
    power = 310 if dtype == np.float64 else 42
    rows = np.array([[1, 3], [1, 3], [1, 3], [0, 0]], dtype)
    rows[1] *= dtype(2.0**power)
    rows[2] *= dtype(2.0**-power)
    exponent, norm2 = np.array([5, -7, 9, 4]), np.zeros((2, 4))
    right = exact(rows, exponent[:, None])
    elementwise.row_norms(rows, norm2)
    assert ranges.hold_range(rows, norm2, exponent)
    assert (exact(rows, exponent[:, None]) == right).all()
    np.testing.assert_array_equal(exponent, [5, -7 + power + 2, 9 - power + 2, 4])
    assert (rows[1:3] == rows[0] / 4).all()


def test_one_part_in_range_is_enough():
    rows, exponent = np.array([[2.0**-400, 1.0]]), np.array([0])
    norm2 = np.array([[2.0**-800], [1.0]])
    assert not ranges.hold_range(rows, norm2, exponent) and exponent[0] == 0


@pytest.mark.parametrize("top", [2.0**-1074, 2.0**-1022, 2.0**1023, 1.5, np.inf, np.nan, 0.0])
def test_rescale_keeps_every_value(top):
    row = np.array([top, 0.0])
    exponent = ranges.rescale(row, 3)
    if 0 < top < np.inf:
        assert 0.5 <= row[0] < 1
        assert Fraction(row[0]) * Fraction(2) ** (int(exponent) - 3) == Fraction(top)
    else:
        assert exponent == 3
        np.testing.assert_array_equal(row, [top, 0])


@pytest.mark.parametrize(("slice_at", "sum_at"), [(0, 0), (7, 0), (0, 7), (-900, 20), (3000, 1)])
def test_join_takes_the_larger_exponent(slice_at, sum_at):
    exponent, factors = np.array([sum_at]), np.empty(2)
    sums.join(slice_at, np.ones((2, 2)), exponent, factors)
    assert exponent[0] == max(slice_at, sum_at)
    right = [2.0 ** (slice_at - exponent[0]), 2.0 ** max(sum_at - int(exponent[0]), -1100)]
    np.testing.assert_array_equal(factors, right)
    exponent[0] = sum_at
    sums.join(slice_at, np.zeros((2, 2)), exponent, factors)
    assert exponent[0] == slice_at and factors[0] == 1


LEVELS = [(0, 0, False), (0, 0, True), (500, 0, True), (0, 500, True), (-3000, 2, True)]


@pytest.mark.parametrize(("carried", "given", "has_exponent"), [*LEVELS, (500, 0, False)])
def test_the_direct_part_is_added_at_its_own_exponent(carried, given, has_exponent):
    rng = np.random.default_rng(2)
    carry, slope = rng.standard_normal((2, 3)), rng.standard_normal((6, 2))
    readout, exponent = rng.standard_normal((2, 3)), np.array([carried, carried + 3])
    levels = np.full(6, given) + np.arange(6) if has_exponent else np.zeros(0, np.int64)
    carry[1] = 0  # takes the direct part's exponent
    own = levels[2:4] if has_exponent else np.zeros(2, np.int64)
    product = (exact(slope[2:4])[:, :, None] * exact(readout)).sum(1)
    right = exact(carry, exponent[:, None]) + product * exact(np.ones((2, 1)), own[:, None])
    ranges.add_direct(carry, exponent, Direct(slope, readout, levels), 2)
    for lane in range(2):
        near(carry[lane], exponent[lane], right[lane], np.float64)


def test_receive_records_what_it_holds():
    rng = np.random.default_rng(3)
    adjoint = adjoint_of(rng, np.float64, 0, steps=64, lanes=2)
    adjoint = adjoint._replace(states=np.zeros((65, 2, UNITS)))
    adjoint.carry[:] = rng.standard_normal((2, UNITS)) * [[2.0**-350], [1.0]]
    adjoint.carry[1, 0] = 2.0**-901  # flushed, at step 64 only
    nothing = Direct(np.zeros((0, 1)), np.zeros((1, UNITS)))
    right = exact(adjoint.carry, 0)
    ranges.receive(adjoint, nothing, 0, 63, 2)
    assert adjoint.carry[1, 0] == 2.0**-901
    assert (exact(adjoint.states[63], adjoint.exponent[63, :, None]) == right).all()
    assert adjoint.exponent[63, 0] < -340 and adjoint.exponent[63, 1] == 0
    np.testing.assert_array_equal(adjoint.exponent[62], adjoint.exponent[63])
    norm2 = exact(adjoint.norm2[63, 0], 2 * adjoint.exponent[63])
    near(adjoint.norm2[63, 0, :1], 2 * adjoint.exponent[63, :1], (right**2).sum(1)[:1], np.float64)
    assert abs(norm2[1] / (right[1] ** 2).sum() - 1) < Fraction(1, 2**50)
    ranges.receive(adjoint, nothing, 0, 64, 2)
    assert adjoint.carry[1, 0] == 0


@pytest.mark.parametrize(("dtype", "edge"), [(np.float64, 900), (np.float32, 110)])
def test_flush_takes_what_is_below_its_edge(dtype, edge):
    row = np.array([2.0 ** -(edge + 1), 2.0**-edge, -(2.0 ** -(edge + 1)), 0, 1], dtype)
    elementwise.flush(row)
    np.testing.assert_array_equal(row, np.array([0, 2.0**-edge, 0, 0, 1], dtype))
