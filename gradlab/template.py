"""How does the gradient of a random network depend on its spectral radius?

This file was written by `gradlab new`. It runs as it is, with `gradlab run NAME` or with
`gradlab run NAME --quick`, and results/ then holds its table and its figure. Make it yours from
top to bottom: the measure, the figure, the claim, and the experiment at the end that joins them.
"""

import math

import numpy as np

from gradlab import Network
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, style
from gradlab.suite import Claim, Experiment, rows


def measure(block):
    """Columns of the table: arrays with one entry for each point of the block.

    block.points holds an array for each axis of the grid, block.constants the constants.
    """
    steps, hidden = block.constants["steps"], block.constants["hidden_size"]
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


def figure(frame):
    """Draw from the table alone: measured points on the line of theory."""
    drawing, panel = style.panels(1, 1, size=(8, 5))
    radii = np.linspace(frame.spectral_radius.min(), frame.spectral_radius.max(), 200)
    panel.plot(radii, np.log10(radii), color=CRITICAL, label="log10(radius)")
    panel.plot(frame.spectral_radius, frame.decades_per_step, "o", color=EXPLODING,
               label="measured")  # fmt: skip
    panel.set(xlabel="spectral radius of W", ylabel="decades a step")
    panel.legend()
    style.headline(drawing, "Below one it vanishes, above it explodes")
    style.caption(drawing, "An orthogonal linear network: every step multiplies by the radius.")
    return drawing


def slope_at_one_half(frame):
    """What the claim measures. rows(...) says so if the table lacks these rows."""
    return rows(frame, spectral_radius=0.5).decades_per_step.mean()


def one_step_too_many(frame):
    """The control, a wrong table: each slope divided by T + 1 instead of T."""
    return frame.assign(decades_per_step=frame.decades_per_step * 50 / 51)


experiment = Experiment(
    question="How does the gradient of a random network depend on its spectral radius?",
    # One row for each combination; other values by `--set spectral_radius=0.5:1.5:21`.
    grid={"spectral_radius": [0.5, 0.75, 1.0, 1.25, 1.5], "seed": range(3)},
    split=["seed"],  # the points of one seed are measured together, seeds in parallel
    constants={"hidden_size": 16, "steps": 50},
    quick={"seed": [0]},  # what --quick puts in place of the above
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="one half",
            statement="at radius 1/2 every step takes log10(2) decades from the gradient",
            source="dh_T/dh_0 = (Q/2)^T with Q orthogonal",
            measured=slope_at_one_half,
            equals=-math.log10(2),  # from mathematics, not from the code that is tested
            within=1e-12,
            why="rounding of 50 products",
            control=one_step_too_many,  # a test would see the claim fall short on it
        )
    ],
)

if __name__ == "__main__":
    script(experiment)
