"""How many steps back must the gradient go?

Truncated backpropagation lets the loss of a step reach back k steps (window k), or to the start of
its chunk of k steps (chunk k); all else of dL/dW is left out. Here its direction and size are held
against the full gradient, in untrained networks with a loss at every step.

For one linear unit, h_t = w h_{t-1} + u x_t under white noise with L_t = (v h_t)^2, the expected
gradient of a window is 1 - w^(2k) of the full one: sum over lags l < k of w^(2l + 1) E[h^2] 2 v^2.
A chunk's steps reach back 1, 2, ..., k steps: the mean of that over them.
"""

import numpy as np

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, nearest, rows

LENGTH, DELAY = 100, 10
UNIT = {"activation": "identity", "hidden_size": 1, "sequence_length": 1000}
TANH = {"activation": "tanh", "sequence_length": LENGTH}
ABOUT = {"task": "noise", "init": "gaussian", "batch_size": 20, "input_scale": 0.5}
ENOUGH = 10  # degrees


def share(frame):
    """The truncated gradient along the full one, over the full one's norm; means over seeds."""
    along = 10**frame.log10_ratio * np.cos(np.radians(frame.angle))
    keys = [frame.spectral_radius, frame.truncation, frame.steps]
    return along.groupby(keys).mean()


def white(kind, radius, steps):
    """What one linear unit under white noise expects of it."""
    powers = [radius ** (2 * lag) for lag in range(1, steps + 1)]
    return 1 - (powers[-1] if kind == "window" else sum(powers) / steps)


def law(kind):
    """Largest deviation from the law, over radii and steps."""

    def measured(frame):
        means = share(rows(frame, **UNIT, truncation=kind))
        return max(abs(value - white(k, w, steps)) for (w, k, steps), value in means.items())

    return measured


def median(column, **where):
    """The median over seeds of a column."""

    def measured(frame):
        return rows(frame, **TANH, **where)[column].median()

    return measured


def all_steps(frame):
    """Largest angle of truncations as long as the sequence."""
    return rows(frame, steps=LENGTH, **TANH).angle.max()


def decay(frame):
    """Decades that the error loses with each step of the window, radius 0.8, delay 1."""
    here = rows(frame, **TANH, truncation="window", spectral_radius=0.8, delay=1)
    medians = here.groupby("steps").log10_error.median()
    inside = medians[(medians.index >= 5) & (medians.index <= 50)]
    if len(inside) < 4:
        raise NotMeasured("needs four windows of 5 to 50 steps")
    return np.polyfit(inside.index, inside, 1)[0]


def mean_field(frame):
    """ln(chi)/2 under white noise of the input's variance, in decades."""
    here = rows(frame, **TANH, spectral_radius=0.8, delay=1)
    return theory.largest_exponent(here.gain.mean(), here.input_scale.iloc[0] ** 2) / np.log(10)


def across_the_delay(frame):
    """Angle of the window that ends just before the delay over that of one that reaches it."""
    at = {
        steps: median("angle", truncation="window", spectral_radius=1.0, delay=DELAY, steps=steps)
        for steps in (DELAY - 1, DELAY)
    }
    return at[DELAY - 1](frame) / at[DELAY](frame)


def exchanged(frame):
    """Windows pass for chunks and the other way round."""
    other = {"window": "chunk", "chunk": "window"}
    frame["truncation"] = frame.truncation.map(other)
    return frame


def half_the_steps(frame):
    """Half of the sequence passes for all of it."""
    frame["steps"] = frame.steps.map(lambda k: {LENGTH: LENGTH // 2, LENGTH // 2: LENGTH}.get(k, k))
    return frame


def other_radius(frame):
    """The rows of radius 0.5 pass for those of 0.8."""
    frame["spectral_radius"] = frame.spectral_radius.map(lambda x: {0.5: 0.8, 0.8: 0.5}.get(x, x))
    return frame


def below_the_edge(frame):
    """The rows of radius 1 pass for those of radius 2."""
    frame["spectral_radius"] = frame.spectral_radius.map(lambda x: {1.0: 2.0, 2.0: 1.0}.get(x, x))
    return frame


def other_delay(frame):
    """The rows of delay 1 pass for those of delay 10."""
    frame["delay"] = frame.delay.map(lambda x: {1: DELAY, DELAY: 1}.get(x, x))
    return frame


def figure(frame):
    """Angles and errors over k, the law of one linear unit, and how short a window may be."""
    drawing, axes = style.panels(2, 2, size=(14.5, 10.5))
    tanh = rows(frame, activation="tanh")
    angles(axes[0, 0], tanh[tanh.delay == tanh.delay.max()])
    enough(axes[0, 1], tanh)
    errors(axes[1, 0], tanh[tanh.delay == tanh.delay.min()])
    one_unit(axes[1, 1], frame[frame.hidden_size == 1])
    style.titles(
        axes,
        [
            f"windows: what an input {tanh.delay.max()} steps back asks for",
            f"steps k until the direction is within {ENOUGH} degrees",
            f"windows: what they leave out (task delay {tanh.delay.min()})",
            "one linear unit under white noise, its law drawn",
        ],
    )
    style.headline(drawing, "Below the edge a short window is enough; above it none is")
    first = tanh.iloc[0]
    style.caption(
        drawing,
        f"dL/dW of untrained tanh networks, {first.hidden_size} units, gaussian W, white noise of "
        f"standard deviation {first.input_scale:g} at each unit, to be recalled `delay` steps "
        f"later, T = {first.sequence_length}, {first.batch_size} sequences;\nmedians over "
        f"{tanh.seed.nunique()} seeds (d: means); dashed in b: mean field's edge for the drawn W; "
        "dashed in c: slope of mean field's Lyapunov exponent",
    )
    return drawing


def shades(frame):
    """(radius, colour) of some radii, the one nearest the edge in ink."""
    wanted = (0.5, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
    radii = sorted({nearest(frame.spectral_radius, radius) for radius in wanted})
    return zip(radii, style.colours(radii, nearest(radii, 1.6)), strict=True)


def angles(panel, frame):
    """The angle between a window's gradient and the full one over k, a line a radius."""
    windows = frame[(frame.truncation == "window") & (frame.steps < frame.sequence_length)]
    for radius, colour in shades(frame):
        medians = windows[windows.spectral_radius == radius].groupby("steps").angle.median()
        panel.plot(medians.index, medians, "-o", ms=4, color=colour, label=f"{radius:g}")
    panel.axvline(frame.delay.max(), color="0.6", lw=1)
    panel.set_xscale("log")
    panel.set(xlabel="window k (steps)", ylabel="angle to the full gradient (degrees)")
    panel.set(ylim=(-3, 135), yticks=range(0, 91, 15))
    panel.legend(title="spectral radius", loc="upper left", ncols=4)


def enough(panel, frame):
    """The smallest k whose median angle, and that of all larger k, is small; over the radius."""
    for delay, colour in zip(sorted(set(frame.delay)), (VANISHING, EXPLODING), strict=False):
        for kind, line in (("window", "-o"), ("chunk", ":s")):
            here = frame[(frame.delay == delay) & (frame.truncation == kind)]
            table = here.groupby(["spectral_radius", "steps"]).angle.median().unstack()
            found = [first_within(row) for _, row in table.iterrows()]
            label = f"{kind}s, delay {delay}"
            panel.plot(table.index, found, line, ms=5, color=colour, label=label)
    panel.axvline(edge(frame), ls="--", color=CRITICAL)
    panel.set_yscale("log")
    panel.set(xlabel="spectral radius of W", ylabel="steps k")
    panel.legend(loc="upper left")


def first_within(row):
    """The smallest k from which on all angles are at most ENOUGH."""
    wide = row.index[row > ENOUGH]
    return row.index[0] if wide.empty else row.index[row.index > wide.max()].min()


def edge(frame):
    """Mean field's critical gain under this noise, as a radius of the drawn W."""
    per_radius = (frame.gain / frame.spectral_radius).mean()
    return float(theory.critical_gain(frame.input_scale.iloc[0] ** 2)) / per_radius


def errors(panel, frame):
    """log10 of the error over k, and mean field's slope through its middle."""
    windows = frame[(frame.truncation == "window") & (frame.log10_error > -14)]
    for radius, colour in shades(frame):
        here = windows[windows.spectral_radius == radius]
        medians = here.groupby("steps").log10_error.median()
        panel.plot(medians.index, medians, "o", ms=5, color=colour, label=f"{radius:g}")
        rate = theory.largest_exponent(here.gain.mean(), here.input_scale.iloc[0] ** 2)
        if rate < 0 and len(medians):
            middle = len(medians) // 2
            line = medians.iloc[middle] + rate / np.log(10) * (
                medians.index - medians.index[middle]
            )
            panel.plot(medians.index, line, "--", lw=1.4, color=colour)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="window k (steps)", ylabel="||truncated - full|| / ||full||")


def one_unit(panel, frame):
    """The share of the full gradient over k, means over seeds, and the law."""
    if frame.empty:
        return
    means = share(frame)
    radii = sorted(set(frame.spectral_radius))
    for radius, colour in zip(radii, style.colours(radii, radii[-1]), strict=True):
        for kind, marker, line in (("window", "o", "-"), ("chunk", "s", ":")):
            points = means[radius, kind]
            label = f"{kind}s, w = {radius:g}" if radius in (radii[0], radii[-1]) else None
            panel.plot(points.index, points, marker, ms=5, color=colour, label=label)
            steps = range(1, points.index.max() + 1)
            panel.plot(steps, [white(kind, radius, k) for k in steps], line, lw=1.4, color=colour)
    panel.set(xlabel="steps k", ylabel="share of the full gradient", ylim=(0, 1.05))
    panel.legend(loc="lower right")


STEPS = [1, 2, 3, 5, 7, 9, 10, 12, 15, 20, 30, 50, 70, LENGTH]
experiment = Experiment(
    question="How many steps back must the gradient go?",
    grid=[
        {
            "activation": ["tanh"], "hidden_size": [64], "sequence_length": [LENGTH],
            "delay": [1, DELAY], "spectral_radius": [round(0.5 + 0.1 * i, 1) for i in range(16)],
            "truncation": ["window", "chunk"], "steps": STEPS, "seed": range(10),
        },
        {
            # a delay as long as the sequence: every target is 0
            **{axis: [value] for axis, value in UNIT.items()}, "delay": [1000],
            "spectral_radius": [0.5, 0.8, 0.9, 0.95], "truncation": ["window", "chunk"],
            "steps": [1, 2, 3, 5, 7, 10, 15, 20, 30, 50], "seed": range(10),
        },
    ],
    split=["activation", "seed"],
    constants={"task": "noise", "init": "gaussian", "batch_size": 20, "input_scale": 0.5},
    quick={"seed": range(2)},
    measure="gradlab.measures.truncation:measure",
    figure=figure,
    claims=[
        Claim(
            name="all steps",
            statement="windows and chunks as long as the sequence give the full gradient",
            source="the definition",
            measured=all_steps,
            equals=0.0,
            within=0.0,
            why="the same operations in the same order",
            control=half_the_steps,
        ),
        *(
            Claim(
                name=f"{kind}s of one linear unit",
                about=ABOUT,
                seeds=5,
                statement=f"the share of the full gradient that {kind}s see follows the law in w^2",
                source=formula,
                measured=law(kind),
                equals=0.0,
                within=0.01,
                why="sampling: 10 seeds, 20 sequences of 1000 steps",
                control=exchanged,
            )
            for kind, formula in (
                ("window", "1 - w^(2k), from E[h_t h_(t-l)] = w^l E[h^2]"),
                ("chunk", "the mean of 1 - w^(2m) over m = 1..k, from E[h_t h_(t-l)] = w^l E[h^2]"),
            )
        ),
        Claim(
            name="what a window leaves out",
            about=ABOUT | {"hidden_size": Span(64)},
            seeds=5,
            statement="at radius 0.8 the error falls with k as gradients do with the lag",
            source="ln(chi)/2 of the mean field of a driven network",
            measured=decay,
            equals=mean_field,
            within=0.15,
            why="mean field is the limit of many units; 64 were seen 13 % slower",
            control=other_radius,
            relative=True,
        ),
        Claim(
            name="the task's own delay",
            about=ABOUT | {"hidden_size": Span(64)},
            seeds=5,
            statement="at radius 1 the angle drops at least threefold where k reaches the delay",
            source="dL_t/dh_(t-l) carries x_(t-l) to the target that asks for it",
            measured=across_the_delay,
            at_least=3.0,
            
            
            control=other_delay,
            
        ),
        Claim(
            name="no window above the edge",
            about=ABOUT | {"hidden_size": Span(64)},
            seeds=5,
            statement="at radius 2 half of the steps still give an angle of 60 degrees or more",
            source="there the terms of the largest lags dominate dL/dW",
            measured=median(
                "angle", truncation="window", spectral_radius=2.0, delay=DELAY, steps=LENGTH // 2
            ),
            at_least=60.0,
            
            
            control=below_the_edge,
            
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
