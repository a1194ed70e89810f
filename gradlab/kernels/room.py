"""Room that a kernel works in."""

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_new_ref
from numba.np.arrayobj import _empty_nd_impl

from gradlab.kernels.jit import by_instructions


def empty(shape, like):
    """np.empty(shape, like.dtype), for a whole number or a tuple of them.

    Numba compiles and links in four functions for each kind of np.empty: a fifteenth of a cell.
    """
    return np.empty(shape, like.dtype)


def _typed(shape, like):
    axes = shape.count if isinstance(shape, types.UniTuple) else 1
    return types.Array(like.dtype, axes, "C")


@by_instructions(empty, _typed, (types.UniTuple, types.Array), (types.Integer, types.Array))
def _written(context, builder, signature, values):
    kind, axes = signature.args[0], [values[0]]
    if isinstance(kind, types.UniTuple):
        kind, axes = kind.dtype, cgutils.unpack_tuple(builder, values[0])
    sizes = [context.cast(builder, axis, kind, types.intp) for axis in axes]
    made = _empty_nd_impl(context, builder, signature.return_type, sizes)
    return impl_ret_new_ref(context, builder, signature.return_type, made._getvalue())
