"""How networks and gradients show themselves in a notebook: HTML and SVG, no other library."""

import html
import math

import numpy as np

from gradlab.nets import draws, weights

LOG10_2 = math.log10(2)
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 460, 170, 58, 34, 12
LANES, POINTS = 20, 300  # drawn at most


def network(net):
    """A table: cell, sizes, activation, and what W does to a gradient."""
    net = net.checked()
    square = weights.square(net.module, net.weights)
    rows = {
        "cell": f"{net.cell}, {net.activation}, {net.weights['W'].dtype}",
        "inputs, units, outputs": f"{net.weights['U'].shape[1]}, {net.hidden}, "
        f"{len(net.weights['c'])}",
        "layers, directions": f"{net.layers}, {1 + net.bidirectional}",
    }
    of = " V" if net.reads_out else ", lowest layer" if len(net.places) > 1 else ""
    for what, measured in (
        (f"spectral radius of W{of}", draws.spectral_radius),
        ("largest singular value", lambda W: np.linalg.norm(W, 2)),
    ):
        rows[what] = ", ".join(_of_matrix(*named, measured) for named in square.items())
    return _table("Network", rows)


def _of_matrix(name, W, measured):
    value = f"{measured(W):.4g}" if np.isfinite(W).all() else "not finite"
    return value if name.startswith("W") else f"{name} {value}"


def gradients(found):
    """A table of the loss, the status and each weight's norm, beside dL/dh by lag."""
    kinds, counts = np.unique(found.status, return_counts=True)
    rows = {
        "loss": loss(found),
        "status of lanes": ", ".join(f"{n} {k}" for k, n in zip(kinds, counts, strict=True)),
    }
    for name, log2 in found.log2_norms.items():
        rows[f"||dL/d{name}||"] = power(log2)
    rows["all together"] = power(found.log2_norm)
    return f"<div>{_table('Gradients', rows)}{by_lag(found.lag_log2, found.lengths)}</div>"


def loss(found):
    """L, also where float64 has no such number."""
    if found.loss and math.isfinite(found.loss):
        return f"{found.loss:.6g}"
    return power(found.log2_loss)


def power(log2):
    """2^log2 as a reader takes it in, also where float64 has no such number."""
    log10 = log2 * LOG10_2
    if abs(log10) < 300 or not math.isfinite(log10):
        return f"{2.0**log2:.4g}"
    return f"10^{log10:.1f}"


def by_lag(log2, lengths):
    """An SVG of log10 ||dL/dh_t|| over the lag, T - t, of each lane; log2 (T+1, B)."""
    curves = [log2[length::-1, lane] * LOG10_2 for lane, length in enumerate(lengths)][:LANES]
    heights = np.concatenate(curves)
    heights = heights[np.isfinite(heights)]
    if not heights.size:
        return "<p>dL/dh is zero or not finite at every step.</p>"
    low, high = math.floor(heights.min()), math.ceil(heights.max())
    high = max(high, low + 1)
    steps = max(len(curve) for curve in curves) - 1
    lines = "".join(_line(curve, steps, low, high) for curve in curves)
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11" '
        f'role="img" aria-label="log10 of the norm of dL/dh over the lag">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{_axes(steps, low, high)}'
        f'<g fill="none" stroke="#1f6fb2" stroke-opacity="0.7">{lines}</g></svg>'
    )


def _line(curve, steps, low, high):
    lags = np.unique(np.linspace(0, len(curve) - 1, POINTS).astype(int))
    lags = lags[np.isfinite(curve[lags])]
    x = LEFT + (WIDTH - LEFT - 12) * lags / steps
    y = TOP + (HEIGHT - TOP - BOTTOM) * (high - curve[lags]) / (high - low)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}"/>'


def _axes(steps, low, high):
    floor, right = HEIGHT - BOTTOM, WIDTH - 12
    return (
        f'<path d="M{LEFT} {TOP}V{floor}H{right}" fill="none" stroke="#6b7079"/>'
        f'<g fill="#22252b" text-anchor="end"><text x="{LEFT - 5}" y="{TOP + 8}">10^{high}</text>'
        f'<text x="{LEFT - 5}" y="{floor}">10^{low}</text>'
        f'<text x="{right}" y="{floor + 14}">{steps}</text></g>'
        f'<g fill="#22252b"><text x="{LEFT}" y="{floor + 14}">0</text>'
        f'<text x="{LEFT + 90}" y="{HEIGHT - 6}">'
        "lag T - t (steps): ||dL/dh|| of each lane</text></g>"
    )


def _table(title, rows):
    cells = "".join(
        f'<tr><td style="text-align: left">{name}</td>'
        f'<td style="text-align: left">{html.escape(value)}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table><caption><b>{title}</b></caption>{cells}</table>"
