"""How fast is it, against JAX and PyTorch and against the machine's limit?

Every contender takes the same arrays, proves that it computes the same gradients, and is timed in
turn with all others; JAX and PyTorch run in the form, and on the number of threads, that was their
fastest. `pip install -e '.[peers]'` brings them.
"""

from gradlab.suite import Claim, Experiment, NotMeasured, rows

JAX = ("jax", "jax by hand")
PEERS = (*JAX, "torch", "torch.func")
BATCHES = ("one sequence", "minibatch", "minibatch of 128 units", "large")
SWEEPS = ("512 networks", "seeds x radii", "main job", "gradient by lag")
PROCESSES = {"process warm": (4, 3), "process cold": (12, 8)}
# work, the peers it is held against, goal and moonshot: the best peer's time / ours
GOALS = [
    ("one sequence", PEERS, 4, 5),
    ("minibatch", PEERS, 4, 6),
    ("minibatch of 128 units", PEERS, 2.5, 3),
    ("large", PEERS, 1.5, 2),
    ("512 networks", PEERS, 12, 20),
    ("seeds x radii", JAX, 4, 5),
    ("seeds x radii", ("jax",), 15, 20),
    ("main job", JAX, 4, None),
    ("main job", ("jax",), 18, 25),
    ("main job", ("torch",), 150, None),
    ("gradient by lag", PEERS, 3, 4),
]
TITLES = {PEERS: "the best peer", JAX: "the best JAX", ("jax",): "vmap(vmap(grad))",
          ("torch",): "PyTorch net by net"}  # fmt: skip


def full(frame, **values):
    """The rows of a full run with these values; a quick run's smaller works prove nothing."""
    return rows(frame, shrink=1, **values)


def ratio(work, against, column="ratio"):
    """The least ratio, to ours, of the contenders in `against` that raced; float64."""

    def measured(frame):
        here = full(frame, work=work, precision="float64")
        here = here[here.contender.isin(against) & (here.status == "ok")]
        if here.empty:
            raise NotMeasured(f"no {' or '.join(against)} raced over {work}")
        return here[column].min()

    return measured


def one(work, contender, precision, column):
    """One number of the table."""

    def measured(frame):
        return full(frame, work=work, contender=contender, precision=precision)[column].item()

    return measured


def largest_error(frame):
    """By how much any contender that ran differs from ours, in units of what is allowed."""
    ran = frame[frame.status.isin(["ok", "differs"]) & ~frame.work.isin(PROCESSES)]
    if ran[ran.contender != "ours"].empty:
        raise NotMeasured("no peer is installed")
    return (ran.error / ran.precision.map({"float64": 1e-9, "float32": 1e-4})).max()


def ours_is_slow(frame):
    """This project takes as long as the fastest of its peers."""
    raced = frame[frame.contender.isin(PEERS)].groupby(["work", "precision"]).ratio.transform("min")
    frame["ratio"] = frame.ratio / raced
    return frame


def three_times_slower(frame):
    """Every time is three times what was measured."""
    times = {name: 3 * frame[name] for name in frame if name.startswith("seconds")}
    shares = {name: frame[name] / 3 for name in ("ceiling_share", "floor_share")}
    return frame.assign(**times, **shares)


def equally_fast(frame):
    """float32 takes as long as float64."""
    return frame.assign(gain=1.0)


def other_weights(frame):
    """The peers' gradients are those of other weights, one part in a million away."""
    return frame.assign(error=frame.error + 1e-6 * (frame.contender != "ours"))


def goal(work, against, least, moonshot):
    """The claim that ours is `least` times as fast as the best of `against`."""
    beyond = "" if moonshot is None else f" (moonshot: {moonshot:g})"
    return Claim(
        name=f"{work}: {TITLES[against]}",
        statement=f"{TITLES[against]} takes {least:g} times as long as ours or more{beyond}",
        source="the goal was set before the kernels were written",
        measured=ratio(work, against),
        expected=least,
        tolerance=0.0,
        why="one-sided; the median over rounds of ratios of neighbouring turns",
        control=ours_is_slow,
        relation=">=",
    )


def process(work, most, moonshot):
    """The claim that the whole process takes `most` seconds or less."""
    return Claim(
        name=work,
        statement=f"gradlab run --quick, from start to end, in seconds (moonshot: {moonshot:g})",
        source="the goal was set before the kernels were written",
        measured=one(work, "ours", "float64", "seconds"),
        expected=most,
        tolerance=0.0,
        why="one-sided; the median over rounds",
        control=three_times_slower,
        relation="<=",
    )


def figure(frame):
    """Ratios to ours with the goals marked, and the share of the ceiling that ours reaches."""
    from gradlab.suite import figures

    raced = frame[~frame.work.isin(PROCESSES)]
    names = [name for name in (*BATCHES, *SWEEPS) if name in set(raced.work)]
    if not names:
        raise ValueError("the table holds no race: only processes were timed")
    drawing, axes = figures.panels(1, 2, size=(15.0, 7.5), sharey=True, width_ratios=[2, 1])
    ratios(axes[0], raced[raced.precision == "float64"], names)
    shares(axes[1], raced[raced.contender == "ours"], names)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figures.titles(axes, ["a contender's time / ours (float64)", "share of the ceiling"])
    figures.headline(drawing, "Time of forward pass and BPTT, against JAX and PyTorch")
    lines = [f"{len(names)} works, median of {frame.rounds.max():g} rounds in turn, quartiles",
             libraries(frame), processes(frame), machine(raced)]  # fmt: skip
    if frame["shrink"].max() > 1:
        lines[0] += "; A QUICK RUN of smaller works"
    figures.caption(drawing, "; ".join(lines[:2]) + "\n" + "; ".join(filter(None, lines[2:])))
    return drawing


def ratios(panel, frame, names):
    """Every contender's median ratio with its quartiles; goals as bars, moonshots as stars."""
    from gradlab.suite import figures

    colours = dict(zip(PEERS, ("#8fc1e3", figures.VANISHING, "#f3b391", figures.EXPLODING),
                       strict=True))  # fmt: skip
    for place, contender in enumerate(PEERS):
        here = frame[(frame.contender == contender) & (frame.status == "ok")]
        y = [names.index(work) + 0.12 * (place - 1.5) for work in here.work]
        spread = [here.ratio - here.ratio_low, here.ratio_high - here.ratio]
        panel.errorbar(
            here.ratio, y, xerr=spread, fmt="o", ms=7, color=colours[contender], label=contender
        )
    for work, against, least, moonshot in GOALS:
        if work in names:
            y = names.index(work)
            panel.plot([least] * 2, [y - 0.35, y + 0.35], color=figures.CRITICAL, lw=1.5)
            text = {PEERS: "goal", JAX: "JAX", ("jax",): "vmap", ("torch",): "torch"}[against]
            panel.annotate(text, (least, y - 0.35), ha="center", va="bottom", fontsize=9)
            if moonshot:
                panel.plot(moonshot, y + 0.3, "*", ms=9, mfc="none", color=figures.CRITICAL)
    panel.axvline(1, color=figures.MUTED, lw=1)
    panel.set(xscale="log", xlabel="time / ours  (bar: goal, star: moonshot)")
    panel.figure.legend(loc="outside upper right", ncols=len(PEERS))


def shares(panel, frame, names):
    """What part of the best matrix product's rate ours reaches, and where its floor would be."""
    from gradlab.suite import figures

    for precision, offset, colour in (
        ("float64", -0.15, figures.VANISHING),
        ("float32", 0.15, figures.EXPLODING),
    ):
        here = frame[frame.precision == precision]
        if here.empty:
            continue
        y = [names.index(work) + offset for work in here.work]
        panel.barh(y, 100 * here.ceiling_share, height=0.28, color=colour, label=precision)
        floor = 100 * here.ceiling_share / here.floor_share
        panel.plot(floor, y, "|", ms=14, mew=2, color=figures.CRITICAL)
    panel.set(xlabel="ours, % of the best matrix product\n(mark: no tanh can be faster)")
    panel.set_xlim(0, 100)
    panel.legend(loc="lower right")


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


def machine(frame):
    """The processor, and the rate of its best matrix product."""
    best = frame[frame.precision == "float64"].ceiling_gflops.median()
    return f"{frame.machine.iloc[0]}, matrix product {best:.0f} GFlop/s in float64"


experiment = Experiment(
    question="How fast is it, against JAX and PyTorch and against the machine's limit?",
    grid=[
        {"work": BATCHES, "contender": ("ours", *PEERS), "precision": ["float64", "float32"]},
        {"work": SWEEPS, "contender": ("ours", *PEERS), "precision": ["float64"]},
        {"work": PROCESSES, "contender": ["ours"], "precision": ["float64"]},
    ],
    split=["work"],
    alone=True,
    constants={"rounds": 9, "shrink": 1},
    quick={"work": ["minibatch", "seeds x radii"], "precision": ["float64"], "rounds": 3,
           "shrink": 8},
    measure="gradlab.race.measure:measure",
    figure=figure,
    claims=[
        Claim(
            name="the same gradients",
            statement="every contender computes what ours does, in units of what is allowed: "
            "1e-9 relative in float64, 1e-4 in float32",
            source="radius 0.9 at full length; radii up to 2.5 at T = 20",
            measured=largest_error,
            expected=1.0,
            tolerance=0.0,
            why="one-sided; beyond radius 1 rounding errors grow with every step",
            control=other_weights,
            relation="<=",
        ),
        *(goal(*row) for row in GOALS),
        Claim(
            name="large: the ceiling",
            statement="the large work runs at 60 % of the best matrix product or more",
            source="products of 512, 1024 and 2048, timed in the same rounds",
            measured=one("large", "ours", "float64", "ceiling_share"),
            expected=0.6,
            tolerance=0.0,
            why="one-sided; the median over rounds",
            control=three_times_slower,
            relation=">=",
        ),
        Claim(
            name="float32",
            statement="float32 is 1.8 times as fast as float64 on the minibatch (moonshot: 2)",
            source="vectors hold twice as many numbers",
            measured=one("minibatch", "ours", "float32", "gain"),
            expected=1.8,
            tolerance=0.0,
            why="one-sided; the median over rounds of ratios of neighbouring turns",
            control=equally_fast,
            relation=">=",
        ),
        *(process(work, *seconds) for work, seconds in PROCESSES.items()),
    ],
)  # fmt: skip

if __name__ == "__main__":
    experiment.main()
