"""Matrix products with strides, alpha and beta, out of jitted code.

np.dot needs contiguous operands and cannot add to its result; adding up a slice's weight gradient
in cache (beta = 1) is 1.7 x faster than one product at the end for N <= 128. The symbol is the one
that Numba binds for its own np.dot (SciPy's BLAS), so both share one library and one thread limit.
"""

from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from gradlab.kernels.jit import kernel

_size, _pointer = types.intp, types.uintp
_xxgemm = types.ExternalFunction(
    "numba_xxgemm",
    types.intc(
        types.char, types.char, types.char, _size, _size, _size,
        _pointer, _pointer, _size, _pointer, _size, _pointer, _pointer, _size,
    ),
)  # fmt: skip
_NO, _YES, _DOUBLE, _SINGLE = (ord(letter) for letter in "ntds")


@kernel
def row_stride(matrix):
    """Entries from row to row. NumPy gives the stride of a single row any value; BLAS checks it."""
    return max(matrix.strides[0] // matrix.itemsize, matrix.shape[1])


def multiply(a, b, out, factors):
    """out = factors[0] * a @ b + factors[1] * out, for (m, k), (k, n), (m, n) with unit columns."""
    _numpy_product(a, b, out, factors)


def multiply_transposed(a, b, out, factors):
    """out = factors[0] * a.T @ b + factors[1] * out, for (k, m), (k, n), (m, n)."""
    _numpy_product(a.T, b, out, factors)


def multiply_by_transposed(a, b, out, factors):
    """out = factors[0] * a @ b.T + factors[1] * out, for (m, k), (n, k), (m, n)."""
    _numpy_product(a, b.T, out, factors)


def _numpy_product(a, b, out, factors):
    # beta = 0 overwrites, as BLAS does: nan in an unused `out` does not count.
    before = out * factors[1] if factors[1] != 0 else 0
    out[...] = factors[0] * (a @ b) + before


def check_kinds(*matrices):
    """BLAS reads all of them as numbers of one size: another one's is foreign memory."""
    kinds = {str(matrix.dtype) for matrix in matrices}
    if len(kinds) > 1 or not kinds <= {"float64", "float32"}:
        listed = ", ".join(sorted(kinds))
        raise TypingError(f"a product needs matrices that are all float64 or float32, not {listed}")


def _compiled(turned, axis):
    """BLAS's product; turned: the flags of b and a; axis: which one of a is summed over."""

    def typed(a, b, out, factors):
        check_kinds(a, b, out, factors)
        kind = _SINGLE if str(a.dtype) == "float32" else _DOUBLE
        of_b, of_a = turned

        def implementation(a, b, out, factors):
            # Row-major out = a b is column-major out^T = b^T a^T.
            _xxgemm(
                kind, of_b, of_a, out.shape[1], out.shape[0], a.shape[axis],
                factors.ctypes.data, b.ctypes.data, row_stride(b),
                a.ctypes.data, row_stride(a),
                factors.ctypes.data + factors.itemsize, out.ctypes.data, row_stride(out),
            )  # fmt: skip

        return implementation

    return typed


overload(multiply)(_compiled((_NO, _NO), 1))
overload(multiply_transposed)(_compiled((_NO, _YES), 0))
overload(multiply_by_transposed)(_compiled((_YES, _NO), 1))
