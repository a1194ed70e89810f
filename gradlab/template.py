"""How does the gradient of a random network depend on its spectral radius?

This file was written by `gradlab new`. It runs as it is, with `gradlab run NAME` or with
`gradlab run NAME --quick`, and results/ then holds its table and its figure. Make it yours from
top to bottom: the measure, the figure, and the experiment at the end that joins them.
"""

import math

import numpy as np

from gradlab import Network
from gradlab.cli import script
from gradlab.plots import EXPLODING, Panel, medians, page
from gradlab.suite import Claim, Experiment, mean, scaled

# What `gradlab show` says of the columns; axes and constants of your own belong here too.
COLUMNS = {
    "loss": "squared error at the last step",
    "decades_per_step": "log10(||dL/dh_0|| / ||dL/dh_T||) over the steps (decades a step)",
}


def measure(block):
    """Columns of the table: arrays with one entry for each point of the block.

    block.points holds an array for each axis of the grid, block.constants the constants.
    """
    steps, hidden = block.constants["sequence_length"], block.constants["hidden_size"]
    loss, slopes = [], []
    for radius, seed in zip(block.points["spectral_radius"], block.points["seed"], strict=True):
        net = Network.draw(
            inputs=1, hidden=hidden, outputs=1, init="orthogonal", activation="identity",
            spectral_radius=float(radius), seed=int(seed),
        )  # fmt: skip
        x = np.random.default_rng(int(seed)).standard_normal((steps, 1, 1))  # (T, B, D)
        found = net.gradients(x, np.zeros((1, 1)), at="last")  # a loss at the last step alone
        log10 = found.lag_log2[:, 0] * math.log10(2)  # log10 ||dL/dh_t|| for t = 0..T
        loss.append(found.loss)
        slopes.append((log10[0] - log10[-1]) / steps)
    return {"loss": loss, "decades_per_step": slopes}


def log10_radius(_, radii):
    """Theory: every step multiplies the gradient by the radius."""
    return np.log10(radii)


# Text in braces follows the table. Rows of panels: page(headline, caption, [[Panel, Panel], ...]).
figure = page(
    "Below one it vanishes, above it explodes",
    "An orthogonal linear network of {hidden_size} units, {sequence_length} steps, {seeds}.",
    [
        Panel(
            "measured, and what theory says",
            medians(
                "spectral_radius", "decades_per_step", colour=EXPLODING, label="measured",
                law=log10_radius, law_label="log10(radius)", level=0,
                xlabel="spectral radius of W", ylabel="decades a step",
            ),
        )
    ],
    size=(8, 5.5),
)  # fmt: skip

experiment = Experiment(
    question="How does the gradient of a random network depend on its spectral radius?",
    # One row for each combination; other values by `--set spectral_radius=0.5:1.5:21`.
    grid={"spectral_radius": [0.5, 0.75, 1.0, 1.25, 1.5], "seed": range(3)},
    split=["seed"],  # the points of one seed are measured together, seeds in parallel
    constants={"hidden_size": 16, "sequence_length": 50},
    quick={"seed": [0]},  # what --quick puts in place of the above
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="one half",
            statement="at radius 1/2 every step takes log10(2) decades from the gradient",
            source="dh_T/dh_0 = (Q/2)^T with Q orthogonal",
            measured=mean("decades_per_step", spectral_radius=0.5),  # says what it read
            equals=-math.log10(2),  # from mathematics, not from the code that is tested
            within=1e-12,
            why="rounding of 50 products",
            control=scaled("decades_per_step", 50 / 51),  # a wrong table: T + 1 for T
        )
    ],
)

if __name__ == "__main__":
    script(experiment)
