"""Which starts learn to add over 100 to 400 steps, and how soon?

Two of T numbers are marked, and their sum is asked for at the end (Le, Jaitly, Hinton 2015;
Arjovsky, Shah, Bengio 2016). Who predicts 1 has a loss of 1/6, the baseline. A ReLU network with
the unit matrix (IRNN), an orthogonal tanh network, an LSTM with forget bias 0, 1 and with the
chrono start of Tallec and Ollivier (2018), drawn for T steps, and a GRU, with Adam. Learning rates
were chosen on other seeds.
"""

from gradlab.cli import script
from gradlab.plots import Panel, medians, page, solved_by
from gradlab.suite import Experiment, every, near

LENGTHS, UPDATES, EVERY = [100, 200, 400], 2000, 50
COLUMNS = ("cell", "activation", "init", "forget_bias", "learning_rate", "input_scale")
CHRONO = "LSTM, chrono"
STARTS = {
    "ReLU, identity": ("elman", "relu", "identity", 0.0, 0.001, 0.1),
    "tanh, orthogonal": ("elman", "tanh", "orthogonal", 0.0, 0.003, 1.0),
    "LSTM": ("lstm", "tanh", "torch", 0.0, 0.01, 1.0),
    "LSTM, forget bias 1": ("lstm", "tanh", "torch", 1.0, 0.01, 1.0),
    CHRONO: ("lstm", "tanh", "torch", 0.0, 0.01, 1.0),
    "GRU": ("gru", "tanh", "torch", 0.0, 0.01, 1.0),
}
INKS = dict(
    zip(STARTS, ["#22252b", "#1f6fb2", "#e8a49c", "#d1483a", "#8a1f1f", "#c77f1f"], strict=True)
)
SEEDS = {100: 10, 200: 5, 400: 3}
ABOUT = {
    "task": "adding", "hidden_size": 32, "optimizer": "adam", "batch": 20, "updates": UPDATES,
    "clip_threshold": 1.0, "clip_style": "norm", "clip_per": "mean", "omega": 0.0,
    "stop_below": 0.01, "layers": 1, "bidirectional": False, "dtype": "float64", "update": max,
}  # fmt: skip


def of(name):
    """The values of a start's columns."""
    chosen = dict(zip(COLUMNS, STARTS[name], strict=True))
    return chosen | {"chrono": every(LENGTHS) if name == CHRONO else 0}


def start(frame):
    """The name of each row's start, or its cell, activation and init where it has none here."""
    names = {values[:4]: name for name, values in STARTS.items() if name != CHRONO}
    found = zip(*(frame[column] for column in COLUMNS[:4]), frame.chrono, strict=True)
    return [
        CHRONO if chrono else names.get(values := tuple(key), ", ".join(values[:3]))
        for *key, chrono in found
    ]


def losses(length):
    """The panel of the loss against updates at one length, a line a start."""
    return Panel(
        "T = {sequence_length}: loss, median of {seeds}",
        medians(
            "update", "mean_loss", start, palette=INKS, points=None, level=1 / 6, yscale="log",
            xlabel="updates", ylabel="squared error (line: predicting 1)",
            legend="" if length != LENGTHS[0] else None,
        ),
        {"sequence_length": near(length)},
    )  # fmt: skip


def solved(length):
    """The panel of the share solved against updates at one length, a line a start."""
    return Panel(
        "T = {sequence_length}: share solved, with 95 % bands",
        solved_by(start, palette=INKS, legend=""),
        {"sequence_length": near(length), "update": max},
    )


figure = page(
    "HEADLINE",
    "task {task}, {hidden_size} units, minibatches of {batch}, {optimizer}, learning rate "
    "{learning_rate} as suits the start, clipped to {clip_threshold}, at most {updates} updates\n"
    "a to c: mean loss of the updates since the point before; a training that is solved ends, and "
    "its last loss stands on; d to f: Kaplan-Meier estimate; solved: a share below {stop_below} of "
    "{evaluation_size} fresh sequences has a squared error above 0.04",
    [[losses(length) for length in LENGTHS], [solved(length) for length in LENGTHS]],
    size=(17, 10.5),
)
experiment = Experiment(
    question="Which starts learn to add over 100 to 400 steps, and how soon?",
    grid=[
        {column: [value] for column, value in zip(COLUMNS, STARTS[name], strict=True)}
        | {
            "chrono": [length if name == CHRONO else 0],
            "sequence_length": [length],
            "seed": range(seeds),
            "update": range(EVERY, UPDATES + 1, EVERY),
        }
        for length, seeds in SEEDS.items()
        for name in STARTS
    ],
    split=[*COLUMNS, "chrono", "sequence_length", "seed"],
    constants={
        "task": "adding",
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "hidden_size": 32,
        "optimizer": "adam",
        "batch": 20,
        "updates": UPDATES,
        "clip_threshold": 1.0,
        "clip_style": "norm",
        "clip_per": "mean",
        "omega": 0.0,
        "evaluate_every": EVERY,
        "evaluation_size": 500,
        "stop_below": 0.01,
    },
    quick={
        "sequence_length": [30],
        "seed": [0],
        "update": range(EVERY, 501, EVERY),
        "updates": 500,
    },
    measure="gradlab.measures.learning:progress",
    figure=figure,
    claims=[],
)

if __name__ == "__main__":
    script(experiment)
