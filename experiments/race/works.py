"""What is raced over: works by name, their sizes, and the arrays that every contender takes.

The first four kinds are of tanh networks with a readout, h_t = tanh(b + W h_{t-1} + U x_t),
o_t = c + V h_t, and L = the mean over lanes of ||o_t - y_t||^2 at the last step or summed over t:

batch     the gradients of U, W, b, V, c of one network
networks  the same of many networks of one lane, a W each
sweep     for seeds x radii x lengths, ||dL/d(radius W)||, L at the last step of each length
lags      ||dL/dh_t|| of every step and lane, loss at the last step
cell      the gradients of all weights of one network of another cell, or of a stack
training  the weights after so many updates of a tanh network on temporal order, the gradient of
          the mean cross-entropy clipped at norm THRESHOLD, on minibatches drawn beforehand
epoch     the same of the tagger, embedding -> LSTM -> tags, after one epoch of minibatches of
          sentences of like lengths (sentences.py); the mean is over words
"""

from dataclasses import dataclass, replace

import numpy as np

from gradlab.nets import draws
from gradlab.nets.network import Network
from gradlab.tasks import temporal_order
from race import sentences

NEAR_LINEAR, CHAOTIC_STEPS = 0.9, 20  # a radius and a length at which programs must agree
RADII = (0.5, 2.5)
THRESHOLD = 1.0
RATES = {"sgd": 0.01, "adam": 0.001}


@dataclass(frozen=True)
class Work:
    """Sizes: T steps, B lanes, N units, D inputs, O outputs; networks or seeds; radii; lengths.

    cell, layers, both   of kind "cell"; both: directions
    updates, optimizer   of kinds "training" and "epoch", and Omega's factor
    words                of kind "epoch": rows of the embedding; D is its width, T a mean length
    """

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
    cell: str = "elman"
    layers: int = 1
    both: bool = False
    updates: int = 0
    optimizer: str = "sgd"
    omega: float = 0.0
    words: int = 0

    def smaller(self, shrink):
        """The same work with fewer steps, networks, radii and updates, for a quick run."""
        return replace(
            self,
            steps=max(self.steps // shrink, min(self.steps, CHAOTIC_STEPS)),
            lanes=max(self.lanes // shrink, min(self.lanes, 4)),
            count=max(self.count // shrink, min(self.count, 4)),
            radii=max(self.radii // shrink, min(self.radii, 5)),
            lengths=tuple(dict.fromkeys(max(n // shrink, 10) for n in self.lengths)),
            updates=max(self.updates // shrink, min(self.updates, 4)),
            words=self.words // shrink,
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
    "LSTM": Work("cell", 200, 50, lanes=20, inputs=6, at="every", cell="lstm"),
    "LSTM of 256 units": Work("cell", 128, 256, lanes=64, inputs=6, at="every", cell="lstm"),
    "GRU": Work("cell", 200, 50, lanes=20, inputs=6, at="every", cell="gru"),
    "GRU of 256 units": Work("cell", 128, 256, lanes=64, inputs=6, at="every", cell="gru"),
    "Jordan": Work("cell", 200, 50, lanes=20, inputs=6, at="every", cell="jordan"),
    "two LSTM layers both ways": Work(
        "cell", 200, 50, lanes=20, inputs=6, at="every", cell="lstm", layers=2, both=True
    ),
    "training by SGD with Omega": Work(
        "training", 100, 50, lanes=20, inputs=6, outputs=4, updates=30, omega=2.0
    ),
    "training by Adam": Work(
        "training", 100, 50, lanes=20, inputs=6, outputs=4, updates=30, optimizer="adam"
    ),
    "tagger epoch": Work(
        "epoch", 16, 64, lanes=32, inputs=64, outputs=17, at="every", cell="lstm", updates=392,
        optimizer="adam", words=19_989,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A work with its arrays, which contenders only read.

    weights U (S, N, D), W (S, N, N) of spectral radius 1 times `scale`, b, V, c with S networks;
    radius (R,) multiplies W (1 but in a sweep); x (T, B, D), y (T or 1, B, O). A training has a
    minibatch an update: x (updates, T, B, D) and classes y (updates, B). An epoch has S sentences:
    words x (T, S) and tags y (T, S), padded; `sentences.minibatches` are its minibatches.
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
    radius = np.linspace(*RADII, work.radii) if work.kind == "sweep" else np.ones(1)
    x, y = DRAWN.get(work.kind, _sequences)(stream, work)
    x, y = (own.astype(precision) if own.dtype.kind == "f" else own for own in (x, y))
    return Problem(work, weights, radius.astype(precision), x, y)


def _sequences(stream, work):
    steps = work.steps if work.at == "every" or work.kind == "sweep" else 1
    x = 0.3 * stream.standard_normal((work.steps, work.lanes, work.inputs))
    return x, stream.standard_normal((steps, work.lanes, work.outputs))


def _minibatches(stream, work):
    drawn = [temporal_order.sample(stream, work.steps, work.lanes) for _ in range(work.updates)]
    return (np.array(arrays) for arrays in zip(*drawn, strict=True))


DRAWN = {"training": _minibatches, "epoch": sentences.drawn}


def _network(stream, work):
    if work.kind == "epoch":
        return sentences.weights(work)
    if work.kind == "cell":
        return _other_network(stream, work)
    radius = 1.0 if work.kind == "sweep" else NEAR_LINEAR
    return {
        "U": draws.dense(stream, work.hidden, work.inputs),
        "W": draws.recurrent(stream, work.hidden, spectral_radius=radius),
        "b": 0.1 * stream.standard_normal(work.hidden),
        "V": draws.dense(stream, work.outputs, work.hidden),
        "c": np.zeros(work.outputs),
    }


def _other_network(stream, work):
    weights = Network.draw(
        work.cell, inputs=work.inputs, hidden=work.hidden, outputs=work.outputs,
        spectral_radius=NEAR_LINEAR, layers=work.layers, bidirectional=work.both,
    ).weights  # fmt: skip
    moved = {name: 0.1 * stream.standard_normal(b.shape) for name, b in _biases(weights)}
    return weights | moved


def _biases(weights):
    return [(name, value) for name, value in weights.items() if value.ndim == 1]


def proofs(whole):
    """The problems on which contenders must agree: radius 0.9 at full length, all radii at T = 20.

    Beyond the edge of chaos two correct programs part ways after some tens of steps.
    """
    near = replace(whole, radius=np.full_like(whole.radius, NEAR_LINEAR))
    if whole.work.kind != "sweep":
        return [whole]
    return [near, whole.shorter(CHAOTIC_STEPS)]
