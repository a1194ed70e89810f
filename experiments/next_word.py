"""How many words back does a language model look for the next one? 'The clouds are in the ...'

The lectures' question, on any text: a network reads it on in windows of truncated BPTT, n-grams
count it (Kneser and Ney), and both are asked for the held-out tenth with so many words before each
one. Before Newton's Queries stand generated sentences, in which the clouds are in the sky, keys in
a drawer and cows in a field: what comes last is decided by a noun some words before.

    gradlab run next_word --name own --set text_file=FILE --set sentences=0
    gradlab run next_word --name letters --set unit=character --set context=1,2,4,8,16
"""

import math

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, RANGE, VANISHING, Panel, dots, medians, page
from gradlab.suite import Claim, Experiment, every, median, swap

LOOKS = {"elman": VANISHING, "lstm": EXPLODING, "gru": "#2c9c69", "n_gram": CRITICAL}
NAMES = {"elman": "RNN", "lstm": "LSTM", "gru": "GRU", "n_gram": "n-grams"}
WINDOW, THRESHOLD = 20, 1.0
CONTEXTS = [1, 2, 3, 4, 8, 16]
ALL = 0
MARKS = (2, 3, 4, 6, 8, 10, 20, 40, 60, 80, 100, 150, 200, 300, 400, 600, 1000)  # of perplexity
EPOCHS = 6
HALF = EPOCHS // 2
AT_END = {"epochs": [0, EPOCHS]}  # n-grams count once
PLAIN = {"window": [0, WINDOW], "clip_threshold": THRESHOLD}
ABOUT = {
    "text_file": None, "unit": "word", "held_out": 0.1, "least": 2, "sentences": 1000,
    "hidden_size": 64, "embedding": 32, "layers": 1, "words": 0, "schedule": "constant",
    "optimizer": "adam", "learning_rate": 0.003,
    "batch": 10, "epochs": every([0, HALF, EPOCHS]), "init": "orthogonal",
}  # fmt: skip


def name(frame):
    """Each row's model, as the figure calls it."""
    return frame.model.map(NAMES).fillna(frame.model)


def looks(names):
    """A colour for each model; a user's own cell in grey."""
    known = {NAMES[model]: colour for model, colour in LOOKS.items()}
    return {one: known.get(one, MUTED) for one in names}


def by_context(column, **axes):
    """Medians and range of a column over the words before, a line a model."""
    lines = medians(
        "context", column, name, palette=looks, band=RANGE, placed=True,
        xlabel="words before that are seen", **axes,
    )  # fmt: skip

    def draw(panel, frame):
        lines(panel, frame[frame.context > ALL])
        if axes.get("yscale") == "log":
            low, high = panel.get_ylim()
            marks = [mark for mark in MARKS if low <= mark <= high]
            panel.set_yticks(marks, marks)
            panel.minorticks_off()

    draw.__doc__ = f"Median and range of {column} over the words that are seen, a line a model"
    return draw


def over(axis, words):
    """Perplexities with all words before, a dot a training, over what is varied."""

    def label(frame):
        return name(frame) + f", {words} " + frame[axis].map("{:g}".format).replace("inf", "none")

    def draw(panel, frame):
        frame = frame.sort_values(["model", axis])
        colours = {
            one: LOOKS.get(model, MUTED)
            for one, model in zip(label(frame), frame.model, strict=True)
        }
        dots("perplexity", label, palette=colours, xlabel="perplexity")(panel, frame)

    draw.__doc__ = f"Perplexity of each training that sees all words before, by {words}"
    return draw


def at(model, context):
    """Median perplexity of a model that sees so many words, after the longest training."""
    return median("perplexity", model=model, context=context, epochs=max, **PLAIN)


def half(frame):
    """The trainings of half as many epochs, and the n-grams."""
    return frame[frame.epochs < EPOCHS]


def forgetful(frame):
    """A network that sees more than two words knows what it knows with two."""
    keys = ["model", "window", "clip_threshold", "epochs", "seed"]
    two = frame[frame.context == 2].set_index(keys).perplexity.rename("two")
    joined = frame.join(two, on=keys)
    far = (frame.context > 2) & joined.two.notna()
    return frame.assign(perplexity=frame.perplexity.where(~far, joined.two))


figure = page(
    "N-grams know most from two words; an LSTM uses more than two, and from zeros knows little",
    "words seen at least {least} times, {vocabulary} of them; {sentences} generated "
    "sentences and the first nine tenths are learnt from, the last tenth is judged; {hidden_size} "
    "units, embedding {embedding}, {optimizer} at rate {learning_rate}, minibatches of {batch} "
    "windows, 6 epochs, {seeds}\na, b: windows of 20 words, threshold 1; medians and range; "
    "c, d: with all words before",
    [
        [
            Panel("perplexity of the held-out end", by_context("perplexity", yscale="log",
                  ylabel="perplexity", legend=""), AT_END | PLAIN),
            Panel("'the clouds are in the': probability of 'sky'", by_context("sky",
                  ylabel="probability", legend={"title": None}), AT_END | PLAIN),
        ],
        [
            Panel("windows of truncated BPTT (words)", over("window", "window"),
                  {"context": ALL, "epochs": EPOCHS, "clip_threshold": THRESHOLD}),
            Panel("clipping thresholds", over("clip_threshold", "threshold"),
                  {"context": ALL, "epochs": EPOCHS, "window": WINDOW, "model": "elman"}),
        ],
    ],
)  # fmt: skip
NETS = {
    "model": ["elman", "lstm", "gru"], "context": [*CONTEXTS, ALL], "epochs": [HALF, EPOCHS],
    "window": [WINDOW], "clip_threshold": [THRESHOLD], "seed": range(3),
}  # fmt: skip
experiment = Experiment(
    question="How many words back does a language model look for the next one?",
    grid=[
        NETS,
        NETS | {"model": ["elman", "lstm"], "window": [10, 40], "context": [ALL],
                "epochs": [EPOCHS]},
        NETS | {"model": ["elman"], "clip_threshold": [0.1, math.inf], "context": [ALL],
                "epochs": [EPOCHS]},
        NETS | {"model": ["n_gram"], "context": CONTEXTS[:4], "window": [0], "epochs": [0],
                "seed": [0]},
    ],
    split=["model", "window", "clip_threshold", "epochs", "seed"],
    constants={
        "text_file": None,
        "words": 0,
        "unit": "word",
        "held_out": 0.1,
        "least": 2,
        "sentences": 1000,
        "hidden_size": 64,
        "embedding": 32,
        "layers": 1,
        "init": "orthogonal",
        "batch": 10,
        "optimizer": "adam",
        "schedule": "constant",
        "learning_rate": 0.003,
    },
    quick={"seed": [0], "words": 6000, "sentences": 200},
    measure="gradlab.measures.next_word:measure",
    figure=figure,
    claims=[
        Claim(
            "what lies further back counts",
            "LSTM, 6 epochs or 3: median perplexity with 2 words before over that with 16",
            source="the lectures: a recurrent network reads data of unknown length",
            measured=at("lstm", 2) / at("lstm", 16),
            at_least=1.5,
            why="n-grams gain less than 1.1 from words further back than 2",
            control=forgetful,
            also=[half],
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "not to n-grams",
            "interpolated Kneser-Ney: perplexity with 2 words before over that with 4",
            source="Chen and Goodman (1999): on little data longer n-grams gain little",
            measured=at("n_gram", 2) / at("n_gram", 4),
            at_most=1.1,
            control=swap("model", "n_gram", "lstm"),
            about=ABOUT,
        ),
        Claim(
            "from zeros it knows little",
            "LSTM, 6 epochs or 3: median perplexity with 1 word before over that of bigrams",
            source="Williams and Peng (1990): its state is carried, and seldom 0 where it learns",
            measured=at("lstm", 1) / at("n_gram", 1),
            at_least=2.0,
            control=swap("model", "lstm", "n_gram"),
            also=[half],
            about=ABOUT,
            seeds=3,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
