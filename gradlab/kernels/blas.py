"""Matrix products with strides, alpha and beta, out of jitted code.

np.dot needs contiguous operands and cannot add to its result; adding up a slice's weight gradient
in cache (beta = 1) is 1.7 x faster than one product at the end for N <= 128. The symbol is the one
that Numba binds for its own np.dot (SciPy's BLAS), so both share one library and one thread limit.
"""

from llvmlite import ir
from numba.core import cgutils
from numba.core.errors import TypingError

from gradlab.kernels.jit import kernel, on_matrices
from gradlab.kernels.room import empty

NO, YES, _DOUBLE, _SINGLE = (ord(letter) for letter in "ntds")
INT = cgutils.intp_t


@kernel
def factors_of(own, before, like):
    """The argument `factors` of the products below, in like's type."""
    factors = empty(2, like)
    factors[0], factors[1] = own, before
    return factors


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


def call(builder, name, arguments):
    """Call the C function of that name, which returns nothing that counts."""
    kinds = [argument.type for argument in arguments]
    returned = ir.IntType(32) if name == _GEMM else ir.VoidType()
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(returned, kinds), name
    )
    builder.call(function, arguments)


def number(value, kind=INT):
    """A constant of the function that is being written."""
    return ir.Constant(kind, value)


def gemm(builder, dtype, turned, operands, factors):
    """BLAS's product out = factors[0] a b + factors[1] out of `jit.Matrix` operands (a, b, out).

    turned: the flags of b and a. Row-major out = a b is column-major out^T = b^T a^T.
    """
    a, b, out = operands
    char, size = ir.IntType(8), dtype.bitwidth // 8
    call(builder, _GEMM, [
        *(number(one, char) for one in (_SINGLE if size == 4 else _DOUBLE, *turned)),
        out.shape[1], out.shape[0], a.shape[0 if turned[1] == YES else 1],
        factors, b.address, _row_stride(builder, b, size),
        a.address, _row_stride(builder, a, size),
        builder.add(factors, number(size)), out.address, _row_stride(builder, out, size),
    ])  # fmt: skip


_GEMM = "numba_xxgemm"


def _row_stride(builder, matrix, size):
    """Entries from row to row. NumPy gives the stride of a single row any value; BLAS checks it."""
    stride, least = builder.sdiv(matrix.strides[0], number(size)), matrix.shape[1]
    return builder.select(builder.icmp_signed("<", stride, least), least, stride)


def _written(turned):
    def write(builder, dtype, a, b, out, factors):
        gemm(builder, dtype, turned, (a, b, out), factors.address)

    return write


on_matrices(multiply, check_kinds)(_written((NO, NO)))
on_matrices(multiply_transposed, check_kinds)(_written((NO, YES)))
on_matrices(multiply_by_transposed, check_kinds)(_written((YES, NO)))
