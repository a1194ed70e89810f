"""What the machine can do at most: square matrix products, raced with the contenders."""

import os

import numpy as np
from threadpoolctl import ThreadpoolController

from race.clock import Way

SIZES = (512, 1024, 2048)
# Seconds a tanh, this project's own on 512-bit vectors, in cache; it was 1.6 and 0.65 ns on 256.
ACTIVATION = {"float64": 0.8e-9, "float32": 0.34e-9}


def limits():
    """limits(n): a context that gives BLAS n threads; all its libraries are loaded first."""
    import scipy.linalg.cython_blas  # noqa: F401  a limit does not touch what is not loaded

    controller = ThreadpoolController()
    return lambda threads: lambda: controller.limit(limits=threads, user_api="blas")


def cores():
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def products(precision, sizes=SIZES):
    """[(flops, Way)] of a product of each size, on one thread and on all."""
    hold, stream = limits(), np.random.default_rng(0)
    ways = []
    for size in sizes:
        a, b = stream.standard_normal((2, size, size)).astype(precision)
        out = np.empty_like(a)
        for threads in sorted({1, cores()}):
            call = _product(a, b, out)
            way = Way(f"product of {size}", threads, call, hold(threads))
            ways.append((2 * size**3, way))
    return ways


def _product(a, b, out):
    return lambda: np.matmul(a, b, out=out)


def floor(work, rate, threads, precision):
    """Seconds below which no contender can be: flops at `rate`, activations on each thread."""
    flops, activations = work
    return flops / rate + activations * ACTIVATION[precision] / threads
