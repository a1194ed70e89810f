"""What does a clipping threshold do to learning?

Clipping one gradient is min(n, c). What the threshold does shows when a network learns: temporal
order, by plain SGD with a learning rate at which training without clipping stays at chance from
some twenty steps on, over the spectral radius that W starts with and the length of the sequence.
Below the edge the gradient vanishes on its way back, above it explodes; the edge is measured at the
first update. Clipping helps where the gradient arrives; where it has vanished no threshold does
(see `omega`).
"""

import math

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, interval, nearest, rows

SHOWN = {
    "too small a threshold, {}": 0.01,
    "a good one, {}": 1.0,
    "threshold: {}": math.inf,
}
RADII, LENGTHS = [0.3, 0.6, 0.9, 1.2, 1.5, 1.75, 2.0], [10, 20, 30, 50, 100]
ABOUT = {
    "spectral_radius": RADII, "sequence_length": LENGTHS, "task": "temporal_order",
    "cell": "elman", "activation": "tanh", "init": "gaussian", "hidden_size": 50,
    "optimizer": "sgd", "learning_rate": 0.1, "batch": 20, "updates": 2000,
    "clip_style": "norm", "clip_per": "mean", "omega": 0.0, "stop_below": 0.01,
}  # fmt: skip
REACHED = (20, 30)  # lengths at which the threshold decides


def whole(frame):
    """The table, if it holds all radii and lengths."""
    for radius in RADII:
        rows(frame, spectral_radius=radius)
    for length in LENGTHS:
        rows(frame, sequence_length=length)
    return frame


def lead(other):
    """Share solved with threshold 1 less that with another threshold, all radii and lengths."""

    def measured(frame):
        known = whole(frame)
        solved = [interval(known, "solved", clip_threshold=c)[0] for c in (1.0, other)]
        return solved[0] - solved[1]

    return measured


def stuck(frame):
    """Whether each training ended no better than a guess: loss above 98 % of chance's."""
    return (frame.relative_loss > 0.98).astype(float)


def stuck_without(frame):
    """Share stuck at chance without clipping, less that with threshold 1, lengths 20 and 30."""
    known = whole(frame)
    known = known[known.sequence_length.isin(REACHED)]
    shares = [stuck(rows(known, clip_threshold=c)).mean() for c in (math.inf, 1.0)]
    return shares[0] - shares[1]


def out_of_reach(frame):
    """Share solved where the first gradient loses more than six decades, from length 30 on."""
    known = whole(frame)
    lost = -known.decades_per_step * known.sequence_length > 6
    return interval(known[lost & (known.sequence_length >= min(REACHED[1:]))], "solved")[0]


def length_cost(frame):
    """Share solved at the longest length over that at the shortest, threshold 1."""
    known = rows(whole(frame), clip_threshold=1.0)
    lengths = sorted(set(known.sequence_length))
    shares = [interval(known, "solved", sequence_length=n)[0] for n in (lengths[0], lengths[-1])]
    return shares[1] / shares[0]


def shuffled(frame):
    """Outcomes of other thresholds: the column clip_threshold is mixed up."""
    frame["clip_threshold"] = frame.clip_threshold.sample(frac=1, random_state=0).to_numpy()
    return frame


def one_length(frame):
    """All lengths do as the mean does."""
    frame["solved"] = frame.solved.mean()
    return frame


def everywhere(frame):
    """Trainings do as well whatever their gradient: the column solved is mixed up."""
    frame["solved"] = frame.solved.sample(frac=1, random_state=0).to_numpy()
    return frame


def figure(frame):
    """Maps of the success rate for three thresholds, and what each threshold does."""
    drawing, panels = style.mosaic("abc;def", size=(17, 10.5))
    chosen = {text: nearest_threshold(frame, c) for text, c in SHOWN.items()}
    for c, letter in zip(chosen.values(), "abc", strict=True):
        mesh = success(panels[letter], frame[frame.clip_threshold == c])
    drawing.colorbar(mesh, ax=[panels["c"]], label="share that is solved", pad=0.02)
    by_threshold(panels["d"], frame)
    speed(panels["e"], frame)
    clipped(panels["f"], frame)
    titles = [
        *(text.format(named(c)) for text, c in chosen.items()),
        "how trainings end, all radii and lengths",
        "updates until solved, median of those that did",
        "share of updates that are clipped",
    ]
    style.titles([panels[letter] for letter in "abcdef"], titles)
    first = frame.iloc[0]
    style.headline(
        drawing, "Between too small a threshold and none lies one that learns longer sequences"
    )
    style.caption(
        drawing,
        f"task {first.task}, {first.activation} RNN, {first.hidden_size} units, minibatches of "
        f"{first.batch}, {first.optimizer}, learning rate {first.learning_rate:g}, at most "
        f"{first.updates} updates: white is 'not solved within {first.updates}'; "
        f"{frame.seed.nunique()} seeds a cell\nsolved: below {first.stop_below:.0%} of "
        f"{first.evaluation_size} fresh sequences wrong; diverged: last tenth's mean loss above "
        "twice chance, or not finite; stuck: above 98 % of chance\na to c: solved of all in each "
        "cell; on the red line the gradient by lag neither grows nor falls at the first update, on "
        "the dashed one it loses six decades over the sequence; d: 95 % Wilson intervals",
    )
    return drawing


def nearest_threshold(frame, wanted):
    """The threshold of the table that is nearest on a logarithmic axis; none is infinite."""
    values = sorted(set(frame.clip_threshold))
    if math.isinf(wanted):
        return values[-1]
    return nearest([c for c in values if math.isfinite(c)] or values, wanted)


def named(threshold):
    return "none" if math.isinf(threshold) else f"{threshold:g}"


def success(panel, frame):
    """Share solved over radius and length, with counts; where the gradient keeps its size."""
    cells = frame.groupby(["sequence_length", "spectral_radius"])
    table, rate = cells.solved.mean().unstack(), cells.decades_per_step.median().unstack()
    heights, places = range(len(table)), range(len(table.columns))
    mesh = panel.pcolormesh(places, heights, table, cmap="Blues", vmin=0, vmax=1, shading="nearest")
    if min(rate.shape) > 1:
        panel.contour(places, heights, rate, [0], colors=EXPLODING, linewidths=2.5)
        lost = rate.mul(table.index, axis=0)
        panel.contour(places, heights, lost, [-6], colors=CRITICAL, linewidths=1.5,
                      linestyles="dashed")  # fmt: skip
    counts = cells.solved.agg(["sum", "size"]).to_numpy().reshape(*table.shape, 2)
    for i, j in ((i, j) for i in heights for j in places):
        hits, runs = counts[i, j]
        ink = "white" if hits > runs / 2 else MUTED
        panel.text(j, i, f"{hits:.0f}/{runs:.0f}", ha="center", va="center", color=ink, fontsize=9)
    panel.set_yticks(heights, table.index)
    panel.set_xticks(places, [f"{radius:g}" for radius in table.columns])
    panel.set(xlabel="spectral radius of W at the start", ylabel="sequence length (steps)")
    panel.grid(False)
    return mesh


def by_threshold(panel, frame):
    """Shares solved, stuck at chance and diverged over the threshold, with intervals."""
    thresholds = sorted(set(frame.clip_threshold))
    looks = {
        "solved": VANISHING,
        "stuck at chance": MUTED,
        "diverged": EXPLODING,
    }
    frame = frame.assign(**{"stuck at chance": stuck(frame)})
    for column, colour in looks.items():
        shares = [interval(frame, column, clip_threshold=c) for c in thresholds]
        middle, low, high = (list(part) for part in zip(*shares, strict=True))
        panel.plot(range(len(thresholds)), middle, "o-", color=colour, label=column)
        panel.fill_between(range(len(thresholds)), low, high, color=colour, alpha=0.2, lw=0)
    panel.set_xticks(range(len(thresholds)), [named(c) for c in thresholds])
    panel.set(xlabel="clipping threshold", ylabel="share of trainings", ylim=(-0.02, 1.02))
    panel.legend()


def speed(panel, frame):
    """Median updates of the trainings that solved it, over the threshold, by length."""
    thresholds = sorted(set(frame.clip_threshold))
    lengths = sorted(set(frame.sequence_length))
    for length, colour in zip(lengths, style.colours(range(len(lengths)), -1), strict=True):
        solved = frame[(frame.sequence_length == length) & (frame.solved == 1)]
        medians = solved.groupby("clip_threshold").updates_done.median().reindex(thresholds)
        panel.plot(range(len(thresholds)), medians, "o-", color=colour, label=f"{length}")
    panel.set_xticks(range(len(thresholds)), [named(c) for c in thresholds])
    panel.set(xlabel="clipping threshold", ylabel="updates")
    if frame.solved.any():
        panel.set_yscale("log")
    else:
        panel.text(0.5, 0.5, "none is solved", ha="center", transform=panel.transAxes)
    panel.legend(title="length")


def clipped(panel, frame):
    """Mean share of updates clipped, over the threshold, by length."""
    thresholds = sorted(set(frame.clip_threshold))
    lengths = sorted(set(frame.sequence_length))
    for length, colour in zip(lengths, style.colours(range(len(lengths)), -1), strict=True):
        known = frame[frame.sequence_length == length].groupby("clip_threshold").share_clipped
        panel.plot(range(len(thresholds)), known.mean(), "o-", color=colour, label=f"{length}")
    panel.set_xticks(range(len(thresholds)), [named(c) for c in thresholds])
    panel.set(xlabel="clipping threshold", ylabel="share of updates")
    panel.legend(title="length")


experiment = Experiment(
    question="What does a clipping threshold do to learning?",
    grid={
        "spectral_radius": RADII,
        "sequence_length": LENGTHS,
        "clip_threshold": [0.01, 0.1, 1.0, 10.0, 100.0, math.inf],
        "seed": range(5),
    },
    split=["seed", "sequence_length", "spectral_radius"],
    constants={
        "task": "temporal_order",
        "cell": "elman",
        "activation": "tanh",
        "init": "gaussian",
        "hidden_size": 50,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch": 20,
        "updates": 2000,
        "clip_style": "norm",
        "clip_per": "mean",
        "omega": 0.0,
        "evaluate_every": 100,
        "evaluation_size": 500,
        "stop_below": 0.01,
        "file": None,
        "column": None,
        "target": None,
        "fill": None,
        "held_out": 0.25,
    },
    quick={
        "spectral_radius": [0.6, 1.0, 1.4, 2.0],
        "sequence_length": [10, 20],
        "clip_threshold": [0.01, 1.0, math.inf],
        "seed": range(3),
        "hidden_size": 30,
        "updates": 700,
        "evaluation_size": 200,
    },
    measure="gradlab.measures.learning:outcome",
    figure=figure,
    claims=[
        Claim(
            name="none is worse",
            about=ABOUT,
            seeds=5,
            statement="share solved with threshold 1 less share solved without clipping",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=lead(math.inf),
            at_least=0.1,
            why="some hundred trainings each, interval +- 0.05",
            control=shuffled,
        ),
        Claim(
            name="too small is slow",
            about=ABOUT,
            seeds=5,
            statement="share solved with threshold 1 less share solved with threshold 0.01",
            source="a step is at most learning rate x threshold",
            measured=lead(0.01),
            at_least=0.1,
            why="some hundred trainings each, interval +- 0.05",
            control=shuffled,
        ),
        Claim(
            name="none stays at chance",
            about=ABOUT,
            seeds=5,
            statement="lengths 20 and 30: share that ends at chance or above (loss above 98 % of "
            "ln 4) without clipping less that with threshold 1",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=stuck_without,
            at_least=0.2,
            why="70 trainings each, interval +- 0.12",
            control=shuffled,
        ),
        Claim(
            name="no threshold brings back what vanished",
            about=ABOUT,
            seeds=5,
            statement="length 30 and more, all thresholds: share solved where the first gradient "
            "loses more than six decades on its way back",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.3: that takes a regulariser",
            measured=out_of_reach,
            at_most=0.02,
            why="none of some 200 trainings, upper end of the interval",
            control=everywhere,
        ),
        Claim(
            name="length costs",
            about=ABOUT,
            seeds=5,
            statement="threshold 1: share solved at the longest length over that at the shortest",
            source="Pascanu, Mikolov, Bengio (ICML 2013), Fig. 7",
            measured=length_cost,
            at_most=0.7,
            control=one_length,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
