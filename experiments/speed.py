"""How fast is it, against JAX and PyTorch and against the machine's limit?

Every contender takes the same arrays, proves that it computes the same gradients, and is timed in
turn with all others; JAX and PyTorch run in the form, and on the number of threads, that was their
fastest. `pip install -e '.[peers]'` brings them.

A goal was set before this engine was built and stands as it was set, reached or not; a claim says
what must hold of every reference run. A goal may lie beyond what any program can reach: our floor,
the time of the flops at the best matrix product's rate and of the activations, bounds the ratio to
a peer. Matrix products are as fast as the BLAS kernels that run: these are named, and a warning
stands where the machine has better ones.
"""

from typing import NamedTuple

from matplotlib.transforms import ScaledTranslation

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, page
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Span,
    always,
    largest,
    median,
    rows,
    scaled,
    smallest,
)

JAX = ("jax", "jax by hand")
PEERS = (*JAX, "torch", "torch.func")
TORCH = ("torch", "torch.func")
BATCHES = ("one sequence", "minibatch", "minibatch of 128 units", "large")
CELLS = ("LSTM", "LSTM of 256 units", "GRU", "GRU of 256 units", "Jordan",
         "two LSTM layers both ways")  # fmt: skip
SWEEPS = ("512 networks", "seeds x radii", "main job", "gradient by lag")
EPOCH = "tagger epoch"
TRAININGS = ("training by SGD with Omega", "training by Adam")
WORKS = (*BATCHES, *CELLS, *SWEEPS, *TRAININGS, EPOCH)


class Goal(NamedTuple):
    """The time of the best of `against` / ours: goal and moonshot set beforehand; what is claimed.

    The claim is what a reference run shows, less what the machine's moods take of it; None before
    there is one.
    """

    work: str
    against: tuple
    goal: float
    moonshot: float
    claimed: float | None = 1.0


class Limit(NamedTuple):
    """Another number: the goal and moonshot set beforehand, and what is claimed."""

    goal: float
    moonshot: float | None
    claimed: float


# The last number of each is claimed: after a reference run `python tests/raced.py` prints them.
GOALS = [
    Goal("one sequence", PEERS, 2, 3),
    Goal("minibatch", PEERS, 3, 4, 1.3),
    Goal("minibatch of 128 units", PEERS, 1.8, 2.2),
    Goal("large", PEERS, 1.5, 1.8, 1.1),
    Goal("LSTM", PEERS, 3, 4.5, 1.7),
    Goal("LSTM of 256 units", PEERS, 1.7, 2, 1.4),
    Goal("GRU", PEERS, 3, 4.5, 2.0),
    Goal("GRU of 256 units", PEERS, 1.7, 2, 1.5),
    Goal("Jordan", PEERS, 3, 5, 1.3),
    Goal("two LSTM layers both ways", PEERS, 3, 4, 1.7),
    Goal("512 networks", PEERS, 4, 6),
    Goal("seeds x radii", JAX, 2.5, 3.5, 1.5),
    Goal("main job", JAX, 2.2, 2.6, 1.1),
    Goal("main job", ("jax",), 10, 14, 4.1),
    Goal("main job", ("torch",), 150, 200, 85),
    Goal("gradient by lag", PEERS, 2.2, 3, 1.2),
    Goal("training by SGD with Omega", JAX, 2.5, 4),
    Goal("training by SGD with Omega", TORCH, 6, 10, 3.5),
    Goal("training by Adam", JAX, 2.5, 4),
    Goal("training by Adam", TORCH, 6, 10, 4.2),
    Goal(EPOCH, JAX, 3, 5, None),
    Goal(EPOCH, TORCH, 3, 5, None),
]
CEILING = Limit(0.75, None, 0.61)  # share of the best matrix product's rate that `large` reaches
FLOAT32 = Limit(1.6, 1.9, 1.3)  # float64's time / float32's, minibatch
PROCESSES = {  # seconds
    "process warm": Limit(3, None, 12), "process cold": Limit(12, None, 51),
}  # fmt: skip


TITLES = {PEERS: "the best peer", JAX: "the best JAX", ("jax",): "vmap(vmap(grad))",
          ("torch",): "PyTorch net by net", TORCH: "the best PyTorch"}  # fmt: skip
BEFORE = "the goal was set before this engine was built"
FULL = {"shrink": 1}  # a quick run's smaller works prove nothing
COLOURS = dict(zip(PEERS, ("#8fc1e3", VANISHING, "#f3b391", EXPLODING), strict=True))


def ratio(goal, **where):
    """The least ratio, to ours, of the contenders that a goal is held against."""
    return smallest(
        "ratio", work=goal.work, contender=goal.against, precision="float64", status="ok", **where
    )


def ours(work, column, precision="float64"):
    """One number of ours in a full run."""
    return median(column, work=work, contender="ours", precision=precision, **FULL)


class Standing(NamedTuple):
    """A goal, what was measured, and the most that any program could reach: peer / our floor."""

    goal: Goal
    measured: float
    bound: float

    @property
    def verdict(self):
        """Reached, not reached, or beyond the floor: out of any program's reach."""
        if self.measured >= self.goal.goal:
            return "reached"
        return "not reached" if self.bound >= self.goal.goal else "beyond the floor"


def standings(frame):
    """[Standing] of every goal whose peers raced. Raises NotMeasured if none did."""
    found = []
    for goal in GOALS:
        try:
            least = ratio(goal)(frame)
            mine = rows(frame, work=goal.work, contender="ours", precision="float64")
        except NotMeasured:
            continue
        found.append(Standing(goal, least, least / mine.floor_share.item()))
    if not found:
        raise NotMeasured("no peer is installed")
    return found


def error(frame):
    """How far each contender's gradients are from ours, in units of what is allowed."""
    ran = frame[frame.status.isin(["ok", "differs"]) & ~frame.work.isin(PROCESSES)]
    if ran[ran.contender != "ours"].empty:
        raise NotMeasured("no peer is installed")
    return ran.error / ran.precision.map({"float64": 1e-9, "float32": 1e-4})


def other_weights(frame):
    """The peers' gradients are those of other weights, one part in a million away."""
    return frame.assign(error=frame.error + 1e-6 * (frame.contender != "ours"))


def claim(goal):
    """What is claimed of a goal's ratio."""
    title = TITLES[goal.against]
    return Claim(
        f"{goal.work}: {title}",
        f"the time of {title} is {goal.claimed:g} x ours or more "
        f"(the goal was {goal.goal:g}, moonshot {goal.moonshot:g})",
        source=BEFORE,
        measured=ratio(goal, **FULL),
        at_least=goal.claimed,
        why="the median over rounds of ratios of neighbouring turns",
        control=always("ratio", 0.5),
        about={"rounds": Span(9)},
    )


def process(work, limit):
    """The claim of the seconds that the whole process takes."""
    return Claim(
        work,
        f"seconds of gradlab run --quick, from start to end (the goal was {limit.goal:g})",
        source=BEFORE,
        measured=ours(work, "seconds"),
        at_most=limit.claimed,
        why="the median over rounds",
        control=scaled("seconds", 3),
        about={"rounds": Span(3)},
    )


def raced(frame):
    """The works that raced, in the order of WORKS, and the table of them alone."""
    there = [work for work in WORKS if work in set(frame.work)]
    return there, rows(frame, work=there)


def over_works(panel, names, named=False):
    """A row a work, from the top; panels beside each other share them, the first one names them."""
    named = named or panel.get_subplotspec().is_first_col()
    panel.set_yticks(range(len(names)), names if named else [])
    panel.set_ylim(len(names) - 0.5, -0.6)
    panel.figure.set_size_inches(17.0, 3.0 + 0.62 * len(names))


def below_the_label(panel, inches, **options):
    """A legend under the x axis and its label, so many inches down, on a page of any height."""
    down = ScaledTranslation(0, inches, panel.figure.dpi_scale_trans)
    panel.legend(bbox_transform=panel.transAxes + down, fontsize=10, handlelength=1.2, **options)


def ratios(panel, frame):
    """Every contender's median ratio with its quartiles; goals as bars, moonshots as stars."""
    names, frame = raced(frame)
    known = standings(frame)
    for place, (contender, colour) in enumerate(COLOURS.items()):
        here = frame[(frame.contender == contender) & (frame.status == "ok")]
        y = [names.index(work) + 0.12 * (place - 1.5) for work in here.work]
        spread = [here.ratio - here.ratio_low, here.ratio_high - here.ratio]
        panel.errorbar(here.ratio, y, xerr=spread, fmt="o", ms=7, color=colour, label=contender)
    marks = {"goal": ("|", 24, 1.8), "moonshot": ("*", 9, 1.0), "the floor's bound": ("<", 7, 1.2)}
    for label, (marker, size, width) in marks.items():
        points = [(mark(label, one), names.index(one.goal.work)) for one in known]
        points = [(x, y + 0.3 * (marker == "*")) for x, y in points if x is not None]
        colour = MUTED if marker == "<" else CRITICAL
        panel.plot([x for x, _ in points], [y for _, y in points], marker, ms=size, mew=width,
                   mfc="none", color=colour, label=label)  # fmt: skip
    panel.axvline(1, color=MUTED, lw=1)
    panel.set(xscale="log", xlabel="time / ours")
    panel.xaxis.set_major_formatter("{x:g}")
    over_works(panel, names)
    below_the_label(panel, -0.55, loc="upper left", bbox_to_anchor=(0, 0), ncols=4)


def mark(label, standing):
    """Where a goal's mark of that name stands; None if it has none."""
    values = {"goal": standing.goal.goal, "moonshot": standing.goal.moonshot}
    return {**values, "the floor's bound": standing.bound}[label]


def goals(panel, frame):
    """Goal, what was measured and what our floor allows at most, beside the works."""
    names, frame = raced(frame)
    colours = {"reached": VANISHING, "not reached": EXPLODING}
    over_works(panel, names)
    panel.set(xlim=(0, 1))
    panel.axis("off")
    places = (0.0, 0.49, 0.67, 0.81)
    for x, text in zip(places, ("against", "goal", "measured", "at most"), strict=True):
        panel.text(x, -0.52, text, fontsize=9, ha="left" if x == 0 else "right",
                   color=MUTED)  # fmt: skip
    found = standings(frame)
    for y, name in enumerate(names):
        here = [standing for standing in found if standing.goal.work == name]
        for i, one in enumerate(here):
            line = TITLES[one.goal.against], *(f"{v:.3g}" for v in (one.goal.goal, *one[1:]))
            line = zip((*places, 0.84), (*line, one.verdict), strict=True)
            for x, text in line:
                panel.text(
                    x, y + 0.3 * (i - (len(here) - 1) / 2), text, fontsize=10, va="center",
                    ha="left" if x in (0.0, 0.84) else "right",
                    color=colours.get(one.verdict, MUTED),
                )  # fmt: skip


def shares(panel, frame):
    """What part of the best matrix product's rate ours reaches, and where its floor would be."""
    names, frame = raced(frame)
    alone = set(frame[frame.status == "ok"].contender) == {"ours"}
    frame = rows(frame, contender="ours")
    for precision, offset, colour in (
        ("float64", -0.15, VANISHING),
        ("float32", 0.15, EXPLODING),
    ):
        here = frame[frame.precision == precision]
        if here.empty:
            continue
        y = [names.index(work) + offset for work in here.work]
        panel.barh(y, 100 * here.ceiling_share, height=0.28, color=colour, label=precision)
        floor = 100 * here.ceiling_share / here.floor_share
        panel.plot(floor, y, "|", ms=14, mew=2, color=CRITICAL)
    panel.set(xlabel="ours, % of the best\nmatrix product (mark:\nno tanh can be faster)")
    panel.set_xlim(0, 100)
    over_works(panel, names, alone)
    below_the_label(panel, -0.95, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)


def said(frame):
    """What was run, where, and the numbers that no panel shows."""
    names, known = raced(frame)
    lines = [
        f"{len(names)} works, median of {frame.rounds.max():g} rounds in turn, quartiles",
        libraries(frame), processes(frame), updates(known), machine(known), products(frame),
    ]  # fmt: skip
    if frame["shrink"].max() > 1:
        lines[0] += ", smaller works than the reference run's"
    return (
        "; ".join(lines[:2]) + "\n" + "; ".join(filter(None, lines[2:])) + "\nat most: a peer's "
        "time / our floor, which is the flops at the best matrix product's rate + the activations"
    )


def libraries(frame):
    """Which versions raced, and who could not."""
    texts = sorted({text for text in frame.library.dropna() if text})
    missing = sorted(set(frame[frame.status == "not installed"].contender))
    return ", ".join(texts + [f"{name}: not installed" for name in missing])


def processes(frame):
    """The seconds of the whole process, as text."""
    here = frame[frame.work.isin(PROCESSES)]
    texts = [
        f"{row.work.removeprefix('process, ')} {row.seconds:.1f} s" for row in here.itertuples()
    ]
    return "gradlab run --quick: " + ", ".join(texts) if texts else ""


def updates(frame):
    """The updates a second of the training loops, as text."""
    here = frame[(frame.contender == "ours") & frame.work.isin((*TRAININGS, EPOCH))]
    texts = [f"{row.work} {row.updates_per_second:.0f}" for row in here.itertuples()]
    return "ours, updates a second: " + ", ".join(texts) if texts else ""


def machine(frame):
    """The processor, and the rate of its best matrix product."""
    best = frame[frame.precision == "float64"].ceiling_gflops.median()
    return f"{frame.machine.iloc[0]}, matrix product {best:.0f} GFlop/s in float64"


def products(frame):
    """The BLAS kernels that ran, and a warning where they are not the machine's best, as text."""
    if "blas" not in frame:  # a table from before there was this column
        return ""
    kernels, warnings = (
        ", ".join(sorted(set(frame[name].dropna()) - {""})) for name in ("blas", "blas_warning")
    )
    return f"products by {kernels}" + (f": {warnings}" if warnings else "") if kernels else ""


figure = page(
    "Forward pass, BPTT and training, against JAX and PyTorch",
    said,
    [
        Panel("a contender's time / ours (float64)", ratios, {"precision": "float64"}, width=19),
        Panel("goals set beforehand", goals, width=14),
        Panel("of the ceiling", shares, width=7),
    ],
)
experiment = Experiment(
    question="How fast is it, against JAX and PyTorch and against the machine's limit?",
    grid=[
        {"work": (*BATCHES, EPOCH), "contender": ("ours", *PEERS),
         "precision": ["float64", "float32"]},
        {"work": (*CELLS, *SWEEPS, *TRAININGS), "contender": ("ours", *PEERS),
         "precision": ["float64"]},
        {"work": PROCESSES, "contender": ["ours"], "precision": ["float64"]},
    ],
    split=["work"],
    alone=True,
    constants={"rounds": 9, "shrink": 1},
    quick={"work": ["minibatch", "LSTM", "seeds x radii", "training by Adam"],
           "precision": ["float64"], "rounds": 3, "shrink": 8},
    measure="race.measure:measure",
    figure=figure,
    claims=[
        Claim(
            "the same gradients",
            "every contender computes what ours does, in units of what is allowed: "
            "1e-9 relative in float64, 1e-4 in float32",
            source="radius 0.9 at full length; radii up to 2.5 at T = 20",
            measured=largest(error),
            at_most=1.0,
            why="beyond radius 1 rounding errors grow with every step",
            control=other_weights,
        ),
        *(claim(goal) for goal in GOALS if goal.claimed is not None),
        Claim(
            "large: the ceiling",
            f"the large work runs at {100 * CEILING.claimed:g} % of the best matrix "
            f"product or more (the goal was {100 * CEILING.goal:g} %)",
            source="products of 512, 1024 and 2048, timed in the same rounds",
            measured=ours("large", "ceiling_share"),
            at_least=CEILING.claimed,
            why="the median over rounds",
            control=scaled("ceiling_share", 1 / 3),
            about={"rounds": Span(9)},
        ),
        Claim(
            "float32",
            f"float32 is {FLOAT32.claimed:g} times as fast as float64 on the minibatch, "
            f"or more (the goal was {FLOAT32.goal:g}, moonshot {FLOAT32.moonshot:g})",
            source="vectors hold twice as many numbers",
            measured=ours("minibatch", "gain", "float32"),
            at_least=FLOAT32.claimed,
            why="the median over rounds of ratios of neighbouring turns",
            control=always("gain", 0.5),
            about={"rounds": Span(9)},
        ),
        *(process(work, limit) for work, limit in PROCESSES.items()),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
