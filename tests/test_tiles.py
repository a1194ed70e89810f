"""Products of few rows: exact on whole numbers, close on others, and nothing beyond out written."""

import itertools

import numba
import numpy as np
import pytest

from gradlab.kernels import tiles
from gradlab.kernels.jit import kernel

PAD = 2  # rows and columns around every operand: strides, and a band that must stay as it is


@kernel
def overwrite(a, b, out, shape):
    """By views of padded arrays, cut in here: one signature for all shapes."""
    m, k, n = shape
    tiles.times(a[PAD : PAD + m, PAD : PAD + k], b[PAD : PAD + k, PAD : PAD + n],
                out[PAD : PAD + m, PAD : PAD + n])  # fmt: skip


@kernel
def transposed(a, b, out):
    tiles.add_transposed(a, b, out)


@kernel
def add(a, b, out, shape):
    m, k, n = shape
    tiles.add_times(a[PAD : PAD + m, PAD : PAD + k], b[PAD : PAD + k, PAD : PAD + n],
                    out[PAD : PAD + m, PAD : PAD + n])  # fmt: skip


def padded(inner, fill):
    whole = np.full([size + 2 * PAD for size in inner.shape], fill, inner.dtype)
    whole[PAD:-PAD, PAD:-PAD] = inner
    return whole


def expected(a, b, before, adding):
    """What the padded result is, entry by entry in longdouble; exact for small whole numbers."""
    inner = sum(
        (np.longdouble(a[:, k : k + 1]) * np.longdouble(b[k]) for k in range(len(b))),
        start=np.zeros((len(a), b.shape[1]), np.longdouble),
    )
    whole = np.longdouble(before)
    whole[PAD:-PAD, PAD:-PAD] = inner + (whole[PAD:-PAD, PAD:-PAD] if adding else 0)
    return whole


def draw(rng, shape, dtype, whole):
    m, k, n = shape
    sizes = (m, k), (k, n), (m, n)
    if whole:
        return [rng.integers(-9, 10, size).astype(dtype) for size in sizes]
    return [rng.standard_normal(size).astype(dtype) for size in sizes]


# Columns: none, below a vector, a whole number of them, tails, all widths of blocks (52 = 13 x 4).
COLUMNS = [*range(20), 27, 28, 31, 33, 50, 52, 53, 61, 104, 107]
SHAPES = [*itertools.product(range(1, 6), (0, 1, 2, 3, 4, 7), COLUMNS)]
SHAPES += [(m, 5, n) for m in (0, 6, 7, 9, 32, 33, 40) for n in (1, 3, 13, 53)]
SHAPES += [(m, 2, 2**17) for m in (4, 5)]  # beyond the cache: 5 rows go by BLAS


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("times", [overwrite, add])
def test_whole_numbers_are_multiplied_exactly(times, dtype):
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        a, b, out = draw(rng, shape, dtype, whole=True)
        result = padded(out, 0.5)
        want = expected(a, b, result, times is add)
        times(padded(a, np.nan), padded(b, np.nan), result, shape)
        np.testing.assert_array_equal(result, want, err_msg=str(shape))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_other_numbers_are_multiplied_to_rounding(dtype):
    """Each of k products and sums rounds once: at most k eps of the sum of absolute products."""
    rng = np.random.default_rng(1)
    for shape in [(1, 50, 50), (2, 64, 33), (3, 31, 61), (4, 100, 7), (8, 3, 19), (1, 7, 2)]:
        a, b, out = draw(rng, shape, dtype, whole=False)
        result = padded(out, 0.5)
        want = expected(a, b, result, False)
        overwrite(padded(a, np.nan), padded(b, np.nan), result, shape)
        bound = expected(abs(a), abs(b), np.zeros_like(result), False)
        bound *= shape[1] * np.finfo(dtype).eps
        assert (abs(result - want) <= bound).all(), shape


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(1, 9, 13), (2, 9, 13), (3, 9, 13), (1, 9, 3), (40, 9, 13)])
def test_inf_and_nan_go_where_they_belong(shape, dtype):
    rng = np.random.default_rng(2)
    a, b, out = draw(rng, shape, dtype, whole=True)
    a[0, 3], a[-1, 8], b[5, 1] = np.inf, np.nan, -np.inf
    b[3, 2], a[:, 5] = 0, [0, *[1] * (len(a) - 1)]
    result = padded(np.full_like(out, np.nan), 0.5)
    with np.errstate(invalid="ignore"):
        want = expected(a, b, result, False)
        overwrite(padded(a, np.nan), padded(b, np.nan), result, shape)
    np.testing.assert_array_equal(result, want)
    assert not np.isfinite(want).all() and np.isfinite(want[:PAD]).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_transposed_product_is_added(dtype):
    rng = np.random.default_rng(4)
    for inner, rows, columns in itertools.product((1, 3, 40), (1, 2, 5, 9), (1, 3, 7, 57)):
        a, b = (rng.integers(-9, 9, (inner, n)).astype(dtype) for n in (rows, columns))
        wide, out = np.ones((inner, rows + 3), dtype), np.full((rows, columns + 2), 0.5, dtype)
        wide[:, 1 : rows + 1] = a
        transposed(wide[:, 1 : rows + 1], b, out[:, 1:-1])
        np.testing.assert_array_equal(out[:, 1:-1], a.T @ b + 0.5)
        assert (out[:, [0, -1]] == 0.5).all()


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled with NUMBA_DISABLE_JIT")
@pytest.mark.parametrize("width", [2, 8])
def test_vectors_of_other_machines_give_the_same(width):
    """Of 16 and 64 bytes, which LLVM puts together or splits where the machine has others."""
    product = tiles.c_product(f"gradlab_product_of_{width}", np.float64, width)
    rng = np.random.default_rng(3)
    for shape in [s for s in SHAPES if s[2] < 2**17]:
        a, b, out = draw(rng, shape, "float64", whole=True)
        for keep in (0, 1):
            result = padded(out, 0.5)
            want = expected(a, b, result, bool(keep))
            inner = result[PAD:-PAD, PAD:-PAD]
            places = [(one.ctypes.data, one.strides[0]) for one in (a, b, inner)]
            places.insert(1, (a.itemsize,))
            product.ctypes(*itertools.chain(*places), *shape, keep)
            np.testing.assert_array_equal(result, want, err_msg=str((shape, keep)))


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled with NUMBA_DISABLE_JIT")
def test_operands_of_two_types_are_refused():
    a, b = np.zeros((4, 4)), np.zeros((4, 4), np.float32)
    with pytest.raises(numba.core.errors.TypingError, match="all float64 or float32"):
        overwrite(a, b, a, (0, 0, 0))
