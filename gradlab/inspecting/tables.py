"""What was found, as DataFrames."""

import numpy as np
import pandas as pd

LOG10_2 = np.log10(2)


def of_layers(seen):
    """A row a layer and direction; spectra of gates have a column a gate."""
    return pd.DataFrame([_of_layer(layer) for layer in seen.found.layers])


def by_lag(seen):
    """A row a lag: the parameters, the gradient there, and what its layer has; and a status."""
    return pd.concat([_by_lag(seen, layer) for layer in seen.found.layers], ignore_index=True)


def _of_layer(layer):
    row = {"layer": layer.layer, "direction": _direction(layer)}
    for name, own in layer.spectra.items():
        after = "" if name == "W" else f"_{name.replace(' ', '_')}"
        row |= {
            f"spectral_radius{after}": own.radius, f"singular_value{after}": own.singular,
            f"departure{after}": own.departure,
        }  # fmt: skip
    row |= {f"horizon_{part}": steps for part, steps in layer.horizon.items()}
    row |= {
        "log10_at_start": float(layer.whole[-1]), "window": layer.window,
        "exponent": layer.stretch.exponent[0], "exponent_error": layer.stretch.exponent[1],
        "saturated": layer.units.saturated, "dead": layer.units.dead,
    }  # fmt: skip
    for name, gate in layer.units.gates.items():
        row |= {f"gate_{name}_{key}": value for key, value in gate._asdict().items()}
    return row


def _by_lag(seen, layer):
    lags = np.arange(layer.steps + 1)
    columns = {"layer": layer.layer, "direction": _direction(layer), "lag": lags}
    columns |= {"file": seen.name, "gradient": seen.loss if layer.of_loss else "dh_T/dh_k"}
    columns |= {f"log10_gradient_{part}": own for part, own in layer.log10.items()}
    stretch = layer.stretch
    for name in ("largest", "median"):
        column = np.full(len(lags), np.nan)
        column[stretch.lags] = getattr(stretch, name) * LOG10_2
        columns[f"log10_singular_{name}"] = column
    columns["log10_bias"] = layer.log_bias[:-1] / np.log(10)
    columns |= {"share": seen.share, "bias": seen.bias, "status": "ok"}
    frame = pd.DataFrame(columns | {k: v for k, v in _of_layer(layer).items() if k not in columns})
    bad = np.isnan(frame.log10_gradient_h)
    frame.loc[bad, "status"] = "nan"
    return frame


def _direction(layer):
    return "reverse" if layer.reverse else "forward"
