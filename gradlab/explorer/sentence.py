"""One sentence in plain words: which regime this is, and why."""

import math

import numpy as np

# Decades over the whole sequence, and a step: less is neither vanishing nor exploding.
EDGE, EDGE_A_STEP = 1.0, 0.05
TURN = 0.5  # decades by which it first goes further, or the other way, before it is said


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
    why += _turns(look)
    if abs(total) < min(EDGE, EDGE_A_STEP * state.sequence_length):
        return f"at the edge: {why}; over {_steps(state.sequence_length)} a signal {_times(total)}"
    if total < 0:
        return f"vanishing: {why}; a signal {_halves(look)}{_felt(look)}"
    return f"exploding: {why}; a signal {_halves(look)} and {_times(total)} on its way"


def _why(look):
    state = look.state
    said = f"radius {state.spectral_radius:.4g}"
    if look.net.module.gates:
        bias = f" and forget bias {state.forget_bias:.3g}" if look.net.module.forget else ""
        return f"{said} in each gate{bias}"
    slope = _slope(look)
    if state.activation == "sigmoid":
        return f"{said}, and sigmoid's slope is {slope:.2g}"
    if state.activation == "relu" and slope < 0.9:
        return f"{said}, and relu shuts {1 - slope**2:.0%} of the units"
    if state.activation == "tanh" and slope < 0.9:
        return f"{said}, and the states flatten tanh to {slope:.0%} of its slope"
    return said


SLOPES = {
    "tanh": lambda h: 1 - h**2,
    "sigmoid": lambda h: h * (1 - h),
    "relu": lambda h: h > 0,
    "identity": np.ones_like,
}


def _slope(look):
    """Root mean square of the activation's slope over steps and units; h is its own value."""
    slopes = SLOPES[look.state.activation](look.states[1:])
    return float(np.sqrt(np.mean(np.square(slopes, dtype=float))))


def _halves(look):
    """How fast, over the lags at which the gradient is above 0."""
    total = look.log10[-1]
    straight = total * look.lag / look.lag[-1]
    bends = np.abs(look.log10 - straight).max() > max(EDGE, abs(total) / 4)
    average = " on average" if bends else ""
    steps = math.log10(2) * look.lag[-1] / abs(total)
    if steps < 0.95:
        word = "shrinks" if total < 0 else "grows"
        return f"{word} {_factor(abs(total) / look.lag[-1])} each step{average}"
    word = "halves" if total < 0 else "doubles"
    return f"{word} every {_steps(steps)}{average}"


def _felt(look):
    if math.isnan(look.felt):
        return ""
    if look.felt == 0:
        return ", nothing but the last step is felt"
    return f", nothing older than {_steps(look.felt)} is felt"


def _turns(look):
    """Where it goes furthest before it ends elsewhere: W may be not normal, or the states turn."""
    top, end = int(np.argmax(look.log10)), int(np.argmin(look.log10))
    up = look.log10[top] - max(0.0, look.log10[-1])
    down = min(0.0, look.log10[-1]) - look.log10[end]
    if max(up, down) < TURN:
        return ""
    lag, word = (top, "grows") if up > down else (end, "shrinks")
    return f"; it first {word} {_factor(abs(look.log10[lag]))}, up to lag {lag}"


def _times(total):
    if abs(total) < math.log10(1.1):
        return "keeps its size"
    return f"{'grows' if total > 0 else 'shrinks'} {_factor(abs(total))}"


def _factor(log10):
    return f"by {log10:.0f} decades" if log10 > 300 else f"{10**log10:.3g} times"


def _steps(count):
    said = f"{count:.0f}" if count >= 10 else f"{count:.2g}"
    return "1 step" if said == "1" else f"{said} steps"
