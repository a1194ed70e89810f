"""A cell with its weights, a linear readout, and the gradients of a loss through both."""

import copy
import os
from dataclasses import dataclass

import numpy as np

from gradlab import files, given
from gradlab.errors import UserError, one_of
from gradlab.kernels import losses
from gradlab.models import opened, own
from gradlab.models.contents import Choice, Model
from gradlab.nets import chains, draws, plotted, registry, view
from gradlab.nets import weights as shapes
from gradlab.nets.batch import Batch, Run, part_of
from gradlab.nets.embedding import NAME as EMBEDDING
from gradlab.nets.gradients import Gradients
from gradlab.nets.heads import Loss
from gradlab.nets.truncated import Truncation
from gradlab.threads import each

DTYPES = ("float64", "float32")


def _dtype(value):
    try:
        name = str(np.dtype(value))
    except TypeError:
        name = value
    return one_of("dtype", name, DTYPES)


@dataclass(frozen=True)
class States:
    """What a forward pass leaves: states (T+1, B, N) with h[0] first, outputs o (T, B, O).

    cell_states (T+1, B, N) are an LSTM's c, None for other cells. A Jordan cell's states are its
    outputs, (T+1, B, O). Steps after a lane's own length hold zeros (states) and c (outputs).
    In both directions states are 2N wide, forward before reverse: row 0 the initial ones, row t
    those of step t. They are the top layer's; `layers` has every layer's, from below, `cell_layers`
    every layer's c.
    """

    states: np.ndarray
    outputs: np.ndarray
    cell_states: np.ndarray | None = None
    layers: tuple = ()
    cell_layers: tuple = ()

    def ends(self, lengths=None):
        """(h, c) of each lane's own last step, or (h,): the h0 of one that goes on from there.

        lengths (B,): those of the pass, T unless given. It is (B, N), of several layers (C, B, N);
        of one direction.

        >>> net, x = Network.draw("lstm", inputs=2, hidden=3, outputs=1), np.ones((6, 1, 2))
        >>> begun = net.forward(x[:4])
        >>> again = net.forward(x[4:], begun.ends())
        >>> np.array_equal(again.outputs, net.forward(x).outputs[4:])
        True
        """
        steps, lanes = len(self.states) - 1, np.arange(self.states.shape[1])
        last = np.full(len(lanes), steps) if lengths is None else np.asarray(lengths)
        parts = [part for part in (self.layers, self.cell_layers) if part]
        ends = [np.stack([own[last, lanes] for own in layers]) for layers in parts]
        return tuple(part[0] if len(part) == 1 else part for part in ends)


class Network:
    """A recurrent network, such as a_t = b + W h_{t-1} + U x_t, h_t = f(a_t), o_t = c + V h_t.

    `weights` is a dict of arrays, U (N, D), W (N, N), b (N,), V (O, N), c (O,), that may be
    changed in place and by assignment. A pass computes in float32 if all of them are float32, else
    in float64, which must hold them exactly; it raises UserError, one line, where they do not fit
    (see gradlab.given). `activation` is f: tanh, relu, sigmoid or identity. The gates of `lstm`
    (i, f, g, o) and `gru` (r, z, n) are stacked in U, W and b, and gru has b_recurrent (3N,); the
    W of `jordan` is (N, O), and its `feedback` says what is fed back: output or probability
    (softmax, or sigmoid of a single output). With an `embedding` E (K, D) among the weights x is
    whole numbers (T, B) from 0 to K - 1, and U sees row E[x_t] of each. `notes` are lines on
    weights that came from elsewhere: what was assumed of them, and what was left (see `load`);
    `lacks` are the letters of those that only stand in for what the other model does not have, as 0
    does for its biases.
    """

    notes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def __init__(self, weights, cell="elman", activation="tanh", feedback="output"):
        self.module = registry.find(cell, activation)
        self.activation = registry.activation(activation, self.module)
        self.feedback = one_of("feedback", feedback, self.module.feedbacks)
        self.weights, self.cell = given.weights(weights), cell
        self._fitting = None
        self.checked()

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "module"}

    def __setstate__(self, state):
        vars(self).update(state, module=registry.find(state["cell"], state["activation"]))

    @classmethod
    def draw(
        cls, cell="elman", *, inputs, hidden, outputs, activation="tanh", init="gaussian",
        spectral_radius=None, input_scale=1.0, forget_bias=0.0, chrono=0, feedback="output",
        layers=1, bidirectional=False, embedding=None, seed=0, dtype="float64",
    ):  # fmt: skip
        """A random network; the same arguments give the same weights.

        W by `init` (see gradlab.nets.draws.recurrent), rescaled to `spectral_radius` unless that
        is None: each gate's block by itself, and for jordan W V has the radius. U ~ N(0, 1/D) times
        input_scale; V ~ N(0, 1/N); biases 0, but forget_bias for the gate that keeps the state (f
        of lstm, z of gru), and chrono, the steps of memory that those of the gates are drawn for
        (see gradlab.nets.weights.add_chrono). embedding: how many values D stand for each of
        `inputs` words, E ~ N(0, 1) as in PyTorch: x is then numbers (T, B) from 0 to inputs - 1.
        Raises UserError for an unknown name, a size below 1, and a nilpotent W that cannot have its
        radius. More layers or directions: see gradlab.nets.chains.

        >>> net = Network.draw("lstm", inputs=1000, embedding=8, hidden=16, outputs=12)
        >>> net
        Network(lstm, tanh, 1000 -> 16 -> 12, embedding=8, float64)
        >>> net.gradients([[3], [999]], [[0], [11]], "cross_entropy").weights["embedding"].shape
        (1000, 8)
        """
        whole = {"inputs": inputs, "hidden": hidden, "outputs": outputs}
        whole |= {} if embedding is None else {"embedding": embedding}
        for name, count in whole.items():
            whole[name] = given.whole(name, count, "be a whole number from 1", 1)
        inputs, hidden, outputs, *width = whole.values()
        words, inputs = (inputs, *width) if width else (0, inputs)
        sizes = inputs, hidden, outputs
        layers = given.whole("layers", layers, "be a whole number from 1 to 9999", 1, 9999)
        dtype = _dtype(dtype)
        input_scale = given.number("input_scale", input_scale)
        forget_bias = given.number("forget_bias", forget_bias)
        chrono = given.whole("chrono", chrono, "be a whole number of steps from 3, or 0", 0)
        if spectral_radius is not None:
            given.number("spectral_radius", spectral_radius)
        if not isinstance(bidirectional, bool | np.bool_):
            raise UserError(f"bidirectional={bidirectional!r}: must be True or False")
        module, places = registry.find(cell, activation), chains.places(layers, bidirectional)
        shapes.check_places(module, places)
        shapes.check_size(module, sizes, places, words)
        try:
            stream = draws.stream(seed=seed, init=init, hidden_size=hidden)
        except (TypeError, ValueError) as error:
            raise UserError(str(error)) from None
        try:
            weights = shapes.draw(stream, module, sizes, places, init, spectral_radius)
        except ValueError as error:
            raise UserError(f"seed={seed}: {error}") from None
        with np.errstate(over="ignore"):
            for place in places:
                if place.layer == 0:
                    weights[f"U{place.suffix}"] *= input_scale
            shapes.add_forget_bias(module, weights, forget_bias)
            shapes.add_chrono(stream, module, weights, chrono)
            if words:
                weights[EMBEDDING] = stream.standard_normal((words, inputs))
            weights = {name: array.astype(dtype) for name, array in weights.items()}
        if lost := [name for name, array in weights.items() if not np.isfinite(array).all()]:
            raise UserError(
                f"{', '.join(lost)} of this size leave {dtype}'s range: draw smaller ones"
            )
        return cls(weights, cell, activation, feedback)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike,
        *,
        layer: Choice = None,
        activation: str | None = None,
        readout: str | bool | None = None,
        embedding: str | bool | None = None,
    ) -> "Network":
        """The recurrent network in a .safetensors, .npz or (with `onnx`) .onnx file.

        Read are `save`'s files to the bit; PyTorch's names (rnn.weight_hh_l0) and Keras's
        (lstm/lstm_cell/recurrent_kernel) in .safetensors and .npz; ONNX's RNN, LSTM and GRU. Their
        layouts, and what each refuses, stand in gradlab/models. float16 and bfloat16 become
        float32. Nothing is unpickled or executed.

        layer       which, by its name or the end of it, if there are several; a list of names
                    stacks them, the lowest first
        activation  of an RNN whose file does not say it: tanh unless given
        readout     the linear layer that becomes V (O, N) and c (O,), by its name, or False; unless
                    given the only one that fits. Without one o = h: V is 1, c is 0
        embedding   the table (K, D) whose rows are its input, by its name, or False; unless given
                    the only one that fits and has "emb" in its name, or is a module's nn.Embedding

        What was assumed and what was ignored is in `net.notes`. Raises UserError, one line, for
        every other kind of file, with the line that converts it, and for a layer that is another
        cell: with projections, peepholes, other activations.

        >>> net = Network.draw("lstm", inputs=2, hidden=3, outputs=1)
        >>> net.save("net.safetensors")
        >>> Network.load("net.safetensors")
        Network(lstm, tanh, 2 -> 3 -> 1, float64)
        >>> Network.load("net.safetensors", readout=False).notes[0]
        'no readout, the outputs are the states'
        """
        return cls._of(opened.of_file(path).model(layer, activation, readout, embedding))

    @classmethod
    def of(
        cls,
        model: object,
        *,
        layer: Choice = None,
        activation: str | None = None,
        readout: str | bool | None = None,
        embedding: str | bool | None = None,
    ) -> "Network":
        """The recurrent network in a program's own object, whose arrays are copied.

        model: a torch.nn.RNN, LSTM or GRU or a module that holds one; a state_dict; a Keras layer
        or model; a dict of arrays (what has __array__) by PyTorch's or Keras's names. PyTorch and
        Keras are not imported. The other arguments, notes and errors are those of `load`.

        >>> names = {"weight_ih_l0": np.zeros((6, 2)), "weight_hh_l0": np.zeros((6, 6))}
        >>> net = Network.of(names, activation="relu")
        >>> net
        Network(elman, relu, 2 -> 6 -> 6, float64)
        """
        return cls._of(opened.of_object(model).model(layer, activation, readout, embedding))

    @classmethod
    def _of(cls, model: Model) -> "Network":
        weights = {own.name(key): array for key, array in model.weights.items()}
        net = cls(weights, model.cell, model.activation, model.feedback)
        net.notes, net.lacks = model.notes, model.lacks
        return net

    def save(self, path: str | os.PathLike) -> None:
        """Write the weights to a .safetensors file; `load` gives the same bits again.

        elman, lstm and gru by PyTorch's names, so that a module with the parts `rnn` (nn.RNN, LSTM
        or GRU) and `readout` (nn.Linear) takes the file: module.load_state_dict(
        safetensors.torch.load_file(path)). A single b is its bias_ih, bias_hh is -0.0. Other cells
        have the names of net.weights. The file appears whole or not at all, and holds a digest of
        itself; ~ is the home folder. Raises UserError, one line, for a path that cannot be written
        or ends otherwise, and for a user's cell.
        """
        place = files.expanded(path)
        if place.suffix != ".safetensors":
            raise UserError(f"{path}: give a path that ends in .safetensors")
        said = {"cell": self.cell, "activation": self.activation, "feedback": self.feedback}
        weights = {own.key_of(name): array for name, array in self.checked().weights.items()}
        try:
            own.write(place, said, weights)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from None

    def __repr__(self):
        inputs, outputs = np.shape(self.weights["U"])[1], len(self.weights["c"])
        width = f", embedding={inputs}" if EMBEDDING in self.weights else ""
        inputs = len(self.weights.get(EMBEDDING, range(inputs)))
        sizes = f"{inputs} -> {self.hidden} -> {outputs}{width}"
        layers = f", layers={self.layers}" if self.layers > 1 else ""
        ways = ", bidirectional=True" if self.bidirectional else ""
        return f"Network({self.cell}, {self.activation}, {sizes}{layers}{ways}, {self.dtype})"

    def _repr_html_(self):
        return view.network(self)

    @property
    def hidden(self):
        """Number of hidden units N of a layer in one direction."""
        return np.shape(self.weights["V"])[1] // (1 + self.bidirectional)

    @property
    def dtype(self):
        """What a pass computes in, float64 or float32."""
        return given.weights(self.weights)["W"].dtype

    @property
    def layers(self):
        """Number of layers."""
        return self.places[-1].layer + 1

    @property
    def bidirectional(self):
        """Whether each layer runs in both directions."""
        return self.places[-1].reverse

    @property
    def state_parts(self):
        """Names of the parts of the state: h, and c for an LSTM."""
        return self.module.state_parts

    @property
    def reads_out(self):
        """Whether the readout is the cell's own: its state is the output."""
        return self.module.reads_out

    @property
    def readout_matrix(self):
        """do/dh (O, N), or (O, O) where h is the output."""
        V = self.checked().weights["V"]
        return np.eye(len(V), dtype=V.dtype) if self.reads_out else V

    def checked(self):
        """The network with its weights as they are now, of one dtype; itself if they are so.

        Raises UserError, one line, for weights that are no numbers or do not fit together.
        """
        weights = given.weights(self.weights)
        fitting = [(name, own.shape) for name, own in weights.items()]
        if fitting != self._fitting:
            self.places = chains.places_of(weights)
            shapes.check(self.module, weights, self.places)
            self._fitting = fitting
        if weights is self.weights:
            return self
        net = copy.copy(self)
        net.weights = weights
        return net

    def prepared(self, place=chains.FIRST):
        """One chain's weights as the cell's loops read them."""
        return self.prepared_chains()[place]

    def prepared_chains(self):
        """{place: weights} of all chains, as the cell's loops read them."""
        every = self.checked().weights
        found = {
            place: self.module.prepare(shapes.own(every, place), self.activation, every["W"].dtype)
            for place in self.places
        }
        if self.module.fed:
            code = self.module.feedbacks[self.feedback]
            found = {place: own._replace(feedback=code) for place, own in found.items()}
        return found

    def forward(self, x, h0=None, lengths=None, teacher=None):
        """Run x (T, B, D) from h0 (N,) or (B, N), zeros unless given; lengths (B,) of 1 to T.

        With an embedding x is whole numbers (T, B).

        For an LSTM h0 may be a pair (h0, c0), for jordan it is the output before the first step.
        With C > 1 chains h0 is (C, N) or (C, B, N), layer by layer, forward first. teacher
        (T, B, O), or class numbers (T, B): what jordan feeds back instead of its own outputs. See
        `States` for what comes back.
        """
        batch = Batch.of(self, x, h0, lengths, teacher)
        runs = each(lambda group: Run.of(batch, group), batch.groups)
        every = [batch.joined([run.states(i) for run in runs]) for i in range(self.layers)]
        parts = range(len(self.state_parts))
        h, *c = (tuple(part_of(self, states, i) for states in every) for i in parts)
        tops = (own[-1] for own in c or [[None]])
        return States(h[-1], batch.net.readout(h[-1][1:]), *tops, h, *c)

    @np.errstate(over="ignore", invalid="ignore")
    def readout(self, h):
        """o = c + V h of states (..., N); states of outputs are outputs."""
        if self.reads_out:
            return h
        weights = self.checked().weights
        V, c = (np.ascontiguousarray(weights[name]) for name in ("V", "c"))
        h = given.ready(np.ascontiguousarray(h), V.dtype)
        outputs = np.empty((*h.shape[:-1], len(c)), V.dtype)
        losses.outputs_of(h.reshape(-1, h.shape[-1]), V, c, outputs.reshape(-1, len(c)))
        return outputs

    def gradients(
        self, x, y, loss="squared_error", at="every", *, readout=None, h0=None, lengths=None,
        teacher=None, truncate=None, mean="lanes",
    ):  # fmt: skip
        """Backpropagation through time: the gradients of L = sum over t of L_t, mean over lanes.

        x (T, B, D), of an embedding numbers (T, B); y (T, B, O), or (B, O) where at="last" puts the
        loss at each lane's own last step; class numbers (T, B) or (B,) for loss="cross_entropy", of
        which -100 has no loss, as PyTorch's ignore_index. mean="steps" divides by the steps that
        have a loss instead of the lanes, as PyTorch's CrossEntropyLoss does over all words.
        squared_error reads o itself unless readout="softmax" or "sigmoid". teacher as for
        `forward`: no gradient goes back through what was given, which leaves no backpropagation
        through time. truncate=("window", k) lets L_t reach the steps t to t - k + 1, ("chunk", k)
        the steps of its own chunk: [0, k), [k, 2k), ... See `Gradients` for what comes back. Raises
        UserError, one line, for shapes and names that do not fit; a result that is not finite is no
        error but a status.
        """
        batch = Batch.of(self, x, h0, lengths, teacher)
        truncation = Truncation.of(truncate, len(batch.x))
        loss = Loss.of(batch, y, loss, readout, at, mean)
        if truncation is not None:
            truncation.check(self, at)
        return Gradients(batch, loss, truncation)

    def plot(self):
        """A matplotlib Figure: the eigenvalues of W beside the unit circle, its singular values.

        A cell with gates has a panel for each gate's block of W, jordan one for W V, a stack a row
        for each layer and direction. A notebook shows the figure; `.savefig(path)` writes it.
        """
        return plotted.network(self)
