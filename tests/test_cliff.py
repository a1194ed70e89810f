"""The single unit's descent against its recursion and forward derivatives in plain Python."""

import math

import numpy as np
import pytest

from gradlab.errors import UserError
from gradlab.measures.cliff import measure
from gradlab.suite.grid import Block

THRESHOLD, STEPS = 0.13, 12
STARTS = [(5.0, -2.4, 0.5), (4.5, -2.1, 0.5), (5.6, -2.6, -1.0)]


def block(updates, steps=STEPS):
    """Each start at each update, as a sweep hands it over."""
    rows = [(*start, u, steps, THRESHOLD) for start in STARTS for u in updates]
    names = ("weight", "bias", "start", "update", "steps", "clip_threshold")
    return Block(dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True)), {})


def slopes(w, b, x):
    """(x_T, E, dE/dw, dE/db), the derivatives carried forwards with the state."""
    by_w = by_b = 0.0
    for _ in range(STEPS):
        s = 1 / (1 + math.exp(-x))
        slope = w * s * (1 - s)
        by_w, by_b = s + slope * by_w, 1 + slope * by_b
        x = w * s + b
    s = 1 / (1 + math.exp(-x))
    outer = 2 * (s - 0.7) * s * (1 - s)
    return x, (s - 0.7) ** 2, outer * by_w, outer * by_b


def test_the_descent_is_the_recursions():
    updates = [0, 1, 7]
    found = measure(block(updates))
    for i, (w, b, start) in enumerate(STARTS):
        for count in range(max(updates) + 1):
            x, error, by_w, by_b = slopes(w, b, start)
            norm = math.hypot(by_w, by_b)
            if count in updates:
                row = 3 * i + updates.index(count)
                names = ("w", "b", "last_state", "error", "slope_w", "slope_b", "gradient_norm")
                here = [found[name][row] for name in names]
                assert here == pytest.approx([w, b, x, error, by_w, by_b, norm], rel=1e-9)
            factor = 0.2 * min(1, THRESHOLD / norm)
            w, b = w - factor * by_w, b - factor * by_b
    assert min(found["gradient_norm"]) < THRESHOLD < max(found["gradient_norm"])


@pytest.mark.parametrize(
    ("given", "wrong"), [(block([0], steps=0), "steps=0"), (block([-1]), "update=-1")]
)
def test_there_is_no_step_before_the_first(given, wrong):
    with pytest.raises(UserError, match=wrong):
        measure(given)
