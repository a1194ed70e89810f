"""One unit that has to keep a bit c = +1 or -1: how well it keeps it, and whether it learns to.

    h_t = tanh(w h_{t-1} + x_t),   E = (h_T - 0.8 c)^2

Kept: h_0 = 0.8 c, and x_t is noise. Learnt: h_0 = 0, x_t = c u_t for the first WRITE steps and
noise after them; gradient descent moves w and u. After Bengio, Simard, Frasconi (1994), section
III, whose u is another one for each class.
"""

import numpy as np

from gradlab import underway
from gradlab.errors import UserError
from gradlab.learning.clipping import clip
from gradlab.measures.rate import slowness
from gradlab.measures.setting import constant
from gradlab.nets import bptt, draws, registry
from gradlab.nets.exponents import plain

TARGET = 0.8
WRITE = 3  # steps in which the bit is written
START = 0.1  # standard deviation of u before the first update
COLUMNS = {
    "weight": "w: of the unit that keeps the bit, and before the first update",
    "noise": "standard deviation of the noise that comes in at each step",
    "sequences": "sequences on which it is judged whether a bit is kept, learnt to be kept",
    "kept": "share of sequences in which h_T has the sign of h_0 = 0.8 c",
    "decades_per_step": "mean over them of log10 |dh_T/dh_0| / T (decades)",
    "solved": "1 if an evaluation had less than stop_below wrong, else 0",
    "updates_done": "updates until it was solved, or its budget was spent",
    "last_weight": "w at the end of the training",
    "error": "share of sequences with the wrong sign at the last evaluation",
}


def measure(block):
    """One row a weight of a block that shares its noise, sequence_length and seed; see COLUMNS.

    The weights are lanes of one pass, on the same noise. Raises UserError for too few steps.
    """
    steps, noise, seed = (constant(block, name) for name in ("sequence_length", "noise", "seed"))
    if steps <= WRITE:
        raise UserError(f"sequence_length={steps}: must be at least {WRITE + 1}")
    weights = block.points["weight"].astype(float)
    stream = draws.stream(seed=seed, noise=noise, sequence_length=steps, purpose="latch")
    found = _keeping(weights, steps, noise * _noise(stream, steps, block.constants["sequences"]))
    return found | _learning(weights, steps, noise, stream, block.constants)


def estimate(block):
    """(seconds, bytes) of one worker: a pass and the way back an update, and the evaluations."""
    known, lanes = block.constants, len(block)
    steps = constant(block, "sequence_length")
    looks = known["updates"] // known["evaluate_every"] * known["sequences"]
    every = known["updates"] * (4e-4 + 5e-8 * lanes * steps * known["batch"])
    seconds = every + 2e-8 * lanes * steps * looks
    return slowness() * seconds, 64 * lanes * steps * known["sequences"]


def _noise(stream, steps, lanes):
    """(T, B) of variance 1."""
    return stream.standard_normal((steps, lanes))


def _bits(lanes):
    """c (B,) = +1, -1, +1, ..."""
    return np.where(np.arange(lanes) % 2, -1.0, 1.0)


def _passed(weights, x, start):
    """The pass of units of so many weights (G,) under x (T, G, B), from `start` (B,)."""
    groups, lanes = x.shape[1:]
    one = {"U": np.ones((1, 1)), "W": np.ones((1, 1)), "b": np.zeros(1)}
    module = registry.find("elman")
    prepared = module.prepare(one, "tanh", "float64")
    gain = np.repeat(weights, lanes)
    initial = np.tile(start, groups)[:, None]
    lengths = np.full(len(gain), len(x))
    return bptt.forward(module, prepared, gain, x.reshape(len(x), -1, 1), initial, lengths)


def _states(run, groups):
    """h (T + 1, G, B)."""
    state = run.trace.state[:, :, 0]
    return state.reshape(len(state), groups, -1)


def _adjoint(run, head):
    """dL/dh_t (T + 1, G, B) for dL/dh_T = head (G, B)."""
    lengths = np.full(head.size, len(run.trace.saved))
    found = bptt.back(run, lengths, head.reshape(-1, 1), keep=True)
    return plain(found.states[:, :, 0], found.exponent).reshape(-1, *head.shape)


def _keeping(weights, steps, noise):
    """Columns of units whose bit is there from the start, under noise (T, B)."""
    groups, lanes = len(weights), noise.shape[1]
    bits = _bits(lanes)
    x = np.repeat(noise[:, None], groups, axis=1)
    run = _passed(weights, x, TARGET * bits)
    last = _states(run, groups)[-1]
    found = bptt.back(run, np.full(groups * lanes, steps), np.ones((groups * lanes, 1)))
    logs = (bptt.log2_norms(found)[0] * np.log10(2)).reshape(groups, lanes)
    return {"kept": (last * bits > 0).mean(1), "decades_per_step": logs.mean(1) / steps}


def _learning(weights, steps, noise, stream, known):
    """Columns of the trainings that begin with these weights; all see the same sequences."""
    w, groups = weights.copy(), len(weights)
    u = np.repeat(START * stream.standard_normal((1, WRITE)), groups, axis=0)
    done, error = np.full(groups, known["updates"]), np.full(groups, np.nan)
    left = np.arange(groups)
    for update in range(1, known["updates"] + 1):
        x = noise * _noise(stream, steps, known["batch"])
        slopes = gradient(w[left], u[left], x)[0]
        step = clip(slopes, known["clip_threshold"], per="lane").gradients
        step = known["learning_rate"] * step
        w[left], u[left] = w[left] - step[:, 0], u[left] - step[:, 1:]
        if update % known["evaluate_every"] == 0:
            underway.did(known["evaluate_every"] * len(left))
            fresh = noise * _noise(stream, steps, known["sequences"])
            error[left] = wrong(w[left], u[left], fresh)
            solved = error[left] < known["stop_below"]
            done[left[solved]] = update
            left = left[~solved]
        if not len(left):
            break
    solved = np.isin(np.arange(groups), left, invert=True).astype(float)
    return {"solved": solved, "updates_done": done, "last_weight": w, "error": error}


def written(u, noise):
    """x (T, G, B): the bit by u (G, WRITE) in the first steps, noise (T, B) after them."""
    x = np.repeat(noise[:, None], len(u), axis=1)
    x[:WRITE] = u.T[:, :, None] * _bits(noise.shape[1])
    return x


def wrong(w, u, noise):
    """Share (G,) of sequences with the wrong sign at the end."""
    last = _states(_passed(w, written(u, noise), np.zeros(noise.shape[1])), len(w))[-1]
    return (last * _bits(noise.shape[1]) <= 0).mean(1)


def gradient(w, u, noise):
    """(slopes (G, 1 + WRITE) of E in w and u, E (G,)), means over the sequences of noise (T, B)."""
    bits = _bits(noise.shape[1])
    run = _passed(w, written(u, noise), np.zeros(noise.shape[1]))
    h = _states(run, len(w))
    short = h[-1] - TARGET * bits
    delta = _adjoint(run, 2 * short)[1:] * (1 - h[1:] ** 2)
    slopes = [(delta * h[:-1]).sum(0).mean(1), *(delta[:WRITE] * bits).mean(2)]
    return np.stack(slopes, axis=1), (short**2).mean(1)
