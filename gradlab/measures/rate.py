"""How fast this machine is, beside the one that the estimates' constants were measured on."""

import time
from functools import cache

import numpy as np

SIZE = 256
REFERENCE = 65e9  # flops a second of that product, one thread, where the constants come from


@cache
def slowness():
    """Seconds here for a second there: the best of ten products of 256, some 5 ms in all."""
    import scipy.linalg.cython_blas  # noqa: F401  a limit does not touch what is not loaded
    from threadpoolctl import threadpool_limits

    a = np.full((SIZE, SIZE), 1.0 / SIZE)
    with threadpool_limits(1, user_api="blas"):
        return min(_seconds(a) for _ in range(10)) * REFERENCE / (2 * SIZE**3)


def _seconds(a):
    start = time.perf_counter()
    a @ a
    return time.perf_counter() - start
