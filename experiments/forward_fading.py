"""Do signals from earlier in time become fainter?

Nudge the first input x_1 and watch the state h_t. To first order the nudge is multiplied by

    dh_t/dx_1 = J_t ... J_2 diag(f'_1) U,    J_i = diag(f'_i) W

a product taken forwards, from the oldest step to the newest. BPTT takes the same product from the
other end. So the past fades on the way forward by exactly as much as the gradient vanishes on the
way back: the same singular values. Above the edge the derivative explodes; the nudge itself cannot
grow beyond the states of tanh: the smallest difference decides all that follows (chaos).
"""

import math

import numpy as np

from gradlab import Network, theory
from gradlab.cli import script
from gradlab.errors import UserError
from gradlab.nets import draws, gradients
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, nearest, rows

NUDGE = 1e-6
INPUTS = 4  # of white noise, so that dh_t/dx_1 has several singular values
LAGS = [0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200]
KEPT = 3
SLOPES = {
    "identity": lambda h: 0 * h + 1,
    "relu": lambda h: (h > 0) * 1.0,
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h * h,
}


def measure(block):
    """A nudged x_1 forwards and the gradient of h_t at x_1 backwards, t = 1 + lag.

    log10_nudge         log10 of ||h_t(x_1 + 1e-6 d) - h_t(x_1)|| / 1e-6, d a random direction
    log10_derivative    log10 of ||dh_t/dx_1 d||
    forward_1 to 3      log10 of the largest singular values of dh_t/dx_1, multiplied forwards
    backward_1 to 3     the same from BPTT, one lane for each unit of h_t
    gain                ||W||_F/sqrt(N), mean field's g
    """
    net, x, d = setting(block)
    if net.hidden < KEPT:
        raise UserError(f"hidden_size={net.hidden}: must be at least {KEPT}")
    lags = block.points["lag"]
    steps = int(lags.max()) + 1
    nudged = np.concatenate([x, x], axis=1)[:steps]
    nudged[0, 1] += NUDGE * d
    states = net.forward(nudged).states
    run = alone(net, x[:steps])
    ahead = forwards(net, run.trace.state[:, 0])[lags]
    behind = backwards(net, run, lags)
    singular = [np.linalg.svd(product, compute_uv=False)[:, :KEPT] for product in (ahead, behind)]
    moved = np.linalg.norm(states[1 + lags, 1] - states[1 + lags, 0], axis=1)
    with np.errstate(divide="ignore"):
        columns = {
            "log10_nudge": np.log10(moved / NUDGE),
            "log10_derivative": np.log10(np.linalg.norm(ahead @ d, axis=1)),
        }
        for name, values in zip(("forward", "backward"), singular, strict=True):
            columns |= {f"{name}_{i + 1}": np.log10(values[:, i]) for i in range(KEPT)}
    W = net.weights["W"]
    return columns | {"gain": np.full(len(lags), np.linalg.norm(W) / np.sqrt(len(W)))}


def setting(block):
    """The block's network, white noise x (T, 1, D) and a direction d (D,) for the nudge."""
    init, activation, radius, seed = (
        block.points[name][0] for name in ("init", "activation", "spectral_radius", "seed")
    )
    net = Network.draw(
        inputs=INPUTS, hidden=block.constants["hidden_size"], outputs=1, activation=activation,
        init=init, spectral_radius=radius, input_scale=block.constants["input_scale"], seed=seed,
    )  # fmt: skip
    stream = draws.stream(seed=seed, task="noise", inputs=INPUTS)
    d = stream.standard_normal(INPUTS)
    return net, stream.standard_normal((max(LAGS) + 1, 1, INPUTS)), d / np.linalg.norm(d)


def forwards(net, h):
    """dh_t/dx_1 (T, N, D) for t = 1..T along the states h (T + 1, N), from the oldest factor on."""
    first, *later = slope(net, h[1:])
    products = [first[:, None] * net.weights["U"]]
    for now in later:
        products.append(now[:, None] * (net.weights["W"] @ products[-1]))
    return np.array(products)


def alone(net, x):
    """The forward pass of one lane, along which both products are taken.

    Two passes of a chaotic network round to two ways where BLAS sums lanes in another order.
    """
    one, start = np.ones(1), np.zeros((1, net.hidden))
    return gradients.forward(net.module, net.prepared(), one, x, start, np.array([len(x)]))


def backwards(net, run, lags):
    """dh_t/dx_1 from BPTT along a pass, t = 1 + lag: one lane for each unit, its dL/dh_t = e_i."""
    unit, state = np.eye(net.hidden), run.trace.state
    products = []
    for steps in 1 + np.asarray(lags):
        part = run._replace(trace=run.trace._replace(state=state[: steps + 1]))
        spans = gradients.slices(np.full(net.hidden, steps))
        *_, (_, adjoint) = gradients.backward(part, spans, unit, keep=True)
        back = np.ldexp(adjoint.states[1], adjoint.exponent[1][:, None])
        products.append((back * slope(net, state[1])) @ net.weights["U"])
    return np.array(products)


def slope(net, h):
    """f'(a) from h = f(a)."""
    return SLOPES[net.activation](h)


def difference(frame):
    """The largest |forward - backward| singular value, relative to the largest one."""
    return max(
        (10 ** (frame[f"forward_{i}"] - frame.forward_1)
         - 10 ** (frame[f"backward_{i}"] - frame.forward_1)).abs().max()
        for i in range(1, KEPT + 1)
    )  # fmt: skip


def one_step_short(frame):
    """The way back leaves out a step: the backward values are those of the lag before."""
    names = [f"backward_{i}" for i in range(1, KEPT + 1)]
    frame[names] = frame[names].shift(1).bfill()
    return frame


def linear_error(frame):
    """Largest |decades lost or gained - lag log10(radius)| in the orthogonal linear cell."""
    rows(frame, activation="identity", lag=0)
    linear = rows(frame, activation="identity").set_index("lag")
    start = linear.groupby(["spectral_radius", "seed"]).forward_1.transform("first")
    law = linear.index * linear.spectral_radius.map(math.log10)
    return (linear.forward_1 - start - law).abs().max()


def squared(frame):
    """Radii are taken for those of W^T W."""
    frame["spectral_radius"] **= 2
    return frame


def nudge_error(frame):
    """Largest |log10 nudge - log10 derivative| up to lag 20 and radius 1.2."""
    known = rows(frame, activation="tanh")
    small = known[(known.lag <= 20) & (known.spectral_radius <= 1.2)]
    if small.empty:
        raise NotMeasured("needs lags up to 20 and radii up to 1.2")
    return (small.log10_nudge - small.log10_derivative).abs().max()


def worst_direction(frame):
    """The direction that gains most passes for the one that was taken."""
    frame["log10_derivative"] = frame.forward_1
    return frame


def largest_nudge(frame):
    """log10 of the largest nudge in any row at radius 2, over all lags up to 200."""
    rows(frame, activation="tanh", spectral_radius=2.0, lag=200)
    return rows(frame, activation="tanh", spectral_radius=2.0).log10_nudge.max()


def derivative_goes_on(frame):
    """The nudge grows as its derivative does."""
    frame["log10_nudge"] = frame.log10_derivative
    return frame


def figure(frame):
    """Fading and growing nudges, where growth ends, and the way back beside the way forward."""
    drawing, axes = style.panels(1, 3, size=(17, 6.4))
    tanh = rows(frame, activation="tanh")
    fading(axes[0], tanh[tanh.lag <= 100])
    chaos(axes[1], tanh[tanh.spectral_radius == tanh.spectral_radius.max()])
    same(axes[2], frame)
    titles = [
        "a nudge of the first input fades or grows",
        f"radius {tanh.spectral_radius.max():g}: growth ends at the size of the states",
        "forward fading is backward vanishing",
    ]
    style.titles(axes, titles)
    style.headline(drawing, "Signals from earlier in time become fainter, exactly as gradients do")
    first = frame.iloc[0]
    style.caption(
        drawing,
        f"{first.hidden_size} units, white noise of scale {first.input_scale:g} at {INPUTS} "
        f"inputs, x$_1$ moved by {NUDGE:g}; a: medians of {tanh.seed.nunique()} seeds, points the "
        "moved states, lines the derivative, dashed mean field\nb: each seed; "
        f"c: the {KEPT} largest singular values of dh$_t$/dx$_1$ at all lags, radii and seeds",
    )
    return drawing


def fading(panel, frame):
    """Moved states and derivative over the lag, mean field's slope beside them."""
    radii = sorted(set(frame.spectral_radius))
    drive = frame.input_scale.iloc[0] ** 2  # U ~ N(0, 1/D) times the scale, x ~ N(0, 1)
    for radius, colour in zip(radii, style.colours(radii, nearest(radii, 1.2)), strict=True):
        here = frame[frame.spectral_radius == radius]
        medians = here.groupby("lag")[["log10_nudge", "log10_derivative"]].median()
        lags, derivative = medians.index, medians.log10_derivative
        panel.plot(lags, medians.log10_nudge, "o", ms=5, color=colour, label=f"{radius:g}")
        panel.plot(lags, derivative, lw=1.4, color=colour)
        rate = float(theory.largest_exponent(here.gain.mean(), drive)) / np.log(10)
        panel.plot(lags, derivative.iloc[0] + rate * lags, "--", lw=1.2, color=colour)
    panel.axhline(np.log10(np.finfo(float).eps / NUDGE), color=MUTED, lw=1, ls=":")
    panel.text(62, -9.5, "rounding of h", ha="right", va="bottom", color=MUTED, fontsize=10)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag t - 1 (steps)", ylabel="change of h$_t$ relative to the nudge of x$_1$")
    panel.set_ylim(-16, None)
    panel.legend(title="spectral radius", loc="lower right", ncols=2)


def chaos(panel, frame):
    """Distance of the states over the lag at the largest radius, and the most that it can be."""
    for seed, here in frame.groupby("seed"):
        first = seed == frame.seed.min()
        for column, line, colour, label in (
            ("log10_derivative", "-", CRITICAL, "derivative"),
            ("log10_nudge", "o-", EXPLODING, "moved states"),
        ):
            panel.plot(here.lag, here[column] + np.log10(NUDGE), line, ms=4, lw=1, color=colour,
                       label=label if first else None)  # fmt: skip
    bound = np.log10(2 * np.sqrt(frame.hidden_size.iloc[0]))
    panel.axhline(bound, color=VANISHING, ls="--", label=r"$2\sqrt{N}$")
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="lag t - 1 (steps)", ylabel="distance of the two h$_t$")
    panel.legend(loc="upper left")


def same(panel, frame):
    """Backward over forward singular values."""
    low, high = frame[f"forward_{KEPT}"].min(), frame.forward_1.max()
    panel.plot([low, high], [low, high], color=CRITICAL, lw=1.2)
    inks = EXPLODING, VANISHING, MUTED
    for i, (colour, name) in enumerate(zip(inks, ("largest", "second", "third"), strict=True), 1):
        values = frame[f"forward_{i}"], frame[f"backward_{i}"]
        panel.plot(*values, "o", ms=6 - i, color=colour, alpha=0.7, label=name)
    panel.text(0.97, 0.06, f"largest relative difference {difference(frame):.0e}", ha="right",
               transform=panel.transAxes, color=MUTED)  # fmt: skip
    for axis in (panel.xaxis, panel.yaxis):
        style.powers_of_ten(axis)
    panel.set(xlabel="singular value, multiplied forwards", ylabel="singular value, by BPTT")
    panel.legend(loc="upper left")


experiment = Experiment(
    question="Do signals from earlier in time become fainter?",
    grid=[
        {
            "init": ["gaussian"],
            "activation": ["tanh"],
            "spectral_radius": [0.5, 0.9, 1.2, 1.5, 2.0],
            "seed": range(5),
            "lag": LAGS,
        },
        {
            "init": ["orthogonal"],
            "activation": ["identity"],
            "spectral_radius": [0.9, 1.0, 1.1],
            "seed": range(2),
            "lag": LAGS,
        },
    ],
    split=["init", "activation", "spectral_radius", "seed"],
    constants={"hidden_size": 64, "input_scale": 0.1},
    quick={"seed": range(2), "hidden_size": 32, "lag": [lag for lag in LAGS if lag <= 100]},
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="forward is backward",
            about={"input_scale": Span(1e-3)},
            statement="the three largest singular values of dh_t/dx_1, relative difference",
            source="one product of Jacobians, taken from either end",
            measured=difference,
            equals=0.0,
            within=1e-12,
            why="rounding of up to 200 products",
            control=one_step_short,
        ),
        Claim(
            name="orthogonal linear cell",
            about={"init": "orthogonal", "activation": "identity", "input_scale": Span(1e-3)},
            statement="a nudge of x_1 fades or grows by log10(radius) decades a step, error",
            source="dh_t/dx_1 = (radius Q)^(t - 1) U with Q orthogonal",
            measured=linear_error,
            equals=0.0,
            within=1e-12,
            why="rounding of up to 200 products",
            control=squared,
        ),
        Claim(
            name="a real nudge",
            about={
                "init": "gaussian",
                "activation": "tanh",
                "spectral_radius": Span(0.5, 1.2),
                "hidden_size": Span(32),
                "input_scale": Span(0.01, 1),
            },
            statement="states moved by a nudge of 1e-6 follow the derivative, decades apart",
            source="Taylor",
            measured=nudge_error,
            equals=0.0,
            within=1e-3,
            why="rounding of h, 1e-16, beside a nudge of 1e-6 that has faded to 1e-7 of itself",
            control=worst_direction,
        ),
        Claim(
            name="growth ends",
            about={"activation": "tanh"},
            statement="log10 of the largest distance of the states over the nudge at radius 2",
            source="|tanh| < 1, so ||h - h'|| < 2 sqrt(N)",
            measured=largest_nudge,
            at_most=lambda frame: math.log10(2 * frame.hidden_size.max() ** 0.5 / NUDGE),
            control=derivative_goes_on,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
