"""Other people's rules of thumb, each with its source, held against what was measured.

AutoTrainer (Zhang, Zhai, Ma, Shen, ICSE 2021) takes the ratio of the first layer's gradient to the
last one's, of their weight matrices and over layers, not steps; a gradient vanishes if it is below
1e-3 and the first one's norm below 1e-4, and explodes if it is above 70. Here the first matrix is
U of the lowest layer, the last one V. The same bounds for dL/dh_0 over dL/dh_T, over steps, are
ours after it. Saturated units: Glorot and Bengio (2010). Dead ones: Lu, Shin, Su and Karniadakis
(2019, Dying ReLU and Initialization). Closed gates: Karpathy, Johnson and
Fei-Fei (2015). An update of about 1e-3 of its weight: Karpathy's notes of Stanford's CS231n.
"""

from typing import NamedTuple

import numpy as np

from gradlab.inspecting.units import CLOSED
from gradlab.nets.exponents import log2_norm

LOW, SMALL, HIGH = 1e-3, 1e-4, 70.0
UPDATE = 1e-3  # of the weight
FAR = 10.0  # times as much, or as little, is worth a word
MANY = 0.5  # share of units

AUTOTRAINER = "AutoTrainer, ICSE 2021"
FLOWS, VANISHES, EXPLODES, FINE, UNKNOWN = "flows", "vanishes", "explodes", "fine", ""


class Rule(NamedTuple):
    """What it asks for, its source, log10 of what was measured, its verdict.

    is_share: whether that is a share, to be said in percent.
    """

    name: str
    source: str
    log10: float
    verdict: str
    is_share: bool = False


def of(found, reads_out, flat, rate=None, weights=None):
    """The `Rule`s of what was found; flat: what a saturated state is; rate: of updates."""
    far = max(found.layers, key=lambda layer: np.nan_to_num(abs(_end(layer)), posinf=np.inf))
    over_steps = Rule(
        f"first over last step, {far.name}: below {LOW:g}, above {HIGH:g}",
        f"after {AUTOTRAINER}", _end(far), by_ratio(_end(far)),
    )  # fmt: skip
    listed = [_over_layers(found, reads_out), over_steps, _update(found, rate, weights)]
    return [*filter(None, listed), *_shares(found, flat)]


def by_ratio(log10):
    """vanishes, explodes or flows: of first over last."""
    if np.isnan(log10):
        return UNKNOWN
    if log10 < np.log10(LOW):
        return VANISHES
    return EXPLODES if log10 > np.log10(HIGH) else FLOWS


def _end(layer):
    return float(layer.whole[-1])


def _over_layers(found, reads_out):
    if found.gradient is None or not reads_out:
        return None
    first, last = (found.gradient.norms[name] * np.log10(2) for name in ("U", "V"))
    with np.errstate(invalid="ignore"):
        ratio = first - last
    verdict = by_ratio(ratio)
    if verdict == VANISHES and first >= np.log10(SMALL):
        verdict = FINE
    name = f"||dL/dU|| over ||dL/dV||: below {LOW:g}, above {HIGH:g}"
    return Rule(name, AUTOTRAINER, ratio, verdict)


def _update(found, rate, weights):
    """The matrix whose step is the furthest from 1e-3 of it."""
    if found.gradient is None or weights is None:
        return None
    logs = {}
    for name, array in weights.items():
        size, norm = log2_norm([array]), found.gradient.norms[name]
        if array.ndim == 2 and np.isfinite(size) and np.isfinite(norm):
            logs[name] = (norm - size) * np.log10(2)
    if not logs:
        return None
    source, goal = "Karpathy, CS231n", np.log10(UPDATE)
    if rate is None:
        largest = max(logs, key=logs.get)
        name = f"SGD's rate at which an update of {largest} is {UPDATE:g} of it"
        return Rule(name, source, goal - logs[largest], UNKNOWN)
    far = max(logs, key=lambda name: abs(logs[name] + np.log10(rate) - goal))
    ratio = logs[far] + np.log10(rate)
    off = ratio - goal
    verdict = FINE if abs(off) <= np.log10(FAR) else "large" if off > 0 else "small"
    return Rule(f"size of an update over {far}, about {UPDATE:g}", source, ratio, verdict)


def _shares(found, flat):
    """Saturated states, or dead units where a state at rest is no fault; and gates."""
    dead = not flat
    worst = max(found.layers, key=lambda layer: np.nan_to_num(layer.units[dead]))
    share = worst.units[dead]
    told = f"dead units (ReLU, 0 all along), {worst.name}" if dead else ""
    yield Rule(
        f"{told or f'saturated states ({flat}), {worst.name}'}: above {MANY:.0%}",
        "Lu et al. 2019" if dead else "Glorot 2010", _log10(share),
        UNKNOWN if np.isnan(share) else "many" if share > MANY else FINE, True,
    )  # fmt: skip
    closed = [
        (layer.units.gates[gate].closed, gate, layer)
        for layer in found.layers
        for gate in layer.units.gates
        if gate in "fz"
    ]
    if closed:
        share, gate, layer = max(closed, key=lambda one: one[0])
        name = f"closed gates {gate} (below {CLOSED:g}), {layer.name}: above {MANY:.0%}"
        source = "Karpathy et al. 2015"
        yield Rule(name, source, _log10(share), "many" if share > MANY else FINE, True)


def _log10(share):
    with np.errstate(divide="ignore"):
        return float(np.log10(share))
