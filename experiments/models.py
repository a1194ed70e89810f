"""What does it cost to feed back the output instead of the hidden state?

The lectures' first model (Elman) hands its N hidden values to the next step, the second (Jordan)
its O outputs: h_t = f(b + W o_{t-1} + U x_t), o_t = c + V h_t. All that Jordan's network knows of
the past is in those O numbers. Its gradient does not tell: W V of the same spectral radius lets it
fade as fast. Its short-term memory does: under white noise the squared correlations of past inputs
with their best linear readouts from the state add up to no more than the values in the state.
"""

import math

import pandas as pd

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, by_lag, medians, page
from gradlab.suite import Claim, Experiment, Span, largest, median, near, shifted, worst

LINEAR = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
TANH = [*LINEAR, 1.0, 1.1, 1.2, 1.3]
OUTPUTS = [1, 2, 4, 8, 16, 32]
ABOUT = {"hidden_size": 32, "input_scale": 0.1, "sequence_length": Span(2100)}
NEAR, FAR = 10, 40  # the lags between which the gradient's rate is read
COLOURS = {
    "Elman": CRITICAL, "Jordan, O = 1": EXPLODING, "Jordan, O = 4": "#f3b391",
    "Jordan, O = 16": "#8fc1e3", "Jordan, O = 32": VANISHING,
}  # fmt: skip
AT_07 = {"spectral_radius": 0.7}
MEMORY = {"activation": "tanh", "spectral_radius": 0.9, "outputs": 1}


def rate(frame):
    """Decades a step of the gradient between the lags NEAR and FAR."""
    near, far = (frame[f"log10_gradient_lag_{lag}"] for lag in (NEAR, FAR))
    return (far - near) / (FAR - NEAR)


def excess(frame):
    """The memory capacity less the number of values in the state."""
    return frame.capacity - frame.state_size


def off_outputs(frame):
    """The median capacity over the number of outputs, less 1; by outputs."""
    capacity = frame.groupby("outputs").capacity.median()
    return capacity / capacity.index - 1


def widest_jordan(frame):
    """Jordan's rows with 32 outputs pass for those with one."""
    widest = frame[(frame.cell == "jordan") & (frame.outputs == 32)]
    return pd.concat([frame[frame.cell == "elman"], widest.assign(outputs=1)])


def other_radius(frame):
    """Jordan's rows of radius 0.9 pass for those of 0.7."""
    jordan = frame[frame.cell == "jordan"]
    passed = jordan[jordan.spectral_radius == 0.9].assign(spectral_radius=0.7)
    return pd.concat([frame[frame.cell == "elman"], passed])


def by_model(draw):
    """A panel with a line a model: Elman, and Jordan networks of some numbers of outputs."""

    def drawn(panel, frame):
        jordan = "Jordan, O = " + frame.outputs.astype(str)
        draw(panel, frame.assign(model=jordan.where(frame.cell == "jordan", "Elman")))

    drawn.__doc__ = draw.__doc__
    return drawn


def gradient(panel, frame):
    """The median gradient by lag, a line for each model; dashed: the radius to the lag."""
    by_model(
        by_lag(
            "log10_gradient", "model", palette=COLOURS, legend="", xlabel="lag n (steps)",
            ylabel="||dL/ds$_{T-n}$|| relative to ||dL/ds$_T$||",
        )
    )(panel, frame)  # fmt: skip
    radius = frame.spectral_radius.iloc[0]
    panel.plot([0, FAR], [0, FAR * math.log10(radius)], "--", color=MUTED)


def over_outputs(panel, frame):
    """Capacity over O, with its bound O and Elman's capacity."""
    for activation, text, fill, line in (
        ("tanh", "tanh", EXPLODING, "-"),
        ("identity", "linear", "none", "--"),
    ):
        here = frame[frame.activation == activation]
        jordan = here[here.cell == "jordan"].groupby("outputs").capacity.median()
        panel.plot(jordan, "-o", ms=8, mfc=fill, color=EXPLODING, label=f"Jordan, {text}")
        elman = here[here.cell == "elman"].capacity.median()
        panel.axhline(elman, ls=line, color=CRITICAL, label=f"Elman, {text}")
    ticks = sorted(set(frame.outputs))
    panel.plot(ticks, ticks, ":", color=MUTED, label="bound: O values")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
    panel.set(xlabel="outputs O", ylabel="memory capacity (steps)")
    panel.legend(loc="lower right")


RECALL = by_lag(
    "memory", "model", palette=COLOURS, relative=False, decades=False, legend={},
    xlabel="lag n (steps)", ylabel="share of x$_{t-n}$ that the state tells", ylim=(-0.03, 1.05),
)  # fmt: skip
CAPACITY = medians(
    "spectral_radius", "capacity", "model", palette=COLOURS,
    legend={"ncols": 3, "loc": "upper left", "fontsize": 10}, headroom=0.25,
    xlabel="spectral radius", ylabel="memory capacity (steps)",
)  # fmt: skip
SHOWN = {"spectral_radius": near(0.9)}
TANHS = {"activation": "tanh"}
figure = page(
    "Fed-back outputs carry the gradient as far, but only O numbers",
    "{hidden_size} units, white noise of size {input_scale} as input, tanh but for the open "
    "symbols (linear), {seeds}, medians. The radius is that of W (Elman) and of W V (Jordan).\n"
    "Capacity: sum over lags of the squared correlation of the past input and its best linear "
    "readout from the state, on fresh steps; it is at most the number of values in the state.",
    [
        [
            Panel(
                "what is left of the input, radius {spectral_radius}", by_model(RECALL),
                SHOWN | TANHS,
            ),
            Panel(
                "the gradient by lag, radius {spectral_radius} (dashed: radius$^n$)", gradient,
                SHOWN | TANHS,
            ),
        ],
        [
            Panel(
                "memory capacity over the outputs, radius {spectral_radius}", over_outputs, SHOWN
            ),
            Panel("memory capacity over the radius", by_model(CAPACITY), TANHS),
        ],
    ],
)  # fmt: skip


def grid(cell, activation, radii, outputs):
    """One part of the grid: a model with an activation."""
    return {
        "cell": [cell],
        "activation": [activation],
        "outputs": outputs,
        "spectral_radius": radii,
        "seed": range(10),
    }


experiment = Experiment(
    question="What does it cost to feed back the output instead of the hidden state?",
    grid=[
        grid("elman", "tanh", TANH, [1]),
        grid("elman", "identity", LINEAR, [1]),
        grid("jordan", "tanh", TANH, OUTPUTS),
        grid("jordan", "identity", LINEAR, OUTPUTS),
    ],
    split=["cell", "activation", "outputs", "seed"],
    constants={"hidden_size": 32, "input_scale": 0.1, "sequence_length": 4100},
    quick={"spectral_radius": [0.5, 0.7, 0.9], "seed": range(3), "sequence_length": 2100},
    measure="gradlab.measures.recall:measure",
    figure=figure,
    claims=[
        Claim(
            "no more than its state",
            "no network's memory capacity is above the number of values in its state",
            source="Jaeger, Short term memory in echo state networks (GMD report 152, 2001)",
            measured=largest(excess, status="ok"),
            at_most=0.5,
            why="capacities are estimated on some 2,000 steps, and shares below 0 are taken as 0",
            control=shifted("state_size", -1),
            about=ABOUT | {"activation": ("tanh", "identity")},
        ),
        Claim(
            "a linear Jordan network holds O",
            "a linear Jordan network recalls as many steps as it has outputs, O = 1 to 8",
            source="Jaeger (2001): a linear network of full rank has the capacity of its state",
            measured=worst(
                off_outputs, cell="jordan", activation="identity", outputs=Span(1, 8), **AT_07
            ),
            equals=0.0,
            within=0.1,
            why="finite samples, and lags beyond 40 do not count",
            control=shifted("outputs", 1),
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "Elman remembers more",
            "with 32 tanh units and one output, Elman recalls 8 times what Jordan does",
            source="its state has 32 values, Jordan's has one",
            measured=median("capacity", cell="elman", **MEMORY)
            / median("capacity", cell="jordan", **MEMORY),
            at_least=8.0,
            why="tanh lets the 32 values be no better than some 14",
            control=widest_jordan,
            about=ABOUT,
            seeds=3,
        ),
        Claim(
            "one output fades like the radius",
            "a linear Jordan network's gradient is multiplied by V W a step: O = 1, 0.7",
            source="do_t/do_{t-1} = V W, a number whose size is the spectral radius of W V",
            measured=median(rate, cell="jordan", activation="identity", outputs=1, **AT_07),
            equals=math.log10(0.7),
            within=1e-9,
            why="exact but for rounding; decades a step",
            control=other_radius,
            about={"sequence_length": Span(FAR + 1)},
        ),
        Claim(
            "the gradient does not tell",
            "at radius 0.7 the two models' gradients fade equally fast (tanh, O = 4)",
            source="the nonzero eigenvalues of W V are those of V W",
            measured=median(rate, cell="jordan", outputs=4, **TANHS, **AT_07)
            - median(rate, cell="elman", **TANHS, **AT_07),
            equals=0.0,
            within=0.02,
            why="decades a step; W is not normal and lags are finite",
            control=other_radius,
            about=ABOUT,
            seeds=3,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
