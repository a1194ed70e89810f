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
import pandas as pd

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, page
from gradlab.suite import (
    Claim,
    Experiment,
    Span,
    above,
    always,
    every,
    median,
    rows,
    smallest,
    worst,
)

COLOURS = {"elman": VANISHING, "jordan": EXPLODING, "lstm": "#2c9c69", "window": "#8a5fb0"}
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


AFTER = {"time": above(SEEN)}  # what was not seen


def error(frame):
    """|position - closed form| over the amplitude."""
    return (frame.position - frame.exact_position).abs() / AMPLITUDE


def persistent_error(frame):
    """What staying where the seen half ended is off, over the amplitude."""
    return (frame.persistent_position - frame.exact_position) / AMPLITUDE


def largest_errors(frame):
    """The largest error of each training over the unseen half."""
    known = rows(frame, **AFTER)
    return error(known).groupby([known.model, known["mode"], known.seed]).max()


def typical_errors(frame):
    """Its median over seeds, by model and mode."""
    return largest_errors(frame).groupby(level=["model", "mode"]).median()


def steady(time):
    """The motion once the start has died down: A cos(w t - phase)."""
    return AMPLITUDE * math.cos(
        FREQUENCY * time - math.atan2(DAMPING * FREQUENCY, 1 - FREQUENCY**2)
    )


def steady_error(frame):
    """What persistence costs, from the closed form alone."""
    times = rows(frame, **AFTER).time.unique()
    return max(abs(steady(time) - steady(SEEN)) for time in times) / AMPLITUDE


def off_the_step(frame):
    """How far the median of jordan's leading eigenvalues is from exp(dt lambda)."""
    first = frame.groupby("seed").first()
    found = complex(first.eigenvalue_1_real.median(), first.eigenvalue_1_imag.abs().median())
    return pd.Series(abs(found - cmath.exp(frame.interval.iloc[0] * POLE)))


def late(frame):
    """Forecasts that lag by ten rows."""
    frame["position"] = frame.groupby(["model", "mode", "seed"]).position.shift(10)
    frame["position"] = frame.position.fillna(0)
    return frame


def undamped(frame):
    """The eigenvalue of the same turn without damping."""
    turned = cmath.exp(1j * frame.interval.iloc[0])
    frame["eigenvalue_1_real"], frame["eigenvalue_1_imag"] = turned.real, turned.imag
    return frame


def motion(panel, frame):
    """The closed form, persistence, and every model's forecast."""
    panel.axvspan(0, SEEN, color="#eef1f5", zorder=0)
    for (model, mode), known in frame.groupby(["model", "mode"]):
        line, label = ("-", model) if mode == "driven" else ("--", None)
        panel.plot(known.time, known.position, line, lw=1.4, color=COLOURS[model], label=label)
    exact = frame.groupby("time").first()
    panel.plot(exact.exact_position, ":", lw=2.5, color=CRITICAL, label="closed form")
    rest = exact[exact.index >= SEEN]
    panel.plot(rest.persistent_position, color=MUTED, label="persistence")
    panel.set(xlabel="time (dashed: own outputs fed back)", ylabel="position", xlim=(0, None),
              ylim=(-1.5, 2.1))  # fmt: skip
    panel.legend(ncols=6, loc="upper left", fontsize=10)


def trainings(panel, frame):
    """The largest error of each training: a dot; dashed: 5 %, line: persistence."""
    known, labels = largest_errors(frame), []
    for place, (model, mode) in enumerate((m, mode) for m in COLOURS for mode in MODES):
        if (model, mode) in known.index:
            values, face = known.loc[model, mode], COLOURS[model] if mode == "driven" else "white"
            panel.plot(values, [place] * len(values), "o", color=COLOURS[model], mfc=face)
        labels.append(f"{model}, {mode.replace('_', ' ')}")
    panel.axvline(WANTED, ls="--", lw=1, color=MUTED)
    panel.axvline(worst(persistent_error, **AFTER)(frame), lw=2, color=MUTED)
    panel.set_yticks(range(len(labels)), labels)
    panel.invert_yaxis()
    panel.set(xlabel="error / amplitude (line: persistence)", xscale="log")


def errors(panel, frame):
    """Error of the position over time, the largest within 2.8: median over seeds, and range."""
    panel.axvspan(0, SEEN, color="#eef1f5", zorder=0)
    for model, known in rows(frame, time=above(0)).groupby("model"):
        seeds = envelope(known).groupby(level="time")
        panel.plot(seeds.median(), lw=1.6, color=COLOURS[model], label=model)
        panel.fill_between(seeds.min().index, seeds.min(), seeds.max(), color=COLOURS[model],
                           alpha=0.12, lw=0)  # fmt: skip
    panel.axhline(WANTED, ls="--", lw=1, color=MUTED)
    first = rows(frame, **AFTER).groupby("time").first()
    panel.plot(persistent_error(first).abs(), color=MUTED, label="persistence")
    panel.set(xlabel="time", ylabel="error / amplitude", yscale="log", ylim=(1e-4, 150))
    panel.legend(ncols=3, fontsize=9, loc="upper left")


def envelope(frame):
    """Largest error over the amplitude within seven rows, so that a change of sign is no dip."""
    table = error(frame).groupby([frame.time, frame.seed]).first().unstack()
    return table.rolling(7, center=True, min_periods=1).max().stack()


def eigenvalues(panel, frame):
    """Learnt eigenvalues beside those of Euler's scheme and of the exact step."""
    angle = np.linspace(-0.3, 0.3, 200)
    panel.plot(np.cos(angle), np.sin(angle), lw=1, color=MUTED)
    for model, mode in (("elman", "driven"), ("jordan", "fed_back")):
        known = frame[(frame.model == model) & (frame["mode"] == mode)].groupby("seed").first()
        for n in (1, 2, 3, 4):
            places = known[f"eigenvalue_{n}_real"], known[f"eigenvalue_{n}_imag"]
            label = f"{model}, {mode.replace('_', ' ')}" if n == 1 else None
            panel.plot(*places, "o", ms=6, alpha=0.7, color=COLOURS[model], label=label)
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


CAPTION = (
    "s'' + 0.4 s' + s = cos(0.5 t), closed form; steps of {interval}, {hidden_size} tanh units, "
    "{updates} updates of {optimizer}, learning rate {learning_rate}, {schedule}; {seeds}, c and "
    "d: the largest within 2.8, medians and ranges\nerrors of the position over the amplitude "
    f"{AMPLITUDE:.3f}; e: of diag(f') W (elman, driven) and V diag(f') W (jordan, fed back), "
    "f' as it is on average, all seeds; window: a feed-forward net on the last 10 inputs"
)
figure = page(
    "Half of the motion is enough to go on with it, within a few percent",
    CAPTION,
    [
        [
            Panel(
                "position: seen up to 20, forecast from there on (seed {seed})",
                motion, {"seed": min}, width=2,
            ),
            Panel("largest error of each forecast", trainings),
        ],
        [
            *(Panel(title, errors, {"mode": mode}) for mode, title in MODES.items()),
            Panel("eigenvalues of one step after {updates} updates", eigenvalues),
        ],
    ],
    size=(17, 10.5),
)  # fmt: skip
JORDAN = {"model": "jordan", "mode": "fed_back"}
experiment = Experiment(
    question="Can a network that saw half of a motion forecast the other half?",
    grid={
        "model": list(COLOURS),
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
            "below five percent",
            "largest error of the position over t = 20 to 40 over the amplitude, median "
            "over seeds, of the best model",
            source="the closed form of the driven oscillator",
            measured=smallest(typical_errors, model=every(COLOURS)),
            at_most=WANTED,
            why="5 % of the amplitude is what was asked for",
            control=late,
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "a window is an answer too",
            "the same of the feed-forward net on ten past inputs, its outputs fed back",
            source="force and state at one step make the next: s_{t+1} = exp(dt A) s_t + ...",
            measured=median(largest_errors, model="window", mode="fed_back"),
            at_most=WANTED,
            why="5 % of the amplitude",
            control=late,
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "persistence is no forecast",
            "largest error of staying where t = 20 was, over the amplitude",
            source="A cos(w t - phase), A = 1/|k - m w^2 + i eta w|, once the start has died down",
            measured=worst(persistent_error, **AFTER),
            equals=steady_error,
            within=0.05,
            why="e^(-.2 20) = 0.018 of the start is left, in both ends of the difference",
            control=always("persistent_position", 0.0),
            about={"until": 40.0},
        ),
        Claim(
            "the step is learnt",
            "distance of the leading eigenvalue of V diag(f') W, jordan fed its own "
            "outputs, from that of exp(dt A)",
            source="s_{t+1} = exp(dt A) s_t + what the force adds, A = [[0, 1], [-k, -eta]]/m",
            measured=worst(off_the_step, **JORDAN),
            equals=0.0,
            within=0.03,
            why="one motion, in which f' varies by some percent, does not fix it better",
            control=undamped,
            about=ABOUT,
            seeds=3,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
