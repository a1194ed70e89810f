"""How far back does a word's tag reach?

The lecture's tagger: words, their embedding, an RNN, LSTM or GRU, a linear layer, the log-softmax
over the 17 universal parts of speech; in one direction and in both. It learns from 319 sentences
that come along, or from a treebank of Universal Dependencies, where both names are paths:

    gradlab run tagger --set corpus=train.conllu --set dev_corpus=dev.conllu --name treebank

Beside it stands the table that gives each word its commonest tag, whatever is around it. The
gradient in each word before, and in both directions behind, says what else the network looks at.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, Panel, medians, page, style
from gradlab.suite import Claim, Experiment, NotMeasured, mean, passes_for, rows, swap
from gradlab.suite.controls import Control
from gradlab.theory import mean_field

TAGS = [
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
    "PUNCT", "SCONJ", "SYM", "VERB", "X",
]  # fmt: skip
ALL = "all"
PARTS = [0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0]
MODELS = {"cell": ["elman", "lstm", "gru"], "bidirectional": [False, True], "seed": range(3)}
SENTENCE = "The clouds that the children saw from the window of the house are in the sky ."
INKS = {"RNN": CRITICAL, "LSTM": "#d1483a", "GRU": "#c77f1f"}
NAMES = {"elman": "RNN", "lstm": "LSTM", "gru": "GRU"}
WHOLE = {"tag": ALL, "taken_for": ALL, "word": 0}
BEST = {"cell": "lstm", "bidirectional": True}
CHARNIAK = "Charniak et al. 1993: what a tagger must beat is the table of commonest tags"
SCHOENHOLZ = "Schoenholz et al. 2017: chi = g^2 <tanh'(sqrt(q) z)^2> a step; W ~ U(+-1/sqrt(N))"
ABOUT = {
    "embedding_scale": 0.3, "init": "torch", "layers": 1, "suffix": 3, "word_dropout": 0.1,
    "carry": False, "corpus": None, "dev_corpus": None, "hidden_size": 32, "embedding": 32,
    "forget_bias": 0.0, "batch": 8, "learning_rate": 0.01, "clip_threshold": 5.0, "epochs": 20,
    "schedule": "linear", "lower": True, "dtype": "float64",
}  # fmt: skip


def model(frame):
    """RNN, LSTM or GRU."""
    return [NAMES.get(cell, cell) for cell in frame.cell]


def named(frame):
    """The model and its directions."""
    ways = {False: "", True: ", both"}
    pairs = zip(model(frame), frame.bidirectional, strict=True)
    return [f"{name}{ways[bool(both)]}" for name, both in pairs]


def table_accuracy(frame):
    """What the table of commonest tags gets right of all words."""
    return rows(frame, part=1.0, **WHOLE).table_accuracy.median()


def accuracies(panel, frame):
    """Accuracy of all words, and of unknown ones, a dot a seed; the lines are the table's."""
    frame = rows(frame, part=1.0).assign(model=named)
    for place, (_, own) in enumerate(frame.groupby("model", sort=False)):
        ink = INKS.get(model(own)[0], MUTED)
        spread = place + 0.12 * (np.arange(len(own)) - (len(own) - 1) / 2)
        panel.plot(own.accuracy, spread, "o", color=ink, ms=8)
        panel.plot(own.unknown_accuracy, spread, "o", color=ink, ms=8, mfc="none")
    panel.set_yticks(range(place + 1), frame.model.drop_duplicates())
    panel.set_ylim(place + 0.5, -0.9)
    for column, line in (("table_accuracy", "-"), ("table_unknown_accuracy", "--")):
        panel.axvline(frame[column].median(), ls=line, color=MUTED, lw=1.5)
    for text, marker in (("all words", INKS["RNN"]), ("unknown words", "none")):
        panel.plot([], [], "o", color=INKS["RNN"], mfc=marker, label=text)
    panel.plot([], [], color=MUTED, label="the table")
    panel.legend(loc="upper center", ncols=3, fontsize=9)
    panel.set(xlabel="share of words right", xlim=(-0.02, 1.02))


def by_tag(panel, frame):
    """Accuracy of each tag's words beside the table's, the tag that is right most often first."""
    frame = frame[(frame.tag == frame.taken_for) & (frame.tag != ALL)]
    means = frame.groupby("tag")[["accuracy", "table_accuracy"]].mean().dropna()
    if means.empty:
        raise NotMeasured("needs rows of single tags")
    means = means.sort_values("accuracy", ascending=False)
    places = range(len(means))
    panel.vlines(places, means.table_accuracy, means.accuracy, color=MUTED, lw=1.5)
    panel.plot(places, means.accuracy, "o", color=INKS["LSTM"], ms=8, label="LSTM, both")
    panel.plot(places, means.table_accuracy, "_", color=CRITICAL, ms=14, mew=2, label="the table")
    panel.set_xticks(places, means.index, rotation=60, fontsize=9)
    panel.set(ylabel="share of the tag's words right", ylim=(-0.03, 1.03))
    panel.legend(loc="lower left")


def confusion(panel, frame):
    """Of the words of each tag the share that was taken for another one."""
    table = frame[(frame.tag != ALL) & (frame.taken_for != ALL)]
    table = table.pivot_table(index="tag", columns="taken_for", values="taken", dropna=False)
    table = table.loc[table.notna().any(axis=1)]
    table = table.where(table.columns.to_numpy() != table.index.to_numpy()[:, None])
    mesh = panel.pcolormesh(table.to_numpy(), cmap="Reds", vmin=0, vmax=0.3)
    panel.figure.colorbar(mesh, ax=panel, label="share of the tag's words", pad=0.02, extend="max")
    panel.set_xticks(np.arange(table.shape[1]) + 0.5, table.columns, rotation=90, fontsize=8)
    panel.set_yticks(np.arange(table.shape[0]) + 0.5, table.index, fontsize=8)
    panel.set(xlabel="taken for", ylabel="tag", ylim=(table.shape[0], 0))
    panel.grid(False)


def over_the_words(panel, frame):
    """Median gradient in each word of a sentence: dashed at the start, drawn after training."""
    frame = frame[(frame.word > 0) & np.isfinite(frame.log10_gradient)]
    if frame.empty:
        raise NotMeasured("needs rows of the words of a sentence")
    for name, own in frame.assign(model=model).groupby("model", sort=False):
        for part, line in ((0.0, "--"), (1.0, "o-")):
            curve = own[own.part == part].groupby("word").log10_gradient.median()
            label = name if part else None
            panel.plot(curve.index, curve, line, color=INKS.get(name, MUTED), ms=5, label=label)
    words, last = frame.sentence.iloc[0].split(), int(frame.word.max())
    asked = int(frame.asked.iloc[0])
    ticks = [f"[{w}]" if i == asked else w for i, w in enumerate(words[:last], 1)]
    panel.plot([], [], "--", color=MUTED, label="at the start")
    panel.set_xticks(range(1, last + 1), ticks, rotation=45)
    panel.axhline(-2, lw=1, color=MUTED, zorder=1)
    style.powers_of_ten(panel.yaxis)
    panel.set(ylabel="gradient / that in the asked word")
    panel.legend(loc="best", ncols=2, fontsize=9)


def horizons(panel, frame):
    """Words back until a hundredth of the gradient is left, at the start and after training."""
    frame = rows(frame, part=[0.0, 1.0]).assign(model=named)
    for place, (_, own) in enumerate(frame.groupby("model", sort=False)):
        ink = INKS.get(model(own)[0], MUTED)
        pair = own.pivot_table(index="seed", columns="part", values="horizon")
        for i, (_, one) in enumerate(pair.iterrows()):
            height = place + 0.16 * (i - (len(pair) - 1) / 2)
            panel.plot(one, [height] * len(one), "-", color=ink, lw=1, alpha=0.5)
            panel.plot(one.iloc[0], height, "o", color=ink, mfc="none", ms=7)
            panel.plot(one.iloc[-1], height, "o", color=ink, ms=7)
    panel.plot([], [], "o", color=CRITICAL, mfc="none", label="at the start")
    panel.plot([], [], "o", color=CRITICAL, label="after training")
    panel.set_yticks(range(place + 1), frame.model.drop_duplicates())
    panel.set_ylim(place + 0.5, -0.9)
    panel.set(xlabel="words back until 1 % of the gradient is left", xlim=(0, None))
    panel.legend(loc="upper left", ncols=2, fontsize=9)


def chi(frame):
    """log10(chi)/2 of a wide RNN with PyTorch's W, whose input is the words' embedding."""
    drive = frame.embedding_scale.iloc[0] ** 2
    return float(mean_field.largest_exponent(1 / np.sqrt(3), drive)) / np.log(10)


def halfway(frame):
    """Every training has had half of its epochs: the accuracies there are those of its end."""
    keys = ["cell", "bidirectional", "seed", *WHOLE]
    half = rows(frame, part=0.5).set_index(keys).accuracy
    there = frame.set_index(keys).index.map(half)
    return frame.assign(accuracy=frame.accuracy.where(frame.part != 1.0, there))


def ahead(cell):
    """The claim that a model in one direction is ahead of the table of commonest tags."""
    chosen = {"cell": cell, "bidirectional": False, "part": 1.0} | WHOLE
    return Claim(
        f"{NAMES[cell]} before the table",
        f"319 sentences, 20 epochs or half of them: mean accuracy of the {NAMES[cell]} left to "
        "right, less that of the table of commonest tags",
        source=CHARNIAK,
        measured=mean("accuracy", **chosen) - mean("table_accuracy", **chosen),
        at_least=0.1,
        why="444 words of dev: two standard deviations of a share are 0.04",
        control=passes_for("table_accuracy", "accuracy"),
        also=[Control("half of the epochs", halfway)],
        about=ABOUT,
        seeds=3,
    )


figure = page(
    "A tagger beats the table by what stands around a word; its gradient fades within ten words",
    "{hidden_size} units, embedding {embedding}, {epochs} epochs with Adam at {learning_rate}, "
    "{schedule} schedule, batch {batch}; {seeds}\n"
    "the table: each word's commonest tag, unknown ones PROPN; gradient: of the loss of one word's "
    "tag, in the embedding of each word, median over seeds; grey line: a hundredth",
    [
        [
            Panel("words that got their tag", accuracies, {"part": 1.0, **WHOLE}),
            Panel("left to right, over the training", medians(
                "part", "accuracy", model, palette=INKS, level=table_accuracy,
                xlabel="share of the epochs (grey line: the table)", ylabel="share of words right",
                loc="lower right", legend={"title": None},
            ), {"bidirectional": False, **WHOLE}),
        ],
        [
            Panel("LSTM in both directions, by tag", by_tag, {"part": 1.0, "word": 0, **BEST}),
            Panel("what it takes for what", confusion, {"part": 1.0, "word": 0, **BEST}),
        ],
        [
            Panel("left to right: what the tag in brackets feels of each word", over_the_words,
                  {"bidirectional": False}),
            Panel("in both directions", over_the_words, {"bidirectional": True}),
        ],
        [Panel("how far back the last word's tag is felt", horizons, WHOLE)],
    ],
    size=(17, 24),
    heights=(1, 1.2, 1.1, 0.8),
)  # fmt: skip


experiment = Experiment(
    question="How far back does a word's tag reach?",
    grid=[
        MODELS | {"part": PARTS, "tag": [ALL], "taken_for": [ALL], "word": [0]},
        MODELS | {"part": [1.0], "tag": TAGS, "taken_for": TAGS, "word": [0]},
        MODELS | {"part": [0.0, 1.0], "tag": [ALL], "taken_for": [ALL], "word": range(1, 18)},
    ],
    split=["cell", "bidirectional", "seed"],
    constants={
        "corpus": None,
        "dev_corpus": None,
        "suffix": 3,
        "lower": True,
        "word_dropout": 0.1,
        "carry": False,
        "embedding": 32,
        "embedding_scale": 0.3,
        "hidden_size": 32,
        "layers": 1,
        "init": "torch",
        "forget_bias": 0.0,
        "dtype": "float64",
        "epochs": 20,
        "batch": 8,
        "learning_rate": 0.01,
        "schedule": "linear",
        "clip_threshold": 5.0,
        "sentence": SENTENCE,
        "asked": 13,
    },
    quick={"seed": [0], "epochs": 5},
    measure="gradlab.measures.tagger:learnt",
    figure=figure,
    claims=[
        *[ahead(cell) for cell in ("elman", "lstm")],
        Claim(
            "chi, word by word",
            "the RNN before its training: decades that the gradient in a word's embedding loses a "
            "word, as mean field has it",
            source=SCHOENHOLZ,
            measured=mean("decades_per_word", cell="elman", bidirectional=False, part=0.0, **WHOLE),
            equals=chi,
            within=0.03,
            why="32 units, not infinitely many, and 3 draws",
            control=swap("cell", "elman", "lstm"),
            rivals={"tanh never flattens": float(np.log10(1 / np.sqrt(3)))},
            about={name: ABOUT[name] for name in ("embedding_scale", "init", "layers")}
            | {"hidden_size": 32, "embedding": 32},
            seeds=3,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
