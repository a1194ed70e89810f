"""What flows through each edge of the unrolled network?

Unrolled over time, h_t = f(b + W h_{t-1} + U x_t) is a feed-forward graph with one edge from unit
i at t-1 to unit j at t for each entry of W. Backpropagation sends through it

    dL/da_t[j] W[j, i]      with dL/da_t = f'(a_t) dL/dh_t

and what arrives at unit i over all its edges adds up to dL/dh_{t-1}[i]. Without activations, as
on the lectures' slide, and with an orthogonal W of spectral radius rho, every step back multiplies
the edges of a step, taken together, by exactly rho. Try `--set activation=tanh`, or
`--set init=gaussian`, where this holds only on the whole.
"""

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, MUTED, Panel, graphs, medians, page
from gradlab.suite import Claim, Experiment, NotMeasured, Span, above, passes_for, rows, worst

UNITARY = {"activation": "identity", "init": "orthogonal"}


def together(frame):
    """(radius, step) -> log10 of a step's root mean square, times N/||dL/dh_T||; nan for 0."""
    square = 10 ** (2 * frame.decades)
    mean = square.groupby([frame.spectral_radius, frame.step]).mean()
    return np.log10(mean.where(mean > 0)) / 2


def power(radius, step, steps):
    """rho^(T - t + 1), in decades."""
    return (steps - step + 1) * np.log10(radius)


def whole(frame):
    """The rows with a radius above 0; every edge of the graph must be there."""
    found = rows(frame, spectral_radius=above(0))
    units = set(found.from_unit)
    edges = found.spectral_radius.nunique() * found.step.max() * len(units) ** 2
    if units != set(found.to_unit) or len(found) != edges:
        raise NotMeasured("needs all steps, and the same units at both ends of the edges")
    return found


def decades_off_the_power(frame):
    """A step's edges, taken together, against the power of the radius."""
    measured = together(whole(frame))
    radius, step = map(measured.index.get_level_values, ("spectral_radius", "step"))
    return measured - power(radius, step, step.max())


def error_of_the_sum(frame):
    """The edges that leave a unit, added up, off dL/dh nudged; relative to the step's largest."""
    units = whole(frame).groupby(["spectral_radius", "step", "from_unit"])
    wanted = units.from_gradient_nudged.first()
    steps = wanted.abs().groupby(["spectral_radius", "step"])
    return (units.edge_gradient.sum() - wanted) / steps.transform("max")


def step_later(frame):
    """The step after an edge's own."""
    return frame.step % frame.step.max() + 1


def networks(panel, frame):
    """The unrolled network of each radius; an edge is as wide and coloured as its gradient."""
    radii = sorted(set(frame.spectral_radius))
    steps, height = frame.step.max(), frame.from_unit.max() + 2.9
    graphs.stage(panel, steps + 2.2, height * len(radii), equal=False)
    sizes = together(frame)
    limit = max(0.5, sizes.abs().max())
    for i, radius in enumerate(reversed(radii)):
        lines = unrolled(panel, frame[frame.spectral_radius == radius], limit, i * height)
        panel.text(0, (i + 1) * height - 0.2, named(radius, sizes[radius]), va="top", fontsize=12)
    bar = panel.figure.colorbar(lines, ax=panel, location="left", aspect=40, pad=0.02)
    bar.set_label("gradient through an edge (relative)")
    graphs.whole_decades(bar)


def named(radius, sizes):
    """A network's name, and what becomes of a gradient in it."""
    change = 10 ** (sizes.iloc[0] - sizes.iloc[-1])
    way = f": times {change:.3g} from the last step back to the first"
    return f"spectral radius {radius:g}{way if np.isfinite(change) else ''}"


def unrolled(panel, frame, limit, low):
    """One network above `low`: units in columns, an input below each, the loss at the right."""
    steps, hidden = frame.step.max(), frame.from_unit.max() + 1

    def at(step, unit):
        """Where the units stand, (E, 2): the first at the top."""
        return np.column_stack([step + 0.5, low + hidden + 0.5 - unit])

    ends = at(frame.step, frame.to_unit)
    lines = graphs.web(panel, at(frame.step - 1, frame.from_unit), ends, frame.decades, limit)
    inputs = np.column_stack([frame.step, np.full(len(frame), low + 0.75)])
    graphs.web(panel, inputs, ends, frame.input_decades, limit)
    last = frame[frame.step == steps].drop_duplicates("to_unit")
    loss = steps + 1.7, low + hidden / 2 + 1.0
    size = last.to_gradient.abs()
    with np.errstate(divide="ignore"):
        decades = np.log10(size / np.sqrt((size**2).mean()))
    graphs.web(panel, at(last.step, last.to_unit), np.tile(loss, (len(last), 1)), decades, limit)
    units = at(*np.indices((steps + 1, hidden)).reshape(2, -1))
    dot = {"mfc": "white", "mec": CRITICAL, "zorder": 3}
    panel.plot(*units.T, "o", ms=9, **dot)
    panel.plot(*inputs.T, "s", ms=7, **dot)
    panel.plot(*loss, "o", ms=26, **dot)
    panel.text(*loss, "L", ha="center", va="center", zorder=4)
    label = {"ha": "center", "va": "center", "color": MUTED}
    for t in range(steps + 1):
        panel.text(t + 0.5, low + hidden + 1.1, f"$h_{{{t}}}$", **label)
        if t:
            panel.text(t, low + 0.3, f"$x_{{{t}}}$", **label)
    return lines


def rates(panel, frame):
    """Root mean square of each step's edges, a line for each spectral radius."""
    steps = frame.step.max()
    medians(
        "step", "decades", "spectral_radius", edge=1.0, decades=True, xlabel="step t",
        law=lambda here, step: power(here.spectral_radius.iloc[0], step, steps),
        ylabel="gradient through the edges from $h_{t-1}$ to $h_t$",
    )(panel, together(frame).rename("decades").reset_index())  # fmt: skip
    panel.set_xticks(range(1, steps + 1, max(1, steps // 5)))


figure = page(
    "Each step back multiplies what flows through the edges by the radius",
    "{activation} units, {init} W, loss at the last step; an edge is as wide and coloured as "
    "|dL/da W|, relative to a usual edge at the loss; b: root mean square over a step's edges "
    "(points) and $\\rho^{{T-t+1}}$ (dashed)",
    [
        Panel("the gradient through each edge", networks, width=3),
        Panel("a step's edges together", rates),
    ],
    size=(17, 9.6),
)
experiment = Experiment(
    question="What flows through each edge of the unrolled network?",
    grid={
        "spectral_radius": [0.5, 1.0, 2.0],
        "step": range(1, 11),
        "to_unit": range(3),
        "from_unit": range(3),
    },
    split=["spectral_radius"],
    constants={"activation": "identity", "init": "orthogonal", "input_scale": 1.0, "seed": 0},
    quick={"step": range(1, 6)},
    measure="gradlab.measures.computational_graph:measure",
    figure=figure,
    claims=[
        Claim(
            "powers of the radius",
            "the edges of a step together, decades off rho^(T - t + 1) (largest)",
            source="sum over i, j of (delta_j W_ji)^2 = rho^2 |delta|^2 for W/rho orthogonal",
            measured=worst(decades_off_the_power),
            equals=0.0,
            within=1e-12,
            why="rounding",
            control=passes_for(step_later, "step"),
            about=UNITARY,
        ),
        Claim(
            "edges add up",
            "the edges that leave a unit add up to dL/dh of it, largest relative error",
            source="the chain rule over all paths; dL/dh from central differences of the loss",
            measured=worst(error_of_the_sum),
            equals=0.0,
            within=1e-9,
            why="the loss is quadratic: central differences err by rounding alone",
            control=passes_for("to_gradient", "edge_gradient"),
            about={"activation": "identity", "spectral_radius": Span(0.1, 2)},
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
