"""A cell with its weights, a linear readout, and the gradients of a loss through both."""

from dataclasses import dataclass

import numpy as np

from gradlab.errors import UserError
from gradlab.nets import cell as cells
from gradlab.nets import draws, view
from gradlab.nets.batch import Batch, Run
from gradlab.nets.cell import one_of
from gradlab.nets.result import Gradients
from gradlab.nets.slopes import Loss
from gradlab.threads import each


@dataclass(frozen=True)
class States:
    """What a forward pass leaves: states (T+1, B, N) with h[0] first, outputs o (T, B, O).

    Steps after a lane's own length hold zeros (states) and c (outputs).
    """

    states: np.ndarray
    outputs: np.ndarray


class Network:
    """A recurrent network: a_t = b + W h_{t-1} + U x_t, h_t = f(a_t), o_t = c + V h_t.

    `weights` is a dict of arrays, U (N, D), W (N, N), b (N,), V (O, N), c (O,), that may be
    changed in place; `activation` is f: tanh, relu, sigmoid or identity.
    """

    def __init__(self, weights, cell="elman", activation="tanh"):
        self.activation = cells.activation(activation)
        self.module = cells.find(cell, activation)
        self.weights, self.cell = weights, cell
        _check_shapes(weights)

    @classmethod
    def draw(
        cls, cell="elman", *, inputs, hidden, outputs, activation="tanh", init="gaussian",
        spectral_radius=None, input_scale=1.0, seed=0, dtype="float64",
    ):  # fmt: skip
        """A random network; the same arguments give the same weights.

        W by `init` (see gradlab.nets.draws.recurrent), rescaled to `spectral_radius` unless that
        is None; U ~ N(0, 1/D) times input_scale; V ~ N(0, 1/N); biases 0. Raises UserError for an
        unknown name, a size below 1, and a nilpotent W that cannot have its radius.
        """
        for name, size in {"inputs": inputs, "hidden": hidden, "outputs": outputs}.items():
            if not (isinstance(size, int | np.integer) and size >= 1):
                raise UserError(f"{name} must be a whole number from 1, not {size!r}")
        one_of("dtype", str(np.dtype(dtype)), ("float64", "float32"))
        stream = draws.stream(seed=seed, init=init, hidden_size=hidden)
        try:
            W = draws.recurrent(stream, hidden, init, spectral_radius)
        except ValueError as error:
            raise UserError(f"seed={seed}: {error}") from None
        weights = {
            "U": draws.dense(stream, hidden, inputs) * input_scale,
            "W": W,
            "b": np.zeros(hidden),
            "V": draws.dense(stream, outputs, hidden),
            "c": np.zeros(outputs),
        }
        return cls({k: v.astype(dtype) for k, v in weights.items()}, cell, activation)

    def __repr__(self):
        sizes = f"{self.weights['U'].shape[1]} -> {self.hidden} -> {len(self.weights['c'])}"
        return f"Network({self.cell}, {self.activation}, {sizes}, {self.weights['W'].dtype})"

    def _repr_html_(self):
        return view.network(self)

    @property
    def hidden(self):
        """Number of hidden units N."""
        return len(self.weights["W"])

    def forward(self, x, h0=None, lengths=None):
        """Run x (T, B, D) from h0 (N,) or (B, N), zeros unless given; lengths (B,) of 1 to T.

        Returns states (T+1, B, N) and outputs (T, B, O).
        """
        batch = Batch.of(self, x, h0, lengths)
        runs = each(lambda group: Run.of(batch, group), batch.groups)
        states = batch.joined([run.hidden for run in runs])
        return States(states, self.readout(states[1:]))

    def readout(self, h):
        """o = c + V h of states (..., N)."""
        return h @ self.weights["V"].T + self.weights["c"]

    def gradients(
        self, x, y, loss="squared_error", at="every", *, readout=None, h0=None, lengths=None
    ):
        """Backpropagation through time: the gradients of L = sum over t of L_t, mean over lanes.

        x (T, B, D); y (T, B, O), or (B, O) where at="last" puts the loss at each lane's own last
        step; class numbers (T, B) or (B,) for loss="cross_entropy". squared_error reads o itself
        unless readout="softmax" or "sigmoid". See `Gradients` for what comes back. Raises
        UserError, one line, for shapes and names that do not fit; a result that is not finite is
        no error but a status.
        """
        batch = Batch.of(self, x, h0, lengths)
        return Gradients(batch, Loss.of(batch, y, loss, readout, at))


def _check_shapes(weights):
    missing = [name for name in "UWbVc" if name not in weights]
    if missing:
        raise UserError(f"weights lack {', '.join(missing)}: give U, W, b, V and c")
    hidden, outputs = len(weights["b"]), len(weights["c"])
    inputs = weights["U"].shape[-1]
    right = {
        "U": (hidden, inputs), "W": (hidden, hidden), "V": (outputs, hidden),
        "b": (hidden,), "c": (outputs,),
    }  # fmt: skip
    for name, shape in right.items():
        if weights[name].shape != shape:
            raise UserError(f"weights[{name!r}] has shape {weights[name].shape}, not {shape}")
