"""What does it cost to feed back the output instead of the hidden state?

The lectures' first model (Elman) hands its N hidden values to the next step, the second (Jordan)
its O outputs: h_t = f(b + W o_{t-1} + U x_t), o_t = c + V h_t. All that Jordan's network knows of
the past is in those O numbers. Its gradient does not tell: W V of the same spectral radius lets it
fade as fast. Its short-term memory does: under white noise the squared correlations of past inputs
with their best linear readouts from the state add up to no more than the values in the state.
"""

import math

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, Panel, by_lag, medians, page
from gradlab.suite import (
    Claim,
    Experiment,
    Span,
    largest,
    median,
    near,
    passes_for,
    swap,
    worst,
)

LINEAR = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
TANH = [*LINEAR, 1.0, 1.1, 1.2, 1.3]
OUTPUTS = [1, 2, 4, 8, 16, 32]
ABOUT = {
    "hidden_size": 32, "input_scale": 0.1, "sequence_length": Span(2100), "dtype": "float64",
}  # fmt: skip
NEAR, FAR = 10, 40  # the lags between which the gradient's rate is read
TANH_ROWS, LINEAR_ROWS = {"activation": "tanh"}, {"activation": "identity"}
SETTING = ("cell", "activation", "outputs", "spectral_radius")
ELMAN, JORDAN = {"cell": "elman"}, {"cell": "jordan"}


def rate(frame):
    """Decades a step of the gradient between the lags NEAR and FAR."""
    far, near = (frame[f"log10_gradient_lag_{lag}"] for lag in (FAR, NEAR))
    return (far - near) / (FAR - NEAR)


def capacity_a_value(frame):
    """The capacity over the number of values in the state, mean over the seeds of a setting."""
    known = frame.capacity / frame.state_size
    return known.groupby([frame[axis] for axis in SETTING]).transform("mean")


def of_all_hidden_values(frame):
    """Jordan's capacity is that of the hidden values, as many as Elman's, not of its outputs."""
    elman = frame.capacity.where(frame.cell == "elman")
    alike = elman.groupby([frame.activation, frame.spectral_radius, frame.seed]).transform("first")
    return frame.assign(capacity=alike)


def off_outputs(frame):
    """The median capacity over the number of outputs, less 1; by outputs."""
    capacity = frame.groupby("outputs").capacity.median()
    return capacity / capacity.index - 1


def other_radius_of_jordan(frame):
    """The radius, Jordan's 0.7 and 0.9 exchanged."""
    exchanged = swap("spectral_radius", 0.7, 0.9)(frame).spectral_radius
    return exchanged.where(frame.cell == "jordan", frame.spectral_radius)


def model(frame):
    """The model of each row, with the number of outputs that Jordan's feeds back."""
    jordan = "Jordan, O = " + frame.outputs.astype(str)
    others = frame.cell.replace({"elman": "Elman", "lstm": "LSTM", "gru": "GRU"})
    return jordan.where(frame.cell == "jordan", others)


def inks(models):
    """Elman's in ink, Jordan's from warm to cool as their outputs grow, other cells in grey."""
    left = iter(["#d1483a", "#f3b391", "#8fc1e3", "#1f6fb2"])
    return {
        name: next(left, MUTED) if "Jordan" in name else CRITICAL if name == "Elman" else MUTED
        for name in models
    }


def gradient(panel, frame):
    """Median of the gradient by lag, a line for each model; dashed: the radius^lag."""
    by_lag(
        "log10_gradient", model, palette=inks, legend={"title": None}, loc="lower left",
        xlabel="lag n (steps)", ylabel="||dL/ds$_{T-n}$|| relative to ||dL/ds$_T$||",
    )(panel, frame)  # fmt: skip
    radius = frame.spectral_radius.iloc[0]
    panel.plot([0, FAR], [0, FAR * math.log10(radius)], "--", color=MUTED)


def over_outputs(panel, frame):
    """Median capacity over the outputs, with its bound and Elman's capacity."""
    activations = dict.fromkeys(frame.activation)
    for activation, (line, points) in zip(activations, ("-o", ("--", "s")), strict=False):
        here = frame[frame.activation == activation]
        name = activation.replace("identity", "linear")
        jordan = here[here.cell == "jordan"].groupby("outputs").capacity.median()
        elman = here[here.cell == "elman"].capacity.median()
        if len(jordan):
            panel.plot(jordan, line, marker=points, color=EXPLODING, label=f"Jordan, {name}")
        if math.isfinite(elman):
            panel.axhline(elman, ls=line, color=CRITICAL, label=f"Elman, {name}")
    ticks = sorted(set(frame.outputs))
    panel.plot(ticks, ticks, ":", color=MUTED, label="bound: O values")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    panel.set_xticks(ticks, ticks)
    panel.set_yticks(ticks, ticks)
    panel.minorticks_off()
    panel.set(xlabel="outputs O", ylabel="memory capacity (steps)")
    panel.legend(loc="lower right")


def grid(cell, activation, radii, outputs):
    """One part of the grid: a model with an activation."""
    return {
        "cell": [cell],
        "activation": [activation],
        "outputs": outputs,
        "spectral_radius": radii,
        "seed": range(10),
    }


SOME = {"activation": max, "outputs": near(1, 4, 16, 32)}
AT = {"spectral_radius": near(0.9)}
figure = page(
    "Fed-back outputs carry the gradient as far, but only O numbers",
    "{hidden_size} units, white noise of size {input_scale} as input, {seeds}, medians. The radius "
    "is that of W (Elman) and of W V (Jordan).\nCapacity: sum over lags of the squared correlation "
    "of the past input and its best linear readout from the state, on fresh steps; it is at most "
    "the number of values in the state.",
    [
        [
            Panel(
                "what is left of the input, {activation}, radius {spectral_radius}",
                by_lag(
                    "memory", model, relative=False, decades=False, palette=inks,
                    legend={"title": None}, loc="upper right", ylim=(-0.03, 1.05),
                    xlabel="lag n (steps)", ylabel="share of x$_{t-n}$ that the state tells",
                ),
                SOME | AT,
            ),
            Panel(
                "its gradient by lag, radius {spectral_radius} (dashed: radius$^n$)",
                gradient,
                SOME | AT,
            ),
        ],
        [
            Panel("memory capacity over the outputs, radius {spectral_radius}", over_outputs, AT),
            Panel(
                "memory capacity over the radius, {activation}",
                medians(
                    "spectral_radius", "capacity", model, palette=inks, headroom=0.2,
                    legend={"title": None, "ncols": 3}, loc="upper right",
                    xlabel="spectral radius", ylabel="memory capacity (steps)",
                ),
                SOME,
            ),
        ],
    ],
)  # fmt: skip
experiment = Experiment(
    question="What does it cost to feed back the output instead of the hidden state?",
    grid=[
        grid("elman", "tanh", TANH, [1]),
        grid("elman", "identity", LINEAR, [1]),
        grid("jordan", "tanh", TANH, OUTPUTS),
        grid("jordan", "identity", LINEAR, OUTPUTS),
    ],
    split=["cell", "activation", "outputs", "seed"],
    constants={
        "hidden_size": 32,
        "input_scale": 0.1,
        "sequence_length": 4100,
        "dtype": "float64",
    },
    quick={"spectral_radius": [0.5, 0.7, 0.9], "seed": range(3), "sequence_length": 2100},
    measure="gradlab.measures.recall:measure",
    figure=figure,
    claims=[
        Claim(
            "no more than its state",
            "no network's memory capacity is above 1 a value in its state, mean over seeds",
            source="Jaeger, Short term memory in echo state networks (GMD report 152, 2001)",
            measured=largest(capacity_a_value, status="ok"),
            at_most=1.1,
            why="shares below 0 are taken as 0; ten draws of 2,000 steps, one value: 0.03 a mean",
            control=of_all_hidden_values,
            about=ABOUT | {"activation": ("tanh", "identity")},
            seeds=3,
        ),
        Claim(
            "a linear Jordan network holds O",
            "a linear Jordan network recalls as many steps as it has outputs, O = 1 to 8",
            source="Jaeger (2001): a linear network of full rank has the capacity of its state",
            measured=worst(
                off_outputs, **JORDAN, **LINEAR_ROWS, spectral_radius=0.7, outputs=Span(1, 8)
            ),
            equals=0.0,
            within=0.1,
            why="finite samples, and lags beyond 40 do not count",
            control=swap("activation", "identity", "tanh"),
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "Elman remembers more",
            "with 32 tanh units and one output, Elman recalls 8 times what Jordan does",
            source="its state has 32 values, Jordan's has one",
            measured=median("capacity", **ELMAN, **TANH_ROWS, spectral_radius=0.9)
            / median("capacity", **JORDAN, **TANH_ROWS, spectral_radius=0.9, outputs=1),
            at_least=8.0,
            why="tanh lets the 32 values be no better than some 14",
            control=swap("outputs", 1, 32),
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "one output fades like the radius",
            "a linear Jordan network's gradient is multiplied by V W a step: O = 1, 0.7",
            source="do_t/do_{t-1} = V W, a number whose size is the spectral radius of W V",
            measured=median(rate, **JORDAN, **LINEAR_ROWS, spectral_radius=0.7, outputs=1),
            equals=math.log10(0.7),
            within=1e-9,
            why="exact but for rounding; decades a step",
            control=swap("spectral_radius", 0.7, 0.9),
            about={"sequence_length": Span(FAR + 1), "dtype": "float64"},
        ),
        Claim(
            "the gradient does not tell",
            "at radius 0.7 the two models' gradients fade equally fast (tanh, O = 4)",
            source="the nonzero eigenvalues of W V are those of V W",
            measured=abs(
                median(rate, **JORDAN, **TANH_ROWS, spectral_radius=0.7, outputs=4)
                - median(rate, **ELMAN, **TANH_ROWS, spectral_radius=0.7)
            ),
            equals=0.0,
            within=0.02,
            why="decades a step; W is not normal and lags are finite",
            control=passes_for(other_radius_of_jordan, "spectral_radius"),
            about=ABOUT,
            seeds=3,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
