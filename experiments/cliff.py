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

import gradlab
from gradlab.cli import script
from gradlab.errors import UserError
from gradlab.nets import cell, gradients
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, rows

START, TARGET, RATE, UPDATES = 0.5, 0.7, 0.2, 400
WALKERS = [(5.0, -2.4), (5.2, -2.9), (5.5, -2.8), (5.6, -2.6), (6.0, -3.0)]  # w, b at update 0
SHOWN = (5.6, -2.6)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def wall(w):
    """The b on the wall."""
    return START - w * sigmoid(START)


def measure(block):
    """Where gradient descent from (weight, bias) is after `update` steps of rate 0.2.

    w, b            the point itself for update 0
    last_state      x_steps;  error: E
    slope_w, _b     dE/dw, dE/db;  gradient_norm: before clipping
    """
    points = {name: values.astype(float) for name, values in block.points.items()}
    threshold, steps = points["clip_threshold"][0], int(points["steps"][0])
    starts, lane = np.unique(
        np.stack([points[name] for name in ("weight", "bias", "start")]),
        axis=1,
        return_inverse=True,
    )
    for name, least in (("steps", 1), ("update", 0)):
        if points[name].min() < least:
            raise UserError(f"{name}={points[name].min():g}: must be at least {least}")
    w, b, start = starts
    update, columns = points["update"].astype(int), {}
    for count in range(update.max() + 1):
        here = np.unique(lane[update >= count])
        values = {"w": w[here], "b": b[here]} | at(w[here], b[here], start[here], steps)
        chosen = update == count
        for name, value in values.items():
            if name not in columns:
                columns[name] = np.empty(len(block))
            columns[name][chosen] = value[np.searchsorted(here, lane[chosen])]
        slopes = np.stack([values["slope_w"], values["slope_b"]], axis=1)
        step = RATE * gradlab.clip(slopes, threshold, per="lane").gradients
        w[here], b[here] = w[here] - step[:, 0], b[here] - step[:, 1]
    return columns | {"gradient_norm": np.hypot(columns["slope_w"], columns["slope_b"])}


def at(w, b, start, steps):
    """x_steps, E and its slopes at many (w, b): lanes of gradlab's cell with one unit, gain w."""
    lanes, module = len(w), cell.find("elman")
    one = {"U": np.ones((1, 1)), "W": np.ones((1, 1)), "b": np.zeros(1)}
    prepared = module.prepare(one, "sigmoid", "float64")
    x = np.repeat(b[None, :, None], steps, axis=0)
    lengths = np.full(lanes, steps)
    initial = 1 / (1 + np.exp(-start[:, None]))  # the cell's state is sigmoid(x_t)
    run = gradients.forward(module, prepared, w, x, initial, lengths)
    last = run.trace.state[-1]
    sums = gradients.LaneSums(module.sources(run.trace, x), lanes)
    spans = gradients.slices(lengths)
    for span, adjoint in gradients.backward(run, spans, 2 * (last - TARGET)):
        sums.add(adjoint, span, np.arange(lanes))
    plain = {name: np.ldexp(sums.total[name][:, 0, 0], sums.exponent[name]) for name in ("W", "b")}
    state = w * run.trace.state[-2][:, 0] + b
    error = (last[:, 0] - TARGET) ** 2
    return {"last_state": state, "error": error, "slope_w": plain["W"], "slope_b": plain["b"]}


# Claims


def surface(frame):
    """The rows of the error surface, one a (w, b)."""
    return rows(frame, clip_threshold=math.inf, update=0, steps=50, start=START)


def on_grid(frame):
    """Those on the grid of the maps."""
    known = surface(frame)
    return known[known.weight.isin(WEIGHTS) & known.bias.isin(BIASES)]


def crest(frame):
    """Largest distance in b from the wall to the steepest point, over the w from 4.6 on."""
    known = on_grid(frame)
    known = known[known.weight >= 4.6]
    if len(known) < 10_000:
        raise NotMeasured("needs the whole grid of (w, b)")
    steepest = known.loc[known.groupby("weight").gradient_norm.idxmax()]
    return max(abs(b - wall(w)) for w, b in zip(steepest.weight, steepest.bias, strict=True))


def other_start(frame):
    """The gradients of points that lie 6 rows of the grid, 0.06, further down."""
    frame["gradient_norm"] = frame.groupby("weight").gradient_norm.shift(6)
    return frame


def walled(frame):
    """The rows on the wall itself, by w."""
    known = surface(frame)
    return known[[b == wall(w) for w, b in zip(known.weight, known.bias, strict=True)]]


def on_the_wall(frame):
    """log10 of the gradient on the wall, w = 5."""
    return math.log10(rows(walled(frame), weight=5.0).gradient_norm.iloc[0])


def height(w):
    """The closed form: 2 |s - 0.7| s (1 - s) (lambda^50 - 1)/(lambda - 1) ||(s, 1)||."""
    s = sigmoid(START)
    rate = w * s * (1 - s)
    growth = (rate**50 - 1) / (rate - 1)
    return 2 * abs(s - TARGET) * s * (1 - s) * growth * math.hypot(s, 1)


def one_step_less(frame):
    """The gradient has gone through 49 Jacobians instead of 50."""
    frame["gradient_norm"] /= 5.0 * sigmoid(START) * (1 - sigmoid(START))
    return frame


def jump(start):
    """The b at which x_3000 leaves the attractor that `start` leads to, w = 5."""

    def measured(frame):
        known = rows(frame, weight=5.0, start=start, steps=3000, update=0).sort_values("bias")
        leap = known.last_state.diff().to_numpy()[1:]
        if len(leap) < 400:  # the tolerance is their spacing
            raise NotMeasured("needs the whole grid of folds")
        place = abs(leap).argmax()
        return known.bias.iloc[place : place + 2].mean()

    return measured


def fold(sign):
    """b at a fold of w = 5."""
    s = (1 + sign * math.sqrt(1 - 4 / 5.0)) / 2
    return math.log(s / (1 - s)) - 5.0 * s


def mirrored(frame):
    """The two starts change their names."""
    frame["start"] = frame.start.replace({LOW: HIGH, HIGH: LOW})
    return frame


def arrived(threshold, value):
    """Share of the walkers that end with E < value under a threshold."""

    def measured(frame):
        ends = rows(frame, clip_threshold=threshold, update=UPDATES, steps=50, start=START)
        ends = ends.set_index(["weight", "bias"])
        if missing := set(WALKERS) - set(ends.index):
            raise NotMeasured(f"needs the walk from {min(missing)}")
        ends = ends.loc[WALKERS]
        return (ends.error < value).mean()

    return measured


def thresholds_swapped(frame):
    """Clipped walks pass for those that are not."""
    frame["clip_threshold"] = frame.clip_threshold.replace({math.inf: 0.5, 0.5: math.inf})
    return frame


# Figure


def figure(frame):
    """The surface with two walks, the gradient's wall, the folds, and the walks' errors."""
    drawing, axes = style.panels(2, 2, size=(14.5, 11))
    grid = on_grid(frame)
    walked(axes[0, 0], grid, frame[(frame.steps == 50)])
    steep(axes[0, 1], grid, walled(frame))
    folds(axes[1, 0], frame[frame.steps == 3000])
    errors(axes[1, 1], frame[frame.steps == 50])
    style.titles(
        axes,
        [
            "E over (w, b), and descent along the wall",
            "the wall, b = x$_0$ - w$\\sigma$(x$_0$), is high and thin",
            "w = 5: two attractors between the folds",
            f"five starts, {UPDATES} updates of rate {RATE:g}",
        ],
    )
    style.headline(drawing, "In front of the wall one step decides; clipping keeps it short")
    style.caption(
        drawing,
        r"x$_{t+1}$ = w $\sigma$(x$_t$) + b, x$_0$ = 0.5, E = ($\sigma$(x$_{50}$) - 0.7)$^2$, "
        "after Fig. 6 and 3 of Pascanu, Mikolov, Bengio (ICML 2013); dashed: closed forms;\n"
        "c: x after 3,000 steps from below and from above; thresholds are on the norm of "
        "(dE/dw, dE/db)",
    )
    return drawing


def walked(panel, grid, frame):
    """E as a map, the wall, and the walk from SHOWN with and without clipping."""
    table = grid.pivot_table(index="bias", columns="weight", values="error")
    mesh = panel.pcolormesh(
        table.columns, table.index, np.sqrt(table), cmap="Greys_r", shading="gouraud"
    )
    panel.figure.colorbar(mesh, ax=panel, label=r"$\sqrt{E}$", pad=0.02)
    w = np.array([4.26, table.columns.max()])
    panel.plot(w, [wall(v) for v in w], "--", lw=1.2, color=CRITICAL)
    looks = (
        (math.inf, EXPLODING, "no clipping"),
        (0.5, VANISHING, "threshold 0.5"),
    )
    for threshold, colour, label in looks:
        path = frame[(frame.clip_threshold == threshold) & (frame.weight == SHOWN[0])]
        path = path[(path.bias == SHOWN[1])].sort_values("update")
        size = 3.5 if threshold < 1 else 5.5
        panel.plot(path.w, path.b, "o-", ms=size, lw=1, color=colour, label=label)
        thrown = np.flatnonzero(path.w.diff().abs() > 1)
        if thrown.size:
            last = path.iloc[thrown[0] - 1 : thrown[0] + 1]
            note = f"step {thrown[0]}: to w = {last.w.iloc[1]:.0f}, b = {last.b.iloc[1]:.0f}"
            panel.text(5.42, -1.32, note, color="white", va="top")
    panel.set(xlabel="w", ylabel="b", xlim=(4, 6.5), ylim=(-3.4, -1.2))
    panel.legend(loc="lower left")
    panel.grid(False)


def steep(panel, grid, crest):
    """The gradient's norm on the wall and beside it, over w."""
    w = np.linspace(4.3, 6.5, 100)
    panel.plot(w, [height(v) for v in w], "--", lw=1.2, color=CRITICAL)
    panel.plot(crest.weight, crest.gradient_norm, "o", ms=6, color=EXPLODING,
               label="on the wall")  # fmt: skip
    for off, colour in ((0.02, MUTED), (0.3, VANISHING)):
        for sign, line in ((1, "-"), (-1, ":")):
            wanted = grid.weight.map(wall) + sign * off
            near = grid.loc[(grid.bias - wanted).abs().groupby(grid.weight).idxmin()]
            near = near[near.weight >= 4.3]
            side = "above" if sign > 0 else "below"
            panel.plot(near.weight, near.gradient_norm, line, lw=1.4, color=colour,
                       label=f"{off:g} {side}")  # fmt: skip
    panel.set(xlabel="w", ylabel="||(dE/dw, dE/db)||", yscale="log")
    panel.legend(title="b", loc="upper left")


def folds(panel, frame):
    """x after many steps over b from both sides, the curve of fixed points, and the folds."""
    x = np.linspace(-4, 4, 400)
    panel.plot(x - 5 / (1 + np.exp(-x)), x, "--", lw=1.2, color=CRITICAL)
    looks = ((LOW, VANISHING, "from below"), (HIGH, EXPLODING, "from above"))
    for start, colour, label in looks:
        here = frame[frame.start == start].sort_values("bias")
        panel.plot(here.bias, here.last_state, ".", ms=5, color=colour, label=label)
    for sign in (1, -1):
        panel.axvline(fold(sign), lw=1, ls=":", color=MUTED)
    panel.set(xlabel="b", ylabel="x after 3,000 steps", xlim=(-3.05, -1.95), ylim=(-3.5, 3.5))
    panel.legend(loc="upper left")


def errors(panel, frame):
    """E over updates for every start."""
    looks = (
        (math.inf, EXPLODING, "no clipping"),
        (0.5, VANISHING, "threshold 0.5"),
    )
    for threshold, colour, label in looks:
        here = frame[frame.clip_threshold == threshold]
        for _, path in here.groupby(["weight", "bias"]):
            if len(path) > 2:
                path = path.sort_values("update")
                smooth = path.error.rolling(15, min_periods=1).median()
                panel.plot(path["update"], smooth, lw=1.4, color=colour, label=label)
                label = None
    panel.set(xlabel="updates", ylabel="E, median of 15 updates", yscale="log", ylim=(1e-5, 1))
    panel.legend(loc="lower left")


def spaced(first, last, count):
    """Values of an axis as they are written."""
    return [round(first + (last - first) * i / (count - 1), 10) for i in range(count)]


WEIGHTS, BIASES = spaced(4, 6.5, 101), spaced(-3.6, -1.2, 241)
LOW, HIGH = -5.0, 5.0
BOTH = {"clip_threshold": [math.inf, 0.5]}
ONE = {"start": [START], "steps": [50]}
STILL = {"clip_threshold": [math.inf], "update": [0]}
experiment = Experiment(
    question="What does the wall look like, and what does clipping do in front of it?",
    grid=[
        {"weight": WEIGHTS, "bias": BIASES} | ONE | STILL,
        *({"weight": [w], "bias": [wall(w)]} | ONE | STILL for w in spaced(4.3, 6.5, 23)),
        {"weight": [5.0], "bias": spaced(-3, -2, 401), "start": [LOW, HIGH], "steps": [3000]}
        | STILL,
        *({"weight": [w], "bias": [b], "update": range(UPDATES + 1)} | ONE | BOTH
          for w, b in WALKERS),
    ],
    split=["clip_threshold", "steps"],
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="the wall's place",
            statement="the steepest b of each w is where x_0 is a fixed point, largest distance",
            source="b = x_0 - w sigmoid(x_0)",
            measured=crest,
            equals=0.0,
            within=0.01,
            why="the grid's spacing in b",
            control=other_start,
        ),
        Claim(
            name="the wall's height",
            statement="log10 of the gradient on the wall at w = 5",
            source="lambda^50, lambda = w sigmoid'(x_0): nothing moves on a fixed point",
            measured=on_the_wall,
            equals=math.log10(height(5.0)),
            within=1e-9,
            why="rounding, which 50 steps amplify 3,000-fold",
            control=one_step_less,
        ),
        Claim(
            name="upper fold",
            statement="the b at which the lower attractor vanishes, w = 5",
            source="1 = w s (1 - s); Pascanu, Mikolov, Bengio (ICML 2013), Fig. 3",
            measured=jump(LOW),
            equals=fold(-1),
            within=0.003,
            why="the grid's spacing in b",
            control=mirrored,
        ),
        Claim(
            name="lower fold",
            statement="the b at which the upper attractor vanishes, w = 5",
            source="1 = w s (1 - s); Pascanu, Mikolov, Bengio (ICML 2013), Fig. 3",
            measured=jump(HIGH),
            equals=fold(1),
            within=0.003,
            why="the grid's spacing in b",
            control=mirrored,
        ),
        Claim(
            name="clipping arrives",
            statement="the share of starts that end below E = 0.001 with threshold 0.5",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 3.2",
            measured=arrived(0.5, 1e-3),
            equals=1.0,
            within=0.0,
            why="every one",
            control=thresholds_swapped,
        ),
        Claim(
            name="no clipping is thrown off",
            statement="the share of starts that end below E = 0.01 without clipping",
            source="Pascanu, Mikolov, Bengio (ICML 2013), Fig. 6",
            measured=arrived(math.inf, 0.01),
            at_most=0.2,
            
            why="one of the five at most",
            control=thresholds_swapped,
            
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
