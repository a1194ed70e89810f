"""Which sequences does SGD learn, with clipping and with Omega? (Pascanu et al. 2013, Fig. 7)

Temporal order: two of the first symbols, far from the end and from each other, decide the class.
Plain SGD, with its gradient clipped, and clipped with the regulariser Omega, from the paper's three
starts: sigmoid units, tanh units with W ~ N(0, 0.1^2) (basic), and tanh units with a sparse W of
radius 0.95 (smart). Three versions of the paper differ in rate, threshold and Omega's factor
(`--set version=icml2013`, `arxiv_v2`, `code`): see gradlab.learning.presets. The paper goes on for
5 million updates and has five seeds; the budget here stands in the title.
"""

from gradlab.cli import script
from gradlab.plots import EXPLODING, MUTED, VANISHING, Panel, medians, page, shares
from gradlab.suite import Experiment, every, kept
from gradlab.suite.survival import until

LENGTHS, UPDATES = [10, 30, 50, 100], 200_000
METHODS = {"sgd": "SGD", "clipped": "clipped", "regularised": "clipped, with Omega"}
INKS = dict(zip(METHODS, (MUTED, VANISHING, EXPLODING), strict=True))
NAMED = {METHODS[name]: ink for name, ink in INKS.items()}
STARTS = {"sigmoid": "sigmoid", "basic_tanh": "basic tanh", "smart_tanh": "smart tanh"}
ABOUT = {
    "task": "temporal_order", "version": "icml2013", "updates": UPDATES, "stop_below": 0.01,
    "sequence_length": every(LENGTHS),
}  # fmt: skip


def success(start):
    """Shares solved over the length, a line a method, from one start."""
    columns = {words: kept("solved", method=name) for name, words in METHODS.items()}
    return Panel(
        f"{STARTS[start]}: share solved",
        shares(
            "sequence_length", columns, palette=NAMED, xlabel="sequence length (steps)",
            ylabel="share of trainings",
        ),
        {"start": start},
    )  # fmt: skip


def updates(start):
    """Median updates until solved over the length, a line a method."""
    return Panel(
        f"{STARTS[start]}: updates until solved, median",
        medians(
            "sequence_length", until, "method", palette=INKS, placed=True, yscale="log",
            xlabel="sequence length (steps)", ylabel="updates", ylim=(1000, None),
        ),
        {"start": start},
    )  # fmt: skip


figure = page(
    "Temporal order within {updates} updates: clipping takes SGD further, Omega further still",
    "Pascanu, Mikolov, Bengio, Fig. 7, version {version}: temporal order, 50 units, minibatches of "
    "20, plain SGD, at most {updates} updates (5 million in the paper); {seeds}\nsolved: an "
    "evaluation with a share below {stop_below} of {evaluation_size} fresh sequences wrong; a to "
    "c: 95 % Wilson intervals; d to f: no point where fewer than half are solved",
    [[success(start) for start in STARTS], [updates(start) for start in STARTS]],
    size=(17, 10.5),
)
experiment = Experiment(
    question="Which sequences does SGD learn, with clipping and with Omega? (Pascanu's Fig. 7)",
    grid={
        "start": list(STARTS),
        "method": list(METHODS),
        "sequence_length": LENGTHS,
        "seed": range(3),
    },
    split=["seed", "sequence_length", "start", "method"],
    constants={
        "task": "temporal_order",
        "version": "icml2013",
        "updates": UPDATES,
        "evaluate_every": 2000,
        "evaluation_size": 10_000,
        "stop_below": 0.01,
    },
    quick={
        "sequence_length": [10, 20],
        "seed": [0],
        "updates": 4000,
        "evaluate_every": 500,
        "evaluation_size": 1000,
    },
    measure="gradlab.measures.learning:reproduced",
    figure=figure,
    claims=[],
)

if __name__ == "__main__":
    script(experiment)
