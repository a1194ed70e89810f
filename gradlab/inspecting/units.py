"""What units and gates do along a pass: how many are saturated, how much the state is kept.

A gate is closed below 0.1 and open above 0.9 (Karpathy, Johnson, Fei-Fei 2015, Visualizing and
Understanding Recurrent Networks); a tanh is saturated where |h| > 0.97, its slope below 0.06.
"""

from typing import NamedTuple

import numpy as np

from gradlab.nets.batch import part_of

CLOSED, OPEN = 0.1, 0.9
TANH = 0.97


class Gate(NamedTuple):
    """Over units, steps and sequences: mean, shares that are closed and open, and ln's mean.

    log: exp of it is the factor that a gate leaves of a state on average, step by step.
    """

    mean: float
    closed: float
    open: float
    log: float


class Units(NamedTuple):
    """saturated: a share of all states h; dead: share of units that are so all along; gates."""

    saturated: float
    dead: float
    gates: dict[str, Gate]


def of(net, chains):
    """The `Units` of a pass; chains: one a group of sequences."""
    share, dead, weight, gates = 0.0, True, 0, []
    for chain in chains:
        trace, lanes = chain.passed.trace, len(chain.lengths)
        h = part_of(net, trace.state, 0)[1:]
        if not np.isfinite(h).all():
            return Units(np.nan, np.nan, {})
        flat = saturated(net, h)
        share, dead = share + lanes * float(flat.mean()), dead & flat.all((0, 1))
        gates.append((lanes, _gates(net, trace.saved)))
        weight += lanes
    means = {
        name: Gate(*(sum(n * np.array(own[name]) for n, own in gates) / weight).tolist())
        for name in gates[0][1]
    }
    return Units(share / weight, float(np.mean(dead)), means)


def saturated(net, h):
    """Where h (...) is on a flat piece of its activation: for ReLU at 0; a linear unit never is."""
    if net.module.gates or net.activation == "tanh":
        return np.abs(h) > TANH
    if net.activation == "relu":
        return h <= 0
    if net.activation == "sigmoid":
        return (h < CLOSED) | (h > OPEN)
    return np.zeros(h.shape, bool)


def flat(net):
    """What `saturated` asks for, in words; "" of a ReLU, half of whose states are 0 as they should.

    A linear unit has no flat piece.
    """
    if net.module.gates or net.activation == "tanh":
        return f"|tanh| > {TANH:g}"
    words = {"relu": "", "sigmoid": f"below {CLOSED:g}, above {OPEN:g}"}
    return words.get(net.activation, "a linear unit has none")


def _gates(net, saved):
    """{name: Gate} of the sigmoid gates of lstm and gru, which keep them beside the state."""
    known = {"lstm": "ifo", "gru": "rz"}.get(net.cell, "")
    size = net.hidden
    places = {name: net.module.gates.index(name) for name in known}
    return {name: _gate(saved[..., at * size : (at + 1) * size]) for name, at in places.items()}


def _gate(values):
    least = np.finfo(values.dtype).tiny
    log = np.log(np.maximum(values, least)).mean(dtype=np.float64)
    return Gate(
        float(values.mean(dtype=np.float64)),
        float((values < CLOSED).mean()),
        float((values > OPEN).mean()),
        float(log),
    )
