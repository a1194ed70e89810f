"""One sentence in plain words: which regime this is, and why."""

import math

import numpy as np

EDGE = 1.0  # decades over the whole sequence: less is neither vanishing nor exploding


def sentence(look):
    """What a `Look` shows, in words."""
    state = look.state
    why = _why(look)
    if look.status not in ("ok", "zero"):
        return f"{look.status}: {why}; the states leave float64's range at step {look.bad_step}"
    total = look.log10[-1]
    if math.isnan(total):
        return f"no gradient: {why}; the loss does not depend on the last state any more"
    if look.status == "zero" or not math.isfinite(total):
        lag = int(np.isfinite(look.log10).sum())
        return f"dead: {why}; the gradient is exactly 0 from lag {lag} on"
    if abs(total) < EDGE:
        return f"at the edge: {why}; over {state.sequence_length} steps a signal {_times(total)}"
    if total < 0:
        return f"vanishing: {why}{_grows_first(look)}; a signal {_halves(look)}{_felt(look)}"
    return f"exploding: {why}; a signal {_halves(look)} and {_times(total)} on its way"


def _why(look):
    state = look.state
    said = f"radius {state.spectral_radius:.4g}"
    if look.net.module.gates:
        bias = f" and forget bias {state.forget_bias:.3g}" if look.net.module.forget else ""
        return f"{said} in each gate{bias}"
    if state.activation == "tanh" and (slope := _slope(look)) < 0.9:
        return f"{said}, and the states flatten tanh to {slope:.0%} of its slope"
    return said


def _slope(look):
    """Root mean square of tanh' over steps and units."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean((1 - look.states[1:] ** 2) ** 2)))


def _halves(look):
    """How fast, over the lags at which the gradient is above 0."""
    rate = abs(look.log10[-1]) / look.lag[-1]
    steps = math.log10(2) / rate
    word = "halves" if look.log10[-1] < 0 else "doubles"
    return f"{word} every {_number(steps)} {'step' if _number(steps) == '1' else 'steps'}"


def _felt(look):
    if math.isnan(look.felt):
        return ""
    return f", nothing older than {look.felt:.0f} steps is felt"


def _grows_first(look):
    """A matrix that is not normal may let it grow before it vanishes."""
    top = int(np.nanargmax(look.log10))
    if look.log10[top] < 0.5:
        return ""
    return f"; it first grows {10 ** look.log10[top]:.3g} times, up to lag {top}"


def _times(total):
    if total > 300:
        return f"grows by {total:.0f} decades"
    change = 10 ** abs(total)
    if change < 1.1:
        return "keeps its size"
    return f"{'grows' if total > 0 else 'shrinks'} {change:.3g} times"


def _number(steps):
    return f"{steps:.0f}" if steps >= 10 else f"{steps:.2g}"
