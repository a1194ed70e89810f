"""When is a scheme for a differential equation a recurrent network, and when does it explode?

Euler's scheme s_{i+1} = s_i + dt g(s_i, t_i) is a recurrence s_i = f(s_{i-1}, x_i). For the driven
damped oscillator m s'' + eta s' + k s = F(t), with state (position, velocity), it IS a linear
recurrent cell h_i = W h_{i-1} + U F_{i-1},

    W = [[1, dt], [-k dt/m, 1 - eta dt/m]],   U = (0, dt/m)
    |lambda|^2 = det W = 1 - eta dt/m + k dt^2/m    (underdamped)

stable for dt < eta/k only. Without damping sqrt(1 + k dt^2/m) > 1: it explodes for every dt, slowly
for small ones, though the true motion does not. Below the limit the error at a given time falls
like dt; that of the Runge-Kutta scheme (RK4) like dt^4. Any g(s, t) will do: the pendulum and Van
der Pol's oscillator are here, add your own to SYSTEMS or give it to gradlab.dynamics.euler.
"""

import math

import numpy as np
from scipy.special import ellipj, ellipk

from gradlab import Network, dynamics
from gradlab.cli import script
from gradlab.errors import UserError, one_of
from gradlab.nets import draws
from gradlab.plots import CRITICAL, EXPLODING, MUTED, VANISHING, style
from gradlab.suite import Claim, Experiment, NotMeasured, Span, crossing, nearest, rows
from gradlab.tasks.oscillator import Oscillator

DAMPED = {"damping": 0.4, "frequency": 0.5}  # the course's: m = k = 1, F = cos(.5 t)
SYSTEMS = {
    "driven": DAMPED,
    "free": {"damping": 0.4, "amplitude": 0.0},
    "undamped": {"damping": 0.0, "amplitude": 0.0},
    "resonant": {"damping": 0.0, "frequency": 1.0, "position": 0.0},
    "pendulum": [2.0, 0.0],
    "van_der_pol": [0.1, 0.0],
}  # options of the task oscillator, or the start of a g(s, t) of that name in gradlab.dynamics


def measure(block):
    """The motion by a scheme at the block's times, each a whole number of steps.

    position, velocity    of the scheme
    exact                 the position in closed form, nan where there is none
    network               the position that gradlab's Elman cell gives with W and U, of Euler's
                          scheme for the oscillators; nan for all else
    radius                the spectral radius of W
    area                  log10 of how much one step scales an area of states, as the cell runs it
                          (from the states that start at (1, 0) and (0, 1)): |lambda|^2 of a pair
    """
    name, scheme, dt = (block.points[axis][0] for axis in ("system", "scheme", "interval"))
    one_of("system", name, SYSTEMS)
    one_of("scheme", scheme, ("euler", "rk4"))
    index = whole_steps(block.points["time"], dt)
    times = dt * np.arange(index.max() + 1)
    g, start, exact, cell = setting(name, times, dt)
    states = getattr(dynamics, scheme)(g, start, times)
    network, radius, area = np.full(len(times), np.nan), np.nan, np.nan
    if cell and scheme == "euler":
        network, radius, area = run_cell(cell, start)
    same = {"radius": radius, "area": area}
    columns = {
        "position": states[:, 0],
        "velocity": states[:, 1],
        "exact": exact,
        "network": network,
    }
    columns = {key: column[index] for key, column in columns.items()}
    return columns | {key: np.full(len(index), value) for key, value in same.items()}


def whole_steps(times, dt):
    """The numbers of steps that make the times. Raises UserError if dt does not divide them."""
    if not (0 < dt < math.inf and np.isfinite(times).all() and (times >= 0).all()):
        raise UserError(f"interval={dt:g}: must be above 0, and every time finite, not below 0")
    steps = np.rint(times / dt).astype(int)
    if not np.allclose(steps * dt, times):
        raise UserError(f"interval={dt:g}: must divide every time of the grid")
    return steps


def setting(name, times, dt):
    """g, the start, exact positions at the times, and (W, U, forces) of the oscillators."""
    if not isinstance(SYSTEMS[name], dict):
        start = np.array(SYSTEMS[name])
        exact = swing(start[0], times) if name == "pendulum" else np.full(len(times), np.nan)
        return getattr(dynamics, name), start, exact, None
    system = Oscillator(**SYSTEMS[name])
    start = np.array([system.position, system.velocity])
    exact = system.motion(len(times) - 1, dt)[:, 0]
    constants = {"mass": system.mass, "damping": system.damping, "stiffness": system.stiffness}
    g = dynamics.oscillator(system.force, **constants)
    return g, start, exact, (*dynamics.oscillator_cell(dt, **constants), system.force(times[:-1]))


def run_cell(cell, start):
    """The positions of gradlab's cell under the forces; its radius; log10 of area a step."""
    W, U, force = cell
    net = Network({"W": W, "U": U, "b": np.zeros(2), "V": np.eye(2), "c": np.zeros(2)},
                  activation="identity")  # fmt: skip
    inputs = np.zeros((len(force), 3, 1))
    inputs[:, 0, 0] = force
    states = net.forward(inputs, h0=np.vstack([start, np.eye(2)])).states
    few = min(len(force), 50)  # |lambda|^(2 few) keeps all its digits
    area = np.log10(abs(np.linalg.det(states[few, 1:]))) / few
    return states[:, 0, 0], draws.spectral_radius(W), area


def swing(angle, times):
    """The pendulum let go at `angle`: 2 asin(k sn(t + K)), k = sin(angle/2), K = K(k)."""
    k = np.sin(angle / 2)
    return 2 * np.arcsin(k * ellipj(times + ellipk(k**2), k**2)[0])


def cell_error(frame):
    """Largest |cell - scheme| over the largest position of the run, Euler's rows."""
    known = frame[frame.network.notna()]
    largest = known.groupby(["system", "interval"]).position.transform(lambda x: x.abs().max())
    return ((known.network - known.position).abs() / largest).max()


def closed_form_for_cell(frame):
    """The closed form passes for the network's states."""
    frame["network"] = frame.network + frame.exact - frame.position
    return frame


def radius_error(frame):
    """Largest |log10 area - log10(1 - eta dt + dt^2)| and the same of the radius, m = k = 1."""
    known = rows(frame, scheme="euler", time=0.0).dropna(subset=["area"])
    eta = known.system.map(lambda name: SYSTEMS[name]["damping"])
    law = np.log10(1 - eta * known.interval + known.interval**2)
    return max((known.area - law).abs().max(), (2 * np.log10(known.radius) - law).abs().max())


def no_damping(frame):
    """The law of the undamped oscillator for all."""
    frame["system"] = frame.system.map(lambda name: "undamped" if name == "free" else name)
    return frame


def limit(frame):
    """The dt at which an area of states neither shrinks nor grows, eta = 0.4."""
    known = rows(frame, system="free", scheme="euler", time=0.0)
    if known.area.abs().min() > 1e-12:
        raise NotMeasured("needs the limit itself among the dt")
    return crossing("area", "interval")(known)


def other_unit(frame):
    """Steps are 10 % longer than said."""
    frame["interval"] *= 1.1
    return frame


def exploding(frame):
    """Share of all dt at which the undamped oscillator explodes."""
    return (rows(frame, system="undamped", scheme="euler", time=0.0).area > 0).mean()


def damped_passes(frame):
    """The damped oscillator passes for the undamped one."""
    frame["system"] = frame.system.replace({"free": "undamped", "undamped": "free"})
    return frame


def errors(frame, system, scheme):
    """Largest |position - exact| up to t = 5, by dt."""
    known = rows(frame, system=system, scheme=scheme)
    known = known[known.time.isin(CHECKED)]
    return (known.position - known.exact).abs().groupby(known.interval).max()


def order(system, scheme, steps):
    """Slope of log error in log dt between two dt."""

    def measured(frame):
        for dt in steps:
            rows(frame, system=system, scheme=scheme, interval=dt)
        error = errors(frame, system, scheme)
        return math.log(error[steps[0]] / error[steps[1]]) / math.log(steps[0] / steps[1])

    return measured


def half_a_step_off(frame):
    """Both schemes' errors gain a factor sqrt(dt)."""
    frame["position"] = frame.exact + (frame.position - frame.exact) * frame.interval**0.5
    return frame


def resonance_error(frame):
    """Largest |position - (A/2m) t sin t| of RK4 at the smallest dt."""
    known = rows(frame, system="resonant", scheme="rk4", interval=0.05)
    return (known.position - known.time * np.sin(known.time) / 2).abs().max()


def detuned(frame):
    """The motion does not grow: sin t without the factor t."""
    frame["position"] = frame.position / frame.time.clip(lower=1)
    return frame


def period(frame):
    """Mean time between upward passages of Van der Pol's oscillator through 0, from t = 20 on."""
    rows(frame, system="van_der_pol", scheme="rk4", time=60.0)
    known = rows(frame, system="van_der_pol", scheme="rk4", interval=0.05)
    known = known[known.time >= 20].sort_values("time")
    if known.time.diff().max() > 0.051:
        raise NotMeasured("needs times 0.05 apart")
    time, x = known.time.to_numpy(), known.position.to_numpy()
    before = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    passed = time[before] - x[before] * 0.05 / (x[before + 1] - x[before])
    return np.diff(passed).mean()


def harmonic(frame):
    """An oscillation of period 2 pi."""
    frame["position"] = np.sin(frame.time)
    return frame


def figure(frame):
    """The linear cell's motions, errors and radius; resonance; two systems that are not linear."""
    drawing, axes = style.panels(2, 3, size=(17, 10))
    motions(axes[0, 0], frame[(frame.system == "driven") & (frame.scheme == "euler")])
    convergence(axes[0, 1], frame)
    growth(axes[0, 2], frame[(frame.scheme == "euler") & (frame.time == 0)])
    resonance(axes[1, 0], frame[(frame.system == "resonant") & (frame.time <= 60)])
    portrait(axes[1, 1], frame[frame.system == "pendulum"], "angle (rad)", 24)
    portrait(axes[1, 2], frame[frame.system == "van_der_pol"], "position x", 60)
    titles = [
        "driven and damped: Euler is a linear cell",
        "errors: slope 1 for Euler, 4 for RK4",
        r"stable for dt < $\eta$/k, undamped never",
        r"resonance: (A/2m) t sin t",
        r"pendulum: $\theta'' = -\sin\theta$",
        "Van der Pol: $x'' = (1 - x^2) x' - x$",
    ]
    style.titles(axes, titles)
    style.headline(drawing, "Euler's scheme is a recurrent network, and explodes like one")
    style.caption(
        drawing,
        "a: points gradlab's linear cell, line the closed form; b: largest error up to t = 5, "
        r"dashed the two slopes; c: points from the cell's states, lines $\sqrt{1 - \eta dt/m + k "
        r"dt^2/m}$"
        "\nd to f: dt = 0.05, Euler red, RK4 blue; closed form in ink (d, e)",
    )
    return drawing


def motions(panel, frame):
    """The cell's positions at three dt over time, the closed form behind them."""
    finest = frame[frame.interval == nearest(frame.interval, 0.05)].sort_values("time")
    panel.plot(finest.time, finest.exact, color=CRITICAL, lw=1.2, zorder=4)
    inks = {0.1: VANISHING, 0.4: MUTED, 0.5: EXPLODING}
    for dt in sorted({nearest(frame.interval, dt) for dt in inks}):
        here = frame[(frame.interval == dt) & (frame.time <= 40)].sort_values("time")
        here = here if dt > 0.2 else here[::4]
        colour = inks.get(dt, VANISHING)
        panel.plot(here.time, here.network, "o-", ms=4, lw=0.7, color=colour, label=f"dt = {dt:g}")
    panel.set(xlabel="time t (units of sqrt(m/k))", ylabel="position x", ylim=(-3.2, 2.7))
    panel.legend(loc="upper left", ncols=3, columnspacing=1.0, handletextpad=0.4)


def convergence(panel, frame):
    """Largest error up to t = 5 over dt, both axes logarithmic."""
    inks = {"euler": EXPLODING, "rk4": VANISHING}
    for system, mark in (("driven", "o"), ("pendulum", "s")):
        for scheme, slope in (("euler", 1), ("rk4", 4)):
            error = np.log10(errors(frame, system, scheme))
            if error.empty:
                continue
            dt = np.log10(error.index.to_numpy())
            name = f"{'Euler' if scheme == 'euler' else 'RK4'}, {system}"
            panel.plot(dt, error, mark, ms=7, color=inks[scheme], label=name)
            panel.plot(dt, error.iloc[0] + slope * (dt - dt[0]), "--", lw=1.2, color=inks[scheme])
    for axis in (panel.xaxis, panel.yaxis):
        style.powers_of_ten(axis)
    panel.set(xlabel="dt", ylabel="largest error of the position")
    panel.legend(loc="lower left", bbox_to_anchor=(0, 0.18))


def growth(panel, frame):
    """|lambda| of W over dt, damped and undamped, with the law and the limit."""
    dt = np.linspace(0, frame.interval.max(), 200)
    for system, colour in (("undamped", EXPLODING), ("free", VANISHING)):
        here, eta = frame[frame.system == system], SYSTEMS[system]["damping"]
        panel.plot(dt, np.sqrt(1 - eta * dt + dt**2), color=colour, lw=1.4)
        panel.plot(here.interval, 10 ** (here.area / 2), "o", ms=6, color=colour,
                   label=rf"$\eta$ = {eta:g}")  # fmt: skip
    panel.axhline(1, color=CRITICAL, lw=1)
    panel.axvline(0.4, color=CRITICAL, lw=1, ls=":")
    panel.set(xlabel="dt", ylabel=r"$|\lambda|$ of W, growth a step")
    panel.legend(loc="upper left")


def resonance(panel, frame):
    """Positions under a force in resonance, and the closed form."""
    time = np.linspace(0, frame.time.max(), 1000)
    for scheme, colour in (("euler", EXPLODING), ("rk4", VANISHING)):
        here = frame[(frame.scheme == scheme) & (frame.interval == 0.05)].sort_values("time")
        line = "-" if scheme == "euler" else "o"
        here = here if scheme == "euler" else here[::5]
        panel.plot(here.time, here.position, line, ms=4, lw=1, color=colour)
    panel.plot(time, time * np.sin(time) / 2, color=CRITICAL, lw=1)
    panel.set(xlabel="time t (units of sqrt(m/k))", ylabel="position x")


def portrait(panel, frame, name, end):
    """Velocity over position, Euler and RK4; the pendulum's closed orbit in ink."""
    frame = frame[(frame.interval == 0.05) & (frame.time <= end)].sort_values("time")
    for scheme, colour in (("euler", EXPLODING), ("rk4", VANISHING)):
        here = frame[frame.scheme == scheme]
        panel.plot(here.position, here.velocity, lw=1.2, color=colour)
    if frame.exact.notna().any():
        angle = np.linspace(-2, 2, 400)
        speed = np.sqrt(np.maximum(2 * (np.cos(angle) - math.cos(2.0)), 0))
        panel.plot(np.r_[angle, angle[::-1]], np.r_[speed, -speed], "--", color=CRITICAL)
        panel.set(xlim=(-3.2, 6.5), ylim=(-3.2, 3.2))
    panel.set(xlabel=name, ylabel="velocity")


def until(end, dt):
    """All multiples of dt up to a time, as they are written."""
    return [round(i * dt, 10) for i in range(round(end / dt) + 1)]


def order_claim(system, scheme, expected, steps):
    """The claim on how the error of a scheme falls with dt."""
    return Claim(
        name=f"order of {scheme}, {system}",
        statement=f"the error up to t = 5 falls like dt to the power {expected}",
        source="one step is Taylor's series up to that power of dt (Kutta 1901 for RK4)",
        measured=order(system, scheme, steps),
        equals=expected,
        within=0.05,
        why="the next order in dt",
        control=half_a_step_off,
    )


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
    measure=measure,
    figure=figure,
    claims=[
        Claim(
            name="Euler is a linear cell",
            statement="gradlab's cell gives the states of Euler's scheme, relative difference",
            source="h_i = W h_{i-1} + U F_{i-1} with W = [[1, dt], [-k dt/m, 1 - eta dt/m]]",
            measured=cell_error,
            equals=0.0,
            within=1e-12,
            why="rounding of up to 5,000 steps",
            control=closed_form_for_cell,
        ),
        Claim(
            name="its radius",
            statement="log10 |lambda|^2 from W and from the cell's states, largest difference",
            source="det W = 1 - eta dt/m + k dt^2/m",
            measured=radius_error,
            equals=0.0,
            within=1e-12,
            why="rounding of 50 steps",
            control=no_damping,
        ),
        Claim(
            name="stability limit",
            statement="the dt above which the oscillator with eta = 0.4 explodes",
            source="eta/k",
            measured=limit,
            equals=0.4,
            within=1e-9,
            why="the limit itself is a dt of the grid",
            control=other_unit,
        ),
        Claim(
            name="undamped",
            statement="the share of dt at which the undamped oscillator explodes",
            source="|lambda|^2 = 1 + k dt^2/m > 1",
            measured=exploding,
            equals=1.0,
            within=0.0,
            why="every one",
            control=damped_passes,
        ),
        order_claim("driven", "euler", 1, (0.002, 0.001)),
        order_claim("driven", "rk4", 4, (0.02, 0.01)),
        order_claim("pendulum", "euler", 1, (0.002, 0.001)),
        order_claim("pendulum", "rk4", 4, (0.02, 0.01)),
        Claim(
            name="resonance",
            about={"time": Span(0, 60)},
            statement="A cos t with k = m: the position is (A/2m) t sin t, largest difference",
            source="s'' + s = cos t from rest",
            measured=resonance_error,
            equals=0.0,
            within=1e-4,
            why="RK4 at dt = 0.05 up to t = 60, error (dt^4/120) t^2/2",
            control=detuned,
        ),
        Claim(
            name="Van der Pol",
            statement="the period of the limit cycle",
            source="2 pi/(1 - 1/16 + 17/3072 + 35/884736 - ...), Andersen and Geer 1982, mu = 1",
            measured=period,
            equals=2 * math.pi / (1 - 1 / 16 + 17 / 3072 + 35 / 884736 - 678899 / 5096079360),
            within=1e-3,
            why="linear interpolation between times 0.05 apart",
            control=harmonic,
            relative=True,
        ),
    ],
)  # fmt: skip

if __name__ == "__main__":
    script(experiment)
