"""Threads over independent work, with BLAS held to one thread a worker.

NumPy and SciPy each bring a BLAS with threads of its own. Two workers that each start them run at
0.03 to 1 x of one; held to one thread they give 1.7 to 2 x. And a product's last bits change with
the number of BLAS threads, so holding it makes results the same on every machine's cores.
"""

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_holders = 0
_before: list = []


@contextmanager
def one_blas_thread():
    """Hold every BLAS of the process to one thread; nested and concurrent holds count."""
    _hold()
    try:
        yield
    finally:
        _release()


def each(function, items):
    """[function(item)]: in threads if there are several items; the first exception is raised.

    The caller works too: a thread that only waits would have to be woken before the result is.
    """
    with one_blas_thread():
        if len(items) == 1:
            return [function(items[0])]
        others = [_pool().submit(function, item) for item in items[1:]]
        try:
            first = function(items[0])
        finally:
            wait(others)
        return [first, *(other.result() for other in others)]


def _hold():
    global _holders
    with _lock:
        if _holders == 0:
            # 2 us; a new threadpool_limits would cost 600
            _before[:] = [(blas, blas.get_num_threads()) for blas in _libraries()]
            for blas, _ in _before:
                blas.set_num_threads(1)
        _holders += 1


def _release():
    global _holders
    with _lock:
        _holders -= 1
        if _holders == 0:
            for blas, threads in _before:
                blas.set_num_threads(threads)


@functools.cache
def _libraries():
    # Loaded first: jitted products call this BLAS, and what is not loaded is not found.
    import scipy.linalg.cython_blas  # noqa: F401

    return ThreadpoolController().select(user_api="blas").lib_controllers


@functools.cache
def _pool():
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="gradlab")


if hasattr(os, "register_at_fork"):  # a fork's child has the pool but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
