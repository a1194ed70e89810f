"""How well does a recurrent network know a chorale's next chord, and what does clipping do to it?

The task of Pascanu, Mikolov and Bengio's Table 1 (ICML 2013): 88 sigmoids, one a key of the piano,
the cross-entropy summed over them, nats a chord. An RNN and an LSTM learn by plain SGD, clipped at
1, at 8 and not at all, each at several rates, and by Adam; the RNN also clipped with Omega, as the
table has it. Beside them stands what counting predicts: each pitch's frequency, and a Markov chain
for each pitch.

The eight chorales that come with gradlab are few: the networks soon know six of them by heart and
are judged where they predict the other two best. Hundreds, such as the JSB chorales, take

    gradlab run music --name jsb --set corpus=jsb_chorales.json --set hidden_size=100
        --set optimizer=adam --set learning_rate=0.003 --set clip_threshold=1
        --set dtype=float32 --set update=60:3000:50 --set patience=8
"""

import math

from gradlab.cli import script
from gradlab.plots import (
    CRITICAL,
    EXPLODING,
    MUTED,
    RANGE,
    VANISHING,
    Panel,
    dots,
    medians,
    page,
)
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Reading,
    every,
    mean,
    nearest,
    passes_for,
    rows,
    swap,
)
from gradlab.suite.frames import described
from gradlab.suite.survival import cut_off

TRAINING = ["cell", "optimizer", "learning_rate", "clip_threshold", "omega", "seed"]
EVERY, UPDATES = 20, 400
LOOKED_AT = range(EVERY, UPDATES + 1, EVERY)
RATES = [0.1, 0.3, 1.0]
FASTEST = max(RATES)
MARKS = (8, 9, 10, 11, 12, 14, 17, 20, 30, 40, 60)  # of an axis of nats
SHOWN = 0.3  # the rate of SGD whose courses are drawn
NAMES = {"elman": "RNN", "lstm": "LSTM", "gru": "GRU"}
ABOUT = {
    "corpus": None, "optimizer": "sgd", "init": "orthogonal", "layers": 1,
    "hidden_size": 50, "batch": 20, "schedule": "constant", "dtype": "float64",
    "update": every(LOOKED_AT),
}  # fmt: skip
LOOKS = {
    "clipped at 1": VANISHING, "clipped at 8": "#8a5fb0", "not clipped": EXPLODING,
    "clipped at 1, Omega": "#2a9d8f",
}  # fmt: skip


def rule(frame):
    """Each row's threshold in words, its optimizer where it is not SGD, and Omega where it is."""
    threshold = frame.clip_threshold.map(
        lambda c: "not clipped" if math.isinf(c) else f"clipped at {c:g}"
    )
    other = frame.optimizer.map({"sgd": "", "adam": "Adam, "}).fillna(frame.optimizer + ", ")
    return other + threshold + frame.omega.map(lambda omega: ", Omega" if omega else "")


def looks(labels):
    """A colour for each threshold of SGD, ink for Adam."""
    return {label: LOOKS.get(label, CRITICAL) for label in labels}


def of_best(frame):
    """One row a training: that with its smallest valid_nats."""
    known = frame[frame.valid_nats.notna()]
    if known.empty:
        raise NotMeasured("needs rows with valid_nats")
    return known.loc[known.groupby(TRAINING).valid_nats.idxmin()]


def smallest_at(rate, threshold, cell=None):
    """Median of the smallest valid_nats with a threshold at one rate, of one cell or of all."""
    where = {"clip_threshold": threshold, "learning_rate": rate, "omega": 0.0}
    where |= {"cell": cell} if cell else {}

    def read(frame):
        return of_best(rows(frame, **where)).valid_nats.median()

    return Reading(f"median smallest valid_nats ({described(where)})", read)


def learnt_by_heart(frame):
    """Median rise of valid_nats from their smallest value to the end."""
    last = frame.sort_values("update").groupby(TRAINING).valid_nats.last()
    return (last - of_best(frame).set_index(TRAINING).valid_nats).median()


def stopped_at_best(frame):
    """Each training ends where its valid_nats are smallest."""
    ends = of_best(frame).set_index(TRAINING)["update"].rename("ends")
    return frame[frame["update"] <= frame.join(ends, on=TRAINING).ends]


def baselines(line, frame):
    """What counting predicts, in grey: line is the panel's axhline or axvline."""
    for name, style in (("frequencies", ":"), ("chains", "--")):
        line(frame[name].iloc[0], ls=style, lw=1.5, color=MUTED, zorder=1)


def shown(frame):
    """The rows of one rate of SGD, and of all other optimizers."""
    sgd = frame.optimizer == "sgd"
    if not sgd.any():
        return frame
    return frame[~sgd | (frame.learning_rate == nearest(frame.learning_rate[sgd], SHOWN))]


def course(column, beside=False, **axes):
    """Medians of a column against the update, a line a rule; with what counting predicts."""
    lines = medians(
        "update", column, rule, palette=looks, points=None, xlabel="updates", **axes,
    )  # fmt: skip

    def draw(panel, frame):
        lines(panel, shown(frame))
        if beside:
            baselines(panel.axhline, frame)

    draw.__doc__ = f"Median of {column} against the update, a line for each threshold"
    return draw


def by_rate(panel, frame):
    """Median and range of the smallest valid_nats over the rate of SGD, a line a threshold."""
    medians(
        "learning_rate", "valid_nats", rule, palette=looks, band=RANGE, xscale="log", yscale="log",
        xlabel="learning rate of SGD", ylabel="nats a chord", legend="",
    )(panel, of_best(frame))  # fmt: skip
    baselines(panel.axhline, frame)
    low, high = panel.get_ylim()
    marks = [mark for mark in MARKS if low <= mark <= high]
    panel.set_yticks(marks, marks)
    rates = sorted(set(frame.learning_rate))
    panel.set_xticks(rates, [f"{rate:g}" for rate in rates])
    panel.minorticks_off()


def at_best(panel, frame):
    """Where valid_nats are smallest: those of each training, and of what it has learnt from."""
    keys = ["cell", "optimizer", "clip_threshold", "omega"]
    best = of_best(shown(frame)).sort_values(keys)

    def label(best):
        return best.cell.map(NAMES).fillna(best.cell) + ", " + rule(best)

    for column, colour in (("train_nats", VANISHING), ("valid_nats", EXPLODING)):
        dots(column, label, palette={name: colour for name in label(best)})(panel, best)
    baselines(panel.axvline, frame)
    panel.set_xlabel("nats a chord")


def page_of(cell):
    """The three panels of a cell."""
    name, here = NAMES[cell], {"cell": cell}
    legend = {"title": None, "fontsize": 10, "ncols": 2, "loc": "lower left"}
    judged = course("valid_nats", True, ylim=(7, 20), ylabel="nats a chord", legend=legend)
    norms = course("mean_norm", yscale="log", ylabel="norm", legend="")
    return [
        Panel(f"{name}: chorales that are judged", judged, here),
        Panel(f"{name}: each training at its best", by_rate, here | {"optimizer": "sgd"}),
        Panel(f"{name}: norm of the gradient", norms, here),
    ]


figure = page(
    f"Not clipped, SGD at rate {FASTEST:g} throws the RNN off in {UPDATES} updates, not the LSTM",
    "{network}, {hidden_size} units, {seeds}; minibatches of at most {batch} chorales; SGD at rate "
    f"{SHOWN:g} unless said\na, d: medians; grey, also in b, e, g: what counting predicts, dotted: "
    "each pitch's frequency, dashed: a Markov chain for each pitch; b, e: the smallest of each "
    "course, medians and range; c, f: before clipping, mean since the last row, medians; g: where "
    "the course is lowest, red: of the chorales that are judged, blue: of those that are learnt "
    "from",
    [page_of("elman"), page_of("lstm"), [Panel("each training at its best", at_best)]],
    size=(17, 15),
)
PLAIN = {"omega": [0.0]}
SGD = {"optimizer": ["sgd"], "learning_rate": RATES, "clip_threshold": [1.0, 8.0, math.inf]} | PLAIN
ADAM = {"optimizer": ["adam"], "learning_rate": [0.003], "clip_threshold": [1.0]} | PLAIN
SAME = {
    "cell": ["elman", "lstm"],
    "update": LOOKED_AT,
    "seed": range(10),
}
experiment = Experiment(
    question="How well does a network know a chorale's next chord, and what does clipping do?",
    grid=[
        SGD | SAME,
        ADAM | SAME,
        SGD | SAME | {"cell": ["elman"], "clip_threshold": [1.0], "omega": [2.0]},
    ],
    split=TRAINING,
    constants={
        "corpus": None,
        "hidden_size": 50,
        "layers": 1,
        "dtype": "float64",
        "init": "orthogonal",
        "batch": 20,
        "schedule": "constant",
        "patience": 0,
    },
    quick={"seed": [0], "update": range(EVERY, 6 * EVERY + 1, EVERY)},
    measure="gradlab.measures.music:measure",
    figure=figure,
    claims=[
        Claim(
            "thrown off without",
            "RNN, SGD at rate 1, 400 updates or 200: smallest valid_nats without a threshold less "
            "those with threshold 1, medians (nats a chord)",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2: a step from a cliff's wall",
            measured=smallest_at(FASTEST, math.inf) - smallest_at(FASTEST, 1.0),
            at_least=2.0,
            why="of counted frequencies 12.5, of a coin for each pitch 61",
            control=swap("clip_threshold", 1.0, math.inf),
            also=[cut_off(0.5)],
            about=ABOUT | {"cell": "elman"},
            seeds=10,
        ),
        Claim(
            "the LSTM bears the rate",
            "SGD at rate 1 without a threshold, 400 updates or 200: smallest valid_nats of the RNN "
            "less those of the LSTM, medians (nats a chord)",
            source="the cell's state is not multiplied by W: no wall of a cliff (the lectures)",
            measured=smallest_at(FASTEST, math.inf, "elman")
            - smallest_at(FASTEST, math.inf, "lstm"),
            at_least=2.0,
            control=swap("cell", "elman", "lstm"),
            also=[cut_off(0.5)],
            about=ABOUT,
            seeds=10,
        ),
        Claim(
            "beyond counting",
            "LSTM, SGD at rate 1, threshold 8, 400 updates or 200: nats a chord of a Markov chain "
            "for each pitch less the smallest valid_nats, median",
            source="Boulanger-Lewandowski, Bengio, Vincent (ICML 2012): an RNN sees chords, a "
            "pitch's chain itself alone",
            measured=mean("chains") - smallest_at(FASTEST, 8.0),
            at_least=0.1,
            control=passes_for("frequencies", "valid_nats"),
            also=[cut_off(0.5)],
            about=ABOUT | {"cell": "lstm"},
            seeds=10,
        ),
        Claim(
            "known by heart",
            "LSTM, SGD at rate 1, threshold 8: median rise of valid_nats from their smallest to "
            "the end, after 400 updates or 200 (nats a chord)",
            source="six chorales of 40 chords on average, 32,000 weights",
            measured=learnt_by_heart,
            at_least=0.1,
            control=stopped_at_best,
            also=[cut_off(0.5)],
            about=ABOUT | {"cell": "lstm", "learning_rate": FASTEST, "clip_threshold": 8.0},
            seeds=10,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
