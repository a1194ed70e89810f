"""Which starts and which cells learn a task that needs a memory?

Adding (the sum of two marked numbers, somewhere in T steps) and copying (ten symbols, to be said
again after a delay of T - 20), with Adam. What a training has learnt is told by the loss beside the
trivial baseline's, which knows the step but not the input: 1/6 for adding, 10 ln 8 for copying.
The tanh network starts with a gaussian, PyTorch's or an orthogonal W; with ReLU and the unit matrix
it is the IRNN of Le, Jaitly and Hinton (2015); LSTM (forget bias 0 and 1) and GRU have gates.
Learning rates were chosen once: 0.01 where there are gates, 0.003 elsewhere.
"""

from gradlab.cli import script
from gradlab.plots import Panel, counted, dots, page
from gradlab.suite import Claim, Experiment, always, kept, median, share, swap

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
ABOUT = {
    "sequence_length": 30, "hidden_size": 40, "optimizer": "adam", "batch": 20, "updates": 1500,
    "clip_threshold": 1.0, "clip_style": "norm", "clip_per": "mean", "omega": 0.0,
    "stop_below": 0.01, "layers": 1, "bidirectional": False, "dtype": "float64",
}  # fmt: skip


def of(start):
    """The values of a start's columns."""
    return dict(zip(COLUMNS, STARTS[start], strict=True))


def adds(start):
    """Share of a start's trainings that solve adding."""
    return share("solved", task=ADDING, **of(start))


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


def of_task(task, scale):
    """Three panels of a task, a line a start: shares solved, losses, updates until solved."""
    where = {"task": task}
    return [
        Panel(
            "{task}, T = {sequence_length}: solved within {updates} updates",
            counted("solved", start, palette=INKS, xlabel="share of trainings"),
            where,
        ),
        Panel(
            "loss at the end over the baseline's",
            dots(
                "relative_loss", start, palette=INKS, named=False, level=1, xscale=scale,
                xlabel="loss / baseline's (line: no better than blind)",
            ),
            where,
        ),
        Panel(
            "updates until it is solved",
            dots(
                kept("updates_done", solved=1), start, palette=INKS, named=False, xlim=(0, None),
                xlabel="updates",
            ),
            where,
        ),
    ]  # fmt: skip


figure = page(
    "Gates and the unit matrix remember; a random tanh network is slow, or blind",
    "{hidden_size} units, minibatches of {batch}, {optimizer}, learning rate {learning_rate}, "
    "clipped to {clip_threshold}, {seeds} a line; bars: 95 % Wilson intervals; a dot without a "
    "bar: one training\nsolved: a share below {stop_below} of {evaluation_size} fresh sequences "
    "wrong, at an evaluation every {evaluate_every} updates; loss: mean of the last tenth; "
    "baseline: 1/6 (adding), 10 ln 8 (copying); updates of those that solved it within the budget",
    [of_task(first, "log"), of_task(second, "linear")],
    size=(17, 10.5),
)


experiment = Experiment(
    question="Which starts and which cells learn a task that needs a memory?",
    grid=[
        {column: [value] for column, value in of(start).items()}
        | {"task": [ADDING, COPYING], "seed": range(5)}
        for start in STARTS
    ],
    split=[*COLUMNS, "task", "seed"],
    constants={
        "layers": 1,
        "bidirectional": False,
        "dtype": "float64",
        "sequence_length": 30,
        "hidden_size": 40,
        "optimizer": "adam",
        "batch": 20,
        "updates": 1500,
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
    claims=[
        Claim(
            "gates add",
            "share of the trainings with gates that solve adding",
            source="Hochreiter and Schmidhuber 1997, experiment 4 (T = 100 and more there)",
            measured=(adds("LSTM") + adds("LSTM, forget bias 1") + adds("GRU")) / 3,
            at_least=0.8,
            why="15 trainings, an interval of +- 0.2",
            control=swap("task", ADDING, COPYING),
            about=ABOUT,
            seeds=5,
        ),
        Claim(
            "the unit matrix adds",
            "share of the trainings with ReLU and W = 1 that solve adding",
            source="Le, Jaitly, Hinton 2015, Fig. 2 (T = 150 there)",
            measured=adds("ReLU, identity"),
            at_least=0.8,
            why="5 trainings: 4 of them at least",
            control=swap("task", ADDING, COPYING),
            about=ABOUT,
            seeds=5,
        ),
        Claim(
            "a random tanh network does not",
            "share of the gaussian tanh networks that solve adding within the budget",
            source="Le, Jaitly, Hinton 2015, Fig. 2: RNN + tanh",
            measured=adds("tanh, gaussian"),
            at_most=0.2,
            why="5 trainings: 1 of them at most",
            control=always("solved", 1.0),
            about=ABOUT,
            seeds=5,
        ),
        Claim(
            "stuck at the baseline",
            "median loss of the gaussian tanh networks on copying over 10 ln 8",
            source="Arjovsky, Shah, Bengio 2016, Fig. 1",
            measured=median("relative_loss", task=COPYING, **of("tanh, gaussian")),
            equals=1.0,
            within=0.1,
            why="the last tenth's minibatches, and what the first symbols give away",
            control=swap("task", ADDING, COPYING),
            about=ABOUT,
            seeds=5,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
