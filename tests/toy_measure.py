"""A measure of pure NumPy for the tests: how a scalar gradient w^lag vanishes or explodes."""

import os
import time

import numpy as np
from threadpoolctl import threadpool_info

from gradlab.errors import UserError


def decay(block):
    """log10 of |w|^lag plus a block's own noise; fails as its constants ask."""
    if block.constants["length"] < 1:
        raise UserError(f"length {block.constants['length']}: not at least 1")
    seed = block.points["seed"]
    if block.constants["broken_seed"] in seed:
        raise ValueError("this seed\nis broken")
    if (block.points["seed"] == block.constants["killed_seed"]).any():
        os._exit(1)
    time.sleep(block.constants["pause"])
    noise = np.random.default_rng(int(seed[0])).normal(size=(len(block), 40))
    mix = (noise @ noise.T).sum(1)
    rate = np.log10(block.points["weight"])
    return {
        "decades": rate * block.constants["length"],
        "mix": mix,
        "blas_threads": np.full(len(block), max(blas_threads(), default=1)),
        "status": np.where(rate < -5, "zero", "ok"),
    }


def estimate(block):
    """Seconds and bytes."""
    return 0.001 * len(block), block.constants["gib"] * 2.0**30


def blas_threads():
    """The threads that each loaded BLAS would use."""
    return [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]
