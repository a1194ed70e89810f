"""What was found, in one screen of plain words, as one line, and as a JSON document."""

import textwrap

import numpy as np

from gradlab.inspecting.slopes import band

WIDTH = 100
SHOWN = 4  # layers and directions in a table; of more the first ones


def text(seen):
    """The screen: what was read, the numbers, the rules, and what they mean."""
    shown = seen.found.layers[:SHOWN]
    lines = _wrap(_head(seen))
    for note in seen.net.notes:
        lines += _wrap(note, "  ")
    lines += [*_hung("Inputs", _inputs(seen)), *_hung("Gradient", _gradient(seen)), ""]
    lines += [*_numbers(shown, seen), "", *_matrices(shown), *_gates(shown), ""]
    lines += [*_rules(seen.rules), ""]
    for sentence in seen.advice:
        lines += _wrap(sentence)
    if seen.tried:
        lines += ["", *_tried(seen)]
    return "\n".join(lines)


def record(seen):
    """The same for a program; see commands/inspect.py."""
    return {
        "name": seen.name, "network": str(seen.net), "notes": [*seen.net.notes, *seen.notes],
        "steps": seen.steps, "sequences": seen.lanes, "of": _gradient(seen),
        "share": seen.share, "bias": seen.bias,
        "layers": [_of_layer(layer) for layer in seen.found.layers],
        "loss": seen.found.gradient and seen.found.gradient.loss,
        "threshold": list(band(seen.found.gradient)) if seen.found.gradient else None,
        "rules": [rule._asdict() for rule in seen.rules],
        "remedies": [_of_remedy(one) for one in seen.remedies],
        "advice": list(seen.advice),
    }  # fmt: skip


def _of_layer(layer):
    return {
        "name": layer.name, "layer": layer.layer, "reverse": layer.reverse,
        "spectra": {name: own._asdict() for name, own in layer.spectra.items()},
        "exponent": layer.stretch.exponent[0], "exponent_error": layer.stretch.exponent[1],
        "horizon": layer.horizon, "window": layer.window,
        "log10_at_start": float(layer.whole[-1]), "saturated": layer.units.saturated,
        "gates": {name: gate._asdict() for name, gate in layer.units.gates.items()},
    }  # fmt: skip


def _of_remedy(one):
    said = {key: value for key, value in one._asdict().items() if key != "net"}
    return {**said, "horizons": [*one.horizons], "starts": [*one.starts]}


def _head(seen):
    net = seen.net
    sizes = f"{net.weights['U'].shape[1]} -> {net.hidden} -> {len(net.weights['c'])}"
    ways = ", both directions" if net.bidirectional else ""
    layers = f"{net.layers} layer{'s' * (net.layers > 1)}"
    kind = net.cell if net.cell != "elman" else f"{net.activation} RNN"
    return f"{seen.name}: {kind}, {sizes}, {layers}{ways}, {net.dtype}"


def _inputs(seen):
    size = f"{steps(seen.steps)}, {seen.lanes} sequence{'s' * (seen.lanes > 1)}"
    return "; ".join([size, *seen.notes])


def _gradient(seen):
    gradient = seen.found.gradient
    if gradient is None:
        return (
            "no targets: of h_T, the last state. Its norm is the root mean square of the singular "
            "values of dh_T/dh_k"
        )
    bad = "" if gradient.status == ("ok",) else f"; {', '.join(gradient.status)}"
    return (
        f"dL/dh_k of the last step's {seen.loss.replace('_', ' ')}; L = {gradient.loss:.4g}, mean "
        f"over sequences, sum over steps{bad}"
    )


def _numbers(layers, seen):
    """A row a layer and direction."""
    parts = [*layers[0].horizon]
    head = [
        f"{'':16}{'horizon (steps)':>17}{'at the start':>15}{'largest exponent':>20}"
        f"{'saturated':>12}{'window':>9}",
        f"{'':16}{'  '.join(f'{part:>6}' for part in parts):>17}{f'{seen.steps} back':>15}"
        f"{'(1/step)':>20}{'units':>12}{'(steps)':>9}",
    ]
    rows = []
    for layer in layers:
        horizon = "  ".join(f"{_most(layer, part):>6}" for part in parts)
        value, error = layer.stretch.exponent
        exponent = "not told" if np.isnan(value) else f"{value:.3f} +- {error:.1g}"
        rows.append(
            f"{layer.name:16}{horizon:>17}{power(layer.whole[-1]):>15}{exponent:>20}"
            f"{percent(layer.units.saturated):>12}{whole(layer.window):>9}"
        )
    more = len(seen.found.layers) - len(layers)
    rows += [f"... and {more} more layers and directions (--json)"] if more else []
    note = (
        f"horizon: largest lag with {percent(seen.share)} of the first norm or more; window: for a "
        f"truncation bias below {percent(seen.bias)}"
    )
    return [*head, *rows, *_wrap(note)]


def _most(layer, part):
    """A horizon that no more steps were there to end is said to be at least that."""
    value = layer.horizon[part]
    return f">= {value}" if value >= layer.steps else str(value)


def _matrices(layers):
    """The spectra of W, a column a gate."""
    names = [*layers[0].spectra]
    what = "W" if names == ["W"] else f"{', '.join(names)} of W"
    titles = ("spectral radius", "largest singular value", "departure")
    rows = [f"{what:16}{''.join(f'{title:>28}' for title in titles)}"]
    for layer in layers:
        columns = zip(*layer.spectra.values(), strict=True)
        told = [" ".join(f"{_short(value):>5}" for value in column) for column in columns]
        rows.append(f"{layer.name:16}{''.join(f'{one:>28}' for one in told)}")
    note = (
        "departure: from normality (Henrici), over ||W||: 0 for a normal W, 0.71 for a random one"
    )
    return [*rows, note]


def _short(value):
    return f"{value:.2f}" if value < 100 else f"{value:.3g}"


def _gates(layers):
    """The gate that keeps the state, a row a layer."""
    gate = keeper(layers[0])
    if not gate:
        return
    yield (
        f"{f'gate {gate}':16}{'mean':>17}{'closed (< 0.1)':>20}{'open (> 0.9)':>20}"
        f"{'kept of a state a step':>26}"
    )
    for layer in layers:
        own = layer.units.gates[gate]
        yield (
            f"{layer.name:16}{own.mean:>17.3f}{percent(own.closed):>20}{percent(own.open):>20}"
            f"{percent(np.exp(own.log)):>26}"
        )


def keeper(layer):
    """The name of the gate that keeps the state, "" if there is none."""
    return next((gate for gate in "fz" if gate in layer.units.gates), "")


def _rules(found):
    lines = ["Rules of thumb"]
    for rule in found:
        value = percent(10**rule.log10) if rule.is_share else power(rule.log10)
        before = f"  {value:<10}{rule.verdict:<11}"
        lines += textwrap.wrap(
            f"{rule.name} ({rule.source})", WIDTH, initial_indent=before,
            subsequent_indent=" " * len(before), break_on_hyphens=False,
        )  # fmt: skip
    return lines


def _tried(seen):
    """The table of remedies, and the one that helps most."""
    if not seen.remedies:
        return _wrap("Nothing is tried: there is no gradient that a remedy could be held against.")
    lines = [f"{'Tried':28}{'before':>10}{'after':>10}  what"]
    for one in seen.remedies:
        lines.append(f"{one.name:28}{one.before:>10}{one.after:>10}  {one.what}")
        lines += _wrap(one.cost, "    ")
    return lines + _wrap(seen.remedy)


def power(log10):
    """10^log10 as a reader takes it in."""
    if np.isnan(log10):
        return "nan"
    if np.isneginf(log10):
        return "0"
    if -3 <= log10 < 4:
        return f"{10.0**log10:.3g}"
    return f"10^{log10:.1f}" if abs(log10) < 100 else f"10^{log10:.0f}"


def percent(share):
    """A share in percent."""
    if np.isnan(share):
        return "-"
    return "< 0.01 %" if 0 < share < 1e-4 else f"{100 * share:.3g} %"


def steps(count):
    """ "1 step", "1,000 steps"."""
    return f"{count:,.0f} step{'s' * (count != 1)}"


def whole(value):
    """A number of steps, or none."""
    return f"{value:,.0f}" if np.isfinite(value) else "none"


def _wrap(said, indent=""):
    return textwrap.wrap(
        said, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
    )


def _hung(name, said):
    return textwrap.wrap(
        said, WIDTH, initial_indent=f"{name:12}", subsequent_indent=" " * 12, break_on_hyphens=False
    )
