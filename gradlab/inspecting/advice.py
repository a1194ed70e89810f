"""What was found, in sentences: where the gradient vanishes or explodes, why, and what follows."""

import numpy as np

from gradlab.inspecting import rules
from gradlab.inspecting.report import keeper, percent, power, steps
from gradlab.inspecting.slopes import band

LEAKY, FLAT = 0.6, 0.1  # of a gate's mean, of saturated states: worth a word


def of(seen):
    """The sentences of an `Inspected`."""
    said = []
    for layer in _telling(seen.found.layers):
        said += [_where(layer, seen), _why(layer, seen)]
    said += [_dependency(seen), _window(seen), _threshold(seen)]
    return tuple(filter(None, said))


def headline(seen):
    """The figure's."""
    layer = min(seen.found.layers, key=lambda one: one.reach)
    verdict = rules.by_ratio(layer.whole[-1]) or "is no finite number"
    return f"The gradient {verdict}: it reaches {_reached(layer)} back in {layer.name}"


def reach(layers):
    """The largest horizon: what one layer forgets another one may carry. Of the forward ones."""
    return max(layer.reach for layer in layers if not layer.reverse)


def _telling(layers):
    """The layers that words are about: that of the shortest reach, and the first that explodes."""
    worst = min(layers, key=lambda layer: layer.reach)
    exploding = [one for one in layers if rules.by_ratio(one.whole[-1]) == rules.EXPLODES]
    return [one for one in layers if one is worst or one in exploding[:1]]


def _where(layer, seen):
    """Where it vanishes or explodes."""
    end, name = float(layer.whole[-1]), layer.name[0].upper() + layer.name[1:]
    if np.isneginf(layer.log10["h"][0]):
        return (
            f"{name}: the gradient is exactly 0 at the last step already: nothing is learnt here."
        )
    if np.isnan(end):
        return f"{name}: states or gradients are not finite; {_spoilt(seen)}."
    verdict, there = rules.by_ratio(end), f"{steps(layer.steps)} back it is {power(end)}"
    if verdict == rules.VANISHES:
        return (
            f"{name}: the gradient vanishes. {_falls(layer, seen)}; {there} of what it is at the "
            f"last step. {_rises(layer)}{_further(layer, seen)}"
        )
    if verdict == rules.EXPLODES:
        first = int(np.argmax(layer.whole > np.log10(rules.HIGH)))
        return (
            f"{name}: the gradient explodes. {steps(first)} back it is {rules.HIGH:g} times what "
            f"it is at the last step, {there} times that. A threshold bounds the updates; it does "
            "not mend their direction."
        )
    if layer.reach < layer.steps:
        return (
            f"{name}: the gradient falls, and does not vanish. {_falls(layer, seen)}; {there} of "
            f"what it is at the last step. {_rises(layer)}".rstrip()
        )
    return (
        f"{name}: the gradient gets to the start of these steps: {there} of what it is at the last "
        f"step. {_rises(layer)}".rstrip()
    )


def _spoilt(seen):
    """What to look at where numbers are not finite."""
    bad = [name for name, array in seen.net.weights.items() if not np.isfinite(array).all()]
    if bad:
        return f"{', '.join(bad)} hold nan or inf: take a checkpoint from before"
    return "its weights are finite: look at how large they, the inputs and the targets are"


def _rises(layer):
    """How far it grows before it falls."""
    peak = int(np.argmax(layer.whole))
    if layer.whole[peak] <= np.log10(rules.HIGH):
        return ""
    return (
        f"Before it falls it grows to {power(layer.whole[peak])} times that, {steps(peak)} back: "
        "single updates may be large. "
    )


def _further(layer, seen):
    """What is lost beyond a layer's horizon, or which layer carries it."""
    same = [one for one in seen.found.layers if one.reverse == layer.reverse]
    best = max(same, key=lambda one: one.reach)
    if best.reach > layer.reach:
        return f"What depends on inputs further back is left to {best.name}: {_reached(best)}."
    return "What depends on inputs further back is hardly learnt."


def _falls(layer, seen):
    if layer.reach >= layer.steps:
        return f"It is above {percent(seen.share)} of its first norm all along"
    return f"Beyond {_reached(layer)} it is below {percent(seen.share)} of its first norm"


def _reached(layer):
    return f"{'at least ' * (layer.reach >= layer.steps)}{steps(layer.reach)}"


def _why(layer, seen):
    """What in the network does it."""
    verdict = rules.by_ratio(float(layer.whole[-1]))
    if verdict not in (rules.VANISHES, rules.EXPLODES) or np.isnan(layer.stretch.exponent[0]):
        return ""
    rate, units = np.exp(layer.stretch.exponent[0]), layer.units
    said = f"Each step back multiplies it by {rate:.3g} in the long run"
    gate = keeper(layer)
    if gate and verdict == rules.VANISHES:
        own = units.gates[gate]
        kept = percent(np.exp(own.log))
        said += f": gate {gate}, {own.mean:.2g} on average, keeps {kept} of the state a step"
        if own.mean < LEAKY:
            said += ", and a bias of 1 on it would keep 73 % (Gers et al. 2000, Jozefowicz 2015)"
    elif "W" in layer.spectra:
        said += f": W has a spectral radius of {layer.spectra['W'].radius:.3g}"
    if units.saturated > FLAT and verdict == rules.VANISHES:
        is_relu = not seen.net.module.gates and seen.net.activation == "relu"
        flat = "0, where a ReLU has no slope" if is_relu else "saturated"
        said += f", and {percent(units.saturated)} of the states are {flat}"
    return f"{said}."


def _dependency(seen):
    """Whether the horizon is shorter than what the task needs."""
    if seen.needs is None:
        return ""
    far = reach(seen.found.layers)
    if far >= seen.needs:
        return f"The task needs {seen.needs} steps, and the gradient reaches {far}: enough."
    if far >= seen.steps:
        return (
            f"The task needs {seen.needs} steps, of which the inputs have {seen.steps}: the "
            "gradient reaches all of these; longer ones would tell more."
        )
    return (
        f"The horizon is shorter than the dependency: the task needs {seen.needs} steps, and the "
        f"gradient reaches {far}."
    )


def _window(seen):
    forward = [layer for layer in seen.found.layers if not layer.reverse]
    windows = [layer.window for layer in forward]
    if np.isnan([layer.whole[-1] for layer in forward]).any():
        return ""
    if not np.isfinite(windows).all():
        return (
            "Truncated backpropagation: no window is known to be enough, for the gradient does not "
            "fall along these lags."
        )
    most = max(windows)
    return (
        f"Truncated backpropagation: {steps(most)} {'is' if most == 1 else 'are'} enough for a "
        f"relative bias below {percent(seen.bias)}, by the estimate of Aicher, Foti and Fox (2019)."
    )


def _threshold(seen):
    gradient = seen.found.gradient
    if gradient is None:
        return "Give targets (--targets) for dL/dh, the norms of updates and a threshold."
    low, high = band(gradient)
    if not np.isfinite(high):
        return "No clipping threshold fits: the gradient's norms are no finite numbers."
    if not high:
        return "No clipping threshold fits: the gradient is 0."
    many = f"{len(gradient.batches)} minibatch{'es' * (len(gradient.batches) > 1)}"
    return (
        f"A clipping threshold from {low:.3g} to {high:.3g} fits the norms of {many} of "
        f"{gradient.size} (half to ten times their mean, Pascanu et al. 2013), for a loss that is "
        "a sum over steps; `gradlab watch` says what it does to a log."
    )
