"""What flows through each edge of the unrolled network?

Unrolled over time, h_t = f(b + W h_{t-1} + U x_t) is a feed-forward graph with one edge from unit
i at t-1 to unit j at t for each entry of W. Backpropagation sends through it

    dL/da_t[j] W[j, i]      with dL/da_t = f'(a_t) dL/dh_t

and what arrives at unit i over all its edges adds up to dL/dh_{t-1}[i]. Without activations, as
on the lectures' slide, and with an orthogonal W of spectral radius rho, every step back multiplies
the edges of a step, taken together, by exactly rho. Try `--set activation=tanh`, or
`--set init=gaussian`, where this holds only on the whole.
"""

import math

import numpy as np

from gradlab import Network
from gradlab.cli import script
from gradlab.nets import draws
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, graphs, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, rows

NUDGE = 0.5  # of a state, for central differences; exact for a quadratic loss, hence so large
SLOPES = {
    "identity": lambda h: 0 * h + 1,
    "relu": lambda h: (h > 0) * 1.0,
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h * h,
}


def measure(block):
    """The gradient through each edge and, for each step and unit, that of the states it joins.

    edge_gradient          dL/da_t[to] W[to, from]
    from_gradient          dL/dh_{t-1}[from], by backpropagation
    from_gradient_nudged   the same from the forward pass alone, by central differences
    to_gradient            dL/dh_t[to]
    decades                log10 |edge_gradient| N/||dL/dh_T||: 0 for an edge like those at the loss
    input_decades          the same of x_t's edge to unit `to`, with sqrt(N) (N edges, not N^2)
    """
    step, to, source = (block.points[axis] for axis in ("step", "to_unit", "from_unit"))
    net, x = network(block, step.max(), max(to.max(), source.max()) + 1)
    h = net.forward(x).states
    target = net.readout(h[-1]) - 1
    back = net.gradients(x, target, at="last").states[:, 0]
    pre = SLOPES[net.activation](h[:, 0]) * back
    gradient = pre[step, to] * net.weights["W"][to, source]
    unit = np.linalg.norm(back[-1])
    inputs = np.abs(pre * net.weights["U"].T)[step, to]
    with np.errstate(divide="ignore"):
        decades = np.log10(np.abs(gradient) * net.hidden / unit)
        input_decades = np.log10(inputs * net.hidden**0.5 / unit)
    return {
        "edge_gradient": gradient,
        "from_gradient": back[step - 1, source],
        "from_gradient_nudged": nudged(net, x, h, target)[step - 1, source],
        "to_gradient": back[step, to],
        "decades": decades,
        "input_decades": input_decades,
    }


def network(block, steps, hidden):
    """A network of the block's radius and its input, white noise (T, 1, 1)."""
    radius, options = block.points["spectral_radius"][0], block.constants
    net = Network.draw(
        inputs=1, hidden=int(hidden), outputs=1, init=options["init"], seed=options["seed"],
        activation=options["activation"], spectral_radius=radius,
    )  # fmt: skip
    noise = draws.stream(seed=options["seed"], task="noise").standard_normal((int(steps), 1, 1))
    return net, options["input_scale"] * noise


def nudged(net, x, h, target):
    """(T, N): by how much the loss answers when one unit of h_{t} is moved, t = 0..T-1."""
    moves = NUDGE * np.eye(net.hidden)
    slopes = []
    for t in range(len(x)):
        ahead = np.repeat(x[t:], net.hidden, axis=1)
        high, low = (
            ((net.forward(ahead, h[t] + move).outputs[-1] - target) ** 2).sum(-1)
            for move in (moves, -moves)
        )
        slopes.append((high - low) / (2 * NUDGE))
    return np.array(slopes)


def together(frame):
    """(radius, step) -> log10 of the root mean square of a step's edges, times N/||dL/dh_T||."""
    square = 10 ** (2 * frame.decades)
    with np.errstate(divide="ignore"):
        return np.log10(square.groupby([frame.spectral_radius, frame.step]).mean()) / 2


def whole(frame, **values):
    """The rows with these values and a radius above 0; every edge of the graph must be there."""
    found = rows(frame, **values)
    found = found[found.spectral_radius > 0]
    units = set(found.from_unit)
    edges = found.spectral_radius.nunique() * found.step.max() * len(units) ** 2
    if units != set(found.to_unit) or len(found) != edges:
        raise NotMeasured("needs all steps, and the same units at both ends of the edges")
    return found


def predicted(radius, step, steps):
    """rho^(T - t + 1), in decades."""
    return (steps - step + 1) * math.log10(radius)


def off_the_powers(frame):
    """Largest difference of a step's edges, taken together, from the powers of the radius."""
    linear = whole(frame, activation="identity", init="orthogonal")
    last = linear.step.max()
    measured = together(linear)
    return max(abs(value - predicted(*at, last)) for at, value in measured.items())


def arriving(frame):
    """Largest difference, relative to the step's largest, of arriving edges from dL/dh nudged."""
    frame = whole(frame, activation="identity")
    worst = 0.0
    for _, step in frame.groupby(["spectral_radius", "step"]):
        units = step.groupby("from_unit")
        wanted = units.from_gradient_nudged.first()
        worst = max(worst, (units.edge_gradient.sum() - wanted).abs().max() / wanted.abs().max())
    return worst


def one_step_off(frame):
    """Each edge passes for its neighbour one step later."""
    frame["step"] = frame.step % frame.step.max() + 1
    return frame


def one_path(frame):
    """Of the edges that leave a unit only the first is counted."""
    frame["edge_gradient"] = frame.edge_gradient.where(frame.to_unit == 0, 0.0)
    return frame


def figure(frame):
    """The unrolled network for each radius, and all steps' edges over the lag."""
    radii = sorted(set(frame.spectral_radius))
    names = [f"graph {i}" for i in range(len(radii))]
    drawing, panels = style.mosaic(
        [[name, "rates"] for name in names], size=(17, 1.4 + 2.5 * len(radii)), width_ratios=[3, 1]
    )
    limit = max(abs(together(frame).replace(-math.inf, 0)).max(), 0.5)
    for name, radius in zip(names, radii, strict=True):
        lines = unrolled(panels[name], frame[frame.spectral_radius == radius], limit)
    bar = drawing.colorbar(lines, ax=[panels[name] for name in names], location="left", aspect=40)
    bar.set_label("gradient through an edge (relative)")
    graphs.whole_decades(bar)
    rates(panels["rates"], frame)
    style.titles(
        [*(panels[name] for name in names), panels["rates"]],
        [
            *(f"spectral radius {radius:g}: {fate(radius)}" for radius in radii),
            "a step's edges together",
        ],
    )
    style.headline(drawing, "Each step back multiplies what flows through the edges by the radius")
    first = frame.iloc[0]
    style.caption(
        drawing,
        f"{first.activation} units, {first.init} W, loss at the last step; an edge is as wide and "
        "coloured as |dL/da W|, relative to a usual edge at the loss; "
        f"{'abcdefghijkl'[len(radii)]}: root mean square over a step's edges (dots) on "
        "$\\rho^{T-t+1}$ (lines)",
    )
    return drawing


def fate(radius):
    """What the radius does to a gradient."""
    return "critical" if radius == 1 else "vanishing" if radius < 1 else "exploding"


def unrolled(panel, frame, limit):
    """One network: units in columns, an input below each, the loss at the right."""
    steps, hidden = frame.step.max(), frame.from_unit.max() + 1
    graphs.stage(panel, steps + 2.2, hidden + 1.35, equal=False)
    ends = at(frame.step, frame.to_unit, hidden)
    lines = graphs.web(
        panel, at(frame.step - 1, frame.from_unit, hidden), ends, frame.decades, limit
    )
    inputs = np.column_stack([frame.step, np.full(len(frame), 0.75)])
    graphs.web(panel, inputs, ends, frame.input_decades, limit)
    loss = to_loss(panel, frame[frame.step == steps], limit)
    units = at(*np.indices((steps + 1, hidden)).reshape(2, -1), hidden)
    dot = {"mfc": "white", "mec": CRITICAL, "zorder": 3}
    panel.plot(*units.T, "o", ms=9, **dot)
    panel.plot(*inputs.T, "s", ms=7, **dot)
    panel.plot(*loss, "o", ms=26, **dot)
    panel.text(*loss, "L", ha="center", va="center", zorder=4)
    for t in range(steps + 1):
        label = {"ha": "center", "va": "center", "color": MUTED}
        panel.text(t + 0.5, hidden + 1.1, f"$h_{{{t}}}$", **label)
        if t:
            panel.text(t, 0.3, f"$x_{{{t}}}$", **label)
    return lines


def at(step, unit, hidden):
    """Where the units stand, (E, 2): the first at the top."""
    return np.column_stack([step + 0.5, hidden + 0.5 - unit])


def to_loss(panel, last, limit):
    """The edges from the last units to the loss, dL/dh_T; returns where the loss stands."""
    units = last.drop_duplicates("to_unit")
    hidden = len(units)
    loss = units.step.iloc[0] + 1.7, hidden / 2 + 1.0
    size = units.to_gradient.abs()
    with np.errstate(divide="ignore"):
        decades = np.log10(size / np.sqrt((size**2).mean()))
    starts = at(units.step, units.to_unit, hidden)
    graphs.web(panel, starts, np.tile(loss, (hidden, 1)), decades, limit)
    return loss


def rates(panel, frame):
    """Root mean square of each step's edges, and the powers of the radius."""
    radii = sorted(set(frame.spectral_radius))
    steps = frame.step.max()
    colours = {"vanishing": VANISHING, "exploding": EXPLODING}
    for radius in radii:
        colour = colours.get(fate(radius), CRITICAL)
        measured = together(frame[frame.spectral_radius == radius]).xs(radius)
        panel.plot(measured.index, measured, "o", ms=6, color=colour, label=f"{radius:g}")
        if radius:
            line = [predicted(radius, t, steps) for t in (1, steps)]
            panel.plot([1, steps], line, color=colour, lw=1.5)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step t", ylabel="gradient through the edges from $h_{t-1}$ to $h_t$")
    panel.set_xticks(range(1, steps + 1, max(1, steps // 5)))
    panel.legend(title="spectral radius", loc="best")


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
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="powers of the radius",
            about={"activation": "identity", "init": "orthogonal"},
            statement="the edges of a step together, decades off rho^(T - t + 1) (largest)",
            source="sum over i, j of (delta_j W_ji)^2 = rho^2 |delta|^2 for W/rho orthogonal",
            measured=off_the_powers,
            equals=0.0,
            within=1e-12,
            why="rounding",
            control=one_step_off,
        ),
        Claim(
            name="edges add up",
            about={"activation": "identity", "spectral_radius": Span(0.1, 2)},
            statement="the edges that leave a unit add up to dL/dh of it, largest relative error",
            source="the chain rule over all paths; dL/dh from central differences of the loss",
            measured=arriving,
            equals=0.0,
            within=1e-9,
            why="the loss is quadratic: central differences err by rounding alone",
            control=one_path,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
