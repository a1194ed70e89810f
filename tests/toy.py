"""How fast does the gradient of a chain of scalars vanish?"""

import math

from gradlab.cli import script
from gradlab.plots import style
from gradlab.suite import Claim, Experiment, NotMeasured


def figure(frame):
    drawn, axes = style.panels(1, 2, size=(11, 5))
    for weight, color in zip(w := sorted(set(frame["weight"])), style.colours(w), strict=True):
        rows = frame[frame["weight"] == weight]
        axes[0].plot(rows["seed"], rows["decades"], "o-", color=color, label=f"w = {weight:g}")
    axes[0].legend()
    square = frame.pivot_table(index="weight", columns="seed", values="mix")
    scale = style.centred(square)
    axes[1].pcolormesh(square.columns, square.index, square, cmap=style.DIVERGING, norm=scale)
    style.powers_of_ten(axes[0].yaxis)
    style.titles(axes, ["the gradient over the chain", "noise"])
    style.headline(drawn, "Below one it vanishes, above it explodes")
    style.caption(drawn, "A toy: w to the power of the length.")
    return drawn


def measured(frame):
    rows = frame[frame["weight"] == 0.5]
    if not len(rows):
        raise NotMeasured("needs rows with weight = 0.5")
    return rows["decades"].mean()


def control(frame):
    """The decades of a chain that is one step longer."""
    return frame.assign(decades=frame["decades"] * 1.1)


experiment = Experiment(
    question="How fast does the gradient of a chain of scalars vanish?",
    grid={"weight": [0.5, 1.0, 2.0], "seed": [0, 1, 2, 3]},
    split=["seed"],
    measure="toy_measure:decay",
    figure=figure,
    claims=[
        Claim(
            name="chain",
            statement="half a weight loses log10 2 decades a step",
            source="d(w^T h)/dh = w^T",
            measured=measured,
            equals=10 * math.log10(0.5),
            within=1e-12,
            why="rounding of ten products",
            control=control,
        )
    ],
    constants={
        "length": 10,
        "pause": 0.0,
        "broken_seed": -1,
        "killed_seed": -1,
        "gib": 0.001,
        "file": None,
    },
    quick={"seed": [0], "weight": [1.0]},
)

if __name__ == "__main__":
    script(experiment)
