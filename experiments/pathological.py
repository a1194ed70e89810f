"""Are the other pathological tasks learnt with clipping and Omega, too? (Pascanu et al. 2013)

Addition, multiplication, 3-bit temporal order, random permutation and noiseless memorization, after
Hochreiter and Schmidhuber (1997) and Martens and Sutskever (2011). Pascanu, Mikolov and Bengio
train on all of them by SGD with clipping and Omega, on longer sequences and up to 5 million
updates. Here the budget is small, and stands in the title: what is not solved is not solved within
that. Clipping alone and clipping with Omega have at each task and length the learning rate that
suits them, chosen on seeds of their own, which the table holds too.
"""

from gradlab.cli import script
from gradlab.plots import EXPLODING, VANISHING, Panel, counted, dots, page, solved_by
from gradlab.suite import Experiment, other_than

TASKS = {
    "temporal_order_3bit": "3-bit order",
    "random_permutation": "random permutation",
    "addition": "addition",
    "multiplication": "multiplication",
    "memorization": "memorization",
}
METHODS = {"clipped": "clipped", "regularised": "clipped, with Omega"}
INKS = dict(zip(METHODS, (VANISHING, EXPLODING), strict=True))
LENGTHS, UPDATES = [20, 50], 50_000
TRIED, PILOT, TRIALS = [0.03, 0.1, 0.3, 1.0], [100, 101], 10_000
REPORTED = other_than(PILOT)  # the seeds that did not choose the rates
CLASSES = ("random_permutation", "temporal_order_3bit")  # with ten seeds at 50 steps, too
# Of each task and method, one a length: the best on the pilot's seeds
# (tests/test_learning_rates.py).
RATES = {
    ("temporal_order_3bit", "clipped"): [0.3, 0.1],
    ("temporal_order_3bit", "regularised"): [0.3, 0.1],
    ("random_permutation", "clipped"): [1.0, 1.0],
    ("random_permutation", "regularised"): [1.0, 0.3],
    ("addition", "clipped"): [0.03, 0.03],
    ("addition", "regularised"): [0.1, 0.03],
    ("multiplication", "clipped"): [0.03, 0.03],
    ("multiplication", "regularised"): [0.1, 0.03],
    ("memorization", "clipped"): [0.1, 0.1],
    ("memorization", "regularised"): [0.3, 0.1],
}


def kind(frame):
    """The task and the method of each row, in words."""
    said = zip(frame.task, frame.method, strict=True)
    return [f"{TASKS.get(task, task)}, {METHODS.get(method, method)}" for task, method in said]


def of_length(place):
    """The panels of a table's first or second length."""

    def length(values):
        """The length in that place, if there are so many."""
        return next(iter(sorted(set(values))[place:]), None)

    where = {"sequence_length": length, "seed": REPORTED}
    return [
        Panel(
            "T = {sequence_length}: solved within {updates} updates",
            counted("solved", kind, "method", palette=INKS, xlabel="share of trainings"),
            where,
        ),
        Panel(
            "T = {sequence_length}: loss at the end over a blind guess's",
            dots(
                "relative_loss", kind, "method", palette=INKS, named=False, level=1,
                xscale="log", xlabel="loss / baseline's (line: no better than blind)",
            ),
            where,
        ),
        Panel(
            "random permutation, T = {sequence_length}: share solved",
            solved_by("method", palette=INKS, legend="", loc="lower right", xscale="log"),
            where | {"task": "random_permutation"},
        ),
    ]  # fmt: skip


figure = page(
    "Within {updates} updates, each at its best rate",
    "Pascanu, Mikolov, Bengio, version {version}, start {start} (memorization: 10 values, a delay "
    "of T - 20): 50 units, minibatches of 20, plain SGD at the best of its rates each "
    "({learning_rate}), threshold 1, alpha 4, at most {updates} updates; {seeds}, two of which "
    "chose the\nrates and are not shown; in the paper all five are solved within 5 million updates "
    "on up to 200 steps, random permutation in one trial of eight; solved: a share below "
    "{stop_below} of {evaluation_size} fresh sequences wrong; a and d: 95 % Wilson intervals; b "
    "and e: mean of the\nlast tenth of the updates; c and f: Kaplan-Meier estimate with its 95 % "
    "band",
    [of_length(place) for place in range(len(LENGTHS))],
    size=(17, 12),
)


def product(task, method, length, rates, seeds, updates):
    """The part of the grid of one method on one task at one length."""
    return {
        "task": [task],
        "method": [method],
        "sequence_length": [length],
        "learning_rate": rates,
        "updates": [updates],
        "seed": seeds,
    }


CASES = [(task, method, length) for task in TASKS for method in METHODS for length in LENGTHS]
experiment = Experiment(
    question="Are the other pathological tasks learnt with clipping and Omega, too?",
    grid=[product(*case, TRIED, PILOT, TRIALS) for case in CASES]
    + [
        product(
            task, method, length, [RATES[task, method][LENGTHS.index(length)]],
            range(10 if length == 20 or task in CLASSES else 5), UPDATES,
        )
        for task, method, length in CASES
    ],
    split=["sequence_length", "seed", "task", "method", "learning_rate"],
    constants={
        "version": "icml2013",
        "start": "basic_tanh",
        "evaluate_every": 250,
        "evaluation_size": 500,
        "stop_below": 0.01,
    },
    quick={
        "seed": [0],
        "sequence_length": [20],
        "learning_rate": [0.1],
        "updates": [1000],
        "evaluation_size": 200,
    },
    measure="gradlab.measures.learning:reproduced",
    figure=figure,
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
