"""Does bringing Lyapunov exponents to zero before training help to learn?

Gradient flossing (Engelken 2023) moves W, before anything is learnt, by gradient descent on the
squares of the k largest finite-time Lyapunov exponents along the task's own sequences. Exponents
below 0 make gradients vanish, exponents above 0 make them explode. Then the network learns temporal
order, within the same budget: the updates of flossing count.
"""

from gradlab.cli import script
from gradlab.plots import Panel, dots, page, solved_by
from gradlab.suite import Experiment, every, near

COUNTS, RADII, UPDATES = [0, 1, 5, 20], [0.3, 0.6, 1.5], 5000
INKS = "crest"
ABOUT = {
    "task": "temporal_order", "cell": "elman", "layers": 1, "bidirectional": False,
    "dtype": "float64", "activation": "tanh", "init": "gaussian", "hidden_size": 50,
    "optimizer": "sgd", "batch": 20, "clip_threshold": 1.0, "clip_style": "norm",
    "clip_per": "mean", "omega": 0.0, "stop_below": 0.01, "updates": UPDATES, "sequence_length": 30,
    "exponents": every(COUNTS), "spectral_radius": every(RADII),
}  # fmt: skip


def flossed(frame):
    """ "radius 0.6, k = 5" of each row."""
    said = zip(frame.spectral_radius, frame.exponents, strict=True)
    return [f"radius {radius:g}, k = {count}" for radius, count in said]


def learns(radius):
    """Share solved against updates from one radius, a line a number of exponents."""
    return Panel(
        "radius {spectral_radius}: share solved",
        solved_by("exponents", palette=INKS, legend="exponents moved", xscale="log"),
        {"spectral_radius": near(radius)},
    )


figure = page(
    "HEADLINE",
    "CAPTION",
    [
        [learns(radius) for radius in RADII],
        [
            Panel(
                "the largest exponent, before (hollow) and after",
                dots("largest_after", flossed, "exponents", palette=INKS, level=0),
            ),
            Panel(
                "gradient at the first update",
                dots(
                    "decades_per_step", flossed, "exponents", palette=INKS, level=0, named=False,
                    xlabel="decades a step",
                ),
            ),
        ],
    ],
    size=(17, 10.5),
)  # fmt: skip
experiment = Experiment(
    question="Does bringing Lyapunov exponents to zero before training help to learn?",
    grid={"exponents": COUNTS, "spectral_radius": RADII, "seed": range(10)},
    split=["exponents", "spectral_radius", "seed"],
    constants={
        "task": "temporal_order",
        "cell": "elman",
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "activation": "tanh",
        "init": "gaussian",
        "hidden_size": 50,
        "sequence_length": 30,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch": 20,
        "updates": UPDATES,
        "clip_threshold": 1.0,
        "clip_style": "norm",
        "clip_per": "mean",
        "omega": 0.0,
        "evaluate_every": 100,
        "evaluation_size": 500,
        "stop_below": 0.01,
        "flossing_updates": 200,
        "flossing_rate": 0.003,
    },
    quick={
        "exponents": [0, 5],
        "spectral_radius": [0.6],
        "seed": range(2),
        "updates": 2000,
        "evaluation_size": 200,
    },
    measure="gradlab.measures.learning:flossed",
    figure=figure,
    claims=[],
)

if __name__ == "__main__":
    script(experiment)
