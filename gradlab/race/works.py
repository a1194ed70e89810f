"""What is raced over: works by name, their sizes, and the arrays that every contender takes.

Three kinds of work, each a tanh network with a readout, h_t = tanh(b + W h_{t-1} + U x_t),
o_t = c + V h_t, and L = the mean over lanes of ||o_t - y_t||^2 at the last step or summed over t:

batch     the gradients of U, W, b, V, c of one network
networks  the same of many networks of one lane, a W each
sweep     for seeds x radii x lengths, ||dL/d(radius W)||, L at the last step of each length
lags      ||dL/dh_t|| of every step and lane, loss at the last step
"""

from dataclasses import dataclass, replace

import numpy as np

from gradlab.nets import draws

NEAR_LINEAR, CHAOTIC_STEPS = 0.9, 20  # a radius and a length at which programs must agree
RADII = (0.5, 2.5)


@dataclass(frozen=True)
class Work:
    """Sizes: T steps, B lanes, N units, D inputs, O outputs; networks or seeds; radii; lengths."""

    kind: str
    steps: int
    hidden: int
    lanes: int = 1
    inputs: int = 1
    outputs: int = 2
    at: str = "last"
    count: int = 1
    radii: int = 1
    lengths: tuple = ()

    def smaller(self, shrink):
        """The same work with fewer steps, networks and radii, for a quick run."""
        return replace(
            self,
            steps=max(self.steps // shrink, CHAOTIC_STEPS),
            lanes=max(self.lanes // shrink, min(self.lanes, 4)),
            count=max(self.count // shrink, min(self.count, 4)),
            radii=max(self.radii // shrink, min(self.radii, 5)),
            lengths=tuple(dict.fromkeys(max(n // shrink, 10) for n in self.lengths)),
        )

    def shorter(self, steps):
        """The same work on sequences of at most `steps` steps."""
        lengths = tuple(dict.fromkeys(min(n, steps) for n in self.lengths))
        return replace(self, steps=min(self.steps, steps), lengths=lengths)


WORKS = {
    "one sequence": Work("batch", 200, 50),
    "minibatch": Work("batch", 200, 50, lanes=20, inputs=6, at="every"),
    "minibatch of 128 units": Work("batch", 100, 128, lanes=32, inputs=6, at="every"),
    "large": Work("batch", 256, 512, lanes=64, inputs=6, at="every"),
    "512 networks": Work("networks", 200, 50, count=512),
    "seeds x radii": Work("sweep", 200, 50, count=20, radii=21, lengths=(200,)),
    "main job": Work(
        "sweep", 500, 64, count=20, radii=21, lengths=(10, 20, 50, 100, 200, 500)
    ),
    "gradient by lag": Work("lags", 1000, 64, lanes=20),
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A work with its arrays, which contenders only read.

    weights U (S, N, D), W (S, N, N) of spectral radius 1 times `scale`, b, V, c with S networks;
    radius (R,) multiplies W (1 but in a sweep); x (T, B, D), y (T or 1, B, O).
    """

    work: Work
    weights: dict
    radius: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @property
    def first(self):
        """The weights of the first network."""
        return {name: value[0] for name, value in self.weights.items()}

    def part(self, networks):
        """The problem of some of its networks (a slice)."""
        weights = {name: value[networks] for name, value in self.weights.items()}
        work = replace(self.work, count=len(weights["W"]))
        return replace(self, work=work, weights=weights)

    def shorter(self, steps):
        """The problem of the first steps."""
        work = self.work.shorter(steps)
        y = self.y[: work.steps] if work.at == "every" else self.y
        return replace(self, work=work, x=self.x[: work.steps], y=y)


def problem(work, precision="float64"):
    """The arrays of a work: the same for every contender, and from one session to the next."""
    stream = draws.stream(race=work.kind, hidden=work.hidden, count=work.count)
    every = [_network(stream, work) for _ in range(work.count)]
    weights = {name: np.array([one[name] for one in every], precision) for name in every[0]}
    sweep = work.kind == "sweep"
    radius = np.linspace(*RADII, work.radii) if sweep else np.ones(1)
    steps = work.steps if work.at == "every" or sweep else 1
    x = 0.3 * stream.standard_normal((work.steps, work.lanes, work.inputs))
    y = stream.standard_normal((steps, work.lanes, work.outputs))
    return Problem(work, weights, *(a.astype(precision) for a in (radius, x, y)))


def _network(stream, work):
    radius = 1.0 if work.kind == "sweep" else NEAR_LINEAR
    return {
        "U": draws.dense(stream, work.hidden, work.inputs),
        "W": draws.recurrent(stream, work.hidden, spectral_radius=radius),
        "b": 0.1 * stream.standard_normal(work.hidden),
        "V": draws.dense(stream, work.outputs, work.hidden),
        "c": np.zeros(work.outputs),
    }


def proofs(whole):
    """The problems on which contenders must agree: radius 0.9 at full length, all radii at T = 20.

    Beyond the edge of chaos two correct programs part ways after some tens of steps.
    """
    near = replace(whole, radius=np.full_like(whole.radius, NEAR_LINEAR))
    if whole.work.kind != "sweep":
        return [whole]
    return [near, whole.shorter(CHAOTIC_STEPS)]


def arithmetic(work):
    """(flops, activations) that no exact program saves: products with W, U and the outer products.

    A forward step costs 2 N^2 + 2 N D a lane, a backward one 2 N^2, its share of dL/dW 2 N^2.
    """
    n, chains = work.hidden, work.count * work.radii * work.lanes
    forward = work.steps * chains
    backward = chains * (sum(work.lengths) if work.kind == "sweep" else work.steps)
    flops = forward * (2 * n**2 + 2 * n * work.inputs) + backward * 2 * n**2
    if work.kind != "lags":
        flops += backward * 2 * n**2
    if work.kind in ("batch", "networks"):
        flops += backward * 2 * n * work.inputs
    if work.at == "every":
        flops += 3 * forward * 2 * n * work.outputs
    return flops, forward * n
