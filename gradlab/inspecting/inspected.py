"""`gradlab.inspect`: a model, and what its gradient does."""

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gradlab import files, given
from gradlab.errors import UserError, one_of
from gradlab.inspecting import advice, inputs, layers, remedies, report, rules, slopes, units
from gradlab.models import objects
from gradlab.nets.embedding import NAME as EMBEDDING
from gradlab.nets.losses import LOSSES
from gradlab.nets.network import Network
from gradlab.theory.truncation import BIAS

SECONDS = 1e10  # multiplications that take some

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


def inspect(
    model: Any,
    x: Any = None,
    y: Any = None,
    loss: str | None = None,
    *,
    layer: Any = None,
    activation: str | None = None,
    readout: str | bool | None = None,
    batch_first: bool | None = None,
    needs: int | None = None,
    rate: float | None = None,
    share: float = layers.SHARE,
    bias: float = BIAS,
    steps: int = inputs.STEPS,
    sequences: int = inputs.LANES,
    seed: int = 0,
    progress: bool = False,
) -> "Inspected":
    """Where the gradient of a recurrent network vanishes or explodes, why, and what follows.

    model       a Network; the path of a .safetensors, .npz or .onnx file; a torch.nn.RNN, LSTM or
                GRU or a module that holds one; a state_dict; a Keras layer; a dict of arrays
    x           inputs (T, B, D), (T, D) or (T,), or the path of a .npy, .csv or .parquet file;
                noise of unit variance unless given, of `steps` steps, or `needs` if that is more;
                of a model with an embedding whole numbers (T, B) or (T,), at random unless given,
                or values, for which the embedding is left out
    y           targets of every step (T, B, O), or of the last one (B, O); classes (T, B), (B,)
    loss        squared_error, cross_entropy (for class numbers) or binary_cross_entropy
    layer, activation, readout   as `Network.load` takes them
    batch_first whether x, and y, are (B, T, ...); unless given as the module takes them: those of
                Keras do, those of PyTorch may; else they are (T, B, ...)
    needs       steps back that the task needs, which the horizon is held against
    rate        learning rate of plain SGD, for the size of an update
    share       of the first norm, down to which a gradient counts as there: the horizon's
    bias        of truncated backpropagation, relative, that is tolerated
    progress    show a bar where a model is large

    With targets the gradient is dL/dh_k of the last step's loss, else dh_T/dh_k, whose size is the
    root mean square of its singular values, ||dh_T/dh_k||_F / sqrt(N). Definitions and sources:
    gradlab/inspecting. Raises UserError, one line, for what is no model and what does not fit it.

        net = gradlab.Network.draw("lstm", inputs=2, hidden=16, outputs=1, forget_bias=-3)
        seen = gradlab.inspect(net)
        print(seen)      # one screen
        seen.advice[0]   # "Layer 0: the gradient vanishes. ..."
        seen.layers      # a row a layer and direction
        seen.table       # a row a lag of each
    """
    told: dict[str, Any] = {"layer": layer, "activation": activation, "readout": readout}
    net, name = _network(model, told)
    if x is not None and EMBEDDING in net.weights:
        x = inputs.array_of("inputs", x)
        if x.dtype.kind == "f":
            net, name = _network(model, told | {"embedding": False})
    share = _share("share", share)
    how = share, _share("bias", bias), _needs(needs), _rate(rate)
    steps, sequences = (
        given.whole(key, value, "be a whole number from 1", 1)
        for key, value in (("steps", steps), ("sequences", sequences))
    )
    noise = max(steps, min(how[2] or 0, inputs.LONGEST)), sequences, seed  # as long as it needs
    said = batch_first is None and x is not None and objects.is_batch_first(model)
    shown = inputs.of(net, x, y, batch_first or said, loss, noise)
    if said:
        note = "inputs are (B, T, D), as the module takes them: batch_first=False if not"
        shown = shown._replace(notes=(note, *shown.notes))
    return Inspected(net, name, shown, _loss(loss, shown), (*how, progress))


class Inspected:
    """A model, and what its gradient does; print it for the screen.

    net, name  the Network, and what it was read from
    layers     a DataFrame, a row a layer and direction; table: a row a lag of each
    text       one screen of plain words; advice: its sentences
    record     the same as plain values
    figure     the gradient by lag, its singular values, the bias of truncation
    attempt    tries remedies on the spot; `remedies` holds what they gave
    """

    def __init__(self, net, name, shown, loss, how):
        self.net, self.name, self.inputs, self.loss = net, name, shown, loss
        self.share, self.bias, self.needs, self.rate, self._progress = how
        self.steps, self.lanes = shown.x.shape[:2]
        self.notes, self.remedies, self.tried = shown.notes, (), False
        with self._bar(layers.parts(net)) as told:
            self.found = layers.of(net, shown, loss, self.share, self.bias, told)
        weights = {name: net.weights[name] for name in slopes.own(net)}
        read = "V" in weights and not net.reads_out
        self.rules = rules.of(self.found, read, units.flat(net), self.rate, weights)
        self.advice = advice.of(self)

    def attempt(self) -> "Inspected":
        """Try remedies; they stand in `remedies` (inspecting/remedies.py), each with its `net`."""
        with self._bar(len(remedies.ATTEMPTS)) as told:
            self.remedies, self.tried = remedies.of(self, told), True
        return self

    @contextmanager
    def _bar(self, total):
        """What counts parts of the work: a bar where it takes seconds and somebody asked."""
        if not self._progress or inputs.work(self.net, self.inputs) < SECONDS:
            yield bool
            return
        from gradlab.suite import progress, tell

        with tell.aloud(), progress.bar(total) as bar:
            yield lambda: bar.update(1)

    @property
    def remedy(self) -> str:
        """The sentence on what helps most of what was tried."""
        return remedies.best(self.remedies, min(self.needs or self.steps, self.steps))

    @property
    def text(self) -> str:
        """The screen that `gradlab inspect` prints."""
        return report.text(self)

    @property
    def record(self) -> dict:
        """What `gradlab inspect --json` prints."""
        return report.record(self)

    @property
    def layers(self) -> "DataFrame":
        """A row a layer and direction, as a DataFrame."""
        from gradlab.inspecting import tables

        return tables.of_layers(self)

    @property
    def table(self) -> "DataFrame":
        """A row a lag of each layer and direction, as a DataFrame."""
        from gradlab.inspecting import tables

        return tables.by_lag(self)

    def figure(self) -> "Figure":
        """The gradient by lag, singular values of dh_T/dh_k, and the bias of truncation."""
        from gradlab.plots import inspected

        return inspected.figure(self.table, advice.headline(self))

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        from gradlab.plots import notebook

        return notebook.shown(self.text, self.figure(), "the gradient by lag")


def _network(model, how):
    """(Network, its name); how: what `Network.load` takes."""
    if isinstance(model, Network):
        if said := [key for key, value in how.items() if value is not None and key != "embedding"]:
            raise UserError(f"{', '.join(said)}: a Network says it itself, leave it out")
        model = model.checked()
        if how.get("embedding") is False:
            weights = {name: own for name, own in model.weights.items() if name != EMBEDDING}
            model = Network(weights, model.cell, model.activation, model.feedback)
        return model, "network"
    if isinstance(model, str | os.PathLike):
        return Network.load(model, **how), files.expanded(model).name
    return Network.of(model, **how), type(model).__name__


def _loss(loss, shown):
    if shown.y is None:
        if loss is not None:
            raise UserError(f"loss={loss!r} without targets: give them")
        return None
    if loss is not None:
        return one_of("loss", loss, LOSSES)
    return "cross_entropy" if shown.y.dtype.kind in "iu" else "squared_error"


def _share(name, value):
    value = given.number(name, value)
    if not 0 < value < 1:
        raise UserError(f"{name}={value:g}: must be above 0 and below 1")
    return value


def _needs(value):
    return None if value is None else given.whole("needs", value, "be a whole number from 1", 1)


def _rate(value):
    if value is None:
        return None
    value = given.number("rate", value)
    if value <= 0:
        raise UserError(f"rate={value:g}: must be a number above 0")
    return value
