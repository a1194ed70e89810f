"""Products of few rows with a matrix, in registers: a lone sequence's step is one row.

BLAS packs its operands, which pays for large products: 200 steps h <- h W of one row of 50 take it
230 us with AVX2, tiles 39; of 20 rows 775 and 459 (OpenBLAS 0.3.30, a busy machine).

A tile holds some rows x some vectors of columns of the result while it runs over the inner index;
small ones in several sets, added up at the end: a multiply-add takes 4 cycles and 2 begin in each,
so that fewer than 8 sums would wait for each other. No row is padded: its last vector ends with it
and overlaps the one before. That is stored first, since a load that needs two stores waits for both
to reach the cache, and what is read next begins at multiples of a vector. Hence columns are taken
from right to left.
"""

import contextlib
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from gradlab.kernels.blas import INT, NO, YES, call, check_kinds, gemm, number
from gradlab.kernels.jit import on_matrices, symbol

# Vectors of columns, by rows: what 16 registers hold beside the operands, the largest first. Each
# holds 2 and 1, so that no vector stands alone in a tile that overlaps a later one (`add_times`).
BLOCKS = {4: (3, 2, 1), 2: (6, 2, 1), 1: (13, 7, 4, 2, 1)}
IN_FLIGHT, MOST_SETS = 8, 4


def vector_bytes():
    """Of the vectors written below: 64 with AVX-512, else 32; LLVM splits them where need be."""
    if numba.config.DISABLE_JIT:
        return 32
    return 64 if "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2] else 32


BYTES = vector_bytes()
# So many rows always go by tiles, more where the matrix stays in cache. Only with AVX-512 has
# OpenBLAS kernels for small products: at 20 rows they reach the machine's limit.
FEW, MANY = 4, 8 if BYTES == 64 else 32
CACHED = 2**18


class Place(NamedTuple):
    """Values at run time: first bytes of the rows of a and out, of b; bytes from row to row of b.

    Then those from entry to entry of a row of a, the length of the inner index, and whether out is
    added to.
    """

    a: list
    out: list
    b: ir.Value
    b_row: ir.Value
    a_entry: ir.Value
    inner: ir.Value
    keep: ir.Value


class Tile:
    """The code of one tile: out = a b, or added to out, for rows x vectors of `width` numbers."""

    def __init__(self, builder, number, vectors, width):
        self.builder, self.vectors = builder, vectors
        self.number, self.vector = number, ir.VectorType(number, width)
        self.size = 8 if isinstance(number, ir.DoubleType) else 4
        fused = f"llvm.fmuladd.v{width}f{8 * self.size}"  # where the machine fuses
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.multiply_add = cgutils.get_or_insert_function(builder.module, kind, fused)

    def run(self, place, columns):
        """`columns`: the first byte of each vector within a row."""
        builder, rows = self.builder, len(place.a)
        sets = 1
        while sets < MOST_SETS and sets * rows * self.vectors < IN_FLIGHT:
            sets *= 2
        sums = [[self._zeros() for _ in range(rows)] for _ in range(sets)]
        whole = builder.and_(place.inner, _int(-sets))
        with cgutils.for_range_slice(builder, _int(0), whole, _int(sets)) as (j, _):
            for s in range(sets):
                self._step(place, columns, builder.add(j, _int(s)), sums[s])
        while sets > 1:
            sets //= 2
            rest = builder.and_(place.inner, _int(sets))
            with builder.if_then(builder.icmp_signed("!=", rest, _int(0))):
                for s in range(sets):
                    self._step(place, columns, builder.add(whole, _int(s)), sums[s])
            whole = builder.add(whole, rest)
        for other in sums[1:]:
            self._add(sums[0], lambda r, v, other=other: builder.load(other[r][v]))
        with builder.if_then(place.keep):
            self._add(sums[0], lambda r, v: self._load(place.out[r], columns[v]))
        for row, out in zip(sums[0], place.out, strict=True):
            for total, column in reversed(list(zip(row, columns, strict=True))):
                self._store(builder.load(total), out, column)

    def _step(self, place, columns, j, sums):
        """sums += a[:, j] b[j]: all of b[j] in registers, or a[:, j], whichever is less."""
        row = self.builder.add(place.b, self.builder.mul(j, place.b_row))
        aside = self.builder.mul(j, place.a_entry)
        if len(sums) > self.vectors:
            entries = [self._load(row, column) for column in columns]
            for r in range(len(sums)):
                factor = self._spread(place.a[r], aside)
                for v in range(self.vectors):
                    self._multiply_add(factor, entries[v], sums[r][v])
        else:
            factors = [self._spread(a, aside) for a in place.a]
            for v in range(self.vectors):
                entries = self._load(row, columns[v])
                for r in range(len(sums)):
                    self._multiply_add(factors[r], entries, sums[r][v])

    def _multiply_add(self, factor, entries, total):
        before = self.builder.load(total)
        self.builder.store(self.builder.call(self.multiply_add, [factor, entries, before]), total)

    def _add(self, sums, other):
        for r, row in enumerate(sums):
            for v, total in enumerate(row):
                self.builder.store(self.builder.fadd(self.builder.load(total), other(r, v)), total)

    def _zeros(self):
        zero = ir.Constant(self.vector, None)
        return [cgutils.alloca_once_value(self.builder, zero) for _ in range(self.vectors)]

    def _load(self, row, column):
        return self.builder.load(self._at(row, column, self.vector), align=self.size)

    def _store(self, vector, row, column):
        self.builder.store(vector, self._at(row, column, self.vector), align=self.size)

    def _at(self, row, column, kind):
        return self.builder.inttoptr(self.builder.add(row, column), kind.as_pointer())

    def _spread(self, row, column):
        """One number, in all places of a vector."""
        one = self.builder.load(self._at(row, column, self.number), align=self.size)
        nothing = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(nothing, one, ir.IntType(32)(0))
        places = ir.Constant(ir.VectorType(ir.IntType(32), self.vector.count), None)
        return self.builder.shuffle_vector(first, nothing, places)


def _int(value):
    return ir.IntType(64)(value)


def _across(builder, number, width, place, columns):
    """All columns of a product of few rows, in vectors; one by one where they fill no vector."""
    with builder.if_else(builder.icmp_signed("<", columns, _int(width))) as (narrow, full):
        with narrow:
            _leftwards(builder, number, (1,), 1, place, columns)
        with full:
            _leftwards(builder, number, BLOCKS[len(place.a)], width, place, columns)


def _leftwards(builder, number, blocks, width, place, columns):
    """Tile after tile, the widest first and on the right."""
    last = builder.sub(columns, _int(width))
    left = cgutils.alloca_once_value(builder, builder.add(columns, _int(width - 1)))
    builder.store(builder.sdiv(builder.load(left), _int(width)), left)
    for vectors in blocks:
        tile = Tile(builder, number, vectors, width)
        with _as_long_as(builder, lambda n=vectors: _at_least(builder, left, n)):
            before = builder.sub(builder.load(left), _int(vectors))
            builder.store(before, left)
            first = builder.mul(before, _int(width))
            begins = [builder.add(first, _int(v * width)) for v in range(vectors)]
            beyond = builder.icmp_signed(">", begins[-1], last)
            begins[-1] = builder.select(beyond, last, begins[-1])
            tile.run(place, [builder.mul(begin, _int(tile.size)) for begin in begins])


def _at_least(builder, place, count):
    return builder.icmp_signed(">=", builder.load(place), _int(count))


@contextlib.contextmanager
def _as_long_as(builder, condition):
    """while condition(): ..."""
    head, body, end = (builder.append_basic_block(f"while.{n}") for n in ("head", "body", "end"))
    builder.branch(head)
    builder.position_at_end(head)
    builder.cbranch(condition(), body, end)
    builder.position_at_end(body)
    yield
    builder.branch(head)
    builder.position_at_end(end)


def _few_rows(module, number, width, most):
    """A function for up to `most` rows, the arguments as `product` has them; not inlined.

    In one function LLVM would compute at its begin what each number of rows needs: 60 ns.
    """
    name = f"gradlab_{most}_rows"
    if name in module.globals:
        return module.globals[name]
    made = ir.Function(module, ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 11), name)
    made.linkage = "internal"
    # llvmlite's own `add` knows no key="value" attributes; optsize: no loop is unrolled any more.
    set.update(made.attributes, ("noinline", "optsize", '"prefer-vector-width"="512"'))
    builder = ir.IRBuilder(made.append_basic_block())
    a, a_row, a_entry, b, b_row, out, out_row, there, inner, columns, keep = made.args
    places = [_int(0)]  # a row that is not there is the last one again
    for r in range(1, most):
        missing = builder.icmp_signed(">=", _int(r), there)
        places.append(builder.select(missing, places[-1], _int(r)))
    rows_a, rows_out = (
        [builder.add(first, builder.mul(r, stride)) for r in places]
        for first, stride in ((a, a_row), (out, out_row))
    )
    keeps = builder.icmp_signed("!=", keep, _int(0))
    _across(
        builder, number, width, Place(rows_a, rows_out, b, b_row, a_entry, inner, keeps), columns
    )
    builder.ret_void()
    return made


@intrinsic(prefer_literal=True)
def _tiles(typing_context, zero, width, most, operands, sizes):
    """A product of up to `most` rows, in vectors of `width` numbers of zero's type.

    operands: a, a_row, a_entry, b, b_row, out, out_row; sizes: there, inner, columns, keep.
    """

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(zero)
        made = _few_rows(builder.module, number, width.literal_value, most.literal_value)
        values = [cgutils.unpack_tuple(builder, arguments[i]) for i in (3, 4)]
        builder.call(made, [*values[0], *values[1]])
        return context.get_dummy_value()

    return types.void(zero, width, most, operands, sizes), generate


_SIGNATURE = types.void(*[types.int64] * 11)


def c_product(name, dtype, width):
    """The C function `name`: out = a b, or added to out if keep is not 0, in vectors of `width`.

    Arguments: first byte, and bytes from row to row, of a, of b and of out, of a also bytes from
    entry to entry; rows, inner, columns, keep. Called by its name: linked into its callers, it
    would be compiled in each again.
    """

    @symbol(name, _SIGNATURE)
    def product(a, a_row, a_entry, b, b_row, out, out_row, rows, inner, columns, keep):  # noqa: PLR0913,PLR0917
        zero = dtype(0)
        for row in range(0, rows, 4):
            left = min(rows - row, 4)
            operands = (a + row * a_row, a_row, a_entry, b, b_row, out + row * out_row, out_row)
            sizes = (left, inner, columns, keep)
            if left > 2:
                _tiles(zero, width, 4, operands, sizes)
            elif left == 2:
                _tiles(zero, width, 2, operands, sizes)
            else:
                _tiles(zero, width, 1, operands, sizes)

    return product


_NAMES = {"float64": "gradlab_product_float64", "float32": "gradlab_product_float32"}
c_product(_NAMES["float64"], np.float64, BYTES // 8)
c_product(_NAMES["float32"], np.float32, BYTES // 4)


def times(a, b, out):
    """out = a @ b, for (m, k), (k, n), (m, n) with unit columns; out overlaps neither."""
    out[...] = a @ b


def add_times(a, b, out):
    """out += a @ b, likewise."""
    out += a @ b


def add_transposed(a, b, out):
    """out += a.T @ b, for (k, m), (k, n), (m, n) with unit columns; out overlaps neither."""
    out += a.T @ b


def _by_tiles(builder, dtype, turned, operands, keep):
    """Call the C function of the dtype; turned: a's columns are the rows of the product."""
    a, b, out = operands
    steps = a.strides[0], number(dtype.bitwidth // 8)
    rows, inner = a.shape
    if turned:
        steps, rows, inner = steps[::-1], inner, rows
    call(builder, _NAMES[str(dtype)], [
        a.address, *steps, b.address, b.strides[0], out.address, out.strides[0],
        rows, inner, b.shape[1], number(keep),
    ])  # fmt: skip


def _factors(builder, dtype, *values):
    """The address of so many constants."""
    kind = ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()
    held = ir.Constant(ir.ArrayType(kind, len(values)), [kind(value) for value in values])
    return builder.ptrtoint(cgutils.global_constant(builder, "factors", held), INT)


def _product(keep, turned=False):
    """Writes a product: by tiles or by BLAS, by its shape alone."""

    def write(builder, dtype, a, b, out):
        bytes_of_b = builder.mul(builder.mul(*b.shape), number(dtype.bitwidth // 8))
        by_tiles = builder.icmp_signed("<=", bytes_of_b, number(CACHED))
        if not turned:
            few, many = (builder.icmp_signed("<=", a.shape[0], number(n)) for n in (FEW, MANY))
            by_tiles = builder.or_(few, builder.and_(many, by_tiles))
        with builder.if_else(by_tiles) as (tiled, packed):
            with tiled:
                _by_tiles(builder, dtype, turned, (a, b, out), keep)
            with packed:
                factors = _factors(builder, dtype, 1, keep)
                gemm(builder, dtype, (NO, YES if turned else NO), (a, b, out), factors)

    return write


on_matrices(times, check_kinds)(_product(0))
on_matrices(add_times, check_kinds)(_product(1))
on_matrices(add_transposed, check_kinds)(_product(1, turned=True))
