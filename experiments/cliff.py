"""What does the wall of an exploding gradient look like, and what does clipping do in front of it?

The single unit of Pascanu, Mikolov and Bengio (ICML 2013, Fig. 6):

    x_{t+1} = w sigmoid(x_t) + b,   x_0 = 0.5,   E = (sigmoid(x_50) - 0.7)^2

Where x_0 is an unstable fixed point, b = x_0 - w sigmoid(x_0) and lambda = w sigmoid'(x_0) > 1, a
touch decides between two attractors: E has a wall. On it nothing moves, so its gradient is known,

    dx_50/db = (lambda^50 - 1)/(lambda - 1),   dx_50/dw = sigmoid(x_0) dx_50/db

and it grows like lambda^50. The attractors themselves appear and vanish at folds (Fig. 3): with
sigmoid = s, 1 = w s (1 - s), so b = ln(s/(1 - s)) - w s with s = (1 +- sqrt(1 - 4/w))/2.
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, page
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    every,
    largest,
    median,
    rows,
    scaled,
    share,
    swap,
)

START, TARGET, UPDATES = 0.5, 0.7, 400
SOURCE = "Pascanu, Mikolov, Bengio (ICML 2013)"
WALKERS = [(5.0, -2.4), (5.2, -2.9), (5.5, -2.8), (5.6, -2.6), (6.0, -3.0)]  # w, b at update 0
SHOWN = {"weight": 5.6, "bias": -2.6}
LOW, HIGH = -5.0, 5.0
STILL = {"clip_threshold": math.inf, "update": 0}
SURFACE = {"start": START, "steps": 50} | STILL
FOLDS = STILL | {"steps": 3000, "weight": 5.0}
WALK = {"update": UPDATES, "steps": 50, "start": START}
THRESHOLDS = {math.inf: ("no clipping", EXPLODING), 0.5: ("threshold 0.5", VANISHING)}


def spaced(first, last, count):
    """Values of an axis as they are written."""
    return [round(first + (last - first) * i / (count - 1), 10) for i in range(count)]


WEIGHTS, BIASES = spaced(4, 6.5, 101), spaced(-3.6, -1.2, 241)
MAP = {"weight": WEIGHTS, "bias": BIASES} | SURFACE


def sigmoid(x):
    """1/(1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def wall(w):
    """The b on the wall."""
    return START - w * sigmoid(START)


def height(w):
    """The closed form: 2 |s - 0.7| s (1 - s) (lambda^50 - 1)/(lambda - 1) ||(s, 1)||."""
    s = sigmoid(START)
    rate = w * s * (1 - s)
    growth = (rate**50 - 1) / (rate - 1)
    return 2 * abs(s - TARGET) * s * (1 - s) * growth * math.hypot(s, 1)


def fold(sign):
    """b at a fold of w = 5."""
    s = (1 + sign * math.sqrt(1 - 4 / 5.0)) / 2
    return math.log(s / (1 - s)) - 5.0 * s


def on_the_wall(frame):
    """The rows of the wall itself, a w each. Raises NotMeasured if there are none."""
    known = rows(frame, **SURFACE)
    known = known[[b == wall(w) for w, b in zip(known.weight, known.bias, strict=True)]]
    if known.empty:
        raise NotMeasured("needs rows on the wall")
    return known


def off_the_wall(frame):
    """The distance in b from the wall to the steepest point, by w from 4.6 on."""
    known = frame[frame.weight >= 4.6]
    if len(known) < 10_000:
        raise NotMeasured("needs the whole grid of (w, b)")
    steepest = known.loc[known.groupby("weight").gradient_norm.idxmax()]
    return (steepest.bias - wall(steepest.weight)).abs()


def log10_on_the_wall(frame):
    """log10 of the gradient on the wall."""
    return np.log10(on_the_wall(frame).gradient_norm)


def jump(frame):
    """The b at which x_3000 leaves its attractor, between the two rows that are furthest apart."""
    known = frame.sort_values("bias")
    leap = known.last_state.diff().to_numpy()[1:]
    if len(leap) < 400:  # the claim holds within their spacing
        raise NotMeasured("needs the whole grid of folds")
    place = abs(leap).argmax()
    return known.bias.iloc[place : place + 2]


def arrived(value):
    """Whether a walk's error is below a value."""

    def below(frame):
        return frame.error < value

    below.__name__ = f"walks with E < {value:g}"
    return below


def six_rows_down(frame):
    """The gradients of points that lie 6 rows of the grid, 0.06, further down."""
    return frame.assign(gradient_norm=frame.groupby("weight").gradient_norm.shift(6))


def walked(panel, frame):
    """E as a map, the wall (dashed), and a walk with and without clipping."""
    table = rows(frame, **MAP).pivot_table(index="bias", columns="weight", values="error")
    mesh = panel.pcolormesh(
        table.columns, table.index, np.sqrt(table), cmap="Greys_r", shading="gouraud"
    )
    panel.figure.colorbar(mesh, ax=panel, label=r"$\sqrt{E}$", pad=0.02)
    w = np.array([4.26, table.columns.max()])
    panel.plot(w, wall(w), "--", lw=1.2, color=CRITICAL)
    for (threshold, (label, colour)), size in zip(THRESHOLDS.items(), (5.5, 3.5), strict=True):
        path = frame[(frame.clip_threshold == threshold) & (frame.start == START)]
        path = rows(path, **SHOWN).sort_values("update")
        panel.plot(path.w, path.b, "o-", ms=size, lw=1, color=colour, label=label)
        thrown = np.flatnonzero(path.w.diff().abs() > 1)
        if thrown.size:
            w, b = path[["w", "b"]].iloc[thrown[0]]
            note = f"step {thrown[0]}: to w = {w:.0f}, b = {b:.0f}"
            panel.text(5.42, -1.32, note, color="white", va="top")
    panel.set(xlabel="w", ylabel="b", xlim=(4, 6.5), ylim=(-3.4, -1.2))
    panel.legend(loc="lower left")
    panel.grid(False)


def steep(panel, frame):
    """The gradient's norm on the wall (dashed: closed form) and beside it, over w."""
    crest, grid = on_the_wall(frame), rows(frame, **MAP)
    w = np.linspace(4.3, 6.5, 100)
    panel.plot(w, [height(v) for v in w], "--", lw=1.2, color=CRITICAL)
    panel.plot(crest.weight, crest.gradient_norm, "o", ms=6, color=EXPLODING, label="on the wall")
    for off, colour in ((0.02, MUTED), (0.3, VANISHING)):
        for sign, line, side in ((1, "-", "above"), (-1, ":", "below")):
            away = (grid.bias - wall(grid.weight) - sign * off).abs()
            near = grid.loc[away.groupby(grid.weight).idxmin()]
            near = near[near.weight >= 4.3]
            label = f"{off:g} {side}"
            panel.plot(near.weight, near.gradient_norm, line, lw=1.4, color=colour, label=label)
    panel.set(xlabel="w", ylabel="||(dE/dw, dE/db)||", yscale="log")
    panel.legend(title="b", loc="upper left")


def folds(panel, frame):
    """x after many steps over b from both sides, the fixed points (dashed), and their folds."""
    x = np.linspace(-4, 4, 400)
    panel.plot(x - 5 * sigmoid(x), x, "--", lw=1.2, color=CRITICAL)
    for start, colour, label in ((LOW, VANISHING, "from below"), (HIGH, EXPLODING, "from above")):
        here = frame[frame.start == start]
        panel.plot(here.bias, here.last_state, ".", ms=5, color=colour, label=label)
    for sign in (1, -1):
        panel.axvline(fold(sign), lw=1, ls=":", color=MUTED)
    panel.set(xlabel="b", ylabel="x after 3,000 steps", xlim=(-3.05, -1.95), ylim=(-3.5, 3.5))
    panel.legend(loc="upper left")


def errors(panel, frame):
    """E over updates for every start, the median of 15 updates."""
    for threshold, (label, colour) in THRESHOLDS.items():
        for _, path in frame[frame.clip_threshold == threshold].groupby(["weight", "bias"]):
            if len(path) > 2:
                path = path.sort_values("update")
                smooth = path.error.rolling(15, min_periods=1).median()
                panel.plot(path["update"], smooth, lw=1.4, color=colour, label=label)
                label = None
    panel.set(xlabel="updates", ylabel="E, median of 15 updates", yscale="log", ylim=(1e-5, 1))
    panel.legend(loc="lower left")


figure = page(
    "In front of the wall one step decides; clipping keeps it short",
    r"x$_{{t+1}}$ = w $\sigma$(x$_t$) + b, x$_0$ = 0.5, E = ($\sigma$(x$_{{50}}$) - 0.7)$^2$, "
    "after Fig. 6 and 3 of Pascanu, Mikolov, Bengio (ICML 2013); dashed: closed forms;\n"
    "c: x after 3,000 steps from below and from above; thresholds are on the norm of "
    "(dE/dw, dE/db)",
    [
        [
            Panel("E over (w, b), and descent along the wall", walked, {"steps": 50}),
            Panel("the wall, b = x$_0$ - w$\\sigma$(x$_0$), is high and thin", steep, SURFACE),
        ],
        [
            Panel("w = 5: two attractors between the folds", folds, FOLDS),
            Panel("the walks from all starts, rate 0.2", errors, {"steps": 50, "start": START}),
        ],
    ],
    size=(14.5, 11),
)


def fold_claim(name, attractor, start, sign):
    """The claim on the b at which an attractor vanishes."""
    return Claim(
        name,
        f"the b at which the {attractor} attractor vanishes, w = 5",
        source=f"1 = w s (1 - s); {SOURCE}, Fig. 3",
        measured=median(jump, start=start, **FOLDS),
        equals=fold(sign),
        within=0.003,
        why="the grid's spacing in b",
        control=swap("start", LOW, HIGH),
    )


def share_arrived(threshold, value):
    """The share of all five walkers that end below a value of E."""
    begun = {"weight": every(w for w, _ in WALKERS), "bias": every(b for _, b in WALKERS)}
    return share(arrived(value), clip_threshold=threshold, **WALK, **begun)


def listed(values):
    """A selection of rows as a part of the grid."""
    return {name: value if isinstance(value, list) else [value] for name, value in values.items()}


experiment = Experiment(
    question="What does the wall look like, and what does clipping do in front of it?",
    grid=[
        listed(MAP),
        *(listed(SURFACE | {"weight": w, "bias": wall(w)}) for w in spaced(4.3, 6.5, 23)),
        listed(FOLDS | {"bias": spaced(-3, -2, 401), "start": [LOW, HIGH]}),
        *(
            listed(WALK | {"weight": w, "bias": b, "clip_threshold": [math.inf, 0.5]})
            | {"update": range(UPDATES + 1)}
            for w, b in WALKERS
        ),
    ],
    split=["clip_threshold", "steps"],
    measure="gradlab.measures.cliff:measure",
    figure=figure,
    claims=[
        Claim(
            "the wall's place",
            "the steepest b of each w is where x_0 is a fixed point, largest distance",
            source="b = x_0 - w sigmoid(x_0)",
            measured=largest(off_the_wall, **MAP),
            equals=0.0,
            within=0.01,
            why="the grid's spacing in b",
            control=six_rows_down,
        ),
        Claim(
            "the wall's height",
            "log10 of the gradient on the wall at w = 5",
            source="lambda^50, lambda = w sigmoid'(x_0): nothing moves on a fixed point",
            measured=median(log10_on_the_wall, weight=5.0),
            equals=math.log10(height(5.0)),
            within=1e-9,
            why="rounding, which 50 steps amplify 3,000-fold",
            # 49 Jacobians instead of 50
            control=scaled("gradient_norm", 1 / (5 * sigmoid(START) * (1 - sigmoid(START)))),
        ),
        fold_claim("upper fold", "lower", LOW, -1),
        fold_claim("lower fold", "upper", HIGH, 1),
        Claim(
            "clipping arrives",
            "the share of starts that end below E = 0.001 with threshold 0.5",
            source=f"{SOURCE}, section 3.2",
            measured=share_arrived(0.5, 0.001),
            at_least=1.0,
            why="every one",
            control=swap("clip_threshold", math.inf, 0.5),
        ),
        Claim(
            "no clipping is thrown off",
            "the share of starts that end below E = 0.01 without clipping",
            source=f"{SOURCE}, Fig. 6",
            measured=share_arrived(math.inf, 0.01),
            at_most=0.2,
            why="one of the five at most",
            control=swap("clip_threshold", math.inf, 0.5),
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
