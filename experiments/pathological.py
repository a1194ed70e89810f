"""Are the other pathological tasks learnt with clipping and Omega, too? (Pascanu et al. 2013)

Addition, multiplication, 3-bit temporal order, random permutation and noiseless memorization, after
Hochreiter and Schmidhuber (1997) and Martens and Sutskever (2011). Pascanu, Mikolov and Bengio
train on all of them by SGD with clipping and Omega, on longer sequences and up to 5 million
updates. Here the budget is small, and stands in the title: what is not solved is not solved within
that. Clipping alone and clipping with Omega have at each task and length the learning rate that
suits them, chosen on seeds of their own, which the table holds too. That decides: within 10,000
updates a random permutation is solved with Omega only at rate 0.03, and without it as soon at 1.
"""

from gradlab.cli import script
from gradlab.plots import EXPLODING, VANISHING, Panel, counted, dots, page, solved_by
from gradlab.suite import Claim, Experiment, every, nth, other_than, swap
from gradlab.suite.survival import budget, times_slower

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


def of_length(place, task):
    """The panels of a table's first or second length; a task whose course is shown."""
    where = {"sequence_length": nth(place), "seed": REPORTED}
    return [
        Panel(
            "T = {sequence_length}: solved within {updates} updates",
            counted("solved", kind, "method", palette=INKS, xlabel="share of trainings"),
            where,
        ),
        Panel(
            "loss at the end over a blind guess's",
            dots(
                "relative_loss", kind, "method", palette=INKS, named=False, level=1,
                xscale="log", xlabel="loss / baseline's (line: no better than blind)",
            ),
            where,
        ),
        Panel(
            f"{TASKS[task]}, T = {{sequence_length}}: share solved",
            solved_by("method", palette=INKS, legend="", loc="upper left", xscale="log",
                      xlim=(200, None)),
            where | {"task": task},
        ),
    ]  # fmt: skip


def sooner(task, length, ratio):
    """The claim that a task is solved so many times sooner with Omega, each at its best rate."""
    return Claim(
        f"Omega is sooner: {TASKS[task]}",
        f"{TASKS[task]}, T = {length}, the best of four rates each, at most 50,000 updates and "
        "25,000: median updates until solved without Omega over those with it, low end of the 95 % "
        "interval",
        source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.3: Omega keeps the norm",
        measured=times_slower(
            {"method": "clipped"},
            {"method": "regularised"},
            task=task,
            sequence_length=length,
            seed=REPORTED,
        ),
        at_least=ratio,
        why="10 trainings each; what is not solved counts with its budget",
        control=swap("method", "clipped", "regularised"),
        also=[budget(0.5)],
        about={
            "version": "icml2013",
            "start": "basic_tanh",
            "stop_below": 0.01,
            "sequence_length": every(LENGTHS),
            "updates": every((TRIALS, UPDATES)),
        },
        seeds=10,
    )


figure = page(
    f"Within {UPDATES:,} updates, each at its best rate: Omega at least halves the time of two of "
    "five tasks",
    "Pascanu, Mikolov, Bengio, version {version}, start {start}: 50 units, minibatches of 20, "
    "plain SGD, threshold 1, alpha 4, the best of the rates {learning_rate} for each method, task "
    "and length;\n{seeds}, two of which chose the rates within 10,000 updates and are not shown; "
    "ten trainings a line, five of the last three tasks at T = 50; memorization: 10 values, a "
    "delay of T - 20\nin the paper all five are solved on up to 200 steps, random permutation in "
    "one trial of eight, within 5 million updates; solved: a share below {stop_below} of "
    "{evaluation_size} fresh sequences wrong\na, d: 95 % Wilson intervals; b, e: mean of the last "
    "tenth of the updates; c, f: Kaplan-Meier estimate with its 95 % band",
    [of_length(0, "memorization"), of_length(1, "temporal_order_3bit")],
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
    claims=[sooner("memorization", 20, 1.5), sooner("temporal_order_3bit", 50, 1.5)],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
