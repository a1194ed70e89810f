"""Motions of dynamical systems by schemes for differential equations, one of them as a cell.

Euler's scheme for m s'' + eta s' + k s = F(t), s = (position, velocity), is a linear recurrent cell

    h_i = W h_{i-1} + U F_{i-1},   W = [[1, dt], [-k dt/m, 1 - eta dt/m]],   U = (0, dt/m)
"""

import math

import numpy as np
from scipy.special import ellipj, ellipk

from gradlab.errors import UserError, one_of
from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.tasks.oscillator import Oscillator
from gradlab.theory import dynamics

DAMPED = {"damping": 0.4, "frequency": 0.5}  # the course's: m = k = 1, F = cos(.5 t)
SYSTEMS = {
    "driven": DAMPED,
    "free": {"damping": 0.4, "amplitude": 0.0},
    "undamped": {"damping": 0.0, "amplitude": 0.0},
    "resonant": {"damping": 0.0, "frequency": 1.0, "position": 0.0},
    "pendulum": [2.0, 0.0],
    "van_der_pol": [0.1, 0.0],
}  # options of the task oscillator, or the start of a g(s, t) of gradlab.theory.dynamics
COLUMNS = {
    "system": "the system in motion: gradlab/measures/euler.py",
    "scheme": "the scheme of its recurrence: euler or rk4",
    "interval": "dt, the time of a step (units of sqrt(m/k))",
    "time": "t, a whole number of steps (units of sqrt(m/k))",
    "position": "position by the scheme",
    "velocity": "velocity by the scheme",
    "exact": "position in closed form, nan where there is none",
    "network": "position by gradlab's Elman cell with Euler's W and U; nan for all else",
    "radius": "largest |eigenvalue| of W",
    "area": "log10 of how much a step of the cell scales an area of states: |lambda|^2 of a pair",
}


def measure(block):
    """The motion by one scheme at the times of a block, each a whole number of steps.

    s_{i+1} = s_i + dt g(s_i, t_i) (euler), or the classical Runge-Kutta scheme (rk4). Raises
    UserError for an unknown system or scheme and for times that dt does not divide.
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
