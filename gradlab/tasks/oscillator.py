"""The course's driven oscillator, m x'' + eta x' + k x = F(t): from the force to the motion."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import expm

from gradlab.errors import UserError

INPUTS = 1
OUTPUTS = 2
LOSS = "squared_error"
AT = "every"
LENGTH_FREE = True


class Oscillator(NamedTuple):
    """mass x'' + damping x' + stiffness x = amplitude cos(frequency t), and its start."""

    mass: float = 1.0
    damping: float = 0.4
    stiffness: float = 1.0
    amplitude: float = 1.0
    frequency: float = 0.5
    position: float = 1.0
    velocity: float = 0.0

    def force(self, times):
        """F at the times, any shape."""
        return self.amplitude * np.cos(self.frequency * times)

    def motion(self, length, interval):
        """Position and velocity (length + 1, 2) at times 0, interval, 2 interval, ...

        The force obeys a linear equation too: (x, v, cos, sin)' = M (x, v, cos, sin). So one factor
        exp(M interval) a step is exact, with any damping and at resonance alike.
        """
        state = np.array([self.position, self.velocity, 1.0, 0.0])
        step = expm(interval * self._generator())
        states = [state, *(state := step @ state for _ in range(length))]
        return np.array(states)[:, :2]

    def _generator(self):
        mass, turn = self.mass, self.frequency
        accelerate = [-self.stiffness / mass, -self.damping / mass, self.amplitude / mass, 0]
        return np.array([[0, 1, 0, 0], accelerate, [0, 0, 0, -turn], [0, 0, turn, 0]])


def sample(rng, length, batch=1, interval=0.1, **oscillator):
    """Forces (T, B, 1) and (position, velocity) (T, B, 2), the same in every lane; rng is not used.

    inputs[t] is the force at time t*interval, targets[t] the state one interval later, at
    (t+1)*interval. Keywords are the fields of Oscillator; m = k = 1, eta = .4, F = cos(.5 t), x = 1
    and v = 0 at the start unless told. Raises UserError for an unknown one and for an interval or
    a mass that is not positive.
    """
    system = _system(oscillator)
    if not interval > 0:
        raise UserError(f"interval={interval}: must be > 0")
    force = system.force(interval * np.arange(length))[:, None, None]
    motion = system.motion(length, interval)[1:, None, :]
    return np.repeat(force, batch, axis=1), np.repeat(motion, batch, axis=1)


def _system(options):
    unknown = options.keys() - set(Oscillator._fields)
    if unknown:
        known = ", ".join(("interval", *Oscillator._fields))
        raise UserError(f"task oscillator has no option {min(unknown)}; it has {known}")
    system = Oscillator(**options)
    if not system.mass > 0:
        raise UserError(f"mass={system.mass}: must be > 0")
    return system
