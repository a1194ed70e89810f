"""Where does an RNN's horizon end, in words?

'The keys near the old cabinet are in the drawer': the verb has its noun's number, whatever stands
between them. A network reads the words before the verb and tells its number at the last of them,
as Linzen, Dupoux and Goldberg (2016) ask for it, in generated sentences with so many words between;
the nouns among these have numbers of their own and mislead. The gradient of the last word's loss
has to reach the noun before anything is learnt.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, Panel, medians, page, style
from gradlab.suite import Claim, Experiment, median, rows, swap
from gradlab.suite.controls import Control

INKS = {"RNN": CRITICAL, "LSTM": "#d1483a", "GRU": "#c77f1f"}
NAMES = {"elman": "RNN", "lstm": "LSTM", "gru": "GRU"}
LINZEN = "Linzen, Dupoux, Goldberg 2016: LSTMs learn number agreement that plain RNNs lose"
ABOUT = {
    "updates": 2000, "learning_rate": 0.003, "embedding": 16, "hidden_size": 32, "init": "torch",
    "layers": 1, "batch": 20, "clip_threshold": 1.0, "forget_bias": 0.0, "attractors": "any",
    "schedule": "constant", "sentences": 4000, "dtype": "float64",
}  # fmt: skip


def model(frame):
    """RNN, LSTM or GRU."""
    return [NAMES.get(cell, cell) for cell in frame.cell]


def gradients(panel, frame):
    """Median gradient in the noun over the words between: dashed at the start, drawn at the end."""
    for name, own in frame.assign(model=model).groupby("model", sort=False):
        for part, line in ((0.0, "--"), (1.0, "o-")):
            curve = own[own.part == part].groupby("between").log10_gradient.median()
            ink, label = INKS.get(name, MUTED), name if part else None
            panel.plot(curve.index, curve, line, color=ink, ms=5, label=label)
    panel.plot([], [], "--", color=MUTED, label="at the start")
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="words between noun and verb", ylabel="gradient in the noun / last word")
    panel.legend(loc="lower left")


def accuracies(part):
    """The panel of a part of the budget."""
    draw = medians(
        "between", "accuracy", model, palette=INKS, level=0.5, ylim=(0.4, 1.03), band=("pi", 100),
        xlabel="words between noun and verb (grey line: a guess)", ylabel="share of verbs right",
        legend={"title": None},
    )  # fmt: skip
    return Panel(f"after {'all' if part == 1 else 'half'} of {{updates}} updates", draw,
                 {"part": part})  # fmt: skip


def halved(frame):
    """Every training has half of its updates."""
    keys = ["cell", "between", "seed"]
    half = rows(frame, part=0.5).set_index(keys).accuracy
    there = frame.set_index(keys).index.map(half)
    return frame.assign(accuracy=np.where(frame.part == 1, there, frame.accuracy))


def ahead(cell, between):
    """The claim that a network with gates tells the number where the RNN guesses."""
    own, plain = ({"cell": name, "between": between, "part": 1.0} for name in (cell, "elman"))
    return Claim(
        f"{NAMES[cell]} across {between} words",
        f"{between} words between, Adam at 0.003, 2,000 updates or 1,000: median share of verbs "
        f"right of the {NAMES[cell]} less that of the RNN",
        source=LINZEN,
        measured=median("accuracy", **own) - median("accuracy", **plain),
        at_least=0.3,
        why="0.5 is the most that there can be; 400 sentences: a standard deviation is 0.025",
        control=swap("cell", "elman", cell),
        also=[Control("half of the updates", halved)],
        about=ABOUT,
        seeds=3,
    )


figure = page(
    "Across twelve words the gates tell a verb's number and the RNN guesses",
    "{hidden_size} units, embedding {embedding}, minibatches of {batch}, Adam at {learning_rate}, "
    "{sentences} sentences; medians over {seeds}, bands: all of them\ngradient: of the loss at the "
    "last word before the verb, in the embedding of the noun, over that in the last word",
    [[accuracies(1.0), accuracies(0.5)], [Panel("what reaches the noun", gradients)]],
    size=(15, 11),
)

experiment = Experiment(
    question="Where does an RNN's horizon end, in words?",
    grid={
        "cell": ["elman", "lstm", "gru"],
        "between": [6, 9, 12, 16],
        "seed": range(3),
        "part": [0.0, 0.5, 1.0],
    },
    split=["cell", "between", "seed"],
    constants={
        "updates": 2000,
        "sentences": 4000,
        "attractors": "any",
        "embedding": 16,
        "hidden_size": 32,
        "layers": 1,
        "init": "torch",
        "forget_bias": 0.0,
        "dtype": "float64",
        "batch": 20,
        "learning_rate": 0.003,
        "schedule": "constant",
        "clip_threshold": 1.0,
        "evaluation_size": 400,
    },
    quick={"seed": [0], "updates": 500},
    measure="gradlab.measures.agreement:learnt",
    figure=figure,
    claims=[ahead("lstm", 12), ahead("gru", 12)],
)

if __name__ == "__main__":
    script(experiment)
