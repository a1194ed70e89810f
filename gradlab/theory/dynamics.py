"""Dynamical systems ds/dt = g(s, t) as recurrences s_i = f(s_{i-1}, x_i), and their stability.

g is any function of a state and a time that returns ds/dt in the state's shape. Two are here as
examples, `pendulum` and `van_der_pol`; `oscillator` makes the lectures' linear one,

    m s'' + eta s' + k s = F(t),        s = (position, velocity)

for which Euler's scheme is a linear recurrent cell exactly: h_i = W h_{i-1} + U F(t_{i-1}).
"""

import numpy as np


def euler(g, start, times):
    """s_{i+1} = s_i + h_i g(s_i, t_i), h_i = t_{i+1} - t_i: an error of order h at a given time.

    start: the state at times[0], any shape (...); returns the states (len(times), ...). Raises
    ValueError for times that do not rise and for a g whose result has not the state's shape.
    """
    return _march(_euler_step, g, start, times)


def rk4(g, start, times):
    """The classical Runge-Kutta scheme (Kutta 1901), an error of order h^4; as `euler`."""
    return _march(_rk4_step, g, start, times)


def _euler_step(g, state, time, step):
    return state + step * g(state, time)


def _rk4_step(g, state, time, step):
    middle = time + step / 2
    first = g(state, time)
    second = g(state + step / 2 * first, middle)
    third = g(state + step / 2 * second, middle)
    return state + step / 6 * (
        first + 2 * second + 2 * third + g(state + step * third, time + step)
    )


def _march(advance, g, start, times):
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or not times.size:
        raise ValueError(f"times must be a list of numbers, not of shape {times.shape}")
    if (falls := ~(np.diff(times) > 0)).any():
        low, high = times[falls.argmax() :][:2]
        raise ValueError(f"times must rise, but {high:g} follows {low:g}")
    slope = _array_valued(g, np.array(start, dtype=float), times[0])
    states = np.empty((len(times), *np.shape(start)))
    states[0] = start
    for i, step in enumerate(np.diff(times)):
        states[i + 1] = advance(slope, states[i], times[i], step)
    return states


def _array_valued(g, start, time):
    """g as a function that returns an array, checked once: a user may return a tuple."""
    shape = np.shape(g(start, time))
    if shape != start.shape:
        raise ValueError(f"g(s, t) has shape {shape}, not that of the state, {start.shape}")
    return lambda state, time: np.asarray(g(state, time), dtype=float)


def oscillator_matrix(mass=1.0, damping=0.4, stiffness=1.0):
    """A (2, 2) of s' = A s for m s'' + eta s' + k s = 0. Raises ValueError for a mass <= 0."""
    if not mass > 0:
        raise ValueError(f"mass={mass}: must be > 0")
    return np.array([[0.0, 1.0], [-stiffness / mass, -damping / mass]])


def oscillator(force, mass=1.0, damping=0.4, stiffness=1.0):
    """g(s, t) of the oscillator under force(t)."""
    A = oscillator_matrix(mass, damping, stiffness)

    def g(state, time):
        position, velocity = state
        return np.array([velocity, A[1, 0] * position + A[1, 1] * velocity + force(time) / mass])

    return g


def oscillator_cell(interval, mass=1.0, damping=0.4, stiffness=1.0):
    """W (2, 2) and U (2, 1) of the linear cell that Euler's scheme is, for steps of `interval`.

    W = 1 + dt A = [[1, dt], [-k dt/m, 1 - eta dt/m]], U = (0, dt/m): h_i = W h_{i-1} + U F_{i-1}.
    """
    W = np.eye(2) + interval * oscillator_matrix(mass, damping, stiffness)
    return W, np.array([[0.0], [interval / mass]])


def stability_limit(A):
    """The largest dt for which no eigenvalue of 1 + dt A is outside the unit disc; inf if any dt.

    |1 + dt mu| <= 1 for each eigenvalue mu of A (n, n) if dt <= -2 Re(mu)/|mu|^2. An underdamped
    oscillator has eta/k; one without damping 0: no step is small enough.
    """
    mu = np.linalg.eigvals(A)
    mu = mu[mu != 0]
    return float(np.maximum(-2 * mu.real / np.abs(mu) ** 2, 0).min(initial=np.inf))


def pendulum(state, time):
    """theta'' = -sin(theta); state (theta, theta'), time in units of sqrt(length/gravity)."""
    angle, velocity = state
    return np.array([velocity, -np.sin(angle)])


def van_der_pol(state, time, mu=1.0):
    """x'' = mu (1 - x^2) x' - x: its damping feeds small motions and eats large ones."""
    position, velocity = state
    return np.array([velocity, mu * (1 - position**2) * velocity - position])
