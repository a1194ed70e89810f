"""What a training costs, in seconds of one thread; held against trainings that ran.

Constants are those of the machine of `rate.REFERENCE`, fitted to 42 settings: the best of four runs
of 40 updates each, in CPU seconds, beside the machine's rate in that moment; the fit is within 0.67
to 1.24 of every one. `python tests/pace.py` prints the ratio for whole blocks.
"""

import math
from typing import NamedTuple

from gradlab.measures.rate import slowness
from gradlab.nets import registry, weights

RATE = 60e9  # flops a second of the products
MINIBATCH = 0.15e-3  # seconds to draw one
# Of what a budget allows, trainings that stop when they are solved took .64 (training_map, 1,050 of
# them, those that need no run of their own included), and all of it where none is solved.
SOLVED_EARLY = 0.8


class Load(NamedTuple):
    """T steps of B lanes through a cell with so many inputs, hidden units and outputs."""

    cell: str
    steps: int
    lanes: int
    inputs: int
    hidden: int
    outputs: int

    @property
    def shapes(self):
        """{name: shape} of the weights."""
        return weights.shapes(registry.find(self.cell), self[3:])

    @property
    def size(self):
        """Entries of all weights."""
        return sum(map(math.prod, self.shapes.values()))


def update(load, optimizer="sgd", omega=0.0, clip_per="mean"):
    """Seconds of an update: the gradients of a minibatch, clipping and the step.

    Python's part; of each step and lane the readout's; of each unit or gate what is elementwise;
    three products with W; what touches every weight.
    """
    every = load.steps * load.lanes
    rows, _ = load.shapes["W"]
    seconds = 0.7e-3 + every * (0.25e-6 + 10.5e-9 * rows) + 3.1e-8 * load.size
    seconds += 6 * every * math.prod(load.shapes["W"]) / RATE
    seconds += 0.3e-3 * (optimizer != "sgd")
    if omega:
        seconds += 0.25e-3 + 7e-9 * every * rows
    if clip_per == "lane":
        seconds += 1.6e-3 + 7e-9 * load.lanes * load.size
    if clip_per == "step":
        seconds += 0.19e-3 * load.steps
    return slowness() * seconds


def look(load):
    """Seconds of a forward pass with its loss: what an evaluation takes."""
    every = load.steps * load.lanes
    rows, _ = load.shapes["W"]
    seconds = every * (0.1e-6 + 8e-9 * rows) + 2 * every * math.prod(load.shapes["W"]) / RATE
    return slowness() * seconds


def row(load):
    """Seconds of a row of a training's table: the spectra of W."""
    rows, columns = load.shapes["W"]
    return slowness() * (1e-3 + 2.3e-9 * rows * columns**2)


def floss(hidden, exponents):
    """Seconds of a step of gradient flossing: a QR and the way back through it."""
    return slowness() * (1.5e-4 + 4e-9 * hidden * exponents * (hidden + exponents))
