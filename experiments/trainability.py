"""Which starts and which cells learn a task that needs a memory?

Adding (the sum of two marked numbers, somewhere in T steps) and copying (ten symbols, to be said
again after a delay of T - 20), with Adam. What a training has learnt is told by the loss beside the
trivial baseline's, which knows the step but not the input: 1/6 for adding, 10 ln 8 for copying.
The tanh network starts with a gaussian, PyTorch's or an orthogonal W; with ReLU and the unit matrix
it is the IRNN of Le, Jaitly and Hinton (2015); LSTM (forget bias 0 and 1) and GRU have gates.
Learning rates were chosen once: 0.01 where there are gates, 0.003 elsewhere.
"""

from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, style
from gradlab.suite import Claim, Experiment, interval, rows

COPYING, ADDING = "copying", "adding"
COLUMNS = ("cell", "activation", "init", "forget_bias")
STARTS = {
    "tanh, gaussian": ("elman", "tanh", "gaussian", 0.0),
    "tanh, PyTorch": ("elman", "tanh", "torch", 0.0),
    "tanh, orthogonal": ("elman", "tanh", "orthogonal", 0.0),
    "ReLU, identity": ("elman", "relu", "identity", 0.0),
    "LSTM": ("lstm", "tanh", "torch", 0.0),
    "LSTM, forget bias 1": ("lstm", "tanh", "torch", 1.0),
    "GRU": ("gru", "tanh", "torch", 0.0),
}
ABOUT = {
    "sequence_length": 30, "hidden_size": 40, "optimizer": "adam", "batch": 20, "updates": 1500,
    "clip_threshold": 1.0, "clip_style": "norm", "clip_per": "mean", "omega": 0.0,
    "stop_below": 0.01,
}  # fmt: skip
TASKS = [ADDING, COPYING]
GATED = ("lstm", "gru")


def product(start):
    """The part of the grid that a start stands for."""
    values = dict(zip(COLUMNS, STARTS[start], strict=True))
    plain = values["cell"] == "elman"
    values["learning_rate"] = 0.003 if plain else 0.01
    values["input_scale"] = 0.1 if values["activation"] == "relu" else 1.0
    return {name: [value] for name, value in values.items()} | {
        "task": TASKS,
        "seed": range(5),
    }


def of(frame, start):
    """The rows of a start; none if the table lacks it."""
    for name, value in zip(COLUMNS, STARTS[start], strict=True):
        frame = frame[frame[name] == value]
    return frame


def started(frame, task, start):
    """A task's rows of a start, with the learning rate and the input scale that are its own."""
    own = {name: part[0] for name, part in product(start).items() if name not in ("task", "seed")}
    return rows(frame, task=task, **own)


def gates(frame):
    """Share of the trainings with gates that solve adding."""
    known = [started(frame, ADDING, start) for start in STARTS if start[:3] in ("LST", "GRU")]
    return sum(interval(part, "solved")[0] for part in known) / len(known)


def plain(frame):
    """Share of the gaussian tanh networks that solve adding."""
    return interval(started(frame, ADDING, "tanh, gaussian"), "solved")[0]


def irnn(frame):
    """Share of the networks with ReLU and the unit matrix that solve adding."""
    return interval(started(frame, ADDING, "ReLU, identity"), "solved")[0]


def stuck(frame):
    """Median loss on copying over the baseline's of the gaussian tanh networks."""
    return started(frame, COPYING, "tanh, gaussian").relative_loss.median()


def swapped(frame):
    """The gates' results pass for those of the others, and the other way round."""
    gated = frame.cell.isin(GATED)
    for name in ("solved", "relative_loss"):
        for task in (ADDING, COPYING):
            one = frame.task == task
            means = frame[one & gated][name].median(), frame[one & ~gated][name].min()
            frame.loc[one & gated, name], frame.loc[one & ~gated, name] = means[1], means[0]
    return frame


def blind(frame):
    """No training has solved anything."""
    frame["solved"] = 0.0
    return frame


def figure(frame):
    """For each task: shares solved, losses over the baseline's, updates until solved."""
    tasks = sorted(set(frame.task), key=[*TASKS, *frame.task].index)
    drawing, axes = style.panels(len(tasks), 3, size=(17, 10.5), squeeze=False)
    titles = []
    for line, task in zip(axes, tasks, strict=True):
        known = rows(frame, task=task)
        shares(line[0], known)
        losses(line[1], known)
        updates(line[2], known)
        length = known.sequence_length.iloc[0]
        titles += [
            f"{task}, T = {length}: solved within {known.updates.iloc[0]:,} updates",
            "loss at the end over the baseline's",
            "updates until it is solved",
        ]
    style.titles(axes, titles)
    first = frame.iloc[0]
    style.headline(
        drawing, "Gates and the unit matrix remember; a random tanh network is slow, or blind"
    )
    style.caption(
        drawing,
        f"{first.hidden_size} units, minibatches of {first.batch}, {first.optimizer}, learning "
        "rate 0.01 with gates and 0.003 without, clipped to "
        f"{first.clip_threshold:g}, {frame.seed.nunique()} seeds a line; bars: 95 % Wilson "
        f"intervals; a dot in b, c, e, f: one training\nsolved: below {first.stop_below:.0%} of "
        f"{first.evaluation_size} fresh sequences wrong, at an evaluation every "
        f"{first.evaluate_every} updates; loss: mean of the last tenth; baseline: 1/6 (adding), "
        "10 ln 8 (copying); an empty line in c and f: not solved within the budget",
    )
    return drawing


def lines(panel, frame):
    """(place, rows, colour) of each start that the table has; labels the axis."""
    inks = (*["#8fc1e3", "#4a90c4", "#1f6fb2", "#22252b"], *["#d1483a", "#9c2a2a", "#c77f1f"])
    for place, (start, colour) in enumerate(zip(STARTS, inks, strict=True)):
        known = of(frame, start)
        if len(known):
            yield place, known, colour
    panel.set_yticks(range(len(STARTS)), list(STARTS))
    panel.set_ylim(len(STARTS) - 0.5, -0.5)
    panel.tick_params(axis="y", labelcolor=CRITICAL)


def shares(panel, frame):
    """Share solved with its interval and its number of runs."""
    for place, known, colour in lines(panel, frame):
        middle, low, high = interval(known, "solved")
        panel.plot([low, high], [place, place], lw=7, alpha=0.3, color=colour)
        panel.plot(middle, place, "o", ms=9, color=colour)
        panel.annotate(f"{known.solved.sum():.0f}/{len(known)}", (1.06, place), va="center",
                       fontsize=10, color=colour)  # fmt: skip
    panel.set(xlabel="share of trainings", xlim=(-0.03, 1.2))
    panel.set_xticks([0, 0.25, 0.5, 0.75, 1])


def losses(panel, frame):
    """Loss at the end of each training over the baseline's."""
    for place, known, colour in lines(panel, frame):
        spread = [place + 0.1 * (i - (len(known) - 1) / 2) for i in range(len(known))]
        panel.plot(known.relative_loss, spread, "o", ms=6, color=colour)
    panel.axvline(1, ls="--", lw=1, color=MUTED)
    panel.set(xlabel="loss / baseline's (dashed: no better than blind)")
    if frame.relative_loss.min() < 0.1:
        panel.set_xscale("log")
    panel.set_yticklabels([])


def updates(panel, frame):
    """Updates of the trainings that solved it."""
    for place, known, colour in lines(panel, frame):
        done = known[known.solved == 1].updates_done
        spread = [place + 0.1 * (i - (len(done) - 1) / 2) for i in range(len(done))]
        panel.plot(done, spread, "o", ms=6, color=colour)
    if not frame.solved.any():
        panel.text(0.5, 0.5, "none is solved", ha="center", transform=panel.transAxes)
    panel.set(xlabel="updates", xlim=(0, frame.updates.iloc[0] * 1.02))
    panel.set_yticklabels([])


experiment = Experiment(
    question="Which starts and which cells learn a task that needs a memory?",
    grid=[product(start) for start in STARTS],
    split=[*COLUMNS, "learning_rate", "input_scale", "task", "seed"],
    constants={
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
            name="gates add",
            about=ABOUT,
            seeds=5,
            statement="share of the trainings with gates that solve adding",
            source="Hochreiter and Schmidhuber 1997, experiment 4 (T = 100 and more there)",
            measured=gates,
            at_least=0.8,
            why="15 trainings, an interval of +- 0.2",
            control=swapped,
        ),
        Claim(
            name="the unit matrix adds",
            about=ABOUT,
            seeds=5,
            statement="share of the trainings with ReLU and W = 1 that solve adding",
            source="Le, Jaitly, Hinton 2015, Fig. 2 (T = 150 there)",
            measured=irnn,
            at_least=0.8,
            why="5 trainings: 4 of them at least",
            control=blind,
        ),
        Claim(
            name="a random tanh network does not",
            about=ABOUT,
            seeds=5,
            statement="share of the gaussian tanh networks that solve adding within the budget",
            source="Le, Jaitly, Hinton 2015, Fig. 2: RNN + tanh",
            measured=plain,
            at_most=0.2,
            why="5 trainings: 1 of them at most",
            control=swapped,
        ),
        Claim(
            name="stuck at the baseline",
            about=ABOUT,
            seeds=5,
            statement="median loss of the gaussian tanh networks on copying over 10 ln 8",
            source="Arjovsky, Shah, Bengio 2016, Fig. 1",
            measured=stuck,
            equals=1.0,
            within=0.1,
            why="the last tenth's minibatches, and what the first symbols give away",
            control=swapped,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
