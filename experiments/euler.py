"""When is a scheme for a differential equation a recurrent network, and when does it explode?

Euler's scheme s_{i+1} = s_i + dt g(s_i, t_i) is a recurrence s_i = f(s_{i-1}, x_i). For the driven
damped oscillator m s'' + eta s' + k s = F(t), with state (position, velocity), it IS a linear
recurrent cell h_i = W h_{i-1} + U F_{i-1},

    W = [[1, dt], [-k dt/m, 1 - eta dt/m]],   U = (0, dt/m)
    |lambda|^2 = det W = 1 - eta dt/m + k dt^2/m    (underdamped)

stable for dt < eta/k only. Without damping sqrt(1 + k dt^2/m) > 1: it explodes for every dt, slowly
for small ones, though the true motion does not. Below the limit the error at a given time falls
like dt; that of the Runge-Kutta scheme (RK4) like dt^4. Any g(s, t) will do: the pendulum and Van
der Pol's oscillator are here, your own goes into SYSTEMS of gradlab/measures/euler.py, or to
gradlab.theory.dynamics.euler.
"""

import math

import numpy as np

from gradlab.cli import script
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, Panel, medians, page, style
from gradlab.suite import (
    Claim,
    Experiment,
    NotMeasured,
    Span,
    crossing,
    every,
    largest,
    near,
    passes_for,
    rows,
    scaled,
    share,
    slope,
    swap,
    worst,
)

DAMPING = {"driven": 0.4, "free": 0.4, "undamped": 0.0, "resonant": 0.0}  # eta, with m = k = 1
INKS = {"euler": EXPLODING, "rk4": VANISHING}
CELL = {"scheme": "euler", "time": 0.0}  # what its W says is the same at all times


def cell_error(frame):
    """What the cell's position has above Euler's, over the largest position of the run."""
    known = rows(frame[frame.network.notna()], scheme="euler")
    size = known.groupby(["system", "interval"]).position.transform(lambda x: x.abs().max())
    return (known.network - known.position) / size


def radius_error(frame):
    """How far log10 |lambda|^2, from the cell's states or from W, is from that of det W."""
    law = np.log10(1 - frame.system.map(DAMPING) * frame.interval + frame.interval**2)
    return np.maximum(abs(frame.area - law), abs(2 * np.log10(frame.radius) - law))


def area(frame):
    """The area's log10, where a dt at which it stays as it is is among those of the table."""
    if frame.area.abs().min() > 1e-12:
        raise NotMeasured("needs the limit itself among the dt")
    return frame.area


def log10_error(frame):
    """log10 of the largest error of a run's positions."""
    error = (frame.position - frame.exact).abs()
    return np.log10(error.groupby([frame.system, frame.scheme, frame.interval]).transform("max"))


def period(frame):
    """Mean time between upward passages of Van der Pol's oscillator through 0, from t = 20 on."""
    rows(frame, system="van_der_pol", scheme="rk4", time=60.0)
    known = rows(frame, system="van_der_pol", scheme="rk4", interval=0.05, time=Span(20))
    known = known.sort_values("time")
    if known.time.diff().max() > 0.051:
        raise NotMeasured("needs times 0.05 apart")
    time, x = known.time.to_numpy(), known.position.to_numpy()
    before = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    passed = time[before] - x[before] * 0.05 / (x[before + 1] - x[before])
    return np.diff(passed).mean()


def period_by_scipy(_):
    """The last of ten periods of x'' = (1 - x^2) x' - x by SciPy's DOP853."""
    from scipy.integrate import solve_ivp  # here: it takes a while, and one claim needs it

    def passage(time, state):
        return state[0]

    def g(time, state):
        return [state[1], (1 - state[0] ** 2) * state[1] - state[0]]

    passage.direction = 1
    found = solve_ivp(g, (0, 70), [2, 0], "DOP853", events=passage, rtol=1e-12, atol=1e-12)
    return np.diff(found.t_events[0])[-1]


def motions(panel, frame):
    """The cell's positions at three dt over time, the closed form behind them."""
    frame = frame.sort_values("time")
    finest = rows(frame, interval=near(0.05))
    panel.plot(finest.time, finest.exact, color=CRITICAL, lw=1.2, zorder=4)
    few = np.where(frame.interval < 0.2, 4, 1)  # points of a run, one in so many
    medians(
        "time", "network", "interval", label=lambda here: f"dt = {here.interval.iloc[0]:g}",
        palette={0.1: VANISHING, 0.4: MUTED, 0.5: EXPLODING}, loc="upper left",
        legend={"ncols": 3, "columnspacing": 1.0, "handletextpad": 0.4},
        xlabel="time t (units of sqrt(m/k))", ylabel="position x", ylim=(-3.2, 2.7),
    )(panel, frame[frame.groupby("interval").cumcount() % few == 0])  # fmt: skip


def convergence(panel, frame):
    """Largest error up to t = 5 over dt, on lines of the slopes that the schemes have."""
    frame = frame.assign(dt=np.log10(frame.interval), error=log10_error(frame))
    for (system, scheme), here in frame.groupby(["system", "scheme"]):
        order = {"euler": 1, "rk4": 4}[scheme]
        medians(
            "dt", "error", colour=INKS[scheme], points="o" if system == "driven" else "s",
            law=lambda here, dt, order=order: here.error.iloc[-1] + order * (dt - here.dt.iloc[-1]),
            label=f"{'Euler' if scheme == 'euler' else 'RK4'}, {system}", decades=True,
            legend={"loc": "lower left", "bbox_to_anchor": (0, 0.18)}, xlabel="dt",
            ylabel="largest error of the position",
        )(panel, here.sort_values("dt", ascending=False))  # fmt: skip
    style.powers_of_ten(panel.xaxis)


def growth(panel, frame):
    """|lambda| of W over dt, damped and undamped, with the law and the limit."""

    def eta(here):
        return DAMPING[here.system.iloc[0]]

    medians(
        "interval", "10**(area / 2)", "system", legend={},
        law=lambda here, dt: np.sqrt(1 - eta(here) * dt + dt**2),
        label=lambda here: rf"$\eta$ = {eta(here):g}",
        palette={"undamped": EXPLODING, "free": VANISHING}, xlabel="dt",
        ylabel=r"$|\lambda|$ of W, growth a step",
    )(panel, frame)  # fmt: skip
    panel.axhline(1, color=CRITICAL, lw=1)
    panel.axvline(DAMPING["free"], color=CRITICAL, lw=1, ls=":")


def resonance(panel, frame):
    """Positions under a force in resonance, and the closed form."""
    frame = frame.sort_values("time")
    for scheme, line, few in (("euler", "-", 1), ("rk4", "o", 5)):
        here = frame[frame.scheme == scheme][::few]
        panel.plot(here.time, here.position, line, ms=4, lw=1, color=INKS[scheme])
    time = np.linspace(0, frame.time.max(), 1000)
    panel.plot(time, time * np.sin(time) / 2, color=CRITICAL, lw=1)
    panel.set(xlabel="time t (units of sqrt(m/k))", ylabel="position x")


def portrait(panel, frame):
    """Velocity over position, Euler and RK4."""
    for scheme, here in frame.sort_values("time").groupby("scheme"):
        panel.plot(here.position, here.velocity, lw=1.2, color=INKS[scheme])
    panel.set(xlabel="position x", ylabel="velocity")


def pendulum(panel, frame):
    """Velocity over the angle, Euler and RK4, and the closed orbit from 2 rad."""
    portrait(panel, frame)
    angle = np.linspace(-2, 2, 400)
    speed = np.sqrt(np.maximum(2 * (np.cos(angle) - math.cos(2.0)), 0))
    panel.plot(np.r_[angle, angle[::-1]], np.r_[speed, -speed], "--", color=CRITICAL)
    panel.set(xlabel="angle (rad)", xlim=(-3.2, 6.5), ylim=(-3.2, 3.2))


def until(end, dt):
    """All multiples of dt up to a time, as they are written."""
    return [round(i * dt, 10) for i in range(round(end / dt) + 1)]


def order_claim(system, scheme, expected, steps):
    """The claim on how the error of a scheme falls with dt."""
    return Claim(
        f"order of {scheme}, {system}",
        f"the error up to t = 5 falls like dt to the power {expected}",
        source="one step is Taylor's series up to that power of dt (Kutta 1901 for RK4)",
        measured=slope(
            log10_error, "log10(interval)",
            system=system, scheme=scheme, interval=every(steps), time=CHECKED,
        ),
        equals=expected,
        within=0.05,
        why="the next order in dt",
        control=passes_for("exact + (position - exact) * sqrt(interval)", "position"),
    )  # fmt: skip


CHECKED = [1.0, 2.0, 3.0, 4.0, 5.0]
COARSE = [0.2, 0.1, 0.05, 0.02, 0.01]
FINE = [0.005, 0.002, 0.001]
EULER, BOTH = {"scheme": ["euler"]}, {"scheme": ["euler", "rk4"]}
SHORT = {"interval": [0.05], "time": until(60, 0.1)}
experiment = Experiment(
    question="When is a scheme a recurrent network, and when does it explode?",
    grid=[
        *(EULER | {"system": ["driven"], "interval": [dt], "time": until(40, dt)}
          for dt in (0.05, 0.1, 0.4, 0.5)),
        BOTH | {"system": ["driven", "pendulum"], "interval": COARSE, "time": CHECKED},
        EULER | {"system": ["driven", "pendulum"], "interval": FINE, "time": CHECKED},
        *(EULER | {"system": ["free", "undamped"], "interval": [dt], "time": [0.0, 50 * dt]}
          for dt in until(0.6, 0.04)[1:]),
        BOTH | {"system": ["resonant", "pendulum"]} | SHORT,
        BOTH | {"system": ["van_der_pol"]} | SHORT | {"time": until(60, 0.05)},
    ],
    split=["system", "scheme", "interval"],
    quick={"interval": [0.1, 0.05], "time": until(20, 0.2)},
    measure="gradlab.measures.euler:measure",
    figure=page(
        "Euler's scheme is a recurrent network, and explodes like one",
        "a: points gradlab's linear cell, line the closed form; b: largest error up to t = 5, "
        "dashed the two slopes; c: points from the cell's states, lines "
        r"$\sqrt{{1 - \eta dt/m + k dt^2/m}}$"
        "\nd to f: Euler red, RK4 blue; d, e: closed form in ink",
        [
            [
                Panel("driven and damped: Euler is a linear cell", motions,
                      {"system": "driven", "scheme": "euler", "time": Span(0, 40)}),
                Panel("errors: slope 1 for Euler, 4 for RK4", convergence,
                      {"system": ["driven", "pendulum"], "time": CHECKED}),
                Panel(r"stable for dt < $\eta$/k, undamped never", growth,
                      {"system": ["free", "undamped"]} | CELL),
            ],
            [
                Panel("resonance, dt = {interval}: (A/2m) t sin t", resonance,
                      {"system": "resonant", "interval": near(0.05), "time": Span(0, 60)}),
                Panel(r"pendulum, dt = {interval}: $\theta'' = -\sin\theta$", pendulum,
                      {"system": "pendulum", "interval": near(0.05), "time": Span(0, 24)}),
                Panel("Van der Pol, dt = {interval}: $x'' = (1 - x^2) x' - x$", portrait,
                      {"system": "van_der_pol", "interval": near(0.05), "time": Span(0, 60)}),
            ],
        ],
        size=(17, 10),
    ),
    claims=[
        Claim(
            "Euler is a linear cell",
            "gradlab's cell gives the states of Euler's scheme, relative difference",
            source="h_i = W h_{i-1} + U F_{i-1} with W = [[1, dt], [-k dt/m, 1 - eta dt/m]]",
            measured=worst(cell_error),
            equals=0.0,
            within=1e-12,
            why="rounding of up to 5,000 steps",
            control=passes_for("exact", "network"),
        ),
        Claim(
            "its radius",
            "log10 |lambda|^2 from W and from the cell's states, largest difference",
            source="det W = 1 - eta dt/m + k dt^2/m",
            measured=largest(radius_error, system=list(DAMPING), **CELL),
            equals=0.0,
            within=1e-12,
            why="rounding of 50 steps",
            control=swap("system", "free", "undamped"),
        ),
        Claim(
            "stability limit",
            "the dt above which the oscillator with eta = 0.4 explodes",
            source="eta/k",
            measured=crossing(area, "interval", system="free", **CELL),
            equals=0.4,
            within=1e-9,
            why="the limit itself is a dt of the grid",
            rivals={"eta/2k": 0.2, "2 eta/k": 0.8},
            control=scaled("interval", 1.1),
        ),
        Claim(
            "undamped",
            "the share of dt at which the undamped oscillator explodes",
            source="|lambda|^2 = 1 + k dt^2/m > 1",
            measured=share("area > 0", system="undamped", **CELL),
            at_least=1.0,
            control=swap("system", "free", "undamped"),
        ),
        order_claim("driven", "euler", 1, (0.002, 0.001)),
        order_claim("driven", "rk4", 4, (0.02, 0.01)),
        order_claim("pendulum", "euler", 1, (0.002, 0.001)),
        order_claim("pendulum", "rk4", 4, (0.02, 0.01)),
        Claim(
            "resonance",
            "A cos t with k = m: the position is (A/2m) t sin t, largest difference",
            source="s'' + s = cos t from rest",
            measured=worst("position - time * sin(time) / 2",
                           system="resonant", scheme="rk4", interval=0.05),
            equals=0.0,
            within=1e-4,
            why="RK4 at dt = 0.05 up to t = 60, error (dt^4/120) t^2/2",
            control=scaled("position", 2),
            about={"time": Span(0, 60)},
        ),
        Claim(
            "Van der Pol",
            "the period of the limit cycle",
            source="DOP853 of SciPy to 12 digits, its own search for the passages",
            measured=period,
            equals=period_by_scipy,
            within=1e-4,
            relative=True,
            why="linear interpolation between times 0.05 apart",
            rivals={"2 pi": 2 * math.pi, "2 pi (1 + mu^2/16)": 2 * math.pi * (1 + 1 / 16)},
            control=passes_for("sin(time)", "position"),
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
