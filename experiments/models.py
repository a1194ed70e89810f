"""What does it cost to feed back the output instead of the hidden state?

The lectures' first model (Elman) hands its N hidden values to the next step, the second (Jordan)
its O outputs: h_t = f(b + W o_{t-1} + U x_t), o_t = c + V h_t. All that Jordan's network knows of
the past is in those O numbers. Its gradient does not tell: W V of the same spectral radius lets it
fade as fast. Its short-term memory does: under white noise the squared correlations of past inputs
with their best linear readouts from the state add up to no more than the values in the state.
"""

import math

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, style
from gradlab.suite import Claim, Experiment, Span, nearest, rows

LINEAR = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
TANH = [*LINEAR, 1.0, 1.1, 1.2, 1.3]
OUTPUTS = [1, 2, 4, 8, 16, 32]
ABOUT = {"hidden_size": 32, "input_scale": 0.1, "sequence_length": Span(2100)}
NEAR, FAR = 10, 40  # the lags between which the gradient's rate is read


def rate(frame, **values):
    """Median decades a step of the gradient between the lags NEAR and FAR."""
    here = rows(frame, **values)
    fall = here[f"log10_gradient_lag_{FAR}"] - here[f"log10_gradient_lag_{NEAR}"]
    return fall.median() / (FAR - NEAR)


def largest_excess(frame):
    """By how much any capacity is above the number of values in its state."""
    here = rows(frame, status="ok")
    return (here.capacity - here.state_size).max()


def one_value_less(frame):
    """A state is said to hold one value less than it does."""
    frame["state_size"] -= 1
    return frame


def gap_to_outputs(frame):
    """How far a linear Jordan network's capacity is from O, relative, worst of O = 1 to 8."""
    here = rows(frame, cell="jordan", activation="identity", spectral_radius=0.7)
    medians = here[here.outputs <= 8].groupby("outputs").capacity.median()
    return (medians / medians.index - 1).abs().max()


def one_output_more(frame):
    """The rows are said to have one output more than they do."""
    frame["outputs"] += 1
    return frame


def ratio_of_memories(frame):
    """The capacity of a tanh Elman network over that of a Jordan network with one output."""
    values = {"activation": "tanh", "spectral_radius": 0.9}
    elman, jordan = (
        rows(frame, cell=cell, outputs=1, **values).capacity.median()
        for cell in ("elman", "jordan")
    )
    return elman / jordan


def widest_jordan(frame):
    """Jordan's rows with 32 outputs pass for those with one."""
    frame = frame[(frame.cell == "elman") | (frame.outputs == 32)].copy()
    frame["outputs"] = 1
    return frame


def linear_rate(frame):
    """Decades a step of the linear Jordan network with one output, radius 0.7."""
    return rate(frame, cell="jordan", activation="identity", spectral_radius=0.7, outputs=1)


def difference_of_rates(frame):
    """How far apart the two models' gradients fade, decades a step, tanh, radius 0.7, O = 4."""
    values = {"activation": "tanh", "spectral_radius": 0.7}
    jordan = rate(frame, cell="jordan", outputs=4, **values)
    return abs(jordan - rate(frame, cell="elman", **values))


def other_radius(frame):
    """Jordan's rows of radius 0.9 pass for those of 0.7."""
    jordan = frame.cell == "jordan"
    frame = frame[~(jordan & (frame.spectral_radius == 0.7))].copy()
    chosen = (frame.cell == "jordan") & (frame.spectral_radius == 0.9)
    frame.loc[chosen, "spectral_radius"] = 0.7
    return frame


def figure(frame):
    """Memory by lag, capacity over the outputs and over the radius, the gradient by lag."""
    drawing, axes = style.panels(2, 2, size=(14.5, 10.5))
    radius = nearest(frame.spectral_radius, 0.9)
    shown = frame[(frame.spectral_radius == radius) & (frame.activation == "tanh")]
    by_lag(axes[0, 0], shown, "memory_lag_")
    axes[0, 0].set(ylabel="share of x$_{t-n}$ that the state tells", ylim=(-0.03, 1.05))
    axes[0, 0].legend()
    by_lag(axes[0, 1], shown, "log10_gradient_lag_")
    axes[0, 1].plot([0, FAR], [0, FAR * math.log10(radius)], "--", color=MUTED)
    style.powers_of_ten(axes[0, 1].yaxis)
    axes[0, 1].set(ylabel="||dL/ds$_{T-n}$|| relative to ||dL/ds$_T$||")
    over_outputs(axes[1, 0], frame[frame.spectral_radius == radius])
    over_radius(axes[1, 1], frame[frame.activation == "tanh"])
    style.titles(
        axes,
        [
            f"what is left of the input, radius {radius:g}",
            f"the gradient by lag, radius {radius:g} (dashed: radius$^n$)",
            f"memory capacity over the outputs, radius {radius:g}",
            "memory capacity over the radius",
        ],
    )
    first = frame.iloc[0]
    style.headline(drawing, "Fed-back outputs carry the gradient as far, but only O numbers")
    style.caption(
        drawing,
        f"{first.hidden_size} units, white noise of size {first.input_scale:g} as input, tanh but "
        f"for the open symbols (linear), {frame.seed.nunique()} seeds, medians. The radius is that "
        "of W (Elman) and of W V (Jordan).\nCapacity: sum over lags of the squared correlation of "
        "the past input and its best linear readout from the state, on fresh steps; it is at most "
        "the number of values in the state.",
    )
    return drawing


def models(frame):
    """(label, rows, colour): Elman, and Jordan networks of some numbers of outputs."""
    found = [("Elman", frame[frame.cell == "elman"], CRITICAL)]
    jordan = frame[frame.cell == "jordan"]
    colours = {1: "#d1483a", 4: "#f3b391", 16: "#8fc1e3", 32: "#1f6fb2"}
    for outputs, colour in colours.items():
        here = jordan[jordan.outputs == outputs]
        found += [(f"Jordan, O = {outputs}", here, colour)] if len(here) else []
    return [one for one in found if len(one[1])]


def by_lag(panel, frame, prefix):
    """Medians over seeds of the columns with a prefix, for each model."""
    lags = [int(name.removeprefix(prefix)) for name in frame if name.startswith(prefix)]
    for label, here, colour in models(frame):
        sizes = [here[f"{prefix}{lag}"].median() for lag in lags]
        panel.plot(lags, sizes, "-o", ms=6, color=colour, label=label)
    panel.set(xlabel="lag n (steps)")


def over_outputs(panel, frame):
    """Capacity over O, with its bound O and Elman's capacity."""
    for activation, fill in (("tanh", EXPLODING), ("identity", "none")):
        here = frame[frame.activation == activation]
        jordan = here[here.cell == "jordan"].groupby("outputs").capacity.median()
        text = f"Jordan, {'tanh' if activation == 'tanh' else 'linear'}"
        panel.plot(jordan.index, jordan, "-o", ms=8, mfc=fill, color=EXPLODING, label=text)
        elman = here[here.cell == "elman"].capacity.median()
        line = "-" if activation == "tanh" else "--"
        panel.axhline(elman, ls=line, color=CRITICAL, label=text.replace("Jordan", "Elman"))
    ends = [frame.outputs.min(), frame.outputs.max()]
    panel.plot(ends, ends, ":", color=MUTED, label="bound: O values")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    ticks = sorted(set(frame.outputs))
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.set_yticks(ticks, [str(tick) for tick in ticks])
    panel.set(xlabel="outputs O", ylabel="memory capacity (steps)")
    panel.legend(loc="lower right")


def over_radius(panel, frame):
    """Capacity of each model over the radius."""
    for label, here, colour in models(frame):
        medians = here.groupby("spectral_radius").capacity.median()
        panel.plot(medians.index, medians, "-o", ms=6, color=colour, label=label)
    panel.set(xlabel="spectral radius", ylabel="memory capacity (steps)")


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
            name="no more than its state",
            about=ABOUT | {"activation": ("tanh", "identity")},
            statement="no network's memory capacity is above the number of values in its state",
            source="Jaeger, Short term memory in echo state networks (GMD report 152, 2001)",
            measured=largest_excess,
            at_most=(0.0) + 0.5,
            why="capacities are estimated on some 2,000 steps, and shares below 0 are taken as 0",
            control=one_value_less,
        ),
        Claim(
            name="a linear Jordan network holds O",
            about=ABOUT,
            seeds=3,
            statement="a linear Jordan network recalls as many steps as it has outputs, O = 1 to 8",
            source="Jaeger (2001): a linear network of full rank has the capacity of its state",
            measured=gap_to_outputs,
            equals=0.0,
            within=0.1,
            why="finite samples, and lags beyond 40 do not count",
            control=one_output_more,
        ),
        Claim(
            name="Elman remembers more",
            about=ABOUT,
            seeds=3,
            statement="with 32 tanh units and one output, Elman recalls 8 times what Jordan does",
            source="its state has 32 values, Jordan's has one",
            measured=ratio_of_memories,
            at_least=8.0,
            why="tanh lets the 32 values be no better than some 14",
            control=widest_jordan,
        ),
        Claim(
            name="one output fades like the radius",
            about={"sequence_length": Span(FAR + 1)},
            statement="a linear Jordan network's gradient is multiplied by V W a step: O = 1, 0.7",
            source="do_t/do_{t-1} = V W, a number whose size is the spectral radius of W V",
            measured=linear_rate,
            equals=math.log10(0.7),
            within=1e-9,
            why="exact but for rounding; decades a step",
            control=other_radius,
        ),
        Claim(
            name="the gradient does not tell",
            about=ABOUT,
            seeds=3,
            statement="at radius 0.7 the two models' gradients fade equally fast (tanh, O = 4)",
            source="the nonzero eigenvalues of W V are those of V W",
            measured=difference_of_rates,
            equals=0.0,
            within=0.02,
            why="decades a step; W is not normal and lags are finite",
            control=other_radius,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
