"""Where do gradients vanish and explode?

A tanh RNN, or another cell (--set cell=lstm), is driven by the force of the damped oscillator and
has its loss at the last step. How the gradient fares on its way back depends on the spectral radius
of W, the length of the sequence and the size of the input, which flattens tanh and moves the edge.
"""

import math

import numpy as np

from gradlab import theory
from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, crossing, nearest, rows

RADII = [round(0.5 + 0.05 * i, 2) for i in range(41)]
SHOWN = 0.5  # the input scale of the figure: large enough to move the edge where one can see it
ABOUT = {
    "cell": "elman", "activation": "tanh", "init": "gaussian", "hidden_size": Span(64),
    "task": "oscillator", "interval": 0.1, "file": None,
}  # fmt: skip


def measured_edge(scale):
    """The radius at which the gradient keeps its size over 500 steps, for an input scale."""

    def measured(frame):
        longest = rows(frame, input_scale=scale, sequence_length=500)
        return crossing("decades_per_step", "spectral_radius")(longest)

    return measured


def predicted_edge(scale):
    """Mean field's critical gain for the force of the oscillator, as a radius of the drawn W."""

    def expected(frame):
        force = np.cos(0.5 * 0.1 * np.arange(500))
        drawn = rows(frame, spectral_radius=1.0)
        return theory.critical_gain_driven(scale**2 * force**2) / drawn.gain.mean()

    return expected


def other_input(frame):
    """The rows of scale 0.1 pass for those of scale 0.5: the edge has not moved."""
    frame["input_scale"] = frame["input_scale"].map({0.0: 0.0, 0.1: 0.5, 0.5: 0.1})
    return frame


def growth(column, first, last):
    """By how many decades a column's median grows from one length to another at radius 0.8."""

    def measured(frame):
        at = [
            rows(frame, spectral_radius=0.8, input_scale=SHOWN, sequence_length=length)
            for length in (first, last)
        ]
        return at[1][column].median() - at[0][column].median()

    return measured


def vanishing_whole(frame):
    """The whole gradient of W behaves as its early half does."""
    frame["log10_norm_W"] = frame["log10_norm_W_early"]
    return frame


def constant_early_half(frame):
    """The early half of dL/dW keeps the size of the whole."""
    frame["log10_norm_W_early"] = frame["log10_norm_W"]
    return frame


def figure(frame):
    """Gradient by lag, the map of regimes, the early half of dL/dW, and what clipping would do."""
    longest = frame.sequence_length.max()
    scale = SHOWN if SHOWN in set(frame.input_scale) else frame.input_scale.max()
    shown = frame[frame.input_scale == scale]
    drawing, axes = style.panels(2, 2, size=(14.5, 10.5))
    by_lag(axes[0, 0], shown[shown.sequence_length == longest])
    regimes(axes[0, 1], shown)
    early_half(axes[1, 0], shown)
    clipped(axes[1, 1], shown[shown.sequence_length == nearest(shown.sequence_length, 100)])
    style.titles(
        axes,
        [
            "the gradient on its way back",
            "where it vanishes and where it explodes",
            "why the norm of dL/dW hides the vanishing",
            f"what a clipping threshold would clip (T = {nearest(frame.sequence_length, 100)})",
        ],
    )
    first = frame.iloc[0]
    style.headline(drawing, "Gradients vanish below the edge and explode above it")
    theory = "dashed: mean-field theory for the drawn W and the input that the network saw; "
    style.caption(
        drawing,
        f"{described(first)}, {first.hidden_size} units, task {first.task}, input scale {scale:g}, "
        f"loss at the last step, {frame.seed.nunique()} seeds; "
        f"{theory if shown.rate_mean_field.notna().any() else ''}solid in b: measured edge",
    )
    return drawing


def described(row):
    """The network of a row: its activation or its cell, and its forget bias if it has one."""
    if row.cell == "elman":
        return f"{row.activation} RNN"
    return row.cell + (f", forget bias {row.forget_bias:g}" if row.forget_bias else "")


def by_lag(panel, frame):
    """Median over seeds of log10 of the gradient's relative size, theory's line over each."""
    lags = [int(name.rsplit("_", 1)[1]) for name in frame if name.startswith("log10_gradient_lag")]
    lags = [lag for lag in lags if lag <= frame.sequence_length.max()]
    radii = sorted(
        {nearest(frame.spectral_radius, radius) for radius in (0.5, 0.8, 1.1, 1.5, 2.0, 2.5)}
    )
    edge = nearest(radii, 1.5)
    for radius, colour in zip(radii, style.colours(radii, edge), strict=True):
        here = frame[frame.spectral_radius == radius]
        curve = [here[f"log10_gradient_lag_{lag}"].median() for lag in lags]
        rate = here.rate_mean_field.mean()  # nan where there is no theory
        points = "o-" if math.isnan(rate) else "o"
        panel.plot([0, *lags], [0, *curve], points, ms=5, color=colour, label=f"{radius:g}")
        panel.plot([0, lags[-1]], [0, rate * lags[-1]], "--", lw=1.6, color=colour)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag T - t (steps)", ylabel="||dL/dh$_t$|| relative to ||dL/dh$_T$||")
    panel.legend(title="spectral radius", loc="lower left")


def regimes(panel, frame):
    """Decades a step over radius and length, its zero contour and mean field's critical radius."""
    medians = frame.groupby(["sequence_length", "spectral_radius"]).decades_per_step.median()
    table = medians.unstack()
    rates, heights = table.to_numpy(), range(len(table))
    mesh = panel.pcolormesh(
        table.columns, heights, rates, cmap=style.DIVERGING, norm=style.centred(rates),
        shading="nearest",
    )  # fmt: skip
    panel.figure.colorbar(mesh, ax=panel, label="decades a step", pad=0.02)
    if min(table.shape) > 1 and rates.min() < 0 < rates.max():
        panel.contour(table.columns, heights, rates, [0], colors=CRITICAL, linewidths=2)
    panel.set(xlabel="spectral radius of W", ylabel="sequence length T (steps)")
    panel.set_yticks(heights, table.index)
    panel.grid(False)
    try:
        longest = rows(frame, sequence_length=table.index.max())
        edge = crossing("rate_mean_field", "spectral_radius")(longest)
    except NotMeasured:
        return
    panel.axvline(edge, ls="--", lw=2, color=CRITICAL)
    low, high = table.columns.min(), table.columns.max()
    for radius, text, colour in (
        ((low + edge) / 2, "vanishing", VANISHING),
        ((high + edge) / 2, "exploding", EXPLODING),
    ):
        label = panel.text(radius, (len(table) - 1) / 2, text, ha="center", va="center")
        label.set(color=colour, weight="bold", bbox={"fc": "white", "ec": "none", "alpha": 0.8})


def early_half(panel, frame):
    """Norms of dL/dW and of its terms k <= T/2 over the length, medians over seeds."""
    radii = [nearest(frame.spectral_radius, radius) for radius in (0.8, 1.1)]
    for radius, colour in zip(radii, (VANISHING, CRITICAL), strict=True):
        here = frame[frame.spectral_radius == radius].groupby("sequence_length")
        for column, line, text in (
            ("log10_norm_W", "-o", "all terms"),
            ("log10_norm_W_early", ":s", "terms k <= T/2"),
        ):
            medians = here[column].median()
            label = f"radius {radius:g}, {text}"
            panel.plot(medians.index, medians, line, ms=6, color=colour, label=label)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="sequence length T (steps)", ylabel="||dL/dW||")
    panel.legend(loc="lower left")


def clipped(panel, frame):
    """Share of seeds whose gradient norm is at or above a threshold, over the radius.

    Of the seeds that have a gradient: one whose states overflow has none to clip, and a radius at
    which all of them do stays blank.
    """
    thresholds = np.linspace(-2, 2, 81)
    norms = frame.groupby("spectral_radius").log10_norm_all
    heights = [group.dropna().to_numpy() for _, group in norms]
    blank = np.full(len(thresholds), np.nan)
    share = [(h >= thresholds[:, None]).mean(1) if h.size else blank for h in heights]
    mesh = panel.pcolormesh(
        list(norms.groups),
        thresholds,
        np.transpose(share),
        cmap="Oranges",
        vmin=0,
        vmax=1,
        shading="nearest",
    )
    panel.figure.colorbar(mesh, ax=panel, label="share of seeds that are clipped", pad=0.02)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="spectral radius of W", ylabel="clipping threshold on the norm")
    panel.grid(False)


def edge_claim(scale, tolerance, why):
    """The claim that the edge for an input scale lies where mean field puts it."""
    return Claim(
        name=f"edge at input scale {scale:g}",
        about=ABOUT,
        seeds=10,
        statement="the radius at which gradients neither vanish nor explode moves with the input",
        source="chi = 1 in the mean field of a driven net (Molgedey, Schuchhardt, Schuster 1992)",
        measured=measured_edge(scale),
        equals=predicted_edge(scale),
        within=tolerance,
        why=why,
        control=other_input,
        relative=True,
    )


experiment = Experiment(
    question="Where do gradients vanish and explode?",
    grid={
        "spectral_radius": RADII,
        "sequence_length": [10, 20, 50, 100, 200, 500],
        "input_scale": [0.0, 0.1, 0.5],
        "seed": range(20),
    },
    split=["seed", "input_scale"],
    constants={
        "task": "oscillator",
        "hidden_size": 64,
        "activation": "tanh",
        "init": "gaussian",
        "cell": "elman",
        "forget_bias": 0.0,
        "interval": 0.1,
        "file": None,
        "column": None,
    },
    quick={
        "spectral_radius": [0.5, 0.8, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5],
        "seed": range(10),
    },
    measure="gradlab.measures.last_step:measure",
    figure=figure,
    claims=[
        edge_claim(0.1, 0.1, "64 units: rates within 0.001 of 0 from radius 1.05 to 1.3"),
        edge_claim(0.5, 0.1, "64 units; experiment mean_field shows the limit of large N"),
        Claim(
            name="dL/dW saturates",
            about=ABOUT,
            seeds=5,
            statement="below the edge (radius 0.8) ||dL/dW|| stays as it is from T = 50 to 500",
            source="the k = T term of dL_T/dW = sum over k does not know T",
            measured=growth("log10_norm_W", 50, 500),
            equals=0.0,
            within=0.5,
            why="decades; the loss itself changes with the phase of the oscillation at T",
            control=vanishing_whole,
        ),
        Claim(
            name="its early half vanishes",
            about=ABOUT,
            seeds=5,
            statement="while the terms k <= T/2 of dL/dW lose at least 10 decades",
            source="Pascanu, Mikolov, Bengio (ICML 2013), section 2.1",
            measured=growth("log10_norm_W_early", 50, 500),
            at_most=-10.0,
            control=constant_early_half,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
