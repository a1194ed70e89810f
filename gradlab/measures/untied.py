"""Gradients of networks that use each W for k steps and then the next: from products to powers."""

import math

import numpy as np

from gradlab.errors import UserError
from gradlab.measures.setting import constant
from gradlab.nets import bptt, draws, lyapunov, registry, statuses
from gradlab.nets.exponents import log2_norm, plain
from gradlab.nets.untied import Stages, Untied, added, stage_sums

LAGS = (1, 2, 5, 10, 20, 35, 50, 75, 100, 125, 150, 175, 200)
SETTLE = 50  # first steps, left out of exponents: a tanh network forgets its start
EVERY = 5  # steps a QR, or fewer
ELMAN = registry.find("elman")
COLUMNS = {
    "gain": "standard deviation of W's entries times sqrt(N)",
    "exponent": "ln of the gradient's change a step, from lag 0 to lag T - 50 (1/step)",
    "log_radius": "ln of gain times the spectral radius of the first W",
    "lyapunov_first": "largest Lyapunov exponent, by QR of forward perturbations (1/step)",
    "lyapunov_middle": "exponent (N + 1)//2, likewise (1/step)",
    "lyapunov_last": "smallest one, likewise (1/step)",
    "tied_gap": "||sum over t of dL/dW_t - dL/dW|| / ||dL/dW|| of one W, taken as one a step",
    "tied_gap_short": "the same without the last step's term",
}


def measure(block):
    """One row a network of a block that shares its activation, hidden_size and sequence_length.

    No input, h_0 ~ N(0, 1), W ~ N(0, gain^2/N), another one every `steps_per_matrix` steps;
    dL/dh_T = v is a random direction. The columns are the gradient by lag and those of COLUMNS:
    exponents of linear networks with another W at each step, from SETTLE to T; gaps of networks
    with one W (steps_per_matrix >= T). status: ok, zero (dL/dh_0).
    """
    _check(block)
    seeds, spans = block.points["seed"], block.points["steps_per_matrix"]
    table = {}
    for seed, steps in np.unique([seeds, spans], axis=1).T:
        chosen = np.flatnonzero((seeds == seed) & (spans == steps))
        columns = _networks(block, int(seed), int(steps), block.points["gain"][chosen])
        for name, column in columns.items():
            table.setdefault(name, np.full(len(block), np.nan))[chosen] = column
    zero = np.isneginf(table["exponent"])
    return table | {"status": np.where(zero, statuses.ZERO, statuses.OK)}


def estimate(block):
    """(seconds, bytes) of one worker: the draws, 15 ns an entry, and the loops."""
    hidden, steps = constant(block, "hidden_size"), constant(block, "sequence_length")
    seconds = len(block) * steps * (15e-9 * hidden**2 + 100e-6)
    return seconds, 8 * steps * (3 * hidden**2 + 4 * hidden)


def _check(block):
    for name in ("hidden_size", "sequence_length"):
        if constant(block, name) < 1:
            raise UserError(f"{name}={constant(block, name)}: must be at least 1")
    if (low := block.points["steps_per_matrix"].min()) < 1:
        raise UserError(f"steps_per_matrix={low}: must be at least 1")


def _networks(block, seed, steps, gain):
    """The columns of networks that differ in gain alone: they are lanes."""
    hidden, length = constant(block, "hidden_size"), constant(block, "sequence_length")
    activation = registry.activation(constant(block, "activation"))
    stream = draws.stream(seed=seed, hidden_size=hidden)
    h0, v = stream.standard_normal((2, 1, hidden))
    matrices = [draws.recurrent(stream, hidden) for _ in range(-(-length // steps))]
    untied = Untied(ELMAN, steps)
    weights = untied.prepare([_weights(W) for W in matrices], activation, "float64")
    run = _forward(untied, weights, gain, h0, length)
    columns = _by_lag(run, np.tile(v, (len(gain), 1)))
    with np.errstate(divide="ignore"):
        columns["log_radius"] = np.log(gain * draws.spectral_radius(matrices[0]))
    products = steps == 1 and activation == "identity" and length > SETTLE
    columns |= _spectrum(run, products)
    if steps >= length:
        columns |= _tied(run, v)
    return columns


def _weights(W):
    return {"U": np.zeros((len(W), 1)), "W": W, "b": np.zeros(len(W))}


def _forward(module, weights, gain, h0, length):
    x, lanes = np.zeros((length, 1, 1)), len(gain)
    initial = np.repeat(h0, lanes, axis=0)
    return bptt.forward(module, weights, gain, x, initial, np.full(lanes, length))


def _by_lag(run, head):
    length = len(run.trace.saved)
    adjoint = bptt.back(run, np.full(len(head), length), head)
    logs = bptt.log2_norms(adjoint)[::-1] * math.log10(2)  # by lag
    logs = logs - logs[0]
    nothing = np.full(len(head), np.nan)
    columns = {f"log10_gradient_lag_{lag}": logs[lag] if lag <= length else nothing for lag in LAGS}
    far = length - SETTLE
    columns["exponent"] = logs[far] * math.log(10) / far if far > 0 else nothing
    return columns


def _spectrum(run, wanted):
    """Each lane's first, middle and last Lyapunov exponent, nan unless wanted."""
    lanes, hidden = run.trace.state.shape[1:]
    found = np.full((lanes, hidden), np.nan)
    for lane in range(lanes if wanted else 0):
        alone = lyapunov.lane(run, lane)
        found[lane] = lyapunov.exponents(alone, every=EVERY, discard=SETTLE)
    names = {"lyapunov_first": 0, "lyapunov_middle": (hidden + 1) // 2 - 1, "lyapunov_last": -1}
    return {name: found[:, i] for name, i in names.items()}


def _tied(run, v):
    """How far the terms of one W, each step's by itself, add up to its gradient."""
    gaps = [_gaps(lyapunov.lane(run, lane), v) for lane in range(len(run.gain))]
    return dict(zip(("tied_gap", "tied_gap_short"), np.transpose(gaps), strict=True))


def _gaps(run, v):
    length, one = len(run.trace.saved), run.weights.sets[0]
    x = np.zeros((length, 1, 1))
    # both along the same states: a second forward pass of a chaotic network rounds to another
    every = run._replace(cell=Untied(ELMAN, 1), weights=Stages((one,) * length, one.bias))
    sums = stage_sums(every, x, v)
    tied = bptt.Sums(ELMAN.sources(run.trace, x))
    alone = run._replace(cell=ELMAN, weights=one)
    bptt.back(alone, np.array([length]), v, tied)
    whole, level = tied.total["W"][0], int(tied.exponent["W"][0])
    total, last = added(sums)["W"], (sums[-1].total["W"][0], int(sums[-1].exponent["W"][0]))
    total, last = (plain(array, exponent - level) for array, exponent in (total, last))
    norm = log2_norm([whole])
    gaps = (total - whole, total - last - whole)
    return [np.exp2(log2_norm([gap]) - norm) if np.isfinite(norm) else np.nan for gap in gaps]
