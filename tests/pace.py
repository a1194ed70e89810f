"""How well estimates of trainings hold: each over the CPU seconds of its block, best of two.

    python tests/pace.py

No test, for a machine that others use as well has no fixed pace.
"""

import time

import numpy as np

from gradlab.measures import rate
from gradlab.suite import library
from gradlab.suite.grid import blocks, changed
from gradlab.suite.work import resolve
from gradlab.threads import one_blas_thread

SETTINGS = [
    ("training_map", {"sequence_length": [50], "spectral_radius": [1.2], "updates": 300}),
    ("training_map", {"sequence_length": [20], "spectral_radius": [0.9], "updates": 1000}),
    ("training_map", {"sequence_length": [30], "spectral_radius": [1.2], "updates": 100,
                      "cell": "lstm", "clip_threshold": [0.1, 1.0]}),
    ("trainability", {"task": ["copying"], "updates": 300}),
    ("clipping", {"clip_threshold": [1.0], "clip_style": ["norm"], "clip_per": ["step"],
                  "spectral_radius": [1.2], "update": [1, 100, 200]}),
    ("omega", {"omega": [2.0], "spectral_radius": [1.2], "update": [0, 100, 200, 300]}),
    ("oscillator_forecast", {"model": ["elman"], "mode": ["driven"], "updates": 300}),
    ("oscillator_forecast", {"model": ["jordan"], "mode": ["fed_back"], "updates": 300}),
    ("oscillator_forecast", {"model": ["lstm"], "mode": ["fed_back"], "updates": 300}),
]  # fmt: skip


def seconds(measure, block):
    """CPU seconds of a block, once it is compiled."""
    started = time.process_time()
    measure(block)
    return time.process_time() - started


def main():
    """Print measured and estimated seconds, and their ratio."""
    for name, grid in SETTINGS:
        experiment = changed(library.load(name), {"seed": [0]} | grid)
        measure, estimate = resolve(experiment.measure)
        block = blocks(experiment)[0][0]
        with one_blas_thread(), np.errstate(all="ignore"):
            measure(block)
            took = min(seconds(measure, block) for _ in range(2))
            rate.slowness.cache_clear()
            said = estimate(block)[0]
        print(f"{name:20} {took:6.2f} s, said {said:6.2f} s: {said / took:.2f}", flush=True)


if __name__ == "__main__":
    main()
