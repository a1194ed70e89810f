"""How networks, gradients and exponents show themselves in a notebook: HTML and SVG alone."""

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
    rows |= {"notes": "; ".join(net.notes)} if net.notes else {}
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
    caption = "lag T - t (steps): ||dL/dh|| of each lane"
    axes = _axes((f"10^{low}", f"10^{high}"), (0, steps), caption)
    return _drawn("log10 of the norm of dL/dh over the lag", axes, lines)


def exponents_line(found):
    """The largest exponent with its standard error, and what follows from all, in a line."""
    first = f"largest {found.values[0]:.4g} +- {found.errors[0]:.2g}"
    return ", ".join([first, *(f"{name} {value}" for name, value in _of_all(found).items())])


def exponents(found):
    """A table of the largest exponents and what follows from all, beside their curve."""
    low, high = found.interval()
    rows = {
        f"exponent {i + 1} (1/step)": f"{found.values[i]:.4g} +- {found.errors[i]:.2g}, 95 %: "
        f"{low[i]:.4g} to {high[i]:.4g}"
        for i in range(min(3, len(found.values)))
    }
    lanes = f"{found.blocks} in {len(found.lanes)} lanes" if len(found.lanes) > 1 else found.blocks
    rows |= _of_all(found) | {"blocks of time": str(lanes)}
    return f"<div>{_table('Lyapunov exponents', rows)}{by_rank(found.values)}</div>"


def _of_all(found):
    """{name: text} of what is known."""
    values = {
        "dimension": found.dimension,
        "entropy (1/step)": found.entropy,
        "mean (1/step)": found.mean,
        "mean by ln|det J|": found.log_determinant,
    }
    said = {name: f"{value:.4g}" for name, value in values.items() if not math.isnan(value)}
    return said | {"exponents": str(len(found.values))}


def by_rank(values):
    """An SVG of falling exponents over their rank, and of 0."""
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return ""
    low, high = min(finite.min(), 0.0), max(finite.max(), 0.0)
    high += high == low
    last = len(finite) - 1
    lines = _line(finite, last, low, high) + _line(np.zeros(last + 1), last, low, high)
    axes = _axes((f"{low:.3g}", f"{high:.3g}"), (1, last + 1), "rank of the exponent (1/step)")
    return _drawn("Lyapunov exponents over their rank", axes, lines)


def _drawn(label, axes, lines):
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11" '
        f'role="img" aria-label="{label}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{axes}'
        f'<g fill="none" stroke="#1f6fb2" stroke-opacity="0.7">{lines}</g></svg>'
    )


def _line(curve, steps, low, high):
    lags = np.unique(np.linspace(0, len(curve) - 1, POINTS).astype(int))
    lags = lags[np.isfinite(curve[lags])]
    x = LEFT + (WIDTH - LEFT - 12) * lags / steps
    y = TOP + (HEIGHT - TOP - BOTTOM) * (high - curve[lags]) / (high - low)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}"/>'


def _axes(heights, ends, caption):
    """The axes, the lowest and the highest value, the first and the last place, and a caption."""
    floor, right, side = HEIGHT - BOTTOM, WIDTH - 12, LEFT - 5
    return (
        f'<path d="M{LEFT} {TOP}V{floor}H{right}" fill="none" stroke="#6b7079"/>'
        f'<g fill="#22252b" text-anchor="end"><text x="{side}" y="{TOP + 8}">{heights[1]}</text>'
        f'<text x="{side}" y="{floor}">{heights[0]}</text>'
        f'<text x="{right}" y="{floor + 14}">{ends[1]}</text></g>'
        f'<g fill="#22252b"><text x="{LEFT}" y="{floor + 14}">{ends[0]}</text>'
        f'<text x="{LEFT + 90}" y="{HEIGHT - 6}">{caption}</text></g>'
    )


def _table(title, rows):
    cells = "".join(
        f'<tr><td style="text-align: left">{name}</td>'
        f'<td style="text-align: left">{html.escape(value)}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table><caption><b>{title}</b></caption>{cells}</table>"
