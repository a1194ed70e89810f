"""Which starts and which cells learn a task that needs a memory?

Adding (the sum of two marked numbers, somewhere in T steps) and copying (ten symbols, to be said
again after a delay of T - 20), with Adam. What a training has learnt is told by the loss beside the
trivial baseline's, which knows the step but not the input: 1/6 for adding, 10 ln 8 for copying.
The tanh network starts with a gaussian, PyTorch's or an orthogonal W; with ReLU and the unit matrix
it is the IRNN of Le, Jaitly and Hinton (2015); LSTM (forget bias 0 and 1) and GRU have gates.
Learning rates were chosen once: 0.01 where there are gates, 0.003 elsewhere.
"""

from gradlab.cli import script
from gradlab.plots import Panel, counted, dots, page, solved_by
from gradlab.suite import Experiment, every, near

COPYING, ADDING = "copying", "adding"
COLUMNS = ("cell", "activation", "init", "forget_bias", "learning_rate", "input_scale")
STARTS = {
    "tanh, gaussian": ("elman", "tanh", "gaussian", 0.0, 0.003, 1.0),
    "tanh, PyTorch": ("elman", "tanh", "torch", 0.0, 0.003, 1.0),
    "tanh, orthogonal": ("elman", "tanh", "orthogonal", 0.0, 0.003, 1.0),
    "ReLU, identity": ("elman", "relu", "identity", 0.0, 0.003, 0.1),
    "LSTM": ("lstm", "tanh", "torch", 0.0, 0.01, 1.0),
    "LSTM, forget bias 1": ("lstm", "tanh", "torch", 1.0, 0.01, 1.0),
    "GRU": ("gru", "tanh", "torch", 0.0, 0.01, 1.0),
}
INKS = dict(
    zip(
        STARTS,
        ["#8fc1e3", "#4a90c4", "#1f6fb2", "#22252b", "#d1483a", "#9c2a2a", "#c77f1f"],
        strict=True,
    )
)
LENGTHS, UPDATES = [30, 50], 10_000
ABOUT = {
    "sequence_length": every(LENGTHS), "hidden_size": 40, "optimizer": "adam", "batch": 20,
    "updates": UPDATES,
    "clip_threshold": 1.0, "clip_style": "norm", "clip_per": "mean", "omega": 0.0,
    "stop_below": 0.01, "layers": 1, "bidirectional": False, "dtype": "float64",
}  # fmt: skip


def of(start):
    """The values of a start's columns."""
    return dict(zip(COLUMNS, STARTS[start], strict=True))


def start(frame):
    """The name of each row's start, or its cell, activation and init where it has none here."""
    names = {values[:4]: name for name, values in STARTS.items()}
    found = zip(*(frame[column] for column in COLUMNS[:4]), strict=True)
    return [names.get(values, ", ".join(values[:3])) for values in found]


def first(tasks):
    """The first task of a table."""
    return tasks.iloc[0]


def second(tasks):
    """Its second task, if it has one."""
    return next(iter(tasks[tasks != first(tasks)]), None)


def of_task(task, length):
    """Two panels of a task at a length, a line a start: shares solved, and when."""
    where = {"task": task, "sequence_length": near(length)}
    return [
        Panel(
            "{task}, T = {sequence_length}: solved",
            counted("solved", start, palette=INKS, xlabel="share of trainings"),
            where,
        ),
        Panel(
            "{task}, T = {sequence_length}: share solved",
            solved_by(start, palette=INKS, legend="", xscale="log", xlim=(90, None)),
            where,
        ),
    ]  # fmt: skip


def losses(task):
    """Where the loss of each training ends, over the baseline's."""
    return Panel(
        "{task}, T = {sequence_length}: loss at the end over the baseline's",
        dots(
            "relative_loss", start, palette=INKS, named=False, level=1, xscale="log",
            xlabel="loss / baseline's (line: no better than blind)",
        ),
        {"task": task, "sequence_length": max},
    )  # fmt: skip


figure = page(
    "Gates and the unit matrix remember sooner than a random tanh network",
    "{hidden_size} units, minibatches of {batch}, {optimizer}, learning rate {learning_rate}, "
    "clipped to {clip_threshold}, at most {updates} updates, {seeds} a line\nsolved: a share below "
    "{stop_below} of {evaluation_size} fresh sequences wrong, at an evaluation every "
    "{evaluate_every} updates; bars: 95 % Wilson intervals, curves: Kaplan-Meier with its 95 % "
    "band; loss: mean of the last tenth; baseline: 1/6 (adding), 10 ln 8 (copying)",
    [
        [*of_task(first, LENGTHS[0]), losses(first)],
        [*of_task(first, LENGTHS[1]), losses(second)],
        [*of_task(second, LENGTHS[0]), *of_task(second, LENGTHS[1])[:1]],
    ],
    size=(17, 15),
)


experiment = Experiment(
    question="Which starts and which cells learn a task that needs a memory?",
    grid=[
        {column: [value] for column, value in of(start).items()}
        | {"task": [ADDING, COPYING], "sequence_length": LENGTHS, "seed": range(10)}
        for start in STARTS
    ],
    split=[*COLUMNS, "task", "sequence_length", "seed"],
    constants={
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "hidden_size": 40,
        "optimizer": "adam",
        "batch": 20,
        "updates": UPDATES,
        "clip_threshold": 1.0,
        "clip_style": "norm",
        "clip_per": "mean",
        "omega": 0.0,
        "evaluate_every": 100,
        "evaluation_size": 500,
        "stop_below": 0.01,
    },
    quick={"seed": [0], "updates": 200, "evaluate_every": 50, "evaluation_size": 200},
    measure="gradlab.measures.learning:outcome",
    figure=figure,
    claims=[],
)

if __name__ == "__main__":
    script(experiment)
