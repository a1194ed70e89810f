"""All numbers of one layer and direction, and of the model."""

from dataclasses import dataclass, field

import numpy as np

from gradlab.inspecting import jacobians, slopes, spectra, units
from gradlab.inspecting.slopes import Slopes
from gradlab.inspecting.units import Units
from gradlab.nets.batch import Batch, Run
from gradlab.nets.exponents import log2_mean, log2_sum
from gradlab.theory import truncation
from gradlab.threads import each

SHARE = 0.01  # of the gradient at lag 0, down to which it counts as there
LN2, LOG10_2 = np.log(2), np.log10(2)


@dataclass(frozen=True)
class Layer:
    """One layer and direction.

    log10      {"h": (T+1,), "c": ...}: log10 of the gradient's norm by lag, root mean square over
               the sequences: of dL_T/dh_k if there are targets (and the direction is forward), else
               of dh_T/dh_k, whose norm is the root mean square of its singular values
    horizon    {"h": steps, "c": steps}: the largest lag at which it is at least `share` of its
               first one, which is at lag 0 for h, at lag 1 for c, whose own gradient begins there
    window     steps that truncated backpropagation needs (see gradlab.theory.truncation)
    """

    name: str
    layer: int
    reverse: bool
    of_loss: bool
    spectra: dict
    stretch: jacobians.Stretch
    units: Units
    log10: dict
    horizon: dict
    log_bias: np.ndarray
    window: float

    @property
    def steps(self):
        """T."""
        return len(self.log10["h"]) - 1

    @property
    def reach(self):
        """The larger one of the horizons."""
        return max(self.horizon.values())

    @property
    def whole(self):
        """log10 of the state's whole gradient by lag, over that at lag 0."""
        squares = log2_sum([2 * own / LOG10_2 for own in self.log10.values()])
        with np.errstate(invalid="ignore"):
            return (squares - squares[0]) / 2 * LOG10_2


@dataclass(frozen=True)
class Found:
    """The layers, and what the loss gave if there were targets."""

    layers: list = field(default_factory=list)
    gradient: Slopes | None = None


def of(net, inputs, loss, share=SHARE, bias=truncation.BIAS, told=bool):
    """`Found` of a network and its inputs; told() is called as often as `parts` says."""
    gradient = None if inputs.y is None else slopes.of(net, inputs, loss)
    told()
    runs = passes(net, inputs.x)
    told()
    layers = []
    for place in net.places:
        chains = of_place(runs, place)
        stretch = jacobians.of(chains, net.state_parts)
        told()
        layers.append(_layer(net, chains, stretch, gradient, (share, bias)))
        told()
    return Found(layers, gradient)


def passes(net, x):
    """The forward passes of x, one a group of sequences: groups run side by side."""
    batch = Batch.of(net, x, None, None)
    with np.errstate(over="ignore", invalid="ignore"):
        return each(lambda group: Run.of(batch, group), batch.groups)


def of_place(runs, place):
    """The chains of a layer and direction, one a group."""
    return [chain for run in runs for chain in run.chains if chain.place == place]


def parts(net):
    """How many parts the work of `of` has."""
    return 2 + 2 * len(net.places)


def horizon(log10, share, part="h"):
    """The largest lag at which log10 (T+1,) is at least log10(share) above its first entry.

    Of c from lag 1 on. 0 where it is not finite.
    """
    first = 1 if part == "c" and len(log10) > 1 else 0
    with np.errstate(invalid="ignore"):
        there = np.flatnonzero(log10[first:] - log10[first] >= np.log10(share))
    return int(there.max(initial=0)) + first * bool(there.size)


def _layer(net, chains, stretch, gradient, how):
    place, (share, bias) = chains[0].place, how
    of_loss = gradient is not None and not place.reverse
    if of_loss:
        lanes = gradient.log2[place.layer]
        log2 = {name: log2_mean(2 * own, 1) / 2 for name, own in lanes.items()}
        squares = log2_sum([2 * own for own in lanes.values()])
        log_phi = log2_mean(squares / 2, 1) * LN2
    else:
        log2 = stretch.log2
        log_phi = log2_sum([2 * own for own in log2.values()]) / 2 * LN2
    log10 = {name: own * LOG10_2 for name, own in log2.items()}
    log_bias = truncation.log_relative_bias(log_phi)
    return Layer(
        name=_name(net, place), layer=place.layer, reverse=place.reverse, of_loss=of_loss,
        spectra=spectra.of(net, place), stretch=stretch, units=units.of(net, chains), log10=log10,
        horizon={part: horizon(own, share, part) for part, own in log10.items()},
        log_bias=log_bias, window=truncation.window(log_phi, bias),
    )  # fmt: skip


def _name(net, place):
    way = ("reverse" if place.reverse else "forward") if net.bidirectional else ""
    return " ".join(filter(None, [f"layer {place.layer}", way]))
