"""What would help, tried on the spot: the same inputs through the network with other weights.

Each remedy is held by what it changes: the horizon of the layer that reaches the furthest, which
carries what is far away, the norm of updates, the bias of a truncated gradient.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import bisect

from gradlab.inspecting import jacobians, layers, report, rules
from gradlab.inspecting.slopes import mean_norm
from gradlab.learning import presets
from gradlab.nets import chains, draws, weights
from gradlab.nets.exponents import added, log2_mean, log2_norm, log2_sum
from gradlab.nets.network import Network

GAINS = 6.0  # octaves: a factor on W within 1/64 and 64
CLOSE = 1.02  # factor that a gain is found to
LANES = 4  # sequences of large models
LARGE = 2**20  # entries of W: 512 units of an LSTM


class Remedy(NamedTuple):
    """What was tried, and what of it was measured before and after, in words; what it costs.

    horizons: (before, after) in steps; starts: log10 of the gradient at the start over that at the
    last step; nan where it changes none. net: the Network with it, None where the weights stay.
    """

    name: str
    before: str
    after: str
    what: str
    cost: str
    horizons: tuple[float, float]
    starts: tuple[float, float] = (np.nan, np.nan)
    net: Network | None = None


def of(seen, told=bool):
    """[Remedy] of an `Inspected`; told() is called as each of ATTEMPTS is through.

    None where there is no gradient to compare with: it is nan, or 0 from the first.
    """
    trial = Trial(seen, _furthest(seen))
    found = []
    for attempt in ATTEMPTS:
        if not np.isnan(trial.before[1]):
            found += filter(None, [attempt(seen, trial)])
        told()
    return tuple(found)


def best(remedies, enough):
    """The sentence on the first remedy that brings the horizon to `enough` steps, else the longest.

    "" if none was tried.
    """
    known = [one for one in remedies if np.isfinite(one.horizons).all()]
    if not known:
        return ""
    top = next((one for one in known if one.horizons[1] >= enough), None)
    top = top or max(known, key=lambda one: one.horizons[1])
    before, after = top.horizons
    if rules.by_ratio(top.starts[0]) == rules.EXPLODES:
        return _calmest(known, enough)
    if before >= enough:
        return f"The horizon of {before:.0f} steps is enough as it is, of {enough}."
    if after <= before:
        return f"None of these lengthens the horizon of {before:.0f} steps."
    word = "is the first that is enough" if after >= enough else "helps most, and is not enough"
    return (
        f"Of these {top.name} {word}: horizon {before:.0f} before, {after:.0f} after, of {enough} "
        "steps. Weights were replaced, not trained: train again from there."
    )


def _calmest(known, enough):
    """The sentence on the first that keeps a gradient from exploding, and its horizon."""
    for one in known:
        if rules.by_ratio(one.starts[1]) == rules.FLOWS and one.horizons[1] >= enough:
            before, after = map(report.power, one.starts)
            return (
                f"Of these {one.name} is the first that keeps the gradient from exploding, and its "
                f"horizon: at the start it is {before} before, {after} after. Weights were "
                "replaced, not trained: train again from there."
            )
    return "None of these keeps the gradient from exploding without losing its horizon: clip."


class Trial:
    """The gradient of one layer and direction, by the same measure, with whatever weights."""

    def __init__(self, seen, place):
        few = slice(LANES if seen.net.weights["W"].size > LARGE else None)
        shown = seen.inputs
        self.x, self.share, self.place = np.ascontiguousarray(shown.x[:, few]), seen.share, place
        self.y, self.loss = None, seen.loss
        if shown.y is not None and not place.reverse:
            self.y = (shown.y[-1] if shown.at == "every" else shown.y)[few]
        self.before = self.of(seen.net)

    def of(self, net):
        """(horizon in steps, log10 of the gradient at the start over the last step's)."""
        log2 = self._log2(net)
        parts = {name: own * layers.LOG10_2 for name, own in log2.items()}
        squares = log2_sum([2 * own for own in log2.values()])
        with np.errstate(invalid="ignore"):
            ends = float((squares[-1] - squares[0]) / 2 * layers.LOG10_2)
        return max(layers.horizon(own, self.share, part) for part, own in parts.items()), ends

    def _log2(self, net):
        if self.y is None:
            chains = layers.of_place(layers.passes(net, self.x), self.place)
            return jacobians.by_lag(chains, net.state_parts)[1]
        got = net.gradients(self.x, self.y, loss=self.loss, at="last")
        found = got.part_lag_log2(self.place.layer, "forward")
        return {name: log2_mean(2 * own[::-1], 1) / 2 for name, own in found.items()}

    def remedy(self, name, net, cost):
        """The `Remedy` of other weights."""
        after, last = self.of(net), len(self.x)
        words = [
            f">= {steps}" if steps >= last else str(steps) for steps, _ in (self.before, after)
        ]
        ends = " to ".join(report.power(end) for _, end in (self.before, after))
        what = f"horizon in steps (the start: {ends})"
        pairs = zip(self.before, after, strict=True)
        return Remedy(name, *words, what, cost, *pairs, net)


def _furthest(seen):
    layer = max(
        seen.found.layers,
        key=lambda one: (not one.reverse, one.reach, np.nan_to_num(one.whole[-1])),
    )
    return chains.Place(layer.layer, layer.reverse)


def _changed(net, change):
    """The network with change(name, array, place) in place of the weights of each chain."""
    found = dict(net.weights)
    for place in net.places:
        for name in weights.own(net.weights, place):
            if name not in ("V", "c"):
                key = f"{name}{place.suffix}"
                found[key] = change(name, net.weights[key], place).astype(net.dtype)
    changed = Network(found, net.cell, net.activation, net.feedback)
    changed.lacks = net.lacks
    return changed


def _orthogonal(seen, trial):
    net = seen.net
    if net.reads_out:
        return None

    def change(name, array, _):
        if name != "W":
            return array
        stream, size = np.random.default_rng(0), array.shape[1]
        blocks = [draws.recurrent(stream, size, "orthogonal") for _ in range(len(array) // size)]
        return np.concatenate(blocks)

    cost = (
        "W's singular values are all 1 (Saxe et al. 2014): what W had learnt is lost; one QR "
        "factorisation, no cost a step"
    )
    return trial.remedy("orthogonal W", _changed(net, change), cost)


def _forget_bias(seen, trial):
    net = seen.net
    if net.module.forget is None:
        return None
    size, at = net.hidden, net.module.gates.index(net.module.forget)
    rows = slice(at * size, (at + 1) * size)

    def change(name, array, _):
        if name not in ("b", "b_recurrent"):
            return array
        array = array.copy()
        array[rows] = 1.0 if name == "b" else 0.0
        return array

    cost = (
        "a bias, no cost a step; the state forgets more slowly, also what it should (Gers et al. "
        "2000, Jozefowicz et al. 2015)"
    )
    name = f"bias 1 of gate {net.module.forget}" if net.module.forget != "f" else "forget bias 1"
    return trial.remedy(name, _changed(net, change), cost)


def _chrono(seen, trial):
    """Biases for memories of up to the steps that the task needs, of all of them unless told."""
    net, memory = seen.net, seen.needs or seen.steps
    if net.module.forget is None or memory < 3:
        return None

    def change(name, array, place):
        if name not in ("b", "b_recurrent"):
            return array
        return drawn[f"{name}{place.suffix}"]

    drawn = {k: np.zeros_like(own) if k[0] == "b" else own for k, own in net.weights.items()}
    weights.add_chrono(np.random.default_rng(0), net.module, drawn, memory)
    cost = (
        f"biases for memories of 1 to {memory} steps (Tallec, Ollivier 2018), no cost a step; all "
        "other biases start at 0"
    )
    return trial.remedy(f"chrono bias for {memory} steps", _changed(net, change), cost)


def _gain(seen, trial):
    """The factor on W at which the gradient at the start is as large as at the last step."""
    net, known = seen.net, {}

    def scaled(octaves):
        return _changed(net, lambda name, own, _: own * 2.0**octaves if name == "W" else own)

    def end(octaves):
        if octaves not in known:
            value = trial.of(scaled(octaves))[1]
            known[octaves] = value if np.isfinite(value) else np.copysign(1e6, np.nan_to_num(value))
        return known[octaves]

    grid = np.arange(-GAINS, GAINS + 1) if seen.inputs.x.size < 2**20 else np.arange(-2.0, 3.0)
    sides = [a for a in grid[:-1] if end(a) * end(a + 1) <= 0]
    if sides:
        at = min(sides, key=lambda octaves: abs(octaves + 0.5))
        octaves = bisect(end, at, at + 1, xtol=np.log2(CLOSE), rtol=1e-3)
    else:
        octaves = min(known, key=lambda octaves: abs(known[octaves]))
    gain = 2.0**octaves
    cost = (
        "no cost a step; the network is then at the edge of chaos, where gradients of some "
        "sequences explode: clip"
        if sides
        else f"no gain from {2.0 ** grid[0]:g} to {2.0 ** grid[-1]:g} keeps the gradient's size: "
        "this one comes closest"
    )
    return trial.remedy(f"gain {gain:.3g} on W", scaled(octaves), cost)


def _smart(seen, trial):
    net = seen.net
    if net.cell != "elman" or net.activation != "tanh":
        return None
    outputs = len(net.weights["c"])
    stream = {}

    def change(name, array, place):
        if place not in stream:
            sizes = net.weights[f"U{place.suffix}"].shape[1], net.hidden, outputs
            seed = net.places.index(place)
            stream[place] = presets.start("smart_tanh", "icml2013", sizes, seed).weights
        return stream[place][name]

    cost = (
        "all weights start anew, 15 inputs a unit, spectral radius 0.95 (Pascanu et al. 2013); W "
        "may be kept sparse or fill up"
    )
    return trial.remedy("smart start of Pascanu", _changed(net, change), cost)


def _threshold(seen, _):
    gradient = seen.found.gradient
    if gradient is None:
        return None
    log2, mean = gradient.batches, mean_norm(gradient)
    if not np.isfinite(mean):
        return None
    norms = np.exp2(np.minimum(log2, 1000.0))
    clipped = float((norms >= mean).mean())
    cost = (
        "it bounds the updates and leaves the horizon as it is: it mends spikes, not a gradient "
        "that vanishes; one pass over the gradients an update"
    )
    what = f"largest norm of {len(log2)} minibatches; {report.percent(clipped)} clipped"
    largest = float(norms.max())
    return Remedy(
        f"threshold {mean:.3g}", f"{largest:.3g}", f"{min(largest, mean):.3g}", what, cost,
        (np.nan, np.nan),
    )  # fmt: skip


def _window(seen, trial):
    """The measured relative bias of dL/dW where only the last `window` steps are gone back."""
    steps = max(layer.window for layer in seen.found.layers if not layer.reverse)
    if trial.y is None or not np.isfinite(steps) or steps >= seen.steps or seen.net.bidirectional:
        return None
    bias = relative_bias(seen.net, trial.x, trial.y, trial.loss, max(int(steps), 1))
    cost = (
        f"nothing further back than {steps:.0f} steps is ever learnt; the states of {steps:.0f} of "
        f"{seen.steps} steps are kept, and as many steps gone back"
    )
    what = f"bias of the last step's dL/dW (estimate: {report.percent(seen.bias)})"
    return Remedy(
        f"window of {steps:.0f} steps", report.percent(0.0), report.percent(bias), what, cost,
        (np.nan, np.nan),
    )  # fmt: skip


def relative_bias(net, x, y, loss, steps):
    """||g_K - g|| / ||g|| of dL/dW, all layers' together: K steps back against all of them."""
    full, cut = (
        net.gradients(x, y, loss=loss, at="last", truncate=how) for how in (None, ("window", steps))
    )
    names = [f"W{place.suffix}" for place in net.places]
    apart = [
        added([(full.weights[k], full.exponents[k]), (-cut.weights[k], cut.exponents[k])])
        for k in names
    ]
    left = log2_norm([array for array, _ in apart], [exponent for _, exponent in apart])
    whole = log2_norm([full.weights[k] for k in names], [full.exponents[k] for k in names])
    return float(np.exp2(left - whole))


ATTEMPTS = (_forget_bias, _chrono, _orthogonal, _smart, _gain, _threshold, _window)
