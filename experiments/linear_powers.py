"""What becomes of h0 when W is applied again and again?

Leave out input, bias and activation, and the recurrence is h_t = W h_{t-1} = W^t h_0. With the
eigenvectors w_i of W and h_0 = sum of alpha_i w_i

    W^t h_0 = sum over i of alpha_i lambda_i^t w_i,  for large t about alpha_0 lambda_0^t w_0

so |lambda_0| alone decides: below 1 the state vanishes, at 1 it stays, above 1 it explodes. For a
symmetric W the w_i are orthogonal and that is all. In general W^t = V Lambda^t V^-1: a complex pair
turns, a defective W (no basis of eigenvectors) goes like t lambda^(t-1), and where the eigenvectors
are far from orthogonal W^t grows first, whatever its eigenvalues say about the end.
"""

import math

import numpy as np

from gradlab import Network
from gradlab.cli import script
from gradlab.errors import UserError
from gradlab.nets import draws
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, Span, rows

RADII = [0.9, 1.0, 1.1]
ANGLE = math.pi / 10  # by which the complex pair turns in a step
COUPLINGS = [0.0, 1.0, 10.0]  # upper right entry of [[r, coupling], [0, r/2]]
LAST = 100
ABOUT = {"spectral_radius": Span(0.1, 10), "hidden_size": Span(1, 256), "step": Span(0, LAST)}
COUPLED = {"matrix": "triangular", "spectral_radius": 0.9, "coupling": COUPLINGS[-1]}


def measure(block):
    """h_t = W^t h_0 as gradlab's linear cell runs it, and the eigenvalues' account of it.

    log10_norm           log10 of ||h_t||, ||h_0|| = 1; first, second: its first two components
    log10_operator       log10 of the largest singular value of W^t: the most that any h_0 can gain
    log10_sum            log10 of the norm of V Lambda^t V^-1 h_0
    log10_dominant       log10 of the norm of its term with |lambda| = |lambda_0| (all of a pair)
    eigen_error          ||h_t - V Lambda^t V^-1 h_0|| / ||h_t||; dominant_error: with that term
    condition            of V, 1 for orthogonal eigenvectors
    """
    W, h0 = system(block)
    size, steps = len(W), max(1, block.points["step"].max())
    net = Network({"W": W, "U": np.zeros((size, 1)), "b": np.zeros(size), "V": np.eye(size),
                   "c": np.zeros(size)}, activation="identity")  # fmt: skip
    lanes = np.vstack([h0, np.eye(size)])  # lane 1 + i gives column i of W^t
    states = net.forward(np.zeros((steps, len(lanes), 1)), h0=lanes).states
    h, powers = states[:, 0], states[:, 1:]
    whole, dominant, condition = eigen_sum(W, h0, steps)
    norm = np.linalg.norm(h, axis=1)
    with np.errstate(divide="ignore"):
        columns = {
            "log10_norm": np.log10(norm),
            "log10_sum": np.log10(np.linalg.norm(whole, axis=1)),
            "log10_operator": np.log10(np.linalg.norm(powers, 2, axis=(1, 2))),
            "log10_dominant": np.log10(np.linalg.norm(dominant, axis=1)),
        }
    columns |= {
        "first": h[:, 0],
        "second": h[:, 1],
        "eigen_error": np.linalg.norm(h - whole, axis=1) / norm,
        "dominant_error": np.linalg.norm(h - dominant, axis=1) / norm,
        "condition": np.full(len(h), condition),
    }
    return {name: column[block.points["step"]] for name, column in columns.items()}


def system(block):
    """W and h_0 of a block: a random W of N units, or one of three that fit on a slide."""
    kind, radius, coupling, seed = (
        block.points[name][0] for name in ("matrix", "spectral_radius", "coupling", "seed")
    )
    turn = radius * np.exp(1j * ANGLE)
    small = {
        "complex pair": ([[turn.real, -turn.imag], [turn.imag, turn.real]], [1.0, 0.0]),
        "defective": ([[radius, coupling], [0.0, radius]], [0.0, 1.0]),
        "triangular": ([[radius, coupling], [0.0, radius / 2]], [0.0, 1.0]),
    }
    if kind in small:
        return tuple(np.array(part) for part in small[kind])
    size = block.constants["hidden_size"]
    if size < 2:
        raise UserError(f"hidden_size={size}: must be at least 2, the columns first and second")
    stream = draws.stream(seed=seed, init=kind, hidden_size=size)
    W = draws.recurrent(stream, size, kind, radius)
    h0 = stream.standard_normal(size)
    return W, h0 / np.linalg.norm(h0)


def eigen_sum(W, h0, steps):
    """V Lambda^t V^-1 h_0 and its dominant term (steps + 1, N); condition of V."""
    values, V = (np.linalg.eigh if np.array_equal(W, W.T) else np.linalg.eig)(W)
    terms = np.linalg.solve(V, h0) * values ** np.arange(steps + 1)[:, None]
    size = np.abs(values)
    first = size > (1 - 1e-9) * size.max()
    whole, dominant = (part @ V.T for part in (terms, terms * first))
    return whole.real, dominant.real, np.linalg.cond(V)


def largest(column, **values):
    """The largest entry of a column in the rows with these values."""
    return lambda frame: rows(frame, **values)[column].max()


def first_term_only(frame):
    """The dominant term passes for the whole sum."""
    frame["eigen_error"] = frame.dominant_error
    return frame


def pair_error(frame):
    """Largest |h_t - r^t (cos(angle t), sin(angle t))| / r^t of the complex pair."""
    pair = rows(frame, matrix="complex pair")
    grown = pair.spectral_radius**pair.step
    turned = ANGLE * pair.step
    far = np.hypot(pair["first"] / grown - np.cos(turned), pair["second"] / grown - np.sin(turned))
    return far.max()


def one_real_value(frame):
    """A real eigenvalue of the same size: h_t shrinks or grows, but does not turn."""
    frame["first"], frame["second"] = 10**frame.log10_norm, 0.0
    return frame


def defective_error(frame):
    """Largest relative error of t lambda^(t-1) for the first component of a defective W^t h_0."""
    known = rows(frame, matrix="defective")
    known = known[known.step > 0]
    law = known.step * known.spectral_radius ** (known.step - 1)
    return (known["first"] / law - 1).abs().max()


def powers_alone(frame):
    """lambda^t stands where t lambda^(t-1) belongs."""
    frame["first"] = frame.spectral_radius**frame.step
    return frame


def peak(frame):
    """log10 of the largest ||W^t|| over t, for the most non-normal W with eigenvalues below 1."""
    return rows(frame, **COUPLED).log10_operator.max()


def predicted_peak(frame):
    """The same from the closed form."""
    known = rows(frame, **COUPLED)
    radius = known.spectral_radius.iloc[0]
    return np.log10(triangular_norm(radius, COUPLINGS[-1], known.step.to_numpy())).max()


def triangular_norm(a, c, t):
    """||W^t|| from W^t = [[a^t, c (a^t - b^t)/(a - b)], [0, b^t]], b = a/2."""
    b = a / 2
    power = np.array([[a**t, c * (a**t - b**t) / (a - b)], [0.0 * t, b**t]])
    return np.linalg.norm(power, 2, axis=(0, 1))


def decoupled(frame):
    """The normal W, whose coupling is 0, passes for the most non-normal one."""
    frame["coupling"] = frame.coupling.map({0.0: COUPLINGS[-1], COUPLINGS[-1]: 0.0})
    return frame


def last_slope(frame):
    """Decades a step of ||W^t|| over the last half of the steps, most non-normal W."""
    known = rows(frame, **COUPLED)
    ends = [rows(known, step=step).log10_operator.iloc[0] for step in (LAST // 2, LAST)]
    return (ends[1] - ends[0]) / (LAST - LAST // 2)


def growth_goes_on(frame):
    """The slope of the first step lasts for ever."""
    known = frame[(frame.matrix == "triangular") & (frame.coupling == COUPLINGS[-1])]
    frame["log10_operator"] = frame.step * rows(known, step=1).log10_operator.iloc[0]
    return frame


def figure(frame):
    """The sum and its first term, and three things that eigenvalues do not show at once."""
    drawing, axes = style.panels(2, 2, size=(14.5, 10.5))
    symmetric(axes[0, 0], frame[frame.matrix == "symmetric"])
    spiral(axes[0, 1], frame[frame.matrix == "complex pair"])
    defective(axes[1, 0], frame[frame.matrix == "defective"])
    transient(axes[1, 1], frame)
    titles = [
        "symmetric W: one eigenvalue decides",
        "a complex pair turns",
        r"a defective W: t $\lambda^{t-1}$, not $\lambda^t$",
        "a non-normal W grows before it dies",
    ]
    style.titles(axes, titles)
    style.headline(drawing, "W applied t times: the largest eigenvalue decides, in the end")
    style.caption(
        drawing,
        "points: h$_t$ = W h$_{t-1}$ run as a linear cell; lines: a the sum over "
        f"{frame.hidden_size.max()} eigenvectors (solid) and its first term (dashed), b to d the "
        r"closed forms, c also $\lambda^t$ (dotted), d also 0.9$^t$ (dashed)",
    )
    return drawing


def shades(values):
    """value -> colour: cool below 1, ink at 1, warm above."""
    values = sorted(set(values))
    return dict(zip(values, style.colours(values), strict=True))


def symmetric(panel, frame):
    """||h_t|| for radii below, at and above 1, with the sum and its first term."""
    frame = frame[frame.seed == frame.seed.min()]
    for radius, colour in shades(frame.spectral_radius).items():
        here = frame[frame.spectral_radius == radius]
        panel.plot(here.step, here.log10_sum, color=colour, lw=1.4)
        panel.plot(here.step, here.log10_dominant, "--", color=colour, lw=1.2)
        few = here[here.step % 4 == 0]
        panel.plot(few.step, few.log10_norm, "o", ms=5, color=colour, label=f"{radius:g}")
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step t", ylabel="||h$_t$||")
    panel.legend(title=r"$|\lambda_0|$", loc="upper left")


def spiral(panel, frame):
    """h_t in the plane, one turn every 2 pi/angle steps, with r^t (cos, sin) through the points."""
    for radius, colour in shades(frame.spectral_radius).items():
        here = frame[
            (frame.spectral_radius == radius) & (frame.step <= (20 if radius <= 1 else 13))
        ]
        t = np.linspace(0, here.step.max(), 400)
        panel.plot(radius**t * np.cos(ANGLE * t), radius**t * np.sin(ANGLE * t), color=colour, lw=1)
        panel.plot(here["first"], here["second"], "o", ms=5, color=colour, label=f"{radius:g}")
    panel.set(xlabel="first component of h$_t$", ylabel="second component of h$_t$")
    panel.set_aspect("equal", adjustable="datalim")
    panel.legend(title=r"$|\lambda|$", loc="upper right")


def defective(panel, frame):
    """The first component of W^t h_0 beside t lambda^(t-1) and beside lambda^t."""
    t = np.arange(1, frame.step.max() + 1)
    for radius, colour in shades(frame.spectral_radius).items():
        here = frame[(frame.spectral_radius == radius) & (frame.step > 0)]
        panel.plot(t, np.log10(t * radius ** (t - 1.0)), color=colour, lw=1.4)
        panel.plot(t, t * np.log10(radius), ":", color=colour, lw=1.4)
        few = here[here.step % 4 == 1]
        panel.plot(few.step, np.log10(few["first"]), "o", ms=5, color=colour, label=f"{radius:g}")
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step t", ylabel="first component of h$_t$")
    panel.legend(title=r"$\lambda$, twice", loc="upper left")


def transient(panel, frame):
    """||W^t|| for couplings of the same two eigenvalues, and for a random W, below radius 1."""
    radius = frame[frame.matrix == "triangular"].spectral_radius.min()
    frame = frame[(frame.spectral_radius == radius) & (frame.step <= 60)]
    ink = (VANISHING, CRITICAL, EXPLODING)
    known = frame[frame.matrix == "triangular"].groupby("coupling")
    for (coupling, here), colour in zip(known, ink, strict=False):
        label = f"[[{radius:g}, {coupling:g}], [0, {radius / 2:g}]]"
        panel.plot(here.step, here.log10_operator, "o", ms=5, color=colour, label=label)
        law = np.log10(triangular_norm(radius, coupling, here.step.to_numpy()))
        panel.plot(here.step, law, lw=1.2, color=colour)
    random = frame[frame.matrix == "gaussian"].groupby("step").log10_operator.median()
    label = f"gaussian, {frame.hidden_size.max()} units"
    panel.plot(random.index, random, "x", ms=5, color=MUTED, label=label)
    panel.plot(random.index, random.index * np.log10(radius), "--", lw=1.4, color=CRITICAL)
    style.powers_of_ten(panel.yaxis)
    panel.set(xlabel="step t", ylabel="largest singular value of W$^t$")
    panel.legend(title="W", loc="lower left")


N_SIZED = {"coupling": [0.0], "seed": range(3), "step": range(LAST + 1)}
ON_A_SLIDE = {"seed": [0], "step": range(LAST + 1)}
experiment = Experiment(
    question="What becomes of h0 when W is applied again and again?",
    grid=[
        N_SIZED | {"matrix": ["symmetric", "gaussian"], "spectral_radius": RADII},
        ON_A_SLIDE | {"matrix": ["complex pair"], "spectral_radius": RADII, "coupling": [0.0]},
        ON_A_SLIDE | {"matrix": ["defective"], "spectral_radius": RADII, "coupling": [1.0]},
        ON_A_SLIDE | {"matrix": ["triangular"], "spectral_radius": [0.9], "coupling": COUPLINGS},
    ],
    split=["matrix", "spectral_radius", "coupling", "seed"],
    constants={"hidden_size": 64},
    quick={"seed": [0], "step": range(41)},
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="symmetric sum",
            about=ABOUT,
            statement="W^t h_0 is the sum of alpha_i lambda_i^t w_i, largest relative error",
            source="W = Q Lambda Q^T with orthogonal Q (spectral theorem)",
            measured=largest("eigen_error", matrix="symmetric"),
            equals=0.0,
            within=1e-12,
            why="rounding of 100 products",
            control=first_term_only,
        ),
        Claim(
            name="general sum",
            about={
                "spectral_radius": Span(0.1, 10),
                "hidden_size": Span(1, 64),
                "step": Span(0, LAST),
            },
            statement="W^t h_0 is V Lambda^t V^-1 h_0 for Gaussian W, largest relative error",
            source="W = V Lambda V^-1 with independent columns of V",
            measured=largest("eigen_error", matrix="gaussian"),
            equals=0.0,
            within=1e-11,
            why="rounding, times the condition of V (some 100) and ||W||^t before radius^t",
            control=first_term_only,
        ),
        Claim(
            name="complex pair",
            about=ABOUT,
            statement="r e^(+-i angle) turns h_t by the angle a step, largest relative error",
            source="W = r times a rotation",
            measured=pair_error,
            equals=0.0,
            within=1e-12,
            why="rounding of 100 products",
            control=one_real_value,
        ),
        Claim(
            name="defective",
            about=ABOUT,
            statement="one eigenvector for a double eigenvalue: t lambda^(t-1), relative error",
            source="[[l, 1], [0, l]]^t = [[l^t, t l^(t-1)], [0, l^t]]",
            measured=defective_error,
            equals=0.0,
            within=1e-12,
            why="rounding of 100 products",
            control=powers_alone,
        ),
        Claim(
            name="growth before the end",
            statement="log10 of the peak of ||W^t||, eigenvalues 0.9 and 0.45 coupled by 10",
            source="[[a, c], [0, b]]^t = [[a^t, c (a^t - b^t)/(a - b)], [0, b^t]]",
            measured=peak,
            equals=predicted_peak,
            within=1e-12,
            why="rounding",
            control=decoupled,
        ),
        Claim(
            name="the end",
            statement="the same W loses log10(0.9) decades a step at last",
            source="||W^t||^(1/t) goes to the spectral radius (Gelfand)",
            measured=last_slope,
            equals=math.log10(0.9),
            within=1e-6,
            why="(b/a)^50 = 1e-15 is left of the other eigenvalue",
            control=growth_goes_on,
        ),
    ],
)

if __name__ == "__main__":
    script(experiment)
