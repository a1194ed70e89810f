"""Can a network that saw half of a motion forecast the other half?

The course's driven oscillator s'' + .4 s' + s = cos(.5 t), from position 1 at rest. Networks learn
it on t < 20, one step of .2 at a time, and forecast t = 20 to 40, where the closed form is known:

    driven     force and start are given, position and velocity come out
    fed_back   force and state are given; in the forecast the network reads its own outputs instead

by the lectures' two models (elman, whose hidden state is fed back, and jordan, whose outputs are),
an LSTM, and a feed-forward net on a window of the last ten inputs. What is learnt can be read off:
Euler's scheme is a linear network with W = I + dt A, the true step is exp(dt A), and both have a
pair of eigenvalues that a trained network should have found.
"""

import cmath
import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, rows

MODELS = ["elman", "jordan", "lstm", "window"]
MODES = {"driven": "force and start given", "fed_back": "own outputs fed back"}
DAMPING, FREQUENCY = 0.4, 0.5
AMPLITUDE = 1 / math.hypot(1 - FREQUENCY**2, DAMPING * FREQUENCY)  # once the start has died down
WANTED = 0.05  # of the amplitude
SEEN = 20.0
ABOUT = {
    "interval": 0.2, "until": 40.0, "hidden_size": 32, "optimizer": "adam", "learning_rate": 0.01,
    "schedule": "exponential", "updates": Span(2000), "clip_threshold": 1.0, "clip_style": "norm",
}  # fmt: skip
POLE = complex(-DAMPING / 2, math.sqrt(1 - DAMPING**2 / 4))  # eigenvalue of A = [[0, 1], [-1, -.4]]


def forecasts(frame):
    """The rows after the training's half, with the error of the position over the amplitude."""
    known = frame[frame.time > SEEN].copy()
    if known.empty:
        raise NotMeasured("needs times after 20")
    known["error"] = (known.position - known.exact_position).abs() / AMPLITUDE
    return known


def largest(frame):
    """(model, mode) -> median over seeds of the largest error."""
    known = forecasts(frame).groupby(["model", "mode", "seed"]).error.max()
    return known.groupby(["model", "mode"]).median()


def best(frame):
    """The smallest of the models' errors."""
    for model in MODELS:
        rows(frame, model=model)
    return largest(frame).min()


def of_window(frame):
    """The error of the feed-forward net."""
    return largest(rows(frame, model="window", mode="fed_back")).iloc[0]


def persistence(frame):
    """Largest error of a forecast that stays where the training's half ended."""
    known = forecasts(frame)
    return (known.persistent_position - known.exact_position).abs().max() / AMPLITUDE


def steady(time):
    """The motion once the start has died down: A cos(w t - phase)."""
    return AMPLITUDE * math.cos(
        FREQUENCY * time - math.atan2(DAMPING * FREQUENCY, 1 - FREQUENCY**2)
    )


def persistent_error(frame):
    """What persistence costs, from the closed form alone."""
    times = forecasts(frame).time.unique()
    return max(abs(steady(time) - steady(SEEN)) for time in times) / AMPLITUDE


def pair(frame):
    """Median over seeds of jordan's leading eigenvalue, taught with its targets."""
    first = rows(frame, model="jordan", mode="fed_back").groupby("seed").first()
    return complex(first.eigenvalue_1_real.median(), first.eigenvalue_1_imag.abs().median())


def distance(frame):
    """How far jordan's eigenvalue is from exp(dt lambda)."""
    return abs(pair(frame) - cmath.exp(frame.interval.iloc[0] * POLE))


def late(frame):
    """Forecasts that lag by ten rows."""
    frame["position"] = frame.groupby(["model", "mode", "seed"]).position.shift(10)
    frame["position"] = frame.position.fillna(0)
    return frame


def elsewhere(frame):
    """Persistence starts from rest at 0."""
    frame["persistent_position"] = 0.0
    return frame


def undamped(frame):
    """The eigenvalue of the same turn without damping."""
    turned = cmath.exp(1j * frame.interval.iloc[0])
    frame["eigenvalue_1_real"], frame["eigenvalue_1_imag"] = turned.real, turned.imag
    return frame


def figure(frame):
    """The motion, errors over time by mode, the eigenvalues, and the errors of all trainings."""
    drawing, panels = style.mosaic("aab;cde", size=(17, 10.5))
    looks = dict(zip(MODELS, ("#1f6fb2", "#d1483a", "#2c9c69", "#8a5fb0"), strict=True))
    motion(panels["a"], frame, looks)
    trainings(panels["b"], frame, looks)
    for letter, mode in zip("cd", MODES, strict=True):
        errors(panels[letter], rows(frame, mode=mode), looks)
    eigenvalues(panels["e"], frame, looks)
    style.titles(
        [panels[letter] for letter in "abcde"],
        [
            "position: seen up to 20, forecast from there on (all models, first seed)",
            "largest error of each forecast",
            MODES["driven"],
            MODES["fed_back"],
            "learnt eigenvalues of one step",
        ],
    )
    first = frame.iloc[0]
    style.headline(drawing, "Half of the motion is enough to go on with it, within a few percent")
    style.caption(
        drawing,
        f"s'' + 0.4 s' + s = cos(0.5 t), closed form; steps of {first.interval:g}, "
        f"{first.hidden_size} tanh units, {first.updates} updates of {first.optimizer}, learning "
        f"rate {first.learning_rate:g}, {first.schedule}; {frame.seed.nunique()} seeds, c and d: "
        "the largest within 2.8, medians and ranges\nerrors of the position over the amplitude "
        f"{AMPLITUDE:.3f}; e: of diag(f') W (elman, driven) and V diag(f') W (jordan, fed back), "
        "f' as it is on average, all seeds; window: a feed-forward net on the last 10 inputs",
    )
    return drawing


def motion(panel, frame, looks):
    """Closed form, persistence and the forecasts of one seed."""
    one = frame[frame.seed == frame.seed.min()]
    panel.axvspan(0, SEEN, color="#eef1f5", zorder=0)
    for (model, mode), known in one.groupby(["model", "mode"]):
        style = "-" if mode == "driven" else "--"
        label = model if mode == "driven" else None
        panel.plot(known.time, known.position, style, lw=1.4, color=looks[model], label=label)
    exact = one.groupby("time").first()
    panel.plot(exact.index, exact.exact_position, ":", lw=2.5, color=CRITICAL,
               label="closed form")  # fmt: skip
    rest = exact[exact.index >= SEEN]
    panel.plot(rest.index, rest.persistent_position, color=MUTED, label="persistence")
    panel.set(xlabel="time (dashed: own outputs fed back)", ylabel="position", xlim=(0, None),
              ylim=(-1.5, 2.1))  # fmt: skip
    panel.legend(ncols=6, loc="upper left", fontsize=10)


def trainings(panel, frame, looks):
    """The largest error of each training: a dot."""
    known = forecasts(frame).groupby(["model", "mode", "seed"]).error.max()
    labels = []
    for place, (model, mode) in enumerate((m, mode) for m in MODELS for mode in MODES):
        if (model, mode) in known.index:
            values = known.loc[model, mode]
            face = looks[model] if mode == "driven" else "white"
            panel.plot(values, [place] * len(values), "o", color=looks[model], mfc=face)
        labels.append(f"{model}, {mode.replace('_', ' ')}")
    panel.axvline(WANTED, ls="--", lw=1, color=MUTED)
    panel.axvline(persistence(frame), lw=2, color=MUTED)
    panel.set_yticks(range(len(labels)), labels)
    panel.invert_yaxis()
    panel.set(xlabel="error / amplitude (line: persistence)", xscale="log")


def errors(panel, frame, looks):
    """Error of the position over time, the largest within 2.8: median over seeds, and range."""
    panel.axvspan(0, SEEN, color="#eef1f5", zorder=0)
    for model in MODELS:
        known = frame[(frame.model == model) & (frame.time > 0)]
        if known.empty:
            continue
        groups = envelope(known).groupby(level="time")
        panel.plot(groups.median(), lw=1.6, color=looks[model], label=model)
        panel.fill_between(groups.min().index, groups.min(), groups.max(), color=looks[model],
                           alpha=0.12, lw=0)  # fmt: skip
    panel.axhline(WANTED, ls="--", lw=1, color=MUTED)
    first = frame.groupby("time").first()
    rest = first[first.index > SEEN]
    off = (rest.persistent_position - rest.exact_position).abs() / AMPLITUDE
    panel.plot(off, color=MUTED, label="persistence")
    panel.set(xlabel="time", ylabel="error / amplitude", yscale="log", ylim=(1e-4, 10))
    panel.legend(ncols=3, fontsize=9, loc="lower left")


def envelope(frame):
    """Largest error over the amplitude within seven rows, so that a change of sign is no dip."""
    error = (frame.position - frame.exact_position).abs() / AMPLITUDE
    table = error.groupby([frame.time, frame.seed]).first().unstack()
    return table.rolling(7, center=True, min_periods=1).max().stack()


def eigenvalues(panel, frame, looks):
    """Learnt eigenvalues beside those of Euler's scheme and of the exact step."""
    angle = np.linspace(-0.3, 0.3, 200)
    panel.plot(np.cos(angle), np.sin(angle), lw=1, color=MUTED)
    for model, mode in (("elman", "driven"), ("jordan", "fed_back")):
        known = frame[(frame.model == model) & (frame["mode"] == mode)].groupby("seed").first()
        for n in (1, 2, 3, 4):
            places = known[f"eigenvalue_{n}_real"], known[f"eigenvalue_{n}_imag"]
            label = f"{model}, {mode.replace('_', ' ')}" if n == 1 else None
            panel.plot(*places, "o", ms=6, alpha=0.7, color=looks[model], label=label)
    dt = frame.interval.iloc[0]
    marks = {
        "Euler, I + dt A": (1 + dt * POLE, "x"),
        "exact, exp(dt A)": (cmath.exp(dt * POLE), "+"),
    }
    for label, (place, mark) in marks.items():
        panel.plot([place.real] * 2, [place.imag, -place.imag], mark, ms=13, mew=2.5,
                   color=CRITICAL, label=label)  # fmt: skip
    panel.set(xlabel="real part", ylabel="imaginary part", xlim=(0.6, 1.06),
              ylim=(-0.3, 0.3), yticks=[-0.2, 0, 0.2])  # fmt: skip
    panel.legend(fontsize=9, loc="center left", bbox_to_anchor=(0, 0.62))


experiment = Experiment(
    question="Can a network that saw half of a motion forecast the other half?",
    grid={
        "model": MODELS,
        "mode": list(MODES),
        "seed": range(5),
        "time": [round(0.4 * i, 1) for i in range(101)],
    },
    split=["model", "mode", "seed"],
    constants={
        "interval": 0.2,
        "until": 40.0,
        "hidden_size": 32,
        "optimizer": "adam",
        "learning_rate": 0.01,
        "schedule": "exponential",
        "updates": 2000,
        "clip_threshold": 1.0,
        "clip_style": "norm",
    },
    quick={"seed": range(2), "updates": 300},
    measure="gradlab.measures.forecast:measure",
    figure=figure,
    claims=[
        Claim(
            name="below five percent",
            about=ABOUT,
            seeds=3,
            statement="largest error of the position over t = 20 to 40 over the amplitude, median "
            "over seeds, of the best model",
            source="the closed form of the driven oscillator",
            measured=best,
            at_most=WANTED,
            why="5 % of the amplitude is what was asked for",
            control=late,
        ),
        Claim(
            name="a window is an answer too",
            about=ABOUT,
            seeds=3,
            statement="the same of the feed-forward net on ten past inputs, its outputs fed back",
            source="force and state at one step make the next: s_{t+1} = exp(dt A) s_t + ...",
            measured=of_window,
            at_most=WANTED,
            why="5 % of the amplitude",
            control=late,
        ),
        Claim(
            name="persistence is no forecast",
            about={"until": 40.0},
            statement="largest error of staying where t = 20 was, over the amplitude",
            source="A cos(w t - phase), A = 1/|k - m w^2 + i eta w|, once the start has died down",
            measured=persistence,
            equals=persistent_error,
            within=0.05,
            why="e^(-.2 20) = 0.018 of the start is left, in both ends of the difference",
            control=elsewhere,
        ),
        Claim(
            name="the step is learnt",
            about=ABOUT,
            seeds=3,
            statement="distance of the leading eigenvalue of V diag(f') W, jordan fed its own "
            "outputs, from that of exp(dt A)",
            source="s_{t+1} = exp(dt A) s_t + what the force adds, A = [[0, 1], [-k, -eta]]/m",
            measured=distance,
            equals=0.0,
            within=0.03,
            why="one motion, in which f' varies by some percent, does not fix it better",
            control=undamped,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
